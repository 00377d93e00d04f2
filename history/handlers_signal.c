/* What reaches a run from outside: signal, cancel request, termination, reset of stickiness; and the same from another
 * run's outbox. */
#include "common/model/history_event.h"
#include "history/engine/child.h"
#include "history/engine_view.h"
#include "history/handlers.h"
#include "history/start_check.h"

bool handler_belongs_to(struct call *call, struct execution *ex, const char *first_run_id)
{
    if (!first_run_id || !*first_run_id) {
        return true;
    }
    struct uuid first;
    if (uuid_parse(text(first_run_id), &first) &&
            uuid_eq(first, engine_view_existing(ex->wf).first_run_id)) {
        return true;
    }
    struct fail f = { 0 };
    fail(&f, ERR_NOT_FOUND, "workflow not found for ID: " STR_FMT, STR_ARG(ex->chain->workflow_id));
    handler_fail(call, ex, &f);
    return false;
}

/* Who names a chain means its current run, whatever run id comes with it. */
static const char *run_id_of(const Api__WorkflowExecution *execution, const char *first_run_id)
{
    return execution && !*first_run_id ? execution->run_id : NULL;
}

/* A parent may mean its children only, not whoever has the workflow id now. */
static bool is_meant(struct call *call, struct execution *ex, const struct msg_outbox *from)
{
    if (!from || !(from->flags & OUTBOX_CHILD_ONLY) ||
            engine_view_is_child(ex->wf, from->source_workflow_id, from->source_run_id, 0)) {
        return true;
    }
    if ((from->flags & OUTBOX_SOURCE_RESET) &&
            engine_view_is_child_of_id(ex->wf, from->source_workflow_id, 0)) {
        return true; /* it was started by the run that the caller is a reset of */
    }
    struct fail f = { 0 };
    fail(&f, ERR_NOT_FOUND, "workflow is not a child of the caller");
    handler_fail(call, ex, &f);
    return false;
}

static void signal_run(struct call *call, const Api__SignalWorkflowExecutionRequest *r,
        const struct msg_outbox *from)
{
    struct execution *ex;
    struct event ev;
    struct effects fx;
    if (!handler_find(call, r->workflow_execution ? r->workflow_execution->run_id : NULL, &ex) ||
            !is_meant(call, ex, from)) {
        return;
    }
    execution_event(call->history, ex, EVENT_SIGNAL, &ev);
    ev.signal.signal_name = text(r->signal_name);
    ev.signal.request_id = text(r->request_id);
    ev.signal.identity = text(r->identity);
    ev.signal.input = api_bytes(r->input);
    ev.signal.header = api_bytes(r->header);
    ev.signal.links = links_encode(&call->arena, r->links, r->n_links);
    if (from) {
        ev.signal.external_workflow_id = from->source_workflow_id;
        ev.signal.external_run_id = from->source_run_id;
    }
    if (!handler_step(call, ex, &ev, &fx)) {
        return;
    }
    Api__SignalWorkflowExecutionResponse m = API__SIGNAL_WORKFLOW_EXECUTION_RESPONSE__INIT;
    if (from) {
        handler_reply(call, ex, NULL);
        return;
    }
    m.link = link_to_request(
            call, ex->run_id, ev.signal.request_id, HISTORY_WORKFLOW_EXECUTION_SIGNALED);
    handler_reply(call, ex, &m.base);
}

static enum err check_signal(
        const struct call *call, const Api__SignalWorkflowExecutionRequest *r, struct fail *f)
{
    size_t max = history_limits(call->history, call->api.namespace_id)->blob_size_error;
    if (!*r->signal_name) {
        return fail(f, ERR_INVALID_ARGUMENT, "SignalName is not set on request.");
    }
    if (r->input.len > max || r->header.len > max) {
        return fail(f, ERR_INVALID_ARGUMENT, "Blob data size exceeds limit.");
    }
    return links_check(
            r->links, r->n_links, history_limits(call->history, call->api.namespace_id), f);
}

void handle_signal(struct call *call)
{
    Api__SignalWorkflowExecutionRequest *r =
            HANDLER_DECODE(call, api__signal_workflow_execution_request);
    struct fail f = { 0 };
    if (r && check_signal(call, r, &f)) {
        call_fail_now(call, &f);
    } else if (r) {
        signal_run(call, r, NULL);
    }
}

static bool links_are_good(struct call *call, const ProtobufCBinaryData *links, size_t count)
{
    struct fail f = { 0 };
    if (links_check(links, count, history_limits(call->history, call->api.namespace_id), &f)) {
        call_fail_now(call, &f);
        return false;
    }
    return true;
}

static void cancel_run(struct call *call, const Api__RequestCancelWorkflowExecutionRequest *r,
        const struct msg_outbox *from)
{
    struct execution *ex;
    struct event ev;
    struct effects fx;
    if (!handler_find(call, run_id_of(r->workflow_execution, r->first_execution_run_id), &ex)) {
        return;
    }
    bool is_open = ex->status == WORKFLOW_RUNNING; /* otherwise it is done, whoever is meant */
    if (is_open && (!handler_belongs_to(call, ex, r->first_execution_run_id) ||
                           !is_meant(call, ex, from))) {
        return;
    }
    execution_event(call->history, ex, EVENT_REQUEST_CANCEL, &ev);
    ev.request_cancel.cause = text(r->reason);
    ev.request_cancel.identity = text(r->identity);
    ev.request_cancel.request_id = text(r->request_id);
    ev.request_cancel.links = links_encode(&call->arena, r->links, r->n_links);
    if (from) {
        ev.request_cancel.external_workflow_id = from->source_workflow_id;
        ev.request_cancel.external_run_id = from->source_run_id;
        ev.request_cancel.external_initiated_event_id = message_event_id(from->id);
    }
    if (handler_step(call, ex, &ev, &fx)) {
        handler_reply(call, ex, NULL);
    }
}

void handle_request_cancel(struct call *call)
{
    Api__RequestCancelWorkflowExecutionRequest *r =
            HANDLER_DECODE(call, api__request_cancel_workflow_execution_request);
    if (r && links_are_good(call, r->links, r->n_links)) {
        cancel_run(call, r, NULL);
    }
}

static void terminate_run(struct call *call, const Api__TerminateWorkflowExecutionRequest *r)
{
    struct execution *ex;
    struct event ev;
    struct effects fx;
    if (!handler_find(call, run_id_of(r->workflow_execution, r->first_execution_run_id), &ex) ||
            !handler_belongs_to(call, ex, r->first_execution_run_id)) {
        return;
    }
    execution_event(call->history, ex, EVENT_TERMINATE, &ev);
    ev.terminate.reason = text(r->reason);
    ev.terminate.identity = text(r->identity);
    ev.terminate.details = api_bytes(r->details);
    ev.terminate.links = links_encode(&call->arena, r->links, r->n_links);
    if (handler_step(call, ex, &ev, &fx)) {
        handler_reply(call, ex, NULL);
    }
}

void handle_terminate(struct call *call)
{
    Api__TerminateWorkflowExecutionRequest *r =
            HANDLER_DECODE(call, api__terminate_workflow_execution_request);
    if (r && links_are_good(call, r->links, r->n_links)) {
        terminate_run(call, r);
    }
}

void handle_reset_sticky(struct call *call)
{
    Api__ResetStickyTaskQueueRequest *r =
            HANDLER_DECODE(call, api__reset_sticky_task_queue_request);
    struct execution *ex;
    struct event ev;
    struct effects fx;
    if (!r || !handler_find(call, r->execution ? r->execution->run_id : NULL, &ex)) {
        return;
    }
    execution_event(call->history, ex, EVENT_RESET_STICKY, &ev);
    if (handler_step(call, ex, &ev, &fx)) {
        handler_reply(call, ex, NULL);
    }
}

/* ---- from another run ---------------------------------------------------------------------------------- */

static void *message_request(struct call *call, const ProtobufCMessageDescriptor *type)
{
    struct fail f = { 0 };
    void *r = api_decode(type, &call->arena, call->outbox.body, &f);
    if (!r) {
        call_fail_now(call, &f);
    }
    return r;
}

static void unknown_message(struct call *call)
{
    struct fail f = { 0 };
    fail(&f, ERR_UNAVAILABLE, "message of an unknown kind");
    call_fail_now(call, &f);
}

void handle_message(struct call *call)
{
    const struct msg_outbox *m = &call->outbox;
    void *r;
    switch ((enum outbox_kind)m->kind) {
    case OUTBOX_SIGNAL:
        if ((r = message_request(call, &api__signal_workflow_execution_request__descriptor))) {
            signal_run(call, r, m);
        }
        return;
    case OUTBOX_REQUEST_CANCEL:
        if ((r = message_request(
                     call, &api__request_cancel_workflow_execution_request__descriptor))) {
            cancel_run(call, r, m);
        }
        return;
    case OUTBOX_TERMINATE:
        if ((r = message_request(call, &api__terminate_workflow_execution_request__descriptor))) {
            terminate_run(call, r);
        }
        return;
    case OUTBOX_START_CHILD:
        handle_start_child(call);
        return;
    case OUTBOX_FIRST_TASK:
        handle_first_task(call);
        return;
    case OUTBOX_CHILD_CLOSED:
        handle_child_closed(call);
        return;
    }
    unknown_message(call);
}
