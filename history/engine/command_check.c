/* Checks all commands of a completion before any is applied, against the state as the commands before it will
 * have left it. So a refused command has no trace to undo. Applies nothing; see command_apply.c. */
#include "history/engine/retry.h"
#include "history/engine/step.h"

/* What the commands checked so far will have changed. */
struct overlay {
    struct map timers, activities; /* id -> struct change */
    struct map canceled;           /* scheduled event id -> struct change */
    struct map children;           /* workflow id -> struct change: asked for by this completion */
    VEC(struct scheduled {
        int64_t event_id;
        struct str activity_id;
        bool is_eager;
    })
    scheduled;
    int64_t next_event_id;
    size_t activities_pending, signals_pending, cancels_pending, children_pending;
};

struct change {
    struct map_node node;
    bool is_present;
};

struct check {
    struct step *st;
    struct overlay over;
    struct command_refusal *refusal;
};

static bool refuse(struct check *c, enum workflow_task_failed_cause cause, const char *text)
{
    c->refusal->cause = cause;
    c->refusal->text = str_from_cstr(text);
    return false;
}

static bool refuse_size(struct check *c, enum workflow_task_failed_cause cause, const char *text)
{
    c->refusal->terminate = true;
    return refuse(c, cause, text);
}

static void set_change(struct check *c, struct map *map, struct str key, bool is_present)
{
    struct map_node *n = map_get(map, key);
    struct change *change =
            n ? map_entry(n, struct change, node) : NEW(c->st->fx->arena, struct change, 1);
    change->is_present = is_present;
    if (!n) {
        map_put(map, &change->node, str_dup(c->st->fx->arena, key));
    }
}

/* -1: the overlay says nothing. */
static int get_change(const struct map *map, struct str key)
{
    struct map_node *n = map_get(map, key);
    return n ? map_entry(n, struct change, node)->is_present : -1;
}

static bool is_too_large(const struct check *c, struct str payload)
{
    return payload.len > c->st->limits->blob_size_error;
}

/* As at a start. */
static bool check_attributes(struct check *c, struct str attributes)
{
    const char *why = limits_attributes_problem(c->st, attributes);
    return !why || refuse(c, CAUSE_BAD_SEARCH_ATTRIBUTES, why);
}

/* --- one function per command ------------------------------------------------------------------------ */

static bool check_schedule_activity(struct check *c, const struct command *cmd)
{
    const struct workflow *wf = c->st->wf;
    const struct command_schedule_activity *in = &cmd->schedule_activity;
    const enum workflow_task_failed_cause bad = CAUSE_BAD_SCHEDULE_ACTIVITY_ATTRIBUTES;
    size_t max = c->st->limits->id_length;
    struct history_event he;
    const char *why;
    if (str_empty(in->activity_id)) {
        return refuse(c, bad, "ActivityId is not set on ScheduleActivityTaskCommand.");
    }
    if (str_empty(in->activity_type)) {
        return refuse(c, bad, "ActivityType is not set on ScheduleActivityTaskCommand.");
    }
    if (in->activity_id.len > max || in->activity_type.len > max || in->task_queue.len > max) {
        return refuse(c, bad, "ActivityId, ActivityType or TaskQueue exceeds length limit.");
    }
    if (!activity_defaults(wf, in, &he, &why)) {
        return refuse(c, bad, why);
    }
    if (is_too_large(c, in->input)) {
        return refuse_size(
                c, bad, "ScheduleActivityTaskCommandAttributes.Input exceeds size limit.");
    }
    int change = get_change(&c->over.activities, in->activity_id);
    if (change == 1 || (change < 0 && map_get(&wf->activities_by_id, in->activity_id))) {
        return refuse(c, CAUSE_SCHEDULE_ACTIVITY_DUPLICATE_ID, "");
    }
    if (c->over.activities_pending >= c->st->limits->pending_activities) {
        return refuse(c, CAUSE_PENDING_ACTIVITIES_LIMIT_EXCEEDED,
                "the number of pending activities has reached the per-workflow limit");
    }
    c->over.activities_pending++;
    set_change(c, &c->over.activities, in->activity_id, true);
    struct scheduled s = { c->over.next_event_id, in->activity_id, activity_is_eager(wf, in) };
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

static bool check_cancel_activity(struct check *c, const struct command *cmd)
{
    const struct workflow *wf = c->st->wf;
    int64_t id = cmd->request_cancel_activity.scheduled_event_id;
    struct str key = str_of(&id, sizeof(id));
    const struct activity *a = workflow_activity(wf, id);
    struct str activity_id = a ? a->activity_id : (struct str){ 0 };
    bool is_started = a && a->state == ACTIVITY_STARTED;
    for (size_t i = 0; i < c->over.scheduled.len; i++) {
        if (c->over.scheduled.ptr[i].event_id == id) {
            activity_id = c->over.scheduled.ptr[i].activity_id;
            is_started = c->over.scheduled.ptr[i].is_eager;
        }
    }
    if (!activity_id.len && !is_close_buffered(wf, id)) {
        return refuse(c, CAUSE_BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES,
                "ScheduledEventId is not that of a pending activity.");
    }
    if ((a && a->cancel_requested_event_id) || get_change(&c->over.canceled, key) == 1) {
        return refuse(c, CAUSE_BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES,
                "Cancellation of the activity is already requested.");
    }
    set_change(c, &c->over.canceled, key, true);
    if (activity_id.len && !is_started) { /* ends at once: its id is free again */
        set_change(c, &c->over.activities, activity_id, false);
        c->over.activities_pending--;
    }
    return true;
}

static bool check_start_timer(struct check *c, const struct command *cmd)
{
    struct str id = cmd->start_timer.timer_id;
    const enum workflow_task_failed_cause bad = CAUSE_BAD_START_TIMER_ATTRIBUTES;
    if (str_empty(id)) {
        return refuse(c, bad, "TimerId is not set on StartTimerCommand.");
    }
    if (id.len > c->st->limits->id_length) {
        return refuse(c, bad, "TimerId on StartTimerCommand exceeds length limit.");
    }
    if (cmd->start_timer.start_to_fire.ns < 0) {
        return refuse(c, bad, "An invalid StartToFireTimeout is set on StartTimerCommand.");
    }
    int change = get_change(&c->over.timers, id);
    if (change == 1 || (change < 0 && workflow_timer(c->st->wf, id))) {
        return refuse(c, CAUSE_START_TIMER_DUPLICATE_ID, "");
    }
    set_change(c, &c->over.timers, id, true);
    return true;
}

static bool check_cancel_timer(struct check *c, const struct command *cmd)
{
    struct str id = cmd->cancel_timer.timer_id;
    const enum workflow_task_failed_cause bad = CAUSE_BAD_CANCEL_TIMER_ATTRIBUTES;
    if (str_empty(id)) {
        return refuse(c, bad, "TimerId is not set on CancelTimerCommand.");
    }
    int change = get_change(&c->over.timers, id);
    bool exists =
            change == 1 || (change < 0 && (workflow_timer(c->st->wf, id) ||
                                                  buffered_timer(c->st->wf, id, c->st->fx->arena)));
    if (!exists) {
        return refuse(c, bad, "TimerId is not found.");
    }
    set_change(c, &c->over.timers, id, false);
    return true;
}

static bool check_continue_as_new(struct check *c, const struct command *cmd)
{
    const struct command_continue_as_new *in = &cmd->continue_as_new;
    const enum workflow_task_failed_cause bad = CAUSE_BAD_CONTINUE_AS_NEW_ATTRIBUTES;
    const char *why = retry_policy_problem(&in->retry);
    if (why) {
        return refuse(c, bad, why);
    }
    if (in->workflow_type.len > c->st->limits->id_length ||
            in->task_queue.len > c->st->limits->id_length) {
        return refuse(c, bad,
                "WorkflowType or TaskQueue on ContinueAsNewWorkflowExecutionCommand exceeds length "
                "limit.");
    }
    if (in->run_timeout.ns < 0 || in->task_timeout.ns < 0 || in->backoff_start_interval.ns < 0) {
        return refuse(
                c, bad, "Timeouts on ContinueAsNewWorkflowExecutionCommand cannot be negative.");
    }
    if (is_too_large(c, in->input)) {
        return refuse_size(c, bad,
                "ContinueAsNewWorkflowExecutionCommandAttributes.Input exceeds size limit.");
    }
    if (in->memo.len > c->st->limits->memo_size_error) {
        return refuse_size(
                c, bad, "ContinueAsNewWorkflowExecutionCommandAttributes.Memo exceeds size limit.");
    }
    return check_attributes(c, in->search_attributes);
}

static bool check_external(struct check *c, const struct command *cmd)
{
    const struct command_external *in = &cmd->external;
    bool is_signal = cmd->type == COMMAND_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION;
    enum workflow_task_failed_cause bad =
            is_signal ? CAUSE_BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES
                      : CAUSE_BAD_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_ATTRIBUTES;
    size_t *pending = is_signal ? &c->over.signals_pending : &c->over.cancels_pending;
    struct uuid run_id;
    if (str_empty(in->workflow_id) || in->workflow_id.len > c->st->limits->id_length) {
        return refuse(c, bad, "WorkflowId is not set or exceeds length limit.");
    }
    if (in->run_id.len && !uuid_parse(in->run_id, &run_id)) {
        return refuse(c, bad, "Invalid RunId set on command.");
    }
    if (is_signal && str_empty(in->signal_name)) {
        return refuse(c, bad, "SignalName is not set on SignalExternalWorkflowExecutionCommand.");
    }
    if (limits_is_foreign(c->st, in->namespace_name)) {
        return refuse(c, bad, "cross namespace commands are not allowed");
    }
    if (is_signal && is_too_large(c, in->input)) {
        return refuse_size(c, bad,
                "SignalExternalWorkflowExecutionCommandAttributes.Input exceeds size limit.");
    }
    if (!is_signal && str_empty(in->run_id) &&
            get_change(&c->over.children, in->workflow_id) == 1) {
        return refuse(c, bad,
                "Start and RequestCancel for child workflow is not allowed in same workflow task.");
    }
    if (*pending >= (is_signal ? c->st->limits->pending_signals : c->st->limits->pending_cancels)) {
        return refuse(c,
                is_signal ? CAUSE_PENDING_SIGNALS_LIMIT_EXCEEDED
                          : CAUSE_PENDING_REQUEST_CANCEL_LIMIT_EXCEEDED,
                "too many are pending");
    }
    (*pending)++;
    return true;
}

/* What is wrong with the ids, names and times of a child; NULL: nothing. */
static const char *child_problem(const struct check *c, const struct command_start_child *in)
{
    size_t max = c->st->limits->id_length;
    if (str_empty(in->workflow_id)) {
        return "Required field WorkflowId is not set on StartChildWorkflowExecutionCommand.";
    }
    if (str_empty(in->workflow_type)) {
        return "Required field WorkflowType is not set on StartChildWorkflowExecutionCommand.";
    }
    if (in->workflow_id.len > max || in->workflow_type.len > max || in->task_queue.len > max ||
            in->cron_schedule.len > max) {
        return "WorkflowId, WorkflowType or TaskQueue on StartChildWorkflowExecutionCommand "
               "exceeds length limit.";
    }
    if (in->execution_timeout.ns < 0 || in->run_timeout.ns < 0 || in->task_timeout.ns < 0) {
        return "Timeouts on StartChildWorkflowExecutionCommand cannot be negative.";
    }
    if (limits_is_foreign(c->st, in->namespace_name)) {
        return "cross namespace commands are not allowed";
    }
    if (in->cron_schedule.len) { /* better no child than one that never repeats */
        return "cron schedules are not served yet";
    }
    return retry_policy_problem(&in->retry);
}

static bool check_child(struct check *c, const struct command *cmd)
{
    const struct command_start_child *in = &cmd->start_child;
    const enum workflow_task_failed_cause bad = CAUSE_BAD_START_CHILD_EXECUTION_ATTRIBUTES;
    const char *why = child_problem(c, in);
    if (why) {
        return refuse(c, bad, why);
    }
    if (is_too_large(c, in->input)) {
        return refuse_size(
                c, bad, "StartChildWorkflowExecutionCommandAttributes.Input exceeds size limit.");
    }
    if (in->memo.len > c->st->limits->memo_size_error) {
        return refuse_size(
                c, bad, "StartChildWorkflowExecutionCommandAttributes.Memo exceeds size limit.");
    }
    if (c->over.children_pending >= c->st->limits->pending_children) {
        return refuse(c, CAUSE_PENDING_CHILD_WORKFLOWS_LIMIT_EXCEEDED,
                "the number of pending child workflow executions has reached the per-workflow "
                "limit");
    }
    if (!check_attributes(c, in->search_attributes)) {
        return false;
    }
    c->over.children_pending++;
    set_change(c, &c->over.children, in->workflow_id, true);
    return true;
}

static bool check_closing(struct check *c, const struct command *cmd)
{
    if (cmd->type == COMMAND_FAIL_WORKFLOW_EXECUTION && str_empty(cmd->fail.failure)) {
        return refuse(c, CAUSE_BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES,
                "Failure is not set on FailWorkflowExecutionCommand.");
    }
    if (cmd->type == COMMAND_COMPLETE_WORKFLOW_EXECUTION && is_too_large(c, cmd->complete.result)) {
        return refuse_size(c, CAUSE_BAD_COMPLETE_WORKFLOW_EXECUTION_ATTRIBUTES,
                "CompleteWorkflowExecutionCommandAttributes.Result exceeds size limit.");
    }
    if (cmd->type == COMMAND_FAIL_WORKFLOW_EXECUTION && is_too_large(c, cmd->fail.failure)) {
        return refuse_size(c, CAUSE_BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES,
                "FailWorkflowExecutionCommandAttributes.Failure exceeds size limit.");
    }
    if (cmd->type == COMMAND_CONTINUE_AS_NEW_WORKFLOW_EXECUTION && !check_continue_as_new(c, cmd)) {
        return false;
    }
    if (c->st->wf->buffered_count) { /* the workflow has not seen everything that it would end */
        return refuse(c, CAUSE_UNHANDLED_COMMAND, "");
    }
    return true;
}

static bool check_marker(struct check *c, const struct command *cmd)
{
    size_t total = cmd->marker.failure.len;
    if (str_empty(cmd->marker.marker_name)) {
        return refuse(c, CAUSE_BAD_RECORD_MARKER_ATTRIBUTES,
                "MarkerName is not set on RecordMarkerCommand.");
    }
    if (cmd->marker.marker_name.len > c->st->limits->id_length) {
        return refuse(c, CAUSE_BAD_RECORD_MARKER_ATTRIBUTES,
                "MarkerName on RecordMarkerCommand exceeds length limit.");
    }
    for (size_t i = 0; i < cmd->marker.detail_count; i++) {
        total += cmd->marker.details[i].payloads.len;
    }
    if (total > c->st->limits->blob_size_error) {
        return refuse_size(c, CAUSE_BAD_RECORD_MARKER_ATTRIBUTES,
                "RecordMarkerCommandAttributes.Details exceeds size limit.");
    }
    return true;
}

/* --- the table --------------------------------------------------------------------------------------- */

struct command_rule {
    const char *name;
    bool (*rule)(struct check *c, const struct command *cmd); /* NULL: not served yet */
    enum workflow_task_failed_cause bad; /* attributes missing, or not served */
    bool closes;
};

static bool check_upsert(struct check *c, const struct command *cmd)
{
    if (str_empty(cmd->upsert.search_attributes)) {
        return refuse(c, CAUSE_BAD_SEARCH_ATTRIBUTES,
                "SearchAttributes is not set on UpsertWorkflowSearchAttributesCommand.");
    }
    return check_attributes(c, cmd->upsert.search_attributes);
}

static bool check_modify(struct check *c, const struct command *cmd)
{
    if (str_empty(cmd->modify_properties.upserted_memo)) {
        return refuse(c, CAUSE_BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES,
                "UpsertedMemo is not set on ModifyWorkflowPropertiesCommand.");
    }
    if (cmd->modify_properties.upserted_memo.len > c->st->limits->memo_size_error) {
        return refuse_size(c, CAUSE_BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES,
                "ModifyWorkflowPropertiesCommandAttributes.UpsertedMemo exceeds size limit.");
    }
    return true;
}

static const struct command_rule rules[] = {
    [1] = { "ScheduleActivityTask", check_schedule_activity, CAUSE_BAD_SCHEDULE_ACTIVITY_ATTRIBUTES,
            false },
    [2] = { "RequestCancelActivityTask", check_cancel_activity,
            CAUSE_BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES, false },
    [3] = { "StartTimer", check_start_timer, CAUSE_BAD_START_TIMER_ATTRIBUTES, false },
    [4] = { "CompleteWorkflowExecution", check_closing,
            CAUSE_BAD_COMPLETE_WORKFLOW_EXECUTION_ATTRIBUTES, true },
    [5] = { "FailWorkflowExecution", check_closing, CAUSE_BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES,
            true },
    [6] = { "CancelTimer", check_cancel_timer, CAUSE_BAD_CANCEL_TIMER_ATTRIBUTES, false },
    [7] = { "CancelWorkflowExecution", check_closing,
            CAUSE_BAD_CANCEL_WORKFLOW_EXECUTION_ATTRIBUTES, true },
    [8] = { "RequestCancelExternalWorkflowExecution", check_external,
            CAUSE_BAD_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_ATTRIBUTES, false },
    [9] = { "RecordMarker", check_marker, CAUSE_BAD_RECORD_MARKER_ATTRIBUTES, false },
    [10] = { "ContinueAsNewWorkflowExecution", check_closing, CAUSE_BAD_CONTINUE_AS_NEW_ATTRIBUTES,
            true },
    [11] = { "StartChildWorkflowExecution", check_child, CAUSE_BAD_START_CHILD_EXECUTION_ATTRIBUTES,
            false },
    [12] = { "SignalExternalWorkflowExecution", check_external,
            CAUSE_BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES, false },
    [13] = { "UpsertWorkflowSearchAttributes", check_upsert, CAUSE_BAD_SEARCH_ATTRIBUTES, false },
    [14] = { "ProtocolMessage", NULL, CAUSE_BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE, false },
    [16] = { "ModifyWorkflowProperties", check_modify,
            CAUSE_BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES, false },
    [17] = { "ScheduleNexusOperation", NULL, CAUSE_FEATURE_DISABLED, false },
    [18] = { "RequestCancelNexusOperation", NULL, CAUSE_FEATURE_DISABLED, false },
};

static const struct command_rule *rule_of(enum command_type type)
{
    return (unsigned)type < ARRAY_LEN(rules) && rules[type].name ? &rules[type] : NULL;
}

/* Wrong requests, as opposed to wrong workflow code: refused without any event. */
static enum err check_sequence(struct step *st, const struct event_workflow_task_completed *c)
{
    for (size_t i = 0; i < c->command_count; i++) {
        const struct command_rule *rule = rule_of(c->commands[i].type);
        if (!rule) {
            return fail(st->fail, ERR_INVALID_ARGUMENT, "unknown command type: %d",
                    (int)c->commands[i].type);
        }
        if (rule->closes && i + 1 < c->command_count) {
            return fail(st->fail, ERR_INVALID_ARGUMENT,
                    "invalid command sequence: command %s must be the last command.", rule->name);
        }
    }
    return ERR_NONE;
}

static void count_outbox(struct check *c)
{
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

enum err commands_check(struct step *st, const struct event_workflow_task_completed *completed,
        struct command_refusal *ret)
{
    struct check c = { .st = st, .refusal = ret };
    enum err err = check_sequence(st, completed);
    if (err) {
        return err;
    }
    map_init(&c.over.timers, st->fx->arena);
    map_init(&c.over.activities, st->fx->arena);
    map_init(&c.over.canceled, st->fx->arena);
    map_init(&c.over.children, st->fx->arena);
    c.over.children_pending = st->wf->children.len;
    c.over.activities_pending = st->wf->activities_by_id.len;
    count_outbox(&c);
    c.over.next_event_id = st->wf->next_event_id + (st->wf->task.is_transient ? 3 : 2);
    for (size_t i = 0; i < completed->command_count; i++) {
        const struct command *cmd = &completed->commands[i];
        const struct command_rule *rule = rule_of(cmd->type);
        if (!rule->rule) {
            refuse(&c, rule->bad, "this command is not supported by this server version");
            return ERR_NONE;
        }
        if (!cmd->has_attributes) {
            ret->cause = rule->bad;
            ret->text = str_printf(
                    st->fx->arena, "%sCommandAttributes is not set on command.", rule->name);
            return ERR_NONE;
        }
        if (!rule->rule(&c, cmd)) {
            return ERR_NONE;
        }
        c.over.next_event_id++;
    }
    return ERR_NONE;
}
