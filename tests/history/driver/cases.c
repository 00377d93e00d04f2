/* What the driver promises, case by case: order, durability, crashes, hand-over, bounds. */
#include <string.h>

#include "tests/history/driver/cases.h"

/* ---- the whole way of a workflow ------------------------------------------------------------------------- */

void one_activity(void)
{
    struct world *w = world_new();
    start(w, "order");
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(!strcmp(event_types(w, task->history), "1 5 6"));
    expect(task->attempt == 1 && task->started_event_id == 3 &&
            !strcmp(task->workflow_type->name, "Order"));
    complete_task(w, "order", task, schedule_activity(w, "a"));
    Api__PollActivityTaskQueueResponse *activity = poll_activity(w, "aq");
    expect(!strcmp(activity->activity_id, "a") && activity->attempt == 1 &&
            activity->input.len == 4);
    answer_of(w, complete_activity_begin(w, "order", activity), NULL);
    task = poll_workflow(w, "q");
    expect(!strcmp(event_types(w, task->history), "1 5 6 7 10 11 12 5 6"));
    complete_task(w, "order", task, complete_workflow(w));
    expect(!strcmp(history_types(w, "order"), "1 5 6 7 10 11 12 5 6 7 2"));
    Api__DescribeWorkflowExecutionResponse *d = describe(w, "order");
    expect(d->workflow_execution_info->history_length == 11 &&
            (int)d->workflow_execution_info->status == WORKFLOW_COMPLETED);
    struct history_stats s = history_stats(w->history);
    expect(s.committed_rows <= 9); /* the budget of row versions */
    expect(s.closed == 1 && s.uncommitted_bytes == 0);
    world_free(w);
}

/* ---- starting ------------------------------------------------------------------------------------------ */

static Api__StartWorkflowExecutionResponse *start_with(
        struct world *w, const Api__StartWorkflowExecutionRequest *r)
{
    return answer_of(w, call_api(w, API_START_WORKFLOW, r->workflow_id, &r->base),
            &api__start_workflow_execution_response__descriptor);
}

void starts_are_deduplicated(void)
{
    struct world *w = world_new();
    Api__StartWorkflowExecutionRequest *r = start_request(w, "order", "req-1");
    struct pending *first = call_api(w, API_START_WORKFLOW, "order", &r->base);
    struct pending *second =
            call_api(w, API_START_WORKFLOW, "order", &r->base); /* before the first is durable */
    r = start_request(w, "order", "req-2");
    struct pending *other = call_api(w, API_START_WORKFLOW, "order", &r->base);
    expect(!first->answered && !other->answered); /* refusals wait for what they saw */
    Api__StartWorkflowExecutionResponse *a =
            answer_of(w, first, &api__start_workflow_execution_response__descriptor);
    Api__StartWorkflowExecutionResponse *b =
            answer_of(w, second, &api__start_workflow_execution_response__descriptor);
    expect(!strcmp(a->run_id, b->run_id) && a->started && b->started);
    expect(error_of(w, other) == ERR_ALREADY_EXISTS);
    expect(str_eq(other->fail.detail_type, STR("WorkflowExecutionAlreadyStartedFailure")));
    expect(history_stats(w->history).started == 1);
    world_free(w);
}

void conflict_policies(void)
{
    struct world *w = world_new();
    const char *run = start(w, "order");
    Api__StartWorkflowExecutionRequest *r = start_request(w, "order", "req-2");
    r->workflow_id_conflict_policy = (Api__WorkflowIdConflictPolicy)ID_CONFLICT_USE_EXISTING;
    Api__StartWorkflowExecutionResponse *m = start_with(w, r);
    expect(!m->started && !strcmp(m->run_id, run));
    r = start_request(w, "order", "req-3");
    r->workflow_id_conflict_policy = (Api__WorkflowIdConflictPolicy)ID_CONFLICT_TERMINATE_EXISTING;
    m = start_with(w, r);
    expect(m->started && strcmp(m->run_id, run) != 0);
    expect(!strcmp(event_types(w, history_of(w, "order", run)->history), "1 5 27"));
    expect(!strcmp(history_types(w, "order"), "1 5"));
    world_crash(w);
    expect(!strcmp(event_types(w, history_of(w, "order", run)->history), "1 5 27"));
    expect(!strcmp(describe(w, "order")->workflow_execution_info->execution->run_id, m->run_id));
    world_free(w);
}

/* ---- several runs ---------------------------------------------------------------------------------------- */

void runs_continue_as_new(void)
{
    struct world *w = world_new();
    const char *first = start(w, "order");
    complete_task(w, "order", poll_workflow(w, "q"), continue_as_new(w));
    expect(!strcmp(event_types(w, history_of(w, "order", first)->history), "1 5 6 7 28"));
    const char *second = describe(w, "order")->workflow_execution_info->execution->run_id;
    expect(strcmp(first, second) != 0);
    world_crash(w);
    expect(!strcmp(describe(w, "order")->workflow_execution_info->execution->run_id, second));
    expect(!strcmp(describe(w, "order")->workflow_execution_info->first_run_id, first));
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(!strcmp(task->workflow_execution->run_id, second));
    complete_task(w, "order", task, complete_workflow(w));
    expect(!strcmp(history_types(w, "order"), "1 5 6 7 2"));
    world_free(w);
}

void messages_reach_other_runs(void)
{
    struct world *w = world_new();
    start(w, "target");
    start(w, "source");
    for (int i = 0; i < 2; i++) {
        Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
        const char *id = task->workflow_execution->workflow_id;
        struct pending *p = complete_task_begin(w, id, task,
                (Api__Command *[]){ signal_external(w, "target") }, !strcmp(id, "source"), NULL);
        if (!strcmp(id, "source")) {
            world_until(w, DURATION_SECONDS(1), p->answered);
            world_crash(w); /* the message may be anywhere now */
        }
        answer_of(w, p, NULL);
    }
    world_until(w, DURATION_SECONDS(10), strstr(history_types(w, "source"), "39 5"));
    expect(!strcmp(history_types(w, "source"), "1 5 6 7 37 39 5"));
    const char *types = history_types(w, "target");
    expect(strstr(types, "26") && !strstr(strstr(types, "26") + 1, "26")); /* exactly once */
    world_free(w);
}

void obsolete_claims_leave_later_attempts(void)
{
    struct world *w = world_new();
    start(w, "order");
    complete_task(w, "order", poll_workflow(w, "q"), schedule_activity(w, "a"));
    struct offered *o;
    world_until(w, DURATION_SECONDS(1), (o = find_offer(w, "aq")));
    struct offered first = *o;
    demand(w, o, false);
    expect(error_of(w, claim(w, &first, "p1")) == ERR_NONE);
    world_until(w, DURATION_SECONDS(90),
            (o = find_offer(w, "aq"))); /* start-to-close passed: attempt 2 */
    expect(o->task.attempt == 2);
    demand(w, o, false);
    expect(error_of(w, claim(w, &first, "p2")) == ERR_OBSOLETE);
    world_until(w, DURATION_SECONDS(3), find_offer(w, "aq") != NULL); /* nobody claimed attempt 2 */
    Api__PollActivityTaskQueueResponse *activity = poll_activity(w, "aq");
    expect(activity->attempt == 2);
    world_free(w);
}

/* ---- crashes ------------------------------------------------------------------------------------------- */

void completions_survive_a_crash(void)
{
    struct world *w = world_new();
    start(w, "order");
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    world_crash(w);
    complete_task(w, "order", task, schedule_activity(w, "a")); /* the token rebuilds the start */
    expect(!strcmp(history_types(w, "order"), "1 5 6 7 10"));
    Api__PollActivityTaskQueueResponse *activity = poll_activity(w, "aq");
    world_crash(w);
    answer_of(w, complete_activity_begin(w, "order", activity), NULL);
    task = poll_workflow(w, "q");
    complete_task(w, "order", task, complete_workflow(w));
    expect(!strcmp(history_types(w, "order"), "1 5 6 7 10 11 12 5 6 7 2"));
    world_free(w);
}

void lost_tasks_are_offered_again(void)
{
    struct world *w = world_new();
    start(w, "order");
    Api__PollWorkflowTaskQueueResponse *lost = poll_workflow(w, "q");
    world_crash(w);
    world_advance(w, DURATION_SECONDS(1));
    expect(!find_offer(w, "q")); /* a completion may still come */
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(error_of(w, complete_task_begin(w, "order", lost, NULL, 0, NULL)) == ERR_NOT_FOUND);
    complete_task(w, "order", task, complete_workflow(w));
    expect(!strcmp(history_types(w, "order"), "1 5 6 7 2"));
    world_free(w);
}

static struct sim_fault slow(void *arg, enum store_kind kind, const struct store_op *op)
{
    return (struct sim_fault){ .delay = DURATION_MS(20) };
}

void nothing_unacknowledged_counts(void)
{
    struct world *w = world_new();
    sim_db_set_faults(w->db, slow, NULL);
    struct pending *p =
            call_api(w, API_START_WORKFLOW, "order", &start_request(w, "order", "r")->base);
    for (int i = 0; i < 3 && !p->answered; i++) {
        world_advance(w, DURATION_MS(1));
    }
    expect(!p->answered);
    world_crash(w);
    expect(p->answered && p->fail.err == ERR_UNAVAILABLE);
    Api__StartWorkflowExecutionResponse *m = start_with(w, start_request(w, "order", "r"));
    expect(m->started);
    expect(!strcmp(history_types(w, "order"), "1 5"));
    world_free(w);
}

static enum sim_outcome next_outcome;

static struct sim_fault once(void *arg, enum store_kind kind, const struct store_op *op)
{
    struct sim_fault f = { .outcome = kind == STORE_COMMIT ? next_outcome : SIM_GOOD,
        .reconnect = DURATION_MS(5) };
    next_outcome = kind == STORE_COMMIT ? SIM_GOOD : next_outcome;
    return f;
}

void ambiguous_commits_happen_once(void)
{
    struct world *w = world_new();
    sim_db_set_faults(w->db, once, NULL);
    next_outcome = SIM_LOST_AFTER;
    start(w, "order");
    next_outcome = SIM_LOST_BEFORE;
    signal_run(w, "order", "s");
    world_crash(w);
    expect(!strcmp(history_types(w, "order"), "1 5 26"));
    world_free(w);
}

/* ---- ownership ----------------------------------------------------------------------------------------- */

void a_fenced_writer_drops_everything(void)
{
    struct world *w = world_new();
    start(w, "order");
    sim_db_fence(w->db, w->config.member);
    uint64_t commits = sim_db_commits(w->db);
    struct pending *p =
            call_api(w, API_START_WORKFLOW, "other", &start_request(w, "other", "r")->base);
    expect(error_of(w, p) == ERR_UNAVAILABLE);
    expect(w->lost && !history_is_serving(w->history) && sim_db_commits(w->db) == commits);
    expect(history_stats(w->history).cached_runs == 0 &&
            history_stats(w->history).uncommitted_bytes == 0);
    p = call_api(w, API_START_WORKFLOW, "third", &start_request(w, "third", "r")->base);
    expect(error_of(w, p) == ERR_NOT_OWNER);
    world_kill(w);
    world_boot(w);
    expect(!strcmp(history_types(w, "order"), "1 5"));
    world_free(w);
}

static unsigned given;

static void on_given(void *ctx, const uint32_t *shards, size_t count)
{
    given += (unsigned)count;
}

void shards_are_handed_over(void)
{
    struct world *w = world_new();
    start(w, "order");
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    uint32_t shard = shard_of(w->namespace_id, STR("order"));
    struct pending *late = NULL;
    Api__SignalWorkflowExecutionRequest r = API__SIGNAL_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.signal_name = "s";
    late = call_api(w, API_SIGNAL_WORKFLOW, "order", &r.base);
    given = 0;
    history_release_shards(w->history, &shard, 1, on_given, NULL);
    expect(given == 0); /* the signal is not durable yet */
    world_until(w, DURATION_SECONDS(1), given == 1);
    expect(error_of(w, late) == ERR_NONE);
    struct pending *p = call_api(w, API_SIGNAL_WORKFLOW, "order", &r.base);
    expect(error_of(w, p) == ERR_NOT_OWNER);
    history_gain_shards(w->history, &shard, 1);
    complete_task(w, "order", task, NULL);
    expect(!strcmp(history_types(w, "order"), "1 5 6 7 26 5"));
    world_free(w);
}

/* ---- the database's faults ------------------------------------------------------------------------------- */

void one_bad_row_harms_nobody_else(void)
{
    struct world *w = world_new();
    struct msg_api_request m = {
        .method = API_START_WORKFLOW,
        .namespace_id = w->namespace_id,
        .namespace_name = STR("default"),
        .workflow_id = STR("bad\0id"),
        .request = api_encode(&w->arena, &start_request(w, "x", "r")->base),
    };
    struct buf body;
    buf_init_arena(&body, &w->arena, 1 << 20);
    msg_api_request_encode(&m, &body);
    uint32_t shard = shard_of(w->namespace_id, m.workflow_id);
    struct pending *good =
            call_api(w, API_START_WORKFLOW, "good", &start_request(w, "good", "r")->base);
    struct pending *bad = call_raw(w, 100, shard, buf_str(&body));
    world_turn(w); /* both are in flight; the next ones stand on them */
    struct pending *worse = call_raw(w, 100, shard, buf_str(&body));
    struct pending *fine =
            call_api(w, API_START_WORKFLOW, "fine", &start_request(w, "fine", "r")->base);
    expect(error_of(w, good) == ERR_NONE && error_of(w, fine) == ERR_NONE);
    expect(error_of(w, bad) != ERR_NONE && error_of(w, worse) != ERR_NONE);
    expect(history_stats(w->history).poisoned_groups >= 1);
    expect(!strcmp(history_types(w, "good"), "1 5"));
    signal_run(w, "good", "s");
    world_free(w);
}

static void tight(struct history_config *config)
{
    config->lead_bytes = 64 << 10;
}

static struct pending *signal_begin(struct world *w)
{
    Api__SignalWorkflowExecutionRequest r = API__SIGNAL_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.signal_name = "s";
    return call_api(w, API_SIGNAL_WORKFLOW, "order", &r.base);
}

void a_stalled_database_sheds_and_recovers(void)
{
    struct world *w = world_new_with(tight);
    enum { CALLS = 1000 };
    static struct pending *calls[CALLS];
    start(w, "order");
    sim_db_set_away(w->db, true);
    int shed = 0;
    for (int i = 0; i < CALLS; i++) {
        calls[i] = signal_begin(w);
        world_turn(w);
        shed += calls[i]->answered;
        expect(implies(calls[i]->answered, calls[i]->fail.err == ERR_RESOURCE_EXHAUSTED));
    }
    expect(shed > 0 && shed < CALLS &&
            str_eq(calls[CALLS - 1]->fail.detail_type, STR("ResourceExhaustedFailure")));
    expect(history_stats(w->history).uncommitted_bytes < (80 << 10));
    world_advance(w, DURATION_SECONDS(3));
    struct pending *late = signal_begin(w);
    expect(late->answered && late->failed);
    sim_db_set_away(w->db, false);
    int stored = 0;
    for (int i = 0; i < CALLS; i++) {
        stored += error_of(w, calls[i]) == ERR_NONE;
    }
    expect(stored == CALLS - shed);
    signal_run(w, "order", "s");
    expect(describe(w, "order")->workflow_execution_info->history_length == 2 + stored + 1);
    world_free(w);
}

static struct pending *start_begin(struct world *w, const char *id)
{
    return call_api(w, API_START_WORKFLOW, id, &start_request(w, id, "r")->base);
}

/* Many wait, and for long: no more work is begun, but what is under way goes on. */
void new_runs_are_refused_first(void)
{
    struct world *w = world_new();
    enum { CALLS = 600 };
    static struct pending *calls[CALLS];
    char id[32];
    start(w, "order");
    sim_db_set_away(w->db, true);
    for (int i = 0; i < CALLS; i++) {
        snprintf(id, sizeof(id), "order-%d", i);
        calls[i] = start_begin(w, id);
    }
    world_turn(w);
    struct pending *early = start_begin(w, "early");
    world_advance(w, DURATION_MS(150));
    struct pending *late = start_begin(w, "late"), *signal = signal_begin(w);
    expect(!early->answered && !signal->answered);
    expect(late->answered && late->fail.err == ERR_RESOURCE_EXHAUSTED &&
            str_eq(late->fail.detail_type, STR("ResourceExhaustedFailure")));
    expect(history_stats(w->history).shed_starts == 1);
    sim_db_set_away(w->db, false);
    for (int i = 0; i < CALLS; i++) {
        expect(error_of(w, calls[i]) == ERR_NONE);
    }
    expect(error_of(w, early) == ERR_NONE && error_of(w, signal) == ERR_NONE);
    expect(error_of(w, start_begin(w, "late")) == ERR_NONE);
    world_free(w);
}

static void small_cache(struct history_config *config)
{
    config->cache_bytes = 1;
}

void evicted_runs_come_back(void)
{
    struct world *w = world_new_with(small_cache);
    for (int i = 0; i < 50; i++) {
        start(w, str_printf(&w->arena, "order-%d", i).ptr);
    }
    /* Tasks that matching holds do not keep a run in memory. */
    world_until(w, DURATION_SECONDS(10), history_stats(w->history).cached_runs == 0);
    expect(history_stats(w->history).evictions >= 50);
    signal_run(w, "order-7", "s");
    expect(!strcmp(history_types(w, "order-7"), "1 5 26"));
    world_crash(w);
    for (int i = 0; i < 50; i++) {
        Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
        complete_task(w, task->workflow_execution->workflow_id, task, complete_workflow(w));
    }
    expect(history_stats(w->history).closed == 50);
    world_free(w);
}

/* ---- time ---------------------------------------------------------------------------------------------- */

void timers_fire_after_a_crash(void)
{
    struct world *w = world_new();
    start(w, "order");
    complete_task(w, "order", poll_workflow(w, "q"), start_timer(w, 30));
    world_advance(w, DURATION_SECONDS(10));
    world_crash(w);
    world_advance(w, DURATION_SECONDS(15));
    expect(!find_offer(w, "q"));
    world_until(w, DURATION_SECONDS(8), find_offer(w, "q") != NULL);
    complete_task(w, "order", poll_workflow(w, "q"), complete_workflow(w));
    expect(!strcmp(history_types(w, "order"), "1 5 6 7 17 18 5 6 7 2"));
    world_free(w);
}

void checkpointed_runs_wake_earlier(void)
{
    struct world *w = world_new();
    start(w, "order");
    complete_task(w, "order", poll_workflow(w, "q"), start_timer(w, 3600));
    world_until(w, DURATION_SECONDS(60), history_stats(w->history).checkpoints == 1);
    signal_run(w, "order",
            "s"); /* the stored wake-up is in an hour: now there is a task to be delivered */
    world_crash(w);
    world_until(w, DURATION_SECONDS(5), find_offer(w, "q") != NULL);
    expect(history_stats(w->history).stuck_runs == 0);
    world_free(w);
}

void far_timers_of_cold_runs_fire(void)
{
    struct world *w = world_new_with(small_cache);
    start(w, "order");
    complete_task(w, "order", poll_workflow(w, "q"), start_timer(w, 3600));
    world_until(w, DURATION_SECONDS(10), history_stats(w->history).cached_runs == 0);
    world_advance(w, DURATION_SECONDS(3590));
    expect(!find_offer(w, "q"));
    world_until(w, DURATION_SECONDS(15), find_offer(w, "q") != NULL);
    expect(history_stats(w->history).stuck_runs == 0);
    world_free(w);
}

/* ---- tasks on their way ---------------------------------------------------------------------------------- */

void unclaimed_tasks_are_offered_again(void)
{
    struct world *w = world_new();
    start(w, "order");
    struct offered *o;
    world_until(w, DURATION_SECONDS(1), (o = find_offer(w, "q")));
    demand(w, o, false); /* a poll got it and died */
    world_advance(w, DURATION_MS(900));
    expect(!find_offer(w, "q"));
    world_until(w, DURATION_MS(300), find_offer(w, "q") != NULL);
    expect(history_stats(w->history).reoffers == 1);
    world_free(w);
}

void refused_sticky_tasks_go_to_the_normal_queue(void)
{
    struct world *w = world_new();
    start(w, "order");
    answer_of(w, complete_task_begin(w, "order", poll_workflow(w, "q"), NULL, 0, "sticky"), NULL);
    uint64_t rows = history_stats(w->history).committed_rows;
    signal_run(w, "order", "s");
    struct offered *o;
    world_until(w, DURATION_SECONDS(1), (o = find_offer(w, "sticky")));
    expect(o->is_sticky);
    rows = history_stats(w->history).committed_rows;
    demand(w, o, true);
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(!strcmp(event_types(w, task->history), "1 5 6 7 26 5 6"));
    expect(history_stats(w->history).committed_rows == rows);
    complete_task(w, "order", task, complete_workflow(w));
    world_free(w);
}

void claims_are_idempotent(void)
{
    struct world *w = world_new();
    start(w, "order");
    struct offered *o;
    world_until(w, DURATION_SECONDS(1), (o = find_offer(w, "q")));
    demand(w, o, false);
    struct pending *a = claim(w, o, "poll"), *b = claim(w, o, "poll"), *c = claim(w, o, "another");
    expect(error_of(w, a) == ERR_NONE && error_of(w, b) == ERR_NONE && str_eq(a->body, b->body));
    expect(error_of(w, c) == ERR_OBSOLETE);
    world_free(w);
}

void undelivered_answers_are_taken_back(void)
{
    struct world *w = world_new();
    sim_db_set_faults(w->db, slow, NULL);
    start(w, "order");
    struct offered *o;
    world_until(w, DURATION_SECONDS(1), (o = find_offer(w, "q")));
    Api__SignalWorkflowExecutionRequest r = API__SIGNAL_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.signal_name = "s";
    call_api(w, API_SIGNAL_WORKFLOW, "order", &r.base); /* makes the claim wait for a commit */
    demand(w, o, false);
    struct pending *p = claim(w, o, "poll");
    expect(!p->answered);
    caller_gone(p);
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(task->attempt == 1);
    expect(history_stats(w->history).unsent_tasks == 1);
    complete_task(w, "order", task, complete_workflow(w));
    world_free(w);
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static struct pending *read_begin(
        struct world *w, const char *id, ProtobufCBinaryData token, bool wait, bool close_only)
{
    Api__GetWorkflowExecutionHistoryRequest r = API__GET_WORKFLOW_EXECUTION_HISTORY_REQUEST__INIT;
    r.execution = api_new(&w->arena, &api__workflow_execution__descriptor);
    r.execution->workflow_id = id;
    r.next_page_token = token;
    r.wait_new_event = wait;
    r.history_event_filter_type = (Api__HistoryEventFilterType)(close_only ? 2 : 1);
    return call_api(w, API_GET_HISTORY, id, &r.base);
}

static Api__GetWorkflowExecutionHistoryResponse *page_of(struct world *w, struct pending *p)
{
    return answer_of(w, p, &api__get_workflow_execution_history_response__descriptor);
}

void history_long_polls(void)
{
    struct world *w = world_new();
    ProtobufCBinaryData none = { 0 };
    start(w, "order");
    Api__GetWorkflowExecutionHistoryResponse *m =
            page_of(w, read_begin(w, "order", none, true, false));
    expect(!strcmp(event_types(w, m->history), "1 5") && m->next_page_token.len);
    struct pending *p = read_begin(w, "order", m->next_page_token, true, false);
    struct pending *close = read_begin(w, "order", none, true, true);
    world_advance(w, DURATION_SECONDS(10));
    expect(!p->answered && !close->answered);
    world_advance(w, DURATION_SECONDS(11));
    m = page_of(w, p);
    expect(!m->history.len && m->next_page_token.len); /* empty, and come back */
    expect(page_of(w, close)->next_page_token.len);
    p = read_begin(w, "order", m->next_page_token, true, false);
    close = read_begin(w, "order", none, true, true);
    struct pending *gone = read_begin(w, "order", none, true, true);
    caller_gone(gone);
    signal_run(w, "order", "s");
    m = page_of(w, p);
    expect(!strcmp(event_types(w, m->history), "26") && !close->answered);
    p = read_begin(w, "order", m->next_page_token, true, false);
    complete_task(w, "order", poll_workflow(w, "q"), complete_workflow(w));
    m = page_of(w, close);
    expect(!strcmp(event_types(w, m->history), "2") && !m->next_page_token.len);
    m = page_of(w, p);
    expect(!strcmp(event_types(w, m->history), "6 7 2") && !m->next_page_token.len);
    m = page_of(w, read_begin(w, "order", none, false, true));
    expect(!strcmp(event_types(w, m->history), "2"));
    world_free(w);
}

void long_histories_are_paged(void)
{
    struct world *w = world_new();
    start(w, "order");
    for (int i = 0; i < 700; i++) {
        signal_run(w, "order", "s");
    }
    ProtobufCBinaryData token = { 0 };
    int total = 0, pages = 0;
    do {
        Api__GetWorkflowExecutionHistoryResponse *m =
                page_of(w, read_begin(w, "order", token, false, false));
        total += event_count(m->history);
        token = m->next_page_token;
        pages++;
    } while (token.len);
    expect(total == 702 && pages == 3);
    Api__GetWorkflowExecutionHistoryReverseRequest r =
            API__GET_WORKFLOW_EXECUTION_HISTORY_REVERSE_REQUEST__INIT;
    total = 0;
    do {
        r.execution = api_new(&w->arena, &api__workflow_execution__descriptor);
        r.execution->workflow_id = "order";
        Api__GetWorkflowExecutionHistoryReverseResponse *m =
                answer_of(w, call_api(w, API_GET_HISTORY_REVERSE, "order", &r.base),
                        &api__get_workflow_execution_history_reverse_response__descriptor);
        total += event_count(m->history);
        r.next_page_token = m->next_page_token;
    } while (r.next_page_token.len);
    expect(total == 702);
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(event_count(task->history) ==
            703); /* all of it, from the store, and the started event */
    world_free(w);
}
