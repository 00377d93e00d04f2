/* Bytes of a client into an HTTP session with gRPC on top: echo, parked calls, the standard services; on the port for
 * browsers and on that for operators HTTP/1.1, gRPC-web and pages too.
 *
 * The input: one byte of switches, one byte that says how the rest is cut, then what the client sends.
 *   1: the preface and an empty SETTINGS are put in front    2: tiny limits    4: gzipped replies
 *   8: the socket takes nothing until the end               16: parked calls are answered after each piece
 *  32: the port for browsers                                64: that for operators */
#include "tests/fuzz/fuzz.h"

#include "frontend/grpc/grpc.h"
#include "frontend/grpc/health.h"
#include "frontend/grpc/reflection.h"
#include "tests/support/lane_manual.h"

enum { WITH_PREFACE = 1, TINY = 2, GZIP = 4, STUCK = 8, ANSWER = 16, WEB = 32, OPERATOR = 64 };

struct parked {
    struct list_node node;
    struct grpc_call *call;
};

static struct list parked;

static void on_echo(void *ctx, struct grpc_call *call)
{
    grpc_call_metadata(call, STR("x"));
    grpc_call_reply(call, call->message);
}

static void on_fail(void *ctx, struct grpc_call *call)
{
    struct fail f;
    fail(&f, ERR_NOT_FOUND, STR_FMT, STR_ARG(call->message));
    fail_set_detail(&f, STR("NotFoundFailure"), call->message);
    grpc_call_fail(call, &f);
}

static void on_cancel(struct grpc_call *call, enum grpc_cancel why)
{
    struct fail f;
    fail(&f, ERR_CANCELLED, "cancelled");
    list_remove(&((struct parked *)call->owner)->node);
    grpc_call_fail(call, &f);
}

static void on_park(void *ctx, struct grpc_call *call)
{
    struct parked *p = NEW(&call->arena, struct parked, 1);
    p->call = call;
    call->owner = p;
    call->on_cancel = on_cancel;
    list_append(&parked, &p->node);
}

static void answer_parked(void)
{
    struct list_node *n;
    while ((n = list_pop(&parked)) != NULL) {
        grpc_call_reply(list_entry(n, struct parked, node)->call, STR("reply"));
    }
}

static void on_page(void *ctx, struct grpc_call *call)
{
    struct str path = grpc_call_metadata(call, STR(":path"));
    grpc_call_http(call, &(struct http_answer){ .status = 200, .body = path });
}

static const struct grpc_method methods[] = {
    { .path = STR_INIT("/t.S/Echo"), .handler = on_echo },
    { .path = STR_INIT("/t.S/Fail"), .handler = on_fail },
    { .path = STR_INIT("/t.S/Park"), .handler = on_park },
};
static const struct str names[] = { STR_INIT("t.S") };

static void on_wake(void *arg)
{
}

static bool drain_output(struct h2_session *session, struct buf *out)
{
    buf_reset(out);
    bool ok = h2_session_pull(session, out, 256 << 10);
    if (ok && out->len) {
        h2_session_sent(session);
    }
    return ok;
}

static void converse(struct h2_session *session, struct lane *lane, uint8_t switches, size_t piece,
        struct str in)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    bool ok = true;
    if (switches & WITH_PREFACE) {
        ok = h2_session_feed(session, STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"));
    }
    while (ok && in.len && !h2_session_is_done(session)) {
        struct str now = str_of(in.ptr, piece && piece < in.len ? piece : in.len);
        in = str_drop(in, now.len);
        ok = h2_session_feed(session, now);
        if (switches & ANSWER) {
            answer_parked();
        }
        lane_manual_advance(lane, DURATION_MS(100));
        if (!(switches & STUCK)) {
            ok = drain_output(session, &out) && ok;
        }
    }
    drain_output(session, &out);
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct h2_config h2;
    static struct h2_peer peer = { STR_INIT("fuzz"), STR_INIT(""), false, H2_PORT_GRPC };
    if (size < 2) {
        return 0;
    }
    peer.port = data[0] & WEB ? H2_PORT_WEB : data[0] & OPERATOR ? H2_PORT_OPERATOR : H2_PORT_GRPC;
    h2.allows_http1 = peer.port != H2_PORT_GRPC;
    struct grpc_config config = { .gzip_min = data[0] & GZIP ? 1 : 0,
        .web_origins = STR("https://a, http://b:1"),
        .http = on_page };
    if (data[0] & TINY) {
        config.message_max = 64;
        config.header_max = 300;
        config.received_max = 100;
        config.unsent_max = 50;
        config.calls_max = 2;
    }
    list_init(&parked);
    struct lane *lane = lane_manual_new();
    struct grpc_server *server = grpc_server_new(lane, &config);
    grpc_server_add(server, methods, ARRAY_LEN(methods), NULL);
    struct health *health = health_new(server, names, 1);
    struct reflection *reflection = reflection_new(
            server, STR("\x0a\x19\x0a\x07t.proto\x12\x01t\x32\x0b\x0a\x01S\x12\x06\x0a\x04"
                        "Echo"));
    struct h2_session *session = h2_session_new(&h2, grpc_app(), server, &peer, on_wake, NULL);
    converse(session, lane, data[0], data[1], str_of(data + 2, size - 2));
    health_set_serving(health, true);
    grpc_server_drain(server);
    h2_session_drain(session);
    h2_session_free(session);
    check(list_empty(&parked));
    check(grpc_server_calls(server) == 0);
    health_free(health);
    reflection_free(reflection);
    grpc_server_free(server);
    lane_manual_free(lane);
    return 0;
}
