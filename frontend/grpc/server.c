/* The gRPC server of a lane: method tables, connections, draining. */
#include <stdlib.h>

#include "frontend/grpc/internal.h"

enum {
    MESSAGE_MAX = 4 << 20,
    HEADER_MAX = 32 << 10,
    HEADER_MAX_MAX = 60 << 10, /* metadata lengths are stored in 16 bits */
    RECEIVED_MAX = 64 << 20,
    RECEIVED_MAX_LANE = 512 << 20,
    UNSENT_MAX = 256 << 20,
    UNSENT_MAX_LANE = 1 << 30,
    CALLS_MAX = 200000,
};

struct grpc_server *grpc_server_new(struct lane *lane, const struct grpc_config *config)
{
    struct grpc_server *s = calloc(1, sizeof(*s));
    check(s);
    s->lane = lane;
    s->config = *config;
    struct grpc_config *c = &s->config;
    c->message_max = c->message_max ? c->message_max : MESSAGE_MAX;
    c->header_max = c->header_max ? c->header_max : HEADER_MAX;
    check(c->header_max <= HEADER_MAX_MAX);
    if (c->received_max == 0) {
        size_t two =
                (size_t)c->message_max * 2; /* a connection must not be starved by one message */
        c->received_max = two > RECEIVED_MAX ? two : RECEIVED_MAX;
    }
    c->received_max_lane = c->received_max_lane ? c->received_max_lane : RECEIVED_MAX_LANE;
    c->unsent_max = c->unsent_max ? c->unsent_max : UNSENT_MAX;
    c->unsent_max_lane = c->unsent_max_lane ? c->unsent_max_lane : UNSENT_MAX_LANE;
    c->calls_max = c->calls_max ? c->calls_max : CALLS_MAX;
    s->http = (struct grpc_method){ .handler = c->http, .is_streaming = true };
    map_init(&s->methods, NULL);
    map_init(&s->services, NULL);
    s->gzip = gzip_new();
    buf_init(&s->inflated, c->message_max);
    buf_init(&s->deflated, 0);
    return s;
}

void grpc_server_free(struct grpc_server *server)
{
    if (server) {
        check(server->call_count == 0 && server->received == 0 && server->unsent == 0);
        map_deinit(&server->methods);
        map_deinit(&server->services);
        arena_deinit(&server->arena);
        gzip_free(server->gzip);
        buf_deinit(&server->inflated);
        buf_deinit(&server->deflated);
        free(server->slots);
        free(server);
    }
}

void grpc_server_add(
        struct grpc_server *server, const struct grpc_method *methods, size_t count, void *ctx)
{
    for (size_t i = 0; i < count; i++) {
        struct str service, method;
        check(grpc_path_split(methods[i].path, &service, &method));
        check(!map_get(&server->methods, methods[i].path));
        struct method_entry *e = NEW(&server->arena, struct method_entry, 1);
        e->method = &methods[i];
        e->ctx = ctx;
        map_put(&server->methods, &e->node, methods[i].path);
        if (!map_get(&server->services, service)) {
            struct service_entry *se = NEW(&server->arena, struct service_entry, 1);
            map_put(&server->services, &se->node, service);
        }
    }
}

void grpc_server_services(
        const struct grpc_server *server, void (*each)(void *arg, struct str name), void *arg)
{
    map_each(&server->services, n)
    {
        each(arg, n->key);
    }
}

void grpc_server_drain(struct grpc_server *server)
{
    server->is_draining = true;
    for (uint32_t i = 0; i < server->slot_count; i++) {
        if (server->slots[i].call) {
            callee_drain(server->slots[i].call);
        }
    }
}

unsigned grpc_server_calls(const struct grpc_server *server)
{
    return server->call_count;
}

/* --- events of connections --- */

static void *on_connected(void *app, struct h2_session *session, const struct h2_peer *peer)
{
    struct grpc_conn *conn = calloc(1, sizeof(*conn));
    check(conn);
    *conn = (struct grpc_conn){ .server = app, .session = session, .peer = peer };
    list_init(&conn->ready);
    list_init(&conn->begun);
    return conn;
}

static void on_disconnected(void *arg)
{
    struct grpc_conn *conn = arg;
    check(conn->received == 0);
    free(conn);
}

static struct h2_stream *on_opened(void *arg)
{
    struct grpc_conn *conn = arg;
    /* Somewhat above calls_max a call is refused without even reading it. */
    if (conn->server->call_count > conn->server->config.calls_max + 1000) {
        return NULL;
    }
    return &callee_new(conn)->stream;
}

static void on_closed(struct h2_stream *stream)
{
    callee_closed(container_of(stream, struct call, stream));
}

/* Requests are handled after the input has been taken completely: handlers never run within nghttp2, except
 * those of streaming methods. */
static void on_fed(void *arg)
{
    struct grpc_conn *conn = arg;
    struct list_node *n;
    while ((n = list_pop(&conn->ready)) != NULL) {
        callee_run(list_entry(n, struct call, in_ready));
    }
    while ((n = list_pop(&conn->begun)) != NULL) {
        callee_await_rest(list_entry(n, struct call, in_ready));
    }
}

const struct h2_app *grpc_app(void)
{
    static const struct h2_app app = {
        .connected = on_connected,
        .disconnected = on_disconnected,
        .opened = on_opened,
        .header = request_header,
        .headers_done = request_headers_done,
        .data = request_data,
        .ended = request_ended,
        .closed = on_closed,
        .fed = on_fed,
    };
    return &app;
}
