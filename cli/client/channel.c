/* Calls: their deadlines, their way to a connection and their outcome. Relies on conn.c for sockets and HTTP/2; knows
 * nothing of what messages mean. */
#include "cli/client/channel.h"

#include "cli/client/conn.h"
#include "common/base/check.h"

enum { MESSAGE_BYTES_MAX = 64 << 20, PREFIX_BYTES = 5 };

static const char *const code_names[GRPC_CODES] = { "OK", "CANCELLED", "UNKNOWN",
    "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED" };

const char *grpc_code_name(int code)
{
    return code >= 0 && code < GRPC_CODES ? code_names[code] : "?";
}

static void again_fired(struct timer *timer)
{
    channel_dispatch(container_of(timer, struct channel, again));
}

void channel_init(struct channel *channel, struct loop *loop, struct arena *arena,
        const struct channel_options *options)
{
    *channel = (struct channel){ .options = *options, .loop = loop, .arena = arena };
    list_init(&channel->waiting);
    channel->again.fire = again_fired;
    loop->before_wait = conns_flush;
    loop->owner = channel;
    conns_init(channel);
}

void channel_close(struct channel *channel)
{
    conns_close(channel);
}

/* "%C3%A9" as the byte pair that it stands for. */
static void percent_decode(struct buf *text)
{
    size_t n = 0;
    for (size_t i = 0; i < text->len; i++) {
        static const char digits[] = "0123456789ABCDEF0123456789abcdef";
        const char *high = i + 2 < text->len && text->ptr[i] == '%'
                                   ? memchr(digits, text->ptr[i + 1], 32)
                                   : NULL;
        const char *low = high ? memchr(digits, text->ptr[i + 2], 32) : NULL;
        if (low) {
            text->ptr[n++] = (char)((high - digits) % 16 << 4 | (low - digits) % 16);
            i += 2;
        } else {
            text->ptr[n++] = text->ptr[i];
        }
    }
    text->len = n;
}

static bool is_one_message(const struct buf *body)
{
    uint32_t len = 0;
    for (size_t i = 1; i < PREFIX_BYTES && body->len >= PREFIX_BYTES; i++) {
        len = len << 8 | (uint8_t)body->ptr[i];
    }
    return body->len >= PREFIX_BYTES && body->ptr[0] == 0 &&
           body->len == (size_t)len + PREFIX_BYTES;
}

void call_over(struct call *call, int status, const char *why)
{
    timer_cancel(call->channel->loop, &call->timer);
    call->was_answered = !*why;
    call->conn = NULL;
    if (status == GRPC_OK && !is_one_message(&call->response)) {
        status = GRPC_INTERNAL;
        why = "a reply that is not one uncompressed message";
        buf_reset(&call->message);
    }
    if (status == GRPC_OK) {
        buf_consume(&call->response, PREFIX_BYTES);
    } else if (!call->message.len) {
        buf_append_str(&call->message, str_from_cstr(why));
    } else {
        percent_decode(&call->message);
    }
    call->status = status;
    call->ended(call);
}

static void call_timer_fired(struct timer *timer)
{
    struct call *call = container_of(timer, struct call, timer);
    if (call->conn) {
        conn_abandon(call);
        call_over(call, GRPC_DEADLINE_EXCEEDED, "no answer in time");
    } else {
        list_remove(&call->link);
        call_over(call, GRPC_UNAVAILABLE, "no connection");
    }
}

void channel_dispatch(struct channel *channel)
{
    struct list_node *node;
    while ((node = list_first(&channel->waiting))) {
        list_remove(node);
        struct call *call = list_entry(node, struct call, link);
        if (!conn_send(channel, call)) {
            list_prepend(&channel->waiting, node);
            return;
        }
        call->was_sent = true;
    }
}

void call_untouched(struct call *call)
{
    call->conn = NULL;
    call->sent = 0;
    call->was_sent = false;
    buf_reset(&call->response);
    buf_reset(&call->message);
    list_append(&call->channel->waiting, &call->link);
    timer_arm(call->channel->loop, &call->channel->again, DURATION_MS(1));
}

void channel_refuse(struct channel *channel, const char *why)
{
    struct list_node *node;
    while (channel->options.fail_fast && (node = list_pop(&channel->waiting))) {
        call_over(list_entry(node, struct call, link), GRPC_UNAVAILABLE, why);
    }
}

void call_init(struct call *call)
{
    *call = (struct call){ .timer.fire = call_timer_fired };
    buf_init(&call->response, MESSAGE_BYTES_MAX);
    buf_init(&call->message, 64 << 10);
    buf_init(&call->details, 64 << 10);
}

void call_deinit(struct call *call)
{
    buf_deinit(&call->response);
    buf_deinit(&call->message);
    buf_deinit(&call->details);
}

void call_start(struct channel *channel, struct call *call)
{
    check(call->body.len < MESSAGE_BYTES_MAX);
    call->channel = channel;
    call->sent = 0;
    call->status = -1;
    buf_reset(&call->response);
    buf_reset(&call->message);
    buf_reset(&call->details);
    timer_arm(channel->loop, &call->timer, call->timeout);
    call->was_sent = conn_send(channel, call);
    if (!call->was_sent) {
        list_append(&channel->waiting, &call->link);
    }
}
