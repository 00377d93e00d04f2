/* QueryWorkflow, RespondQueryTaskCompleted, and the query tasks that workers claim. Queries that ride along with a
 * workflow task are put into its answer here, and their results taken out of its completion. */
#include "common/model/wire.h"
#include "history/handlers.h"
#include "history/queries.h"

/* ---- the public call ----------------------------------------------------------------------------------- */

/* A little before the caller gives up, so that it hears why. */
static struct instant give_up_at(const struct call *call)
{
    struct instant now = lane_monotonic(call->history->lane);
    struct duration left = instant_since(call->in->deadline, now);
    struct duration early = duration_min((struct duration){ left.ns / 10 }, DURATION_SECONDS(1));
    return instant_add(now, (struct duration){ left.ns - early.ns });
}

static struct query *take_query(struct call *call)
{
    if (call->state) {
        return call->state; /* it waited for a load, or was with a run that left memory */
    }
    struct query *q = NEW(&call->arena, struct query, 1);
    struct fail f = { 0 };
    q->request = HANDLER_DECODE(call, api__query_workflow_request);
    if (!q->request) {
        return NULL;
    }
    if (!q->request->query || !*q->request->query->query_type) {
        fail(&f, ERR_INVALID_ARGUMENT,
                q->request->query ? "QueryType is not set on request."
                                  : "Query is not set on request.");
    } else if (q->request->query->query_args.len >
               history_limits(call->history, call->api.namespace_id)->blob_size_error) {
        fail(&f, ERR_INVALID_ARGUMENT, "Blob data size exceeds limit.");
    }
    if (f.err) {
        call_fail_now(call, &f);
        return NULL;
    }
    q->call = call;
    q->number = ++call->history->last_query;
    q->id = uuid_dup(&call->arena, uuid_v4(lane_rand(call->history->lane)));
    q->deadline = give_up_at(call);
    call->state = q;
    return q;
}

static bool is_rejected(enum workflow_status status, Api__QueryRejectCondition condition)
{
    switch ((int)condition) {
    case API__QUERY_REJECT_CONDITION__QUERY_REJECT_CONDITION_NOT_OPEN:
        return status != WORKFLOW_RUNNING;
    case API__QUERY_REJECT_CONDITION__QUERY_REJECT_CONDITION_NOT_COMPLETED_CLEANLY:
        return status != WORKFLOW_RUNNING && status != WORKFLOW_COMPLETED;
    default:
        return false;
    }
}

static void reply_rejected(struct call *call, const struct execution *ex)
{
    Api__QueryWorkflowResponse m = API__QUERY_WORKFLOW_RESPONSE__INIT;
    Api__QueryRejected rejected = API__QUERY_REJECTED__INIT;
    rejected.status = (Api__WorkflowExecutionStatus)ex->status;
    m.query_rejected = &rejected;
    handler_reply(call, ex, &m.base);
}

void handle_query(struct call *call)
{
    struct execution *ex;
    if (!call->in) {
        call_reply_now(call, STR("")); /* the caller went away while the run was loaded */
        return;
    }
    struct query *q = take_query(call);
    if (!q || !handler_find(
                      call, q->request->execution ? q->request->execution->run_id : NULL, &ex)) {
        return;
    }
    if (is_rejected(ex->status, q->request->query_reject_condition)) {
        reply_rejected(call, ex);
        return;
    }
    struct fail f = { 0 };
    enum query_way way = query_way(q, ex, &f);
    if (way == QUERY_NOT_READY || query_park(q, ex, way, &f)) {
        handler_fail(call, ex, &f);
    }
}

/* ---- with a workflow task ------------------------------------------------------------------------------ */

void queries_ride(struct execution *ex, struct arena *arena, struct workflow_task_answer *a)
{
    size_t n = 0;
    list_each(&ex->queries, node)
    {
        n++;
    }
    if (!n) {
        return;
    }
    a->queries = NEW(arena, Api__PollWorkflowTaskQueueResponse__QueriesEntry *, n);
    list_each(&ex->queries, node)
    {
        struct query *q = list_entry(node, struct call, node)->state;
        if (q->state == QUERY_DIRECT) {
            continue;
        }
        Api__PollWorkflowTaskQueueResponse__QueriesEntry *entry =
                api_new(arena, &api__poll_workflow_task_queue_response__queries_entry__descriptor);
        entry->key = str_cstr(arena, q->id);
        /* A copy: the query may be gone before the task's history has been read. */
        entry->value = api_decode(&api__workflow_query__descriptor, arena,
                api_encode(arena, &q->request->query->base), NULL);
        check(entry->value);
        a->queries[a->query_count++] = entry;
        q->state = QUERY_RIDING;
    }
}

void queries_answered(
        struct execution *ex, const Api__RespondWorkflowTaskCompletedRequest *completion)
{
    for (size_t i = 0; i < completion->n_query_results; i++) {
        const Api__WorkflowQueryResult *r = completion->query_results[i]->value;
        struct query *q = query_by_id(ex, text(completion->query_results[i]->key));
        if (!q || !r) {
            continue;
        }
        struct query_answer answer = {
            .is_failed = r->result_type != API__QUERY_RESULT_TYPE__QUERY_RESULT_TYPE_ANSWERED,
            .result = api_bytes(r->answer),
            .message = text(r->error_message),
            .failure = api_bytes(r->failure),
        };
        query_answer(q, &answer);
    }
}

/* ---- a task of its own --------------------------------------------------------------------------------- */

struct query_task {
    struct workflow_task_answer answer;
    struct str query; /* WorkflowQuery */
    struct page page;
};

static struct str query_task_encode(const struct query_task *t, struct arena *arena)
{
    enum { FIELD_HISTORY = 8, FIELD_QUERY = 10 };
    struct str m = api_encode(arena, &workflow_task_answer_encode(&t->answer, arena)->base);
    struct buf out;
    buf_init_arena(&out, arena, (size_t)128 << 20);
    buf_append_str(&out, m);
    wire_put_bytes(&out, FIELD_QUERY, t->query);
    if (!t->answer.events.len) {
        wire_put_bytes(
                &out, FIELD_HISTORY, STR("")); /* present and empty: it is in the worker's cache */
    }
    check(!out.overflow);
    return buf_str(&out);
}

static void history_read(struct call *call, struct page *page)
{
    struct query_task *t = call->state;
    t->answer.events = page->events;
    t->answer.start.to_event_id = page->from + page->count - 1;
    call_reply_now(call, query_task_encode(t, &call->arena));
}

static void read_history(struct call *call)
{
    struct query_task *t = call->state;
    page_read(&t->page);
}

static void hand_out(struct call *call, struct execution *ex, struct query *q)
{
    struct arena *arena = &call->arena;
    struct query_view v = engine_view_query(ex->wf);
    struct query_task *t = NEW(arena, struct query_task, 1);
    int64_t next = workflow_next_event_id(ex->wf);
    bool is_sticky = v.sticky_queue.len && str_eq(call->claim.task_queue, v.sticky_queue);
    struct workflow_task_start start = {
        .previous_started_event_id = v.previous_started_event_id,
        .from_event_id = is_sticky ? next : 1,
        .to_event_id = next - 1,
        .normal_task_queue = v.task_queue,
    };
    if (!is_sticky) {
        q->sticky_until = (struct instant){ 0 };
    }
    workflow_task_answer_take(&t->answer, arena, ex, &start);
    t->answer.token.kind = API_TOKEN_QUERY;
    t->answer.token.request_id = str_dup(arena, q->id);
    t->query = api_encode(arena, &q->request->query->base);
    if (t->answer.has_events) {
        call_reply(call, ex, query_task_encode(t, arena));
        return;
    }
    t->page = (struct page){
        .call = call,
        .key = ex->key,
        .from = start.from_event_id,
        .end = t->answer.stored_end,
        .max_events = INT64_MAX / 2,
        .max_bytes = TASK_PAGE_BYTES,
        .done = history_read,
    };
    call->state = t;
    call_then(call, ex, read_history);
}

void handle_query_claim(struct call *call)
{
    const struct task_ref *task = &call->claim.task;
    struct history *h = call->history;
    struct execution *ex = NULL;
    enum want want = chain_want(call->chain, call, task->run_id, task->key, &ex);
    if (want == WANT_WAIT) {
        return;
    }
    struct query *q = want == WANT_FOUND ? query_by_number(ex, -task->scheduled_event_id) : NULL;
    if (!q || q->state != QUERY_DIRECT) {
        struct fail f = { 0 };
        fail(&f, ERR_OBSOLETE, "nobody waits for this query any more");
        h->stats.obsolete_claims++;
        call_fail_now(call, &f);
        return;
    }
    dispatch_claimed(&h->dispatch, ex, TASK_QUEUE_WORKFLOW, task->scheduled_event_id);
    h->stats.claims++;
    call->unsent = claim_take_back;
    hand_out(call, ex, q);
}

void handle_query_unclaim(struct call *call)
{
    const struct task_ref *task = &call->claim.task;
    struct execution *ex = NULL;
    enum want want = chain_want(call->chain, call, task->run_id, task->key, &ex);
    if (want == WANT_WAIT) {
        return;
    }
    struct query *q = want == WANT_FOUND ? query_by_number(ex, -task->scheduled_event_id) : NULL;
    if (q && q->state == QUERY_DIRECT && !q->gate.node.next) {
        query_offer(q);
    }
    call_reply_now(call, STR(""));
}

void handle_query_completed(struct call *call)
{
    Api__RespondQueryTaskCompletedRequest *r =
            HANDLER_DECODE(call, api__respond_query_task_completed_request);
    struct api_token token;
    struct execution *ex;
    if (!r || !handler_token(call, r->task_token, API_TOKEN_QUERY, &token) ||
            !handler_find_key(call, token.run_id, token.key, &ex)) {
        return;
    }
    struct query *q = query_by_id(ex, token.request_id);
    if (!q) {
        struct fail f = { 0 };
        fail(&f, ERR_NOT_FOUND, "query task not found, or already answered");
        handler_fail(call, ex, &f);
        return;
    }
    struct query_answer answer = {
        .is_failed = r->completed_type != API__QUERY_RESULT_TYPE__QUERY_RESULT_TYPE_ANSWERED,
        .result = api_bytes(r->query_result),
        .message = text(r->error_message),
        .failure = api_bytes(r->failure),
    };
    query_answer(q, &answer);
    call_reply_now(call, STR(""));
}
