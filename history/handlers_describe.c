/* DescribeWorkflowExecution: what the state says of the run, of what is pending, and of what others have left with it. */
#include "common/model/wire.h"
#include "history/engine/priority.h"
#include "history/engine/workflow.h"
#include "history/engine_view.h"
#include "history/handlers.h"

static Api__WorkflowExecution *execution_message(
        struct arena *arena, struct str workflow_id, struct uuid run_id)
{
    Api__WorkflowExecution *m = api_new(arena, &api__workflow_execution__descriptor);
    m->workflow_id = str_cstr(arena, workflow_id);
    m->run_id = uuid_text(arena, run_id);
    return m;
}

static Api__WorkflowExecution *execution_of(struct arena *arena, const struct execution_ref *ref)
{
    Api__WorkflowExecution *m = api_new(arena, &api__workflow_execution__descriptor);
    m->workflow_id = str_cstr(arena, ref->workflow_id);
    m->run_id = str_cstr(arena, ref->run_id);
    return m;
}

/* The message WorkflowExecutionVersioningInfo, as far as somebody has asked for something. */
static struct str versioning_info(struct arena *arena, const struct workflow *wf)
{
    struct buf out;
    buf_init_arena(&out, arena, wf->versioning_override.len + 16);
    wire_opt_bytes(&out, 3, wf->versioning_override);
    return buf_str(&out);
}

static Api__WorkflowExecutionInfo *info(struct arena *arena, const struct execution *ex)
{
    const struct workflow *wf = ex->wf;
    Api__WorkflowExecutionInfo *m = api_new(arena, &api__workflow_execution_info__descriptor);
    m->execution = execution_message(arena, ex->chain->workflow_id, ex->run_id);
    m->type = api_new(arena, &api__workflow_type__descriptor);
    m->type->name = str_cstr(arena, wf->start.workflow_type);
    m->start_time = api_timestamp(arena, wf->start_time);
    struct instant began = workflow_execution_time(wf);
    m->execution_time = api_timestamp(arena, began);
    m->status = (Api__WorkflowExecutionStatus)wf->status;
    m->history_length = wf->next_event_id - 1;
    m->history_size_bytes = wf->history_size;
    m->state_transition_count = ex->seq;
    m->memo = api_data(workflow_memo(wf));
    /* There even when empty: the Go client reads its fields without asking. */
    m->search_attributes = api_decode(
            &api__search_attributes__descriptor, arena, workflow_search_attributes(wf), NULL);
    m->task_queue = str_cstr(arena, wf->start.task_queue.name);
    m->root_execution = m->execution;
    if (workflow_has_parent(wf)) {
        m->parent_namespace_id = str_cstr(arena, wf->start.parent_namespace_id);
        m->parent_execution = execution_of(arena, &wf->start.parent);
        m->root_execution = execution_of(arena, &wf->start.root);
    }
    m->priority = api_data(wf->start.priority);
    m->versioning_info = api_data(versioning_info(arena, wf));
    m->auto_reset_points = api_data(workflow_reset_points(wf, arena));
    m->first_run_id = uuid_text(arena, engine_view_existing(wf).first_run_id);
    if (ex->status != WORKFLOW_RUNNING) {
        m->close_time = api_timestamp(arena, ex->close_time);
        struct duration took = instant_since(ex->close_time, began);
        m->execution_duration = api_duration(arena, took);
    }
    return m;
}

static Api__WorkflowExecutionConfig *config(struct arena *arena, const struct workflow *wf)
{
    Api__WorkflowExecutionConfig *m = api_new(arena, &api__workflow_execution_config__descriptor);
    m->task_queue = api_new(arena, &api__task_queue__descriptor);
    m->task_queue->name = str_cstr(arena, wf->start.task_queue.name);
    m->task_queue->kind = API__TASK_QUEUE_KIND__TASK_QUEUE_KIND_NORMAL;
    m->workflow_execution_timeout = api_duration(arena, wf->start.execution_timeout);
    m->workflow_run_timeout = api_duration(arena, wf->start.run_timeout);
    m->default_workflow_task_timeout = api_duration(arena, wf->start.task_timeout);
    m->user_metadata = api_data(wf->start.user_metadata);
    return m;
}

/* The requests that have led to this run: the one that started it, and those that have been attached. */
static void put_request_ids(
        struct arena *arena, const struct workflow *wf, Api__WorkflowExecutionExtendedInfo *m)
{
    size_t max = wf->attached.len + 1;
    m->request_id_infos =
            NEW(arena, Api__WorkflowExecutionExtendedInfo__RequestIdInfosEntry *, max);
    const struct map_node *n = map_first(&wf->attached);
    for (size_t i = 0; i < max; i++) {
        bool is_start = i == 0;
        const struct attached_id *a = is_start ? NULL : map_entry(n, struct attached_id, node);
        struct str id = is_start ? wf->start_request_id : n->key;
        n = is_start ? n : map_next(&wf->attached, n);
        if (!id.len) {
            continue;
        }
        Api__WorkflowExecutionExtendedInfo__RequestIdInfosEntry *e = api_new(
                arena, &api__workflow_execution_extended_info__request_id_infos_entry__descriptor);
        e->key = str_cstr(arena, id);
        e->value = api_new(arena, &api__request_id_info__descriptor);
        e->value->event_id = is_start ? 1 : a->event_id;
        e->value->event_type =
                (Api__EventType)(is_start  ? HISTORY_WORKFLOW_EXECUTION_STARTED
                                 : a->type ? a->type
                                           : HISTORY_WORKFLOW_EXECUTION_OPTIONS_UPDATED);
        e->value->buffered = !e->value->event_id;
        m->request_id_infos[m->n_request_id_infos++] = e;
    }
}

static Api__WorkflowExecutionExtendedInfo *extended(struct arena *arena, const struct workflow *wf)
{
    Api__WorkflowExecutionExtendedInfo *m =
            api_new(arena, &api__workflow_execution_extended_info__descriptor);
    m->execution_expiration_time = api_timestamp(arena, wf->expiration);
    m->run_expiration_time = api_timestamp(arena, wf->run_deadline);
    m->cancel_requested = wf->cancel_requested;
    m->original_start_time = api_timestamp(arena, wf->start.time);
    put_request_ids(arena, wf, m);
    m->reset_run_id = uuid_text(arena, wf->reset_run_id);
    if (!uuid_is_zero(wf->base_run_id)) {
        m->last_reset_time = api_timestamp(arena, wf->start_time);
    }
    return m;
}

static struct str queue_bytes(struct arena *arena, struct str name)
{
    Api__TaskQueue q = API__TASK_QUEUE__INIT;
    q.name = str_cstr(arena, name);
    q.kind = API__TASK_QUEUE_KIND__TASK_QUEUE_KIND_NORMAL;
    return api_encode(arena, &q.base);
}

/* The message ActivityOptions: what the activity would be scheduled with now. */
static struct str activity_options(
        struct arena *arena, const struct activity *a, struct str priority)
{
    struct buf out;
    buf_init_arena(&out, arena, 1024 * 1024);
    wire_put_bytes(&out, 1, queue_bytes(arena, a->task_queue.name));
    wire_put_duration(&out, 2, a->schedule_to_close);
    wire_put_duration(&out, 3, a->schedule_to_start);
    wire_put_duration(&out, 4, a->start_to_close);
    wire_put_duration(&out, 5, a->heartbeat);
    retry_policy_write(&out, 6, &a->retry);
    wire_opt_bytes(&out, 7, priority);
    return buf_str(&out);
}

static Api__PendingActivityInfo *pending_activity(struct arena *arena, const struct workflow *wf,
        const struct activity *a, struct instant now)
{
    Api__PendingActivityInfo *m = api_new(arena, &api__pending_activity_info__descriptor);
    bool started = a->state == ACTIVITY_STARTED;
    m->activity_id = str_cstr(arena, a->activity_id);
    m->activity_type = api_new(arena, &api__activity_type__descriptor);
    m->activity_type->name = str_cstr(arena, a->activity_type);
    m->state = a->cancel_requested_event_id && started
                       ? API__PENDING_ACTIVITY_STATE__PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
               : started ? API__PENDING_ACTIVITY_STATE__PENDING_ACTIVITY_STATE_STARTED
                         : API__PENDING_ACTIVITY_STATE__PENDING_ACTIVITY_STATE_SCHEDULED;
    m->heartbeat_details = api_data(a->heartbeat_details);
    m->last_heartbeat_time = api_timestamp(arena, a->last_heartbeat);
    m->attempt = a->attempt;
    m->maximum_attempts = a->retry.maximum_attempts;
    m->scheduled_time = api_timestamp(arena, a->attempt_scheduled_time);
    if (a->schedule_to_close.ns) {
        m->expiration_time =
                api_timestamp(arena, instant_add(a->scheduled_time, a->schedule_to_close));
    }
    m->last_failure = api_data(a->last_failure);
    m->last_worker_identity = str_cstr(arena, started ? a->identity : a->last_identity);
    if (started) {
        m->last_started_time = api_timestamp(arena, a->started_time);
    } else if (instant_before(now, a->attempt_scheduled_time)) {
        m->next_attempt_schedule_time = api_timestamp(arena, a->attempt_scheduled_time);
        m->current_retry_interval =
                api_duration(arena, instant_since(a->attempt_scheduled_time, a->last_complete));
    }
    m->last_attempt_complete_time = api_timestamp(arena, a->last_complete);
    struct str priority = priority_merge(arena, wf->start.priority, a->priority);
    m->priority = api_data(priority);
    m->activity_options = api_data(activity_options(arena, a, priority));
    return m;
}

static Api__PendingChildExecutionInfo *pending_child(struct arena *arena, const struct child *c)
{
    Api__PendingChildExecutionInfo *m =
            api_new(arena, &api__pending_child_execution_info__descriptor);
    m->workflow_id = str_cstr(arena, c->workflow_id);
    m->run_id = uuid_text(arena, c->run_id);
    m->workflow_type_name = str_cstr(arena, c->workflow_type);
    m->initiated_id = c->initiated_event_id;
    m->parent_close_policy = (Api__ParentClosePolicy)c->parent_close_policy;
    return m;
}

static Api__PendingWorkflowTaskInfo *pending_task(struct arena *arena, const struct workflow *wf)
{
    if (wf->task.state == WORKFLOW_TASK_NONE || wf->status != WORKFLOW_RUNNING) {
        return NULL;
    }
    Api__PendingWorkflowTaskInfo *m = api_new(arena, &api__pending_workflow_task_info__descriptor);
    bool started = wf->task.state == WORKFLOW_TASK_STARTED;
    m->state = started ? API__PENDING_WORKFLOW_TASK_STATE__PENDING_WORKFLOW_TASK_STATE_STARTED
                       : API__PENDING_WORKFLOW_TASK_STATE__PENDING_WORKFLOW_TASK_STATE_SCHEDULED;
    m->scheduled_time = api_timestamp(arena, wf->task.scheduled_time);
    m->original_scheduled_time = api_timestamp(arena, wf->task.original_scheduled_time);
    m->attempt = wf->task.attempt;
    if (started) {
        m->started_time = api_timestamp(arena, wf->task.started_time);
    }
    return m;
}

/* The message CallbackInfo. Nobody is called back yet: a callback of a run or an update that is over stays due. */
static struct str callback_info(
        struct arena *arena, const struct workflow *wf, const struct callback *c)
{
    enum { STATE_STANDBY = 1, STATE_SCHEDULED = 2, TRIGGER_CLOSED = 1, TRIGGER_UPDATE = 2 };
    struct buf out;
    const struct update *u = c->update_id.len ? workflow_update(wf, c->update_id) : NULL;
    bool is_over = !workflow_is_open(wf) || (u && u->stage == UPDATE_COMPLETED);
    buf_init_arena(&out, arena, c->callback.len + c->update_id.len + 64);
    wire_put_bytes(&out, 1, c->callback);
    size_t trigger = wire_begin(&out, 2);
    size_t variant = wire_begin(&out, c->update_id.len ? TRIGGER_UPDATE : TRIGGER_CLOSED);
    wire_opt_bytes(&out, 1, c->update_id);
    wire_end(&out, variant);
    wire_end(&out, trigger);
    wire_put_timestamp(&out, 3, c->registered);
    wire_put_varint(&out, 4, is_over ? STATE_SCHEDULED : STATE_STANDBY);
    return buf_str(&out);
}

static void put_callbacks(
        struct arena *arena, const struct workflow *wf, Api__DescribeWorkflowExecutionResponse *m)
{
    m->callbacks = NEW(arena, ProtobufCBinaryData, wf->callback_count);
    list_each(&wf->callbacks, n)
    {
        m->callbacks[m->n_callbacks++] =
                api_data(callback_info(arena, wf, list_entry(n, struct callback, node)));
    }
}

void handle_describe(struct call *call)
{
    Api__DescribeWorkflowExecutionRequest *r =
            HANDLER_DECODE(call, api__describe_workflow_execution_request);
    struct arena *arena = &call->arena;
    struct execution *ex;
    if (!r || !handler_find(call, r->execution ? r->execution->run_id : NULL, &ex)) {
        return;
    }
    Api__DescribeWorkflowExecutionResponse m = API__DESCRIBE_WORKFLOW_EXECUTION_RESPONSE__INIT;
    m.execution_config = config(arena, ex->wf);
    m.workflow_execution_info = info(arena, ex);
    m.workflow_extended_info = extended(arena, ex->wf);
    m.pending_workflow_task = pending_task(arena, ex->wf);
    if (ex->status == WORKFLOW_RUNNING) {
        m.pending_activities =
                NEW(arena, Api__PendingActivityInfo *, ex->wf->activities_by_event.len + 1);
        activity_each(ex->wf, a)
        {
            m.pending_activities[m.n_pending_activities++] =
                    pending_activity(arena, ex->wf, a, lane_now(call->history->lane));
        }
    }
    if (ex->status == WORKFLOW_RUNNING) {
        m.pending_children = NEW(arena, Api__PendingChildExecutionInfo *, ex->wf->children.len + 1);
        map_each(&ex->wf->children, n)
        {
            m.pending_children[m.n_pending_children++] = pending_child(arena, child_of(n));
        }
    }
    put_callbacks(arena, ex->wf, &m);
    handler_reply(call, ex, &m.base);
}
