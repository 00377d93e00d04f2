/* Calls and their retries. Relies on conn.c for connections and HTTP/2; knows nothing of what the
 * messages mean. */
#include "tests/bench/rpc.h"

#include <stdio.h>

#include "common/base/check.h"
#include "tests/bench/rpc_conn.h"

enum { MESSAGE_BYTES_MAX = 64 << 20, PREFIX_BYTES = 5 };

#define SERVICE "/temporal.api.workflowservice.v1.WorkflowService/"

static const char *const method_names[METHOD_COUNT] = {
    [METHOD_START] = "StartWorkflowExecution",
    [METHOD_SIGNAL] = "SignalWorkflowExecution",
    [METHOD_POLL_WORKFLOW] = "PollWorkflowTaskQueue",
    [METHOD_COMPLETE_WORKFLOW_TASK] = "RespondWorkflowTaskCompleted",
    [METHOD_POLL_ACTIVITY] = "PollActivityTaskQueue",
    [METHOD_COMPLETE_ACTIVITY] = "RespondActivityTaskCompleted",
    [METHOD_HISTORY] = "GetWorkflowExecutionHistory",
};

static const char *const method_paths[METHOD_COUNT] = {
    [METHOD_START] = SERVICE "StartWorkflowExecution",
    [METHOD_SIGNAL] = SERVICE "SignalWorkflowExecution",
    [METHOD_POLL_WORKFLOW] = SERVICE "PollWorkflowTaskQueue",
    [METHOD_COMPLETE_WORKFLOW_TASK] = SERVICE "RespondWorkflowTaskCompleted",
    [METHOD_POLL_ACTIVITY] = SERVICE "PollActivityTaskQueue",
    [METHOD_COMPLETE_ACTIVITY] = SERVICE "RespondActivityTaskCompleted",
    [METHOD_HISTORY] = SERVICE "GetWorkflowExecutionHistory",
};

static const char *const code_names[GRPC_CODES] = { "OK", "CANCELLED", "UNKNOWN",
    "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED" };

const char *rpc_method_name(enum method method)
{
    return method_names[method];
}

const char *rpc_method_path(enum method method)
{
    return method_paths[method];
}

const char *grpc_code_name(int code)
{
    return code >= 0 && code < GRPC_CODES ? code_names[code] : "?";
}

void rpc_init(struct rpc *rpc, struct loop *loop, struct arena *arena, struct rand *rand,
        struct str addresses, size_t connections)
{
    *rpc = (struct rpc){ .loop = loop, .arena = arena, .rand = rand };
    list_init(&rpc->waiting);
    list_init(&rpc->spare);
    loop->before_wait = conns_flush;
    loop->owner = rpc;
    conns_init(rpc, addresses, connections);
}

void rpc_close(struct rpc *rpc)
{
    conns_close(rpc);
}

static bool is_transient(int status)
{
    return status == GRPC_CANCELLED || status == GRPC_UNKNOWN || status == GRPC_DEADLINE_EXCEEDED ||
           status == GRPC_RESOURCE_EXHAUSTED || status == GRPC_ABORTED || status == GRPC_INTERNAL ||
           status == GRPC_UNAVAILABLE || status == GRPC_DATA_LOSS;
}

static void attempt(struct call *call)
{
    call->attempts++;
    call->sent = 0;
    call->status = -1;
    call->is_pausing = false;
    buf_reset(&call->response);
    buf_reset(&call->message);
    timer_arm(call->rpc->loop, &call->timer, call->timeout);
    if (!conn_send(call->rpc, call)) {
        list_append(&call->rpc->waiting, &call->link);
    }
}

/* 20 ms, doubled each time up to a second, and never in step with others; longer when the server
 * says that it has too much to do. */
static struct duration pause_before_retry(struct call *call, int status)
{
    unsigned doublings = call->attempts > 7 ? 6 : call->attempts - 1;
    int64_t ms = 20ll << doublings;
    if (status == GRPC_RESOURCE_EXHAUSTED) {
        ms *= 5;
    }
    ms = ms > 1000 ? 1000 : ms;
    return DURATION_MS(ms / 2 + (int64_t)rand_below(call->rpc->rand, (uint64_t)ms));
}

static void note_error(struct call *call, int status, struct str text)
{
    struct rpc_stats *stats = &call->rpc->stats;
    int code = status >= 0 && status < GRPC_CODES ? status : GRPC_UNKNOWN;
    stats->errors[call->method][code]++;
    stats->last_error[call->method].status = code;
    snprintf(stats->last_error[call->method].text, sizeof(stats->last_error[0].text), STR_FMT,
            STR_ARG(text));
}

/* HTTP/2 says that the server has done nothing with it, or it was never sent because the connection is being given up:
 * gRPC clients send such a call again without a word. */
void call_untouched(struct call *call)
{
    call->conn = NULL;
    call->is_pausing = true;
    timer_arm(call->rpc->loop, &call->timer, DURATION_MS(1));
}

void call_ended(struct call *call, int status, const char *why)
{
    struct rpc *rpc = call->rpc;
    timer_cancel(rpc->loop, &call->timer);
    call->conn = NULL;
    struct str text = call->message.len ? buf_str(&call->message) : str_from_cstr(why);
    struct str body = buf_str(&call->response);
    if (status == GRPC_OK) {
        uint32_t len = 0;
        for (size_t i = 1; i < PREFIX_BYTES && body.len >= PREFIX_BYTES; i++) {
            len = len << 8 | (uint8_t)body.ptr[i];
        }
        if (body.len < PREFIX_BYTES || body.ptr[0] != 0 || body.len != (size_t)len + PREFIX_BYTES) {
            status = GRPC_INTERNAL;
            text = STR("a reply that is not one uncompressed message");
        }
    }
    if (status != GRPC_OK) {
        note_error(call, status, text);
    }
    if (is_transient(status)) {
        rpc->stats.retries[call->method]++;
        call->is_pausing = true;
        timer_arm(rpc->loop, &call->timer, pause_before_retry(call, status));
        return;
    }
    struct reply reply = {
        .status = status,
        .body = status == GRPC_OK ? str_drop(body, PREFIX_BYTES) : STR(""),
        .message = text,
        .attempts = call->attempts,
    };
    call->fn(call->owner, &reply);
    list_append(&rpc->spare, &call->link);
}

static void call_timer_fired(struct timer *timer)
{
    struct call *call = container_of(timer, struct call, timer);
    if (call->is_pausing) {
        attempt(call);
    } else if (call->conn) {
        conn_abandon(call);
        call_ended(call, GRPC_DEADLINE_EXCEEDED, "no answer in time");
    } else {
        list_remove(&call->link);
        call_ended(call, GRPC_UNAVAILABLE, "no connection");
    }
}

void rpc_dispatch_waiting(struct rpc *rpc)
{
    struct list_node *node;
    while ((node = list_first(&rpc->waiting))) {
        list_remove(node);
        struct call *call = list_entry(node, struct call, link);
        if (!conn_send(rpc, call)) {
            list_prepend(&rpc->waiting, node);
            return;
        }
    }
}

static struct call *call_take(struct rpc *rpc)
{
    struct list_node *node = list_pop(&rpc->spare);
    if (node) {
        return list_entry(node, struct call, link);
    }
    struct call *call = NEW(rpc->arena, struct call, 1);
    call->rpc = rpc;
    call->timer.fire = call_timer_fired;
    buf_init(&call->request, MESSAGE_BYTES_MAX);
    buf_init(&call->response, MESSAGE_BYTES_MAX);
    buf_init(&call->message, 4096);
    return call;
}

void rpc_call(struct rpc *rpc, enum method method, struct str body, struct duration timeout,
        reply_fn *fn, void *owner)
{
    struct call *call = call_take(rpc);
    call->method = method;
    call->timeout = timeout;
    call->fn = fn;
    call->owner = owner;
    call->attempts = 0;
    buf_reset(&call->request);
    uint8_t prefix[PREFIX_BYTES] = { 0, (uint8_t)(body.len >> 24), (uint8_t)(body.len >> 16),
        (uint8_t)(body.len >> 8), (uint8_t)body.len };
    buf_append(&call->request, prefix, sizeof(prefix));
    buf_append_str(&call->request, body);
    check(!call->request.overflow);
    rpc->stats.calls[method]++;
    attempt(call);
}
