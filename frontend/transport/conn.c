/* One client connection: reading, batching writes, time limits, the end. Relies on http2.c for everything above
 * bytes and on tls.c for encryption. Leaves accepting and draining to server.c, and what streams mean to the
 * application.
 *
 * Reading never writes: it marks the connection dirty, and the hook at the end of the turn flushes every dirty
 * connection, so that all answers of a turn leave in one write. While the socket takes nothing, no more output
 * is pulled and no more input is read. */
#include <stdlib.h>

#include "common/obs/log.h"
#include "frontend/transport/internal.h"

enum { WRITE_BATCH = 256 << 10 }; /* output pulled before it is offered to the socket */

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

static void on_turn(struct lane_task *task)
{
    container_of(task, struct transport, turn)->is_turn_asked = false;
}

static void on_wake(void *arg)
{
    struct conn *c = arg;
    struct transport *t = c->transport;
    conn_mark(c);
    if (!t->is_turn_asked) {
        t->is_turn_asked = true;
        t->turn.run = on_turn;
        lane_defer(t->lane, &t->turn);
    }
}

/* --- the end of a connection --- */

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
void conn_close(struct conn *c, const char *reason)
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

void conn_flush(struct conn *c)
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

/* --- reading --- */

static void conn_start_session(struct conn *c)
{
    struct transport *t = c->transport;
    if (c->tls) {
        tls_conn_peer_name(c->tls, c->certificate, sizeof(c->certificate));
    }
    c->peer = (struct h2_peer){ .address = str_from_cstr(c->address),
        .certificate = str_from_cstr(c->certificate),
        .is_tls = c->tls != NULL,
        .port = t->config.port };
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

/* A first request may be on its way while we begin to drain; who still has said nothing then, waits for nothing. */
static const struct duration unheard_grace = DURATION_MS(200);

static void on_conn_tick(struct lane_timer *timer);

void conn_drain(struct conn *c, struct instant now)
{
    if (!c->h2) {
        conn_close(c, "draining");
    } else if (!h2_session_is_draining(c->h2)) {
        c->drain_started = now;
        h2_session_drain(c->h2);
        if (!h2_session_is_ready(c->h2)) {
            lane_timer_start(c->transport->lane, &c->timer, unheard_grace, on_conn_tick);
        }
    } else if (!h2_session_is_ready(c->h2)) {
        conn_close(c, "draining");
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
               passed(now, c->last_read,
                       (struct duration){ config->ping_after.ns + config->ping_timeout.ns })) {
        conn_close(c, "ping timeout");
        return;
    } else if (!c->is_pinged && passed(now, c->last_read, config->ping_after) &&
               (h2_session_can_ping(c->h2) || !h2_session_streams(c->h2))) {
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
    if (is_gone(c)) {
        return;
    }
    lane_timer_start(t->lane, &c->timer, t->tick, on_conn_tick);
}

void conn_start(struct conn *c)
{
    struct transport *t = c->transport;
    if (t->config.tls) {
        c->tls = tls_conn_new(t->config.tls);
    } else {
        conn_start_session(c);
    }
    lane_timer_start(t->lane, &c->timer, t->tick, on_conn_tick);
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}
