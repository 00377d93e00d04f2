/* Checks all commands of a completion before any is applied, against the state as the commands before it will
 * have left it. So a refused command has no trace to undo. Applies nothing; see command_apply.c. */
#include "history/engine/command_check.h"

#include "history/engine/cron.h"
#include "history/engine/priority.h"

/* --- shared by all rules ------------------------------------------------------------------------------ */

bool command_refuse_text(struct check *c, enum workflow_task_failed_cause cause, struct str text)
{
    c->refusal->cause = cause;
    c->refusal->text = text;
    return false;
}

bool command_refuse_size(struct check *c, enum workflow_task_failed_cause cause, const char *text)
{
    c->refusal->terminate = true;
    return command_refuse(c, cause, "%s", text);
}

bool command_refuse_count(struct check *c, enum workflow_task_failed_cause cause, const char *what,
        size_t pending, size_t limit)
{
    return command_refuse(c, cause,
            "the number of %s, %zu, has reached the per-workflow limit of %zu", what, pending,
            limit);
}

void overlay_set(struct check *c, struct map *map, struct str key, bool is_present)
{
    struct map_node *n = map_get(map, key);
    struct change *change =
            n ? map_entry(n, struct change, node) : NEW(c->st->fx->arena, struct change, 1);
    change->is_present = is_present;
    if (!n) {
        map_put(map, &change->node, str_dup(c->st->fx->arena, key));
    }
}

int overlay_get(const struct map *map, struct str key)
{
    struct map_node *n = map_get(map, key);
    return n ? map_entry(n, struct change, node)->is_present : -1;
}

bool command_is_too_large(const struct check *c, struct str payload)
{
    return payload.len > c->st->limits->blob_size_error;
}

const char *command_queue_problem(const struct check *c, struct str queue)
{
    if (queue.len > c->st->limits->id_length) {
        return "taskQueue length exceeds limit";
    }
    return str_starts_with(queue, STR("/_sys/"))
                   ? "task queue name cannot start with reserved prefix /_sys/"
                   : NULL;
}

/* As at a start. */
static bool check_attributes(struct check *c, struct str attributes)
{
    const char *why = limits_attributes_problem(c->st, attributes);
    return !why || command_refuse_text(c, CAUSE_BAD_SEARCH_ATTRIBUTES, str_from_cstr(why));
}

/* Sizes are another matter: the run ends, and the cause is that of the command. */
static bool check_attributes_size(
        struct check *c, enum workflow_task_failed_cause cause, struct str attributes)
{
    struct fail f = { 0 };
    if (!search_attributes_check_size(attributes, &c->st->limits->search_attribute_limits, &f)) {
        return true;
    }
    return command_refuse_size(c, cause, f.message);
}

/* --- one function per command ------------------------------------------------------------------------ */

static bool check_continue_as_new(struct check *c, const struct command *cmd)
{
    const struct command_continue_as_new *in = &cmd->continue_as_new;
    const enum workflow_task_failed_cause bad = CAUSE_BAD_CONTINUE_AS_NEW_ATTRIBUTES;
    const char *why, *negative = in->run_timeout.ns < 0              ? "WorkflowRunTimeout"
                                 : in->task_timeout.ns < 0           ? "WorkflowTaskTimeout"
                                 : in->backoff_start_interval.ns < 0 ? "BackoffStartInterval"
                                                                     : NULL;
    if (in->workflow_type.len > c->st->limits->id_length) {
        return command_refuse(c, bad,
                "WorkflowType on ContinueAsNewWorkflowExecutionCommand exceeds length limit. "
                "Length=%zu Limit=%zu",
                in->workflow_type.len, c->st->limits->id_length);
    }
    why = command_queue_problem(c, in->task_queue);
    if (why) {
        return command_refuse(
                c, bad, "TaskQueue on ContinueAsNewWorkflowExecutionCommand: %s", why);
    }
    if (negative) {
        return command_refuse(c, bad,
                "Invalid %s on ContinueAsNewWorkflowExecutionCommand: negative duration.",
                negative);
    }
    why = retry_policy_problem(&in->retry);
    if (why) {
        return command_refuse(
                c, bad, "WorkflowRetryPolicy on ContinueAsNewWorkflowExecutionCommand: %s", why);
    }
    why = cron_problem(in->cron_schedule, in->cron_zone, c->st->now);
    if (why) {
        return command_refuse(c, bad, "%s", why);
    }
    if (!check_attributes(c, in->search_attributes)) {
        return false;
    }
    if (command_is_too_large(c, in->input)) {
        return command_refuse_size(c, bad,
                "ContinueAsNewWorkflowExecutionCommandAttributes. Input exceeds size limit.");
    }
    if (in->memo.len > c->st->limits->memo_size_error) {
        return command_refuse_size(c, bad,
                "ContinueAsNewWorkflowExecutionCommandAttributes. Memo exceeds size limit.");
    }
    return check_attributes_size(c, bad, in->search_attributes);
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
    if (in->workflow_id.len > max) {
        return "WorkflowId on StartChildWorkflowExecutionCommand exceeds length limit.";
    }
    if (in->workflow_type.len > max) {
        return "WorkflowType on StartChildWorkflowExecutionCommand exceeds length limit.";
    }
    if (in->execution_timeout.ns < 0) {
        return "Invalid WorkflowExecutionTimeout on StartChildWorkflowExecutionCommand: negative "
               "duration.";
    }
    if (in->run_timeout.ns < 0) {
        return "Invalid WorkflowRunTimeout on StartChildWorkflowExecutionCommand: negative "
               "duration.";
    }
    if (in->task_timeout.ns < 0) {
        return "Invalid WorkflowTaskTimeout on StartChildWorkflowExecutionCommand: negative "
               "duration.";
    }
    const char *why = cron_problem(in->cron_schedule, in->cron_zone, c->st->now);
    why = why ? why : retry_policy_problem(&in->retry);
    return why ? why : command_queue_problem(c, in->task_queue);
}

static bool check_child(struct check *c, const struct command *cmd)
{
    const struct command_start_child *in = &cmd->start_child;
    const enum workflow_task_failed_cause bad = CAUSE_BAD_START_CHILD_EXECUTION_ATTRIBUTES;
    const char *why = child_problem(c, in);
    if (limits_is_foreign(c->st, in->namespace_name)) {
        return command_refuse(c, bad, "cross namespace commands are not allowed");
    }
    if (why) { /* ids may be too long to be repeated */
        size_t max = c->st->limits->id_length;
        return command_refuse(c, bad, "%s WorkflowId=" STR_FMT " WorkflowType=" STR_FMT, why,
                STR_ARG(in->workflow_id.len > max ? STR("...") : in->workflow_id),
                STR_ARG(in->workflow_type.len > max ? STR("...") : in->workflow_type));
    }
    if (!check_attributes(c, in->search_attributes)) {
        return false;
    }
    if (command_is_too_large(c, in->input)) {
        return command_refuse_size(
                c, bad, "StartChildWorkflowExecutionCommandAttributes. Input exceeds size limit.");
    }
    if (in->memo.len > c->st->limits->memo_size_error) {
        return command_refuse_size(
                c, bad, "StartChildWorkflowExecutionCommandAttributes.Memo exceeds size limit.");
    }
    if (!check_attributes_size(c, bad, in->search_attributes)) {
        return false;
    }
    if (c->over.children_pending >= c->st->limits->pending_children) {
        return command_refuse_count(c, CAUSE_PENDING_CHILD_WORKFLOWS_LIMIT_EXCEEDED,
                "pending child workflow executions", c->over.children_pending,
                c->st->limits->pending_children);
    }
    why = priority_problem(in->priority);
    if (why) {
        return command_refuse(c, bad, "%s", why);
    }
    c->over.children_pending++;
    overlay_set(c, &c->over.children, in->workflow_id, true);
    return true;
}

static bool check_closing(struct check *c, const struct command *cmd)
{
    if (cmd->type == COMMAND_FAIL_WORKFLOW_EXECUTION && str_empty(cmd->fail.failure)) {
        return command_refuse(c, CAUSE_BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES,
                "Failure is not set on FailWorkflowExecutionCommand.");
    }
    if (cmd->type == COMMAND_COMPLETE_WORKFLOW_EXECUTION &&
            command_is_too_large(c, cmd->complete.result)) {
        /* the cause that clients know for this, odd as it is */
        return command_refuse_size(c, CAUSE_BAD_SCHEDULE_ACTIVITY_ATTRIBUTES,
                "CompleteWorkflowExecutionCommandAttributes.Result exceeds size limit.");
    }
    if (cmd->type == COMMAND_FAIL_WORKFLOW_EXECUTION &&
            command_is_too_large(c, cmd->fail.failure)) {
        return command_refuse_size(c, CAUSE_BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES,
                "FailWorkflowExecutionCommandAttributes.Failure exceeds size limit.");
    }
    if (cmd->type == COMMAND_CONTINUE_AS_NEW_WORKFLOW_EXECUTION && !check_continue_as_new(c, cmd)) {
        return false;
    }
    update_check_closed(c->over.updates);
    return true;
}

static bool check_marker(struct check *c, const struct command *cmd)
{
    size_t total = 0;
    if (str_empty(cmd->marker.marker_name)) {
        return command_refuse(c, CAUSE_BAD_RECORD_MARKER_ATTRIBUTES,
                "MarkerName is not set on RecordMarkerCommand.");
    }
    if (cmd->marker.marker_name.len > c->st->limits->id_length) {
        return command_refuse(c, CAUSE_BAD_RECORD_MARKER_ATTRIBUTES,
                "MarkerName on RecordMarkerCommand exceeds length limit. Length=%zu Limit=%zu",
                cmd->marker.marker_name.len, c->st->limits->id_length);
    }
    for (size_t i = 0; i < cmd->marker.detail_count; i++) {
        total += cmd->marker.details[i].key.len + cmd->marker.details[i].payloads.len;
    }
    if (total > c->st->limits->blob_size_error) {
        return command_refuse_size(c, CAUSE_BAD_RECORD_MARKER_ATTRIBUTES,
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
        return command_refuse(c, CAUSE_BAD_SEARCH_ATTRIBUTES,
                "SearchAttributes is not set on UpsertWorkflowSearchAttributesCommand.");
    }
    if (!check_attributes(c, cmd->upsert.search_attributes)) {
        return false;
    }
    if (command_is_too_large(c, cmd->upsert.search_attributes)) {
        return command_refuse_size(c, CAUSE_BAD_SEARCH_ATTRIBUTES,
                "UpsertWorkflowSearchAttributesCommandAttributes exceeds size limit.");
    }
    (void)properties_fit(c->st->fx->arena, &c->over.search_attributes,
            workflow_search_attributes(c->st->wf), cmd->upsert.search_attributes, SIZE_MAX);
    return check_attributes_size(c, CAUSE_BAD_SEARCH_ATTRIBUTES, c->over.search_attributes);
}

static bool check_modify(struct check *c, const struct command *cmd)
{
    if (str_empty(cmd->modify_properties.upserted_memo)) {
        return command_refuse(c, CAUSE_BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES,
                "UpsertedMemo is not set on ModifyWorkflowPropertiesCommand.");
    }
    if (command_is_too_large(c, cmd->modify_properties.upserted_memo)) {
        return command_refuse_size(c, CAUSE_BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES,
                "ModifyWorkflowPropertiesCommandAttributes exceeds size limit.");
    }
    if (!properties_fit(c->st->fx->arena, &c->over.memo, workflow_memo(c->st->wf),
                cmd->modify_properties.upserted_memo, c->st->limits->memo_size_error)) {
        return command_refuse_size(c, CAUSE_BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES,
                "ModifyWorkflowPropertiesCommandAttributes. Memo exceeds size limit.");
    }
    return true;
}

static bool check_protocol_message(struct check *c, const struct command *cmd)
{
    return update_check_command(
            c->over.updates, cmd->protocol_message.message_id, c->refusal, &c->over.next_event_id);
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
    [14] = { "ProtocolMessage", check_protocol_message, CAUSE_BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE,
            false },
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

static bool check_one(struct check *c, const struct command *cmd)
{
    const struct command_rule *rule = rule_of(cmd->type);
    if (!rule->rule) {
        return command_refuse(c, rule->bad, "this command is not supported by this server version");
    }
    if (rule->closes && c->st->wf->buffered_count > c->over.unbuffered) {
        /* the workflow has not seen everything that it would end */
        return command_refuse(c, CAUSE_UNHANDLED_COMMAND, "%s", "");
    }
    if (!cmd->has_attributes) {
        return command_refuse(c, rule->bad, "%sCommandAttributes is not set on %sCommand.",
                rule->name, rule->name);
    }
    return rule->rule(c, cmd);
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
    c.over.updates = update_check_new(st, completed);
    c.over.children_pending = st->wf->children.len;
    c.over.activities_pending = st->wf->activities_by_id.len;
    c.over.next_event_id = st->wf->next_event_id + (st->wf->task.is_transient ? 3 : 2);
    for (size_t i = 0; i < completed->command_count; i++) {
        const struct command *cmd = &completed->commands[i];
        if (!check_one(&c, cmd)) {
            return ERR_NONE;
        }
        c.over.next_event_id++;
    }
    (void)update_check_rest(c.over.updates, ret);
    return ERR_NONE;
}
