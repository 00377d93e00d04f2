/* The bounds of one run: when to suggest a fresh one, and when the server puts an end to it. */
#include "history/engine/step.h"

const struct engine_limits engine_limits_default = {
    .blob_size_error = 2 * 1024 * 1024,
    .memo_size_error = 2 * 1024 * 1024,
    .callbacks = 32,
    .links = 10,
    .history_page = 256,
    .link_bytes = 4000,
    .summary_bytes = 400,
    .details_bytes = 20000,
    .id_length = 1000,
    .history_count_suggest = 4096,
    .history_count_error = 51200,
    .history_size_suggest = 4 * 1024 * 1024,
    .history_size_error = 50 * 1024 * 1024,
    .state_size_error = 8 * 1024 * 1024,
    .transaction_size_error = 4 * 1024 * 1024,
    .search_attribute_limits = { 100, 2 * 1024, 40 * 1024 },
    .pending_activities = 2000,
    .pending_children = 2000,
    .pending_signals = 2000,
    .pending_cancels = 2000,
    .signals_per_run = 10000,
    .buffered_events = 100,
    .buffered_bytes = 2 * 1024 * 1024,
    .updates_in_flight = 10,
    .updates_total = 2000,
    .updates_in_flight_bytes = 20 * 1024 * 1024,
    .default_workflow_task_timeout = { 10000000000 },
    .workflow_task_retry_max = { 600000000000 },
    .workflow_task_heartbeat_max = { 1800000000000 },
    .activity_start_grace = { 500000000 },
};

int32_t limits_suggest(const struct step *st)
{
    enum { TOO_LARGE = 1, TOO_MANY_EVENTS = 2, TOO_MANY_UPDATES = 4 };
    const struct workflow *wf = st->wf;
    return (wf->history_size >= (int64_t)st->limits->history_size_suggest ? TOO_LARGE : 0) |
           (wf->next_event_id >= st->limits->history_count_suggest ? TOO_MANY_EVENTS : 0) |
           (updates_suggest_new_run(wf, st->limits) ? TOO_MANY_UPDATES : 0);
}

static size_t command_bytes(const struct command *cmd)
{
    const struct command_schedule_activity *a = &cmd->schedule_activity;
    const struct command_continue_as_new *n = &cmd->continue_as_new;
    const struct command_start_child *c = &cmd->start_child;
    size_t size = cmd->user_metadata.len;
    switch (cmd->type) {
    case COMMAND_SCHEDULE_ACTIVITY_TASK:
        return size + a->header.len + a->input.len;
    case COMMAND_COMPLETE_WORKFLOW_EXECUTION:
        return size + cmd->complete.result.len;
    case COMMAND_FAIL_WORKFLOW_EXECUTION:
        return size + cmd->fail.failure.len;
    case COMMAND_CANCEL_WORKFLOW_EXECUTION:
        return size + cmd->cancel.details.len;
    case COMMAND_RECORD_MARKER:
        size += cmd->marker.header.len + cmd->marker.failure.len;
        for (size_t i = 0; i < cmd->marker.detail_count; i++) {
            size += cmd->marker.details[i].payloads.len;
        }
        return size;
    case COMMAND_CONTINUE_AS_NEW_WORKFLOW_EXECUTION:
        return size + n->input.len + n->failure.len + n->last_completion_result.len +
               n->header.len + n->memo.len + n->search_attributes.len;
    case COMMAND_START_CHILD_WORKFLOW_EXECUTION:
        return size + c->input.len + c->header.len + c->memo.len + c->search_attributes.len;
    case COMMAND_REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION:
    case COMMAND_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION:
        return size + cmd->external.input.len + cmd->external.header.len;
    case COMMAND_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
        return size + cmd->upsert.search_attributes.len;
    case COMMAND_MODIFY_WORKFLOW_PROPERTIES:
        return size + cmd->modify_properties.upserted_memo.len;
    default:
        return size;
    }
}

size_t limits_completion_bytes(
        const struct workflow *wf, const struct event_workflow_task_completed *c)
{
    size_t size = c->completed_event_fields.len + c->binary_checksum.len + c->worker_version.len +
                  c->deployment.len + c->deployment_version.len + wf->buffered_bytes;
    for (size_t i = 0; i < c->command_count; i++) {
        size += command_bytes(&c->commands[i]);
    }
    for (size_t i = 0; i < c->message_count; i++) {
        size += c->messages[i].size;
    }
    return size;
}

const char *limits_attributes_problem(const struct step *st, struct str attributes)
{
    const struct engine_limits *l = st->limits;
    const struct search_attribute_limits any_size = { l->search_attribute_limits.keys, SIZE_MAX,
        SIZE_MAX };
    struct fail f = { 0 };
    if (l->search_attributes &&
            search_attributes_check(attributes, l->search_attributes, &any_size, &f)) {
        return str_cstr(st->fx->arena, str_from_cstr(f.message));
    }
    return NULL;
}

bool limits_is_foreign(const struct step *st, struct str namespace_name)
{
    return namespace_name.len && !str_eq(namespace_name, st->wf->namespace_name) &&
           !st->limits->cross_namespace;
}

static void end_run(struct step *st, struct str reason)
{
    close_terminate(st, reason, (struct str){ 0 }, STR("history-service"), (struct str){ 0 });
}

void limits_enforce(struct step *st)
{
    struct workflow *wf = st->wf;
    const struct engine_limits *l = st->limits;
    if (wf->buffered_count > l->buffered_events || wf->buffered_bytes > l->buffered_bytes) {
        if (wf->task.state ==
                WORKFLOW_TASK_STARTED) { /* the worker is too slow for what happens: begin anew */
            workflow_task_fail(st, CAUSE_FORCE_CLOSE_COMMAND, (struct str){ 0 },
                    STR("history-service"), (struct str){ 0 });
        } else {
            step_flush(st);
        }
        workflow_task_schedule(st);
    }
    if (wf->history_size > (int64_t)l->history_size_error) {
        end_run(st, STR("Workflow history size exceeds limit."));
    } else if (wf->next_event_id - 1 > l->history_count_error) {
        end_run(st, STR("Workflow history count exceeds limit."));
    } else if (workflow_state_bytes(wf) > l->state_size_error) {
        end_run(st, STR("Workflow mutable state size exceeds limit."));
    }
}
