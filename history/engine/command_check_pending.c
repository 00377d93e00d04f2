/* The rules of commands that leave something pending in the run: activities, timers, signals and cancel requests
 * to others. See command_check.c for the rest and for the order of things. */
#include "history/engine/command_check.h"
#include "history/engine/priority.h"

/* --- activities --------------------------------------------------------------------------------------- */

/* What is wrong with names and times; the events' attributes are not needed here. */
static bool refuse_attributes(struct check *c, const struct command_schedule_activity *in)
{
    const enum workflow_task_failed_cause bad = CAUSE_BAD_SCHEDULE_ACTIVITY_ATTRIBUTES;
    size_t max = c->st->limits->id_length;
    struct history_event he;
    const char *why = command_queue_problem(c, in->task_queue);
    if (why) {
        return command_refuse(c, bad, "%s", why);
    }
    if (str_empty(in->activity_id)) {
        return command_refuse(c, bad, "ActivityId is not set on ScheduleActivityTaskCommand.");
    }
    if (str_empty(in->activity_type)) {
        return command_refuse(c, bad, "ActivityType is not set on ScheduleActivityTaskCommand.");
    }
    if (in->activity_id.len > max) {
        return command_refuse(c, bad, "ActivityId exceeds length limit. Length=%zu Limit=%zu",
                in->activity_id.len, max);
    }
    if (in->activity_type.len > max) {
        return command_refuse(c, bad, "ActivityType exceeds length limit. Length=%zu Limit=%zu",
                in->activity_type.len, max);
    }
    why = priority_problem(in->priority);
    if (why) {
        return command_refuse(c, bad, "invalid priorities: %s", why);
    }
    if (!activity_defaults(c->st->wf, in, &he, &why)) {
        return command_refuse(c, bad, "%s ActivityId=" STR_FMT " ActivityType=" STR_FMT, why,
                STR_ARG(in->activity_id), STR_ARG(in->activity_type));
    }
    return true;
}

bool check_schedule_activity(struct check *c, const struct command *cmd)
{
    const struct workflow *wf = c->st->wf;
    const struct command_schedule_activity *in = &cmd->schedule_activity;
    if (!refuse_attributes(c, in)) {
        return false;
    }
    if (command_is_too_large(c, in->input)) {
        return command_refuse_size(c, CAUSE_BAD_SCHEDULE_ACTIVITY_ATTRIBUTES,
                "ScheduleActivityTaskCommandAttributes.Input exceeds size limit.");
    }
    if (c->over.activities_pending >= c->st->limits->pending_activities) {
        return command_refuse_count(c, CAUSE_PENDING_ACTIVITIES_LIMIT_EXCEEDED,
                "pending activities", c->over.activities_pending,
                c->st->limits->pending_activities);
    }
    int change = overlay_get(&c->over.activities, in->activity_id);
    if (change == 1 || (change < 0 && map_get(&wf->activities_by_id, in->activity_id))) {
        return command_refuse(c, CAUSE_SCHEDULE_ACTIVITY_DUPLICATE_ID, "ActivityID: " STR_FMT,
                STR_ARG(in->activity_id));
    }
    c->over.activities_pending++;
    overlay_set(c, &c->over.activities, in->activity_id, true);
    struct scheduled s = { c->over.next_event_id, in->activity_id };
    vec_push(c->st->fx->arena, &c->over.scheduled, s);
    return true;
}

static bool is_close_buffered(const struct workflow *wf, int64_t scheduled_event_id)
{
    list_each(&wf->buffered, n)
    {
        const struct buffered_event *b = list_entry(n, struct buffered_event, node);
        if (b->scheduled_event_id == scheduled_event_id &&
                b->type >= HISTORY_ACTIVITY_TASK_COMPLETED &&
                b->type <= HISTORY_ACTIVITY_TASK_CANCELED) {
            return true;
        }
    }
    return false;
}

bool check_cancel_activity(struct check *c, const struct command *cmd)
{
    const enum workflow_task_failed_cause bad = CAUSE_BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES;
    const struct workflow *wf = c->st->wf;
    int64_t id = cmd->request_cancel_activity.scheduled_event_id;
    struct str key = str_of(&id, sizeof(id));
    const struct activity *a = workflow_activity(wf, id);
    struct str activity_id = a ? a->activity_id : (struct str){ 0 };
    bool is_started = a && a->state == ACTIVITY_STARTED;
    if (id <= 0) {
        return command_refuse(
                c, bad, "ScheduledEventId is not set on RequestCancelActivityTaskCommand.");
    }
    for (size_t i = 0; i < c->over.scheduled.len; i++) {
        if (c->over.scheduled.ptr[i].event_id == id) {
            activity_id = c->over.scheduled.ptr[i].activity_id;
            is_started = false; /* also an eager one: they start after all commands */
        }
    }
    if (!activity_id.len && !is_close_buffered(wf, id)) {
        return command_refuse(
                c, bad, "no activity is pending with ScheduledEventID: %lld", (long long)id);
    }
    if ((a && a->cancel_requested_event_id) || overlay_get(&c->over.canceled, key) == 1) {
        return command_refuse(
                c, bad, "cancellation is already requested, ScheduledEventID: %lld", (long long)id);
    }
    overlay_set(c, &c->over.canceled, key, true);
    if (activity_id.len && !is_started) { /* ends at once: its id is free again */
        overlay_set(c, &c->over.activities, activity_id, false);
        c->over.activities_pending--;
    }
    return true;
}

/* --- timers ------------------------------------------------------------------------------------------- */

bool check_start_timer(struct check *c, const struct command *cmd)
{
    struct str id = cmd->start_timer.timer_id;
    size_t max = c->st->limits->id_length;
    const enum workflow_task_failed_cause bad = CAUSE_BAD_START_TIMER_ATTRIBUTES;
    if (str_empty(id)) {
        return command_refuse(c, bad, "TimerId is not set on StartTimerCommand.");
    }
    if (id.len > max) {
        return command_refuse(c, bad,
                "TimerId on StartTimerCommand exceeds length limit. Length=%zu Limit=%zu", id.len,
                max);
    }
    if (cmd->start_timer.start_to_fire.ns < 0) {
        return command_refuse(c, bad,
                "An invalid StartToFireTimeout is set on StartTimerCommand: negative duration. "
                "TimerId=" STR_FMT,
                STR_ARG(id));
    }
    int change = overlay_get(&c->over.timers, id);
    if (change == 1 || (change < 0 && workflow_timer(c->st->wf, id))) {
        return command_refuse(c, CAUSE_START_TIMER_DUPLICATE_ID, "TimerID: " STR_FMT, STR_ARG(id));
    }
    overlay_set(c, &c->over.timers, id, true);
    return true;
}

bool check_cancel_timer(struct check *c, const struct command *cmd)
{
    struct str id = cmd->cancel_timer.timer_id;
    size_t max = c->st->limits->id_length;
    const enum workflow_task_failed_cause bad = CAUSE_BAD_CANCEL_TIMER_ATTRIBUTES;
    if (str_empty(id)) {
        return command_refuse(c, bad, "TimerId is not set on CancelTimerCommand.");
    }
    if (id.len > max) {
        return command_refuse(c, bad,
                "TimerId on CancelTimerCommand exceeds length limit. Length=%zu Limit=%zu", id.len,
                max);
    }
    int change = overlay_get(&c->over.timers, id);
    bool is_pending = change == 1 || (change < 0 && workflow_timer(c->st->wf, id));
    bool has_fired = !is_pending && change < 0 && buffered_timer(c->st->wf, id, c->st->fx->arena);
    if (!is_pending && !has_fired) {
        return command_refuse(c, bad, "TimerID: " STR_FMT " is not pending", STR_ARG(id));
    }
    c->over.unbuffered += has_fired;
    overlay_set(c, &c->over.timers, id, false);
    return true;
}

/* --- signals and cancel requests to others ------------------------------------------------------------ */

static bool refuse_target(struct check *c, const struct command_external *in, bool is_signal,
        enum workflow_task_failed_cause bad)
{
    const char *name = is_signal ? "SignalExternalWorkflowExecutionCommand"
                                 : "RequestCancelExternalWorkflowExecutionCommand";
    size_t max = c->st->limits->id_length;
    struct uuid run_id;
    if (limits_is_foreign(c->st, in->namespace_name)) {
        return command_refuse(c, bad, "cross namespace commands are not allowed");
    }
    if (str_empty(in->workflow_id)) {
        return command_refuse(c, bad, "WorkflowId is not set on %s.", name);
    }
    if (in->workflow_id.len > max) {
        return command_refuse(c, bad, "WorkflowId on %s exceeds length limit. Length=%zu Limit=%zu",
                name, in->workflow_id.len, max);
    }
    if (in->run_id.len && !uuid_parse(in->run_id, &run_id)) {
        return command_refuse(c, bad, "Invalid RunId set on %s. WorkflowId=" STR_FMT, name,
                STR_ARG(in->workflow_id));
    }
    if (is_signal && str_empty(in->signal_name)) {
        return command_refuse(c, bad, "SignalName is not set on %s. WorkflowId=" STR_FMT, name,
                STR_ARG(in->workflow_id));
    }
    if (!is_signal && overlay_get(&c->over.children, in->workflow_id) == 1) {
        return command_refuse(c, bad,
                "Start and RequestCancel for child workflow is not allowed in same workflow task. "
                "WorkflowId=" STR_FMT,
                STR_ARG(in->workflow_id));
    }
    return true;
}

/* Only completions with such a command pay for the count. */
static void count_outbox(struct check *c)
{
    if (c->over.has_counted_outbox) {
        return;
    }
    c->over.has_counted_outbox = true;
    map_each(&c->st->wf->outbox, n)
    {
        const struct outbox_entry *e = map_entry(n, struct outbox_entry, by_id);
        if (e->initiated.type == HISTORY_SIGNAL_EXTERNAL_INITIATED) {
            c->over.signals_pending++;
        } else {
            c->over.cancels_pending++;
        }
    }
}

bool check_external(struct check *c, const struct command *cmd)
{
    const struct command_external *in = &cmd->external;
    const struct engine_limits *l = c->st->limits;
    bool is_signal = cmd->type == COMMAND_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION;
    enum workflow_task_failed_cause bad =
            is_signal ? CAUSE_BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES
                      : CAUSE_BAD_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_ATTRIBUTES;
    size_t *pending = is_signal ? &c->over.signals_pending : &c->over.cancels_pending;
    if (!refuse_target(c, in, is_signal, bad)) {
        return false;
    }
    count_outbox(c);
    if (is_signal && *pending >= l->pending_signals) {
        return command_refuse_count(c, CAUSE_PENDING_SIGNALS_LIMIT_EXCEEDED,
                "pending signals to external workflows", *pending, l->pending_signals);
    }
    if (!is_signal && *pending >= l->pending_cancels) {
        return command_refuse_count(c, CAUSE_PENDING_REQUEST_CANCEL_LIMIT_EXCEEDED,
                "pending requests to cancel external workflows", *pending, l->pending_cancels);
    }
    if (is_signal && command_is_too_large(c, in->input)) {
        return command_refuse_size(c, bad,
                "SignalExternalWorkflowExecutionCommandAttributes.Input exceeds size limit.");
    }
    (*pending)++;
    return true;
}
