/* StartWorkflowExecution: the policies of a taken id, then a new run, in one batch with the end of the one it replaces;
 * or what is left with the run that is there. Signal-with-start comes here too, as a start with a signal. */
#include "common/api/codec.h"
#include "common/model/history_event.h"
#include "common/model/wire.h"
#include "history/engine_view.h"
#include "history/handlers.h"
#include "history/start_check.h"

/* Longer times are taken for this one: 100 years. */
#define SPAN_MAX DURATION_SECONDS(INT64_C(100) * 365 * 86400)

static enum err take_durations(struct arena *arena, const Api__StartWorkflowExecutionRequest *r,
        struct event_start *s, struct fail *f)
{
    const struct {
        const Api__Duration *from;
        const char *name;
        struct duration *to;
    } spans[] = {
        { r->workflow_execution_timeout, "workflow_execution_timeout", &s->execution_timeout },
        { r->workflow_run_timeout, "workflow_run_timeout", &s->run_timeout },
        { r->workflow_task_timeout, "workflow_task_timeout", &s->task_timeout },
        { r->workflow_start_delay, "workflow_start_delay", &s->start_delay },
    };
    for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
        if (api_span(spans[i].from, spans[i].name, spans[i].to, f)) {
            return f->err;
        }
        *spans[i].to = duration_min(*spans[i].to, SPAN_MAX);
    }
    return retry_policy_decode(arena, r->retry_policy, &s->retry, f) ? ERR_NONE : f->err;
}

static void take_callbacks(
        struct arena *arena, const Api__StartWorkflowExecutionRequest *r, struct event_start *s)
{
    size_t n = r->n_completion_callbacks;
    struct str *callbacks = n ? NEW(arena, struct str, n) : NULL;
    for (size_t i = 0; i < n; i++) {
        callbacks[i] = api_bytes(r->completion_callbacks[i]);
    }
    s->callbacks = callbacks;
    s->callback_count = n;
}

static enum err take_request(struct call *call, const Api__StartWorkflowExecutionRequest *r,
        const struct start_origin *origin, struct event *ev, struct fail *f)
{
    struct event_start *s = &ev->start;
    if (take_durations(&call->arena, r, s, f)) {
        return f->err;
    }
    s->namespace_id = call->chain->namespace_id;
    s->run_id = uuid_v7(ev->now, &ev->rand);
    s->namespace_name = origin->namespace_name;
    s->workflow_id = call->chain->workflow_id;
    s->workflow_type = r->workflow_type ? text(r->workflow_type->name) : STR("");
    s->task_queue = r->task_queue ? text(r->task_queue->name) : STR("");
    s->request_id = origin->request_id;
    s->signal = origin->signal;
    s->update = origin->update;
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
    s->versioning_override = api_bytes(r->versioning_override);
    s->links = links_encode(&call->arena, r->links, r->n_links);
    s->request_eager_execution = r->request_eager_execution && !ev->limits->no_eager_start;
    take_callbacks(&call->arena, r, s);
    s->continued_failure = api_bytes(r->continued_failure);
    s->last_completion_result = api_bytes(r->last_completion_result);
    return ERR_NONE;
}

static enum err take_and_check(struct call *call, const Api__StartWorkflowExecutionRequest *r,
        const struct start_origin *origin, struct event *ev, struct fail *f)
{
    if (take_request(call, r, origin, ev, f)) {
        return f->err;
    }
    ev->zone = zones_of_schedule(&call->history->zones, ev->start.cron_schedule);
    return start_check(r, ev, f);
}

bool start_take(struct call *call, const Api__StartWorkflowExecutionRequest *r,
        const struct start_origin *origin, struct event *ev)
{
    struct fail f = { 0 };
    execution_event(call->history, NULL, EVENT_START, ev);
    ev->limits = history_limits(call->history, call->chain->namespace_id);
    if (take_and_check(call, r, origin, ev, &f)) {
        if (origin->refuse) {
            origin->refuse(call, NULL, &f);
        } else {
            call_fail_now(call, &f);
        }
        return false;
    }
    if (ev->limits->search_attributes) {
        ev->start.search_attributes = search_attributes_typed(
                ev->start.search_attributes, ev->limits->search_attributes, &call->arena);
    }
    return true;
}

/* What is asked for; a plain start has no signal. */
struct start_ask {
    const Api__StartWorkflowExecutionRequest *start;
    const struct event_signal *signal;
    struct str request_id;
};

/* What a start tells of the run that it has found or made. */
struct start_answer {
    struct uuid run_id, first_run_id;
    bool started;
    enum workflow_status status;
    bool by_request_id; /* the link names the request instead of event 1 */
};

static void reply_signaled(struct call *call, const struct start_ask *ask,
        const struct execution *ex, const struct start_answer *a)
{
    Api__SignalWithStartWorkflowExecutionResponse m =
            API__SIGNAL_WITH_START_WORKFLOW_EXECUTION_RESPONSE__INIT;
    m.run_id = uuid_text(&call->arena, a->run_id);
    m.first_execution_run_id = uuid_text(&call->arena, a->first_run_id);
    m.started = a->started;
    m.signal_link =
            link_to_request(call, a->run_id, ask->request_id, HISTORY_WORKFLOW_EXECUTION_SIGNALED);
    handler_reply(call, ex, &m.base);
}

/* With the first workflow task when the start has brought one: its history is short, and in memory. */
static void reply(struct call *call, const struct start_ask *ask, struct execution *ex,
        const struct start_answer *a, const struct effects *fx)
{
    struct arena *arena = &call->arena;
    struct workflow_task_answer task = { 0 };
    if (ask->signal) {
        reply_signaled(call, ask, ex, a);
        return;
    }
    Api__StartWorkflowExecutionResponse m = API__START_WORKFLOW_EXECUTION_RESPONSE__INIT;
    m.run_id = uuid_text(arena, a->run_id);
    m.first_execution_run_id = uuid_text(arena, a->first_run_id);
    m.started = a->started;
    m.status = (Api__WorkflowExecutionStatus)a->status;
    m.link = a->by_request_id ? link_to_request(call, a->run_id, ask->request_id,
                                        HISTORY_WORKFLOW_EXECUTION_OPTIONS_UPDATED)
                              : link_to_start(call, a->run_id);
    if (fx && fx->has_workflow_task) {
        workflow_task_answer_take(&task, arena, ex, &fx->workflow_task);
        m.eager_workflow_task = task.has_events ? workflow_task_answer_encode(&task, arena) : NULL;
    }
    handler_reply(call, ex, &m.base);
}

void start_refusal(struct call *call, const struct start_existing *existing,
        enum id_reuse_policy reuse, struct fail *f)
{
    struct arena *arena = &call->arena;
    bool is_open = existing->status == WORKFLOW_RUNNING;
    bool failed_only = reuse == ID_REUSE_ALLOW_DUPLICATE_FAILED_ONLY;
    struct str why = str_printf(arena,
            "Workflow execution %s. WorkflowId: " STR_FMT ", RunId: %s.%s",
            is_open       ? "is already running"
            : failed_only ? "already finished successfully"
                          : "already finished",
            STR_ARG(call->chain->workflow_id), uuid_text(arena, existing->run_id),
            is_open ? ""
            : failed_only
                    ? " Workflow Id reuse policy: allow duplicate workflow Id if last run failed."
                    : " Workflow Id reuse policy: reject duplicate workflow Id.");
    (void)fail_workflow_already_started(f, arena, why, existing->start_request_id,
            uuid_dup(arena, existing->run_id), uuid_dup(arena, existing->first_run_id));
}

void start_look_at_age(struct start_existing *existing, const struct event *ev)
{
    int64_t age = instant_since(ev->now, existing->start_time).ns;
    existing->is_too_young = ev->limits->restart_min.ns && age <= ev->limits->restart_min.ns;
}

void start_refusal_too_soon(struct call *call, const struct start_existing *existing,
        const struct event *ev, struct fail *f)
{
    struct str text = str_printf(&call->arena,
            "Too many restarts for workflow " STR_FMT ". Time since last start: %lld ms",
            STR_ARG(call->chain->workflow_id),
            (long long)duration_ms(instant_since(ev->now, existing->start_time)));
    (void)fail_resource_exhausted(f, &call->arena,
            API__RESOURCE_EXHAUSTED_CAUSE__RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW,
            API__RESOURCE_EXHAUSTED_SCOPE__RESOURCE_EXHAUSTED_SCOPE_NAMESPACE, text);
}

void start_refuse(struct call *call, const struct execution *ex,
        const struct start_existing *existing, enum id_reuse_policy reuse)
{
    struct fail f = { 0 };
    start_refusal(call, existing, reuse, &f);
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

struct execution *start_run(struct call *call, struct event *ev, struct execution *old,
        bool terminates, struct effects *fx)
{
    struct fail f = { 0 };
    struct execution *ex;
    struct uuid run_id = ev->start.run_id;
    committer_keep(&call->history->committer, true);
    enum err err = execution_start(call->chain, ev, &call->arena, fx, &ex, &f);
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

static void start(struct call *call, const struct start_ask *ask, struct event *ev,
        struct execution *old, bool terminates)
{
    struct effects fx;
    struct execution *ex = start_run(call, ev, old, terminates, &fx);
    if (ex) {
        struct start_answer a = { ex->run_id, ex->run_id, true, WORKFLOW_RUNNING, false };
        reply(call, ask, ex, &a, &fx);
    }
}

/* The same start again. Its eager task is handed out again while it is the first try; that of a crash is offered. */
static void return_existing(struct call *call, const struct start_ask *ask, struct execution *ex,
        const struct start_answer *a)
{
    struct event ev;
    struct effects fx;
    struct fail f = { 0 };
    bool again =
            ask->start->request_eager_execution && engine_view_is_eager(ex->wf, ask->request_id);
    if (again) {
        execution_event(call->history, ex, EVENT_CLAIM_WORKFLOW_TASK, &ev);
        ev.claim = (struct event_claim){
            .scheduled_event_id = 2, .attempt = 1, .poll_id = ask->request_id
        };
        again = !execution_step(ex, &ev, &call->arena, &fx, &f);
    }
    reply(call, ask, ex, a, again ? &fx : NULL);
}

/* What the request leaves with the run that it has found: see OnConflictOptions. */
static bool attach(struct call *call, const struct start_ask *ask, const struct event *start,
        struct execution *ex)
{
    const Api__OnConflictOptions *o = ask->start->on_conflict_options;
    struct event ev;
    struct effects fx;
    if (!o) {
        return true;
    }
    execution_event(call->history, ex, EVENT_ATTACH, &ev);
    ev.attach = (struct event_attach){
        .request_id = o->attach_request_id ? ask->request_id : STR(""),
        .links = o->attach_links ? start->start.links : STR(""),
        .callbacks = start->start.callbacks,
        .callback_count = o->attach_completion_callbacks ? start->start.callback_count : 0,
    };
    return handler_step(call, ex, &ev, &fx);
}

static bool signal_existing(struct call *call, const struct start_ask *ask, struct execution *ex)
{
    struct event ev;
    struct effects fx;
    execution_event(call->history, ex, EVENT_SIGNAL, &ev);
    ev.signal = *ask->signal;
    ev.signal.wakes_delayed = true;
    return handler_step(call, ex, &ev, &fx);
}

/* The run that is there is the one that is meant. With a signal it gets that, once: a repeated
 * request finds its id among the run's signals. */
static void use_existing(struct call *call, const struct start_ask *ask, const struct event *start,
        struct execution *ex, enum start_decision decision)
{
    struct start_existing existing = engine_view_existing(ex->wf);
    struct start_answer a = { existing.run_id, existing.first_run_id, false, existing.status,
        false };
    a.started = decision == START_RETURN_EXISTING;
    bool is_over = decision != START_USE_EXISTING &&
                   existing.status != WORKFLOW_RUNNING; /* the repeated start is answered */
    if (ask->signal && !is_over && !signal_existing(call, ask, ex)) {
        return;
    }
    if (decision == START_USE_EXISTING && !attach(call, ask, start, ex)) {
        return;
    }
    a.by_request_id = engine_view_is_attached(ex->wf, ask->request_id);
    if (a.started) {
        return_existing(call, ask, ex, &a);
    } else {
        reply(call, ask, ex, &a, NULL);
    }
}

void start_by_policy(
        struct call *call, const Api__StartWorkflowExecutionRequest *r, struct event_signal *signal)
{
    struct execution *ex = NULL;
    struct start_existing existing = { 0 };
    struct event ev;
    struct fail f = { 0 };
    struct start_ask ask = { r, signal, text(r->request_id) };
    if (!ask.request_id.len) {
        ask.request_id = uuid_dup(&call->arena, uuid_v4(lane_rand(call->history->lane)));
    }
    if (signal) {
        signal->request_id = ask.request_id;
    }
    struct start_origin origin = {
        .namespace_name = call->api.namespace_name, .request_id = ask.request_id, .signal = signal
    };
    if (!start_take(call, r, &origin, &ev) ||
            chain_want(call->chain, call, (struct uuid){ { 0 } }, 0, &ex) == WANT_WAIT) {
        return;
    }
    if (ex) {
        existing = engine_view_existing(ex->wf);
        existing.is_attached = engine_view_is_attached(ex->wf, ask.request_id);
        start_look_at_age(&existing, &ev);
    }
    enum id_reuse_policy reuse = (enum id_reuse_policy)r->workflow_id_reuse_policy;
    enum start_decision decision = start_decide(ex ? &existing : NULL, ask.request_id, reuse,
            (enum id_conflict_policy)r->workflow_id_conflict_policy);
    switch (decision) {
    case START_NEW:
    case START_TERMINATE_THEN_NEW:
        start(call, &ask, &ev, ex, decision == START_TERMINATE_THEN_NEW);
        return;
    case START_RETURN_EXISTING:
    case START_RETURN_ATTACHED:
    case START_USE_EXISTING:
        use_existing(call, &ask, &ev, ex, decision);
        return;
    case START_REFUSE:
        start_refuse(call, ex, &existing, reuse);
        return;
    case START_REFUSE_TOO_SOON:
        start_refusal_too_soon(call, &existing, &ev, &f);
        call_fail(call, ex, &f);
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
