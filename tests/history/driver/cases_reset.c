/* Resets: one commit ends the old run and begins the new one, whatever the length of the history and whoever dies. */
#include <string.h>

#include "tests/history/driver/cases.h"

static Api__ResetWorkflowExecutionRequest reset_request(
        struct world *w, const char *id, const char *run_id, int64_t finish, const char *request_id)
{
    Api__ResetWorkflowExecutionRequest r = API__RESET_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.workflow_execution = execution_of(w, id, run_id);
    r.reason = "again";
    r.request_id = request_id;
    r.workflow_task_finish_event_id = finish;
    return r;
}

static struct pending *reset_begin(
        struct world *w, const char *id, const char *run_id, int64_t finish, const char *request_id)
{
    Api__ResetWorkflowExecutionRequest r = reset_request(w, id, run_id, finish, request_id);
    return call_api(w, API_RESET_WORKFLOW, id, &r.base);
}

static const char *reset_of(struct world *w, struct pending *p)
{
    Api__ResetWorkflowExecutionResponse *m =
            answer_of(w, p, &api__reset_workflow_execution_response__descriptor);
    return m->run_id;
}

static const char *reset(struct world *w, const char *id, int64_t finish, const char *request_id)
{
    return reset_of(w, reset_begin(w, id, NULL, finish, request_id));
}

static const char *types_of(struct world *w, const char *id, const char *run_id)
{
    return event_types(w, history_of(w, id, run_id)->history);
}

static const char *current_of(struct world *w, const char *id)
{
    return describe(w, id)->workflow_execution_info->execution->run_id;
}

void a_reset_repeats_the_first_task(void)
{
    struct world *w = world_new();
    const char *base = start(w, "order");
    complete_task(w, "order", poll_workflow(w, "q"), schedule_activity(w, "a"));
    Api__PollActivityTaskQueueResponse *activity = poll_activity(w, "aq");
    const char *run = reset(w, "order", 4, "reset-1");
    expect(strcmp(run, base) != 0 && !strcmp(current_of(w, "order"), run));
    expect(!strcmp(types_of(w, "order", base), "1 5 6 7 10 27"));
    expect(!strcmp(types_of(w, "order", run), "1 5 6 9 5"));
    expect(!strcmp(reset(w, "order", 4, "reset-1"), run)); /* the same request again */
    expect(error_of(w, complete_activity_begin(w, "order", activity)) == ERR_NOT_FOUND);
    world_crash(w);
    expect(!strcmp(reset(w, "order", 4, "reset-1"), run));
    Api__DescribeWorkflowExecutionResponse *d = describe(w, "order");
    expect(!strcmp(d->workflow_execution_info->first_run_id, base));
    expect(d->workflow_extended_info->last_reset_time != NULL);
    expect(!*d->workflow_extended_info->reset_run_id);
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(!strcmp(task->workflow_execution->run_id, run) && task->attempt == 1);
    expect(!strcmp(event_types(w, task->history), "1 5 6 9 5 6"));
    complete_task(w, "order", task, complete_workflow(w));
    expect(!strcmp(types_of(w, "order", NULL), "1 5 6 9 5 6 7 2"));
    Api__DescribeWorkflowExecutionRequest r = API__DESCRIBE_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.execution = execution_of(w, "order", base);
    d = answer_of(w, call_api(w, API_DESCRIBE_WORKFLOW, "order", &r.base),
            &api__describe_workflow_execution_response__descriptor);
    expect(!strcmp(d->workflow_extended_info->reset_run_id, run));
    expect((int)d->workflow_execution_info->status == WORKFLOW_TERMINATED);
    expect(history_stats(w->history).corrupt_runs == 0);
    world_free(w);
}

static enum err refused(struct world *w, Api__ResetWorkflowExecutionRequest r, const char *text)
{
    struct pending *p = call_api(w, API_RESET_WORKFLOW, "order", &r.base);
    enum err err = error_of(w, p);
    if (strstr(p->fail.message, text) == NULL) {
        fprintf(stderr, "refused: %s\n", p->fail.message);
    }
    expect(strstr(p->fail.message, text) != NULL);
    return err;
}

void resets_are_refused(void)
{
    struct world *w = world_new();
    const char *run = start(w, "order");
    complete_task(w, "order", poll_workflow(w, "q"), schedule_activity(w, "a"));
    Api__ResetWorkflowExecutionRequest r = reset_request(w, "order", NULL, 4, "");
    expect(refused(w, r, "RequestId is not set on request.") == ERR_INVALID_ARGUMENT);
    static const int64_t outside[] = { 0, 1, 6, 100 };
    for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
        r = reset_request(w, "order", NULL, outside[i], "x");
        expect(refused(w, r, "Workflow task finish ID must be > 1 && <= workflow last event ID.") ==
                ERR_INVALID_ARGUMENT);
    }
    r = reset_request(w, "order", NULL, 5, "x");
    expect(refused(w, r,
                   "Can only reset workflow to event ID in range [WorkflowTaskScheduled +1, "
                   "WorkflowTaskStarted + 1]: 5") == ERR_INVALID_ARGUMENT);
    r = reset_request(w, "order", "0198a2b4-0000-7000-8000-000000000000", 4, "x");
    expect(refused(w, r, "workflow not found") == ERR_NOT_FOUND);
    r = reset_request(w, "order", NULL, 4, "x");
    ProtobufCBinaryData signal = api_data(STR("\x0a\x02\x0a\x00"));
    r.n_post_reset_operations = 1;
    r.post_reset_operations = &signal;
    expect(refused(w, r, "unsupported post reset operation") == ERR_INVALID_ARGUMENT);
    expect(!strcmp(current_of(w, "order"), run) &&
            !strcmp(history_types(w, "order"), "1 5 6 7 10"));
    signal = api_data(STR("\x12\x00")); /* UpdateWorkflowOptions: has no effect here */
    expect(error_of(w, call_api(w, API_RESET_WORKFLOW, "order", &r.base)) == ERR_NONE);
    expect(!strcmp(history_types(w, "order"), "1 5 6 9 5"));
    world_free(w);
}

static int count_of(const char *types, const char *type)
{
    int n = 0;
    for (const char *at = types; (at = strstr(at, type)); at++) {
        n++;
    }
    return n;
}

void what_came_since_comes_again(void)
{
    struct world *w = world_new();
    const char *base = start(w, "order");
    signal_run(w, "order", "early"); /* before the point: copied */
    complete_task(w, "order", poll_workflow(w, "q"), NULL);
    signal_run(w, "order", "one");
    complete_task(w, "order", poll_workflow(w, "q"), continue_as_new(w));
    signal_run(w, "order", "two"); /* in the run that follows */
    complete_task(w, "order", poll_workflow(w, "q"), continue_as_new(w));
    signal_run(w, "order", "three");
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    signal_run(w, "order", "four"); /* buffered behind the task */
    world_crash(w);
    const char *run = reset_of(w, reset_begin(w, "order", base, 5, "reset-1"));
    const char *types = types_of(w, "order", run);
    expect(!strncmp(types, "1 5 26 6 9 26 26 26 26 5", 24) && count_of(types, "26") == 5);
    expect(error_of(w, complete_task_begin(w, "order", task, NULL, 0, NULL)) == ERR_NOT_FOUND);

    Api__ResetWorkflowExecutionRequest r = reset_request(w, "order", base, 5, "reset-2");
    Api__ResetReapplyExcludeType exclude[] = { (Api__ResetReapplyExcludeType)1 };
    r.reset_reapply_exclude_types = exclude;
    r.n_reset_reapply_exclude_types = 1;
    run = reset_of(w, call_api(w, API_RESET_WORKFLOW, "order", &r.base));
    expect(!strcmp(types_of(w, "order", run), "1 5 26 6 9 5"));
    r = reset_request(w, "order", base, 5, "reset-3");
    r.reset_reapply_type = API__RESET_REAPPLY_TYPE__RESET_REAPPLY_TYPE_NONE;
    run = reset_of(w, call_api(w, API_RESET_WORKFLOW, "order", &r.base));
    expect(!strcmp(types_of(w, "order", run), "1 5 26 6 9 5"));
    world_crash(w);
    expect(!strcmp(types_of(w, "order", run), "1 5 26 6 9 5"));
    world_free(w);
}

void closed_and_older_runs_are_reset(void)
{
    struct world *w = world_new();
    const char *base = start(w, "order");
    complete_task(w, "order", poll_workflow(w, "q"), complete_workflow(w));
    world_advance(w, DURATION_SECONDS(30)); /* it has left memory */
    const char *first = reset(w, "order", 4, "reset-1");
    expect(!strcmp(types_of(w, "order", base), "1 5 6 7 2"));
    const char *second = reset_of(w, reset_begin(w, "order", base, 4, "reset-2"));
    expect(strcmp(first, second) != 0 && !strcmp(current_of(w, "order"), second));
    expect(!strcmp(types_of(w, "order", first), "1 5 6 9 5 27"));
    expect(!strcmp(types_of(w, "order", second), "1 5 6 9 5"));
    complete_task(w, "order", poll_workflow(w, "q"), complete_workflow(w));
    /* another run of the id, which has nothing to do with it, ends as well */
    const char *other = start(w, "order");
    const char *third = reset_of(w, reset_begin(w, "order", base, 4, "reset-3"));
    expect(!strcmp(types_of(w, "order", other), "1 5 27"));
    expect(!strcmp(current_of(w, "order"), third));
    world_crash(w);
    expect(!strcmp(current_of(w, "order"), third));
    world_free(w);
}

/* ---- long histories --------------------------------------------------------------------------------------- */

enum { LONG = 300, PAYLOAD = 8000 };

static void large_signals(struct world *w, const char *id, int count)
{
    static char payload[PAYLOAD];
    memset(payload, 'x', sizeof(payload));
    for (int i = 0; i < count; i++) {
        Api__SignalWorkflowExecutionRequest r = API__SIGNAL_WORKFLOW_EXECUTION_REQUEST__INIT;
        r.workflow_execution = execution_of(w, id, NULL);
        r.signal_name = "large";
        r.input = api_data(str_of(payload, sizeof(payload)));
        answer_of(w, call_api(w, API_SIGNAL_WORKFLOW, id, &r.base), NULL);
    }
}

/* Events 1 and 2, then signals, a task that completes, and a timer. */
static void long_run(struct world *w, const char *id)
{
    start(w, id);
    large_signals(w, id, LONG);
    complete_task(w, id, poll_workflow(w, "q"), start_timer(w, 3600));
    large_signals(w, id, LONG);
}

void long_histories_are_reset_in_pages(void)
{
    struct world *w = world_new();
    long_run(w, "order");
    size_t rows = sim_db_rows(w->db);
    const char *run = reset(w, "order", LONG + 4, "reset-1");
    Api__DescribeWorkflowExecutionResponse *d = describe(w, "order");
    expect(!strcmp(d->workflow_execution_info->execution->run_id, run));
    expect(d->workflow_execution_info->history_length == LONG + 3 + 1 + LONG + 1);
    world_crash(w);
    d = describe(w, "order");
    expect(!strcmp(d->workflow_execution_info->execution->run_id, run));
    expect(d->workflow_execution_info->history_length == 2 * LONG + 5);
    expect(history_stats(w->history).corrupt_runs == 0);
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(!strcmp(task->workflow_execution->run_id, run));
    complete_task(w, "order", task, complete_workflow(w));
    world_advance(w, DURATION_SECONDS(200)); /* nothing of it is taken for a leftover */
    expect(sim_db_rows(w->db) > rows + LONG);
    expect((int)describe(w, "order")->workflow_execution_info->status == WORKFLOW_COMPLETED);
    world_free(w);
}

void resets_given_up_leave_nothing(void)
{
    struct world *w = world_new();
    long_run(w, "order");
    const char *base = current_of(w, "order");
    size_t rows = sim_db_rows(w->db);
    struct pending *p = reset_begin(w, "order", NULL, LONG + 4, "reset-1");
    world_until(w, DURATION_SECONDS(5), sim_db_rows(w->db) > rows);
    expect(!p->answered);
    world_crash(w); /* in the middle of staging */
    expect(!strcmp(current_of(w, "order"), base));
    world_until(w, DURATION_SECONDS(100), sim_db_rows(w->db) == rows);

    p = reset_begin(w, "order", NULL, LONG + 5, "reset-1"); /* refused after the first pages */
    expect(error_of(w, p) == ERR_INVALID_ARGUMENT);
    world_until(w, DURATION_SECONDS(100), sim_db_rows(w->db) == rows);
    expect(!strcmp(current_of(w, "order"), base));
    expect(describe(w, "order")->workflow_execution_info->history_length == 2 * LONG + 6);

    expect(strcmp(reset(w, "order", LONG + 4, "reset-1"), base) != 0);
    expect(describe(w, "order")->workflow_execution_info->history_length == 2 * LONG + 5);
    world_free(w);
}

void resets_race_with_the_workflow(void)
{
    struct world *w = world_new();
    long_run(w, "order");
    struct pending *a = reset_begin(w, "order", NULL, LONG + 4, "reset-1");
    struct pending *b = reset_begin(w, "order", NULL, LONG + 4, "reset-1");
    struct pending *c = reset_begin(w, "order", NULL, LONG + 4, "reset-2");
    for (int i = 0; i < 20; i++) { /* they come to the old run or to a new one: none is lost */
        large_signals(w, "order", 1);
        world_advance(w, DURATION_MS(1));
    }
    const char *first = reset_of(w, a), *again = reset_of(w, b), *other = reset_of(w, c);
    expect(strcmp(first, other) != 0);
    const char *current = current_of(w, "order");
    expect(!strcmp(current, first) || !strcmp(current, other) || !strcmp(current, again));
    int64_t length = describe(w, "order")->workflow_execution_info->history_length;
    world_crash(w);
    expect(describe(w, "order")->workflow_execution_info->history_length == length);
    expect(history_stats(w->history).corrupt_runs == 0);
    world_advance(w, DURATION_SECONDS(130));
    expect(describe(w, "order")->workflow_execution_info->history_length == length);
    world_free(w);
}

/* ---- children ---------------------------------------------------------------------------------------------- */

void children_are_connected_with_the_new_run(void)
{
    struct world *w = world_new();
    start(w, "p");
    complete_task(w, "p", poll_workflow(w, "q"), start_child(w, "c", PARENT_CLOSE_TERMINATE));
    world_until(w, DURATION_SECONDS(5), strstr(history_types(w, "p"), " 31 5"));
    complete_task(w, "p", poll_workflow(w, "q"), start_timer(w, 3600));
    Api__PollWorkflowTaskQueueResponse *child = poll_workflow(w, "cq");
    const char *run = reset(w, "p", 9, "reset-1");
    const char *again =
            reset(w, "p", 9, "reset-2"); /* and the child is connected with that one, too */
    expect(strcmp(run, again) != 0);
    expect(!strcmp(history_types(w, "p"), "1 5 6 7 29 31 5 6 9 5"));
    world_advance(w, DURATION_SECONDS(5));
    expect((int)describe(w, "c")->workflow_execution_info->status == WORKFLOW_RUNNING);
    world_crash(w);
    complete_task(w, "c", child, complete_workflow(w));
    world_until(w, DURATION_SECONDS(20), strstr(history_types(w, "p"), " 32"));
    expect(!strcmp(current_of(w, "p"), again));
    expect(describe(w, "p")->n_pending_children == 0);
    /* what has been heard of it comes again if the parent is reset once more */
    (void)reset_of(w, reset_begin(w, "p", again, 9, "reset-3"));
    expect(!strcmp(history_types(w, "p"), "1 5 6 7 29 31 5 6 9 32 5"));
    world_free(w);
}

/* A child whose end was told to a run that did not care, or to another reset: the run that asks anew hears of it. */
void ends_of_children_are_told_again(void)
{
    for (int crash = 0; crash < 2; crash++) {
        struct world *w = world_new();
        const char *first = start(w, "p");
        complete_task(w, "p", poll_workflow(w, "q"), start_child(w, "c", PARENT_CLOSE_TERMINATE));
        world_until(w, DURATION_SECONDS(5), strstr(history_types(w, "p"), " 31 5"));
        complete_task(w, "p", poll_workflow(w, "q"), start_timer(w, 3600));
        Api__PollWorkflowTaskQueueResponse *child = poll_workflow(w, "cq");
        (void)reset(w, "p", 9, "reset-1");
        complete_task(w, "c", child, complete_workflow(w));
        world_until(w, DURATION_SECONDS(20), strstr(history_types(w, "p"), " 32"));
        world_advance(w, DURATION_SECONDS(5)); /* the child has left memory */
        if (crash) {
            world_crash(w);
        }
        /* the first run once more: it has not heard of the end, the first reset has */
        const char *run = reset_of(w, reset_begin(w, "p", first, 9, "reset-2"));
        world_until(w, DURATION_SECONDS(20), strstr(history_types(w, "p"), " 32"));
        expect(!strcmp(current_of(w, "p"), run));
        expect(!strcmp(history_types(w, "p"), "1 5 6 7 29 31 5 6 9 5 32"));
        expect(describe(w, "p")->n_pending_children == 0);
        complete_task(w, "p", poll_workflow(w, "q"), complete_workflow(w));
        world_free(w);
    }
}

/* The same after the parent's own end, which has ended the child. */
void children_ended_by_their_parent_are_told_again(void)
{
    struct world *w = world_new();
    const char *first = start(w, "p");
    complete_task(w, "p", poll_workflow(w, "q"), start_child(w, "c", PARENT_CLOSE_TERMINATE));
    world_until(w, DURATION_SECONDS(5), strstr(history_types(w, "p"), " 31 5"));
    complete_task(w, "p", poll_workflow(w, "q"), complete_workflow(w));
    world_until(w, DURATION_SECONDS(20),
            (int)describe(w, "c")->workflow_execution_info->status == WORKFLOW_TERMINATED);
    (void)reset_of(w, reset_begin(w, "p", first, 9, "reset-1"));
    world_until(w, DURATION_SECONDS(20), strstr(history_types(w, "p"), " 36"));
    complete_task(w, "p", poll_workflow(w, "q"), complete_workflow(w));
    world_free(w);
}

void children_not_started_yet_are_connected(void)
{
    struct world *w = world_new();
    start(w, "p");
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    signal_run(w, "p", "go"); /* the next task is there before the child's start is known */
    struct pending *p = complete_task_begin(w, "p", task,
            (Api__Command *[]){ start_child(w, "c", PARENT_CLOSE_TERMINATE) }, 1, NULL);
    world_until(w, DURATION_SECONDS(1), p->answered);
    expect(!strncmp(history_types(w, "p"), "1 5 6 7 29 26 5", 15));
    complete_task(w, "p", poll_workflow(w, "q"), start_timer(w, 3600));
    const char *run = reset(w, "p", 8, "reset-1");
    world_until(w, DURATION_SECONDS(20), strstr(history_types(w, "p"), " 31"));
    expect(!strcmp(current_of(w, "p"), run));
    Api__PollWorkflowTaskQueueResponse *child = poll_workflow(w, "cq");
    expect((int)describe(w, "c")->workflow_execution_info->status == WORKFLOW_RUNNING);
    complete_task(w, "c", child, complete_workflow(w));
    world_until(w, DURATION_SECONDS(20), strstr(history_types(w, "p"), " 32"));
    expect(!strstr(history_types(w, "p"), " 30"));
    world_free(w);
}
