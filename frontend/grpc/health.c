/* Health: one state for all names. Clients of some languages ask for it before they do anything else. */
#include "frontend/grpc/health.h"

#include <stdlib.h>

#include "common/base/list.h"
#include "common/model/wire.h"

enum health_status { HEALTH_SERVING = 1, HEALTH_NOT_SERVING = 2, HEALTH_SERVICE_UNKNOWN = 3 };

struct health {
    const struct str *names;
    size_t count;
    struct list watches;
    bool is_serving;
};

struct watch {
    struct list_node node;
    struct grpc_call *call;
    struct health *health;
    bool is_known;
};

/* The `service` field of a HealthCheckRequest; false when the bytes are malformed. */
static bool read_service(struct str message, struct str *ret)
{
    struct wire_field field;
    struct str service = { "", 0 };
    while (wire_next(&message, &field)) {
        if (field.number == 1 && field.type == WIRE_LEN) {
            service = field.bytes;
        }
    }
    *ret = service;
    return wire_ok(message);
}

static bool is_known(const struct health *h, struct str service)
{
    for (size_t i = 0; i < h->count; i++) {
        if (str_eq(h->names[i], service)) {
            return true;
        }
    }
    return str_empty(service);
}

static struct str status_message(struct grpc_call *call, enum health_status status)
{
    struct buf b;
    buf_init_arena(&b, lane_scratch(call->lane), 64);
    wire_put_varint(&b, 1, status);
    return buf_str(&b);
}

static enum health_status state_of(const struct health *h)
{
    return h->is_serving ? HEALTH_SERVING : HEALTH_NOT_SERVING;
}

static void on_check(void *ctx, struct grpc_call *call)
{
    struct health *h = ctx;
    struct str service;
    struct fail f;
    if (!read_service(call->message, &service)) {
        fail(&f, ERR_INVALID_ARGUMENT, "malformed HealthCheckRequest");
        grpc_call_fail(call, &f);
    } else if (!is_known(h, service)) {
        fail(&f, ERR_NOT_FOUND, "unknown service");
        grpc_call_fail(call, &f);
    } else {
        grpc_call_reply(call, status_message(call, state_of(h)));
    }
}

static void watch_end(struct watch *w, enum err err, const char *text)
{
    struct fail f;
    fail(&f, err, "%s", text);
    list_remove(&w->node);
    grpc_call_fail(w->call, &f);
}

static void on_watch_cancel(struct grpc_call *call, enum grpc_cancel why)
{
    watch_end(call->owner, ERR_CANCELLED, "cancelled");
}

static void on_watch_drain(struct grpc_call *call)
{
    watch_end(call->owner, ERR_UNAVAILABLE, "the server is shutting down");
}

static void on_watch_message(struct grpc_call *call, struct str message)
{
    struct watch *w = call->owner;
    struct str service;
    if (list_linked(&w->node) || !read_service(message, &service)) {
        watch_end(w, ERR_INVALID_ARGUMENT, "malformed HealthCheckRequest");
        return;
    }
    w->is_known = is_known(w->health, service);
    list_append(&w->health->watches, &w->node);
    grpc_call_send(
            call, status_message(call, w->is_known ? state_of(w->health) : HEALTH_SERVICE_UNKNOWN));
}

static void on_watch_half_close(struct grpc_call *call)
{
    struct watch *w = call->owner;
    if (!list_linked(&w->node)) {
        watch_end(w, ERR_INVALID_ARGUMENT, "no HealthCheckRequest");
    }
}

static void on_watch(void *ctx, struct grpc_call *call)
{
    struct watch *w = NEW(&call->arena, struct watch, 1);
    w->call = call;
    w->health = ctx;
    call->owner = w;
    call->on_message = on_watch_message;
    call->on_half_close = on_watch_half_close;
    call->on_cancel = on_watch_cancel;
    call->on_drain = on_watch_drain;
}

static const struct grpc_method methods[] = {
    { .path = STR_INIT("/grpc.health.v1.Health/Check"), .handler = on_check },
    { .path = STR_INIT("/grpc.health.v1.Health/Watch"), .handler = on_watch, .is_streaming = true },
};

struct health *health_new(struct grpc_server *server, const struct str *names, size_t count)
{
    struct health *h = calloc(1, sizeof(*h));
    check(h);
    h->names = names;
    h->count = count;
    list_init(&h->watches);
    grpc_server_add(server, methods, ARRAY_LEN(methods), h);
    return h;
}

void health_free(struct health *health)
{
    check(!health || list_empty(&health->watches));
    free(health);
}

void health_set_serving(struct health *health, bool is_serving)
{
    if (health->is_serving == is_serving) {
        return;
    }
    health->is_serving = is_serving;
    list_each(&health->watches, n)
    {
        struct watch *w = list_entry(n, struct watch, node);
        if (w->is_known) {
            grpc_call_send(w->call, status_message(w->call, state_of(health)));
        }
    }
}
