#include "tests/unit/frontend/grpc_world.h"

#include <stdio.h>

struct world w;

static void on_echo(void *ctx, struct grpc_call *call)
{
    w.echoed++;
    grpc_call_reply(call, call->message);
}

static void on_cancel(struct grpc_call *call, enum grpc_cancel why)
{
    w.cancelled++;
    w.why = why;
}

static void on_undelivered(struct grpc_call *call)
{
    w.undelivered++;
}

static void on_park(void *ctx, struct grpc_call *call)
{
    w.parked = call;
    call->on_cancel = on_cancel;
    call->on_undelivered = on_undelivered;
}

static void on_fail(void *ctx, struct grpc_call *call)
{
    struct fail f;
    fail(&f, ERR_NOT_FOUND, "caf\xc3\xa9 " STR_FMT, STR_ARG(call->message));
    fail_set_detail(&f, STR("NotFoundFailure"), STR("\x0a\x01x"));
    grpc_call_fail(call, &f);
}

static void on_metadata(void *ctx, struct grpc_call *call)
{
    cr_assert(grpc_call_has_metadata(call, STR("temporal-namespace")));
    cr_assert_not(grpc_call_has_metadata(call, STR("authorization")));
    grpc_call_reply(call, grpc_call_metadata(call, STR("temporal-namespace")));
}

static void on_poll_cancel(struct grpc_call *call, enum grpc_cancel why)
{
    struct fail f;
    w.cancelled++;
    fail(&f, ERR_CANCELLED, "cancelled");
    grpc_call_fail(call, &f);
}

static void on_poll_drain(struct grpc_call *call)
{
    grpc_call_reply(call, STR(""));
}

static void on_poll(void *ctx, struct grpc_call *call)
{
    call->on_cancel = on_poll_cancel;
    call->on_drain = on_poll_drain;
    w.polls++;
}

static const struct grpc_method methods[] = {
    { .path = STR_INIT("/t.S/Echo"), .handler = on_echo },
    { .path = STR_INIT("/t.S/Park"), .handler = on_park },
    { .path = STR_INIT("/t.S/Poll"), .handler = on_poll },
    { .path = STR_INIT("/t.S/Fail"), .handler = on_fail },
    { .path = STR_INIT("/t.S/Metadata"), .handler = on_metadata },
};
static const struct str names[] = { STR_INIT("t.S") };

static void on_wake(void *arg)
{
    w.wakes++;
}

void open_world(const struct grpc_config *config)
{
    static const struct h2_peer peer = { STR_INIT("test"), STR_INIT(""), false };
    static const struct h2_config h2 = { 0 };
    w = (struct world){ .lane = lane_manual_new() };
    w.server = grpc_server_new(w.lane, config);
    grpc_server_add(w.server, methods, ARRAY_LEN(methods), NULL);
    w.health = health_new(w.server, names, 1);
    w.reflection = reflection_new(
            w.server, STR("\x0a\x19\x0a\x07t.proto\x12\x01t\x32\x0b\x0a\x01S\x12\x06\x0a\x04"
                          "Echo"));
    w.session = h2_session_new(&h2, grpc_app(), w.server, &peer, on_wake, NULL);
    w.client = h2_client_new(w.session);
}

void lose_connection(void)
{
    h2_session_free(w.session);
    w.session = NULL;
}

void close_world(void)
{
    if (w.session) {
        lose_connection();
    }
    cr_expect_eq(grpc_server_calls(w.server), 0, "%u calls leak", grpc_server_calls(w.server));
    h2_client_free(w.client);
    health_free(w.health);
    reflection_free(w.reflection);
    grpc_server_free(w.server);
    lane_manual_free(w.lane);
}

struct str body(int call)
{
    return buf_str(&h2_client_get(w.client, call)->body);
}

void exchange(void)
{
    cr_assert(h2_client_exchange(w.client));
    lane_manual_turn(w.lane);
}

void expect_status(int call, const char *status, const char *message)
{
    char line[600];
    snprintf(line, sizeof(line), "grpc-status: %s", status);
    cr_expect(h2_client_has(w.client, call, line), "no %s in %s", line,
            h2_client_get(w.client, call)->headers);
    snprintf(line, sizeof(line), "grpc-message: %s", message);
    cr_expect(!*message || h2_client_has(w.client, call, line), "no %s in %s", line,
            h2_client_get(w.client, call)->headers);
    cr_expect(h2_client_get(w.client, call)->is_closed);
}
