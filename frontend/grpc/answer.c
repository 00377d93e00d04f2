/* Answers: replies, errors, streams of messages. Responsible for what goes over the wire and for the end of the
 * handler's side of a call. Leaves the rest of its life to call.c. */
#include "common/base/base64.h"
#include "common/obs/metrics.h"
#include "frontend/grpc/internal.h"

enum { DETAILS_MAX = 24 << 10 }; /* of grpc-status-details-bin: clients bound their headers */

static struct call *call_of(struct grpc_call *pub)
{
    return container_of(pub, struct call, pub);
}

static const struct h2_header ok_trailers[] = { { STR_INIT("grpc-status"), STR_INIT("0") } };

static void respond_headers(struct call *c, bool is_gzip)
{
    struct h2_header headers[3 + HTTP_CORS_HEADERS] = {
        { STR(":status"), STR("200") },
        { STR("content-type"), grpc_wire_content_type(c->wire) },
        { STR("grpc-encoding"), STR("gzip") },
    };
    size_t n = is_gzip ? 3 : 2;
    n += http_cors_headers(c, headers + n);
    h2_stream_respond(&c->stream, headers, n, false);
    c->has_headers = true;
}

/* Takes the block. */
static void send_block(struct call *c, struct h2_block *block)
{
    h2_stream_send(&c->stream, c->wire == GRPC_WIRE_WEB_TEXT ? web_text_encode(block) : block);
}

/* Trailers as the wire has them; borrowed until the stream is closed. */
static void finish(struct call *c, const struct h2_header *trailers, size_t count)
{
    if (!call_is_web(c)) {
        h2_stream_finish(&c->stream, trailers, count);
    } else {
        send_block(c, web_trailers(trailers, count));
        h2_stream_finish(&c->stream, NULL, 0);
    }
}

static struct h2_block *make_block(struct str bytes, bool is_compressed)
{
    check(bytes.len <= UINT32_MAX);
    struct h2_block *b = h2_block_new(FRAME_PREFIX + bytes.len);
    frame_write_prefix(b->bytes, is_compressed, (uint32_t)bytes.len);
    if (bytes.len) {
        memcpy(b->bytes + FRAME_PREFIX, bytes.ptr, bytes.len);
    }
    return b;
}

/* The reply gzipped, if that is wanted and worth it. */
static bool compress(struct call *c, struct str *bytes)
{
    struct grpc_server *s = c->pub.server;
    if (!c->accepts_gzip || !s->config.gzip_min || bytes->len < s->config.gzip_min) {
        return false;
    }
    s->deflated.max = bytes->len;
    buf_reset(&s->deflated);
    if (!gzip_deflate(s->gzip, *bytes, &s->deflated)) {
        return false;
    }
    *bytes = buf_str(&s->deflated);
    return true;
}

/* Puts the fail into headers that live in the arena. Returns how many. */
static size_t status_headers(struct arena *arena, const struct fail *f, struct h2_header to[3])
{
    size_t n = 0;
    to[n++] = (struct h2_header){ STR("grpc-status"),
        str_printf(arena, "%d", err_grpc_status(f->err)) };
    if (f->message[0]) {
        to[n++] = (struct h2_header){ STR("grpc-message"),
            grpc_percent_encode(arena, fail_text_of(f)) };
    }
    struct fail told = *f;
    if (f->detail.len >= DETAILS_MAX) {
        told.detail = STR(""); /* clients look at its type even when there is nothing in it */
    }
    struct str details = grpc_status_details(arena, &told);
    if (details.len) {
        to[n++] = (struct h2_header){ STR("grpc-status-details-bin"),
            base64_encode(arena, details, false) };
    }
    return n;
}

void callee_send_fail(struct call *c, const struct fail *f)
{
    if (c->has_headers || call_is_web(c)) {
        if (!c->has_headers) {
            respond_headers(c, false);
        }
        size_t n = status_headers(&c->pub.arena, f, c->status_trailer);
        finish(c, c->status_trailer, n);
        return;
    }
    struct h2_header headers[6] = {
        { STR(":status"), STR("200") },
        { STR("content-type"), STR("application/grpc") },
    };
    size_t n = 2 + status_headers(lane_scratch(c->pub.lane), f, headers + 2);
    if (f->err == ERR_UNIMPLEMENTED && c->encoding != ENCODING_IDENTITY) {
        headers[n++] = (struct h2_header){ STR("grpc-accept-encoding"),
            c->pub.server->config.refuse_gzip ? STR("identity") : STR("identity,gzip") };
    }
    h2_stream_respond(&c->stream, headers, n, true);
}

/* The handler has answered: its side ends. */
void callee_answered(struct call *c)
{
    lane_timer_stop(c->pub.lane, &c->timer);
    c->state = CALL_ANSWERED;
    c->pub.on_cancel = NULL;
    c->pub.on_drain = NULL;
    if (!c->conn) {
        callee_free(c);
    }
}

static bool is_handlers(const struct call *c)
{
    return c->state == CALL_OWNED || c->state == CALL_ABANDONED;
}

void callee_undelivered(struct call *c)
{
    void (*told)(struct grpc_call *) = c->pub.on_undelivered;
    c->pub.on_undelivered = NULL;
    if (told) {
        told(&c->pub);
    }
}

/* Replies wait here when the client opens no window for them. */
static bool has_room(const struct call *c, size_t len)
{
    const struct grpc_server *s = c->pub.server;
    return len <= UINT32_MAX && h2_session_queued(c->conn->session) + len <= s->config.unsent_max &&
           s->unsent + len <= s->config.unsent_max_lane;
}

void grpc_call_reply(struct grpc_call *call, struct str bytes)
{
    struct call *c = call_of(call);
    check(is_handlers(c) && !c->has_headers);
    if (c->state == CALL_ABANDONED) {
        callee_undelivered(c);
        callee_answered(c);
        return;
    }
    c->is_reply = true;
    if (!has_room(c, bytes.len)) {
        struct fail f;
        fail(&f, ERR_RESOURCE_EXHAUSTED, "the client does not take its replies");
        callee_send_fail(c, &f);
    } else {
        bool is_gzip = compress(c, &bytes);
        c->unsent = (uint32_t)bytes.len;
        call->server->unsent += c->unsent;
        respond_headers(c, is_gzip);
        send_block(c, make_block(bytes, is_gzip));
        finish(c, ok_trailers, ARRAY_LEN(ok_trailers));
    }
    callee_answered(c);
}

void callee_fail(struct call *call, const struct fail *f)
{
    if (call->state != CALL_ABANDONED) {
        callee_send_fail(call, f);
    }
    if (is_handlers(call)) {
        callee_answered(call); /* a handler may still be looking at the request */
    } else {
        metric_add(lane_metrics(call->pub.lane), METRIC_RPC_REFUSED, 1);
        callee_refused(call);
    }
}

void grpc_call_fail(struct grpc_call *call, const struct fail *f)
{
    struct call *c = call_of(call);
    check(is_handlers(c));
    callee_fail(c, f);
}

void grpc_call_send(struct grpc_call *call, struct str bytes)
{
    struct call *c = call_of(call);
    check(is_handlers(c) && call->method->is_streaming);
    if (c->state == CALL_ABANDONED) {
        return;
    }
    if (!has_room(c, bytes.len)) {
        enum { ENHANCE_YOUR_CALM = 11 };
        h2_stream_reset(&c->stream, ENHANCE_YOUR_CALM);
        return;
    }
    if (!c->has_headers) {
        respond_headers(c, false);
    }
    send_block(c, make_block(bytes, false));
}

void grpc_call_finish(struct grpc_call *call)
{
    struct call *c = call_of(call);
    check(is_handlers(c) && call->method->is_streaming);
    if (c->state == CALL_OWNED) {
        if (!c->has_headers) {
            respond_headers(c, false);
        }
        finish(c, ok_trailers, ARRAY_LEN(ok_trailers));
    }
    callee_answered(c);
}
