/* One thread, a few connections, no buffering: what is read is written at once. */
#include "tests/store/proxy.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/store/contract.h"

enum { PAIRS = 16 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum { PASS, CUT_REQUEST, CUT_REPLY, STALL_REQUEST } mode;
static size_t budget;
static int cuts, listener, server_port;

static struct pair {
    int client, server; /* -1: free */
    bool is_stalled;    /* what the client sends vanishes */
} pairs[PAIRS];

static int tcp(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    expect(fd >= 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void pair_close(struct pair *p)
{
    struct linger now = { 1,
        0 }; /* a reset: what the peer has not read yet may be lost, as in a crash */
    setsockopt(p->client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(p->client);
    close(p->server);
    p->client = p->server = -1;
}

static void pair_accept(void)
{
    int client = accept(listener, NULL, NULL);
    struct sockaddr_in at = loopback(server_port);
    int server = tcp();
    bool ok = client >= 0 && connect(server, (struct sockaddr *)&at, sizeof(at)) == 0;
    for (size_t i = 0; ok && i < PAIRS; i++) {
        if (pairs[i].client < 0) {
            pairs[i] = (struct pair){ client, server, false };
            return;
        }
    }
    close(server);
    if (client >= 0) {
        close(client);
    }
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t w = send(fd, p, n, MSG_NOSIGNAL);
        if (w <= 0) {
            return false;
        }
        p += w;
        n -= (size_t)w;
    }
    return true;
}

/* False: the pair is to be cut. */
static bool relay(struct pair *p, bool from_client)
{
    char bytes[65536];
    ssize_t got = recv(from_client ? p->client : p->server, bytes, sizeof(bytes), 0);
    if (got <= 0) {
        return false;
    }
    size_t n = (size_t)got;
    bool cut = false;
    pthread_mutex_lock(&lock);
    if (mode == CUT_REPLY && !from_client) {
        n = 0;
        cut = true;
    } else if (mode == CUT_REQUEST && from_client) {
        cut = n >= budget;
        n = cut ? budget : n;
        budget -= n;
    } else if (mode == STALL_REQUEST && from_client && !p->is_stalled) {
        p->is_stalled = n >= budget;
        n = p->is_stalled ? budget : n;
        budget -= n;
        if (p->is_stalled) {
            mode = PASS;
            cuts++;
        }
    } else if (p->is_stalled && from_client) {
        n = 0;
    }
    if (cut) {
        mode = PASS;
        cuts++;
    }
    pthread_mutex_unlock(&lock);
    bool written = write_all(from_client ? p->server : p->client, bytes, n);
    return written && !cut;
}

static void *proxy_main(void *arg)
{
    for (;;) {
        struct pollfd fds[1 + 2 * PAIRS] = { { .fd = listener, .events = POLLIN } };
        for (size_t i = 0; i < PAIRS; i++) {
            fds[1 + 2 * i] = (struct pollfd){ .fd = pairs[i].client, .events = POLLIN };
            fds[2 + 2 * i] = (struct pollfd){ .fd = pairs[i].server, .events = POLLIN };
        }
        poll(fds, ARRAY_LEN(fds), -1);
        for (size_t i = 0; i < PAIRS; i++) {
            struct pair *p = &pairs[i];
            bool client = fds[1 + 2 * i].revents != 0, server = fds[2 + 2 * i].revents != 0;
            if (p->client >= 0 && ((client && !relay(p, true)) || (server && !relay(p, false)))) {
                pair_close(p);
            }
        }
        if (fds[0].revents) {
            pair_accept();
        }
    }
    return NULL;
}

int proxy_start(int to_port)
{
    static int port;
    server_port = to_port;
    if (port) {
        return port;
    }
    for (size_t i = 0; i < PAIRS; i++) {
        pairs[i] = (struct pair){ -1, -1, false };
    }
    listener = tcp();
    struct sockaddr_in at = loopback(0);
    socklen_t len = sizeof(at);
    expect(bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(listener, 16) == 0);
    expect(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
    port = ntohs(at.sin_port);
    pthread_t thread;
    expect(pthread_create(&thread, NULL, proxy_main, NULL) == 0);
    pthread_detach(thread);
    return port;
}

static void arm(int how, size_t bytes)
{
    pthread_mutex_lock(&lock);
    mode = how;
    budget = bytes;
    pthread_mutex_unlock(&lock);
}

void proxy_cut_request(size_t bytes)
{
    arm(CUT_REQUEST, bytes);
}

void proxy_stall_request(size_t bytes)
{
    arm(STALL_REQUEST, bytes);
}

void proxy_cut_reply(void)
{
    arm(CUT_REPLY, 0);
}

int proxy_cuts(void)
{
    pthread_mutex_lock(&lock);
    int n = cuts;
    pthread_mutex_unlock(&lock);
    return n;
}
