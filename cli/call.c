/* The command's connection and its calls, one after the other. Relies on cli/client for gRPC; turns outcomes into texts
 * that a user can act upon. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client/channel.h"
#include "cli/client/tls_client.h"
#include "common/base/rand.h"
#include "common/base/uuid.h"

enum { REQUEST_BYTES_MAX = 60 << 20, HEADERS_MAX = 40 };

static const struct duration usual_wait = DURATION_SECONDS(10), patience = DURATION_SECONDS(10);

struct connection {
    struct loop loop;
    struct channel channel;
    struct call call;
    struct timer pause;
    struct tls_client *tls;
    struct instant opened;
    struct duration limit; /* of the whole command; {0}: none */
    bool was_answered;     /* by a server, ever */
};

static void ended(struct call *call)
{
    loop_stop(call->channel->loop);
}

static void pause_over(struct timer *timer)
{
    loop_stop(&container_of(timer, struct connection, pause)->loop);
}

/* A TLS option is given, or an API key, which nobody sends in the clear by accident. */
static bool wants_tls(const struct cli *cli)
{
    static const char *const names[] = { "tls-cert-path", "tls-cert-data", "tls-key-path",
        "tls-key-data", "tls-ca-path", "tls-ca-data", "tls-server-name", "api-key" };
    if (cli_given(cli, "tls")) {
        return cli_switch(cli, "tls");
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (cli_text(cli, names[i]).len) {
            return true;
        }
    }
    return cli_switch(cli, "tls-disable-host-verification");
}

static enum err make_tls(struct cli *cli, struct tls_client **ret, struct fail *f)
{
    const struct tls_client_options options = {
        .certificate_file = cli_text(cli, "tls-cert-path"),
        .certificate = cli_text(cli, "tls-cert-data"),
        .key_file = cli_text(cli, "tls-key-path"),
        .key = cli_text(cli, "tls-key-data"),
        .ca_file = cli_text(cli, "tls-ca-path"),
        .ca = cli_text(cli, "tls-ca-data"),
        .server_name = cli_text(cli, "tls-server-name"),
        .trust_anybody = cli_switch(cli, "tls-disable-host-verification"),
    };
    return tls_client_new(&options, cli->arena, ret, f);
}

static enum err make_headers(struct cli *cli, struct header *headers, size_t *count, struct fail *f)
{
    struct str key = cli_text(cli, "api-key");
    const struct flag_list *extra = cli_list(cli, "grpc-meta");
    size_t n = 0;
    headers[n++] = (struct header){ STR("client-name"), STR("perdure-cli") };
    headers[n++] = (struct header){ STR("client-version"), STR(PERDURE_VERSION) };
    headers[n++] = (struct header){ STR("temporal-namespace"), cli_text(cli, "namespace") };
    if (key.len) {
        headers[n++] = (struct header){ STR("authorization"),
            str_printf(cli->arena, "Bearer " STR_FMT, STR_ARG(key)) };
    }
    for (size_t i = 0; i < extra->items.len; i++) {
        struct str value, name = str_split(extra->items.ptr[i], '=', &value);
        if (!name.len || name.len == extra->items.ptr[i].len || n == HEADERS_MAX) {
            return cli_usage(cli, f, "--grpc-meta: '" STR_FMT "' is not KEY=VALUE, or too many",
                    STR_ARG(extra->items.ptr[i]));
        }
        struct str lower = str_dup(cli->arena, name);
        for (char *c = (char *)(uintptr_t)lower.ptr; *c; c++) {
            *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
        }
        headers[n++] = (struct header){ lower, value };
    }
    *count = n;
    return ERR_NONE;
}

static enum err connect(struct cli *cli, struct fail *f)
{
    struct connection *c = NEW(cli->arena, struct connection, 1);
    struct header *headers = NEW(cli->arena, struct header, HEADERS_MAX);
    struct channel_options options = {
        .addresses = cli_text(cli, "address"),
        .connections = 1,
        .authority = cli_text(cli, "client-authority"),
        .user_agent = "perdure-cli/" PERDURE_VERSION,
        .headers = headers,
        .fail_fast = true,
    };
    if (cli_text(cli, "codec-endpoint").len) {
        return cli_usage(cli, f, "--codec-endpoint: remote codecs are not there yet");
    }
    enum err err = make_headers(cli, headers, &options.header_count, f);
    if (!err && wants_tls(cli)) {
        err = make_tls(cli, &c->tls, f);
        cli->is_usage |= err != ERR_NONE;
    }
    if (err) {
        return err;
    }
    options.tls = c->tls;
    c->opened = loop_now();
    c->limit = cli_option(cli, "command-timeout")->span;
    c->pause.fire = pause_over;
    loop_init(&c->loop);
    call_init(&c->call);
    c->call.ended = ended;
    channel_init(&c->channel, &c->loop, cli->arena, &options);
    cli->connection = c;
    return ERR_NONE;
}

void cli_disconnect(struct cli *cli)
{
    struct connection *c = cli->connection;
    if (c) {
        channel_close(&c->channel);
        call_deinit(&c->call);
        tls_client_free(c->tls);
        close(c->loop.epoll_fd);
        cli->connection = NULL;
    }
}

bool cli_call_was(const struct cli *cli, int status)
{
    return cli->connection && cli->connection->call.status == status;
}

struct str cli_call_details(const struct cli *cli)
{
    return cli->connection ? buf_str(&cli->connection->call.details) : (struct str){ "", 0 };
}

struct message *cli_request(struct cli *cli, const char *method)
{
    const struct api_method *m = api_method_named(method);
    check(m);
    struct message *request = message_new(cli->arena, &api_types[m->input]);
    if (api_field_named(request->type, STR("namespace"))) {
        message_put_text(request, "namespace", cli_text(cli, "namespace"));
    }
    return request;
}

static enum err err_of(int status)
{
    for (int e = ERR_NONE + 1; e < ERR_COUNT; e++) {
        if (err_grpc_status((enum err)e) == status) {
            return (enum err)e;
        }
    }
    return ERR_INTERNAL;
}

/* What is left of the command's time, at most `wait`. */
static struct duration time_left(const struct connection *c, struct duration wait)
{
    struct duration used = instant_since(loop_now(), c->opened);
    struct duration left = { c->limit.ns - used.ns };
    return c->limit.ns ? duration_min(wait, left) : wait;
}

static enum err report(struct cli *cli, struct fail *f)
{
    const struct connection *c = cli->connection;
    const struct call *call = &c->call;
    struct str text = str_dup(cli->arena, buf_str(&call->message));
    if (call->status == GRPC_UNAVAILABLE && !c->was_answered && !call->was_answered) {
        struct str address = cli_text(cli, "address");
        bool is_local =
                str_starts_with(address, STR("127.")) || str_starts_with(address, STR("localhost"));
        return fail(f, ERR_UNAVAILABLE, "cannot reach a server at " STR_FMT "%s", STR_ARG(text),
                is_local ? "; 'perdure server start-dev' starts one" : "");
    }
    if (!text.len || call->status == GRPC_UNIMPLEMENTED || call->status == GRPC_UNAUTHENTICATED ||
            call->status == GRPC_PERMISSION_DENIED) {
        text = str_printf(cli->arena, "%s%s" STR_FMT, grpc_code_name(call->status),
                text.len ? ": " : "", STR_ARG(text));
    }
    return fail_text(f, err_of(call->status), text);
}

/* An attempt may be repeated: the server was going away, or had too much to do. */
static bool is_passing(const struct connection *c)
{
    return (c->call.status == GRPC_UNAVAILABLE && c->was_answered) ||
           c->call.status == GRPC_RESOURCE_EXHAUSTED;
}

static void attempt(struct connection *c, const char *path, struct str body, struct duration wait)
{
    c->call.path = path;
    c->call.body = body;
    c->call.timeout = wait;
    c->loop.is_stopping = false;
    call_start(&c->channel, &c->call);
    if (c->call.status < 0) {
        loop_run(&c->loop);
    }
    c->was_answered |=
            c->call.status != GRPC_UNAVAILABLE && c->call.status != GRPC_DEADLINE_EXCEEDED;
}

static enum err call_path(
        struct cli *cli, const char *path, struct str body, struct duration wait, struct fail *f)
{
    enum err err = cli->connection ? ERR_NONE : connect(cli, f);
    if (err) {
        return err;
    }
    struct connection *c = cli->connection;
    struct instant failing = { 0 }; /* since when; a long poll may have waited long before */
    struct duration pause = DURATION_MS(50);
    out_flush(&cli->out);
    for (;;) {
        struct duration left = time_left(c, wait.ns ? wait : usual_wait);
        if (left.ns <= 0) {
            c->call.status = -1; /* nobody tries that again */
            return fail(f, ERR_DEADLINE_EXCEEDED, "the command's time (--command-timeout) is over");
        }
        attempt(c, path, body, left);
        if (c->call.status == GRPC_OK) {
            return ERR_NONE;
        }
        failing = instant_is_set(failing) ? failing : loop_now();
        if (instant_since(loop_now(), failing).ns > patience.ns || !is_passing(c)) {
            return report(cli, f);
        }
        c->loop.is_stopping = false;
        timer_arm(&c->loop, &c->pause, pause);
        loop_run(&c->loop);
        pause = duration_min((struct duration){ pause.ns * 2 }, DURATION_SECONDS(1));
    }
}

enum err cli_call(struct cli *cli, const char *method, const struct message *request,
        struct duration wait, struct message_ref *reply, struct fail *f)
{
    const struct api_method *m = api_method_named(method);
    struct buf body;
    buf_init_arena(&body, cli->arena, REQUEST_BYTES_MAX);
    message_encode(request, &body);
    if (body.overflow) {
        return fail(f, ERR_RESOURCE_EXHAUSTED, "the request is larger than %d MiB",
                REQUEST_BYTES_MAX >> 20);
    }
    const char *path = str_printf(cli->arena, "/%s", api_name(m->name)).ptr;
    enum err err = call_path(cli, path, buf_str(&body), wait, f);
    if (!err && reply) {
        *reply = (struct message_ref){ &api_types[m->output],
            str_dup(cli->arena, buf_str(&cli->connection->call.response)) };
    }
    return err;
}

enum err cli_health(struct cli *cli, struct str *status, struct fail *f)
{
    struct message *request =
            message_new(cli->arena, api_type_named(STR("grpc.health.v1.HealthCheckRequest")));
    struct buf body;
    buf_init_arena(&body, cli->arena, 1024);
    message_put_text(request, "service", STR("temporal.api.workflowservice.v1.WorkflowService"));
    message_encode(request, &body);
    enum err err = call_path(
            cli, "/grpc.health.v1.Health/Check", buf_str(&body), (struct duration){ 0 }, f);
    if (!err) {
        struct message_ref reply = { api_type_named(STR("grpc.health.v1.HealthCheckResponse")),
            buf_str(&cli->connection->call.response) };
        const struct api_field *field = api_field_named(reply.type, STR("status"));
        *status = api_enum_text(field->target, (int32_t)message_int(reply, "status"));
    }
    return err;
}

struct str cli_identity(struct cli *cli)
{
    char host[128] = "";
    struct str given = cli_text(cli, "identity");
    struct passwd *user = given.len ? NULL : getpwuid(getuid());
    if (given.len) {
        return given;
    }
    gethostname(host, sizeof(host) - 1);
    return str_printf(cli->arena, "perdure-cli:%s@%s", user ? user->pw_name : "unknown", host);
}

struct str cli_new_id(struct cli *cli)
{
    struct rand rand;
    rand_seed_from_os(&rand);
    return uuid_dup(cli->arena, uuid_v4(&rand));
}
