/* StartWorkflowExecution: the policies of a taken id, then a new run, in one batch with the end of the one it replaces. */
#include "common/model/wire.h"
#include "history/engine_view.h"
#include "history/handlers.h"

static bool take_durations(
        struct call *call, const Api__StartWorkflowExecutionRequest *r, struct event_start *s)
{
    struct fail f = { 0 };
    if (!handler_span(call, r->workflow_execution_timeout, "workflow_execution_timeout",
                &s->execution_timeout) ||
            !handler_span(call, r->workflow_run_timeout, "workflow_run_timeout", &s->run_timeout) ||
            !handler_span(
                    call, r->workflow_task_timeout, "workflow_task_timeout", &s->task_timeout) ||
            !handler_span(call, r->workflow_start_delay, "workflow_start_delay", &s->start_delay)) {
        return false;
    }
    if (!retry_policy_decode(&call->arena, r->retry_policy, &s->retry, &f)) {
        call_fail_now(call, &f);
        return false;
    }
    return true;
}

static bool take_request(struct call *call, const Api__StartWorkflowExecutionRequest *r,
        const struct start_origin *origin, struct event *ev)
{
    struct event_start *s = &ev->start;
    if (!take_durations(call, r, s)) {
        return false;
    }
    s->namespace_id = call->chain->namespace_id;
    s->run_id = uuid_v7(ev->now, &ev->rand);
    s->namespace_name = origin->namespace_name;
    s->workflow_id = call->chain->workflow_id;
    s->workflow_type = r->workflow_type ? text(r->workflow_type->name) : STR("");
    s->task_queue = r->task_queue ? text(r->task_queue->name) : STR("");
    s->request_id = origin->request_id;
    s->parent = origin->parent;
    s->waits_for_parent = origin->parent != NULL;
    s->identity = text(r->identity);
    s->cron_schedule = text(r->cron_schedule);
    s->input = api_bytes(r->input);
    s->header = api_bytes(r->header);
    s->memo = api_bytes(r->memo);
    s->search_attributes = api_bytes(r->search_attributes);
    s->user_metadata = api_bytes(r->user_metadata);
    s->priority = api_bytes(r->priority);
    s->links = links_encode(&call->arena, r->links, r->n_links);
    s->continued_failure = api_bytes(r->continued_failure);
    s->last_completion_result = api_bytes(r->last_completion_result);
    return true;
}

static void reply(struct call *call, const struct execution *ex, struct uuid run_id,
        struct uuid first_run_id, bool started, enum workflow_status status)
{
    Api__StartWorkflowExecutionResponse m = API__START_WORKFLOW_EXECUTION_RESPONSE__INIT;
    m.run_id = uuid_text(&call->arena, run_id);
    m.first_execution_run_id = uuid_text(&call->arena, first_run_id);
    m.started = started;
    m.status = (Api__WorkflowExecutionStatus)status;
    handler_reply(call, ex, &m.base);
}

void start_refuse(
        struct call *call, const struct execution *ex, const struct start_existing *existing)
{
    struct arena *arena = &call->arena;
    struct fail f = { 0 };
    (void)fail_workflow_already_started(&f, arena, existing->start_request_id,
            uuid_dup(arena, existing->run_id), uuid_dup(arena, existing->first_run_id));
    call_fail(call, ex, &f);
}

/* Payloads with one JSON string. */
static struct str json_payloads(struct arena *arena, struct str string)
{
    struct buf out;
    buf_init_arena(&out, arena, 4096);
    size_t payload = wire_begin(&out, 1);
    size_t entry = wire_begin(&out, 1);
    wire_put_bytes(&out, 1, STR("encoding"));
    wire_put_bytes(&out, 2, STR("json/plain"));
    wire_end(&out, entry);
    wire_put_bytes(&out, 2, str_printf(arena, "\"" STR_FMT "\"", STR_ARG(string)));
    wire_end(&out, payload);
    return buf_str(&out);
}

static void terminate_old(struct call *call, struct execution *old, struct uuid new_run_id)
{
    struct arena *arena = &call->arena;
    struct event ev;
    struct effects fx;
    struct fail f = { 0 };
    execution_event(call->history, old, EVENT_TERMINATE, &ev);
    ev.terminate.reason = STR("TerminateIfRunning WorkflowIdReusePolicy");
    ev.terminate.details = json_payloads(
            arena, str_printf(arena, "terminated by new runID: %s", uuid_text(arena, new_run_id)));
    ev.terminate.identity = STR("history-service");
    enum err err = execution_step(old, &ev, arena, &fx, &f);
    check(!err); /* it was open a moment ago */
}

struct execution *start_run(struct call *call, const Api__StartWorkflowExecutionRequest *r,
        const struct start_origin *origin, struct execution *old, bool terminates)
{
    struct event ev;
    struct effects fx;
    struct fail f = { 0 };
    struct execution *ex;
    (void)committer_batch(&call->history->committer); /* from here on everything is in one batch */
    execution_event(call->history, NULL, EVENT_START, &ev);
    if (!take_request(call, r, origin, &ev)) {
        return NULL;
    }
    struct uuid run_id = ev.start.run_id;
    if (execution_start(call->chain, &ev, &call->arena, &fx, &ex, &f)) {
        handler_fail(call, old, &f);
        return NULL;
    }
    if (terminates) {
        terminate_old(call, old, run_id);
    }
    return ex;
}

static void start(struct call *call, const Api__StartWorkflowExecutionRequest *r,
        struct str request_id, struct execution *old, bool terminates)
{
    struct start_origin origin = { .namespace_name = call->api.namespace_name,
        .request_id = request_id };
    struct execution *ex = start_run(call, r, &origin, old, terminates);
    if (ex) {
        reply(call, ex, ex->run_id, ex->run_id, true, WORKFLOW_RUNNING);
    }
}

void handle_start(struct call *call)
{
    Api__StartWorkflowExecutionRequest *r =
            HANDLER_DECODE(call, api__start_workflow_execution_request);
    if (!r) {
        return;
    }
    struct execution *ex = NULL;
    struct start_existing existing = { 0 };
    if (chain_want(call->chain, call, (struct uuid){ { 0 } }, 0, &ex) == WANT_WAIT) {
        return;
    }
    struct str request_id = text(r->request_id);
    if (!request_id.len) {
        request_id = uuid_dup(&call->arena, uuid_v4(lane_rand(call->history->lane)));
    }
    if (ex) {
        existing = engine_view_existing(ex->wf);
    }
    switch (start_decide(ex ? &existing : NULL, request_id,
            (enum id_reuse_policy)r->workflow_id_reuse_policy,
            (enum id_conflict_policy)r->workflow_id_conflict_policy)) {
    case START_NEW:
        start(call, r, request_id, ex, false);
        return;
    case START_TERMINATE_THEN_NEW:
        start(call, r, request_id, ex, true);
        return;
    case START_RETURN_EXISTING:
        reply(call, ex, existing.run_id, existing.first_run_id, true, existing.status);
        return;
    case START_USE_EXISTING:
        reply(call, ex, existing.run_id, existing.first_run_id, false, existing.status);
        return;
    case START_REFUSE:
        start_refuse(call, ex, &existing);
        return;
    }
}
