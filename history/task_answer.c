/* What a worker gets: the answers of polls, which completions return inline as well. */
#include "common/model/wire.h"
#include "history/engine/priority.h"
#include "history/engine_view.h"
#include "history/handlers.h"

/* ---- workflow tasks ------------------------------------------------------------------------------------ */

void workflow_task_answer_take(struct workflow_task_answer *a, struct arena *arena,
        struct execution *ex, const struct workflow_task_start *start)
{
    const struct workflow_task_token *t = &start->token;
    a->start = *start;
    a->start.suffix = str_dup(arena, start->suffix);
    a->workflow_type = str_dup(arena, engine_view_type(ex->wf));
    a->task_queue = str_cstr(arena, start->normal_task_queue);
    a->run_id = ex->run_id;
    a->stored_end = start->to_event_id + 1;
    a->token = (struct api_token){
        .kind = API_TOKEN_WORKFLOW_TASK,
        .namespace_id = ex->chain->namespace_id,
        .run_id = ex->run_id,
        .workflow_id = str_dup(arena, ex->chain->workflow_id),
        .key = ex->key,
        .scheduled_event_id = t->scheduled_event_id,
        .started_event_id = t->started_event_id,
        .attempt = t->attempt,
        .scheduled_time = t->scheduled_time,
        .started_time = t->started_time,
        .identity = str_dup(arena, t->identity),
        .request_id = str_dup(arena, t->request_id),
        .history_size = t->history_size,
        .suggest_continue_as_new = t->suggest_continue_as_new,
        .suggest_reasons = t->suggest_reasons,
        .worker_version = str_dup(arena, t->worker_version),
    };
    if (t->started_event_id) {
        queries_ride(ex, arena, a);
        updates_ride(arena, a);
    }
    struct str events;
    a->has_events = execution_recent(ex, start->from_event_id, start->to_event_id, &events);
    if (a->has_events) {
        int64_t count;
        struct str page = events_prefix(events, INT64_MAX, TASK_PAGE_BYTES, &count);
        a->events = str_dup(arena, page);
        a->start.to_event_id = start->from_event_id + count - 1;
    }
}

/* The token under which the worker reads the rest, with the end it was promised. */
static struct str next_page(
        const struct workflow_task_answer *a, struct arena *arena, int64_t next, int64_t end)
{
    struct api_token page = {
        .kind = API_TOKEN_HISTORY_PAGE,
        .namespace_id = a->token.namespace_id,
        .run_id = a->run_id,
        .workflow_id = a->token.workflow_id,
        .key = a->token.key,
        .next_event_id = next,
        .end_event_id = end,
        .suffix = a->start.suffix,
    };
    return api_token_encode(arena, &page);
}

Api__PollWorkflowTaskQueueResponse *workflow_task_answer_encode(
        const struct workflow_task_answer *a, struct arena *arena)
{
    Api__PollWorkflowTaskQueueResponse *m =
            api_new(arena, &api__poll_workflow_task_queue_response__descriptor);
    m->task_token = api_data(api_token_encode(arena, &a->token));
    m->workflow_execution = api_new(arena, &api__workflow_execution__descriptor);
    m->workflow_execution->workflow_id = str_cstr(arena, a->token.workflow_id);
    m->workflow_execution->run_id = uuid_text(arena, a->run_id);
    m->workflow_type = api_new(arena, &api__workflow_type__descriptor);
    m->workflow_type->name = str_cstr(arena, a->workflow_type);
    m->previous_started_event_id = a->start.previous_started_event_id;
    m->started_event_id = a->start.token.started_event_id;
    m->attempt = a->start.token.attempt;
    m->scheduled_time = api_timestamp(arena, a->start.token.scheduled_time);
    m->started_time = api_timestamp(arena, a->start.token.started_time);
    m->workflow_execution_task_queue = api_new(arena, &api__task_queue__descriptor);
    m->workflow_execution_task_queue->name = a->task_queue;
    m->workflow_execution_task_queue->kind = API__TASK_QUEUE_KIND__TASK_QUEUE_KIND_NORMAL;
    m->queries = a->queries;
    m->n_queries = a->query_count;
    m->messages = a->messages;
    m->n_messages = a->message_count;
    int64_t next = a->start.to_event_id + 1;
    if (next < a->stored_end) {
        m->history = api_data(a->events);
        m->next_page_token = api_data(next_page(a, arena, next, a->stored_end));
    } else {
        struct buf history;
        buf_init_arena(&history, arena, (size_t)128 << 20);
        buf_append_str(&history, a->events);
        buf_append_str(&history, a->start.suffix);
        m->history = api_data(buf_str(&history));
    }
    return m;
}

/* ---- activity tasks ------------------------------------------------------------------------------------ */

/* The scheduled event's attributes: header and input go out as they came in. */
static Api__ActivityTaskScheduledEventAttributes *scheduled_attributes(
        struct arena *arena, struct str event)
{
    enum { FIELD_ACTIVITY_TASK_SCHEDULED = 15 };
    struct wire_field field;
    while (wire_next(&event, &field)) {
        if (field.number == FIELD_ACTIVITY_TASK_SCHEDULED && field.type == WIRE_LEN) {
            return api_decode(&api__activity_task_scheduled_event_attributes__descriptor, arena,
                    field.bytes, NULL);
        }
    }
    return NULL;
}

void activity_task_answer_payload(
        Api__PollActivityTaskQueueResponse *m, struct arena *arena, struct str event)
{
    Api__ActivityTaskScheduledEventAttributes *attributes = scheduled_attributes(arena, event);
    if (attributes) {
        m->header = attributes->header;
        m->input = attributes->input;
        m->priority = api_data(
                priority_merge(arena, api_bytes(m->priority), api_bytes(attributes->priority)));
    }
}

static struct str activity_token(
        struct arena *arena, const struct execution *ex, const struct activity_start *s)
{
    struct api_token token = {
        .kind = API_TOKEN_ACTIVITY,
        .namespace_id = ex->chain->namespace_id,
        .run_id = ex->run_id,
        .workflow_id = ex->chain->workflow_id,
        .key = ex->key,
        .scheduled_event_id = s->scheduled_event_id,
        .attempt = s->attempt,
        .activity_id = s->activity_id,
        .started_time = s->started_time,
        .identity = s->identity,
        .request_id = s->request_id,
    };
    return api_token_encode(arena, &token);
}

Api__PollActivityTaskQueueResponse *activity_task_answer(
        struct arena *arena, const struct execution *ex, const struct activity_start *s)
{
    Api__PollActivityTaskQueueResponse *m =
            api_new(arena, &api__poll_activity_task_queue_response__descriptor);
    m->task_token = api_data(activity_token(arena, ex, s));
    m->workflow_namespace = str_cstr(arena, engine_view_namespace(ex->wf));
    m->workflow_type = api_new(arena, &api__workflow_type__descriptor);
    m->workflow_type->name = str_cstr(arena, engine_view_type(ex->wf));
    m->workflow_execution = api_new(arena, &api__workflow_execution__descriptor);
    m->workflow_execution->workflow_id = str_cstr(arena, ex->chain->workflow_id);
    m->workflow_execution->run_id = uuid_text(arena, ex->run_id);
    m->activity_type = api_new(arena, &api__activity_type__descriptor);
    m->activity_type->name = str_cstr(arena, s->activity_type);
    m->activity_id = str_cstr(arena, s->activity_id);
    m->heartbeat_details = api_data(str_dup(arena, s->heartbeat_details));
    m->scheduled_time = api_timestamp(arena, s->scheduled_time);
    m->current_attempt_scheduled_time = api_timestamp(arena, s->attempt_scheduled_time);
    m->started_time = api_timestamp(arena, s->started_time);
    m->attempt = s->attempt;
    m->schedule_to_close_timeout = api_duration(arena, s->schedule_to_close);
    m->start_to_close_timeout = api_duration(arena, s->start_to_close);
    m->heartbeat_timeout = api_duration(arena, s->heartbeat);
    m->retry_policy = retry_policy_encode(arena, &s->retry);
    m->priority = api_data(str_dup(arena, engine_view_priority(ex->wf)));
    if (s->scheduled_event.len) {
        activity_task_answer_payload(m, arena, str_dup(arena, s->scheduled_event));
    }
    return m;
}
