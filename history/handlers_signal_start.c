/* SignalWithStartWorkflowExecution: the start that it stands for, with a signal. */
#include "history/handlers.h"

/* The start that it stands for: an open run is used unless the request says otherwise. */
static Api__StartWorkflowExecutionRequest *start_part(
        struct arena *arena, const Api__SignalWithStartWorkflowExecutionRequest *r)
{
    Api__StartWorkflowExecutionRequest *s =
            api_new(arena, &api__start_workflow_execution_request__descriptor);
    s->workflow_id = r->workflow_id;
    s->workflow_type = r->workflow_type;
    s->task_queue = r->task_queue;
    s->input = r->input;
    s->workflow_execution_timeout = r->workflow_execution_timeout;
    s->workflow_run_timeout = r->workflow_run_timeout;
    s->workflow_task_timeout = r->workflow_task_timeout;
    s->workflow_start_delay = r->workflow_start_delay;
    s->identity = r->identity;
    s->request_id = r->request_id;
    s->workflow_id_reuse_policy = r->workflow_id_reuse_policy;
    s->workflow_id_conflict_policy = r->workflow_id_conflict_policy;
    s->retry_policy = r->retry_policy;
    s->cron_schedule = r->cron_schedule;
    s->memo = r->memo;
    s->search_attributes = r->search_attributes;
    s->header = r->header;
    s->user_metadata = r->user_metadata;
    s->links = r->links;
    s->n_links = r->n_links;
    s->versioning_override = r->versioning_override;
    s->priority = r->priority;
    s->time_skipping_config = r->time_skipping_config;
    if ((int)r->workflow_id_conflict_policy == ID_CONFLICT_UNSPECIFIED &&
            (int)r->workflow_id_reuse_policy != ID_REUSE_TERMINATE_IF_RUNNING) {
        s->workflow_id_conflict_policy = (Api__WorkflowIdConflictPolicy)ID_CONFLICT_USE_EXISTING;
    }
    return s;
}

static bool signal_part_is_valid(
        struct call *call, const Api__SignalWithStartWorkflowExecutionRequest *r)
{
    struct fail f = { 0 };
    if (!*r->signal_name) {
        fail(&f, ERR_INVALID_ARGUMENT, "SignalName is not set on request.");
    } else if ((int)r->workflow_id_conflict_policy == ID_CONFLICT_FAIL) {
        fail(&f, ERR_INVALID_ARGUMENT,
                "Invalid WorkflowIDConflictPolicy: WORKFLOW_ID_CONFLICT_POLICY_FAIL is not "
                "supported for this operation.");
    } else if (r->signal_input.len >
               history_limits(call->history, call->api.namespace_id)->blob_size_error) {
        fail(&f, ERR_INVALID_ARGUMENT, "Blob data size exceeds limit.");
    } else {
        return true;
    }
    call_fail_now(call, &f);
    return false;
}

void handle_signal_with_start(struct call *call)
{
    Api__SignalWithStartWorkflowExecutionRequest *r =
            HANDLER_DECODE(call, api__signal_with_start_workflow_execution_request);
    if (!r || !signal_part_is_valid(call, r)) {
        return;
    }
    struct event_signal *signal = NEW(&call->arena, struct event_signal, 1);
    *signal = (struct event_signal){
        .signal_name = text(r->signal_name),
        .identity = text(r->identity),
        .input = api_bytes(r->signal_input),
        .header = api_bytes(r->header),
        .links = links_encode(&call->arena, r->links, r->n_links),
    };
    start_by_policy(call, start_part(&call->arena, r), signal);
}
