/* ExecuteMultiOperation: a start and an update as one. The run that is there gets the update, or a new run begins with
 * it; which of the two, the start's policies say. Every failure tells which of the two operations it was. */
#include "history/engine_view.h"
#include "history/update_call.h"

/* ---- answers ------------------------------------------------------------------------------------------- */

static struct update_call *call_of(struct update_wait *uw)
{
    return container_of(uw, struct update_call, wait);
}

static bool has_started(const struct update_call *uc)
{
    return !uuid_is_zero(uc->started) && uuid_eq(uc->started, uc->run_id);
}

static Api__ExecuteMultiOperationResponse__Response *response(struct arena *arena)
{
    return api_new(arena, &api__execute_multi_operation_response__response__descriptor);
}

static void reply(struct update_wait *uw, const struct execution *ex, enum update_stage stage,
        struct str outcome)
{
    const struct update_call *uc = call_of(uw);
    struct arena *arena = &uw->call->arena;
    Api__ExecuteMultiOperationResponse m = API__EXECUTE_MULTI_OPERATION_RESPONSE__INIT;
    Api__ExecuteMultiOperationResponse__Response *both[] = { response(arena), response(arena) };
    Api__StartWorkflowExecutionResponse *start =
            api_new(arena, &api__start_workflow_execution_response__descriptor);
    start->run_id = uuid_text(arena, uc->run_id);
    start->first_execution_run_id = uuid_text(arena, uc->first_run_id);
    start->started = has_started(uc);
    start->status = (Api__WorkflowExecutionStatus)uc->status;
    start->link = link_to_start(uw->call, uc->run_id);
    both[0]->response_case =
            API__EXECUTE_MULTI_OPERATION_RESPONSE__RESPONSE__RESPONSE_START_WORKFLOW;
    both[0]->start_workflow = start;
    both[1]->response_case =
            API__EXECUTE_MULTI_OPERATION_RESPONSE__RESPONSE__RESPONSE_UPDATE_WORKFLOW;
    both[1]->update_workflow = update_response(uc, stage, outcome);
    m.responses = both;
    m.n_responses = ARRAY_LEN(both);
    handler_reply(uw->call, ex, &m.base);
}

/* The other operation was aborted, or has succeeded. */
static void fail_both(struct call *call, const struct execution *ex, struct fail *start,
        struct fail *update, bool other_succeeded)
{
    struct fail f = { 0 };
    struct operation_outcome outcomes[] = {
        { .is_aborted = !start && !other_succeeded, .fail = start },
        { .is_aborted = !update && !other_succeeded, .fail = update },
    };
    handler_detail(start ? start : update);
    (void)fail_multi_operation(&f, &call->arena, outcomes, ARRAY_LEN(outcomes));
    call_fail(call, ex, &f);
}

static void fail_update(struct update_wait *uw, const struct execution *ex, struct fail *f)
{
    fail_both(uw->call, ex, NULL, f, has_started(call_of(uw)));
}

static void fail_start(struct call *call, const struct execution *ex, struct fail *f)
{
    fail_both(call, ex, f, NULL, false);
}

/* The run that was there has closed: now there may be room for a new one. Once; then the caller decides. */
static bool again(struct update_wait *uw, enum update_news_kind why, struct fail *f)
{
    struct update_call *uc = call_of(uw);
    if (why == UPDATE_NEWS_TASK_FAILED || has_started(uc)) {
        return false;
    }
    if (!uc->was_closed_on) {
        uc->was_closed_on = true;
        return true;
    }
    if (why == UPDATE_NEWS_CLOSED) {
        fail(f, ERR_ABORTED, "workflow update was aborted by closing workflow");
    }
    return false;
}

static const struct update_form form = { reply, fail_update, again };

/* ---- the request ----------------------------------------------------------------------------------------- */

static enum err check_start(const struct update_call *uc,
        const Api__ExecuteMultiOperationRequest *m, const Api__StartWorkflowExecutionRequest *r,
        struct fail *f)
{
    if (*r->namespace_ && strcmp(r->namespace_, m->namespace_) != 0) {
        return fail(
                f, ERR_INVALID_ARGUMENT, "Operation namespace did not match request's namespace.");
    }
    if (*r->cron_schedule) {
        return fail(f, ERR_INVALID_ARGUMENT, "CronSchedule is not allowed.");
    }
    if (r->request_eager_execution) {
        return fail(f, ERR_INVALID_ARGUMENT, "RequestEagerExecution is not supported.");
    }
    if (r->workflow_start_delay &&
            (r->workflow_start_delay->seconds > 0 || r->workflow_start_delay->nanos > 0)) {
        return fail(f, ERR_INVALID_ARGUMENT, "WorkflowStartDelay is not supported.");
    }
    return ERR_NONE;
}

static enum err check_update(const struct update_call *uc,
        const Api__ExecuteMultiOperationRequest *m, const Api__UpdateWorkflowExecutionRequest *r,
        struct fail *f)
{
    if (*r->namespace_ && strcmp(r->namespace_, m->namespace_) != 0) {
        return fail(
                f, ERR_INVALID_ARGUMENT, "Operation namespace did not match request's namespace.");
    }
    if (!r->workflow_execution) {
        return fail(f, ERR_INVALID_ARGUMENT, "Execution is not set on request.");
    }
    if (*r->first_execution_run_id) {
        return fail(f, ERR_INVALID_ARGUMENT, "FirstExecutionRunId is not allowed.");
    }
    if (*r->workflow_execution->run_id) {
        return fail(f, ERR_INVALID_ARGUMENT, "RunId is not allowed.");
    }
    if (strcmp(r->workflow_execution->workflow_id, uc->workflow_id) != 0) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "WorkflowId is not consistent with previous operation(s).");
    }
    return ERR_NONE;
}

/* Exactly these two, in this order. */
static bool take_both(struct update_call *uc, const Api__ExecuteMultiOperationRequest *m,
        Api__UpdateWorkflowExecutionRequest **ret_update)
{
    Api__ExecuteMultiOperationRequest__Operation *const *ops = m->operations;
    if (m->n_operations != 2 ||
            ops[0]->operation_case !=
                    API__EXECUTE_MULTI_OPERATION_REQUEST__OPERATION__OPERATION_START_WORKFLOW ||
            ops[1]->operation_case !=
                    API__EXECUTE_MULTI_OPERATION_REQUEST__OPERATION__OPERATION_UPDATE_WORKFLOW) {
        struct fail f = { 0 };
        fail(&f, ERR_INVALID_ARGUMENT, "Operations have to be exactly [Start, Update].");
        call_fail_now(uc->wait.call, &f);
        return false;
    }
    uc->start = ops[0]->start_workflow;
    *ret_update = ops[1]->update_workflow;
    return true;
}

static struct update_call *take(struct call *call)
{
    struct update_call *uc = update_call_new(call, &form);
    struct fail f = { 0 };
    Api__UpdateWorkflowExecutionRequest *update;
    Api__ExecuteMultiOperationRequest *m =
            HANDLER_DECODE(call, api__execute_multi_operation_request);
    if (!m || !take_both(uc, m, &update)) {
        return NULL;
    }
    if (check_start(uc, m, uc->start, &f)) {
        fail_start(call, NULL, &f);
        return NULL;
    }
    if (check_update(uc, m, update, &f) || update_take(uc, update, &f)) {
        fail_update(&uc->wait, NULL, &f);
        return NULL;
    }
    uc->request_id = text(uc->start->request_id);
    if (!uc->request_id.len) {
        uc->request_id = uuid_dup(&call->arena, uuid_v4(lane_rand(call->history->lane)));
    }
    call->state = uc;
    return uc;
}

/* ---- which of the two ------------------------------------------------------------------------------------ */

static void update_existing(
        struct update_call *uc, struct execution *ex, const struct start_existing *existing)
{
    uc->status = existing->status;
    uc->first_run_id = existing->first_run_id;
    update_run(uc, ex);
}

static void start_new(
        struct update_call *uc, struct event *ev, struct execution *old, bool terminates)
{
    struct effects fx;
    struct execution *ex = start_run(uc->wait.call, ev, old, terminates, &fx);
    if (ex) {
        uc->started = uc->run_id = uc->first_run_id = ex->run_id;
        uc->status = WORKFLOW_RUNNING;
        update_wait(&uc->wait, ex);
    }
}

static void start_by_policy_of(
        struct update_call *uc, struct execution *ex, const struct start_existing *existing)
{
    struct call *call = uc->wait.call;
    struct start_origin origin = { .namespace_name = call->api.namespace_name,
        .request_id = uc->request_id,
        .update = &uc->event,
        .refuse = fail_start };
    enum id_reuse_policy reuse = (enum id_reuse_policy)uc->start->workflow_id_reuse_policy;
    struct event ev;
    struct fail f = { 0 };
    if (!start_take(call, uc->start, &origin, &ev)) {
        return;
    }
    struct start_existing aged = *existing;
    start_look_at_age(&aged, &ev);
    enum start_decision decision = start_decide(ex ? &aged : NULL, uc->request_id, reuse,
            (enum id_conflict_policy)uc->start->workflow_id_conflict_policy);
    switch (decision) {
    case START_NEW:
    case START_TERMINATE_THEN_NEW:
        start_new(uc, &ev, ex, decision == START_TERMINATE_THEN_NEW);
        return;
    case START_RETURN_EXISTING: /* its run has closed; the engine says what that means for the update */
    case START_RETURN_ATTACHED:
    case START_USE_EXISTING:
        update_existing(uc, ex, existing);
        return;
    case START_REFUSE:
        start_refusal(call, existing, reuse, &f);
        fail_start(call, ex, &f);
        return;
    case START_REFUSE_TOO_SOON:
        start_refusal_too_soon(call, existing, &ev, &f);
        fail_start(call, ex, &f);
        return;
    }
}

/* An update that the run has is that update, whatever the policies say of the run; also after its end. */
static bool is_meant(const struct update_call *uc, const struct execution *ex,
        const struct start_existing *existing)
{
    return workflow_update_status(ex->wf, uc->wait.update_id).stage != UPDATE_UNKNOWN ||
           (existing->status == WORKFLOW_RUNNING &&
                   str_eq(existing->start_request_id, uc->request_id));
}

void handle_multi_operation(struct call *call)
{
    struct execution *ex = NULL;
    struct start_existing existing = { 0 };
    if (call->state && !call->in) {
        call_abandon(call); /* the caller went away meanwhile */
        return;
    }
    struct update_call *uc = call->state ? call->state : take(call);
    if (!uc || chain_want(call->chain, call, (struct uuid){ { 0 } }, 0, &ex) == WANT_WAIT) {
        return;
    }
    if (ex) {
        existing = engine_view_existing(ex->wf);
        existing.is_attached = engine_view_is_attached(ex->wf, uc->request_id);
    }
    if (ex && is_meant(uc, ex, &existing)) {
        update_existing(uc, ex, &existing);
    } else {
        start_by_policy_of(uc, ex, &existing);
    }
}
