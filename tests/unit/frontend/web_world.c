#include "tests/unit/frontend/web_world.h"

struct web_world web;

static void on_echo(void *ctx, struct grpc_call *call)
{
    web.echoed++;
    grpc_call_reply(call, call->message);
}

static void on_fail(void *ctx, struct grpc_call *call)
{
    struct fail f;
    fail(&f, ERR_NOT_FOUND, "no caf\xc3\xa9");
    fail_set_detail(&f, STR("NotFoundFailure"), STR("\x0a\x01x"));
    grpc_call_fail(call, &f);
}

static void on_cancel(struct grpc_call *call, enum grpc_cancel why)
{
    web.cancelled++;
}

static void on_undelivered(struct grpc_call *call)
{
    web.undelivered++;
}

static void on_park(void *ctx, struct grpc_call *call)
{
    web.parked = call;
    call->on_cancel = on_cancel;
    call->on_undelivered = on_undelivered;
}

static void on_page(void *ctx, struct grpc_call *call)
{
    struct str path = grpc_call_metadata(call, STR(":path"));
    bool is_hello = str_eq(path, STR("/hello"));
    if (str_eq(path, STR("/later"))) {
        on_park(ctx, call);
        return;
    }
    grpc_call_http(call, &(struct http_answer){ .status = is_hello ? 200 : 404,
                                 .body = is_hello ? STR("hello\n") : STR("") });
}

static const struct grpc_method methods[] = {
    { .path = STR_INIT("/t.S/Echo"), .handler = on_echo },
    { .path = STR_INIT("/t.S/Park"), .handler = on_park },
    { .path = STR_INIT("/t.S/Fail"), .handler = on_fail },
};

static void on_wake(void *arg)
{
    web.wakes++;
}

void web_open(enum h2_port port, const char *origins)
{
    static struct h2_peer peer = { STR_INIT("test"), STR_INIT(""), false, H2_PORT_WEB };
    static const struct h2_config h2 = { .allows_http1 = true };
    const struct grpc_config config = {
        .web_origins = str_from_cstr(origins), .http = on_page, .message_max = 1000
    };
    peer.port = port;
    web = (struct web_world){ .lane = lane_manual_new(), .is_alive = true };
    web.server = grpc_server_new(web.lane, &config);
    grpc_server_add(web.server, methods, ARRAY_LEN(methods), NULL);
    web.session = h2_session_new(&h2, grpc_app(), web.server, &peer, on_wake, NULL);
    buf_init(&web.out, 1 << 20);
}

void web_lose_connection(void)
{
    h2_session_free(web.session);
    web.session = NULL;
}

void web_close(void)
{
    if (web.session) {
        web_lose_connection();
    }
    cr_expect_eq(grpc_server_calls(web.server), 0, "%u calls leak", grpc_server_calls(web.server));
    grpc_server_free(web.server);
    buf_deinit(&web.out);
    lane_manual_free(web.lane);
}

const char *web_hear(void)
{
    buf_reset(&web.out);
    size_t before;
    do {
        before = web.out.len;
        web.is_alive &= h2_session_pull(web.session, &web.out, 256 << 10);
        if (web.out.len > before) {
            h2_session_sent(web.session);
        }
    } while (web.out.len > before);
    web.is_alive &= !h2_session_is_done(web.session);
    buf_append_byte(&web.out, 0);
    lane_manual_turn(web.lane);
    return web.out.ptr;
}

const char *web_say_bytes(struct str bytes)
{
    web.is_alive &= h2_session_feed(web.session, bytes);
    return web_hear();
}

const char *web_say(const char *text)
{
    return web_say_bytes(str_from_cstr(text));
}
