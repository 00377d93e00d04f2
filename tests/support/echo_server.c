/* A gRPC server without a product behind it, for tests of the wire and for measuring it. Prints its port, then
 * serves until SIGTERM, which drains. With --lanes N every lane listens on the same port.
 *
 *   /test.Echo/Echo        the request comes back
 *   /test.Echo/Fail        FAILED_PRECONDITION with the request as message and a detail
 *   /test.Echo/Park        parks until cancelled, drained (unless the request is "stuck"), or
 *                          /test.Echo/Release on the same lane
 *   /test.Echo/Release     answers all parked calls of the lane; the reply is their number in decimal
 *   /test.Echo/Stats       "parked P cancelled C undelivered U calls N"
 *   /test.Echo/Big         the request is a decimal number N; the reply has N bytes
 *   /test.Echo/Metadata    the value of the metadata named by the request
 *   /test.Echo/Peer        the common name of the client's certificate */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io/lane_uv.h"
#include "common/obs/log.h"
#include "frontend/grpc/grpc.h"
#include "frontend/grpc/health.h"
#include "frontend/grpc/reflection.h"
#include "frontend/transport/transport.h"

enum { LANES_MAX = 16 };

struct side {
    struct lane *lane;
    struct grpc_server *grpc;
    struct transport *transport;
    struct health *health;
    struct reflection *reflection;
    struct list parked;
    unsigned parked_count, cancelled, undelivered;
    unsigned index;
    struct lane_task drain;
};

struct parked {
    struct list_node node;
    struct side *side;
    struct grpc_call *call;
};

static struct options {
    unsigned lanes;
    uint16_t port;
    const char *host;
    struct tls_files tls;
    struct tls_config *tls_config;
    struct grpc_config grpc;
    struct transport_config transport;
    struct duration patience;
} options = { .lanes = 1, .host = "127.0.0.1", .patience = { 5000000000 } };

static struct side sides[LANES_MAX];
static int started[2], drained[2]; /* pipes: one byte per lane */

static void on_echo(void *ctx, struct grpc_call *call)
{
    grpc_call_reply(call, call->message);
}

static void on_fail(void *ctx, struct grpc_call *call)
{
    struct fail f;
    fail(&f, ERR_FAILED_PRECONDITION, STR_FMT, STR_ARG(call->message));
    fail_set_detail(&f, STR("NotFoundFailure"), STR("\x0a\x04here"));
    grpc_call_fail(call, &f);
}

static void parked_end(struct parked *p, struct str reply)
{
    list_remove(&p->node);
    p->side->parked_count--;
    grpc_call_reply(p->call, reply);
}

static void on_park_cancel(struct grpc_call *call, enum grpc_cancel why)
{
    struct parked *p = call->owner;
    p->side->cancelled++;
    parked_end(p, STR(""));
}

static void on_park_drain(struct grpc_call *call)
{
    parked_end(call->owner, STR(""));
}

static void on_park_undelivered(struct grpc_call *call)
{
    ((struct parked *)call->owner)->side->undelivered++;
}

static void on_park(void *ctx, struct grpc_call *call)
{
    struct side *s = ctx;
    struct parked *p = NEW(&call->arena, struct parked, 1);
    *p = (struct parked){ .side = s, .call = call };
    call->owner = p;
    call->on_cancel = on_park_cancel;
    call->on_drain = str_eq(call->message, STR("stuck")) ? NULL : on_park_drain;
    call->on_undelivered = on_park_undelivered;
    list_append(&s->parked, &p->node);
    s->parked_count++;
}

static void on_release(void *ctx, struct grpc_call *call)
{
    struct side *s = ctx;
    unsigned n = s->parked_count;
    list_each(&s->parked, node)
    {
        parked_end(list_entry(node, struct parked, node), STR("released"));
    }
    grpc_call_reply(call, str_printf(&call->arena, "%u", n));
}

static void on_stats(void *ctx, struct grpc_call *call)
{
    struct side *s = ctx;
    grpc_call_reply(call,
            str_printf(&call->arena, "parked %u cancelled %u undelivered %u calls %u",
                    s->parked_count, s->cancelled, s->undelivered, grpc_server_calls(s->grpc)));
}

static void on_big(void *ctx, struct grpc_call *call)
{
    uint64_t n = 0;
    struct fail f;
    if (!str_to_u64(call->message, &n) || n > (64u << 20)) {
        fail(&f, ERR_INVALID_ARGUMENT, "not a size");
        grpc_call_fail(call, &f);
        return;
    }
    char *bytes = malloc(n + 1);
    check(bytes);
    memset(bytes, 'x', n);
    grpc_call_reply(call, str_of(bytes, n));
    free(bytes);
}

static void on_metadata(void *ctx, struct grpc_call *call)
{
    grpc_call_reply(call, grpc_call_metadata(call, call->message));
}

static void on_peer(void *ctx, struct grpc_call *call)
{
    grpc_call_reply(call, grpc_call_peer(call)->certificate);
}

static const struct grpc_method methods[] = {
    { .path = STR_INIT("/test.Echo/Echo"), .handler = on_echo },
    { .path = STR_INIT("/test.Echo/Fail"), .handler = on_fail },
    { .path = STR_INIT("/test.Echo/Park"), .handler = on_park },
    { .path = STR_INIT("/test.Echo/Release"), .handler = on_release },
    { .path = STR_INIT("/test.Echo/Stats"), .handler = on_stats },
    { .path = STR_INIT("/test.Echo/Big"), .handler = on_big },
    { .path = STR_INIT("/test.Echo/Metadata"), .handler = on_metadata },
    { .path = STR_INIT("/test.Echo/Peer"), .handler = on_peer },
};
static const struct str health_names[] = { STR_INIT("test.Echo") };

static void tell(int fd)
{
    check(write(fd, "x", 1) == 1);
}

static void wait_for(int fd, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char c;
        check(read(fd, &c, 1) == 1);
    }
}

static void start(struct lane *lane, void *arg)
{
    struct side *s = arg;
    struct fail f;
    list_init(&s->parked);
    s->grpc = grpc_server_new(lane, &options.grpc);
    grpc_server_add(s->grpc, methods, ARRAY_LEN(methods), s);
    s->health = health_new(s->grpc, health_names, ARRAY_LEN(health_names));
    s->reflection = reflection_new(s->grpc, (struct str){ "", 0 });
    health_set_serving(s->health, true);
    struct transport_config config = options.transport;
    config.app = grpc_app();
    config.app_ctx = s->grpc;
    config.tls = options.tls_config;
    s->transport = transport_new(lane, &config);
    if (transport_listen(
                s->transport, str_from_cstr(options.host), s->index == 0, &options.port, &f)) {
        log_error("listen_failed", LOG_FAIL(&f));
        exit(1);
    }
    tell(started[1]);
}

static void on_drained(void *arg)
{
    tell(drained[1]);
}

static void drain(struct lane_task *task)
{
    struct side *s = container_of(task, struct side, drain);
    health_set_serving(s->health, false);
    grpc_server_drain(s->grpc);
    transport_drain(s->transport, options.patience, on_drained, s);
}

static struct duration seconds(const char *text)
{
    return (struct duration){ (int64_t)(strtod(text, NULL) * 1e9) };
}

static void parse(int argc, char **argv)
{
    static const struct option longs[] = { { "lanes", 1, NULL, 'l' }, { "port", 1, NULL, 'p' },
        { "host", 1, NULL, 'h' }, { "cert", 1, NULL, 'c' }, { "key", 1, NULL, 'k' },
        { "client-ca", 1, NULL, 'a' }, { "gzip-min", 1, NULL, 'z' },
        { "refuse-gzip", 0, NULL, 'r' }, { "handshake-timeout", 1, NULL, 's' },
        { "ping-after", 1, NULL, 'i' }, { "ping-timeout", 1, NULL, 'o' },
        { "connections-max", 1, NULL, 'm' }, { "age-max", 1, NULL, 'g' },
        { "write-timeout", 1, NULL, 't' }, { "patience", 1, NULL, 'w' }, { "debug", 0, NULL, 'd' },
        { 0 } };
    int c;
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'l':
            options.lanes = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'p':
            options.port = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'h':
            options.host = optarg;
            break;
        case 'c':
            options.tls.certificate = optarg;
            break;
        case 'k':
            options.tls.key = optarg;
            break;
        case 'a':
            options.tls.client_ca = optarg;
            break;
        case 'z':
            options.grpc.gzip_min = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            options.grpc.refuse_gzip = true;
            break;
        case 's':
            options.transport.handshake_timeout = seconds(optarg);
            break;
        case 'i':
            options.transport.ping_after = seconds(optarg);
            break;
        case 'o':
            options.transport.ping_timeout = seconds(optarg);
            break;
        case 'm':
            options.transport.connections_max = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'g':
            options.transport.age_max = seconds(optarg);
            break;
        case 't':
            options.transport.write_timeout = seconds(optarg);
            break;
        case 'w':
            options.patience = seconds(optarg);
            break;
        case 'd':
            log_set(LOG_DEBUG, LOG_FORMAT_TEXT);
            break;
        default:
            exit(2);
        }
    }
    check(options.lanes >= 1 && options.lanes <= LANES_MAX);
}

static void stop_lanes(void)
{
    for (unsigned i = 0; i < options.lanes; i++) {
        lane_stop(sides[i].lane);
        lane_join(sides[i].lane);
        transport_free(sides[i].transport);
        unsigned left = grpc_server_calls(sides[i].grpc);
        if (left) {
            fprintf(stderr, "%u calls left behind\n", left);
            exit(3);
        }
        health_free(sides[i].health);
        reflection_free(sides[i].reflection);
        grpc_server_free(sides[i].grpc);
        lane_free(sides[i].lane);
    }
    tls_config_free(options.tls_config);
}

int main(int argc, char **argv)
{
    struct fail f;
    sigset_t signals;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    parse(argc, argv);
    check(pipe(started) == 0 && pipe(drained) == 0);
    if (options.tls.certificate && tls_config_new(&options.tls, &options.tls_config, &f)) {
        log_error("tls_failed", LOG_FAIL(&f));
        return 1;
    }
    for (unsigned i = 0; i < options.lanes; i++) {
        sides[i].index = i;
        sides[i].lane = lane_new(i, "echo");
        lane_run_thread(sides[i].lane, start, &sides[i]);
        wait_for(started[0], 1);
    }
    printf("%u\n", options.port);
    fflush(stdout);
    int sig;
    sigwait(&signals, &sig);
    for (unsigned i = 0; i < options.lanes; i++) {
        sides[i].drain.run = drain;
        lane_post(sides[i].lane, &sides[i].drain);
    }
    wait_for(drained[0], options.lanes);
    stop_lanes();
    return 0;
}
