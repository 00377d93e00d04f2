/* The life of a call (see internal.h for its picture): handing it to its handler, answering, ending. Relies on
 * http2.c to tell what may have reached the client. Leaves what a request must look like to request.c. */
#include <stdlib.h>

#include "frontend/grpc/internal.h"

enum { DETAILS_MAX = 24 << 10 }; /* of grpc-status-details-bin: clients bound their headers */

static struct call *call_of(struct grpc_call *pub)
{
    return container_of(pub, struct call, pub);
}

static const struct h2_header ok_trailers[] = { { STR_INIT("grpc-status"), STR_INIT("0") } };

/* --- memory --- */

static uint64_t slot_take(struct grpc_server *s, struct call *c)
{
    if (s->slot_free == 0) {
        uint32_t count = s->slot_count ? s->slot_count * 2 : 64;
        s->slots = realloc(s->slots, count * sizeof(*s->slots));
        check(s->slots);
        for (uint32_t i = count; i-- > s->slot_count;) {
            s->slots[i] = (struct slot){ .generation = 1, .next_free = s->slot_free };
            s->slot_free = i + 1;
        }
        s->slot_count = count;
    }
    uint32_t index = s->slot_free - 1;
    struct slot *slot = &s->slots[index];
    s->slot_free = slot->next_free;
    slot->call = c;
    return (uint64_t)slot->generation << 32 | index;
}

static void slot_release(struct grpc_server *s, uint64_t id)
{
    struct slot *slot = &s->slots[(uint32_t)id];
    slot->call = NULL;
    slot->generation++;
    slot->next_free = s->slot_free;
    s->slot_free = (uint32_t)id + 1;
}

struct call *call_new(struct grpc_conn *conn)
{
    struct grpc_server *s = conn->server;
    struct call *c = calloc(1, sizeof(*c));
    check(c);
    c->conn = conn;
    c->pub.lane = s->lane;
    c->pub.server = s;
    c->pub.deadline = INSTANT_NEVER;
    c->pub.id = slot_take(s, c);
    s->call_count++;
    return c;
}

/* The reader's capacity changed from `before`: the connection's account follows. */
void call_set_frame_memory(struct call *call, uint32_t before)
{
    size_t now = call->reader.cap;
    call->conn->received += now - before;
    call->conn->server->received += now - before;
}

static void drop_request(struct call *c)
{
    uint32_t before = c->reader.cap;
    frame_free(&c->reader);
    if (c->conn) {
        call_set_frame_memory(c, before);
    }
}

static void call_free(struct call *c)
{
    struct grpc_server *s = c->pub.server;
    lane_timer_stop(s->lane, &c->timer);
    list_remove(&c->in_ready);
    slot_release(s, c->pub.id);
    s->call_count--;
    drop_request(c);
    arena_deinit(&c->pub.arena);
    free(c->meta);
    free(c);
}

/* --- answering --- */

static void respond_headers(struct call *c, bool is_gzip)
{
    const struct h2_header headers[] = {
        { STR(":status"), STR("200") },
        { STR("content-type"), STR("application/grpc") },
        { STR("grpc-encoding"), STR("gzip") },
    };
    h2_stream_respond(&c->stream, headers, is_gzip ? 3 : 2, false);
    c->has_headers = true;
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
            grpc_percent_encode(arena, str_from_cstr(f->message)) };
    }
    struct str details = f->detail.len < DETAILS_MAX ? grpc_status_details(arena, f)
                                                     : (struct str){ 0 };
    if (details.len) {
        to[n++] = (struct h2_header){ STR("grpc-status-details-bin"), grpc_base64(arena, details) };
    }
    return n;
}

static void send_fail(struct call *c, const struct fail *f)
{
    if (c->has_headers) {
        size_t n = status_headers(&c->pub.arena, f, c->status_trailer);
        h2_stream_finish(&c->stream, c->status_trailer, n);
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
static void release_by_handler(struct call *c)
{
    lane_timer_stop(c->pub.lane, &c->timer);
    c->state = CALL_ANSWERED;
    c->pub.on_cancel = NULL;
    c->pub.on_drain = NULL;
    if (!c->conn) {
        call_free(c);
    }
}

static bool is_handlers(const struct call *c)
{
    return c->state == CALL_OWNED || c->state == CALL_ABANDONED;
}

static void call_undelivered(struct call *c)
{
    void (*told)(struct grpc_call *) = c->pub.on_undelivered;
    c->pub.on_undelivered = NULL;
    if (told) {
        told(&c->pub);
    }
}

void grpc_call_reply(struct grpc_call *call, struct str bytes)
{
    struct call *c = call_of(call);
    check(is_handlers(c) && !c->has_headers);
    if (c->state == CALL_ABANDONED) {
        call_undelivered(c);
        release_by_handler(c);
        return;
    }
    c->is_reply = true;
    if (h2_session_queued(c->conn->session) + bytes.len > call->server->config.unsent_max) {
        struct fail f;
        fail(&f, ERR_RESOURCE_EXHAUSTED, "the client does not take its replies");
        send_fail(c, &f);
    } else {
        bool is_gzip = compress(c, &bytes);
        respond_headers(c, is_gzip);
        h2_stream_send(&c->stream, make_block(bytes, is_gzip));
        h2_stream_finish(&c->stream, ok_trailers, ARRAY_LEN(ok_trailers));
    }
    release_by_handler(c);
}

void call_fail(struct call *call, const struct fail *f)
{
    if (call->state != CALL_ABANDONED) {
        send_fail(call, f);
    }
    if (is_handlers(call)) {
        release_by_handler(call); /* a handler may still be looking at the request */
    } else {
        drop_request(call);
        lane_timer_stop(call->pub.lane, &call->timer);
        call->state = CALL_ANSWERED;
    }
}

void grpc_call_fail(struct grpc_call *call, const struct fail *f)
{
    struct call *c = call_of(call);
    check(is_handlers(c));
    call_fail(c, f);
}

void grpc_call_send(struct grpc_call *call, struct str bytes)
{
    struct call *c = call_of(call);
    check(is_handlers(c) && call->method->is_streaming);
    if (c->state == CALL_ABANDONED) {
        return;
    }
    if (h2_session_queued(c->conn->session) + bytes.len > call->server->config.unsent_max) {
        enum { ENHANCE_YOUR_CALM = 11 };
        h2_stream_reset(&c->stream, ENHANCE_YOUR_CALM);
        return;
    }
    if (!c->has_headers) {
        respond_headers(c, false);
    }
    h2_stream_send(&c->stream, make_block(bytes, false));
}

void grpc_call_finish(struct grpc_call *call)
{
    struct call *c = call_of(call);
    check(is_handlers(c) && call->method->is_streaming);
    if (c->state == CALL_OWNED) {
        if (!c->has_headers) {
            respond_headers(c, false);
        }
        h2_stream_finish(&c->stream, ok_trailers, ARRAY_LEN(ok_trailers));
    }
    release_by_handler(c);
}

/* --- running and ending --- */

/* The client's side has ended while a handler holds the call. */
static void abandon(struct call *c, enum grpc_cancel why)
{
    c->state = CALL_ABANDONED;
    void (*cancel)(struct grpc_call *, enum grpc_cancel) = c->pub.on_cancel;
    c->pub.on_cancel = NULL;
    c->pub.on_drain = NULL;
    if (cancel) {
        cancel(&c->pub, why);
    }
}

static void on_deadline(struct lane_timer *timer)
{
    struct call *c = container_of(timer, struct call, timer);
    struct fail f;
    fail(&f, ERR_DEADLINE_EXCEEDED, "the deadline passed");
    if (c->state == CALL_OWNED) {
        send_fail(c, &f);
        drop_request(c);
        abandon(c, GRPC_CANCEL_DEADLINE);
    } else {
        call_fail(c, &f);
    }
}

void call_start_timer(struct call *call)
{
    if (call->pub.deadline.ns != INSTANT_NEVER.ns) {
        lane_timer_start(call->pub.lane, &call->timer,
                instant_since(call->pub.deadline, lane_monotonic(call->pub.lane)), on_deadline);
    }
}

enum err call_decompress(struct call *call, struct str *message, struct fail *f)
{
    struct grpc_server *s = call->pub.server;
    if (!frame_is_compressed(&call->reader)) {
        return ERR_NONE;
    }
    if (call->encoding != ENCODING_GZIP) {
        return fail(f, ERR_PROTOCOL, "grpc: compressed flag set with identity or empty encoding");
    }
    buf_reset(&s->inflated);
    switch (gzip_inflate(s->gzip, *message, &s->inflated)) {
    case GZIP_OK:
        *message = buf_str(&s->inflated);
        return ERR_NONE;
    case GZIP_TOO_LARGE:
        return fail(f, ERR_RESOURCE_EXHAUSTED,
                "grpc: received message after decompression larger than max %u",
                s->config.message_max);
    case GZIP_BAD:
        break;
    }
    return fail(f, ERR_PROTOCOL, "grpc: failed to decompress the received message");
}

/* Gives the call to its handler. Nothing the handler does frees the call before this returns: its stream is
 * still open. */
void call_run(struct call *call)
{
    struct fail f;
    lane_timer_stop(call->pub.lane, &call->timer);
    if (call->has_timeout && !instant_before(lane_monotonic(call->pub.lane), call->pub.deadline)) {
        fail(&f, ERR_DEADLINE_EXCEEDED, "the deadline passed");
        call_fail(call, &f);
        return;
    }
    bool is_streaming = call->pub.method->is_streaming;
    struct str message = frame_message(&call->reader);
    if (!is_streaming && call_decompress(call, &message, &f)) {
        call_fail(call, &f);
        return;
    }
    call->pub.message = message;
    call->state = CALL_OWNED;
    call->pub.method->handler(call->ctx, &call->pub);
    call->pub.message = (struct str){ 0 };
    if (!is_streaming) {
        drop_request(call);
    }
    if (call->state == CALL_OWNED) {
        call_start_timer(call);
        if (call->meta_cap > call->meta_len) {
            call->meta = realloc(call->meta, call->meta_len);
            call->meta_cap = call->meta_len;
        }
    }
}

void call_closed(struct call *call)
{
    struct call *c = call;
    list_remove(&c->in_ready);
    drop_request(c);
    c->conn = NULL;
    switch (c->state) {
    case CALL_OWNED:
        lane_timer_stop(c->pub.lane, &c->timer);
        abandon(c, GRPC_CANCEL_CLIENT);
        return;
    case CALL_ABANDONED:
        return; /* freed by the handler's answer */
    case CALL_ANSWERED:
        if (c->is_reply && !c->stream.may_be_sent) {
            call_undelivered(c);
        }
        break;
    case CALL_RECEIVING:
    case CALL_READY:
        break;
    }
    call_free(c);
}

/* --- looking at calls --- */

bool grpc_call_is_live(const struct grpc_call *call)
{
    return container_of(call, const struct call, pub)->state == CALL_OWNED;
}

static bool find_metadata(const struct call *c, struct str name, struct str *ret)
{
    for (uint32_t at = 0; at < c->meta_len;) {
        uint16_t lens[2];
        memcpy(lens, c->meta + at, 4);
        const char *p = c->meta + at + 4;
        if (str_eq(str_of(p, lens[0]), name)) {
            *ret = str_of(p + lens[0], lens[1]);
            return true;
        }
        at += 4u + lens[0] + lens[1];
    }
    return false;
}

struct str grpc_call_metadata(const struct grpc_call *call, struct str name)
{
    struct str value = { "", 0 };
    find_metadata(container_of(call, const struct call, pub), name, &value);
    return value;
}

bool grpc_call_has_metadata(const struct grpc_call *call, struct str name)
{
    struct str value;
    return find_metadata(container_of(call, const struct call, pub), name, &value);
}

const struct h2_peer *grpc_call_peer(const struct grpc_call *call)
{
    static const struct h2_peer nobody = { { "", 0 }, { "", 0 }, false };
    const struct call *c = container_of(call, const struct call, pub);
    return c->conn ? c->conn->peer : &nobody;
}

struct grpc_call *grpc_call_find(struct grpc_server *server, uint64_t id)
{
    uint32_t index = (uint32_t)id;
    if (index >= server->slot_count) {
        return NULL;
    }
    struct slot *slot = &server->slots[index];
    bool is_it = slot->call && slot->generation == id >> 32 && slot->call->state == CALL_OWNED;
    return is_it ? &slot->call->pub : NULL;
}
