/* Task queues: describe, and a worker's goodbye. Both ask the queue's owner. */
#include "common/api/codec.h"
#include "common/api/view.h"
#include "frontend/api.h"

#define ASK_TIME_MAX DURATION_SECONDS(10)

struct queue_call {
    struct request *rq;
    struct rpc_call call;
};

static void on_cancel(struct grpc_call *call, enum grpc_cancel why)
{
    struct queue_call *qc = call->owner;
    rpc_cancel(&qc->call);
    fail(&qc->rq->fail, ERR_CANCELLED, "cancelled");
    request_fail(qc->rq);
}

static bool ask(struct request *rq, uint16_t method, uint64_t queue, struct str body,
        void (*done)(struct rpc_call *, enum rpc_result, struct str, const struct fail *))
{
    struct queue_call *qc = NEW(&rq->call->arena, struct queue_call, 1);
    struct rpc_peer *peer = cluster_matching_peer(rq->fe->cl, queue);
    if (!peer) {
        return false;
    }
    qc->rq = rq;
    qc->call.done = done;
    rq->call->owner = qc;
    rq->call->on_cancel = on_cancel;
    rpc_call(rq->fe->rl, peer, method, queue, body, request_time_left(rq, ASK_TIME_MAX), &qc->call);
    return true;
}

/* ---- DescribeTaskQueue ------------------------------------------------------------------------- */

static void fill_pollers(struct arena *arena, const struct msg_describe_queue_answer *a,
        Api__DescribeTaskQueueResponse *r)
{
    r->pollers = NEW(arena, Api__PollerInfo *, a->poller_count + 1);
    r->n_pollers = a->poller_count;
    for (size_t i = 0; i < a->poller_count; i++) {
        Api__PollerInfo *p = api_new(arena, &api__poller_info__descriptor);
        p->identity = str_cstr(arena, a->pollers[i].identity);
        p->last_access_time = api_timestamp(arena, a->pollers[i].last_access);
        p->rate_per_second = a->pollers[i].rate_per_second;
        r->pollers[i] = p;
    }
}

static void fill_stats(struct request *rq, const struct msg_describe_queue_answer *a,
        Api__DescribeTaskQueueResponse *r)
{
    struct arena *arena = &rq->call->arena;
    struct instant now = lane_now(rq->fe->lane);
    Api__TaskQueueStats *stats = api_new(arena, &api__task_queue_stats__descriptor);
    stats->approximate_backlog_count = (int64_t)a->backlog;
    struct duration age = a->backlog ? instant_since(now, a->oldest) : (struct duration){ 0 };
    stats->approximate_backlog_age = api_duration(arena, age);
    stats->tasks_add_rate = (float)a->add_rate;
    stats->tasks_dispatch_rate = (float)a->dispatch_rate;
    r->stats = stats;
}

static void on_described(
        struct rpc_call *call, enum rpc_result result, struct str body, const struct fail *f)
{
    struct queue_call *qc = container_of(call, struct queue_call, call);
    struct request *rq = qc->rq;
    const Api__DescribeTaskQueueRequest *ask_for = (const void *)rq->message;
    struct msg_describe_queue_answer a;
    if (result != RPC_OK) {
        rq->fail = result == RPC_APP_ERROR ? *f : (struct fail){ 0 };
        if (result != RPC_APP_ERROR) {
            fail(&rq->fail, rpc_result_err(result), "the task queue's owner is not reachable");
        }
        request_fail(rq);
        return;
    }
    if (msg_describe_queue_answer_decode(body, &rq->call->arena, &a, &rq->fail)) {
        request_fail(rq);
        return;
    }
    Api__DescribeTaskQueueResponse r = API__DESCRIBE_TASK_QUEUE_RESPONSE__INIT;
    fill_pollers(&rq->call->arena, &a, &r);
    if (ask_for->report_stats) {
        fill_stats(rq, &a, &r);
    }
    request_reply(rq, &r.base);
}

void frontend_describe_task_queue(struct request *rq)
{
    const Api__DescribeTaskQueueRequest *r = (const void *)rq->message;
    struct arena *arena = &rq->call->arena;
    if (!r->task_queue || !*r->task_queue->name) {
        fail(&rq->fail, ERR_INVALID_ARGUMENT, "TaskQueue is not set on request.");
        request_fail(rq);
        return;
    }
    struct msg_describe_queue m = {
        .namespace_id = rq->namespace_id,
        .task_queue = str_from_cstr(r->task_queue->name),
        .type = r->task_queue_type == API__TASK_QUEUE_TYPE__TASK_QUEUE_TYPE_ACTIVITY
                        ? TASK_QUEUE_ACTIVITY
                        : TASK_QUEUE_WORKFLOW,
    };
    struct buf body;
    buf_init_arena(&body, arena, 4096);
    msg_describe_queue_encode(&m, &body);
    uint64_t queue = task_queue_hash(m.namespace_id, m.task_queue, m.type);
    if (!ask(rq, RPC_MATCHING_DESCRIBE, queue, buf_str(&body), on_described)) {
        fail(&rq->fail, ERR_UNAVAILABLE, "no matching process is there");
        request_fail(rq);
    }
}

/* ---- ListTaskQueuePartitions ------------------------------------------------------------------- */

static void fill_partition(struct request *rq, struct str name, enum task_queue_type type,
        Api__TaskQueuePartitionMetadata *ret)
{
    struct rpc_peer *peer =
            cluster_matching_peer(rq->fe->cl, task_queue_hash(rq->namespace_id, name, type));
    *ret = (Api__TaskQueuePartitionMetadata)API__TASK_QUEUE_PARTITION_METADATA__INIT;
    ret->key = str_cstr(&rq->call->arena, name);
    ret->owner_host_name = "";
    if (peer) {
        ret->owner_host_name = str_cstr(
                &rq->call->arena, cluster_member_address(rq->fe->cl, rpc_peer_member(peer)));
    }
}

/* A queue has one partition of each type: order and figures are exact. */
void frontend_list_task_queue_partitions(struct request *rq)
{
    const Api__ListTaskQueuePartitionsRequest *ask_for = (const void *)rq->message;
    Api__ListTaskQueuePartitionsResponse r = API__LIST_TASK_QUEUE_PARTITIONS_RESPONSE__INIT;
    Api__TaskQueuePartitionMetadata activity, workflow;
    Api__TaskQueuePartitionMetadata *activities[] = { &activity }, *workflows[] = { &workflow };
    if (!ask_for->task_queue || !*ask_for->task_queue->name) {
        fail(&rq->fail, ERR_INVALID_ARGUMENT, "TaskQueue is not set on request.");
        request_fail(rq);
        return;
    }
    struct str name = str_from_cstr(ask_for->task_queue->name);
    fill_partition(rq, name, TASK_QUEUE_ACTIVITY, &activity);
    fill_partition(rq, name, TASK_QUEUE_WORKFLOW, &workflow);
    r.activity_task_queue_partitions = activities;
    r.n_activity_task_queue_partitions = 1;
    r.workflow_task_queue_partitions = workflows;
    r.n_workflow_task_queue_partitions = 1;
    request_reply(rq, &r.base);
}

/* ---- ShutdownWorker ---------------------------------------------------------------------------- */

static void on_said(
        struct rpc_call *call, enum rpc_result result, struct str body, const struct fail *f)
{
    struct queue_call *qc = container_of(call, struct queue_call, call);
    request_reply_bytes(
            qc->rq, STR("")); /* best effort: stickiness ends by itself ten seconds later */
}

void frontend_shutdown_worker(struct request *rq)
{
    const Api__ShutdownWorkerRequest *r = (const void *)rq->message;
    struct arena *arena = &rq->call->arena;
    struct msg_shutdown_worker m = {
        .namespace_id = rq->namespace_id,
        .sticky_task_queue = str_from_cstr(r->sticky_task_queue),
    };
    struct buf body;
    buf_init_arena(&body, arena, 4096);
    msg_shutdown_worker_encode(&m, &body);
    uint64_t queue = task_queue_hash(m.namespace_id, m.sticky_task_queue, TASK_QUEUE_WORKFLOW);
    if (!m.sticky_task_queue.len ||
            !ask(rq, RPC_MATCHING_SHUTDOWN, queue, buf_str(&body), on_said)) {
        request_reply_bytes(rq, STR(""));
    }
}
