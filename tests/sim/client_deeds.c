/* What only some clients do: updates in all stages, with the start or alone; resets; deletion. */
#include "common/api/codec.h"
#include "tests/sim/check_run.h"
#include "tests/sim/checks.h"
#include "tests/sim/client.h"

enum { STAGE_ACCEPTED = 2, STAGE_COMPLETED = 3 };

static void rest(struct client *c)
{
    client_again(c, 1, world.calm ? 1500 : 600);
}

/* ---- updates ----------------------------------------------------------------------------------- */

/* Takes down what was said of the update, and forgets it when that was the end. */
static void take_status(
        struct client *c, const Update__UpdateRef *ref, int stage, const Update__Outcome *outcome)
{
    struct known_update *u = c->update;
    if (stage < STAGE_ACCEPTED) {
        return; /* the server has waited long enough: asked again */
    }
    if (ref && ref->workflow_execution && ref->workflow_execution->run_id[0]) {
        u->run_id = str_dup(&world.arena, str_from_cstr(ref->workflow_execution->run_id));
    }
    if (!outcome || outcome->value_case == UPDATE__OUTCOME__VALUE__NOT_SET) {
        u->accepted = true;
        return;
    }
    struct str result = payloads_text(api_bytes(outcome->success));
    bool is_success = outcome->value_case == UPDATE__OUTCOME__VALUE_SUCCESS;
    if (is_success && !str_eq(result, update_result(&c->arena, u->id))) {
        violation("update " STR_FMT " has another one's outcome: " STR_FMT, STR_ARG(u->id),
                STR_ARG(result));
    }
    if (is_success && update_kind(u->id) == 'r') {
        violation("update " STR_FMT " was refused and succeeded", STR_ARG(u->id));
    }
    u->succeeded = is_success;
    u->refused = !is_success && update_kind(u->id) == 'r';
    tally[TALLY_updates_refused] += u->refused;
    u->over = true;
    c->update = NULL;
}

static bool update_failed(struct client *c, enum err err, const char *text)
{
    struct known_update *u = c->update;
    if (!err) {
        return false;
    }
    if (client_is_retryable(err) || err == ERR_ABORTED) {
        u->unsure++;
    } else if (err == ERR_NOT_FOUND || err == ERR_FAILED_PRECONDITION) {
        u->over = true; /* its run has ended */
        c->update = NULL;
    } else {
        violation("update " STR_FMT " fails: %s: %s", STR_ARG(u->id), err_name(err), text);
    }
    return true;
}

static void on_updated(struct api_call *call, enum err err, struct str body, const char *text)
{
    struct client *c = container_of(call, struct client, call);
    if (!update_failed(c, err, text)) {
        Api__UpdateWorkflowExecutionResponse *m = api_decode(
                &api__update_workflow_execution_response__descriptor, &c->arena, body, NULL);
        check(m);
        take_status(c, m->update_ref, (int)m->stage, m->outcome);
    }
    rest(c);
}

static void on_update_polled(struct api_call *call, enum err err, struct str body, const char *text)
{
    struct client *c = container_of(call, struct client, call);
    if (err == ERR_NOT_FOUND && !c->script->delete_sent && c->script->reset_count == 0 &&
            !checks_owner_may_be_stale()) {
        violation("accepted update " STR_FMT " is not found", STR_ARG(c->update->id));
    }
    if (!update_failed(c, err, text)) {
        Api__PollWorkflowExecutionUpdateResponse *m = api_decode(
                &api__poll_workflow_execution_update_response__descriptor, &c->arena, body, NULL);
        check(m);
        take_status(c, m->update_ref, (int)m->stage, m->outcome);
    }
    rest(c);
}

static Update__WaitPolicy *wait_for(struct client *c, int stage)
{
    Update__WaitPolicy *p = api_new(&c->arena, &update__wait_policy__descriptor);
    p->lifecycle_stage = (Api__UpdateWorkflowExecutionLifecycleStage)stage;
    return p;
}

static Api__UpdateWorkflowExecutionRequest *update_request(struct client *c)
{
    Api__UpdateWorkflowExecutionRequest *r =
            api_new(&c->arena, &api__update_workflow_execution_request__descriptor);
    r->namespace_ = "default";
    r->workflow_execution = client_execution(c);
    r->wait_policy = wait_for(c, plays(500) ? STAGE_ACCEPTED : STAGE_COMPLETED);
    r->request = api_new(&c->arena, &update__request__descriptor);
    r->request->meta = api_new(&c->arena, &update__meta__descriptor);
    r->request->meta->update_id = c->update->id.ptr;
    r->request->input = api_new(&c->arena, &update__input__descriptor);
    r->request->input->name = "change";
    r->request->input->args = api_data(payloads_of(&c->arena, c->update->id));
    return r;
}

void client_update(struct client *c)
{
    if (!c->update) {
        c->update = ledger_update(c->script);
    }
    struct known_update *u = c->update;
    if (!u->accepted) {
        client_call(c, "UpdateWorkflowExecution", &update_request(c)->base, on_updated);
        return;
    }
    Api__PollWorkflowExecutionUpdateRequest *r =
            api_new(&c->arena, &api__poll_workflow_execution_update_request__descriptor);
    r->namespace_ = "default";
    r->update_ref = api_new(&c->arena, &update__update_ref__descriptor);
    r->update_ref->workflow_execution = client_execution(c);
    r->update_ref->workflow_execution->run_id = str_cstr(&c->arena, u->run_id);
    r->update_ref->update_id = u->id.ptr;
    r->wait_policy = wait_for(c, STAGE_COMPLETED);
    client_call(c, "PollWorkflowExecutionUpdate", &r->base, on_update_polled);
}

/* ---- a start with an update -------------------------------------------------------------------- */

static void on_started_with_update(
        struct api_call *call, enum err err, struct str body, const char *text)
{
    struct client *c = container_of(call, struct client, call);
    if (err) {
        /* It has started, in this attempt or an earlier one; the update failed: the run has ended, or failed the task
         * that had it. Once it has started, the server does not try again by itself. */
        bool has_started = (err == ERR_NOT_FOUND || err == ERR_FAILED_PRECONDITION) &&
                           run_check_count(c->script->id) > 0;
        enum err seen = err == ERR_ABORTED ? ERR_UNAVAILABLE : err;
        if (has_started) {
            seen = ERR_ALREADY_EXISTS;
            c->script->unsure_starts++; /* which attempt it was is not known */
        }
        c->update->unsure++;
        if (client_started(c, seen, STR(""), text)) {
            c->update->over = true;
            c->update = NULL;
        }
        return;
    }
    Api__ExecuteMultiOperationResponse *m =
            api_decode(&api__execute_multi_operation_response__descriptor, &c->arena, body, NULL);
    check(m && m->n_responses == 2 && m->responses[0]->start_workflow &&
            m->responses[1]->update_workflow);
    const Api__UpdateWorkflowExecutionResponse *u = m->responses[1]->update_workflow;
    client_started(c, err, str_from_cstr(m->responses[0]->start_workflow->run_id), text);
    take_status(c, u->update_ref, (int)u->stage, u->outcome);
}

void client_start_with_update(struct client *c)
{
    if (!c->update) {
        c->update = ledger_update(c->script);
    }
    Api__ExecuteMultiOperationRequest *r =
            api_new(&c->arena, &api__execute_multi_operation_request__descriptor);
    Api__ExecuteMultiOperationRequest__Operation **ops =
            NEW(&c->arena, Api__ExecuteMultiOperationRequest__Operation *, 2);
    for (int i = 0; i < 2; i++) {
        ops[i] = api_new(&c->arena, &api__execute_multi_operation_request__operation__descriptor);
    }
    ops[0]->operation_case =
            API__EXECUTE_MULTI_OPERATION_REQUEST__OPERATION__OPERATION_START_WORKFLOW;
    ops[0]->start_workflow = client_start_request(c);
    ops[0]->start_workflow->workflow_id_conflict_policy =
            API__WORKFLOW_ID_CONFLICT_POLICY__WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING;
    ops[1]->operation_case =
            API__EXECUTE_MULTI_OPERATION_REQUEST__OPERATION__OPERATION_UPDATE_WORKFLOW;
    ops[1]->update_workflow = update_request(c);
    r->namespace_ = "default";
    r->operations = ops;
    r->n_operations = 2;
    client_call(c, "ExecuteMultiOperation", &r->base, on_started_with_update);
}

/* ---- resets ------------------------------------------------------------------------------------ */

/* A completed workflow task of one of the workflow's runs, mostly the latest. The client knows the histories from
 * reading them; that is not played. */
static bool choose_point(struct client *c, struct asked_reset *ret)
{
    const struct run_check *chosen = NULL;
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        bool is_ours = str_eq(r->workflow_id, c->script->id) && r->task_completed;
        chosen = is_ours && (!chosen || !plays(200)) ? r : chosen;
    }
    int64_t point = 0;
    for (size_t i = 0; chosen && i < chosen->events.len; i++) {
        bool fits = chosen->events.ptr[i].type == EV_TASK_COMPLETED;
        point = fits && (!point || plays(600)) ? chosen->events.ptr[i].id : point;
    }
    if (point) {
        ret->base = chosen->run_id;
        ret->point = point;
    }
    return point != 0;
}

static void on_reset(struct api_call *call, enum err err, struct str body, const char *text)
{
    struct client *c = container_of(call, struct client, call);
    c->retry_reset = client_is_retryable(err) || err == ERR_ABORTED;
    if (c->retry_reset) {
        c->reset->unsure++;
    } else if (!err) {
        c->reset->new_run = str_dup(&world.arena, ev_bytes(body, 1));
    } else {
        violation("a reset of " STR_FMT " to %lld fails: %s: %s", STR_ARG(c->reset->base),
                (long long)c->reset->point, err_name(err), text);
    }
    rest(c);
}

void client_reset(struct client *c)
{
    struct script *s = c->script;
    if (!c->retry_reset) {
        c->reset = &s->resets[s->reset_count];
        if (!choose_point(c, c->reset)) {
            rest(c);
            return;
        }
        s->reset_count++;
        c->reset->request_id = str_printf(&world.arena, "reset-%u-%u", s->number, s->reset_count);
    }
    Api__ResetWorkflowExecutionRequest *r =
            api_new(&c->arena, &api__reset_workflow_execution_request__descriptor);
    r->namespace_ = "default";
    r->workflow_execution = client_execution(c);
    r->workflow_execution->run_id = str_cstr(&c->arena, c->reset->base);
    r->workflow_task_finish_event_id = c->reset->point;
    r->request_id = c->reset->request_id.ptr;
    r->reason = "planned";
    s->closed = false;
    client_call(c, "ResetWorkflowExecution", &r->base, on_reset);
}

/* ---- deletion ---------------------------------------------------------------------------------- */

static void on_deleted(struct api_call *call, enum err err, struct str body, const char *text)
{
    struct client *c = container_of(call, struct client, call);
    struct script *s = c->script;
    /* sent before, it may have been done then */
    s->delete_acknowledged |= !err || err == ERR_NOT_FOUND;
    if (err && !client_is_retryable(err) && err != ERR_NOT_FOUND) {
        violation("the deletion of " STR_FMT " fails: %s: %s", STR_ARG(s->id), err_name(err), text);
    }
    rest(c);
}

void client_delete(struct client *c)
{
    Api__DeleteWorkflowExecutionRequest *r =
            api_new(&c->arena, &api__delete_workflow_execution_request__descriptor);
    r->namespace_ = "default";
    r->workflow_execution = client_execution(c);
    c->script->delete_sent = true;
    client_call(c, "DeleteWorkflowExecution", &r->base, on_deleted);
}
