/* DeleteWorkflowExecution: the run ends if it is open, its workflow id is free at once, and nobody finds it any more. It
 * stays stored until its messages are settled (execution.c dooms it then); reaper.c removes what is left. */
#include "history/engine_view.h"
#include "history/handlers.h"

void handle_delete(struct call *call)
{
    Api__DeleteWorkflowExecutionRequest *r =
            HANDLER_DECODE(call, api__delete_workflow_execution_request);
    struct execution *ex;
    if (r &&
            handler_find(call, r->workflow_execution ? r->workflow_execution->run_id : NULL, &ex)) {
        handler_delete(call, ex);
    }
}

void handler_delete(struct call *call, struct execution *ex)
{
    struct execution *current = NULL;
    struct event ev;
    struct effects fx;
    if (chain_want(call->chain, call, (struct uuid){ { 0 } }, 0, &current) == WANT_WAIT) {
        return;
    }
    bool is_current = current == ex;
    execution_event(call->history, ex, EVENT_DELETE, &ev);
    committer_keep(&call->history->committer, true);
    bool done = handler_step(call, ex, &ev, &fx);
    if (done && is_current) {
        execution_not_current(ex);
    }
    committer_keep(&call->history->committer, false);
    if (done) {
        call->history->stats.deletes++;
        handler_reply(call, ex, NULL);
    }
}
