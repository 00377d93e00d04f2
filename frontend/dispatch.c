/* The one table of public methods, and what all calls share: decoding, namespace resolution, the
 * answer. The routing fields of a request are found by name in its descriptor, once, at start. */
#include "frontend/dispatch.h"

#include "common/api/codec.h"
#include "common/api/errors.h"
#include "common/api/methods.h"
#include "common/api/token.h"
#include "common/api/view.h"
#include "common/obs/log.h"
#include "common/obs/metrics.h"
#include "frontend/admission.h"
#include "frontend/api.h"
#include "frontend/client_version.h"
#include "frontend/validate.h"

#define SERVICE_WORKFLOW "temporal.api.workflowservice.v1.WorkflowService"
#define SERVICE_OPERATOR "temporal.api.operatorservice.v1.OperatorService"

static struct api_row rows[] = {
#define METHOD(service, Name, c_name, handler, arg, flags)                                     \
    { SERVICE_##service, #Name, &api__##c_name##_request__descriptor, frontend_##handler, arg, \
        flags, { -1, -1, -1, -1, -1 }, 0 },
#include "frontend/methods.def"
#undef METHOD
};

static struct grpc_method methods[ARRAY_LEN(rows)];

static int field_at(const ProtobufCMessageDescriptor *d, const char *name, ProtobufCType type)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(d, name);
    return f && f->type == type && f->label != PROTOBUF_C_LABEL_REPEATED ? (int)f->offset : -1;
}

static struct api_route find_route(const ProtobufCMessageDescriptor *d)
{
    struct api_route r = {
        .namespace_at = field_at(d, "namespace", PROTOBUF_C_TYPE_STRING),
        .workflow_id_at = field_at(d, "workflow_id", PROTOBUF_C_TYPE_STRING),
        .execution_at = field_at(d, "workflow_execution", PROTOBUF_C_TYPE_MESSAGE),
        .token_at = field_at(d, "task_token", PROTOBUF_C_TYPE_BYTES),
        .request_id_at = field_at(d, "request_id", PROTOBUF_C_TYPE_STRING),
    };
    if (r.execution_at < 0) {
        r.execution_at = field_at(d, "execution", PROTOBUF_C_TYPE_MESSAGE);
    }
    return r;
}

struct str request_str(const struct request *rq, int at)
{
    return at < 0 ? STR("") : str_from_cstr(*(char *const *)((const char *)rq->message + at));
}

static void count_answer(const struct request *rq, int code)
{
    struct metrics *m = lane_metrics(rq->fe->lane);
    size_t method = (size_t)(rq->row - rows);
    metric_count_method(m, METRIC_RPC_REQUESTS, method, code);
    metric_observe_method(m, METRIC_RPC_SECONDS, method,
            instant_since(lane_monotonic(rq->fe->lane), rq->arrived));
}

size_t frontend_method_names(const char *names[METRIC_METHODS])
{
    _Static_assert(ARRAY_LEN(rows) < METRIC_METHODS, "room for every method");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        names[i] = rows[i].name;
    }
    return ARRAY_LEN(rows);
}

void request_reply_bytes(struct request *rq, struct str bytes)
{
    rq->fe->stats.calls++;
    admission_over(rq);
    count_answer(rq, 0);
    grpc_call_reply(rq->call, bytes);
}

void request_reply(struct request *rq, const ProtobufCMessage *response)
{
    request_reply_bytes(rq, api_encode(&rq->call->arena, response));
}

void request_fail(struct request *rq)
{
    rq->fe->stats.calls++;
    rq->fe->stats.failed++;
    admission_over(rq);
    count_answer(rq, err_grpc_status(rq->fail.err));
    if (err_is_fault(rq->fail.err)) {
        log_error("call_failed", LOG_CSTR("method", rq->row->name), LOG_FAIL(&rq->fail));
    }
    grpc_call_fail(rq->call, &rq->fail);
}

struct duration request_time_left(const struct request *rq, struct duration cap)
{
    if (rq->call->deadline.ns == INT64_MAX) {
        return cap;
    }
    struct duration left = instant_since(rq->call->deadline, lane_monotonic(rq->fe->lane));
    left.ns = left.ns < 0 ? 0 : left.ns;
    return duration_min(left, cap);
}

const struct config *request_config(const struct request *rq)
{
    const struct namespace_entry *ns = namespaces_by_id(rq->fe->namespaces, rq->namespace_id);
    return ns ? ns->config : rq->fe->shared->config;
}

bool request_is_from_worker(const struct request *rq)
{
    struct str client = grpc_call_metadata(rq->call, STR("client-name"));
    return !str_eq(client, STR("temporal-cli")) && !str_eq(client, STR("temporal-ui"));
}

/* A token wins over the request's namespace; both must agree if both are there. */
static enum err namespace_of_token(struct request *rq, const struct namespace_entry **ret)
{
    const ProtobufCBinaryData *bytes =
            (const void *)((const char *)rq->message + rq->row->route.token_at);
    struct api_token token;
    if (!bytes->len) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT, "Task token not set on request.");
    }
    if (api_token_decode(str_of(bytes->data, bytes->len), &rq->call->arena, &token, NULL)) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT, "Invalid TaskToken.");
    }
    *ret = namespaces_by_id(rq->fe->namespaces, token.namespace_id);
    if (!*ret) {
        return ERR_NOT_FOUND;
    }
    struct str name = request_str(rq, rq->row->route.namespace_at);
    if (name.len && !str_eq(name, (*ret)->name)) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT,
                "Operation requested with a token from a different namespace.");
    }
    return ERR_NONE;
}

static enum err find_namespace(struct request *rq, const struct namespace_entry **ret)
{
    if (rq->row->route.token_at >= 0) {
        return namespace_of_token(rq, ret);
    }
    struct str name = request_str(rq, rq->row->route.namespace_at);
    if (!name.len) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT, "Namespace not set on request.");
    }
    if (name.len > (size_t)rq->fe->shared->config->limit_id) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT, "Namespace length exceeds limit.");
    }
    *ret = namespaces_by_name(rq->fe->namespaces, name);
    return *ret ? ERR_NONE : ERR_NOT_FOUND;
}

static enum err check_state(struct request *rq, const struct namespace_entry *ns)
{
    bool deprecated_ok = !(rq->row->flags & REGISTERED);
    if (ns->state == NAMESPACE_REGISTERED || (ns->state == NAMESPACE_DEPRECATED && deprecated_ok)) {
        return ERR_NONE;
    }
    if (rq->row->flags & LISTS) {
        return ERR_NONE; /* how far the removal of a deleted namespace's runs is */
    }
    static const Api__NamespaceState allowed[] = {
        API__NAMESPACE_STATE__NAMESPACE_STATE_REGISTERED,
        API__NAMESPACE_STATE__NAMESPACE_STATE_DEPRECATED,
    };
    return fail_namespace_invalid_state(&rq->fail, &rq->call->arena, ns->name,
            (Api__NamespaceState)ns->state, allowed, deprecated_ok ? 2 : 1);
}

/* Stage two: with the namespace, into the handler. */
static void handle(struct request *rq, const struct namespace_entry *ns)
{
    if (ns) {
        if (check_state(rq, ns)) {
            request_fail(rq);
            return;
        }
        rq->namespace_id = ns->id;
        rq->namespace_name = str_dup(&rq->call->arena, ns->name);
    }
    if (admit(rq, ns)) {
        request_fail(rq);
        return;
    }
    if (validate_request(rq, ns ? ns->config : rq->fe->shared->config)) {
        request_fail(rq);
        return;
    }
    rq->row->handle(rq);
}

static void find_again(struct request *rq)
{
    const struct namespace_entry *ns = NULL;
    if (!find_namespace(rq, &ns)) {
        handle(rq, ns);
        return;
    }
    if (!rq->fail.err) {
        fail_namespace_not_found(
                &rq->fail, &rq->call->arena, request_str(rq, rq->row->route.namespace_at));
    }
    request_fail(rq);
}

static void on_cancel_waiting(struct grpc_call *call, enum grpc_cancel why)
{
    struct request *rq = call->owner;
    namespace_wait_cancel(&rq->wait);
    fail(&rq->fail, ERR_CANCELLED, "cancelled");
    request_fail(rq);
}

static void on_namespaces_read(struct namespace_wait *wait, enum err err)
{
    struct request *rq = container_of(wait, struct request, wait);
    rq->call->on_cancel = NULL;
    if (err) {
        fail(&rq->fail, ERR_UNAVAILABLE, "the database is not reachable");
        request_fail(rq);
    } else {
        rq->resume(rq);
    }
}

void request_await_namespaces(struct request *rq, void (*resume)(struct request *rq))
{
    rq->raw = str_dup(&rq->call->arena, rq->raw); /* must outlive the wait */
    rq->resume = resume;
    rq->wait.done = on_namespaces_read;
    rq->call->on_cancel = on_cancel_waiting;
    namespaces_refresh(rq->fe->namespaces, &rq->wait);
}

static void resolve(struct request *rq)
{
    const struct namespace_entry *ns = NULL;
    if (rq->row->flags & NO_NAMESPACE) {
        handle(rq, NULL);
        return;
    }
    enum err err = find_namespace(rq, &ns);
    if (!err) {
        handle(rq, ns);
        return;
    }
    if (rq->fail.err) {
        request_fail(rq);
        return;
    }
    request_await_namespaces(rq, find_again); /* perhaps just registered elsewhere */
}

static void begin(struct request *rq)
{
    struct grpc_call *call = rq->call;
    rq->message = api_decode(rq->row->input, &call->arena, rq->raw, &rq->fail);
    enum err refused = client_version_check(grpc_call_metadata(call, STR("client-name")),
            grpc_call_metadata(call, STR("client-version")),
            grpc_call_metadata(call, STR("supported-server-versions")), &call->arena, &rq->fail);
    if (refused || !rq->message) {
        request_fail(rq);
        return;
    }
    resolve(rq);
}

/* ---- calls that come before the process is ready ------------------------------------------------- */

#define HOLD_EARLY DURATION_SECONDS(3)

static void early_fail(struct request *rq, enum err err, const char *text)
{
    list_remove(&rq->early);
    rq->call->on_cancel = NULL;
    rq->call->on_drain = NULL;
    fail(&rq->fail, err, "%s", text);
    request_fail(rq);
}

static void on_early_cancel(struct grpc_call *call, enum grpc_cancel why)
{
    early_fail(call->owner, ERR_CANCELLED, "cancelled");
}

static void on_early_drain(struct grpc_call *call)
{
    early_fail(call->owner, ERR_UNAVAILABLE, "the server is shutting down");
}

static void early_is_over(struct lane_timer *timer)
{
    struct frontend *fe = container_of(timer, struct frontend, early_timer);
    struct list_node *n;
    fe->early_is_over = true;
    while ((n = list_first(&fe->early))) {
        early_fail(list_entry(n, struct request, early), ERR_UNAVAILABLE, "the server is starting");
    }
}

void dispatch_hold(struct frontend *fe)
{
    list_init(&fe->early);
    lane_timer_start(fe->lane, &fe->early_timer, HOLD_EARLY, early_is_over);
}

void dispatch_release(struct frontend *fe)
{
    struct list_node *n;
    lane_timer_stop(fe->lane, &fe->early_timer);
    while ((n = list_pop(&fe->early))) {
        struct request *rq = list_entry(n, struct request, early);
        rq->call->on_cancel = NULL;
        rq->call->on_drain = NULL;
        begin(rq);
    }
}

static void hold(struct request *rq)
{
    rq->raw = str_dup(&rq->call->arena, rq->raw);
    list_append(&rq->fe->early, &rq->early);
    rq->call->on_cancel = on_early_cancel;
    rq->call->on_drain = on_early_drain;
}

static void on_call(void *ctx, struct grpc_call *call)
{
    struct frontend *fe = ctx;
    struct request *rq = NEW(&call->arena, struct request, 1);
    rq->fe = fe;
    rq->call = call;
    rq->row = call->method->row;
    rq->raw = call->message;
    rq->arrived = lane_monotonic(fe->lane);
    call->owner = rq;
    if (fe->is_serving) {
        begin(rq);
    } else if (fe->early_is_over) {
        fail(&rq->fail, ERR_UNAVAILABLE, "the server is starting");
        request_fail(rq);
    } else {
        hold(rq);
    }
}

void dispatch_register(struct frontend *fe)
{
    static char paths[ARRAY_LEN(rows)][160];
    static bool made;
    unsigned waits = 0;
    for (size_t i = 0; !made && i < ARRAY_LEN(rows); i++) {
        int n = snprintf(paths[i], sizeof(paths[i]), "/%s/%s", rows[i].service, rows[i].name);
        check(n > 0 && n < (int)sizeof(paths[i]));
        rows[i].route = find_route(rows[i].input);
        rows[i].wait = rows[i].flags & (WAITS | WATCH) ? waits++ : 0;
        methods[i] = (struct grpc_method){
            .path = str_of(paths[i], (size_t)n), .handler = on_call, .row = &rows[i]
        };
    }
    check(waits <= QUOTA_WAITS);
    made = true;
    grpc_server_add(fe->grpc, methods, ARRAY_LEN(methods), fe);
}
