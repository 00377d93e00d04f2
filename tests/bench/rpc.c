/* Calls with their retries and figures. Relies on cli/client for connections and attempts; knows nothing of what
 * the messages mean. */
#include "tests/bench/rpc.h"

#include <stdio.h>

#include "common/base/check.h"

enum { MESSAGE_BYTES_MAX = 64 << 20 };

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

const char *rpc_method_name(enum method method)
{
    return method_names[method];
}

void rpc_init(struct rpc *rpc, struct loop *loop, struct arena *arena, struct rand *rand,
        struct str addresses, size_t connections)
{
    *rpc = (struct rpc){ .arena = arena, .rand = rand };
    list_init(&rpc->spare);
    channel_init(&rpc->channel, loop, arena,
            &(struct channel_options){ .addresses = addresses,
                    .connections = connections,
                    .user_agent = "perdure-bench/" PERDURE_VERSION });
}

void rpc_close(struct rpc *rpc)
{
    channel_close(&rpc->channel);
}

/* One call with its retries. */
struct request {
    struct call call; /* an attempt */
    struct list_node spare;
    struct timer pause; /* before the next attempt */
    struct rpc *rpc;
    enum method method;
    struct buf body;
    unsigned attempts;
    reply_fn *fn;
    void *owner;
};

static bool is_transient(int status)
{
    return status == GRPC_CANCELLED || status == GRPC_UNKNOWN || status == GRPC_DEADLINE_EXCEEDED ||
           status == GRPC_RESOURCE_EXHAUSTED || status == GRPC_ABORTED || status == GRPC_INTERNAL ||
           status == GRPC_UNAVAILABLE || status == GRPC_DATA_LOSS;
}

static void attempt(struct request *request)
{
    request->attempts++;
    call_start(&request->rpc->channel, &request->call);
}

/* 20 ms, doubled each time up to a second, and never in step with others; longer when the server
 * says that it has too much to do. */
static struct duration pause_before_retry(struct request *request, int status)
{
    unsigned doublings = request->attempts > 7 ? 6 : request->attempts - 1;
    int64_t ms = 20ll << doublings;
    if (status == GRPC_RESOURCE_EXHAUSTED) {
        ms *= 5;
    }
    ms = ms > 1000 ? 1000 : ms;
    return DURATION_MS(ms / 2 + (int64_t)rand_below(request->rpc->rand, (uint64_t)ms));
}

static void note_error(struct request *request, struct str text)
{
    struct rpc_stats *stats = &request->rpc->stats;
    enum method method = request->method;
    stats->errors[method][request->call.status]++;
    stats->last_error[method].status = request->call.status;
    snprintf(stats->last_error[method].text, sizeof(stats->last_error[0].text), STR_FMT,
            STR_ARG(text));
}

static void attempt_ended(struct call *call)
{
    struct request *request = container_of(call, struct request, call);
    struct rpc *rpc = request->rpc;
    struct str text = buf_str(&call->message);
    if (call->status != GRPC_OK) {
        note_error(request, text);
    }
    if (is_transient(call->status)) {
        rpc->stats.retries[request->method]++;
        timer_arm(rpc->channel.loop, &request->pause, pause_before_retry(request, call->status));
        return;
    }
    struct reply reply = {
        .status = call->status,
        .body = call->status == GRPC_OK ? buf_str(&call->response) : STR(""),
        .message = text,
        .attempts = request->attempts,
    };
    request->fn(request->owner, &reply);
    list_append(&rpc->spare, &request->spare);
}

static void pause_over(struct timer *timer)
{
    attempt(container_of(timer, struct request, pause));
}

static struct request *request_take(struct rpc *rpc)
{
    struct list_node *node = list_pop(&rpc->spare);
    if (node) {
        return list_entry(node, struct request, spare);
    }
    struct request *request = NEW(rpc->arena, struct request, 1);
    request->rpc = rpc;
    request->pause.fire = pause_over;
    call_init(&request->call);
    request->call.ended = attempt_ended;
    buf_init(&request->body, MESSAGE_BYTES_MAX);
    return request;
}

void rpc_call(struct rpc *rpc, enum method method, struct str body, struct duration timeout,
        reply_fn *fn, void *owner)
{
    struct request *request = request_take(rpc);
    request->method = method;
    request->fn = fn;
    request->owner = owner;
    request->attempts = 0;
    buf_reset(&request->body);
    buf_append_str(&request->body, body);
    check(!request->body.overflow);
    request->call.path = method_paths[method];
    request->call.body = buf_str(&request->body);
    request->call.timeout = timeout;
    rpc->stats.calls[method]++;
    attempt(request);
}
