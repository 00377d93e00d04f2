/* Sockets of client connections on a lane. Responsible for accepting, reading, batching writes, time limits
 * of connections, and the orderly end. Relies on http2.c for everything above bytes and on tls.c for
 * encryption. Leaves what streams mean to the application.
 *
 * Reading never writes: it marks the connection dirty, and the hook at the end of the turn flushes every dirty
 * connection, so that all answers of a turn leave in one write. While the socket takes nothing, no more output
 * is pulled and no more input is read. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "common/io/lane_uv.h"
#include "common/obs/log.h"
#include "frontend/transport/socket.h"
#include "frontend/transport/transport.h"

enum {
    READ_SIZE = 64 << 10,
    WRITE_BATCH = 256 << 10, /* output pulled before it is offered to the socket */
    BATCH_MAX = 1 << 20,     /* ... and what one frame or TLS may add */
    LISTENERS_MAX = 8,
};

struct conn {
    uv_tcp_t tcp;
    struct transport *transport;
    struct h2_session *h2; /* NULL before the TLS handshake is done, and when closing */
    struct tls_conn *tls;
    struct list_node in_all, in_dirty;
    struct lane_timer timer;
    struct instant opened, ages_from, last_read, write_started, drain_started, idle_since;
    size_t write_size; /* bytes of the write in flight, 0: none */
    struct h2_peer peer;
    char address[64], certificate[128];
    struct lane_task close_task;
    const char *close_reason;
    bool is_closing, is_close_deferred, is_broken, is_pinged;
};

struct listener {
    uv_tcp_t tcp;
    struct transport *transport;
};

struct transport {
    struct lane *lane;
    struct transport_config config;
    struct duration tick;
    struct list all, dirty;
    struct lane_hook hook;
    struct listener *listeners[LISTENERS_MAX];
    unsigned listener_count, open_listeners, conn_count;
    struct buf plain, out; /* scratch of the lane's connections */
    bool is_draining, is_flushing;
    struct lane_timer drain_timer;
    void (*drained)(void *arg);
    void *drained_arg;
    char input[READ_SIZE];
};

struct write {
    uv_write_t req;
    struct conn *conn;
    char bytes[];
};

static void conn_mark(struct conn *c)
{
    if (!c->is_closing && !c->is_close_deferred && !list_linked(&c->in_dirty)) {
        list_append(&c->transport->dirty, &c->in_dirty);
    }
}

static void on_wake(void *arg)
{
    conn_mark(arg);
}

/* --- the end of a connection --- */

static void transport_check_drained(struct transport *t)
{
    if (t->is_draining && t->conn_count == 0 && t->open_listeners == 0 && t->drained) {
        void (*done)(void *) = t->drained;
        t->drained = NULL;
        lane_timer_stop(t->lane, &t->drain_timer);
        done(t->drained_arg);
    }
}

static void on_conn_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    struct transport *t = c->transport;
    lane_enter(t->lane);
    tls_conn_free(c->tls);
    free(c);
    t->conn_count--;
    transport_check_drained(t);
}

static void on_close_deferred(struct lane_task *task);

/* Closing tells handlers that their calls are cancelled, and what they do then must not be missed by the
 * hooks that ran before ours: at the end of a turn, closing waits for the next one. */
static void conn_close(struct conn *c, const char *reason)
{
    if (c->is_closing || c->is_close_deferred) {
        return;
    }
    struct transport *t = c->transport;
    if (t->is_flushing) {
        c->is_close_deferred = true;
        c->close_reason = reason;
        c->close_task.run = on_close_deferred;
        lane_defer(t->lane, &c->close_task);
        return;
    }
    c->is_closing = true;
    log_debug("connection_closed", LOG_CSTR("peer", c->address), LOG_CSTR("reason", reason));
    if (c->h2 && c->write_size &&
            uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp) < c->write_size) {
        h2_session_sent(c->h2);
    }
    struct h2_session *h2 = c->h2;
    c->h2 = NULL;
    h2_session_free(h2);
    lane_timer_stop(t->lane, &c->timer);
    list_remove(&c->in_all);
    list_remove(&c->in_dirty);
    uv_close((uv_handle_t *)&c->tcp, on_conn_closed);
}

static void on_close_deferred(struct lane_task *task)
{
    struct conn *c = container_of(task, struct conn, close_task);
    c->is_close_deferred = false;
    conn_close(c, c->close_reason);
}

static bool is_gone(const struct conn *c)
{
    return c->is_closing || c->is_close_deferred;
}

/* --- writing --- */

static void on_written(uv_write_t *req, int status)
{
    struct write *w = container_of(req, struct write, req);
    struct conn *c = w->conn;
    free(w);
    if (is_gone(c)) {
        return;
    }
    lane_enter(c->transport->lane);
    if (status < 0) {
        conn_close(c, uv_strerror(status));
        return;
    }
    c->write_size = 0;
    c->last_read = lane_monotonic(c->transport->lane); /* reading was stopped meanwhile */
    if (c->h2) {
        h2_session_sent(c->h2);
    }
    conn_mark(c);
}

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
    struct conn *c = handle->data;
    *buf = uv_buf_init(c->transport->input, READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

/* True when the socket took everything; otherwise the rest is under way, or the connection closed. */
static bool conn_write(struct conn *c, struct str bytes)
{
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)bytes.ptr, (unsigned)bytes.len);
    int n = uv_try_write((uv_stream_t *)&c->tcp, &b, 1);
    if (n == UV_EAGAIN) {
        n = 0;
    }
    if (n < 0) {
        conn_close(c, uv_strerror(n));
        return false;
    }
    if (n > 0 && c->h2) {
        h2_session_sent(c->h2);
    }
    bytes = str_drop(bytes, (size_t)n);
    if (str_empty(bytes)) {
        return true;
    }
    struct write *w = malloc(sizeof(*w) + bytes.len);
    check(w);
    w->conn = c;
    memcpy(w->bytes, bytes.ptr, bytes.len);
    b = uv_buf_init(w->bytes, (unsigned)bytes.len);
    int rc = uv_write(&w->req, (uv_stream_t *)&c->tcp, &b, 1, on_written);
    if (rc != 0) {
        free(w);
        conn_close(c, uv_strerror(rc));
        return false;
    }
    c->write_size = bytes.len;
    c->write_started = lane_monotonic(c->transport->lane);
    uv_read_stop((uv_stream_t *)&c->tcp);
    return false;
}

/* Appends what the connection has to say to t->out; for TLS, encrypted. */
static bool conn_collect(struct conn *c)
{
    struct transport *t = c->transport;
    buf_reset(&t->out);
    if (!c->tls) {
        return h2_session_pull(c->h2, &t->out, WRITE_BATCH);
    }
    buf_reset(&t->plain);
    bool ok = !c->h2 || (h2_session_pull(c->h2, &t->plain, WRITE_BATCH) &&
                                tls_conn_write(c->tls, buf_str(&t->plain)));
    tls_conn_pull(c->tls, &t->out);
    return ok;
}

static void conn_end(struct conn *c)
{
    if (c->tls && !c->is_broken) {
        buf_reset(&c->transport->out);
        tls_conn_shutdown(c->tls);
        tls_conn_pull(c->tls, &c->transport->out);
        if (!conn_write(c, buf_str(&c->transport->out))) {
            return; /* the closing alert is on its way, or the connection is gone */
        }
    }
    conn_close(c, c->is_broken ? "protocol" : "done");
}

static void conn_flush(struct conn *c)
{
    struct transport *t = c->transport;
    while (!is_gone(c) && c->write_size == 0) {
        bool ok = conn_collect(c);
        if (t->out.len && !conn_write(c, buf_str(&t->out))) {
            return;
        }
        if (!ok) {
            conn_close(c, "session failed");
            return;
        }
        if (t->out.len == 0) {
            break;
        }
    }
    if (is_gone(c) || c->write_size) {
        return;
    }
    if (c->is_broken || (c->h2 && h2_session_is_done(c->h2))) {
        conn_end(c);
    } else if (!uv_is_active((uv_handle_t *)&c->tcp)) {
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    }
}

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

/* --- reading --- */

static void conn_start_session(struct conn *c)
{
    struct transport *t = c->transport;
    if (c->tls) {
        tls_conn_peer_name(c->tls, c->certificate, sizeof(c->certificate));
    }
    c->peer = (struct h2_peer){ .address = str_from_cstr(c->address),
        .certificate = str_from_cstr(c->certificate),
        .is_tls = c->tls != NULL };
    c->h2 = h2_session_new(&t->config.h2, t->config.app, t->config.app_ctx, &c->peer, on_wake, c);
    if (t->is_draining) {
        h2_session_drain(c->h2);
    }
}

static void conn_feed(struct conn *c, struct str bytes)
{
    struct transport *t = c->transport;
    bool ok = true;
    if (c->tls) {
        buf_reset(&t->plain);
        ok = tls_conn_feed(c->tls, bytes, &t->plain);
        bytes = buf_str(&t->plain);
        if (!c->h2 && tls_conn_is_ready(c->tls) && ok) {
            conn_start_session(c);
        }
        if (!ok) {
            log_debug("tls_failed", LOG_CSTR("peer", c->address),
                    LOG_CSTR("text", tls_conn_error(c->tls)));
        }
    }
    if (c->h2 && bytes.len) {
        ok = h2_session_feed(c->h2, bytes) && ok;
    }
    c->is_broken = !ok;
    conn_mark(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = stream->data;
    lane_enter(c->transport->lane);
    if (n == 0 || is_gone(c) || c->is_broken) {
        return;
    }
    if (n < 0) {
        conn_close(c, uv_strerror((int)n));
        return;
    }
    c->last_read = lane_monotonic(c->transport->lane);
    c->is_pinged = false;
    conn_feed(c, str_of(buf->base, (size_t)n));
}

/* --- time --- */

static bool passed(struct instant now, struct instant since, struct duration limit)
{
    return limit.ns > 0 && instant_since(now, since).ns >= limit.ns;
}

static void conn_drain(struct conn *c, struct instant now)
{
    if (!c->h2) {
        conn_close(c, "draining");
    } else if (!h2_session_is_draining(c->h2)) {
        c->drain_started = now;
        h2_session_drain(c->h2);
    } else if (passed(now, c->drain_started, DURATION_SECONDS(1))) {
        h2_session_drain_now(c->h2);
    }
}

static void on_conn_tick(struct lane_timer *timer)
{
    struct conn *c = container_of(timer, struct conn, timer);
    struct transport *t = c->transport;
    const struct transport_config *config = &t->config;
    struct instant now = lane_monotonic(t->lane);
    if (!c->h2 || !h2_session_is_ready(c->h2)) {
        if (passed(now, c->opened, config->handshake_timeout)) {
            conn_close(c, "handshake timeout");
            return;
        }
    } else if (c->write_size) {
        if (passed(now, c->write_started, config->write_timeout)) {
            conn_close(c, "write timeout");
            return;
        }
    } else if (c->is_pinged &&
            passed(now, c->last_read, (struct duration){ config->ping_after.ns + config->ping_timeout.ns })) {
        conn_close(c, "ping timeout");
        return;
    } else if (!c->is_pinged && passed(now, c->last_read, config->ping_after)) {
        c->is_pinged = true;
        h2_session_ping(c->h2);
    }
    if (!c->h2 || h2_session_streams(c->h2)) {
        c->idle_since = now;
    }
    if (c->h2 && (passed(now, c->idle_since, config->idle_timeout) ||
                         passed(now, c->ages_from, config->age_max) || t->is_draining)) {
        conn_drain(c, now);
    }
    lane_timer_start(t->lane, &c->timer, t->tick, on_conn_tick);
}

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
    c->ages_from.ns = c->opened.ns +
             (int64_t)rand_below(lane_rand(t->lane), (uint64_t)t->config.age_max.ns / 10 + 1);
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
    if (t->config.tls) {
        c->tls = tls_conn_new(t->config.tls);
    } else {
        conn_start_session(c);
    }
    lane_timer_start(t->lane, &c->timer, t->tick, on_conn_tick);
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
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

enum err transport_listen(struct transport *transport, struct str host, bool is_first,
        uint16_t *port, struct fail *f)
{
    int fds[LISTEN_SOCKETS_MAX];
    unsigned count;
    check(transport->listener_count + LISTEN_SOCKETS_MAX <= LISTENERS_MAX);
    enum err err = listen_sockets_open(
            host, is_first, transport->config.backlog, port, fds, &count, f);
    for (unsigned i = 0; !err && i < count; i++) {
        int rc = listener_start(transport, fds[i]);
        if (rc != 0) {
            err = fail(f, ERR_UNAVAILABLE, "cannot listen: %s", uv_strerror(rc));
        }
    }
    return err;
}

/* --- the whole --- */

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
    list_each (&t->all, n) {
        conn_close(list_entry(n, struct conn, in_all), "drain timeout");
    }
}

void transport_drain(struct transport *transport, struct duration patience, void (*done)(void *arg),
        void *arg)
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
    list_each (&t->all, n) {
        struct conn *c = list_entry(n, struct conn, in_all);
        conn_drain(c, now);
    }
    lane_timer_start(t->lane, &t->drain_timer, patience, on_drain_timeout);
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
