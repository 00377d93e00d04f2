/* Reads of the engine's state that several files need. */
#include "history/engine_view.h"

#include "history/engine/workflow.h"

struct str engine_view_task_queue(const struct workflow *wf)
{
    return wf->start.task_queue.name;
}

struct str engine_view_type(const struct workflow *wf)
{
    return wf->start.workflow_type;
}

struct str engine_view_schedule(const struct workflow *wf)
{
    return wf->start.cron_schedule;
}

struct str engine_view_priority(const struct workflow *wf)
{
    return wf->start.priority;
}

struct str engine_view_memo(const struct workflow *wf)
{
    return workflow_memo(wf);
}

struct str engine_view_search_attributes(const struct workflow *wf)
{
    return workflow_search_attributes(wf);
}

bool engine_view_is_attached(const struct workflow *wf, struct str request_id)
{
    return request_id.len && map_get(&wf->attached, request_id);
}

bool engine_view_is_eager(const struct workflow *wf, struct str request_id)
{
    const struct workflow_task *t = &wf->task;
    return workflow_is_open(wf) && t->state == WORKFLOW_TASK_STARTED && t->attempt == 1 &&
           t->scheduled_event_id == 2 && str_eq(t->request_id, request_id);
}

struct str engine_view_namespace(const struct workflow *wf)
{
    return wf->namespace_name;
}

bool engine_view_is_child(
        const struct workflow *wf, struct str workflow_id, struct uuid run_id, int64_t initiated)
{
    struct uuid parent;
    return str_eq(wf->start.parent.workflow_id, workflow_id) &&
           uuid_parse(wf->start.parent.run_id, &parent) && uuid_eq(parent, run_id) &&
           (!initiated || initiated == wf->start.parent_initiated_event_id);
}

struct query_view engine_view_query(const struct workflow *wf)
{
    return (struct query_view){
        .is_open = workflow_is_open(wf),
        .has_task = wf->task.state != WORKFLOW_TASK_NONE,
        .is_started = wf->task.state == WORKFLOW_TASK_STARTED,
        .attempt = wf->task.attempt,
        .was_completed = wf->previous_started_event_id > 0,
        .previous_started_event_id = wf->previous_started_event_id,
        .first_task_at = wf->first_task_at,
        .task_queue = wf->start.task_queue.name,
        .sticky_queue = wf->sticky_queue,
        .sticky_schedule_to_start = wf->sticky_schedule_to_start,
    };
}

struct reset_view engine_view_reset(const struct workflow *wf)
{
    return (struct reset_view){ .is_open = workflow_is_open(wf),
        .run_id = wf->run_id,
        .first_run_id = engine_view_existing(wf).first_run_id,
        .reset_run_id = wf->reset_run_id,
        .request_id = wf->reset_request_id,
        .start_request_id = wf->start_request_id,
        .copied_until = wf->copied_until };
}

bool engine_view_is_deleted(const struct workflow *wf)
{
    return wf->is_deleted;
}

bool engine_view_has_messages(const struct workflow *wf)
{
    return workflow_has_messages(wf);
}

bool engine_view_is_child_of_id(
        const struct workflow *wf, struct str workflow_id, int64_t initiated)
{
    return str_eq(wf->start.parent.workflow_id, workflow_id) &&
           (!initiated || initiated == wf->start.parent_initiated_event_id);
}

struct start_existing engine_view_existing(const struct workflow *wf)
{
    struct start_existing existing = {
        .run_id = wf->run_id,
        .first_run_id = wf->run_id,
        .status = wf->status,
        .start_request_id = wf->start_request_id,
        .start_time = wf->start_time,
    };
    struct uuid first;
    if (uuid_parse(wf->start.first_run_id, &first)) {
        existing.first_run_id = first;
    }
    return existing;
}

struct list_view engine_view_list(const struct workflow *wf)
{
    struct list_view v = {
        .workflow_type = wf->start.workflow_type,
        .task_queue = wf->start.task_queue.name,
        .execution_time = instant_add(wf->start_time, wf->start.first_task_backoff),
        .memo = workflow_memo(wf),
        .search_attributes = workflow_search_attributes(wf),
        .history_length = wf->next_event_id - 1,
        .history_size = wf->history_size,
    };
    if (workflow_has_parent(wf)) {
        v.parent_workflow_id = wf->start.parent.workflow_id;
        v.parent_run_id = wf->start.parent.run_id;
        v.root_workflow_id = wf->start.root.workflow_id;
        v.root_run_id = wf->start.root.run_id;
    }
    return v;
}
