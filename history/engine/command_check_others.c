/* Checks of the commands that concern other runs: signals, cancel requests, children. See command_check.c. */
#include "history/engine/check.h"
#include "history/engine/cron.h"
#include "history/engine/retry.h"

bool check_external(struct check *c, const struct command *cmd)
{
    const struct command_external *in = &cmd->external;
    bool is_signal = cmd->type == COMMAND_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION;
    enum workflow_task_failed_cause bad =
            is_signal ? CAUSE_BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES
                      : CAUSE_BAD_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_ATTRIBUTES;
    size_t *pending = is_signal ? &c->over.signals_pending : &c->over.cancels_pending;
    struct uuid run_id;
    if (str_empty(in->workflow_id) || in->workflow_id.len > c->st->limits->id_length) {
        return check_refuse(c, bad, "WorkflowId is not set or exceeds length limit.");
    }
    if (in->run_id.len && !uuid_parse(in->run_id, &run_id)) {
        return check_refuse(c, bad, "Invalid RunId set on command.");
    }
    if (is_signal && str_empty(in->signal_name)) {
        return check_refuse(
                c, bad, "SignalName is not set on SignalExternalWorkflowExecutionCommand.");
    }
    if (!str_empty(in->namespace_name) && !str_eq(in->namespace_name, c->st->wf->namespace_name)) {
        return check_refuse(c, bad, "cross namespace commands are not allowed");
    }
    if (is_signal && check_is_too_large(c, in->input)) {
        return check_refuse_size(c, bad,
                "SignalExternalWorkflowExecutionCommandAttributes.Input exceeds size limit.");
    }
    if (!is_signal && str_empty(in->run_id) && check_get(&c->over.children, in->workflow_id) == 1) {
        return check_refuse(c, bad,
                "Start and RequestCancel for child workflow is not allowed in same workflow task.");
    }
    if (*pending >= (is_signal ? c->st->limits->pending_signals : c->st->limits->pending_cancels)) {
        return check_refuse(c,
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
    if (in->namespace_name.len && !str_eq(in->namespace_name, c->st->wf->namespace_name)) {
        return "cross namespace commands are not allowed";
    }
    const char *why = cron_problem(in->cron_schedule, in->cron_zone, c->st->now);
    return why ? why : retry_policy_problem(&in->retry);
}

bool check_child(struct check *c, const struct command *cmd)
{
    const struct command_start_child *in = &cmd->start_child;
    const enum workflow_task_failed_cause bad = CAUSE_BAD_START_CHILD_EXECUTION_ATTRIBUTES;
    const char *why = child_problem(c, in);
    if (why) {
        return check_refuse(c, bad, why);
    }
    if (check_is_too_large(c, in->input)) {
        return check_refuse_size(
                c, bad, "StartChildWorkflowExecutionCommandAttributes.Input exceeds size limit.");
    }
    if (in->memo.len > c->st->limits->memo_size_error) {
        return check_refuse_size(
                c, bad, "StartChildWorkflowExecutionCommandAttributes.Memo exceeds size limit.");
    }
    if (c->over.children_pending >= c->st->limits->pending_children) {
        return check_refuse(c, CAUSE_PENDING_CHILD_WORKFLOWS_LIMIT_EXCEEDED,
                "the number of pending child workflow executions has reached the per-workflow "
                "limit");
    }
    c->over.children_pending++;
    check_set(c, &c->over.children, in->workflow_id, true);
    return true;
}
