/* Turns an input line of a scenario into an event for the engine. */
#include "common/model/wire.h"
#include "history/engine/child.h"
#include "tests/history/scenario.h"

static struct uuid fixed_uuid(uint8_t n)
{
    struct uuid id = { { 0x01, 0x90, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, n } };
    return id;
}

/* The message ResetPoints with one point of the run before, of that build, kept for an hour. */
static struct str points_of(struct arena *arena, struct str build)
{
    struct buf b;
    buf_init_arena(&b, arena, 4096);
    if (!build.len) {
        return (struct str){ 0 };
    }
    size_t point = wire_begin(&b, 1);
    wire_put_bytes(&b, 2, uuid_dup(arena, fixed_uuid(3)));
    wire_put_varint(&b, 3, 4);
    wire_put_timestamp(&b, 4, instant_add(scenario_epoch, DURATION_SECONDS(-9)));
    wire_put_timestamp(&b, 5, instant_add(scenario_epoch, DURATION_SECONDS(3600)));
    wire_put_varint(&b, 6, 1);
    wire_put_bytes(&b, 7, build);
    wire_end(&b, point);
    return buf_str(&b);
}

static void event_start(struct scenario *s, struct words *w, struct event *ev)
{
    struct arena *a = &s->h.arena;
    struct str type = words_get(w, "type"), queue = words_get(w, "queue"),
               rid = words_get(w, "request_id");
    ev->start = (struct event_start){ .namespace_id = fixed_uuid(1),
        .run_id = fixed_uuid(2),
        .namespace_name = STR("default"),
        .workflow_id = STR("wf"),
        .workflow_type = type.len ? type : STR("Type"),
        .task_queue = queue.len ? queue : STR("q"),
        .request_id = rid.len ? rid : STR("start-1"),
        .identity = STR("client"),
        .execution_timeout = words_duration(w, "execution_timeout"),
        .run_timeout = words_duration(w, "run_timeout"),
        .task_timeout = words_duration(w, "task_timeout"),
        .start_delay = words_duration(w, "start_delay"),
        .retry = words_retry(s, w),
        .input = payloads_of(a, words_get(w, "input")),
        .request_eager_execution = words_has(w, "eager"),
        .attempt = (int32_t)words_number(w, "attempt", 0),
        .memo = properties_of(a, words_get(w, "memo")),
        .priority = words_priority(s, w),
        .search_attributes = properties_of(a, words_get(w, "sa")),
        .last_completion_result = payloads_of(a, words_get(w, "last_result")),
        .cron_schedule = schedule_of(a, words_get(w, "cron")),
        .callback_count = (size_t)words_number(w, "callbacks", 0),
        .versioning_override = words_get(w, "override"),
        .first_task_backoff = words_duration(w, "first_task_backoff") };
    ev->start.callbacks = callbacks_of(a, (int64_t)ev->start.callback_count);
    ev->start.reset_points = points_of(a, words_get(w, "reset_points"));
    if (words_has(w, "follows")) { /* another run: the schedule counts from there */
        ev->start.continued_run_id = fixed_uuid(3);
    }
    ev->zone = s->zone = zone_of_schedule(s, ev->start.cron_schedule);
    if (words_has(w, "as_child")) {
        struct event_parent *parent = NEW(a, struct event_parent, 1);
        *parent = (struct event_parent){ .namespace_id = fixed_uuid(1),
            .run_id = fixed_uuid(9),
            .namespace_name = STR("default"),
            .workflow_id = STR("parent"),
            .initiated_event_id = 5,
            .root_workflow_id = STR("root"),
            .root_run_id = uuid_dup(a, fixed_uuid(8)) };
        ev->start.parent = parent;
        ev->start.waits_for_parent = !words_has(w, "in_chain");
    }
    struct event_signal *signal = NEW(a, struct event_signal, 1);
    signal->signal_name = words_get(w, "with_signal");
    signal->request_id = words_get(w, "signal_request_id");
    ev->start.signal = signal->signal_name.len ? signal : NULL;
    struct event_update *update = NEW(a, struct event_update, 1);
    update->update_id = words_get(w, "with_update");
    update->request = scenario_update(a, update->update_id);
    ev->start.update = update->update_id.len ? update : NULL;
}

/* The newest token, or token=NAME; later=2h forges its start. */
static struct workflow_task_token token_of(struct scenario *s, struct words *w)
{
    struct str name = words_get(w, "token");
    check(s->tokens.len);
    size_t i = s->tokens.len - 1;
    while (name.len && !str_eq(s->tokens.ptr[i].name, name)) {
        check(i--);
    }
    struct workflow_task_token token = s->tokens.ptr[i].token;
    token.started_time = instant_add(token.started_time, words_duration(w, "later"));
    return token;
}

static void event_claim_task(struct scenario *s, struct words *w, struct event *ev)
{
    const struct workflow *wf = s->h.wf;
    struct str poll = words_get(w, "poll"), queue = words_get(w, "queue"),
               worker = words_get(w, "worker");
    struct str normal = wf->task.is_sticky ? wf->sticky_queue : wf->start.task_queue.name;
    ev->claim = (struct event_claim){ .scheduled_event_id =
                                              words_number(w, "event", wf->task.scheduled_event_id),
        .attempt = (int32_t)words_number(w, "attempt", wf->task.attempt),
        .poll_id = poll.len ? poll : STR("poll"),
        .identity = worker.len ? worker : STR("worker"),
        .task_queue = queue.len ? queue : str_dup(&s->h.arena, normal) };
}

static const struct activity *find_activity(struct scenario *s, struct str id)
{
    struct map_node *n = map_get(&s->h.wf->activities_by_id, id);
    return n ? map_entry(n, struct activity, by_id) : NULL;
}

static void event_claim_activity(struct scenario *s, struct words *w, struct event *ev)
{
    const struct activity *a = find_activity(s, words_next(w));
    struct str poll = words_get(w, "poll"), worker = words_get(w, "worker");
    ev->claim = (struct event_claim){ .scheduled_event_id = words_number(
                                              w, "event", a ? a->scheduled_event_id : 0),
        .attempt = (int32_t)words_number(w, "attempt", a ? a->attempt : 1),
        .stamp = (int32_t)words_number(w, "stamp", a ? a->stamp : 0),
        .poll_id = poll.len ? poll : STR("poll"),
        .identity = worker.len ? worker : STR("worker") };
}

/* The newest token of that activity; "by_id": no token. */
static struct activity_ref ref_of(struct scenario *s, struct words *w)
{
    struct str name = words_next(w);
    if (words_has(w, "by_id")) {
        return (struct activity_ref){ .activity_id = name };
    }
    for (size_t i = s->activities.len; i-- > 0;) {
        if (str_eq(s->activities.ptr[i].name, name)) {
            struct activity_ref ref = s->activities.ptr[i].ref;
            ref.started_time = instant_add(ref.started_time, words_duration(w, "later"));
            return ref;
        }
    }
    check(false);
}

static void event_activity(struct scenario *s, struct words *w, struct event *ev)
{
    struct arena *a = &s->h.arena;
    struct activity_ref ref = ref_of(s, w);
    struct str text = words_next(w), worker = STR("worker");
    struct str large =
            ev->kind == EVENT_ACTIVITY_FAILED ? (struct str){ 0 } : words_large(a, w, "size");
    text = large.len ? large : text;
    switch (ev->kind) {
    case EVENT_ACTIVITY_COMPLETED:
        ev->activity_completed =
                (struct event_activity_completed){ ref, payloads_of(a, text), worker };
        return;
    case EVENT_ACTIVITY_FAILED:
        ev->activity_failed = (struct event_activity_failed){ ref, failure_of_text(a, w, text),
            payloads_of(a, words_get(w, "details")), worker };
        large = words_large(a, w, "details_size");
        if (large.len) {
            ev->activity_failed.last_heartbeat_details = large;
        }
        return;
    case EVENT_ACTIVITY_CANCELED:
        ev->activity_canceled =
                (struct event_activity_canceled){ ref, payloads_of(a, text), worker };
        return;
    default:
        ev->activity_heartbeat =
                (struct event_activity_heartbeat){ ref, payloads_of(a, text), worker };
        return;
    }
}

/* Messages WorkerVersionStamp and Deployment with a build id. */
static struct str build_of(struct arena *arena, struct str id)
{
    struct buf b;
    buf_init_arena(&b, arena, 4096);
    wire_opt_bytes(&b, 1, id);
    return buf_str(&b);
}

static struct str deployment_of(struct arena *arena, struct str id)
{
    struct buf b;
    buf_init_arena(&b, arena, 4096);
    wire_opt_bytes(&b, 2, id);
    return buf_str(&b);
}

static bool event_completed(
        struct scenario *s, struct words *w, struct str commands, struct event *ev)
{
    struct event_workflow_task_completed *c = &ev->workflow_task_completed;
    struct str sticky = words_get(w, "sticky"), poll = words_get(w, "poll");
    *c = (struct event_workflow_task_completed){ .token = token_of(s, w),
        .identity = STR("worker"),
        .return_new_workflow_task = words_has(w, "return_new"),
        .poll_id = poll.len ? poll : STR("inline"),
        .force_create_new_workflow_task = words_has(w, "force"),
        .discards_with_events = words_has(w, "discards_with_events"),
        .binary_checksum = words_get(w, "checksum"),
        .worker_version = build_of(&s->h.arena, words_get(w, "build")),
        .deployment = deployment_of(&s->h.arena, words_get(w, "deployment")) };
    c->sticky_task_queue = str_split(sticky, '/', &sticky);
    (void)duration_parse(sticky, &c->sticky_schedule_to_start);
    return scenario_commands(s, commands, c);
}

/* "settle 5", "settle first-task 5": the message about event 5. */
static void event_settled(struct scenario *s, struct words *w, struct event *ev)
{
    int64_t id = 0;
    enum message_topic topic = words_has(w, "first-task") ? MESSAGE_FIRST_TASK
                               : words_has(w, "policy")   ? MESSAGE_POLICY
                               : words_has(w, "closed")   ? MESSAGE_CLOSED
                                                          : MESSAGE_START;
    int64_t run = words_number(w, "run", 0);
    bool no_namespace = words_has(w, "no-namespace");
    check(str_to_i64(words_next(w), &id));
    ev->settled.message_id = message_id(topic, id);
    ev->settled.outcome = words_has(w, "not-found") || no_namespace ? ERR_NOT_FOUND
                          : words_has(w, "refused")                 ? ERR_INVALID_ARGUMENT
                          : words_has(w, "exists")                  ? ERR_ALREADY_EXISTS
                                                                    : ERR_NONE;
    ev->settled.body = no_namespace ? STR("namespace")
                       : run        ? uuid_dup(&s->h.arena, fixed_uuid((uint8_t)run))
                                    : STR("");
}

/* "child-closed 5 completed run=7": the chain that began with run 7 has ended so. */
static void event_child_closed(struct scenario *s, struct words *w, struct event *ev)
{
    struct buf b;
    int64_t id = 0, run = words_number(w, "run", 7), last = words_number(w, "last", run);
    struct history_event he = { .event_id = 9, .time = scenario_epoch };
    check(str_to_i64(words_next(w), &id));
    he.type = words_has(w, "failed")       ? HISTORY_WORKFLOW_EXECUTION_FAILED
              : words_has(w, "canceled")   ? HISTORY_WORKFLOW_EXECUTION_CANCELED
              : words_has(w, "timed-out")  ? HISTORY_WORKFLOW_EXECUTION_TIMED_OUT
              : words_has(w, "terminated") ? HISTORY_WORKFLOW_EXECUTION_TERMINATED
                                           : HISTORY_WORKFLOW_EXECUTION_COMPLETED;
    (void)words_has(w, "completed");
    if (he.type == HISTORY_WORKFLOW_EXECUTION_FAILED) {
        he.failure = failure_of_text(&s->h.arena, w, STR("broken"));
        he.retry_state = RETRY_STATE_RETRY_POLICY_NOT_SET;
    }
    he.result = he.details = payloads_of(&s->h.arena, words_get(w, "says"));
    buf_init_arena(&b, &s->h.arena, 1024 * 1024);
    history_event_write(&b, &he);
    struct str workflow_id = words_get(w, "id");
    ev->child_closed = (struct event_child_closed){ .initiated_event_id = id,
        .first_run_id = fixed_uuid((uint8_t)run),
        .run_id = fixed_uuid((uint8_t)last),
        .workflow_id = workflow_id.len ? workflow_id : STR("kid"),
        .workflow_type = STR("Child"),
        .close_event = buf_str(&b),
        .is_base_s = words_has(w, "of-base") };
}

void scenario_reset(struct words *w, struct event *ev)
{
    struct str request_id = words_get(w, "request_id");
    ev->reset = (struct event_reset){ .run_id = fixed_uuid((uint8_t)words_number(w, "run", 3)),
        .request_id = request_id.len ? request_id : STR("reset-1") };
}

static const struct {
    const char *word;
    enum event_kind kind;
} verbs[] = {
    { "start", EVENT_START },
    { "signal", EVENT_SIGNAL },
    { "request-cancel", EVENT_REQUEST_CANCEL },
    { "terminate", EVENT_TERMINATE },
    { "claim-task", EVENT_CLAIM_WORKFLOW_TASK },
    { "unclaim-task", EVENT_UNCLAIM_WORKFLOW_TASK },
    { "complete-task", EVENT_WORKFLOW_TASK_COMPLETED },
    { "fail-task", EVENT_WORKFLOW_TASK_FAILED },
    { "claim-activity", EVENT_CLAIM_ACTIVITY },
    { "unclaim-activity", EVENT_UNCLAIM_ACTIVITY },
    { "complete-activity", EVENT_ACTIVITY_COMPLETED },
    { "fail-activity", EVENT_ACTIVITY_FAILED },
    { "cancel-activity", EVENT_ACTIVITY_CANCELED },
    { "heartbeat", EVENT_ACTIVITY_HEARTBEAT },
    { "reset-sticky", EVENT_RESET_STICKY },
    { "time", EVENT_TIME },
    { "settle", EVENT_MESSAGE_SETTLED },
    { "first-task", EVENT_FIRST_TASK },
    { "child-closed", EVENT_CHILD_CLOSED },
    { "update", EVENT_UPDATE },
    { "attach", EVENT_ATTACH },
    { "options", EVENT_OPTIONS },
    { "delete", EVENT_DELETE },
};

/* A Request with what it wants to be remembered by. */
static struct str update_request_of(struct scenario *s, struct words *w, struct str update_id)
{
    struct arena *a = &s->h.arena;
    struct str id = words_get(w, "request_id");
    int64_t count = words_number(w, "callbacks", 0);
    const struct str *callbacks = callbacks_of(a, count);
    struct buf b;
    buf_init_arena(&b, a, 1024 * 1024);
    buf_append_str(&b, scenario_update(a, update_id));
    wire_opt_bytes(&b, 3, id);
    for (int64_t i = 0; i < count; i++) {
        wire_put_bytes(&b, 4, callbacks[i]);
    }
    return buf_str(&b);
}

/* "options override=X priority=N", "options override": none from now on. */
static void event_options(struct scenario *s, struct words *w, struct event *ev)
{
    struct str override = words_get(w, "override");
    int64_t priority = words_number(w, "priority", 0);
    struct buf b;
    buf_init_arena(&b, &s->h.arena, 64);
    wire_opt_varint(&b, 1, (uint64_t)priority);
    ev->options = (struct event_options){ .identity = STR("operator"),
        .sets_override = override.len || words_has(w, "override"),
        .sets_priority = priority || words_has(w, "priority"),
        .versioning_override = override,
        .priority = buf_str(&b) };
}

static void event_outside(struct scenario *s, struct words *w, struct event *ev)
{
    if (ev->kind == EVENT_SIGNAL) {
        ev->signal = (struct event_signal){ .signal_name = words_next(w),
            .identity = STR("client"),
            .request_id = words_get(w, "request_id"),
            .input = words_large(&s->h.arena, w, "input_size"),
            .wakes_delayed = words_has(w, "with_start") };
    } else if (ev->kind == EVENT_REQUEST_CANCEL) {
        ev->request_cancel =
                (struct event_request_cancel){ .cause = words_next(w), .identity = STR("client") };
    } else {
        ev->terminate =
                (struct event_terminate){ .reason = words_next(w), .identity = STR("client") };
    }
}

bool scenario_event(struct scenario *s, struct words *w, struct str rest, struct event *ev)
{
    struct str verb = words_next(w);
    size_t i = 0;
    while (i < ARRAY_LEN(verbs) && !str_eq(verb, str_from_cstr(verbs[i].word))) {
        i++;
    }
    if (i == ARRAY_LEN(verbs)) {
        s->problem = "unknown verb";
        return false;
    }
    ev->kind = verbs[i].kind;
    ev->zone = s->zone;
    switch (ev->kind) {
    case EVENT_START:
        event_start(s, w, ev);
        return true;
    case EVENT_SIGNAL:
    case EVENT_REQUEST_CANCEL:
    case EVENT_TERMINATE:
        event_outside(s, w, ev);
        return true;
    case EVENT_CLAIM_WORKFLOW_TASK:
    case EVENT_UNCLAIM_WORKFLOW_TASK:
        event_claim_task(s, w, ev);
        return true;
    case EVENT_CLAIM_ACTIVITY:
    case EVENT_UNCLAIM_ACTIVITY:
        event_claim_activity(s, w, ev);
        return true;
    case EVENT_WORKFLOW_TASK_COMPLETED:
        return event_completed(s, w, rest, ev);
    case EVENT_WORKFLOW_TASK_FAILED:
        ev->workflow_task_failed = (struct event_workflow_task_failed){ .token = token_of(s, w),
            .cause = (enum workflow_task_failed_cause)words_number(w, "cause", 14),
            .identity = STR("worker") };
        ev->workflow_task_failed.failure = failure_of_text(&s->h.arena, w, words_next(w));
        return true;
    case EVENT_MESSAGE_SETTLED:
        event_settled(s, w, ev);
        return true;
    case EVENT_UPDATE:
        ev->update.update_id = words_next(w);
        ev->update.request = update_request_of(s, w, ev->update.update_id);
        return true;
    case EVENT_OPTIONS:
        event_options(s, w, ev);
        return true;
    case EVENT_CHILD_CLOSED:
        event_child_closed(s, w, ev);
        return true;
    case EVENT_ATTACH:
        ev->attach = (struct event_attach){ .request_id = words_next(w),
            .callback_count = (size_t)words_number(w, "callbacks", 0) };
        ev->attach.callbacks = callbacks_of(&s->h.arena, (int64_t)ev->attach.callback_count);
        return true;
    case EVENT_FIRST_TASK:
    case EVENT_DELETE:
    case EVENT_RESET_STICKY:
    case EVENT_TIME:
        return true;
    default:
        event_activity(s, w, ev);
        return true;
    }
}
