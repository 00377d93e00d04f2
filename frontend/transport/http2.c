/* HTTP/2 sessions. Responsible for the nghttp2 session of one connection: its options and limits, the
 * translation of its callbacks into stream events and the bookkeeping of what may have reached the peer. Relies on nghttp2 for framing, HPACK, flow control and its defences (settings and ping
 * floods, CONTINUATION floods, rapid reset). Leaves answers to
 * http2_answer.c, sockets and TLS to conn.c, meaning to the application. */
#include <stdlib.h>

#include "frontend/transport/http2_internal.h"

enum {
    STREAM_WINDOW = 1 << 20,
    CONNECTION_WINDOW = 8 << 20,
    STREAMS_MAX = 100000,
    HEADER_LIST_MAX = 64 << 10,
    RESET_BURST = 100000,
    RESET_RATE = 10000,
};

static const struct str preface = STR_INIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
static const struct str http1_answer =
        STR_INIT("HTTP/1.1 505 HTTP Version Not Supported\r\nconnection: close\r\ncontent-type: "
                 "text/plain\r\n"
                 "content-length: 40\r\n\r\nThis port speaks gRPC over HTTP/2 only.\n");
static const uint8_t drain_ping[8] = { 'd', 'r', 'a', 'i', 'n', 0, 0, 0 };

/* --- streams: from open to closed --- */

static void stream_drop_body(struct h2_stream *st)
{
    while (st->out_first) {
        struct h2_block *b = st->out_first;
        st->out_first = b->next;
        st->session->queued -= b->len;
        h2_block_free(b);
    }
    st->out_last = NULL;
}

/* The application gets its object back, unless the answer is still on its way to the socket. */
static void stream_settle(struct h2_stream *st)
{
    if (st->is_closed && !list_linked(&st->in_unsent)) {
        st->session->app->closed(st);
    }
}

void h2_session_stream_closed(struct h2_stream *st)
{
    struct h2_session *s = st->session;
    stream_drop_body(st);
    list_remove(&st->in_open);
    s->stream_count--;
    st->is_open = false;
    st->is_closed = true;
    stream_settle(st);
}

void h2_stream_took(struct h2_stream *st, size_t n)
{
    struct h2_session *s = st->session;
    struct h2_block *b = st->out_first;
    st->out_off += n;
    if (st->out_off == b->len) {
        st->out_first = b->next;
        st->out_last = b->next ? st->out_last : NULL;
        st->out_off = 0;
        s->queued -= b->len;
        h2_block_free(b);
    }
    if (!st->is_body_taken) {
        st->is_body_taken = true;
        list_append(&s->unsent, &st->in_unsent);
    }
}

static void unsent_release(struct h2_session *s, bool may_be_sent)
{
    struct list_node *n;
    while ((n = list_pop(&s->unsent)) != NULL) {
        struct h2_stream *st = list_entry(n, struct h2_stream, in_unsent);
        st->may_be_sent = may_be_sent;
        stream_settle(st);
    }
}

/* --- callbacks of nghttp2 --- */

static struct h2_stream *find(nghttp2_session *ng, int32_t id)
{
    return nghttp2_session_get_stream_user_data(ng, id);
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2_session *s = arg;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    struct h2_stream *st = s->app->opened(s->conn);
    if (!st) {
        nghttp2_submit_rst_stream(
                ng, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    st->session = s;
    st->id = frame->hd.stream_id;
    st->is_open = true;
    list_append(&s->open, &st->in_open);
    s->stream_count++;
    nghttp2_session_set_stream_user_data(ng, st->id, st);
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
        size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
    struct h2_session *s = arg;
    struct h2_stream *st = find(ng, frame->hd.stream_id);
    if (st && st->is_open && frame->hd.type == NGHTTP2_HEADERS &&
            frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        s->app->header(st, str_of(name, name_len), str_of(value, value_len));
    }
    return 0;
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2_session *s = arg;
    uint8_t type = frame->hd.type;
    if (type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) &&
            memcmp(frame->ping.opaque_data, drain_ping, sizeof(drain_ping)) == 0) {
        h2_session_drain_now(s);
        return 0;
    }
    if (type != NGHTTP2_HEADERS && type != NGHTTP2_DATA) {
        return 0;
    }
    struct h2_stream *st = find(ng, frame->hd.stream_id);
    if (!st || !st->is_open) {
        return 0;
    }
    bool is_end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    st->is_end_received |= is_end;
    if (type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        s->app->headers_done(st, is_end);
    }
    if (is_end && st->is_open) {
        s->app->ended(st);
    }
    return 0;
}

static int on_data(
        nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *arg)
{
    struct h2_session *s = arg;
    struct h2_stream *st = find(ng, id);
    if (st && st->is_open && !st->is_finished) {
        s->app->data(st, str_of(data, len));
    }
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t code, void *arg)
{
    struct h2_stream *st = find(ng, id);
    if (st) {
        nghttp2_session_set_stream_user_data(ng, id, NULL);
        h2_session_stream_closed(st);
    }
    return 0;
}

/* An early answer: the rest of the request is not wanted. */
static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    if (frame->hd.type == NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        struct h2_stream *st = find(ng, frame->hd.stream_id);
        if (st && !st->is_end_received) {
            nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_NO_ERROR);
        }
    }
    return 0;
}

/* --- sessions --- */

static nghttp2_session *make_session(const struct h2_config *config, struct h2_session *s)
{
    nghttp2_session_callbacks *cb;
    nghttp2_option *opt;
    nghttp2_session *ng;
    check(nghttp2_session_callbacks_new(&cb) == 0 && nghttp2_option_new(&opt) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_option_set_no_closed_streams(opt, 1);
    /* Workers cancel all their polls at once when they stop; that must not cost the connection. */
    nghttp2_option_set_stream_reset_rate_limit(opt,
            config->reset_burst ? config->reset_burst : RESET_BURST,
            config->reset_rate ? config->reset_rate : RESET_RATE);
    check(nghttp2_session_server_new2(&ng, cb, s, opt) == 0);
    nghttp2_option_del(opt);
    nghttp2_session_callbacks_del(cb);
    return ng;
}

struct h2_session *h2_session_new(const struct h2_config *config, const struct h2_app *app,
        void *app_ctx, const struct h2_peer *peer, void (*wake)(void *arg), void *arg)
{
    struct h2_session *s = calloc(1, sizeof(*s));
    check(s);
    *s = (struct h2_session){
        .app = app, .wake = wake, .wake_arg = arg, .allows_http1 = config->allows_http1
    };
    list_init(&s->open);
    list_init(&s->unsent);
    s->ng = make_session(config, s);
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
                config->streams_max ? config->streams_max : STREAMS_MAX },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                config->stream_window ? config->stream_window : STREAM_WINDOW },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
                config->header_list_max ? config->header_list_max : HEADER_LIST_MAX },
        { NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
    };
    check(nghttp2_submit_settings(s->ng, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings)) == 0);
    check(nghttp2_session_set_local_window_size(s->ng, NGHTTP2_FLAG_NONE, 0,
                  (int32_t)(config->connection_window ? config->connection_window
                                                      : CONNECTION_WINDOW)) == 0);
    s->conn = app->connected(app_ctx, s, peer);
    return s;
}

void h2_session_free(struct h2_session *session)
{
    if (!session) {
        return;
    }
    session->is_feeding = true; /* nobody needs to be woken any more */
    list_each(&session->open, n)
    {
        struct h2_stream *st = list_entry(n, struct h2_stream, in_open);
        if (!session->h1) {
            nghttp2_session_set_stream_user_data(session->ng, st->id, NULL);
        }
        h2_session_stream_closed(st);
    }
    unsent_release(session, false);
    session->app->disconnected(session->conn);
    nghttp2_session_del(session->ng);
    h1_free(session->h1);
    free(session);
}

/* The client has not sent HTTP/2's preface. On a port that allows it the session goes on as HTTP/1.1, with what the
 * preface had seemed to begin with; elsewhere he is told so in his own language. */
static void meet_http1(struct h2_session *s, size_t seen_before)
{
    if (!s->allows_http1) {
        s->is_http1 = true;
        return;
    }
    s->h1 = h1_new(s);
    s->is_broken = !h1_feed(s->h1, str_of(preface.ptr, seen_before));
}

/* False: this is not HTTP/2. */
static bool check_preface(struct h2_session *s, struct str bytes)
{
    size_t seen_before = s->preface_seen;
    for (size_t i = 0; i < bytes.len && s->preface_seen < preface.len; i++) {
        if (bytes.ptr[i] != preface.ptr[s->preface_seen]) {
            char c = bytes.ptr[i];
            if ((c >= 'A' && c <= 'Z') || s->preface_seen > 0) {
                meet_http1(s, seen_before);
            }
            return false;
        }
        s->preface_seen++;
    }
    s->is_ready = s->preface_seen == preface.len;
    return true;
}

bool h2_session_feed(struct h2_session *session, struct str bytes)
{
    if (session->is_broken) {
        return false;
    }
    session->is_feeding = true;
    bool ok = session->h1 || session->is_ready || check_preface(session, bytes);
    if (session->h1) {
        ok = !session->is_broken && h1_feed(session->h1, bytes);
        session->app->fed(session->conn);
    } else if (ok) {
        ssize_t n = nghttp2_session_mem_recv(session->ng, (const uint8_t *)bytes.ptr, bytes.len);
        ok = n == (ssize_t)bytes.len;
        session->app->fed(session->conn);
    }
    session->is_broken = !ok;
    session->is_feeding = false;
    return ok;
}

bool h2_session_pull(struct h2_session *session, struct buf *out, size_t limit)
{
    if (session->h1) {
        session->is_feeding = true;
        h1_pull(session->h1, out, limit);
        session->is_feeding = false;
        return true;
    }
    if (session->is_http1) {
        buf_append_str(out, http1_answer);
        session->is_http1 = false;
        return true;
    }
    if (!session->is_ready && session->is_broken) {
        return true;
    }
    session->is_feeding = true;
    ssize_t n = 0;
    while (out->len < limit) {
        const uint8_t *bytes;
        n = nghttp2_session_mem_send(session->ng, &bytes);
        if (n <= 0) {
            break;
        }
        check(buf_append(out, bytes, (size_t)n));
    }
    session->is_feeding = false;
    return n >= 0;
}

bool h2_session_wants_write(const struct h2_session *session)
{
    if (session->h1) {
        return h1_wants_write(session->h1);
    }
    if (session->is_broken && !session->is_ready) {
        return session->is_http1;
    }
    return nghttp2_session_want_write(session->ng);
}

void h2_session_sent(struct h2_session *session)
{
    unsent_release(session, true);
}

bool h2_session_is_done(const struct h2_session *session)
{
    if (session->h1) {
        return h1_is_done(session->h1);
    }
    if (session->is_broken) {
        return !h2_session_wants_write(session);
    }
    return (!nghttp2_session_want_read(session->ng) && !nghttp2_session_want_write(session->ng)) ||
           (session->is_drain_final && session->stream_count == 0 &&
                   !nghttp2_session_want_write(session->ng));
}

bool h2_session_is_ready(const struct h2_session *session)
{
    return session->h1 ? h1_is_ready(session->h1) : session->is_ready;
}

size_t h2_session_streams(const struct h2_session *session)
{
    return session->stream_count;
}

size_t h2_session_queued(const struct h2_session *session)
{
    return session->queued;
}

bool h2_session_can_ping(const struct h2_session *session)
{
    return !session->h1;
}

void h2_session_ping(struct h2_session *session)
{
    if (!session->h1 && nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE, NULL) == 0) {
        h2_session_wake(session);
    }
}

void h2_session_drain(struct h2_session *session)
{
    if (session->h1) {
        session->is_drain_noticed = session->is_drain_final = true;
        h1_drain(session->h1);
        h2_session_wake(session);
    } else if (!session->is_drain_noticed) {
        session->is_drain_noticed = true;
        nghttp2_submit_shutdown_notice(session->ng);
        nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE, drain_ping);
        h2_session_wake(session);
    }
}

void h2_session_drain_now(struct h2_session *session)
{
    if (session->h1) {
        h2_session_drain(session);
    } else if (!session->is_drain_final) {
        session->is_drain_noticed = session->is_drain_final = true;
        nghttp2_submit_goaway(session->ng, NGHTTP2_FLAG_NONE,
                nghttp2_session_get_last_proc_stream_id(session->ng), NGHTTP2_NO_ERROR, NULL, 0);
        h2_session_wake(session);
    }
}

bool h2_session_is_draining(const struct h2_session *session)
{
    return session->is_drain_noticed;
}
