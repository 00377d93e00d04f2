/* The life of queries in memory: which way each goes, its deadlines, its end. What the public messages say is in
 * handlers_query.c; how an offer reaches a worker in dispatch.c. */
#include "history/queries.h"

#include "common/api/errors.h"
#include "common/model/wire.h"
#include "common/obs/log.h"
#include "common/rpc/messages.h"
#include "common/rpc/methods.h"
#include "history/history.h"

/* From this attempt on a workflow task is failing: a query fails at once instead of at its deadline. */
enum { FAILING_ATTEMPT = 3 };
#define POLLER_WINDOW DURATION_SECONDS(20)

static void query_time(struct lane_timer *timer);

/* ---- which way ----------------------------------------------------------------------------------------- */

enum query_way query_way(const struct query *q, const struct execution *ex, struct fail *f)
{
    struct query_view v = engine_view_query(ex->wf);
    struct lane *lane = ex->chain->history->lane;
    const char *text = NULL;
    if (!v.is_open && !v.was_completed) {
        text = "the workflow closed before its first workflow task was completed";
    } else if (v.is_open && v.has_task && v.attempt >= FAILING_ATTEMPT) {
        text = "the workflow cannot be queried: its workflow task is failing";
    } else if (v.is_open && !v.has_task && !v.was_completed) {
        struct duration left = instant_since(q->deadline, lane_monotonic(lane));
        if (v.first_task_at.ns <= instant_add(lane_now(lane), left).ns) {
            return QUERY_GO_ALONG;
        }
        text = "the workflow cannot be queried before its first workflow task";
    }
    if (text) {
        (void)fail_workflow_not_ready(f, &q->call->arena, str_from_cstr(text));
        return QUERY_NOT_READY;
    }
    return v.is_open && v.has_task ? QUERY_GO_ALONG : QUERY_GO_DIRECT;
}

/* ---- offering ------------------------------------------------------------------------------------------ */

static void query_arm(struct query *q)
{
    struct lane *lane = q->call->history->lane;
    struct instant at =
            q->sticky_until.ns ? instant_min(q->deadline, q->sticky_until) : q->deadline;
    struct duration wait = instant_since(at, lane_monotonic(lane));
    wait.ns = wait.ns > 0 ? wait.ns : 0;
    lane_timer_start(lane, &q->call->timer, wait, query_time);
}

void query_offer(struct query *q)
{
    struct execution *ex = q->ex;
    struct history *h = q->call->history;
    struct query_view v = engine_view_query(ex->wf);
    bool is_sticky = v.is_open && v.sticky_queue.len && !q->no_sticky;
    struct task_offer offer = {
        .type = TASK_QUEUE_WORKFLOW,
        .queue = is_sticky ? v.sticky_queue : v.task_queue,
        .is_sticky = is_sticky,
        .sticky_schedule_to_start = is_sticky ? v.sticky_schedule_to_start : (struct duration){ 0 },
        .scheduled_event_id = -q->number,
        .since = lane_now(h->lane),
        .priority = engine_view_priority(ex->wf),
    };
    if (is_sticky && !q->sticky_until.ns) {
        q->sticky_until = instant_add(lane_monotonic(h->lane), v.sticky_schedule_to_start);
    }
    query_arm(q);
    dispatch_offer(&h->dispatch, ex, &offer);
}

static void query_durable(struct gate *gate, enum err err, const struct fail *fail)
{
    struct query *q = container_of(gate, struct query, gate);
    if (!err) {
        query_offer(q);
    } /* otherwise the run is being dropped, and the query asked again */
}

/* What it may see must be so: its task waits for the batch. */
static void query_go_direct(struct query *q)
{
    q->state = QUERY_DIRECT;
    q->gate.group = q->ex->chain->group;
    q->gate.open = query_durable;
    if (!committer_wait(&q->call->history->committer, q->ex->dirty, &q->gate)) {
        query_offer(q);
    }
}

/* The worker that has the run in its cache does not answer: neither will it take the next workflow task. */
static void query_leave_sticky(struct query *q)
{
    struct execution *ex = q->ex;
    struct history *h = q->call->history;
    struct event ev;
    struct effects fx;
    struct fail f = { 0 };
    q->no_sticky = true;
    q->sticky_until = (struct instant){ 0 };
    bool is_open = engine_view_query(ex->wf).is_open; /* it may have closed meanwhile */
    if (is_open && shard_serves(h, ex->chain->shard) && !committer_admit(&h->committer, NULL)) {
        struct batch *b = committer_batch(&h->committer);
        execution_event(h, ex, EVENT_RESET_STICKY, &ev);
        if (execution_step(ex, &ev, &b->arena, &fx, &f)) {
            log_warn("sticky_not_reset", LOG_STR("workflow_id", ex->chain->workflow_id),
                    LOG_FAIL(&f));
        }
    }
    dispatch_claimed(&h->dispatch, ex, TASK_QUEUE_WORKFLOW, -q->number);
    query_offer(q);
}

/* ---- parking and leaving ------------------------------------------------------------------------------- */

static struct query *query_of(struct list_node *n)
{
    return list_entry(n, struct call, node)->state;
}

static void query_caller_gone(struct call *call)
{
    struct query *q = call->state;
    if (q->ex) {
        query_leave(q);
        call_reply_now(call, STR(""));
    }
}

/* Is there room for one more on this way? */
static enum err query_admit(
        const struct query *q, const struct execution *ex, enum query_way way, struct fail *f)
{
    const struct history_config *config = &q->call->history->config;
    uint32_t buffered = 0, direct = 0;
    list_each(&ex->queries, n)
    {
        *(query_of(n)->state == QUERY_DIRECT ? &direct : &buffered) += 1;
    }
    if (way == QUERY_GO_ALONG ? buffered < config->buffered_queries
                              : direct < config->direct_queries) {
        return ERR_NONE;
    }
    return fail_resource_exhausted(f, &q->call->arena,
            API__RESOURCE_EXHAUSTED_CAUSE__RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW,
            API__RESOURCE_EXHAUSTED_SCOPE__RESOURCE_EXHAUSTED_SCOPE_NAMESPACE,
            STR("too many queries wait for the workflow"));
}

enum err query_park(struct query *q, struct execution *ex, enum query_way way, struct fail *f)
{
    enum err err = query_admit(q, ex, way, f);
    if (err) {
        return err;
    }
    q->ex = ex;
    q->state = QUERY_BUFFERED;
    ex->pins++;
    list_append(&ex->queries, &q->call->node);
    q->call->gone = query_caller_gone;
    query_arm(q);
    if (way == QUERY_GO_DIRECT) {
        query_go_direct(q);
    }
    return ERR_NONE;
}

void query_leave(struct query *q)
{
    struct history *h = q->call->history;
    lane_timer_stop(h->lane, &q->call->timer);
    list_remove(&q->call->node);
    list_remove(&q->gate.node);
    if (rpc_call_pending(&q->pollers)) {
        rpc_cancel(&q->pollers);
    }
    dispatch_claimed(&h->dispatch, q->ex, TASK_QUEUE_WORKFLOW, -q->number);
    check(q->ex->pins > 0);
    q->ex->pins--;
    q->ex = NULL;
}

void query_fail(struct query *q, const struct fail *f)
{
    struct execution *ex = q->ex;
    query_leave(q);
    call_fail(q->call, ex, f);
}

void query_answer(struct query *q, const struct query_answer *answer)
{
    struct arena *arena = &q->call->arena;
    struct fail f = { 0 };
    if (answer->is_failed) {
        (void)fail_query_failed(&f, arena, answer->message, str_dup(arena, answer->failure));
    } else if (answer->result.len >
               history_limits(q->call->history, q->call->api.namespace_id)->blob_size_error) {
        (void)fail_query_failed(
                &f, arena, STR("the query's result exceeds the size limit"), STR(""));
    }
    if (f.err) {
        query_fail(q, &f);
        return;
    }
    enum { FIELD_QUERY_RESULT = 1 };
    struct buf reply;
    buf_init_arena(&reply, arena, answer->result.len + 16);
    wire_put_bytes(&reply, FIELD_QUERY_RESULT, answer->result); /* present even when it is empty */
    struct execution *ex = q->ex;
    struct call *call = q->call;
    query_leave(q);
    call_reply(call, ex, buf_str(&reply));
}

struct query *query_by_number(const struct execution *ex, int64_t number)
{
    list_each(&ex->queries, n)
    {
        if (query_of(n)->number == number) {
            return query_of(n);
        }
    }
    return NULL;
}

struct query *query_by_id(const struct execution *ex, struct str id)
{
    list_each(&ex->queries, n)
    {
        if (str_eq(query_of(n)->id, id)) {
            return query_of(n);
        }
    }
    return NULL;
}

/* ---- the deadline -------------------------------------------------------------------------------------- */

static void query_expire(struct query *q, bool seen)
{
    struct fail f = { 0 };
    if (seen) {
        fail(&f, ERR_DEADLINE_EXCEEDED, "context deadline exceeded");
    } else {
        fail(&f, ERR_FAILED_PRECONDITION,
                "no poller seen for task queue recently, worker may be down");
    }
    query_fail(q, &f);
}

static void query_pollers_told(
        struct rpc_call *call, enum rpc_result result, struct str body, const struct fail *fail)
{
    struct query *q = container_of(call, struct query, pollers);
    struct lane *lane = q->call->history->lane;
    struct msg_describe_queue_answer a;
    struct fail f = { 0 };
    bool seen = result != RPC_OK ||
                msg_describe_queue_answer_decode(body, lane_scratch(lane), &a, &f) != ERR_NONE;
    for (size_t i = 0; !seen && i < a.poller_count; i++) {
        seen = instant_since(lane_now(lane), a.pollers[i].last_access).ns <= POLLER_WINDOW.ns;
    }
    query_expire(q, seen);
}

/* The time is nearly over: was there anybody who could have answered? */
static void query_ask_for_pollers(struct query *q)
{
    struct history *h = q->call->history;
    struct execution *ex = q->ex;
    struct msg_describe_queue m = {
        .namespace_id = ex->chain->namespace_id,
        .task_queue = engine_view_query(ex->wf).task_queue,
        .type = TASK_QUEUE_WORKFLOW,
    };
    uint64_t queue = task_queue_hash(m.namespace_id, m.task_queue, m.type);
    struct rpc_peer *peer = h->cluster.matching_peer(h->cluster.ctx, queue);
    if (!peer) {
        query_expire(q, true);
        return;
    }
    struct buf body;
    buf_init_arena(&body, lane_scratch(h->lane), 4096);
    msg_describe_queue_encode(&m, &body);
    q->pollers.done = query_pollers_told;
    struct duration left = instant_since(q->call->in->deadline, lane_monotonic(h->lane));
    rpc_call(h->rpc, peer, RPC_MATCHING_DESCRIBE, queue, buf_str(&body),
            (struct duration){ left.ns / 2 }, &q->pollers);
}

static void query_time(struct lane_timer *timer)
{
    struct query *q = container_of(timer, struct call, timer)->state;
    struct instant now = lane_monotonic(q->call->history->lane);
    if (rpc_call_pending(&q->pollers)) {
        return;
    }
    if (now.ns >= q->deadline.ns) {
        query_ask_for_pollers(q);
    } else if (q->sticky_until.ns && now.ns >= q->sticky_until.ns) {
        query_leave_sticky(q);
    } else {
        query_arm(q);
    }
}

/* ---- all of a run -------------------------------------------------------------------------------------- */

static void query_settle(struct query *q)
{
    struct execution *ex = q->ex;
    struct fail f = { 0 };
    switch (query_way(q, ex, &f)) {
    case QUERY_NOT_READY:
        query_fail(q, &f);
        return;
    case QUERY_GO_DIRECT:
        query_go_direct(q);
        return;
    case QUERY_GO_ALONG:
        if (!engine_view_query(ex->wf).is_started) {
            q->state = QUERY_BUFFERED;
        }
        return;
    }
}

void queries_settle(struct execution *ex)
{
    list_each(&ex->queries, n)
    {
        struct query *q = query_of(n);
        if (!ex->queries_held && q->state != QUERY_DIRECT) {
            query_settle(q);
        }
    }
}

void queries_hold(struct execution *ex)
{
    ex->queries_held = true;
}

void queries_release(struct execution *ex)
{
    ex->queries_held = false;
    queries_settle(ex);
}

void queries_return(struct execution *ex, struct list *calls)
{
    list_each(&ex->queries, n)
    {
        query_leave(query_of(n));
        list_append(calls, n);
    }
}
