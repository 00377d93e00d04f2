/* Commands of a workflow task: from the public message to the words of the domain. Strings stay where the decoder put
 * them, in the call's arena. What a command may say is the engine's to judge. */
#include "history/handlers.h"

#include "common/model/history_event.h"

static struct str name_of(const char *const *name)
{
    return name ? text(*name) : STR("");
}
#define NAME(message) name_of((message) ? &(message)->name : NULL)

static bool schedule_activity(struct arena *arena,
        const Api__ScheduleActivityTaskCommandAttributes *a, struct command *c, struct fail *f)
{
    struct command_schedule_activity *out = &c->schedule_activity;
    out->activity_id = text(a->activity_id);
    out->activity_type = NAME(a->activity_type);
    out->task_queue = NAME(a->task_queue);
    out->header = api_bytes(a->header);
    out->input = api_bytes(a->input);
    out->priority = api_bytes(a->priority);
    out->request_eager_execution = a->request_eager_execution;
    return !api_span(a->schedule_to_close_timeout, "schedule_to_close_timeout",
                   &out->schedule_to_close, f) &&
           !api_span(a->schedule_to_start_timeout, "schedule_to_start_timeout",
                   &out->schedule_to_start, f) &&
           !api_span(
                   a->start_to_close_timeout, "start_to_close_timeout", &out->start_to_close, f) &&
           !api_span(a->heartbeat_timeout, "heartbeat_timeout", &out->heartbeat, f) &&
           retry_policy_decode(arena, a->retry_policy, &out->retry, f);
}

static bool start_timer(
        const Api__StartTimerCommandAttributes *a, struct command *c, struct fail *f)
{
    c->start_timer.timer_id = text(a->timer_id);
    c->start_timer.has_start_to_fire = a->start_to_fire_timeout != NULL;
    return !api_span(
            a->start_to_fire_timeout, "start_to_fire_timeout", &c->start_timer.start_to_fire, f);
}

static bool continue_as_new(struct arena *arena, struct zones *zones,
        const Api__ContinueAsNewWorkflowExecutionCommandAttributes *a, struct command *c,
        struct fail *f)
{
    struct command_continue_as_new *out = &c->continue_as_new;
    out->workflow_type = NAME(a->workflow_type);
    out->task_queue = NAME(a->task_queue);
    out->input = api_bytes(a->input);
    out->failure = api_bytes(a->failure);
    out->last_completion_result = api_bytes(a->last_completion_result);
    out->header = api_bytes(a->header);
    out->memo = api_bytes(a->memo);
    out->search_attributes = api_bytes(a->search_attributes);
    out->cron_schedule = text(a->cron_schedule);
    out->cron_zone = zones_of_schedule(zones, out->cron_schedule);
    out->initiator = (enum continue_as_new_initiator)a->initiator;
    return !api_span(a->workflow_run_timeout, "workflow_run_timeout", &out->run_timeout, f) &&
           !api_span(a->workflow_task_timeout, "workflow_task_timeout", &out->task_timeout, f) &&
           !api_span(a->backoff_start_interval, "backoff_start_interval",
                   &out->backoff_start_interval, f) &&
           retry_policy_decode(arena, a->retry_policy, &out->retry, f);
}

static bool start_child(struct arena *arena, struct zones *zones,
        const Api__StartChildWorkflowExecutionCommandAttributes *a, struct command *c,
        struct fail *f)
{
    struct command_start_child *out = &c->start_child;
    out->namespace_name = text(a->namespace_);
    out->workflow_id = text(a->workflow_id);
    out->workflow_type = NAME(a->workflow_type);
    out->task_queue = NAME(a->task_queue);
    out->input = api_bytes(a->input);
    out->header = api_bytes(a->header);
    out->memo = api_bytes(a->memo);
    out->search_attributes = api_bytes(a->search_attributes);
    out->priority = api_bytes(a->priority);
    out->control = text(a->control);
    out->cron_schedule = text(a->cron_schedule);
    out->cron_zone = zones_of_schedule(zones, out->cron_schedule);
    out->parent_close_policy = (enum parent_close_policy)a->parent_close_policy;
    out->id_reuse_policy = (enum id_reuse_policy)a->workflow_id_reuse_policy;
    return !api_span(a->workflow_execution_timeout, "workflow_execution_timeout",
                   &out->execution_timeout, f) &&
           !api_span(a->workflow_run_timeout, "workflow_run_timeout", &out->run_timeout, f) &&
           !api_span(a->workflow_task_timeout, "workflow_task_timeout", &out->task_timeout, f) &&
           retry_policy_decode(arena, a->retry_policy, &out->retry, f);
}

static void marker(
        struct arena *arena, const Api__RecordMarkerCommandAttributes *a, struct command *c)
{
    struct marker_detail *details = NEW(arena, struct marker_detail, a->n_details + 1);
    for (size_t i = 0; i < a->n_details; i++) {
        details[i].key = text(a->details[i]->key);
        details[i].payloads = api_bytes(a->details[i]->value);
    }
    c->marker.marker_name = text(a->marker_name);
    c->marker.details = details;
    c->marker.detail_count = a->n_details;
    c->marker.header = api_bytes(a->header);
    c->marker.failure = api_bytes(a->failure);
}

static void signal_external(
        const Api__SignalExternalWorkflowExecutionCommandAttributes *a, struct command *c)
{
    c->external = (struct command_external){
        .namespace_name = text(a->namespace_),
        .workflow_id = a->execution ? text(a->execution->workflow_id) : STR(""),
        .run_id = a->execution ? text(a->execution->run_id) : STR(""),
        .control = text(a->control),
        .signal_name = text(a->signal_name),
        .input = api_bytes(a->input),
        .header = api_bytes(a->header),
        .child_workflow_only = a->child_workflow_only,
    };
}

static void cancel_external(
        const Api__RequestCancelExternalWorkflowExecutionCommandAttributes *a, struct command *c)
{
    c->external = (struct command_external){
        .namespace_name = text(a->namespace_),
        .workflow_id = text(a->workflow_id),
        .run_id = text(a->run_id),
        .control = text(a->control),
        .reason = text(a->reason),
        .child_workflow_only = a->child_workflow_only,
    };
}

/* The attributes that belong to each type; another oneof case counts as missing. */
static const uint8_t attributes_case[] = {
    [COMMAND_SCHEDULE_ACTIVITY_TASK] = 2,
    [COMMAND_START_TIMER] = 3,
    [COMMAND_COMPLETE_WORKFLOW_EXECUTION] = 4,
    [COMMAND_FAIL_WORKFLOW_EXECUTION] = 5,
    [COMMAND_REQUEST_CANCEL_ACTIVITY_TASK] = 6,
    [COMMAND_CANCEL_TIMER] = 7,
    [COMMAND_CANCEL_WORKFLOW_EXECUTION] = 8,
    [COMMAND_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION] = 9,
    [COMMAND_RECORD_MARKER] = 10,
    [COMMAND_CONTINUE_AS_NEW_WORKFLOW_EXECUTION] = 11,
    [COMMAND_START_CHILD_WORKFLOW_EXECUTION] = 12,
    [COMMAND_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION] = 13,
    [COMMAND_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES] = 14,
    [COMMAND_PROTOCOL_MESSAGE] = 15,
    [COMMAND_MODIFY_WORKFLOW_PROPERTIES] = 17,
    [COMMAND_SCHEDULE_NEXUS_OPERATION] = 18,
    [COMMAND_REQUEST_CANCEL_NEXUS_OPERATION] = 19,
};

static bool take_attributes(struct arena *arena, struct zones *zones, const Api__Command *in,
        struct command *c, struct fail *f)
{
    switch (c->type) {
    case COMMAND_SCHEDULE_ACTIVITY_TASK:
        return schedule_activity(arena, in->schedule_activity_task_command_attributes, c, f);
    case COMMAND_START_TIMER:
        return start_timer(in->start_timer_command_attributes, c, f);
    case COMMAND_CONTINUE_AS_NEW_WORKFLOW_EXECUTION:
        return continue_as_new(
                arena, zones, in->continue_as_new_workflow_execution_command_attributes, c, f);
    case COMMAND_START_CHILD_WORKFLOW_EXECUTION:
        return start_child(
                arena, zones, in->start_child_workflow_execution_command_attributes, c, f);
    case COMMAND_REQUEST_CANCEL_ACTIVITY_TASK:
        c->request_cancel_activity.scheduled_event_id =
                in->request_cancel_activity_task_command_attributes->scheduled_event_id;
        break;
    case COMMAND_COMPLETE_WORKFLOW_EXECUTION:
        c->complete.result = api_bytes(in->complete_workflow_execution_command_attributes->result);
        break;
    case COMMAND_FAIL_WORKFLOW_EXECUTION:
        c->fail.failure = api_bytes(in->fail_workflow_execution_command_attributes->failure);
        break;
    case COMMAND_CANCEL_TIMER:
        c->cancel_timer.timer_id = text(in->cancel_timer_command_attributes->timer_id);
        break;
    case COMMAND_CANCEL_WORKFLOW_EXECUTION:
        c->cancel.details = api_bytes(in->cancel_workflow_execution_command_attributes->details);
        break;
    case COMMAND_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION:
        cancel_external(in->request_cancel_external_workflow_execution_command_attributes, c);
        break;
    case COMMAND_RECORD_MARKER:
        marker(arena, in->record_marker_command_attributes, c);
        break;
    case COMMAND_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION:
        signal_external(in->signal_external_workflow_execution_command_attributes, c);
        break;
    case COMMAND_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
        c->upsert.search_attributes = api_bytes(
                in->upsert_workflow_search_attributes_command_attributes->search_attributes);
        break;
    case COMMAND_MODIFY_WORKFLOW_PROPERTIES:
        c->modify_properties.upserted_memo =
                api_bytes(in->modify_workflow_properties_command_attributes->upserted_memo);
        break;
    case COMMAND_PROTOCOL_MESSAGE:
        c->protocol_message.message_id = text(in->protocol_message_command_attributes->message_id);
        break;
    case COMMAND_SCHEDULE_NEXUS_OPERATION:
    case COMMAND_REQUEST_CANCEL_NEXUS_OPERATION:
        break; /* refused by the engine by their type */
    }
    return true;
}

bool commands_decode(struct arena *arena, struct zones *zones, Api__Command *const *in,
        size_t count, const struct command **ret, struct fail *f)
{
    struct command *list = NEW(arena, struct command, count + 1);
    for (size_t i = 0; i < count; i++) {
        struct command *c = &list[i];
        unsigned type = (unsigned)in[i]->command_type;
        c->type = (enum command_type)type;
        c->user_metadata = api_bytes(in[i]->user_metadata);
        c->group_markers = repeated_encode(arena, HISTORY_FIELD_GROUP_MARKERS,
                in[i]->event_group_markers, in[i]->n_event_group_markers);
        c->has_attributes = type < ARRAY_LEN(attributes_case) && attributes_case[type] &&
                            (unsigned)in[i]->attributes_case == attributes_case[type];
        if (c->has_attributes && !take_attributes(arena, zones, in[i], c, f)) {
            return false;
        }
    }
    *ret = list;
    return true;
}
