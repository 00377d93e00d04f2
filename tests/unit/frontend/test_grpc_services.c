/* Health and reflection. */
#include "tests/unit/frontend/grpc_world.h"

static int check_health(struct str request)
{
    int call = h2_client_unary(w.client, "/grpc.health.v1.Health/Check", request);
    exchange();
    return call;
}

Test(grpc_services, health_follows_the_serving_state)
{
    open_world(&grpc_plain);
    cr_assert(str_eq(body(check_health(STR(""))), STR("\0\0\0\0\2\x08\2")));
    health_set_serving(w.health, true);
    cr_assert(str_eq(body(check_health(STR(""))), STR("\0\0\0\0\2\x08\1")));
    cr_assert(str_eq(body(check_health(STR("\x0a\x03t.S"))), STR("\0\0\0\0\2\x08\1")));
    expect_status(check_health(STR("\x0a\x03t.T")), "5", "unknown service");
    expect_status(check_health(STR("\x0a\x7ft.T")), "3", "malformed HealthCheckRequest");
    close_world();
}

Test(grpc_services, watchers_are_told_of_changes)
{
    open_world(&grpc_plain);
    const char *path = "/grpc.health.v1.Health/Watch";
    int all = h2_client_unary(w.client, path, STR(""));
    int one = h2_client_unary(w.client, path, STR("\x0a\x03t.S"));
    int none = h2_client_unary(w.client, path, STR("\x0a\x03t.T"));
    exchange();
    cr_assert(str_eq(body(all), STR("\0\0\0\0\2\x08\2")));
    cr_assert(
            str_eq(body(none), STR("\0\0\0\0\2\x08\3"))); /* SERVICE_UNKNOWN, and the call stays */
    cr_assert_not(h2_client_get(w.client, none)->is_closed);
    health_set_serving(w.health, true);
    health_set_serving(w.health, true); /* no change, nothing is said */
    exchange();
    cr_assert(str_eq(body(all), STR("\0\0\0\0\2\x08\2\0\0\0\0\2\x08\1")));
    cr_assert(str_eq(body(one), body(all)));
    cr_assert_eq(body(none).len, 7);
    h2_client_reset(w.client, one);
    exchange();
    cr_assert_eq(grpc_server_calls(w.server), 2);
    health_set_serving(w.health, false);
    grpc_server_drain(w.server);
    exchange();
    cr_assert(str_eq(body(all), STR("\0\0\0\0\2\x08\2\0\0\0\0\2\x08\1\0\0\0\0\2\x08\2")));
    expect_status(all, "14", "the server is shutting down");
    close_world();
}

Test(grpc_services, a_watch_without_a_request_or_with_two_is_refused)
{
    open_world(&grpc_plain);
    const char *path = "/grpc.health.v1.Health/Watch";
    int none = h2_client_call(w.client, path, STR(""), true, NULL);
    int two = h2_client_call(w.client, path, STR("\0\0\0\0\0\0\0\0\0\0"), true, NULL);
    int half = h2_client_call(w.client, path, STR("\0\0\0\0\4a"), true, NULL);
    exchange();
    expect_status(none, "3", "no HealthCheckRequest");
    expect_status(two, "3", "malformed HealthCheckRequest");
    expect_status(half, "13", "the request ends within a message");
    close_world();
}

Test(grpc_services, a_watch_whose_later_message_is_refused_is_over)
{
    open_world(&grpc_plain);
    const char *path = "/grpc.health.v1.Health/Watch";
    int open = h2_client_call(w.client, path, STR("\0\0\0\0\0\x27\0\0\0\0"), false, NULL);
    int ended = h2_client_call(w.client, path, STR("\0\0\0\0\0\0\0"), true, NULL);
    exchange();
    expect_status(open, "13", "grpc: received unexpected payload format 39");
    expect_status(ended, "13", "the request ends within a message");
    h2_client_reset(w.client, open);
    exchange();
    cr_assert_eq(grpc_server_calls(w.server), 0);
    health_set_serving(w.health, true); /* nobody is left to be told */
    exchange();
    close_world();
}

/* One request of reflection; true when the answer contains the text. */
static bool reflect(struct str request, struct str text)
{
    int call = h2_client_unary(
            w.client, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", request);
    exchange();
    cr_expect(h2_client_get(w.client, call)->is_closed);
    struct str got = body(call);
    return got.len && memmem(got.ptr, got.len, text.ptr, text.len);
}

Test(grpc_services, reflection)
{
    open_world(&grpc_plain);
    struct str file = STR("\x0a\x07t.proto\x12\x01t"), missing = STR("not found");
    cr_assert(reflect(STR("\x3a\x00"), STR("t.S")));
    cr_assert(reflect(STR("\x3a\x00"), STR("grpc.reflection.v1.ServerReflection")));
    cr_assert(reflect(STR("\x1a\x07t.proto"), file));
    cr_assert(reflect(STR("\x1a\x07u.proto"), missing));
    cr_assert(reflect(STR("\x22\x03t.S"), file));
    cr_assert(reflect(STR("\x22\x08t.S.Echo"), file));
    cr_assert(reflect(STR("\x22\x08t.S.Nope"), missing));
    cr_assert(reflect(STR("\x22\x04t.SX"), missing));
    cr_assert(reflect(STR("\x22\x01t"), missing));
    cr_assert(reflect(STR("\x22\x00"), missing));
    cr_assert(reflect(STR("\x2a\x00"), STR("there are no extensions")));
    int bad = h2_client_unary(
            w.client, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", STR("\xff"));
    exchange();
    expect_status(bad, "3", "malformed ServerReflectionRequest");
    close_world();
}
