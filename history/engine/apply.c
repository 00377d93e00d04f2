/* What each history event does to the state. With apply_record.c the one place that changes a workflow: live
 * steps and the fold of a stored log come through here, which is why they agree. Decides nothing: whether an
 * event may happen was decided before; one that does not fit means a corrupt log and is refused. */
#include "history/engine/apply.h"

/* Copies into the run's arena, into the memory of the old value where it is large enough. */
void state_keep(struct workflow *wf, struct str *to, struct str from)
{
    if (to->ptr == from.ptr && to->len == from.len) {
        return;
    }
    if (to->ptr && from.len && to->len >= from.len) {
        memmove((char *)(uintptr_t)to->ptr, from.ptr, from.len);
        to->len = from.len;
    } else {
        *to = from.len ? str_dup(wf->arena, from) : (struct str){ 0 };
    }
}

struct str state_kept(struct workflow *wf, struct str s)
{
    return s.len ? str_dup(wf->arena, s) : (struct str){ 0 };
}

static struct retry_policy kept_retry(struct workflow *wf, const struct retry_policy *in)
{
    struct retry_policy p = *in;
    struct str *types = NEW(wf->arena, struct str, in->non_retryable_count);
    for (size_t i = 0; i < in->non_retryable_count; i++) {
        types[i] = state_kept(wf, in->non_retryable_types[i]);
    }
    p.non_retryable_types = in->non_retryable_count ? types : NULL;
    return p;
}

struct activity *workflow_activity(const struct workflow *wf, int64_t scheduled_event_id)
{
    return activity_of(
            map_get(&wf->activities_by_event, str_of(&scheduled_event_id, sizeof(int64_t))));
}

struct user_timer *workflow_timer(const struct workflow *wf, struct str timer_id)
{
    return timer_of(map_get(&wf->timers, timer_id));
}

/* --- start and end ---------------------------------------------------------------------------------- */

static bool apply_started(struct workflow *wf, const struct history_event *he)
{
    if (wf->status != 0) {
        return false;
    }
    bool keep_large =
            he->retry.is_set || !str_empty(he->cron_schedule); /* a successor may need them */
    struct history_event *s = &wf->start;
    *s = (struct history_event){ .event_id = 1, .type = he->type, .time = he->time };
    s->workflow_id = state_kept(wf, he->workflow_id);
    s->workflow_type = state_kept(wf, he->workflow_type);
    s->task_queue.name = state_kept(wf, he->task_queue.name);
    s->identity = state_kept(wf, he->identity);
    s->execution_timeout = he->execution_timeout;
    s->run_timeout = he->run_timeout;
    s->task_timeout = he->task_timeout;
    s->original_run_id = state_kept(wf, he->original_run_id);
    s->first_run_id = state_kept(wf, he->first_run_id);
    s->retry = kept_retry(wf, &he->retry);
    s->attempt = he->attempt;
    s->expiration = he->expiration;
    s->cron_schedule = state_kept(wf, he->cron_schedule);
    s->first_task_backoff = he->first_task_backoff;
    s->priority = state_kept(wf, he->priority);
    s->links = state_kept(wf, he->links);
    s->parent_namespace = state_kept(wf, he->parent_namespace);
    s->parent_namespace_id = state_kept(wf, he->parent_namespace_id);
    s->parent.workflow_id = state_kept(wf, he->parent.workflow_id);
    s->parent.run_id = state_kept(wf, he->parent.run_id);
    s->parent_initiated_event_id = he->parent_initiated_event_id;
    s->root.workflow_id = state_kept(wf, he->root.workflow_id);
    s->root.run_id = state_kept(wf, he->root.run_id);
    s->memo = state_kept(wf, he->memo); /* these three are what a description shows */
    s->search_attributes = state_kept(wf, he->search_attributes);
    s->user_metadata = state_kept(wf, he->user_metadata);
    if (keep_large) {
        s->input = state_kept(wf, he->input);
        s->header = state_kept(wf, he->header);
        s->last_completion_result = state_kept(wf, he->last_completion_result);
    }
    state_callbacks_add(wf, he->completion_callbacks, (struct str){ 0 }, he->time);
    wf->reset_points = state_kept(wf, he->reset_points);
    wf->versioning_override = state_kept(wf, he->versioning_override);
    wf->status = WORKFLOW_RUNNING;
    wf->start_time = he->time;
    wf->expiration = he->expiration;
    wf->next_attempt = 1;
    return true;
}

void state_activity_drop(struct workflow *wf, struct activity *a)
{
    tally_activity_leave(wf, a);
    map_remove(&wf->activities_by_id, &a->by_id);
    map_remove(&wf->activities_by_event, &a->by_event);
    a->by_id = a->by_event = (struct map_node){ 0 };
    list_append(&wf->free_activities, &a->by_id.order);
}

void state_timer_drop(struct workflow *wf, struct user_timer *t)
{
    tally_timer_leave(wf, t);
    map_remove(&wf->timers, &t->by_id);
    t->by_id = (struct map_node){ 0 };
    list_append(&wf->free_timers, &t->by_id.order);
}

void state_buffer_clear(struct workflow *wf)
{
    while (list_pop(&wf->buffered)) {
    }
    wf->buffered_count = 0;
    wf->buffered_bytes = 0;
}

/* A closed run has nothing pending. Request ids stay (deduplication goes on), and so do messages under way. */
void apply_close(struct workflow *wf)
{
    activity_each(wf, a)
    {
        state_activity_drop(wf, a);
    }
    map_each(&wf->timers, n)
    {
        state_timer_drop(wf, timer_of(n));
    }
    state_buffer_clear(wf);
    wf->task.state = WORKFLOW_TASK_NONE;
    wf->task.is_speculative = false;
    if (wf->updates) {
        state_updates_close(wf);
    }
    wf->first_task_at = (struct instant){ 0 };
    wf->run_deadline = (struct instant){ 0 };
}

static enum workflow_status status_of_close(enum event_type type)
{
    switch (type) {
    case HISTORY_WORKFLOW_EXECUTION_COMPLETED:
        return WORKFLOW_COMPLETED;
    case HISTORY_WORKFLOW_EXECUTION_FAILED:
        return WORKFLOW_FAILED;
    case HISTORY_WORKFLOW_EXECUTION_TIMED_OUT:
        return WORKFLOW_TIMED_OUT;
    case HISTORY_WORKFLOW_EXECUTION_CANCELED:
        return WORKFLOW_CANCELED;
    case HISTORY_WORKFLOW_EXECUTION_TERMINATED:
        return WORKFLOW_TERMINATED;
    default:
        return WORKFLOW_CONTINUED_AS_NEW;
    }
}

/* --- workflow task ---------------------------------------------------------------------------------- */

static bool apply_task_scheduled(struct workflow *wf, const struct history_event *he)
{
    struct workflow_task *t = &wf->task;
    if (t->state !=
            WORKFLOW_TASK_NONE) { /* a transient or speculative task: now its events are stored */
        if (!t->is_transient || t->scheduled_event_id != he->event_id) {
            return false;
        }
        t->is_transient = false;
        if (t->is_speculative) { /* from now on it waits as long as any */
            t->is_speculative = false;
            t->schedule_to_start =
                    t->is_sticky ? wf->sticky_schedule_to_start : (struct duration){ 0 };
        }
        return true;
    }
    t->state = WORKFLOW_TASK_SCHEDULED;
    t->scheduled_event_id = he->event_id;
    t->is_transient = false;
    t->is_sticky = !str_empty(he->task_queue.normal_name);
    t->attempt = he->attempt;
    t->scheduled_time = t->original_scheduled_time = he->time;
    t->start_to_close = he->start_to_close;
    t->schedule_to_start = t->is_sticky ? wf->sticky_schedule_to_start : (struct duration){ 0 };
    wf->first_task_at = (struct instant){ 0 };
    return true;
}

static bool apply_task_started(struct workflow *wf, const struct history_event *he)
{
    struct workflow_task *t = &wf->task;
    if (t->state == WORKFLOW_TASK_NONE || t->scheduled_event_id != he->scheduled_event_id) {
        return false;
    }
    t->state = WORKFLOW_TASK_STARTED;
    t->started_event_id = he->event_id;
    t->started_time = he->time;
    return true;
}

static bool apply_task_ended(struct workflow *wf, const struct history_event *he)
{
    struct workflow_task *t = &wf->task;
    if (t->state == WORKFLOW_TASK_NONE || t->scheduled_event_id != he->scheduled_event_id) {
        return false;
    }
    if (he->type == HISTORY_WORKFLOW_TASK_COMPLETED) {
        if (t->state != WORKFLOW_TASK_STARTED || t->started_event_id != he->started_event_id) {
            return false;
        }
        wf->previous_started_event_id = he->started_event_id;
        wf->last_completed_event_id = he->event_id;
        wf->failed_tasks = 0;
        state_reset_point(wf, he);
    }
    t->state = WORKFLOW_TASK_NONE;
    wf->close_attempted = false; /* however it has ended; UnhandledCommand says so anew */
    wf->next_attempt = 1;
    return true;
}

/* --- activities and timers -------------------------------------------------------------------------- */

enum { SCHEDULED_EVENT_KEPT_MAX = 8 * 1024 };

static bool apply_activity_scheduled(
        struct workflow *wf, const struct history_event *he, struct str bytes)
{
    if (map_get(&wf->activities_by_id, he->activity_id)) {
        return false;
    }
    struct list_node *spare = list_pop(&wf->free_activities);
    struct activity *a = spare ? container_of(spare, struct activity, by_id.order)
                               : NEW(wf->arena, struct activity, 1);
    struct activity old = *a;
    *a = (struct activity){ .scheduled_event_id = he->event_id,
        .attempt = 1,
        .activity_id = old.activity_id,
        .activity_type = old.activity_type,
        .identity = old.identity,
        .request_id = old.request_id,
        .task_queue.name = old.task_queue.name,
        .scheduled_event = old.scheduled_event,
        .priority = old.priority };
    state_keep(wf, &a->activity_id, he->activity_id);
    state_keep(wf, &a->activity_type, he->activity_type);
    state_keep(wf, &a->task_queue.name, he->task_queue.name);
    state_keep(wf, &a->scheduled_event,
            bytes.len <= SCHEDULED_EVENT_KEPT_MAX ? bytes : (struct str){ 0 });
    state_keep(wf, &a->priority, he->priority);
    a->schedule_to_close = he->schedule_to_close;
    a->schedule_to_start = he->schedule_to_start;
    a->start_to_close = he->start_to_close;
    a->heartbeat = he->heartbeat;
    a->retry = kept_retry(wf, &he->retry);
    a->scheduled_time = a->attempt_scheduled_time = he->time;
    map_put(&wf->activities_by_id, &a->by_id, a->activity_id);
    map_put(&wf->activities_by_event, &a->by_event,
            str_of(&a->scheduled_event_id, sizeof(int64_t)));
    tally_activity_enter(wf, a);
    return true;
}

static bool apply_activity_closed(struct workflow *wf, const struct history_event *he)
{
    struct activity *a = workflow_activity(wf, he->scheduled_event_id);
    if (!a) {
        return false;
    }
    state_activity_drop(wf, a);
    return true;
}

static bool apply_timer_started(struct workflow *wf, const struct history_event *he)
{
    if (map_get(&wf->timers, he->timer_id)) {
        return false;
    }
    struct list_node *spare = list_pop(&wf->free_timers);
    struct user_timer *t = spare ? container_of(spare, struct user_timer, by_id.order)
                                 : NEW(wf->arena, struct user_timer, 1);
    state_keep(wf, &t->timer_id, he->timer_id);
    t->by_id = (struct map_node){ 0 };
    t->started_event_id = he->event_id;
    t->fire_at = instant_add(he->time, he->start_to_fire);
    map_put(&wf->timers, &t->by_id, t->timer_id);
    tally_timer_enter(wf, t);
    return true;
}

static bool apply_timer_gone(struct workflow *wf, const struct history_event *he)
{
    struct user_timer *t = workflow_timer(wf, he->timer_id);
    if (t && t->started_event_id == he->started_event_id) {
        state_timer_drop(wf, t);
        return true;
    }
    return he->type == HISTORY_TIMER_CANCELED; /* it had fired into the buffer */
}

/* --- signals and messages --------------------------------------------------------------------------- */

static bool apply_signaled(struct workflow *wf, const struct history_event *he)
{
    wf->signal_count++;
    if (!str_empty(he->request_id) && !map_get(&wf->request_ids, he->request_id)) {
        struct request_id *id = NEW(wf->arena, struct request_id, 1);
        map_put(&wf->request_ids, &id->node, str_dup(wf->arena, he->request_id));
        tally_request_id_enter(wf, he->request_id);
    }
    return true;
}

/* --- events ----------------------------------------------------------------------------------------- */

/* What an event does that may also happen while it is buffered. */
bool state_effect(struct workflow *wf, const struct history_event *he)
{
    struct activity *a;
    switch (he->type) {
    case HISTORY_ACTIVITY_TASK_STARTED:
        return workflow_activity(wf, he->scheduled_event_id) != NULL;
    case HISTORY_ACTIVITY_TASK_COMPLETED:
    case HISTORY_ACTIVITY_TASK_FAILED:
    case HISTORY_ACTIVITY_TASK_TIMED_OUT:
    case HISTORY_ACTIVITY_TASK_CANCELED:
        return apply_activity_closed(wf, he);
    case HISTORY_ACTIVITY_TASK_CANCEL_REQUESTED:
        a = workflow_activity(wf, he->scheduled_event_id);
        if (a) {
            a->cancel_requested_event_id = he->event_id;
        }
        return true;
    case HISTORY_TIMER_FIRED:
    case HISTORY_TIMER_CANCELED:
        return apply_timer_gone(wf, he);
    case HISTORY_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
        wf->cancel_requested = true;
        return true;
    case HISTORY_WORKFLOW_EXECUTION_SIGNALED:
        return apply_signaled(wf, he);
    case HISTORY_WORKFLOW_EXECUTION_OPTIONS_UPDATED:
        return state_attach(wf, he);
    case HISTORY_REQUEST_CANCEL_EXTERNAL_FAILED:
    case HISTORY_EXTERNAL_CANCEL_REQUESTED:
    case HISTORY_SIGNAL_EXTERNAL_FAILED:
    case HISTORY_EXTERNAL_SIGNALED:
        return state_outbox_drop(wf, he->initiated_event_id);
    case HISTORY_START_CHILD_FAILED:
    case HISTORY_CHILD_STARTED:
    case HISTORY_CHILD_COMPLETED:
    case HISTORY_CHILD_FAILED:
    case HISTORY_CHILD_CANCELED:
    case HISTORY_CHILD_TIMED_OUT:
    case HISTORY_CHILD_TERMINATED:
        return state_child_event(wf, he);
    default:
        return true;
    }
}

void state_count_event(struct workflow *wf, const struct history_event *he, struct str bytes)
{
    wf->next_event_id++;
    wf->history_size += (int64_t)bytes.len;
    wf->last_event_time = instant_max(wf->last_event_time, he->time);
}

static bool apply_event_by_type(
        struct workflow *wf, const struct history_event *he, struct str bytes)
{
    switch (he->type) {
    case HISTORY_WORKFLOW_EXECUTION_STARTED:
        return apply_started(wf, he);
    case HISTORY_WORKFLOW_TASK_SCHEDULED:
        return apply_task_scheduled(wf, he);
    case HISTORY_WORKFLOW_TASK_STARTED:
        return apply_task_started(wf, he);
    case HISTORY_WORKFLOW_TASK_COMPLETED:
    case HISTORY_WORKFLOW_TASK_TIMED_OUT:
    case HISTORY_WORKFLOW_TASK_FAILED:
        return apply_task_ended(wf, he);
    case HISTORY_ACTIVITY_TASK_SCHEDULED:
        return apply_activity_scheduled(wf, he, bytes);
    case HISTORY_TIMER_STARTED:
        return apply_timer_started(wf, he);
    case HISTORY_REQUEST_CANCEL_EXTERNAL_INITIATED:
    case HISTORY_SIGNAL_EXTERNAL_INITIATED:
        return state_outbox_add(wf, he);
    case HISTORY_START_CHILD_INITIATED:
        return state_child_add(wf, he, bytes);
    case HISTORY_UPDATE_ACCEPTED:
    case HISTORY_UPDATE_COMPLETED:
    case HISTORY_UPDATE_ADMITTED:
        return state_update_event(wf, he);
    case HISTORY_UPSERT_SEARCH_ATTRIBUTES:
        state_upsert(
                wf, &wf->search_attributes, workflow_search_attributes(wf), he->search_attributes);
        wf->has_own_search_attributes = true;
        return true;
    case HISTORY_WORKFLOW_PROPERTIES_MODIFIED:
        state_upsert(wf, &wf->memo, workflow_memo(wf), he->memo);
        wf->has_own_memo = true;
        return true;
    default:
        return state_effect(wf, he);
    }
}

bool apply_event(struct workflow *wf, const struct history_event *he, struct str bytes)
{
    bool is_start = he->type == HISTORY_WORKFLOW_EXECUTION_STARTED;
    if (he->event_id != wf->next_event_id || (!is_start && !workflow_is_open(wf)) ||
            !apply_event_by_type(wf, he, bytes)) {
        return false;
    }
    state_count_event(wf, he, bytes);
    if (history_is_close(he->type)) {
        wf->status = status_of_close(he->type);
        apply_close(wf);
        state_close_family(wf, he, bytes);
    }
    return true;
}

bool apply_flushed_event(struct workflow *wf, const struct history_event *he, struct str bytes)
{
    if (he->event_id != wf->next_event_id || !workflow_is_open(wf)) {
        return false;
    }
    if (he->type == HISTORY_CHILD_STARTED) {
        state_child_numbered(wf, he);
    } else if (he->type == HISTORY_WORKFLOW_EXECUTION_OPTIONS_UPDATED) {
        state_attach_numbered(wf, he);
    }
    state_count_event(wf, he, bytes);
    return true;
}
