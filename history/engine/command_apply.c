/* Turns checked commands into events, in order: each says which completion it came from. */
#include "common/model/wire.h"
#include "history/engine/retry.h"
#include "history/engine/step.h"

static void start_timer(struct step *st, const struct command *cmd)
{
    struct history_event he = { .type = HISTORY_TIMER_STARTED,
        .timer_id = cmd->start_timer.timer_id,
        .start_to_fire = duration_min(cmd->start_timer.start_to_fire, duration_longest) };
    step_command_event(st, cmd, &he);
}

const struct buffered_event *buffered_timer(
        const struct workflow *wf, struct str timer_id, struct arena *arena)
{
    list_each(&wf->buffered, n)
    {
        const struct buffered_event *b = list_entry(n, struct buffered_event, node);
        struct history_event he = { 0 };
        if (b->type == HISTORY_TIMER_FIRED &&
                history_event_read_attributes(b->attributes, b->type, arena, &he) &&
                str_eq(he.timer_id, timer_id)) {
            return b;
        }
    }
    return NULL;
}

/* A timer that has fired meanwhile, unseen: the firing never happened. */
static void cancel_timer(struct step *st, const struct command *cmd, struct str identity)
{
    struct str id = cmd->cancel_timer.timer_id;
    const struct user_timer *t = workflow_timer(st->wf, id);
    const struct buffered_event *fired = t ? NULL : buffered_timer(st->wf, id, st->fx->arena);
    struct history_event he = { .type = HISTORY_TIMER_CANCELED,
        .timer_id = id,
        .identity = identity,
        .started_event_id = t ? t->started_event_id : fired->scheduled_event_id };
    if (fired) {
        step_record(st, &(struct record){ .kind = RECORD_UNBUFFER,
                                .type = HISTORY_TIMER_FIRED,
                                .scheduled_event_id = fired->scheduled_event_id });
    }
    step_command_event(st, cmd, &he);
}

static void record_marker(struct step *st, const struct command *cmd)
{
    struct buf details;
    buf_init_arena(&details, st->fx->arena, 64 * 1024 * 1024);
    for (size_t i = 0; i < cmd->marker.detail_count; i++) {
        size_t mark = wire_begin(&details, 2);
        wire_put_bytes(&details, 1, cmd->marker.details[i].key);
        wire_put_bytes(&details, 2, cmd->marker.details[i].payloads);
        wire_end(&details, mark);
    }
    struct history_event he = { .type = HISTORY_MARKER_RECORDED,
        .marker_name = cmd->marker.marker_name,
        .extra = buf_str(&details),
        .header = cmd->marker.header,
        .failure = cmd->marker.failure };
    step_command_event(st, cmd, &he);
}

static void apply_one(
        struct step *st, const struct command *cmd, const struct event_workflow_task_completed *c)
{
    switch (cmd->type) {
    case COMMAND_SCHEDULE_ACTIVITY_TASK:
        activity_schedule(st, cmd);
        return;
    case COMMAND_REQUEST_CANCEL_ACTIVITY_TASK:
        activity_request_cancel(st, cmd, c->identity);
        return;
    case COMMAND_START_TIMER:
        start_timer(st, cmd);
        return;
    case COMMAND_CANCEL_TIMER:
        cancel_timer(st, cmd, c->identity);
        return;
    case COMMAND_RECORD_MARKER:
        record_marker(st, cmd);
        return;
    case COMMAND_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
    case COMMAND_MODIFY_WORKFLOW_PROPERTIES:
        properties_change(st, cmd);
        return;
    case COMMAND_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION:
    case COMMAND_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION:
        external_initiate(st, cmd);
        return;
    case COMMAND_START_CHILD_WORKFLOW_EXECUTION:
        child_initiate(st, cmd);
        return;
    case COMMAND_COMPLETE_WORKFLOW_EXECUTION:
    case COMMAND_FAIL_WORKFLOW_EXECUTION:
    case COMMAND_CANCEL_WORKFLOW_EXECUTION:
    case COMMAND_CONTINUE_AS_NEW_WORKFLOW_EXECUTION:
        close_with_command(st, cmd);
        return;
    case COMMAND_PROTOCOL_MESSAGE:
        update_apply_command(st, c, cmd->protocol_message.message_id);
        return;
    default: /* refused by the check */
        unreachable_state(cmd->type);
    }
}

/* Offers of activities that a later command of the same completion has cancelled. */
static void drop_stale_offers(struct step *st)
{
    struct effects *fx = st->fx;
    size_t kept = 0;
    for (size_t i = 0; i < fx->offers.len; i++) {
        if (workflow_activity(st->wf, fx->offers.ptr[i].scheduled_event_id)) {
            fx->offers.ptr[kept++] = fx->offers.ptr[i];
        }
    }
    fx->offers.len = kept;
}

void commands_apply(struct step *st, const struct event_workflow_task_completed *c)
{
    for (size_t i = 0; i < c->command_count; i++) {
        apply_one(st, &c->commands[i], c);
    }
    drop_stale_offers(st);
    activity_start_eager(st, c->identity);
}

const char *failed_cause_name(enum workflow_task_failed_cause cause)
{
    static const char *const names[] = {
        [CAUSE_UNHANDLED_COMMAND] = "UnhandledCommand",
        [CAUSE_BAD_SCHEDULE_ACTIVITY_ATTRIBUTES] = "BadScheduleActivityAttributes",
        [CAUSE_BAD_REQUEST_CANCEL_ACTIVITY_ATTRIBUTES] = "BadRequestCancelActivityAttributes",
        [CAUSE_BAD_START_TIMER_ATTRIBUTES] = "BadStartTimerAttributes",
        [CAUSE_BAD_CANCEL_TIMER_ATTRIBUTES] = "BadCancelTimerAttributes",
        [CAUSE_BAD_RECORD_MARKER_ATTRIBUTES] = "BadRecordMarkerAttributes",
        [CAUSE_BAD_COMPLETE_WORKFLOW_EXECUTION_ATTRIBUTES] =
                "BadCompleteWorkflowExecutionAttributes",
        [CAUSE_BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES] = "BadFailWorkflowExecutionAttributes",
        [CAUSE_BAD_CANCEL_WORKFLOW_EXECUTION_ATTRIBUTES] = "BadCancelWorkflowExecutionAttributes",
        [CAUSE_BAD_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_ATTRIBUTES] =
                "BadRequestCancelExternalWorkflowExecutionAttributes",
        [CAUSE_BAD_CONTINUE_AS_NEW_ATTRIBUTES] = "BadContinueAsNewAttributes",
        [CAUSE_START_TIMER_DUPLICATE_ID] = "StartTimerDuplicateId",
        [CAUSE_BAD_SIGNAL_WORKFLOW_EXECUTION_ATTRIBUTES] = "BadSignalWorkflowExecutionAttributes",
        [CAUSE_BAD_START_CHILD_EXECUTION_ATTRIBUTES] = "BadStartChildExecutionAttributes",
        [CAUSE_SCHEDULE_ACTIVITY_DUPLICATE_ID] = "ScheduleActivityDuplicateId",
        [CAUSE_BAD_SEARCH_ATTRIBUTES] = "BadSearchAttributes",
        [CAUSE_BAD_MODIFY_WORKFLOW_PROPERTIES_ATTRIBUTES] = "BadModifyWorkflowPropertiesAttributes",
        [CAUSE_PENDING_CHILD_WORKFLOWS_LIMIT_EXCEEDED] = "PendingChildWorkflowsLimitExceeded",
        [CAUSE_PENDING_ACTIVITIES_LIMIT_EXCEEDED] = "PendingActivitiesLimitExceeded",
        [CAUSE_PENDING_SIGNALS_LIMIT_EXCEEDED] = "PendingSignalsLimitExceeded",
        [CAUSE_PENDING_REQUEST_CANCEL_LIMIT_EXCEEDED] = "PendingRequestCancelLimitExceeded",
        [CAUSE_RESET_STICKY_TASK_QUEUE] = "ResetStickyTaskQueue",
        [CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE] = "WorkflowWorkerUnhandledFailure",
        [CAUSE_FORCE_CLOSE_COMMAND] = "ForceCloseCommand",
        [CAUSE_RESET_WORKFLOW] = "ResetWorkflow",
        [CAUSE_BAD_BINARY] = "BadBinary",
        [CAUSE_NON_DETERMINISTIC_ERROR] = "NonDeterministicError",
        [CAUSE_BAD_UPDATE_WORKFLOW_EXECUTION_MESSAGE] = "BadUpdateWorkflowExecutionMessage",
        [CAUSE_FEATURE_DISABLED] = "FeatureDisabled",
    };
    return (unsigned)cause < ARRAY_LEN(names) && names[cause] ? names[cause] : "Unspecified";
}
