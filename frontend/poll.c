/* A worker's poll: waits at the owner of the queue for the reference of a task, claims the task at
 * the owner of its workflow, and answers with what that returns. A task whose answer provably never
 * left is given back.
 *
 *   MATCHING --task--> CLAIMING --answer--> done
 *      ^                  |
 *      +----obsolete------+          empty answer shortly before the client's deadline, never an
 * error
 */
#include <stdlib.h>

#include "common/api/codec.h"
#include "common/api/view.h"
#include "common/model/wire.h"
#include "frontend/api.h"

#define POLL_TIME_MAX DURATION_SECONDS(60)
#define POLL_TIME_MIN DURATION_SECONDS(2)
#define ANSWER_EARLY  DURATION_SECONDS(1)
#define CLAIM_TIME    DURATION_SECONDS(10)
#define DETAILS_MAX   2048
#define RETRY_PAUSE   DURATION_MS(50)

enum poll_state { POLL_MATCHING, POLL_PAUSING, POLL_CLAIMING };

struct poll {
    struct request *rq;
    enum poll_state state;
    bool cancelled;
    struct msg_poll ask;
    uint64_t queue;
    struct str ask_body, raw;
    struct instant until; /* monotonic: when to answer empty */
    struct rpc_call call;
    struct lane_timer timer;
    struct msg_claim claim; /* the task in hand */
    struct str claim_body;
    int32_t scaling; /* what the queue's owner advises with it */
};

static void ask_matching(struct poll *p);
static void encode_ask(struct poll *p);

static void answer_empty(struct poll *p)
{
    p->rq->fe->stats.polls_empty++;
    request_reply_bytes(p->rq, STR(""));
}

/* ---- giving a task back ------------------------------------------------------------------------ */

static void on_returned(
        struct rpc_call *call, enum rpc_result result, struct str body, const struct fail *f)
{
    free(call); /* best effort: history offers the task again by itself when this is lost */
}

static void return_task(struct poll *p)
{
    struct frontend *fe = p->rq->fe;
    uint32_t shard = shard_of(p->claim.task.namespace_id, p->claim.task.workflow_id);
    struct rpc_peer *peer = cluster_history_peer(fe->cl, shard);
    if (!peer) {
        return;
    }
    struct rpc_call *call = calloc(1, sizeof(*call));
    check(call);
    call->done = on_returned;
    fe->stats.tasks_returned++;
    rpc_call(fe->rl, peer, RPC_HISTORY_UNCLAIM, shard, p->claim_body, CLAIM_TIME, call);
}

static void on_undelivered(struct grpc_call *call)
{
    return_task(call->owner);
}

/* ---- the two stages ---------------------------------------------------------------------------- */

static void on_pause_over(struct lane_timer *timer)
{
    ask_matching(container_of(timer, struct poll, timer));
}

/* Asks again after a moment: the owner of the queue moved, or a link broke. */
static void pause(struct poll *p)
{
    p->state = POLL_PAUSING;
    lane_timer_start(p->rq->fe->lane, &p->timer, RETRY_PAUSE, on_pause_over);
}

/* The next question says that the last task was none: it counts for no rate. */
static void refund(struct poll *p)
{
    if (!p->ask.refund) {
        p->ask.refund = true;
        encode_ask(p);
    }
}

static void fail_with(struct poll *p, const struct fail *f)
{
    p->rq->fail = *f;
    request_fail(p->rq);
}

/* History knows nothing of pollers: their advice is the last field of the answer. */
static struct str with_advice(struct poll *p, struct str answer)
{
    enum { FIELD_WORKFLOW = 16, FIELD_ACTIVITY = 18, FIELD_DELTA = 1 };
    if (!p->scaling) {
        return answer;
    }
    struct buf out;
    buf_init_arena(&out, &p->rq->call->arena, answer.len + 64);
    buf_append_str(&out, answer);
    size_t mark = wire_begin(
            &out, p->rq->row->arg == TASK_QUEUE_WORKFLOW ? FIELD_WORKFLOW : FIELD_ACTIVITY);
    wire_put_varint(&out, FIELD_DELTA, (uint64_t)(int64_t)p->scaling);
    wire_end(&out, mark);
    return buf_str(&out);
}

static void on_claimed(
        struct rpc_call *call, enum rpc_result result, struct str body, const struct fail *f)
{
    struct poll *p = container_of(call, struct poll, call);
    struct frontend *fe = p->rq->fe;
    if (p->cancelled) {
        if (result == RPC_OK) {
            return_task(p);
        }
        request_fail(p->rq);
        return;
    }
    if (result == RPC_OK) {
        fe->stats.polls_matched++;
        p->rq->call->on_undelivered = on_undelivered;
        request_reply_bytes(p->rq, with_advice(p, body));
        return;
    }
    bool fatal = result == RPC_APP_ERROR &&
                 (f->err == ERR_INVALID_ARGUMENT || f->err == ERR_PERMISSION_DENIED);
    if (fatal) {
        fail_with(p, f);
        return;
    }
    fe->stats.claims_obsolete++;
    if (result == RPC_APP_ERROR && f->err == ERR_OBSOLETE) {
        refund(p);
        ask_matching(p);
    } else {
        pause(p);
    }
}

static void claim(struct poll *p, const struct task_ref *task)
{
    struct frontend *fe = p->rq->fe;
    struct arena *arena = &p->rq->call->arena;
    uint32_t shard = shard_of(task->namespace_id, task->workflow_id);
    struct rpc_peer *peer = cluster_history_peer(fe->cl, shard);
    struct buf body;
    if (!peer) {
        pause(p); /* history offers the task again */
        return;
    }
    p->claim = (struct msg_claim){
        .task = *task,
        .namespace_name = p->rq->namespace_name,
        .task_queue = p->ask.task_queue,
        .poll_id = p->ask.poll_id,
        .poll_request = p->raw,
    };
    p->claim.task.workflow_id = str_dup(arena, task->workflow_id);
    buf_init_arena(&body, arena, p->raw.len + 8192);
    msg_claim_encode(&p->claim, &body);
    check(!body.overflow);
    p->claim_body = buf_str(&body);
    p->state = POLL_CLAIMING;
    p->call.done = on_claimed;
    rpc_call(fe->rl, peer, RPC_HISTORY_CLAIM, shard, p->claim_body, CLAIM_TIME, &p->call);
}

static void on_matched(
        struct rpc_call *call, enum rpc_result result, struct str body, const struct fail *f)
{
    struct poll *p = container_of(call, struct poll, call);
    struct arena *scratch = lane_scratch(p->rq->fe->lane);
    struct msg_poll_answer answer;
    if (result == RPC_TIMEOUT) {
        answer_empty(p);
    } else if (result == RPC_APP_ERROR && f->err != ERR_NOT_OWNER && f->err != ERR_UNAVAILABLE) {
        fail_with(p, f);
    } else if (result != RPC_OK) {
        pause(p);
    } else if (msg_poll_answer_decode(body, scratch, &answer, &p->rq->fail)) {
        request_fail(p->rq);
    } else if (answer.has_task) {
        p->scaling = answer.scaling;
        claim(p, &answer.task);
    } else if (answer.is_over) {
        answer_empty(p);
    } else {
        ask_matching(p); /* the queue's owner drains, or the time is over */
    }
}

static void ask_matching(struct poll *p)
{
    struct frontend *fe = p->rq->fe;
    struct duration left = instant_since(p->until, lane_monotonic(fe->lane));
    if (left.ns < 5000000) {
        answer_empty(p);
        return;
    }
    struct rpc_peer *peer = cluster_matching_peer(fe->cl, p->queue);
    if (!peer) {
        pause(p);
        return;
    }
    p->state = POLL_MATCHING;
    p->call.done = on_matched;
    rpc_call(fe->rl, peer, RPC_MATCHING_POLL, p->queue, p->ask_body, left, &p->call);
    if (p->ask.refund) {
        p->ask.refund = false;
        encode_ask(p);
    }
}

/* ---- the call's other ends --------------------------------------------------------------------- */

static void on_cancel(struct grpc_call *call, enum grpc_cancel why)
{
    struct poll *p = call->owner;
    fail(&p->rq->fail, ERR_CANCELLED, "cancelled");
    p->cancelled = true;
    if (p->state == POLL_CLAIMING) {
        return; /* the claim's answer decides whether there is a task to return */
    }
    lane_timer_stop(p->rq->fe->lane, &p->timer);
    rpc_cancel(&p->call);
    request_fail(p->rq);
}

static void on_drain(struct grpc_call *call)
{
    struct poll *p = call->owner;
    if (p->state != POLL_CLAIMING) {
        lane_timer_stop(p->rq->fe->lane, &p->timer);
        rpc_cancel(&p->call);
        answer_empty(p);
    }
}

/* ---- begin ------------------------------------------------------------------------------------- */

static enum err read_queue(struct request *rq, const Api__TaskQueue *q, struct poll *p)
{
    if (!q || !*q->name) {
        return fail(&rq->fail, ERR_INVALID_ARGUMENT, "TaskQueue is not set on request.");
    }
    p->ask.task_queue = str_from_cstr(q->name);
    p->ask.is_sticky = q->kind == API__TASK_QUEUE_KIND__TASK_QUEUE_KIND_STICKY;
    p->ask.normal_name = str_from_cstr(q->normal_name);
    return ERR_NONE;
}

static void encode_ask(struct poll *p)
{
    struct buf body;
    buf_init_arena(&body, &p->rq->call->arena, 16384);
    msg_poll_encode(&p->ask, &body);
    check(!body.overflow);
    p->ask_body = buf_str(&body);
}

/* As fields of PollerInfo; what is too large to be kept is not told. */
static struct str poller_details(struct request *rq, ProtobufCBinaryData capabilities,
        ProtobufCBinaryData deployment_options)
{
    struct buf out;
    buf_init_arena(&out, &rq->call->arena, DETAILS_MAX);
    wire_opt_bytes(&out, 4, api_bytes(capabilities));
    wire_opt_bytes(&out, 5, api_bytes(deployment_options));
    return out.overflow ? STR("") : buf_str(&out);
}

/* Field 1 of the capabilities, 2 of the deployment options. */
static enum err check_build_id(struct request *rq, ProtobufCBinaryData message, uint32_t number)
{
    struct str in = api_bytes(message);
    struct wire_field f;
    while (wire_next(&in, &f)) {
        if (f.number == number && f.type == WIRE_LEN &&
                f.bytes.len > (size_t)request_config(rq)->limit_build_id) {
            return fail(&rq->fail, ERR_INVALID_ARGUMENT,
                    "Build ID exceeds configured limit.workerBuildIdSize, use a shorter build ID.");
        }
    }
    return ERR_NONE;
}

static enum err check_versions(struct request *rq, ProtobufCBinaryData capabilities,
        ProtobufCBinaryData deployment_options)
{
    enum err err = check_build_id(rq, capabilities, 1);
    return err ? err : check_build_id(rq, deployment_options, 2);
}

/* A worker that the namespace has declared broken gets no tasks. */
static enum err check_binary(struct request *rq, const char *checksum)
{
    const struct namespace_entry *ns = namespaces_by_id(rq->fe->namespaces, rq->namespace_id);
    for (size_t i = 0; ns && i < ns->bad_binary_count; i++) {
        if (str_eq(ns->bad_binaries[i], str_from_cstr(checksum))) {
            return fail(&rq->fail, ERR_INVALID_ARGUMENT,
                    "Binary %s already marked as bad deployment.", checksum);
        }
    }
    return ERR_NONE;
}

static enum err read_request(struct request *rq, struct poll *p)
{
    if (rq->row->arg == TASK_QUEUE_WORKFLOW) {
        const Api__PollWorkflowTaskQueueRequest *r = (const void *)rq->message;
        if (check_binary(rq, r->binary_checksum)) {
            return rq->fail.err;
        }
        p->ask.identity = str_from_cstr(r->identity);
        p->ask.worker_instance_key = str_from_cstr(r->worker_instance_key);
        p->ask.details = poller_details(rq, r->worker_version_capabilities, r->deployment_options);
        return check_versions(rq, r->worker_version_capabilities, r->deployment_options)
                       ? rq->fail.err
                       : read_queue(rq, r->task_queue, p);
    }
    const Api__PollActivityTaskQueueRequest *r = (const void *)rq->message;
    p->ask.identity = str_from_cstr(r->identity);
    p->ask.worker_instance_key = str_from_cstr(r->worker_instance_key);
    p->ask.details = poller_details(rq, r->worker_version_capabilities, r->deployment_options);
    if (check_versions(rq, r->worker_version_capabilities, r->deployment_options)) {
        return rq->fail.err;
    }
    if (r->task_queue_metadata && r->task_queue_metadata->max_tasks_per_second) {
        double rate = r->task_queue_metadata->max_tasks_per_second->value;
        p->ask.max_tasks_per_second = rate > 0 ? rate : 0;
    }
    return read_queue(rq, r->task_queue, p);
}

void frontend_poll(struct request *rq)
{
    struct arena *arena = &rq->call->arena;
    struct poll *p = NEW(arena, struct poll, 1);
    struct duration left = request_time_left(rq, POLL_TIME_MAX);
    p->rq = rq;
    p->ask.max_tasks_per_second = -1; /* not given */
    if (read_request(rq, p)) {
        request_fail(rq);
        return;
    }
    if (rq->call->deadline.ns == INSTANT_NEVER.ns) {
        fail(&rq->fail, ERR_INVALID_ARGUMENT, "Context timeout is not set.");
        request_fail(rq);
        return;
    }
    if (left.ns < POLL_TIME_MIN.ns) {
        fail(&rq->fail, ERR_FAILED_PRECONDITION, "Context timeout is too short.");
        request_fail(rq);
        return;
    }
    p->ask.namespace_id = rq->namespace_id;
    p->ask.type = (enum task_queue_type)rq->row->arg;
    p->ask.poll_id = uuid_dup(arena, uuid_v4(lane_rand(rq->fe->lane)));
    p->raw = str_dup(arena, rq->raw);
    p->queue = task_queue_hash(p->ask.namespace_id, p->ask.task_queue, p->ask.type);
    p->until = instant_add(
            lane_monotonic(rq->fe->lane), (struct duration){ left.ns - ANSWER_EARLY.ns });
    encode_ask(p);
    rq->call->owner = p;
    rq->call->on_cancel = on_cancel;
    rq->call->on_drain = on_drain;
    ask_matching(p);
}
