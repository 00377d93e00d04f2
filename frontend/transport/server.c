/* The connections of a lane: listening and accepting, flushing at the end of each turn, and the orderly end.
 * Leaves single connections to conn.c and sockets' options to socket.c. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/obs/log.h"
#include "frontend/transport/internal.h"
#include "frontend/transport/socket.h"

enum { BATCH_MAX = 1 << 20 }; /* bounds the scratch: a batch, one frame more, and what TLS adds */

struct listener {
    uv_tcp_t tcp;
    struct transport *transport;
};

/* --- accepting --- */

static void format_address(uv_tcp_t *tcp, char *to, size_t size)
{
    struct sockaddr_storage sa;
    int len = sizeof(sa);
    char host[48] = "?";
    unsigned port = 0;
    if (uv_tcp_getpeername(tcp, (struct sockaddr *)&sa, &len) == 0) {
        if (sa.ss_family == AF_INET) {
            uv_ip4_name((struct sockaddr_in *)&sa, host, sizeof(host));
            port = ntohs(((struct sockaddr_in *)&sa)->sin_port);
        } else {
            uv_ip6_name((struct sockaddr_in6 *)&sa, host, sizeof(host));
            port = ntohs(((struct sockaddr_in6 *)&sa)->sin6_port);
        }
    }
    snprintf(to, size, sa.ss_family == AF_INET6 ? "[%s]:%u" : "%s:%u", host, port);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *l = stream->data;
    struct transport *t = l->transport;
    lane_enter(t->lane);
    if (status < 0) {
        log_warn("accept_failed", LOG_CSTR("text", uv_strerror(status)));
        return;
    }
    struct conn *c = calloc(1, sizeof(*c));
    check(c);
    c->transport = t;
    check(uv_tcp_init(lane_uv_loop(t->lane), &c->tcp) == 0);
    c->tcp.data = c;
    t->conn_count++;
    list_append(&t->all, &c->in_all);
    c->opened = c->last_read = c->idle_since = lane_monotonic(t->lane);
    /* Some spread, so that connections opened together do not end together. */
    c->ages_from.ns = c->opened.ns + (int64_t)rand_below(lane_rand(t->lane),
                                             (uint64_t)t->config.age_max.ns / 10 + 1);
    if (uv_accept(stream, (uv_stream_t *)&c->tcp) != 0) {
        conn_close(c, "accept");
        return;
    }
    format_address(&c->tcp, c->address, sizeof(c->address));
    if (t->conn_count > t->config.connections_max) {
        log_warn("connections_full", LOG_CSTR("peer", c->address));
        conn_close(c, "too many connections");
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    conn_start(c);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;
    struct transport *t = l->transport;
    lane_enter(t->lane);
    free(l);
    t->open_listeners--;
    transport_check_drained(t);
}

static int listener_start(struct transport *t, int fd)
{
    struct listener *l = calloc(1, sizeof(*l));
    check(l);
    l->transport = t;
    check(uv_tcp_init(lane_uv_loop(t->lane), &l->tcp) == 0);
    l->tcp.data = l;
    t->listeners[t->listener_count++] = l;
    t->open_listeners++;
    int rc = uv_tcp_open(&l->tcp, fd);
    if (rc != 0) {
        close(fd);
        return rc;
    }
    return uv_listen((uv_stream_t *)&l->tcp, t->config.backlog, on_connection);
}

enum err transport_listen(
        struct transport *transport, struct str host, bool is_first, uint16_t *port, struct fail *f)
{
    int fds[LISTEN_SOCKETS_MAX];
    unsigned count;
    check(transport->listener_count + LISTEN_SOCKETS_MAX <= LISTENERS_MAX);
    enum err err =
            listen_sockets_open(host, is_first, transport->config.backlog, port, fds, &count, f);
    for (unsigned i = 0; !err && i < count; i++) {
        int rc = listener_start(transport, fds[i]);
        if (rc != 0) {
            err = fail(f, ERR_UNAVAILABLE, "cannot listen: %s", uv_strerror(rc));
        }
    }
    return err;
}

/* --- the whole --- */

static void on_turn_end(struct lane_hook *hook)
{
    struct transport *t = container_of(hook, struct transport, hook);
    struct list_node *n;
    t->is_flushing = true;
    while ((n = list_pop(&t->dirty)) != NULL) {
        conn_flush(list_entry(n, struct conn, in_dirty));
    }
    t->is_flushing = false;
}

void transport_check_drained(struct transport *t)
{
    if (t->is_draining && t->conn_count == 0 && t->open_listeners == 0 && t->drained) {
        void (*done)(void *) = t->drained;
        t->drained = NULL;
        lane_timer_stop(t->lane, &t->drain_timer);
        done(t->drained_arg);
    }
}

static void set_default(struct duration *d, struct duration value)
{
    if (d->ns == 0) {
        *d = value;
    }
}

struct transport *transport_new(struct lane *lane, const struct transport_config *config)
{
    struct transport *t = calloc(1, sizeof(*t));
    check(t);
    t->lane = lane;
    t->config = *config;
    struct transport_config *c = &t->config;
    c->connections_max = c->connections_max ? c->connections_max : 20000;
    c->backlog = c->backlog ? c->backlog : 1024;
    set_default(&c->handshake_timeout, DURATION_SECONDS(10));
    set_default(&c->ping_after, DURATION_SECONDS(30));
    set_default(&c->ping_timeout, DURATION_SECONDS(15));
    set_default(&c->write_timeout, DURATION_SECONDS(30));
    /* Precise enough for limits of seconds, and small ones work too. */
    struct duration tick = duration_min(duration_min(c->handshake_timeout, c->ping_after),
            duration_min(c->ping_timeout, c->write_timeout));
    t->tick.ns = tick.ns / 4 > 10000000 ? tick.ns / 4 : 10000000;
    list_init(&t->all);
    list_init(&t->dirty);
    buf_init(&t->plain, BATCH_MAX);
    buf_init(&t->out, BATCH_MAX);
    t->hook.run = on_turn_end;
    lane_on_turn_end(lane, &t->hook);
    return t;
}

static void on_drain_timeout(struct lane_timer *timer)
{
    struct transport *t = container_of(timer, struct transport, drain_timer);
    list_each(&t->all, n)
    {
        conn_close(list_entry(n, struct conn, in_all), "drain timeout");
    }
}

void transport_drain(
        struct transport *transport, struct duration patience, void (*done)(void *arg), void *arg)
{
    struct transport *t = transport;
    check(!t->is_draining);
    t->is_draining = true;
    t->drained = done;
    t->drained_arg = arg;
    for (unsigned i = 0; i < t->listener_count; i++) {
        uv_close((uv_handle_t *)&t->listeners[i]->tcp, on_listener_closed);
    }
    t->listener_count = 0;
    struct instant now = lane_monotonic(t->lane);
    list_each(&t->all, n)
    {
        struct conn *c = list_entry(n, struct conn, in_all);
        conn_drain(c, now);
    }
    lane_timer_start(t->lane, &t->drain_timer, patience, on_drain_timeout);
    transport_check_drained(t); /* it may never have listened */
}

void transport_free(struct transport *transport)
{
    if (transport) {
        check(transport->conn_count == 0 && transport->open_listeners == 0);
        buf_deinit(&transport->plain);
        buf_deinit(&transport->out);
        free(transport);
    }
}

unsigned transport_connections(const struct transport *transport)
{
    return transport->conn_count;
}
