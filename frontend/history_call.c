/* Calls about one workflow: finds the owner of its shard, sends the public request there untouched,
 * and holds and retries while ownership moves, so that a rolling restart shows clients no error. */
#include <stdlib.h>

#include "common/api/codec.h"
#include "common/api/methods.h"
#include "common/api/token.h"
#include "common/api/view.h"
#include "common/model/ids.h"
#include "common/model/wire.h"
#include "frontend/api.h"
#include "frontend/next_run.h"

/* How long a call without a deadline of its own may take in all, and how long it is held without an
 * owner. */
#define CALL_TIME_MAX DURATION_SECONDS(60)
#define HOLD_TIME_MAX DURATION_SECONDS(12)
/* What an ordinary call may still take when the process has been asked to end; then its client, and
 * whoever waits for a run's end, asks another frontend. */
#define DRAIN_TIME DURATION_SECONDS(1)
/* A long poll is asked again with so little time: history then answers as when nothing has happened for long, with what
 * the client needs to go on elsewhere. */
#define DRAIN_POLL DURATION_MS(800)

struct history_call {
    struct request *rq;
    struct rpc_call call;
    struct lane_timer timer, drain;
    struct str body; /* encoded msg_api_request, in the call's arena */
    uint32_t shard;
    int attempts;
    bool is_draining;
    struct instant hold_until; /* monotonic */
    struct fail last;          /* why it was held, for the final answer */
};

static void attempt(struct history_call *hc);

static void give_up(struct history_call *hc)
{
    struct request *rq = hc->rq;
    lane_timer_stop(rq->fe->lane, &hc->drain);
    rq->fail = hc->last;
    request_fail(rq);
}

static void on_timer(struct lane_timer *timer)
{
    attempt(container_of(timer, struct history_call, timer));
}

/* 5 ms doubling to 200 ms, with jitter. */
static void hold(struct history_call *hc)
{
    struct lane *lane = hc->rq->fe->lane;
    if (lane_monotonic(lane).ns >= hc->hold_until.ns) {
        give_up(hc);
        return;
    }
    int64_t ms = 5 << (hc->attempts < 6 ? hc->attempts : 6);
    ms = ms > 200 ? 200 : ms;
    hc->attempts++;
    hc->rq->fe->stats.history_retries++;
    int64_t jittered = ms / 2 + (int64_t)rand_below(lane_rand(lane), (uint64_t)ms);
    lane_timer_start(lane, &hc->timer, DURATION_MS(jittered), on_timer);
}

/* A client that waits for the end of a run must learn of the run after it in a way that it knows. */
static struct str answer_of(struct request *rq, struct str body)
{
    if (rq->row->arg != API_GET_HISTORY ||
            next_run_is_followed(grpc_call_metadata(rq->call, STR("supported-features")))) {
        return body;
    }
    const Api__GetWorkflowExecutionHistoryRequest *m = (const void *)rq->message;
    bool close_only = m->history_event_filter_type ==
                      API__HISTORY_EVENT_FILTER_TYPE__HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT;
    return close_only ? next_run_as_continued(&rq->call->arena, body) : body;
}

static void on_done(
        struct rpc_call *call, enum rpc_result result, struct str body, const struct fail *f)
{
    struct history_call *hc = container_of(call, struct history_call, call);
    struct request *rq = hc->rq;
    switch (result) {
    case RPC_OK:
        lane_timer_stop(rq->fe->lane, &hc->drain);
        request_reply_bytes(rq, answer_of(rq, body));
        return;
    case RPC_APP_ERROR:
        if (f->err == ERR_NOT_OWNER || f->err == ERR_FENCED) {
            cluster_hint(rq->fe->cl);
            fail(&hc->last, ERR_UNAVAILABLE, "the workflow's shard is moving");
            hold(hc);
            return;
        }
        hc->last = *f;
        give_up(hc);
        return;
    case RPC_NOT_SENT:
        fail(&hc->last, ERR_UNAVAILABLE, "the workflow's owner is not reachable");
        hold(hc);
        return;
    case RPC_UNKNOWN:
        fail(&hc->last, ERR_UNAVAILABLE, "the connection to the workflow's owner was lost");
        if (rq->row->flags & IDEMPOTENT) {
            hold(hc);
        } else {
            give_up(hc);
        }
        return;
    case RPC_BUSY:
        fail(&hc->last, ERR_RESOURCE_EXHAUSTED, "the workflow's owner is overloaded");
        fail_set_detail(&hc->last, STR("ResourceExhaustedFailure"),
                STR("\x08\x03\x10\x02")); /* SYSTEM_OVERLOADED, SYSTEM */
        give_up(hc);
        return;
    case RPC_TIMEOUT:
        if (hc->is_draining) {
            fail(&hc->last, ERR_UNAVAILABLE, "this frontend is stopping");
        } else {
            fail(&hc->last, ERR_DEADLINE_EXCEEDED, "context deadline exceeded");
        }
        give_up(hc);
        return;
    case RPC_CANCELLED:
        return;
    }
}

static void attempt(struct history_call *hc)
{
    struct request *rq = hc->rq;
    struct rpc_peer *peer = cluster_history_peer(rq->fe->cl, hc->shard);
    if (!peer) {
        fail(&hc->last, ERR_UNAVAILABLE, "the workflow's shard has no owner yet");
        hold(hc);
        return;
    }
    hc->call.done = on_done;
    rpc_call(rq->fe->rl, peer, RPC_HISTORY_API, hc->shard, hc->body,
            request_time_left(rq, hc->is_draining ? DRAIN_POLL : CALL_TIME_MAX), &hc->call);
}

static void on_cancel(struct grpc_call *call, enum grpc_cancel why)
{
    struct history_call *hc = call->owner;
    lane_timer_stop(hc->rq->fe->lane, &hc->timer);
    rpc_cancel(&hc->call);
    fail(&hc->last, ERR_CANCELLED, "cancelled");
    give_up(hc);
}

static void on_drained(struct lane_timer *timer)
{
    struct history_call *hc = container_of(timer, struct history_call, drain);
    lane_timer_stop(hc->rq->fe->lane, &hc->timer);
    rpc_cancel(&hc->call);
    fail(&hc->last, ERR_UNAVAILABLE, "this frontend is stopping");
    give_up(hc);
}

/* What may not be sent twice waits for its answer, unless it is only held. */
static void on_drain(struct grpc_call *call)
{
    struct history_call *hc = call->owner;
    struct lane *lane = hc->rq->fe->lane;
    struct instant end = instant_add(lane_monotonic(lane), DRAIN_TIME);
    hc->hold_until = instant_min(hc->hold_until, end);
    if (hc->rq->row->flags & IDEMPOTENT) {
        lane_timer_start(lane, &hc->drain, DRAIN_TIME, on_drained);
        hc->is_draining = true;
        if (!lane_timer_running(&hc->timer)) { /* otherwise it is held, and soon tried again */
            rpc_cancel(&hc->call);
            attempt(hc);
        }
    }
}

static enum err find_workflow_id(struct request *rq, struct str *ret)
{
    const struct api_route *r = &rq->row->route;
    if (r->token_at >= 0) {
        const ProtobufCBinaryData *bytes = (const void *)((const char *)rq->message + r->token_at);
        struct api_token token;
        enum err err = api_token_decode(
                str_of(bytes->data, bytes->len), &rq->call->arena, &token, &rq->fail);
        if (!err) {
            *ret = token.workflow_id;
        }
        return err;
    }
    if (r->execution_at >= 0) {
        const Api__WorkflowExecution *e =
                *(Api__WorkflowExecution *const *)((const char *)rq->message + r->execution_at);
        *ret = str_from_cstr(e->workflow_id);
        return ERR_NONE;
    }
    *ret = request_str(rq, r->workflow_id_at);
    return ret->len ? ERR_NONE
                    : fail(&rq->fail, ERR_INVALID_ARGUMENT, "WorkflowId is not set on request.");
}

void history_call(struct request *rq, struct str workflow_id)
{
    struct arena *arena = &rq->call->arena;
    struct history_call *hc = NEW(arena, struct history_call, 1);
    struct msg_api_request m = {
        .method = (uint32_t)rq->row->arg,
        .workflow_id = workflow_id,
        .namespace_id = rq->namespace_id,
        .namespace_name = rq->namespace_name,
        .request = rq->raw,
        .from_worker = request_is_from_worker(rq),
    };
    struct buf body;
    buf_init_arena(&body, arena, rq->raw.len + m.workflow_id.len + m.namespace_name.len + 8192);
    msg_api_request_encode(&m, &body);
    check(!body.overflow);
    hc->rq = rq;
    hc->body = buf_str(&body);
    hc->shard = shard_of(m.namespace_id, m.workflow_id);
    hc->hold_until =
            instant_add(lane_monotonic(rq->fe->lane), request_time_left(rq, HOLD_TIME_MAX));
    rq->call->owner = hc;
    rq->call->on_cancel = on_cancel;
    rq->call->on_drain = on_drain;
    attempt(hc);
}

/* A call that is sent again when a connection inside the cluster breaks is known by its request id: who has none would be
 * signaled twice, or told that his own run is somebody else's. The last field of a number counts: the id is put behind
 * the others. A reset must bring its own, as the API has it. */
static void give_request_id(struct request *rq)
{
    int at = rq->row->route.request_id_at;
    struct buf out;
    if (at < 0 || !(rq->row->flags & IDEMPOTENT) || rq->row->arg == API_RESET_WORKFLOW ||
            request_str(rq, at).len) {
        return;
    }
    const ProtobufCFieldDescriptor *f =
            protobuf_c_message_descriptor_get_field_by_name(rq->row->input, "request_id");
    buf_init_arena(&out, &rq->call->arena, rq->raw.len + 64);
    buf_append_str(&out, rq->raw);
    wire_put_bytes(&out, f->id, uuid_dup(&rq->call->arena, uuid_v4(lane_rand(rq->fe->lane))));
    rq->raw = buf_str(&out);
}

void frontend_history(struct request *rq)
{
    struct str workflow_id;
    give_request_id(rq);
    if (find_workflow_id(rq, &workflow_id)) {
        request_fail(rq);
        return;
    }
    history_call(rq, workflow_id);
}
