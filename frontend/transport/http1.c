/* HTTP/1.1 sessions. Responsible for requests one after the other on a connection, their translation into stream
 * events, and for answers in chunks. Relies on http1_head.c for what a request is. Leaves pipelining out: who sends a
 * second request before the first is answered gets the first answer and the end of the connection.
 *
 *   HEAD --head complete--> BODY, CHUNKS --body complete--> WAIT --answer taken--> HEAD
 *     |                       |                                                     |
 *     +--malformed-----------------------------------> OVER <--"connection: close"--+
 *
 * A request that was answered before it has come as a whole, or could not be understood, ends the connection too, but
 * what still comes of it is thrown away for a while: a client that is still sending would lose the answer if the
 * connection was cut at once. */
#include "frontend/transport/http1.h"

#include <stdlib.h>

#include "frontend/transport/http1_head.h"
#include "frontend/transport/http2_internal.h"

enum { LINGER_MAX = 16 << 20, ANSWER_HEAD_MAX = 64 << 10 };

enum h1_state { H1_HEAD, H1_BODY, H1_CHUNKS, H1_WAIT, H1_OVER };

struct h1 {
    struct h2_session *session;
    struct h2_stream *stream; /* of the request under way */
    struct buf head;          /* of the request, as it arrives */
    struct buf out;           /* heads of answers */
    struct http1_chunks chunks;
    uint64_t left;    /* of a body with a length */
    size_t discarded; /* bytes after the answer */
    enum h1_state state;
    bool is_ready, is_close, is_old, is_head_method;
    bool is_request_over; /* the whole request has come */
    bool is_chunked;      /* the answer */
    bool is_head_open;    /* the answer's head lacks its last lines */
    bool is_broken;
};

struct h1 *h1_new(struct h2_session *session)
{
    struct h1 *h = calloc(1, sizeof(*h));
    check(h);
    h->session = session;
    buf_init(&h->head, HTTP1_HEAD_MAX);
    buf_init(&h->out, ANSWER_HEAD_MAX);
    return h;
}

void h1_free(struct h1 *h1)
{
    if (h1) {
        buf_deinit(&h1->head);
        buf_deinit(&h1->out);
        free(h1);
    }
}

/* ---- requests ---- */

static struct str reason(int status)
{
    static const struct {
        int status;
        struct str text;
    } all[] = {
        { 200, STR_INIT("OK") },
        { 204, STR_INIT("No Content") },
        { 400, STR_INIT("Bad Request") },
        { 403, STR_INIT("Forbidden") },
        { 404, STR_INIT("Not Found") },
        { 405, STR_INIT("Method Not Allowed") },
        { 415, STR_INIT("Unsupported Media Type") },
        { 431, STR_INIT("Request Header Fields Too Large") },
        { 501, STR_INIT("Not Implemented") },
        { 503, STR_INIT("Service Unavailable") },
        { 505, STR_INIT("HTTP Version Not Supported") },
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (all[i].status == status) {
            return all[i].text;
        }
    }
    return STR("Status");
}

/* Without a stream: nothing of the request is known to be right. */
static void refuse(struct h1 *h, int status)
{
    struct str text = reason(status);
    buf_printf(&h->out, "HTTP/1.1 %d " STR_FMT "\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            status, STR_ARG(text));
    h->is_request_over = false;
    h->is_close = true;
    h->state = H1_OVER;
}

static bool is_for_connection(struct str name)
{
    static const struct str names[] = {
        STR_INIT("connection"),
        STR_INIT("keep-alive"),
        STR_INIT("te"),
        STR_INIT("transfer-encoding"),
        STR_INIT("upgrade"),
        STR_INIT("proxy-connection"),
        STR_INIT("http2-settings"),
        STR_INIT("host"),
        STR_INIT("expect"),
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq(name, names[i])) {
            return true;
        }
    }
    return false;
}

static void tell_headers(struct h1 *h, const struct http1_head *head)
{
    const struct h2_app *app = h->session->app;
    struct str fields = head->fields, name, value;
    app->header(h->stream, STR(":method"), head->method);
    app->header(h->stream, STR(":scheme"), STR("http"));
    app->header(h->stream, STR(":authority"), head->host);
    app->header(h->stream, STR(":path"), head->target);
    while (http1_field(&fields, &name, &value)) {
        if (!is_for_connection(name)) {
            app->header(h->stream, name, value);
        }
    }
}

static void request_over(struct h1 *h)
{
    h->is_request_over = true;
    h->state = h->stream ? H1_WAIT : H1_OVER;
    if (h->stream && h->stream->is_open && !h->stream->is_end_received) {
        h->stream->is_end_received = true;
        h->session->app->ended(h->stream);
    }
}

static void begin(struct h1 *h, const struct http1_head *head)
{
    struct h2_session *s = h->session;
    struct h2_stream *st = s->app->opened(s->conn);
    bool has_body = head->is_chunked || head->length;
    h->is_ready = true;
    if (!st) {
        refuse(h, 503);
        return;
    }
    h->stream = st;
    st->session = s;
    st->id = 1;
    st->is_open = true;
    list_append(&s->open, &st->in_open);
    s->stream_count++;
    h->is_old = head->is_old;
    h->is_close |= head->is_close;
    h->is_head_method = str_eq(head->method, STR("HEAD"));
    h->is_request_over = false;
    h->left = head->length;
    h->chunks = (struct http1_chunks){ 0 };
    h->state = head->is_chunked ? H1_CHUNKS : H1_BODY;
    if (head->expects_continue && has_body) {
        buf_append_str(&h->out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    st->is_end_received = !has_body;
    tell_headers(h, head);
    s->app->headers_done(st, !has_body);
    if (!has_body) {
        st->is_end_received = false; /* told now */
        request_over(h);
    }
}

/* Takes input until the empty line; true when the head is complete. */
static bool take_head(struct h1 *h, struct str *in)
{
    while (in->len) {
        size_t n = str_find(*in, '\n');
        n = n < in->len ? n + 1 : n;
        if (h->head.len == 0 && n == 2 && memcmp(in->ptr, "\r\n", 2) == 0) {
            *in = str_drop(*in, n); /* an empty line between two requests */
            continue;
        }
        if (!buf_append(&h->head, in->ptr, n)) {
            h->is_ready = true;
            refuse(h, 431);
            return false;
        }
        *in = str_drop(*in, n);
        if (h->head.len >= 4 && memcmp(h->head.ptr + h->head.len - 4, "\r\n\r\n", 4) == 0) {
            return true;
        }
    }
    return false;
}

static void tell_data(struct h1 *h, struct str data)
{
    if (!h->stream) {
        h->discarded += data.len;
    } else if (h->stream->is_open && !h->stream->is_finished) {
        h->session->app->data(h->stream, data);
    }
}

static void take_body(struct h1 *h, struct str *in)
{
    size_t n = in->len < h->left ? in->len : (size_t)h->left;
    struct str data = str_of(in->ptr, n);
    *in = str_drop(*in, n);
    h->left -= n;
    tell_data(h, data);
    if (h->left == 0) {
        request_over(h);
    }
}

static void take_chunks(struct h1 *h, struct str *in)
{
    struct str data;
    switch (http1_chunks_feed(&h->chunks, in, &data)) {
    case HTTP1_CHUNK_MORE:
        return;
    case HTTP1_CHUNK_DATA:
        tell_data(h, data);
        return;
    case HTTP1_CHUNK_END:
        request_over(h);
        return;
    case HTTP1_CHUNK_BAD:
        h->is_broken = true; /* its end cannot be found: whatever was asked is cancelled */
        return;
    }
}

static void take_some(struct h1 *h, struct str *in)
{
    struct http1_head head;
    int status;
    switch (h->state) {
    case H1_HEAD:
        if (take_head(h, in)) {
            status = http1_head_parse(h->head.ptr, h->head.len, &head);
            if (status) {
                h->is_ready = true;
                refuse(h, status);
            } else {
                begin(h, &head);
            }
            buf_reset(&h->head);
        }
        return;
    case H1_BODY:
        take_body(h, in);
        return;
    case H1_CHUNKS:
        take_chunks(h, in);
        return;
    case H1_WAIT:
        h->is_close = true; /* a pipelined request is not heard */
        *in = str_drop(*in, in->len);
        return;
    case H1_OVER:
        h->discarded += in->len;
        *in = str_drop(*in, in->len);
        return;
    }
}

bool h1_feed(struct h1 *h1, struct str bytes)
{
    while (bytes.len && !h1->is_broken) {
        take_some(h1, &bytes);
    }
    return !h1->is_broken;
}

/* ---- answers ---- */

static bool has_no_body(int status)
{
    return status == 204 || status == 304 || status < 200;
}

void h1_respond(struct h1 *h1, struct h2_stream *stream, const struct h2_header *headers,
        size_t count, bool is_last)
{
    int64_t status = 500;
    bool has_length = false;
    check(count && str_eq(headers[0].name, STR(":status")));
    str_to_i64(headers[0].value, &status);
    struct buf *out = &h1->out;
    struct str text = reason((int)status);
    buf_printf(out, "HTTP/1.1 %d " STR_FMT "\r\n", (int)status, STR_ARG(text));
    for (size_t i = 1; i < count; i++) {
        has_length |= str_eq(headers[i].name, STR("content-length"));
        buf_printf(out, STR_FMT ": " STR_FMT "\r\n", STR_ARG(headers[i].name),
                STR_ARG(headers[i].value));
    }
    h1->is_chunked = !is_last && !has_length && !h1->is_old;
    h1->is_close |= !is_last && !has_length && h1->is_old;
    if (h1->is_chunked) {
        buf_append_str(out, STR("transfer-encoding: chunked\r\n"));
    } else if (is_last && !has_length && !has_no_body((int)status) && !h1->is_head_method) {
        buf_append_str(out, STR("content-length: 0\r\n"));
    }
    h1->is_head_open = true;
    h1->is_broken |= out->overflow;
}

/* Late, because an answer is often made while the rest of the request is already there: who has not sent all of it by
 * now is cut off, for it may be long. */
static void end_head(struct h1 *h)
{
    h->is_head_open = false;
    h->is_close |= !h->is_request_over;
    if (h->is_close) {
        buf_append_str(&h->out, STR("connection: close\r\n"));
    } else if (h->is_old) {
        buf_append_str(&h->out, STR("connection: keep-alive\r\n"));
    }
    buf_append_str(&h->out, STR("\r\n"));
    h->is_broken |= h->out.overflow;
}

void h1_reset(struct h1 *h1)
{
    h1->is_broken = true;
}

static void pull_body(struct h1 *h, struct h2_stream *st, struct buf *out, size_t limit)
{
    while (st->out_first && out->len < limit) {
        struct h2_block *b = st->out_first;
        size_t n = b->len - st->out_off;
        n = n < limit - out->len ? n : limit - out->len;
        if (h->is_chunked) {
            buf_printf(out, "%zx\r\n", n);
        }
        buf_append(out, b->bytes + st->out_off, n);
        if (h->is_chunked) {
            buf_append_str(out, STR("\r\n"));
        }
        h2_stream_took(st, n);
    }
}

static void answer_over(struct h1 *h)
{
    struct h2_stream *st = h->stream;
    h->stream = NULL;
    if (h->is_request_over) {
        h->state = h->is_close ? H1_OVER : H1_HEAD;
    }
    h2_session_stream_closed(st);
}

void h1_pull(struct h1 *h1, struct buf *out, size_t limit)
{
    struct h2_stream *st = h1->stream;
    if (h1->is_head_open) {
        end_head(h1);
    }
    buf_append_str(out, buf_str(&h1->out));
    buf_reset(&h1->out);
    if (!st || !st->is_answering || h1->is_broken) {
        return;
    }
    pull_body(h1, st, out, limit);
    if (!st->out_first && st->is_finished && out->len < limit) {
        if (h1->is_chunked) {
            buf_append_str(out, STR("0\r\n\r\n"));
        }
        answer_over(h1);
    }
    check(!out->overflow);
}

bool h1_wants_write(const struct h1 *h1)
{
    const struct h2_stream *st = h1->stream;
    return h1->out.len ||
           (!h1->is_broken && st && st->is_answering && (st->out_first || st->is_finished));
}

bool h1_is_done(const struct h1 *h1)
{
    if (h1_wants_write(h1)) {
        return false;
    }
    bool lingers = !h1->is_request_over && h1->discarded < LINGER_MAX;
    return h1->is_broken || (!h1->stream && h1->is_close && !lingers);
}

bool h1_is_ready(const struct h1 *h1)
{
    return h1->is_ready;
}

void h1_drain(struct h1 *h1)
{
    h1->is_close = true;
    if (h1->state == H1_HEAD && !h1->head.len) {
        h1->is_request_over = true;
        h1->state = H1_OVER;
    }
}
