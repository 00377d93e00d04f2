/* Deletion: nobody finds the run any more, at once; what is stored goes later, whoever dies; others hear of its end first. */
#include <string.h>

#include "tests/history/driver/cases.h"

static struct pending *delete_begin(struct world *w, const char *id, const char *run_id)
{
    Api__DeleteWorkflowExecutionRequest r = API__DELETE_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.workflow_execution = execution_of(w, id, run_id);
    return call_api(w, API_DELETE_WORKFLOW, id, &r.base);
}

static enum err describe_error(struct world *w, const char *id, const char *run_id)
{
    Api__DescribeWorkflowExecutionRequest r = API__DESCRIBE_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.execution = execution_of(w, id, run_id);
    return error_of(w, call_api(w, API_DESCRIBE_WORKFLOW, id, &r.base));
}

static enum err history_error(struct world *w, const char *id, const char *run_id)
{
    Api__GetWorkflowExecutionHistoryRequest r = API__GET_WORKFLOW_EXECUTION_HISTORY_REQUEST__INIT;
    r.execution = execution_of(w, id, run_id);
    return error_of(w, call_api(w, API_GET_HISTORY, id, &r.base));
}

/* That a run is gone is not said before it is: a crash would bring it back. */
void nobody_hears_of_a_deletion_that_is_not_durable(void)
{
    struct world *w = world_new();
    start(w, "order");
    sim_db_set_away(w->db, true);
    struct pending *first = delete_begin(w, "order", NULL);
    world_turn(w);
    struct pending *again = delete_begin(w, "order", NULL);
    world_advance(w, DURATION_MS(500));
    expect(!first->answered && !again->answered);
    sim_db_set_away(w->db, false);
    expect(error_of(w, first) == ERR_NONE && error_of(w, again) == ERR_NOT_FOUND);
    world_free(w);
}

void deleted_runs_are_gone(void)
{
    struct world *w = world_new();
    size_t nothing = sim_db_rows(w->db);
    expect(error_of(w, delete_begin(w, "order", NULL)) == ERR_NOT_FOUND);
    const char *first = start(w, "order");
    complete_task(w, "order", poll_workflow(w, "q"), schedule_activity(w, "a"));
    Api__PollActivityTaskQueueResponse *activity = poll_activity(w, "aq");
    Api__GetWorkflowExecutionHistoryRequest poll =
            API__GET_WORKFLOW_EXECUTION_HISTORY_REQUEST__INIT;
    poll.execution = execution_of(w, "order", NULL);
    poll.wait_new_event = true;
    poll.history_event_filter_type = (Api__HistoryEventFilterType)2;
    struct pending *waiting = call_api(w, API_GET_HISTORY, "order", &poll.base);
    struct pending *p = delete_begin(w, "order", NULL);
    expect(describe_error(w, "order", NULL) == ERR_NOT_FOUND); /* before it is durable, too */
    expect(error_of(w, p) == ERR_NONE);
    expect(error_of(w, waiting) == ERR_NOT_FOUND);
    expect(describe_error(w, "order", first) == ERR_NOT_FOUND);
    expect(history_error(w, "order", first) == ERR_NOT_FOUND);
    expect(error_of(w, complete_activity_begin(w, "order", activity)) == ERR_NOT_FOUND);
    expect(error_of(w, delete_begin(w, "order", first)) == ERR_NOT_FOUND);
    world_until(w, DURATION_SECONDS(5), sim_db_rows(w->db) == nothing);
    world_crash(w);
    expect(describe_error(w, "order", NULL) == ERR_NOT_FOUND);

    const char *second = start(w, "order"); /* as if it had never existed */
    complete_task(w, "order", poll_workflow(w, "q"), complete_workflow(w));
    const char *third = start(w, "order");
    expect(error_of(w, delete_begin(w, "order", second)) == ERR_NONE); /* not the current one */
    expect(!strcmp(describe(w, "order")->workflow_execution_info->execution->run_id, third));
    world_crash(w); /* whatever is removed already */
    expect(describe_error(w, "order", second) == ERR_NOT_FOUND);
    expect(error_of(w, delete_begin(w, "order", third)) == ERR_NONE);
    world_crash(w);
    expect(describe_error(w, "order", third) == ERR_NOT_FOUND);
    world_until(w, DURATION_SECONDS(200), sim_db_rows(w->db) == nothing);
    struct history_stats s = history_stats(w->history);
    expect(s.corrupt_runs == 0 && s.poisoned_groups == 0);
    world_free(w);
}

void deleted_runs_tell_their_end_first(void)
{
    struct world *w = world_new();
    size_t nothing = sim_db_rows(w->db);
    start(w, "p");
    complete_task(w, "p", poll_workflow(w, "q"), start_child(w, "c", PARENT_CLOSE_TERMINATE));
    world_until(w, DURATION_SECONDS(5), strstr(history_types(w, "p"), " 31 5"));
    Api__PollWorkflowTaskQueueResponse *child = poll_workflow(w, "cq");
    complete_task(w, "c", child, start_child(w, "grandchild", PARENT_CLOSE_REQUEST_CANCEL));
    world_until(w, DURATION_SECONDS(5), strstr(history_types(w, "c"), " 31 5"));
    struct pending *p = delete_begin(w, "c", NULL);
    world_until(w, DURATION_SECONDS(1), p->answered);
    world_crash(w); /* its messages may be anywhere */
    expect(describe_error(w, "c", NULL) == ERR_NOT_FOUND);
    world_until(w, DURATION_SECONDS(20), strstr(history_types(w, "p"), " 36"));
    world_until(w, DURATION_SECONDS(20), strstr(history_types(w, "grandchild"), " 20"));
    expect(error_of(w, delete_begin(w, "p", NULL)) == ERR_NONE);
    expect(error_of(w, delete_begin(w, "grandchild", NULL)) == ERR_NONE);
    world_until(w, DURATION_SECONDS(200), sim_db_rows(w->db) == nothing);
    expect(history_stats(w->history).stuck_runs == 0);
    world_free(w);
}

void large_runs_are_deleted_in_parts(void)
{
    enum { SIGNALS = 1200 };
    struct world *w = world_new();
    size_t nothing = sim_db_rows(w->db);
    const char *run = start(w, "order");
    for (int i = 0; i < SIGNALS; i++) {
        signal_run(w, "order", "s");
    }
    expect(error_of(w, delete_begin(w, "order", NULL)) == ERR_NONE);
    size_t rows = sim_db_rows(w->db);
    world_until(w, DURATION_SECONDS(5), sim_db_rows(w->db) < rows);
    expect(sim_db_rows(w->db) > nothing);
    world_crash(w); /* half of it is gone */
    expect(describe_error(w, "order", run) == ERR_NOT_FOUND);
    const char *fresh = start(w, "order");
    world_until(w, DURATION_SECONDS(200), sim_db_rows(w->db) <= nothing + 4);
    expect(!strcmp(describe(w, "order")->workflow_execution_info->execution->run_id, fresh));
    struct history_stats s = history_stats(w->history);
    expect(s.corrupt_runs == 0 && s.reaped_runs == 1);
    world_free(w);
}

void closed_runs_expire(void)
{
    enum { RUNS = 30 };
    struct world *w = world_new();
    size_t nothing = sim_db_rows(w->db);
    const char *first[RUNS];
    char id[RUNS][16];
    for (int i = 0; i < RUNS; i++) {
        snprintf(id[i], sizeof(id[i]), "order-%d", i);
        first[i] = start(w, id[i]);
        complete_task(w, id[i], poll_workflow(w, "q"), complete_workflow(w));
    }
    start(w, "open");
    world_advance(w, DURATION_SECONDS(300));
    expect(describe_error(w, id[0], NULL) == ERR_NONE); /* for ever */
    w->retention = DURATION_SECONDS(1000);
    const char *later = start(w, id[7]); /* current again: only the old run goes */
    world_advance(w, DURATION_SECONDS(600));
    expect(describe_error(w, id[0], first[0]) == ERR_NONE);
    world_until(w, DURATION_SECONDS(300), sim_db_rows(w->db) == nothing + 2 * 3);
    for (int i = 0; i < RUNS; i++) {
        expect(describe_error(w, id[i], first[i]) == ERR_NOT_FOUND);
    }
    expect(!strcmp(describe(w, id[7])->workflow_execution_info->execution->run_id, later));
    expect((int)describe(w, "open")->workflow_execution_info->status == WORKFLOW_RUNNING);
    start(w, id[3]); /* the id is free, at once and after a crash */
    world_crash(w);
    expect(describe_error(w, id[4], NULL) == ERR_NOT_FOUND);
    world_until(w, DURATION_SECONDS(200), sim_db_rows(w->db) == nothing + 3 * 3);
    struct history_stats s = history_stats(w->history);
    expect(s.corrupt_runs == 0 && s.poisoned_groups == 0 && s.stuck_runs == 0);
    world_free(w);
}

/* Open ones, closed ones, whatever their parents and children are; a crash in the middle is made up for. */
void runs_of_a_deleted_namespace_go(void)
{
    enum { RUNS = 450 };
    struct world *w = world_new();
    size_t nothing = sim_db_rows(w->db);
    char id[16];
    start(w, "closed");
    complete_task(w, "closed", poll_workflow(w, "q"), complete_workflow(w));
    start(w, "p");
    complete_task(w, "p", poll_workflow(w, "q"), start_child(w, "c", PARENT_CLOSE_ABANDON));
    world_until(w, DURATION_SECONDS(5), strstr(history_types(w, "p"), " 31 5"));
    for (int i = 0; i < RUNS; i++) {
        snprintf(id, sizeof(id), "order-%d", i);
        start(w, id);
    }
    size_t full = sim_db_rows(w->db);
    w->is_deleted = true;
    world_until(w, DURATION_SECONDS(20), sim_db_rows(w->db) < full);
    expect(sim_db_rows(w->db) > nothing);
    world_crash(w);
    world_until(w, DURATION_SECONDS(200), sim_db_rows(w->db) == nothing);
    start(w, "late"); /* accepted by a frontend that did not know yet */
    world_until(w, DURATION_SECONDS(200), sim_db_rows(w->db) == nothing);
    struct history_stats s = history_stats(w->history);
    expect(s.corrupt_runs == 0 && s.poisoned_groups == 0 && s.stuck_runs == 0);
    world_free(w);
}
