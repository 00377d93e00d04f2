/* Which run a call from outside means: by run id, by the chain that a client holds, or whichever is current. */
#include <string.h>

#include "tests/history/driver/cases.h"
#include "tests/history/driver/world.h"

static const Api__WorkflowExecution *meant(struct world *w, const char *run_id)
{
    Api__WorkflowExecution *ex = api_new(&w->arena, &api__workflow_execution__descriptor);
    ex->workflow_id = "order";
    ex->run_id = run_id ? run_id : "";
    return ex;
}

static enum err signal_to(struct world *w, const char *run_id)
{
    Api__SignalWorkflowExecutionRequest r = API__SIGNAL_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.workflow_execution = (Api__WorkflowExecution *)(uintptr_t)meant(w, run_id);
    r.signal_name = "s";
    return error_of(w, call_api(w, API_SIGNAL_WORKFLOW, "order", &r.base));
}

static enum err cancel_of(struct world *w, const char *run_id, const char *first)
{
    Api__RequestCancelWorkflowExecutionRequest r =
            API__REQUEST_CANCEL_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.workflow_execution = (Api__WorkflowExecution *)(uintptr_t)meant(w, run_id);
    r.first_execution_run_id = first ? first : "";
    return error_of(w, call_api(w, API_REQUEST_CANCEL_WORKFLOW, "order", &r.base));
}

static enum err terminate(struct world *w, const char *run_id, const char *first)
{
    Api__TerminateWorkflowExecutionRequest r = API__TERMINATE_WORKFLOW_EXECUTION_REQUEST__INIT;
    r.workflow_execution = (Api__WorkflowExecution *)(uintptr_t)meant(w, run_id);
    r.first_execution_run_id = first ? first : "";
    return error_of(w, call_api(w, API_TERMINATE_WORKFLOW, "order", &r.base));
}

/* The run of before has closed, the current one is of another chain than `stranger`. */
void calls_reach_the_run_they_mean(void)
{
    static const char stranger[] = "0190f0f0-0000-7000-8000-000000000001";
    struct world *w = world_new();
    expect(signal_to(w, NULL) == ERR_NOT_FOUND);
    const char *first = start(w, "order");
    complete_task(w, "order", poll_workflow(w, "q"), continue_as_new(w));
    const char *second = describe(w, "order")->workflow_execution_info->execution->run_id;
    expect(signal_to(w, first) == ERR_NOT_FOUND); /* that one is closed */
    expect(signal_to(w, stranger) == ERR_NOT_FOUND);
    expect(signal_to(w, "not-a-run-id") == ERR_INVALID_ARGUMENT);
    expect(signal_to(w, second) == ERR_NONE && signal_to(w, NULL) == ERR_NONE);
    expect(cancel_of(w, NULL, stranger) == ERR_NOT_FOUND);
    expect(cancel_of(w, first, NULL) == ERR_NONE); /* closed: nothing to do */
    expect(cancel_of(w, NULL, first) == ERR_NONE); /* the chain goes on in the current run */
    expect(cancel_of(w, NULL, first) == ERR_NONE); /* once is enough */
    expect(terminate(w, NULL, stranger) == ERR_NOT_FOUND);
    expect(terminate(w, first, NULL) == ERR_NOT_FOUND);
    expect(!strcmp(history_types(w, "order"), "1 26 26 20 5")); /* in its start delay */
    expect(cancel_of(w, first, first) == ERR_NONE); /* the chain is meant, not that run */
    expect(terminate(w, first, stranger) == ERR_NOT_FOUND);
    expect(terminate(w, first, first) == ERR_NONE);
    expect(terminate(w, NULL, first) == ERR_NOT_FOUND);
    /* Nothing is left to be cancelled, whichever chain it was. */
    expect(cancel_of(w, NULL, stranger) == ERR_NONE && cancel_of(w, NULL, NULL) == ERR_NONE);
    world_free(w);
}
