/* UpdateWorkflowExecution and PollWorkflowExecutionUpdate; updates in the answers of workflow tasks, and the messages
 * about them in completions. Update-with-start is in handlers_multi.c. */
#include "common/model/history_event.h"
#include "common/model/wire.h"
#include "history/engine_view.h"
#include "history/start_check.h"
#include "history/update_call.h"

/* ---- the request ----------------------------------------------------------------------------------------- */

static enum err check_update(
        const struct call *call, const Api__UpdateWorkflowExecutionRequest *r, struct fail *f)
{
    const Update__Request *q = r->request;
    const struct engine_limits *l = history_limits(call->history, call->api.namespace_id);
    if (!q || !q->meta) {
        return fail(f, ERR_INVALID_ARGUMENT, "Update meta is not set on request.");
    }
    if (strlen(q->meta->update_id) > l->id_length) {
        return fail(f, ERR_INVALID_ARGUMENT, "UpdateId length exceeds limit.");
    }
    if (!q->input) {
        return fail(f, ERR_INVALID_ARGUMENT, "Update input is not set on request.");
    }
    if (!*q->input->name) {
        return fail(f, ERR_INVALID_ARGUMENT, "Update name is not set on request.");
    }
    if (strlen(q->input->name) > l->id_length) {
        return fail(f, ERR_INVALID_ARGUMENT, "Update name length exceeds limit.");
    }
    if (q->input->args.len > l->blob_size_error || q->input->header.len > l->blob_size_error) {
        return fail(f, ERR_INVALID_ARGUMENT, "Blob data size exceeds limit.");
    }
    if (q->n_completion_callbacks && !*q->request_id) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "invalid *update.Request: request_id is required when completion_callbacks are "
                "set");
    }
    if (strlen(q->request_id) > l->id_length) {
        return fail(f, ERR_INVALID_ARGUMENT, "RequestId length exceeds limit.");
    }
    return callbacks_check(q->completion_callbacks, q->n_completion_callbacks, l, f)
                   ? f->err
                   : links_check(q->links, q->n_links, l, f);
}

enum err update_take(struct update_call *uc, Api__UpdateWorkflowExecutionRequest *r, struct fail *f)
{
    struct arena *arena = &uc->wait.call->arena;
    if (check_update(uc->wait.call, r, f)) {
        return f->err;
    }
    int stage = r->wait_policy ? (int)r->wait_policy->lifecycle_stage : UPDATE_UNKNOWN;
    if (stage == UPDATE_ADMITTED) {
        fail(f, ERR_PERMISSION_DENIED,
                "UpdateWorkflowExecution issued asynchronously and waiting on update admitted is "
                "not supported.");
        fail_set_detail(f, STR("PermissionDeniedFailure"), STR(""));
        return f->err;
    }
    if (stage < 0 || stage > UPDATE_COMPLETED) {
        return fail(f, ERR_INVALID_ARGUMENT, "Invalid lifecycle stage of WaitPolicy.");
    }
    if (!*r->request->meta
                    ->update_id) { /* the frontend gives one; a call that is sent again has the same */
        r->request->meta->update_id =
                uuid_dup(arena, uuid_v4(lane_rand(uc->wait.call->history->lane))).ptr;
    }
    uc->update = r;
    uc->wait.update_id = text(r->request->meta->update_id);
    uc->wait.wait = stage ? (enum update_stage)stage : UPDATE_COMPLETED;
    uc->event = (struct event_update){ .update_id = uc->wait.update_id,
        .request = api_encode(arena, &r->request->base) };
    return ERR_NONE;
}

/* ---- the answers ------------------------------------------------------------------------------------------- */

static struct update_call *call_of(struct update_wait *uw)
{
    return container_of(uw, struct update_call, wait);
}

static Update__UpdateRef *ref_of(const struct update_call *uc)
{
    struct arena *arena = &uc->wait.call->arena;
    Update__UpdateRef *ref = api_new(arena, &update__update_ref__descriptor);
    ref->workflow_execution = api_new(arena, &api__workflow_execution__descriptor);
    ref->workflow_execution->workflow_id = uc->workflow_id;
    ref->workflow_execution->run_id = uuid_text(arena, uc->run_id);
    ref->update_id = str_cstr(arena, uc->wait.update_id);
    return ref;
}

static Update__Outcome *outcome_message(struct arena *arena, struct str outcome)
{
    return outcome.len ? api_decode(&update__outcome__descriptor, arena, outcome, NULL) : NULL;
}

/* To its acceptance; a refused update has left no event. A failed outcome may be either: it is told as the reference
 * tells it. */
static ProtobufCBinaryData link_of(
        const struct update_call *uc, enum update_stage stage, const Update__Outcome *outcome)
{
    struct call *call = uc->wait.call;
    if (stage == UPDATE_COMPLETED && outcome &&
            outcome->value_case == UPDATE__OUTCOME__VALUE_FAILURE) {
        return link_to_workflow(call, uc->run_id, STR("Update rejected"));
    }
    if (stage < UPDATE_ACCEPTED) {
        return (ProtobufCBinaryData){ 0 };
    }
    return link_to_request(
            call, uc->run_id, text(uc->update->request->request_id), HISTORY_UPDATE_ACCEPTED);
}

Api__UpdateWorkflowExecutionResponse *update_response(
        const struct update_call *uc, enum update_stage stage, struct str outcome)
{
    struct arena *arena = &uc->wait.call->arena;
    Api__UpdateWorkflowExecutionResponse *m =
            api_new(arena, &api__update_workflow_execution_response__descriptor);
    m->update_ref = ref_of(uc);
    m->outcome = outcome_message(arena, outcome);
    m->stage = (Api__UpdateWorkflowExecutionLifecycleStage)stage;
    m->link = link_of(uc, stage, m->outcome);
    return m;
}

static void reply_update(struct update_wait *uw, const struct execution *ex,
        enum update_stage stage, struct str outcome)
{
    handler_reply(uw->call, ex, &update_response(call_of(uw), stage, outcome)->base);
}

static void reply_poll(struct update_wait *uw, const struct execution *ex, enum update_stage stage,
        struct str outcome)
{
    Api__PollWorkflowExecutionUpdateResponse m = API__POLL_WORKFLOW_EXECUTION_UPDATE_RESPONSE__INIT;
    m.update_ref = ref_of(call_of(uw));
    m.outcome = outcome_message(&uw->call->arena, outcome);
    m.stage = (Api__UpdateWorkflowExecutionLifecycleStage)stage;
    handler_reply(uw->call, ex, &m.base);
}

static void fail_update(struct update_wait *uw, const struct execution *ex, struct fail *f)
{
    handler_fail(uw->call, ex, f);
}

/* Without a run id the call means whichever run there is: the next one. */
static bool follows_chain(struct update_wait *uw, enum update_news_kind why, struct fail *f)
{
    return why == UPDATE_NEWS_CONTINUED && !*call_of(uw)->update->workflow_execution->run_id;
}

static const struct update_form form_update = { reply_update, fail_update, follows_chain };
static const struct update_form form_poll = { reply_poll, fail_update, NULL };

/* ---- the calls ----------------------------------------------------------------------------------------------- */

struct update_call *update_call_new(struct call *call, const struct update_form *form)
{
    struct update_call *uc = NEW(&call->arena, struct update_call, 1);
    uc->wait.call = call;
    uc->wait.form = form;
    uc->workflow_id = str_cstr(&call->arena, call->chain->workflow_id);
    return uc;
}

void update_run(struct update_call *uc, struct execution *ex)
{
    struct call *call = uc->wait.call;
    struct event ev;
    struct effects fx;
    struct fail f = { 0 };
    uc->run_id = ex->run_id;
    execution_event(call->history, ex, EVENT_UPDATE, &ev);
    ev.update = uc->event;
    if (execution_step(ex, &ev, &call->arena, &fx, &f)) {
        uc->wait.form->refuse(&uc->wait, ex, &f);
    } else {
        update_wait(&uc->wait, ex);
    }
}

static struct update_call *take_update(struct call *call)
{
    struct update_call *uc = update_call_new(call, &form_update);
    struct fail f = { 0 };
    Api__UpdateWorkflowExecutionRequest *r =
            HANDLER_DECODE(call, api__update_workflow_execution_request);
    if (!r) {
        return NULL;
    }
    if (!r->workflow_execution) {
        fail(&f, ERR_INVALID_ARGUMENT, "Execution is not set on request.");
    }
    if (f.err || update_take(uc, r, &f)) {
        call_fail_now(call, &f);
        return NULL;
    }
    call->state = uc;
    return uc;
}

void handle_update(struct call *call)
{
    struct execution *ex;
    if (call->state && !call->in) {
        call_abandon(call); /* the caller went away meanwhile */
        return;
    }
    struct update_call *uc = call->state ? call->state : take_update(call);
    if (uc && handler_find(call, uc->update->workflow_execution->run_id, &ex) &&
            handler_belongs_to(call, ex, uc->update->first_execution_run_id)) {
        update_run(uc, ex);
    }
}

static struct update_call *take_poll(struct call *call)
{
    struct update_call *uc = update_call_new(call, &form_poll);
    struct fail f = { 0 };
    uc->poll = HANDLER_DECODE(call, api__poll_workflow_execution_update_request);
    if (!uc->poll) {
        return NULL;
    }
    if (!uc->poll->update_ref || !uc->poll->update_ref->workflow_execution) {
        fail(&f, ERR_INVALID_ARGUMENT, "UpdateRef is not set on request.");
        call_fail_now(call, &f);
        return NULL;
    }
    uc->wait.update_id = text(uc->poll->update_ref->update_id);
    uc->wait.wait = uc->poll->wait_policy
                            ? (enum update_stage)uc->poll->wait_policy->lifecycle_stage
                            : UPDATE_UNKNOWN;
    call->state = uc;
    return uc;
}

void handle_poll_update(struct call *call)
{
    struct execution *ex;
    struct fail f = { 0 };
    if (call->state && !call->in) {
        call_abandon(call);
        return;
    }
    struct update_call *uc = call->state ? call->state : take_poll(call);
    if (!uc || !handler_find(call, uc->poll->update_ref->workflow_execution->run_id, &ex)) {
        return;
    }
    uc->run_id = ex->run_id;
    if (workflow_update_status(ex->wf, uc->wait.update_id).stage == UPDATE_UNKNOWN) {
        fail(&f, ERR_NOT_FOUND, "update \"" STR_FMT "\" not found", STR_ARG(uc->wait.update_id));
        handler_fail(call, ex, &f);
        return;
    }
    update_wait(&uc->wait, ex);
}

/* ---- with workflow tasks ------------------------------------------------------------------------------------- */

#define TYPE_URL "type.googleapis.com/"
#define PACKAGE  "temporal.api.update.v1."

void updates_ride(struct arena *arena, struct workflow_task_answer *a)
{
    const struct workflow_task_start *start = &a->start;
    if (!start->update_count) {
        return;
    }
    a->messages = NEW(arena, Protocol__Message *, start->update_count);
    a->message_count = start->update_count;
    for (size_t i = 0; i < start->update_count; i++) {
        const struct update_request *u = &start->updates[i];
        Protocol__Message *m = api_new(arena, &protocol__message__descriptor);
        m->id = str_printf(arena, STR_FMT "/request", STR_ARG(u->update_id)).ptr;
        m->protocol_instance_id = str_cstr(arena, u->update_id);
        m->sequencing_id_case = PROTOCOL__MESSAGE__SEQUENCING_ID_EVENT_ID;
        m->event_id = start->token.started_event_id - 1;
        m->body = api_new(arena, &api__any__descriptor);
        m->body->type_url = TYPE_URL PACKAGE "Request";
        m->body->value = api_data(str_dup(arena, u->request));
        a->messages[i] = m;
    }
}

static struct str request_bytes(struct arena *arena, const Update__Request *r)
{
    return r ? api_encode(arena, &r->base) : STR("");
}

static bool take_acceptance(struct arena *arena, struct str body, struct update_message *m)
{
    const Update__Acceptance *a = api_decode(&update__acceptance__descriptor, arena, body, NULL);
    if (a) {
        m->kind = UPDATE_MESSAGE_ACCEPTANCE;
        m->request_message_id = text(a->accepted_request_message_id);
        m->sequencing_event_id = a->accepted_request_sequencing_event_id;
        m->request = request_bytes(arena, a->accepted_request);
    }
    return a;
}

static bool take_rejection(struct arena *arena, struct str body, struct update_message *m)
{
    const Update__Rejection *r = api_decode(&update__rejection__descriptor, arena, body, NULL);
    if (r) {
        m->kind = UPDATE_MESSAGE_REJECTION;
        m->request = request_bytes(arena, r->rejected_request);
        m->failure = api_bytes(r->failure);
    }
    return r;
}

static bool take_response(struct arena *arena, struct str body, struct update_message *m)
{
    const Update__Response *r = api_decode(&update__response__descriptor, arena, body, NULL);
    if (r) {
        m->kind = UPDATE_MESSAGE_RESPONSE;
        m->meta = r->meta ? api_encode(arena, &r->meta->base) : STR("");
        m->meta_update_id = r->meta ? text(r->meta->update_id) : STR("");
        m->has_outcome = r->outcome != NULL;
        m->outcome = r->outcome ? api_encode(arena, &r->outcome->base) : STR("");
    }
    return r;
}

static void take_message(struct arena *arena, const Protocol__Message *in, struct update_message *m)
{
    static const struct {
        const char *name;
        bool (*take)(struct arena *arena, struct str body, struct update_message *m);
    } kinds[] = {
        { "Acceptance", take_acceptance },
        { "Rejection", take_rejection },
        { "Response", take_response },
    };
    struct str type = in->body ? text(in->body->type_url) : STR("");
    size_t slash = str_find(type, '/');
    type = slash < type.len ? str_drop(type, slash + 1) : type;
    *m = (struct update_message){ .id = text(in->id),
        .update_id = text(in->protocol_instance_id),
        .type = type,
        .size = in->body ? in->body->value.len : 0 };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_starts_with(type, STR(PACKAGE)) &&
                str_eq(str_drop(type, strlen(PACKAGE)), text(kinds[i].name)) &&
                !kinds[i].take(arena, api_bytes(in->body->value), m)) {
            m->kind = UPDATE_MESSAGE_MALFORMED;
        }
    }
}

void update_messages_take(struct arena *arena, const Api__RespondWorkflowTaskCompletedRequest *r,
        struct event_workflow_task_completed *c)
{
    struct update_message *list = NEW(arena, struct update_message, r->n_messages);
    for (size_t i = 0; i < r->n_messages; i++) {
        take_message(arena, r->messages[i], &list[i]);
    }
    c->messages = list;
    c->message_count = r->n_messages;
    c->discards_with_events =
            r->capabilities && r->capabilities->discard_speculative_workflow_task_with_events;
}
