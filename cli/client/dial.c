/* Making connections: names, addresses tried one after the other, and again after a pause. Leaves what goes over them to
 * conn.c. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/client/conn_state.h"

enum { OUT_BYTES_MAX = 80 << 20 };

/* The next address of the name; false: none is left. */
bool conn_try_next(struct conn *conn)
{
    while (conn->next_address) {
        struct addrinfo *address = conn->next_address;
        conn->next_address = address->ai_next;
        int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int on = 1;
        if (fd < 0) {
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (connect(fd, address->ai_addr, address->ai_addrlen) && errno != EINPROGRESS) {
            close(fd);
            continue;
        }
        conn->watch.fd = fd;
        conn->state = CONN_CONNECTING;
        conn_session_start(conn);
        watch_add(conn->channel->loop, &conn->watch, true);
        return true;
    }
    return false;
}

void conn_open(struct conn *conn)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    if (conn->addresses) {
        freeaddrinfo(conn->addresses);
        conn->addresses = NULL;
    }
    int rc = getaddrinfo(conn->host, conn->port, &hints, &conn->addresses);
    conn->next_address = rc ? NULL : conn->addresses;
    if (rc) {
        conn_lost(conn, gai_strerror(rc));
    } else if (!conn_try_next(conn)) {
        conn_lost(conn, strerror(errno));
    }
}

static void conn_reopen(struct timer *timer)
{
    conn_open(container_of(timer, struct conn, reopen));
}

/* "host:port", "host", "[::1]:port". */
static void conn_name(struct conn *conn, struct str address)
{
    struct str host = address, port = STR("7233");
    size_t colon = address.len;
    while (colon && address.ptr[colon - 1] != ':' && address.ptr[colon - 1] != ']') {
        colon--;
    }
    if (colon && address.ptr[colon - 1] == ':' &&
            (address.ptr[0] == '[' || str_find(address, ':') == colon - 1)) {
        host = str_of(address.ptr, colon - 1);
        port = str_drop(address, colon);
    }
    host.len = host.len < ADDRESS_BYTES ? host.len : ADDRESS_BYTES - 1;
    port.len = port.len < sizeof(conn->port) ? port.len : sizeof(conn->port) - 1;
    snprintf(conn->authority, sizeof(conn->authority), STR_FMT ":" STR_FMT, STR_ARG(host),
            STR_ARG(port));
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = str_of(host.ptr + 1, host.len - 2);
    }
    snprintf(conn->host, sizeof(conn->host), STR_FMT, STR_ARG(host));
    snprintf(conn->port, sizeof(conn->port), STR_FMT, STR_ARG(port));
}

void conns_init(struct channel *channel)
{
    struct str rest = channel->options.addresses;
    size_t count = 1, per_address = channel->options.connections;
    for (size_t i = 0; i < rest.len; i++) {
        count += rest.ptr[i] == ',';
    }
    channel->conn_count = count * per_address;
    channel->conns = NEW(channel->arena, struct conn, channel->conn_count);
    for (size_t a = 0; a < count; a++) {
        struct str address = str_trim(str_split(rest, ',', &rest));
        for (size_t i = 0; i < per_address; i++) {
            /* Neighbours go to different servers, so that a round robin spreads evenly. */
            struct conn *conn = &channel->conns[i * count + a];
            conn->channel = channel;
            conn->watch = (struct watch){ .fd = -1, .ready = conn_ready };
            conn->reopen.fire = conn_reopen;
            list_init(&conn->calls);
            buf_init(&conn->out, OUT_BYTES_MAX);
            buf_init(&conn->plain, OUT_BYTES_MAX);
            conn_name(conn, address);
            conn_open(conn);
        }
    }
}
