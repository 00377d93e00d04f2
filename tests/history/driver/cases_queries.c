/* Signal-with-start, and queries: which way each goes, what it may see, how it ends. */
#include <string.h>

#include "tests/history/driver/cases.h"

static struct sim_fault slow(void *arg, enum store_kind kind, const struct store_op *op)
{
    return (struct sim_fault){ .delay = DURATION_MS(20) };
}

/* ---- signal with start --------------------------------------------------------------------------------- */

static Api__SignalWithStartWorkflowExecutionRequest *signal_with_start(
        struct world *w, const char *request_id)
{
    Api__StartWorkflowExecutionRequest *s = start_request(w, "order", request_id);
    Api__SignalWithStartWorkflowExecutionRequest *r =
            api_new(&w->arena, &api__signal_with_start_workflow_execution_request__descriptor);
    r->workflow_id = s->workflow_id;
    r->workflow_type = s->workflow_type;
    r->task_queue = s->task_queue;
    r->request_id = request_id;
    r->signal_name = "go";
    return r;
}

static Api__SignalWithStartWorkflowExecutionResponse *send(
        struct world *w, const Api__SignalWithStartWorkflowExecutionRequest *r)
{
    return answer_of(w, call_api(w, API_SIGNAL_WITH_START, "order", &r->base),
            &api__signal_with_start_workflow_execution_response__descriptor);
}

void signals_with_start_happen_once(void)
{
    struct world *w = world_new();
    Api__SignalWithStartWorkflowExecutionResponse *first = send(w, signal_with_start(w, "a"));
    expect(first->started && !strcmp(first->run_id, first->first_execution_run_id));
    expect(!strcmp(history_types(w, "order"), "1 26 5"));
    Api__SignalWithStartWorkflowExecutionResponse *again = send(w, signal_with_start(w, "a"));
    expect(again->started && !strcmp(again->run_id, first->run_id));
    expect(!strcmp(history_types(w, "order"), "1 26 5"));
    for (int i = 0; i < 2; i++) {
        Api__SignalWithStartWorkflowExecutionResponse *other = send(w, signal_with_start(w, "b"));
        expect(!other->started && !strcmp(other->run_id, first->run_id));
        expect(!strcmp(history_types(w, "order"), "1 26 5 26"));
    }
    complete_task(w, "order", poll_workflow(w, "q"), complete_workflow(w));
    again = send(w, signal_with_start(w, "a")); /* the answer was lost, and the run has closed */
    expect(again->started && !strcmp(again->run_id, first->run_id));
    Api__SignalWithStartWorkflowExecutionResponse *next = send(w, signal_with_start(w, "c"));
    expect(next->started && strcmp(next->run_id, first->run_id) != 0);
    expect(!strcmp(history_types(w, "order"), "1 26 5"));
    world_free(w);
}

void signals_with_start_follow_the_policies(void)
{
    struct world *w = world_new();
    const char *run = start(w, "order");
    Api__SignalWithStartWorkflowExecutionRequest *r = signal_with_start(w, "a");
    r->workflow_id_conflict_policy = (Api__WorkflowIdConflictPolicy)ID_CONFLICT_FAIL;
    expect(error_of(w, call_api(w, API_SIGNAL_WITH_START, "order", &r->base)) ==
            ERR_INVALID_ARGUMENT);
    r->workflow_id_conflict_policy = (Api__WorkflowIdConflictPolicy)ID_CONFLICT_UNSPECIFIED;
    r->signal_name = "";
    expect(error_of(w, call_api(w, API_SIGNAL_WITH_START, "order", &r->base)) ==
            ERR_INVALID_ARGUMENT);
    expect(!strcmp(history_types(w, "order"), "1 5"));
    r = signal_with_start(w, "b");
    r->workflow_id_conflict_policy = (Api__WorkflowIdConflictPolicy)ID_CONFLICT_TERMINATE_EXISTING;
    Api__SignalWithStartWorkflowExecutionResponse *m = send(w, r);
    expect(m->started && strcmp(m->run_id, run) != 0);
    expect(!strcmp(event_types(w, history_of(w, "order", run)->history), "1 5 27"));
    expect(!strcmp(history_types(w, "order"), "1 26 5"));
    complete_task(w, "order", poll_workflow(w, "q"), complete_workflow(w));
    r = signal_with_start(w, "c");
    r->workflow_id_reuse_policy = (Api__WorkflowIdReusePolicy)ID_REUSE_REJECT_DUPLICATE;
    struct pending *p = call_api(w, API_SIGNAL_WITH_START, "order", &r->base);
    expect(error_of(w, p) == ERR_ALREADY_EXISTS);
    expect(str_eq(p->fail.detail_type, STR("WorkflowExecutionAlreadyStartedFailure")));
    world_free(w);
}

/* ---- queries: the usual steps -------------------------------------------------------------------------- */

static struct pending *query_as(struct world *w, Api__QueryRejectCondition condition)
{
    Api__QueryWorkflowRequest r = API__QUERY_WORKFLOW_REQUEST__INIT;
    Api__WorkflowQuery q = API__WORKFLOW_QUERY__INIT;
    Api__WorkflowExecution e = API__WORKFLOW_EXECUTION__INIT;
    e.workflow_id = "order";
    q.query_type = "state";
    q.query_args = api_data(STR("\x0a\x00"));
    q.query_args.len = 2;
    r.execution = &e;
    r.query = &q;
    r.query_reject_condition = condition;
    return call_api(w, API_QUERY_WORKFLOW, "order", &r.base);
}

static struct pending *query(struct world *w)
{
    return query_as(w, API__QUERY_REJECT_CONDITION__QUERY_REJECT_CONDITION_NONE);
}

static struct str result_of(struct world *w, struct pending *p)
{
    Api__QueryWorkflowResponse *m = answer_of(w, p, &api__query_workflow_response__descriptor);
    expect(!m->query_rejected);
    return api_bytes(m->query_result);
}

static struct pending *respond(struct world *w, const Api__PollWorkflowTaskQueueResponse *task,
        struct str result, const char *error)
{
    Api__RespondQueryTaskCompletedRequest r = API__RESPOND_QUERY_TASK_COMPLETED_REQUEST__INIT;
    r.task_token = task->task_token;
    r.completed_type = error ? API__QUERY_RESULT_TYPE__QUERY_RESULT_TYPE_FAILED
                             : API__QUERY_RESULT_TYPE__QUERY_RESULT_TYPE_ANSWERED;
    r.query_result = api_data(result);
    r.error_message = error ? error : "";
    r.failure = api_data(error ? STR("\x0a\x01x") : STR(""));
    return call_api(w, API_RESPOND_QUERY_TASK_COMPLETED, "order", &r.base);
}

static struct pending *complete_with_result(
        struct world *w, const Api__PollWorkflowTaskQueueResponse *task, const char *id)
{
    Api__RespondWorkflowTaskCompletedRequest r = API__RESPOND_WORKFLOW_TASK_COMPLETED_REQUEST__INIT;
    Api__RespondWorkflowTaskCompletedRequest__QueryResultsEntry entry =
            API__RESPOND_WORKFLOW_TASK_COMPLETED_REQUEST__QUERY_RESULTS_ENTRY__INIT;
    Api__WorkflowQueryResult result = API__WORKFLOW_QUERY_RESULT__INIT;
    Api__RespondWorkflowTaskCompletedRequest__QueryResultsEntry *entries[] = { &entry };
    result.result_type = API__QUERY_RESULT_TYPE__QUERY_RESULT_TYPE_ANSWERED;
    result.answer = api_data(STR("rode"));
    entry.key = id;
    entry.value = &result;
    r.task_token = task->task_token;
    r.query_results = entries;
    r.n_query_results = 1;
    return call_api(w, API_RESPOND_WORKFLOW_TASK_COMPLETED, "order", &r.base);
}

/* A run without anything to do. */
static struct world *settled_world(const char *sticky)
{
    struct world *w = world_new();
    start(w, "order");
    answer_of(w, complete_task_begin(w, "order", poll_workflow(w, "q"), NULL, 0, sticky), NULL);
    return w;
}

static void fail_task(struct world *w, const Api__PollWorkflowTaskQueueResponse *task)
{
    Api__RespondWorkflowTaskFailedRequest r = API__RESPOND_WORKFLOW_TASK_FAILED_REQUEST__INIT;
    r.task_token = task->task_token;
    answer_of(w, call_api(w, API_RESPOND_WORKFLOW_TASK_FAILED, "order", &r.base), NULL);
}

/* ---- directly ------------------------------------------------------------------------------------------ */

void queries_of_settled_runs_are_tasks_of_their_own(void)
{
    struct world *w = settled_world(NULL);
    uint64_t rows = history_stats(w->history).committed_rows;
    struct pending *p = query(w);
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(task->query && !strcmp(task->query->query_type, "state"));
    expect(task->query->query_args.len == 2 && !task->started_event_id && !task->n_queries);
    expect(!strcmp(event_types(w, task->history), "1 5 6 7"));
    expect(task->previous_started_event_id == 3);
    expect(!p->answered);
    answer_of(w, respond(w, task, STR("42"), NULL), NULL);
    expect(str_eq(result_of(w, p), STR("42")));
    expect(error_of(w, respond(w, task, STR("42"), NULL)) == ERR_NOT_FOUND);
    expect(history_stats(w->history).committed_rows == rows); /* nothing of it is stored */
    world_free(w);
}

static void few(struct history_config *config)
{
    config->direct_queries = 2;
}

void waiting_queries_are_bounded(void)
{
    struct world *w = world_new_with(few);
    start(w, "order");
    complete_task(w, "order", poll_workflow(w, "q"), NULL);
    struct pending *first = query(w), *second = query(w), *third = query(w);
    expect(error_of(w, third) == ERR_RESOURCE_EXHAUSTED);
    expect(str_eq(third->fail.detail_type, STR("ResourceExhaustedFailure")));
    answer_of(w, respond(w, poll_workflow(w, "q"), STR("1"), NULL), NULL);
    answer_of(w, respond(w, poll_workflow(w, "q"), STR("1"), NULL), NULL);
    expect(str_eq(result_of(w, first), STR("1")) && str_eq(result_of(w, second), STR("1")));
    world_free(w);
}

void failed_queries_say_why(void)
{
    struct world *w = settled_world(NULL);
    struct pending *p = query(w);
    answer_of(w, respond(w, poll_workflow(w, "q"), STR(""), "unknown query. Known: [a b]"), NULL);
    expect(error_of(w, p) == ERR_INVALID_ARGUMENT);
    expect(!strcmp(p->fail.message, "unknown query. Known: [a b]"));
    expect(str_eq(p->fail.detail_type, STR("QueryFailedFailure")) && p->fail.detail.len == 5);
    p = query(w); /* the names of many queries: a user interface reads them out of the text */
    char *names = arena_zalloc(&w->arena, 3001, 1);
    memset(names, 'n', 3000);
    answer_of(w, respond(w, poll_workflow(w, "q"), STR(""), names), NULL);
    expect(error_of(w, p) == ERR_INVALID_ARGUMENT);
    expect(str_eq(fail_text_of(&p->fail), str_from_cstr(names)));
    p = query(w);
    struct str large = str_of(arena_zalloc(&w->arena, 3 << 20, 1), 3 << 20);
    answer_of(w, respond(w, poll_workflow(w, "q"), large, NULL), NULL);
    expect(error_of(w, p) == ERR_INVALID_ARGUMENT);
    expect(str_eq(p->fail.detail_type, STR("QueryFailedFailure")));
    world_free(w);
}

void queries_prefer_the_sticky_queue(void)
{
    struct world *w = settled_world("sticky");
    struct pending *p = query(w);
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "sticky");
    expect(task->query && task->history.len == 0);
    answer_of(w, respond(w, task, STR("1"), NULL), NULL);
    expect(str_eq(result_of(w, p), STR("1")));
    p = query(w);
    struct offered *o;
    world_until(w, DURATION_SECONDS(1), (o = find_offer(w, "sticky")));
    uint64_t rows = history_stats(w->history).committed_rows;
    demand(w, o, true); /* its worker is gone */
    task = poll_workflow(w, "q");
    expect(task->query && !strcmp(event_types(w, task->history), "1 5 6 7"));
    answer_of(w, respond(w, task, STR("2"), NULL), NULL);
    expect(str_eq(result_of(w, p), STR("2")));
    expect(history_stats(w->history).committed_rows == rows);
    world_free(w);
}

void silent_sticky_workers_lose_the_run(void)
{
    struct world *w = settled_world("sticky");
    struct pending *p = query(w);
    expect(poll_workflow(w, "sticky")->query); /* and never a word again */
    world_advance(w, DURATION_SECONDS(9));
    expect(!find_offer(w, "q"));
    Api__PollWorkflowTaskQueueResponse *task;
    struct offered *o;
    world_until(w, DURATION_SECONDS(2), (o = find_offer(w, "q")));
    task = poll_workflow(w, "q");
    answer_of(w, respond(w, task, STR("1"), NULL), NULL);
    expect(str_eq(result_of(w, p), STR("1")));
    signal_run(w, "order", "s");
    expect(!strcmp(event_types(w, poll_workflow(w, "q")->history), "1 5 6 7 26 5 6"));
    world_free(w);
}

void silent_sticky_workers_of_closed_runs(void)
{
    struct world *w = settled_world("sticky");
    struct pending *p = query(w);
    expect(poll_workflow(w, "sticky")->query); /* and never a word again */
    Api__TerminateWorkflowExecutionRequest r = API__TERMINATE_WORKFLOW_EXECUTION_REQUEST__INIT;
    answer_of(w, call_api(w, API_TERMINATE_WORKFLOW, "order", &r.base), NULL);
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(task->query && !strcmp(event_types(w, task->history), "1 5 6 7 27"));
    answer_of(w, respond(w, task, STR("1"), NULL), NULL);
    expect(str_eq(result_of(w, p), STR("1")));
    world_free(w);
}

void queries_of_closed_runs(void)
{
    struct world *w = settled_world("sticky");
    signal_run(w, "order", "s");
    complete_task(w, "order", poll_workflow(w, "sticky"), complete_workflow(w));
    world_advance(w, DURATION_SECONDS(10)); /* it leaves memory */
    struct pending *p = query(w);
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(task->query && !strcmp(event_types(w, task->history), "1 5 6 7 26 5 6 7 2"));
    answer_of(w, respond(w, task, STR("1"), NULL), NULL);
    expect(str_eq(result_of(w, p), STR("1")));
    Api__QueryWorkflowResponse *m =
            answer_of(w, query_as(w, API__QUERY_REJECT_CONDITION__QUERY_REJECT_CONDITION_NOT_OPEN),
                    &api__query_workflow_response__descriptor);
    expect(m->query_rejected && (int)m->query_rejected->status == WORKFLOW_COMPLETED);
    p = query_as(w, API__QUERY_REJECT_CONDITION__QUERY_REJECT_CONDITION_NOT_COMPLETED_CLEANLY);
    answer_of(w, respond(w, poll_workflow(w, "q"), STR("2"), NULL), NULL);
    expect(str_eq(result_of(w, p), STR("2")));
    world_advance(w, DURATION_SECONDS(10));
    expect(history_stats(w->history).cached_runs == 0);
    world_free(w);
}

/* ---- along with a workflow task ------------------------------------------------------------------------ */

void queries_ride_with_the_next_task(void)
{
    struct world *w = world_new();
    start(w, "order");
    struct pending *p = query(w);
    struct pending *more = query(w);
    expect(error_of(w, more) == ERR_RESOURCE_EXHAUSTED);
    expect(str_eq(more->fail.detail_type, STR("ResourceExhaustedFailure")));
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(!task->query && task->n_queries == 1);
    expect(!strcmp(task->queries[0]->value->query_type, "state"));
    answer_of(w, complete_with_result(w, task, task->queries[0]->key), NULL);
    expect(str_eq(result_of(w, p), STR("rode")));
    world_free(w);
}

void unanswered_riders_go_directly(void)
{
    struct world *w = world_new();
    start(w, "order");
    struct pending *p = query(w);
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    complete_task(w, "order", task, NULL); /* without its result */
    task = poll_workflow(w, "q");
    expect(task->query);
    answer_of(w, respond(w, task, STR("1"), NULL), NULL);
    expect(str_eq(result_of(w, p), STR("1")));
    world_free(w);
}

void queries_see_what_came_before_them(void)
{
    struct world *w = world_new();
    start(w, "order");
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    signal_run(w, "order", "s"); /* buffered: the task that is out does not know it */
    struct pending *p = query(w);
    complete_task(w, "order", task, NULL);
    world_advance(w, DURATION_MS(50));
    expect(!p->answered);
    task = poll_workflow(w, "q");
    expect(!task->query && task->n_queries == 1);
    expect(!strcmp(event_types(w, task->history), "1 5 6 7 26 5 6"));
    complete_task(w, "order", task, complete_workflow(w)); /* closed without a result */
    task = poll_workflow(w, "q");
    expect(task->query && !strcmp(event_types(w, task->history), "1 5 6 7 26 5 6 7 2"));
    answer_of(w, respond(w, task, STR("1"), NULL), NULL);
    expect(str_eq(result_of(w, p), STR("1")));
    world_free(w);
}

void queries_wait_for_what_they_see(void)
{
    struct world *w = settled_world(NULL);
    sim_db_set_faults(w->db, slow, NULL);
    Api__TerminateWorkflowExecutionRequest r = API__TERMINATE_WORKFLOW_EXECUTION_REQUEST__INIT;
    struct pending *end = call_api(w, API_TERMINATE_WORKFLOW, "order", &r.base);
    struct pending *p = query(w);
    for (int i = 0; i < 15; i++) {
        world_advance(w, DURATION_MS(1));
        expect(!end->answered && !find_offer(w, "q"));
    }
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(end->answered && !strcmp(event_types(w, task->history), "1 5 6 7 27"));
    answer_of(w, respond(w, task, STR("1"), NULL), NULL);
    expect(str_eq(result_of(w, p), STR("1")));
    world_free(w);
}

/* ---- not ready ----------------------------------------------------------------------------------------- */

static void expect_not_ready(struct world *w, struct pending *p)
{
    expect(error_of(w, p) == ERR_FAILED_PRECONDITION);
    expect(str_eq(p->fail.detail_type, STR("WorkflowNotReadyFailure")));
}

void queries_of_failing_tasks_fail_fast(void)
{
    struct world *w = world_new();
    start(w, "order");
    struct pending *p = query(w);
    for (int i = 0; i < 2; i++) {
        expect(!p->answered);
        Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
        expect(task->n_queries == 1);
        fail_task(w, task);
    }
    expect_not_ready(w, p);
    expect_not_ready(w, query(w));
    world_free(w);
}

void queries_before_the_first_task(void)
{
    struct world *w = world_new();
    Api__StartWorkflowExecutionRequest *r = start_request(w, "order", "a");
    r->workflow_start_delay = api_duration(&w->arena, DURATION_SECONDS(3600));
    answer_of(w, call_api(w, API_START_WORKFLOW, "order", &r->base), NULL);
    expect_not_ready(w, query(w));
    Api__TerminateWorkflowExecutionRequest end = API__TERMINATE_WORKFLOW_EXECUTION_REQUEST__INIT;
    answer_of(w, call_api(w, API_TERMINATE_WORKFLOW, "order", &end.base), NULL);
    expect_not_ready(w, query(w));
    r = start_request(w, "order", "b");
    r->workflow_start_delay = api_duration(&w->arena, DURATION_SECONDS(5));
    answer_of(w, call_api(w, API_START_WORKFLOW, "order", &r->base), NULL);
    struct pending *p = query(w); /* soon enough: it waits */
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(task->n_queries == 1);
    answer_of(w, complete_with_result(w, task, task->queries[0]->key), NULL);
    expect(str_eq(result_of(w, p), STR("rode")));
    world_free(w);
}

/* ---- nobody answers ------------------------------------------------------------------------------------ */

void unanswered_queries_say_whether_there_is_a_worker(void)
{
    struct world *w = settled_world(NULL);
    w->last_poll = DURATION_SECONDS(21);
    struct pending *p = query(w);
    expect(error_of(w, p) == ERR_FAILED_PRECONDITION);
    expect(strstr(p->fail.message, "no poller seen for task queue recently"));
    w->last_poll = DURATION_SECONDS(19);
    expect(error_of(w, query(w)) == ERR_DEADLINE_EXCEEDED);
    w->matching_away = true;
    expect(error_of(w, query(w)) == ERR_DEADLINE_EXCEEDED);
    world_free(w);
}

void queries_nobody_waits_for_are_forgotten(void)
{
    struct world *w = settled_world(NULL);
    struct pending *p = query(w);
    struct offered *o;
    world_until(w, DURATION_SECONDS(1), (o = find_offer(w, "q")));
    caller_gone(p);
    demand(w, o, false);
    expect(error_of(w, claim(w, o, "poll")) == ERR_OBSOLETE);
    p = query(w);
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    caller_gone(p);
    expect(error_of(w, respond(w, task, STR("1"), NULL)) == ERR_NOT_FOUND);
    world_advance(w, DURATION_SECONDS(2));
    expect(!find_offer(w, "q"));
    expect(history_stats(w->history).open_requests == 0);
    world_free(w);
}

void undelivered_queries_are_offered_again(void)
{
    struct world *w = settled_world(NULL);
    sim_db_set_faults(w->db, slow, NULL);
    struct pending *p = query(w);
    struct offered *o;
    world_until(w, DURATION_SECONDS(1), (o = find_offer(w, "q")));
    Api__SignalWorkflowExecutionRequest r = API__SIGNAL_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.signal_name = "s";
    call_api(w, API_SIGNAL_WORKFLOW, "order", &r.base); /* makes the claim wait for a commit */
    demand(w, o, false);
    struct pending *poll = claim(w, o, "poll");
    expect(!poll->answered);
    caller_gone(poll);
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    task = task->query ? task : poll_workflow(w, "q");
    answer_of(w, respond(w, task, STR("1"), NULL), NULL);
    expect(str_eq(result_of(w, p), STR("1")));
    world_free(w);
}

static void on_given(void *ctx, const uint32_t *shards, size_t count)
{
    *(bool *)ctx = true;
}

void queries_follow_a_shard(void)
{
    struct world *w = settled_world(NULL);
    uint32_t shard = shard_of(w->namespace_id, STR("order"));
    bool given = false;
    struct pending *p = query(w);
    expect(poll_workflow(w, "q")->query);
    history_release_shards(w->history, &shard, 1, on_given, &given);
    world_until(w, DURATION_SECONDS(1), given);
    expect(error_of(w, p) == ERR_NOT_OWNER); /* the frontend asks the next owner */
    history_gain_shards(w->history, &shard, 1);
    p = query(w);
    answer_of(w, respond(w, poll_workflow(w, "q"), STR("1"), NULL), NULL);
    expect(str_eq(result_of(w, p), STR("1")));
    p = query(w); /* is out when the process ends */
    expect(poll_workflow(w, "q")->query);
    world_free(w);
}
