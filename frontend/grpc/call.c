/* The life of a call (see internal.h for its picture): its memory, handing it to its handler, its end. Relies on
 * http2.c to tell what may have reached the client. Leaves what a request must look like to request.c and
 * the answer to answer.c. */
#include <stdlib.h>

#include "frontend/grpc/internal.h"

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

struct call *callee_new(struct grpc_conn *conn)
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

void callee_account(struct call *call)
{
    uint32_t now = call->conn ? call->reader.cap + call->meta_cap : 0;
    size_t change = (size_t)now - call->accounted;
    if (call->conn) {
        call->conn->received += change;
        call->conn->server->received += change;
    }
    call->accounted = now;
}

void callee_drop_request(struct call *c)
{
    frame_free(&c->reader);
    callee_account(c);
}

/* Answered without a handler. Refused calls must not add up while their answers wait. */
void callee_refused(struct call *call)
{
    lane_timer_stop(call->pub.lane, &call->timer);
    call->state = CALL_ANSWERED;
    free(call->meta);
    call->meta = NULL;
    call->meta_len = call->meta_cap = 0;
    callee_drop_request(call);
}

void callee_free(struct call *c)
{
    struct grpc_server *s = c->pub.server;
    lane_timer_stop(s->lane, &c->timer);
    list_remove(&c->in_ready);
    slot_release(s, c->pub.id);
    s->call_count--;
    s->unsent -= c->unsent;
    callee_drop_request(c);
    arena_deinit(&c->pub.arena);
    free(c->meta);
    free(c);
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

void callee_break(struct call *call, const struct fail *f, enum grpc_cancel why)
{
    if (call->state == CALL_OWNED) {
        callee_send_fail(call, f);
        callee_drop_request(call);
        abandon(call, why);
    } else {
        callee_fail(call, f);
    }
}

static void on_deadline(struct lane_timer *timer)
{
    struct call *c = container_of(timer, struct call, timer);
    struct fail f;
    fail(&f, ERR_DEADLINE_EXCEEDED, "the deadline passed");
    callee_break(c, &f, GRPC_CANCEL_DEADLINE);
}

void callee_start_timer(struct call *call)
{
    if (call->pub.deadline.ns != INSTANT_NEVER.ns) {
        lane_timer_start(call->pub.lane, &call->timer,
                instant_since(call->pub.deadline, lane_monotonic(call->pub.lane)), on_deadline);
    }
}

/* Nobody keeps the memory of a request, and its place among the open calls, by never sending the rest. */
#define RECEIVE_TIME_MAX DURATION_SECONDS(120)

static void on_late(struct lane_timer *timer)
{
    struct call *c = container_of(timer, struct call, timer);
    struct fail f;
    fail(&f, ERR_DEADLINE_EXCEEDED, "the request did not come in time");
    callee_fail(c, &f);
}

void callee_await_rest(struct call *call)
{
    struct duration left = instant_since(call->pub.deadline, lane_monotonic(call->pub.lane));
    if (call->state != CALL_RECEIVING) {
        return;
    }
    if (call->has_timeout && left.ns < RECEIVE_TIME_MAX.ns) {
        callee_start_timer(call);
    } else {
        lane_timer_start(call->pub.lane, &call->timer, RECEIVE_TIME_MAX, on_late);
    }
}

enum err callee_decompress(struct call *call, struct str *message, struct fail *f)
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

void callee_drain(struct call *call)
{
    void (*drain)(struct grpc_call *) = call->pub.on_drain;
    if (call->state == CALL_OWNED && drain) {
        call->pub.on_drain = NULL;
        drain(&call->pub);
    }
}

/* Gives the call to its handler. Nothing the handler does frees the call before this returns: its stream is
 * still open. */
void callee_run(struct call *call)
{
    struct fail f;
    lane_timer_stop(call->pub.lane, &call->timer);
    if (call->has_timeout && !instant_before(lane_monotonic(call->pub.lane), call->pub.deadline)) {
        fail(&f, ERR_DEADLINE_EXCEEDED, "the deadline passed");
        callee_fail(call, &f);
        return;
    }
    bool is_streaming = call->pub.method->is_streaming;
    struct str message = frame_message(&call->reader);
    if (!is_streaming && callee_decompress(call, &message, &f)) {
        callee_fail(call, &f);
        return;
    }
    call->pub.message = message;
    call->state = CALL_OWNED;
    call->pub.method->handler(call->ctx, &call->pub);
    call->pub.message = (struct str){ 0 };
    if (!is_streaming) {
        callee_drop_request(call);
    }
    if (call->pub.server->is_draining) {
        callee_drain(call);
    }
    if (call->state == CALL_OWNED) {
        callee_start_timer(call);
        if (call->meta_cap > call->meta_len) {
            call->meta = realloc(call->meta, call->meta_len);
            call->meta_cap = call->meta_len;
            callee_account(call);
        }
    }
}

void callee_closed(struct call *call)
{
    struct call *c = call;
    list_remove(&c->in_ready);
    callee_drop_request(c);
    c->conn->received -= c->accounted;
    c->conn->server->received -= c->accounted;
    c->accounted = 0;
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
            callee_undelivered(c);
        }
        break;
    case CALL_RECEIVING:
    case CALL_READY:
        break;
    }
    callee_free(c);
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
