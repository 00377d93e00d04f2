/* StartWorkflowExecution and SignalWithStartWorkflowExecution: the policies of a taken id, then a new run, in one
 * batch with the end of the one it replaces; or a signal to the run that is there. */
#include "common/model/wire.h"
#include "history/engine/retry.h"
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
    s->signal = origin->signal;
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

static enum err check_sizes(
        const struct event_start *s, const struct engine_limits *l, struct fail *f)
{
    if (s->input.len > l->blob_size_error || s->header.len > l->blob_size_error) {
        return fail(f, ERR_INVALID_ARGUMENT, "Blob data size exceeds limit.");
    }
    if (s->memo.len > l->memo_size_error) {
        return fail(f, ERR_INVALID_ARGUMENT, "Memo size exceeds limit.");
    }
    return ERR_NONE;
}

/* What the edge does not know about a start. */
static enum err check_request(
        const struct event_start *s, const struct engine_limits *l, struct fail *f)
{
    if (!s->workflow_type.len) {
        return fail(f, ERR_INVALID_ARGUMENT, "WorkflowType is not set on request.");
    }
    if (!s->task_queue.len) {
        return fail(f, ERR_INVALID_ARGUMENT, "TaskQueue is not set on request.");
    }
    if (s->execution_timeout.ns < 0) {
        return fail(f, ERR_INVALID_ARGUMENT, "WorkflowExecutionTimeout cannot be negative.");
    }
    if (s->run_timeout.ns < 0) {
        return fail(f, ERR_INVALID_ARGUMENT, "WorkflowRunTimeout cannot be negative.");
    }
    if (s->task_timeout.ns < 0) {
        return fail(f, ERR_INVALID_ARGUMENT, "WorkflowTaskTimeout cannot be negative.");
    }
    if (s->start_delay.ns < 0) {
        return fail(f, ERR_INVALID_ARGUMENT, "WorkflowStartDelay cannot be negative.");
    }
    if (s->cron_schedule.len && s->start_delay.ns) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "CronSchedule and WorkflowStartDelay may not be used together.");
    }
    if (s->cron_schedule.len) { /* better no run than one that never repeats */
        return fail(f, ERR_UNIMPLEMENTED, "cron schedules are not served yet");
    }
    const char *why = retry_policy_problem(&s->retry);
    if (why) {
        return fail(f, ERR_INVALID_ARGUMENT, "%s", why);
    }
    enum err err = !l->search_attributes
                           ? ERR_NONE
                           : search_attributes_check(s->search_attributes, l->search_attributes,
                                     &l->search_attribute_limits, f);
    return err ? err : check_sizes(s, l, f);
}

/* What is asked for; a plain start has no signal. */
struct start_ask {
    const Api__StartWorkflowExecutionRequest *start;
    const struct event_signal *signal;
    struct str request_id;
};

static void reply_signaled(struct call *call, const struct execution *ex, struct uuid run_id,
        struct uuid first_run_id, bool started)
{
    Api__SignalWithStartWorkflowExecutionResponse m =
            API__SIGNAL_WITH_START_WORKFLOW_EXECUTION_RESPONSE__INIT;
    m.run_id = uuid_text(&call->arena, run_id);
    m.first_execution_run_id = uuid_text(&call->arena, first_run_id);
    m.started = started;
    handler_reply(call, ex, &m.base);
}

static void reply(struct call *call, const struct start_ask *ask, const struct execution *ex,
        struct uuid run_id, struct uuid first_run_id, bool started, enum workflow_status status)
{
    if (ask->signal) {
        reply_signaled(call, ex, run_id, first_run_id, started);
        return;
    }
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
    execution_event(call->history, NULL, EVENT_START, &ev);
    ev.limits = history_limits(call->history, call->chain->namespace_id);
    if (!take_request(call, r, origin, &ev)) {
        return NULL;
    }
    if (check_request(&ev.start, ev.limits, &f)) {
        call_fail(call, old, &f);
        return NULL;
    }
    if (ev.limits->search_attributes) {
        ev.start.search_attributes = search_attributes_typed(
                ev.start.search_attributes, ev.limits->search_attributes, &call->arena);
    }
    struct uuid run_id = ev.start.run_id;
    committer_keep(&call->history->committer, true);
    enum err err = execution_start(call->chain, &ev, &call->arena, &fx, &ex, &f);
    if (!err && terminates) {
        terminate_old(call, old, run_id);
    }
    committer_keep(&call->history->committer, false);
    if (err) {
        handler_fail(call, old, &f);
        return NULL;
    }
    return ex;
}

static void start(
        struct call *call, const struct start_ask *ask, struct execution *old, bool terminates)
{
    struct start_origin origin = { .namespace_name = call->api.namespace_name,
        .request_id = ask->request_id,
        .signal = ask->signal };
    struct execution *ex = start_run(call, ask->start, &origin, old, terminates);
    if (ex) {
        reply(call, ask, ex, ex->run_id, ex->run_id, true, WORKFLOW_RUNNING);
    }
}

/* Policies that contradict each other. */
static enum err check_policies(const Api__StartWorkflowExecutionRequest *r, struct fail *f)
{
    int reuse = (int)r->workflow_id_reuse_policy, conflict = (int)r->workflow_id_conflict_policy;
    if (reuse < ID_REUSE_UNSPECIFIED || reuse > ID_REUSE_TERMINATE_IF_RUNNING) {
        return fail(f, ERR_INVALID_ARGUMENT, "Invalid WorkflowIDReusePolicy: %d", reuse);
    }
    if (conflict < ID_CONFLICT_UNSPECIFIED || conflict > ID_CONFLICT_TERMINATE_EXISTING) {
        return fail(f, ERR_INVALID_ARGUMENT, "Invalid WorkflowIDConflictPolicy: %d", conflict);
    }
    if (reuse == ID_REUSE_TERMINATE_IF_RUNNING && conflict != ID_CONFLICT_UNSPECIFIED) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING "
                "cannot be used together with a WorkflowIDConflictPolicy");
    }
    if (reuse == ID_REUSE_REJECT_DUPLICATE && conflict == ID_CONFLICT_TERMINATE_EXISTING) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "Invalid WorkflowIDReusePolicy: WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE cannot "
                "be used together with WorkflowIdConflictPolicy "
                "WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING");
    }
    return ERR_NONE;
}

/* The run that is there is the one that is meant. With a signal it gets that, once: a repeated
 * request finds its id among the run's signals. */
static void use_existing(struct call *call, const struct start_ask *ask, struct execution *ex,
        const struct start_existing *existing, bool started)
{
    bool is_over =
            started && existing->status != WORKFLOW_RUNNING; /* the repeated start is answered */
    struct event ev;
    struct effects fx;
    if (ask->signal && !is_over) {
        execution_event(call->history, ex, EVENT_SIGNAL, &ev);
        ev.signal = *ask->signal;
        ev.signal.wakes_delayed = true;
        if (!handler_step(call, ex, &ev, &fx)) {
            return;
        }
    }
    reply(call, ask, ex, existing->run_id, existing->first_run_id, started, existing->status);
}

static void start_by_policy(
        struct call *call, const Api__StartWorkflowExecutionRequest *r, struct event_signal *signal)
{
    struct execution *ex = NULL;
    struct start_existing existing = { 0 };
    struct fail f = { 0 };
    if (check_policies(r, &f)) {
        call_fail_now(call, &f);
        return;
    }
    if (chain_want(call->chain, call, (struct uuid){ { 0 } }, 0, &ex) == WANT_WAIT) {
        return;
    }
    struct start_ask ask = { r, signal, text(r->request_id) };
    if (!ask.request_id.len) {
        ask.request_id = uuid_dup(&call->arena, uuid_v4(lane_rand(call->history->lane)));
    }
    if (signal) {
        signal->request_id = ask.request_id;
    }
    if (ex) {
        existing = engine_view_existing(ex->wf);
    }
    switch (start_decide(ex ? &existing : NULL, ask.request_id,
            (enum id_reuse_policy)r->workflow_id_reuse_policy,
            (enum id_conflict_policy)r->workflow_id_conflict_policy)) {
    case START_NEW:
        start(call, &ask, ex, false);
        return;
    case START_TERMINATE_THEN_NEW:
        start(call, &ask, ex, true);
        return;
    case START_RETURN_EXISTING:
        use_existing(call, &ask, ex, &existing, true);
        return;
    case START_USE_EXISTING:
        use_existing(call, &ask, ex, &existing, false);
        return;
    case START_REFUSE:
        start_refuse(call, ex, &existing);
        return;
    }
}

void handle_start(struct call *call)
{
    Api__StartWorkflowExecutionRequest *r =
            HANDLER_DECODE(call, api__start_workflow_execution_request);
    if (r) {
        start_by_policy(call, r, NULL);
    }
}

/* ---- signal with start ------------------------------------------------------------------------- */

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
                "Invalid WorkflowIDConflictPolicy: a signal with start does not fail on an open "
                "workflow.");
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
