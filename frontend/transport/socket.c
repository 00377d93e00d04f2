/* Opens listening sockets with the options that lanes need. Responsible for addresses and socket options;
 * leaves accepting to server.c. */
#include "frontend/transport/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct address {
    struct sockaddr_storage sa;
    socklen_t len;
};

static bool address_parse(struct str host, uint16_t port, struct address *ret)
{
    char text[64];
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = str_of(host.ptr + 1, host.len - 2);
    }
    if (str_empty(host)) {
        host = STR("0.0.0.0");
    }
    if (host.len >= sizeof(text)) {
        return false;
    }
    snprintf(text, sizeof(text), STR_FMT, STR_ARG(host));
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(&ret->sa, &v4, sizeof(v4));
        ret->len = sizeof(v4);
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
        memcpy(&ret->sa, &v6, sizeof(v6));
        ret->len = sizeof(v6);
        return true;
    }
    return false;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage sa = { 0 };
    socklen_t len = sizeof(sa);
    if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0) {
        return 0;
    }
    return ntohs(sa.ss_family == AF_INET ? ((struct sockaddr_in *)&sa)->sin_port
                                         : ((struct sockaddr_in6 *)&sa)->sin6_port);
}

/* A bound socket, or -1 with errno. */
static int bind_socket(const struct address *a, bool is_shared)
{
    int on = 1;
    int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
            (!is_shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
            bind(fd, (const struct sockaddr *)&a->sa, a->len) == 0) {
        return fd;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* Listening without SO_REUSEPORT fails when anybody else listens there. */
static int open_one(const struct address *a, bool is_first, int backlog)
{
    if (is_first) {
        int probe = bind_socket(a, false);
        if (probe < 0 || listen(probe, 1) != 0) {
            int saved = errno;
            if (probe >= 0) {
                close(probe);
            }
            errno = saved;
            return -1;
        }
        close(probe);
    }
    int fd = bind_socket(a, true);
    if (fd >= 0 && listen(fd, backlog) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

enum err listen_sockets_open(struct str host, bool is_first, int backlog, uint16_t *port,
        int fds[LISTEN_SOCKETS_MAX], unsigned *count, struct fail *f)
{
    bool is_local = str_eq(host, STR("localhost"));
    struct address a;
    if (!address_parse(is_local ? STR("127.0.0.1") : host, *port, &a)) {
        return fail(f, ERR_INVALID_ARGUMENT, "\"" STR_FMT "\" is not an address to listen on",
                STR_ARG(host));
    }
    int fd = open_one(&a, is_first, backlog);
    if (fd < 0) {
        return fail(f, ERR_UNAVAILABLE, "cannot listen on " STR_FMT " port %u: %s", STR_ARG(host),
                *port, strerror(errno));
    }
    *port = bound_port(fd);
    fds[0] = fd;
    *count = 1;
    if (is_local || str_eq(host, STR("127.0.0.1"))) {
        check(address_parse(STR("::1"), *port, &a));
        fd = open_one(&a, is_first, backlog);
        if (fd >= 0) {
            fds[(*count)++] = fd;
        }
    }
    return ERR_NONE;
}
