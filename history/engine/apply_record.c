/* What each internal record does to the state, and what a crash does to it. See apply.c for history events. */
#include "history/engine/apply.h"

static bool apply_task_record(struct workflow *wf, const struct record *r)
{
    struct workflow_task *t = &wf->task;
    if (t->state == WORKFLOW_TASK_STARTED ||
            (t->state == WORKFLOW_TASK_SCHEDULED &&
                    t->scheduled_event_id != r->scheduled_event_id)) {
        return false;
    }
    t->state = WORKFLOW_TASK_SCHEDULED;
    t->scheduled_event_id = r->scheduled_event_id;
    t->is_transient = r->flag;
    t->is_speculative = r->is_speculative;
    t->is_sticky = r->sticky;
    t->attempt = r->attempt;
    t->scheduled_time = r->time;
    t->original_scheduled_time = r->original_time;
    t->start_to_close = r->start_to_close;
    t->schedule_to_start = r->schedule_to_start;
    return true;
}

static bool apply_task_started_record(struct workflow *wf, const struct record *r)
{
    struct workflow_task *t = &wf->task;
    if (t->state != WORKFLOW_TASK_SCHEDULED) {
        return false;
    }
    t->state = WORKFLOW_TASK_STARTED;
    t->started_event_id = r->started_event_id;
    t->started_time = r->time;
    t->started_sticky = r->sticky;
    state_keep(wf, &t->identity, r->identity);
    state_keep(wf, &t->request_id, r->request_id);
    state_keep(wf, &t->worker_version, r->worker_version);
    t->history_size = r->history_size;
    t->suggest_continue_as_new = r->flag;
    t->suggest_reasons = r->suggest_reasons;
    return true;
}

static bool apply_buffer(struct workflow *wf, const struct record *r)
{
    struct history_event he = { .time = r->time };
    if (!history_event_read_attributes(r->attributes, (enum event_type)r->type, wf->arena, &he)) {
        return false;
    }
    if (!state_effect(wf, &he)) {
        return false;
    }
    struct buffered_event *b = NEW(wf->arena, struct buffered_event, 1);
    b->type = he.type;
    b->time = r->time;
    b->attributes = state_kept(wf, r->attributes);
    b->links = state_kept(wf, r->links);
    b->scheduled_event_id = r->scheduled_event_id;
    list_append(&wf->buffered, &b->node);
    wf->buffered_count++;
    wf->buffered_bytes += b->attributes.len + b->links.len;
    return true;
}

static bool apply_unbuffer(struct workflow *wf, const struct record *r)
{
    list_each(&wf->buffered, n)
    {
        struct buffered_event *b = list_entry(n, struct buffered_event, node);
        if ((int32_t)b->type == r->type && b->scheduled_event_id == r->scheduled_event_id) {
            list_remove(n);
            wf->buffered_count--;
            wf->buffered_bytes -= b->attributes.len + b->links.len;
            return true;
        }
    }
    return false;
}

static bool apply_activity_started(struct activity *a, struct workflow *wf, const struct record *r)
{
    a->state = ACTIVITY_STARTED;
    a->is_start_volatile = r->is_volatile;
    a->durable_at = r->is_volatile ? r->deadline : (struct instant){ 0 };
    a->needs_dispatch = false;
    a->started_time = r->time;
    state_keep(wf, &a->identity, r->identity);
    state_keep(wf, &a->request_id, r->request_id);
    return true;
}

static bool apply_activity_retry(struct activity *a, struct workflow *wf, const struct record *r)
{
    a->state = ACTIVITY_SCHEDULED;
    a->is_start_volatile = false;
    a->needs_dispatch = true;
    a->attempt = r->attempt;
    a->stamp++;
    a->attempt_scheduled_time = r->time;
    a->last_complete = r->original_time;
    state_keep(wf, &a->last_failure, r->failure);
    state_keep(wf, &a->last_identity, r->identity);
    return true;
}

static bool change_activity(struct activity *a, struct workflow *wf, const struct record *r)
{
    switch (r->kind) {
    case RECORD_ACTIVITY_STARTED:
        return apply_activity_started(a, wf, r);
    case RECORD_ACTIVITY_UNSTARTED:
        a->state = ACTIVITY_SCHEDULED;
        a->is_start_volatile = false;
        return true;
    case RECORD_ACTIVITY_RETRY:
        return apply_activity_retry(a, wf, r);
    default:
        a->last_heartbeat = r->time;
        state_keep(wf, &a->heartbeat_details, r->details);
        return true;
    }
}

static bool apply_activity_record(struct workflow *wf, const struct record *r)
{
    struct activity *a = workflow_activity(wf, r->scheduled_event_id);
    if (!a) {
        return false;
    }
    tally_activity_leave(wf, a);
    bool fits = change_activity(a, wf, r);
    tally_activity_enter(wf, a);
    return fits;
}

static bool apply_start_record(struct workflow *wf, const struct record *r)
{
    wf->namespace_id = r->namespace_id;
    wf->run_id = r->run_id;
    wf->namespace_name = state_kept(wf, r->text);
    wf->start_request_id = state_kept(wf, r->request_id);
    wf->first_task_at = r->time;
    wf->run_deadline = r->deadline;
    return true;
}

/* Everything that ran in the base run begins anew here, now. */
static bool apply_reset(struct workflow *wf, const struct record *r)
{
    (void)apply_start_record(wf, r);
    wf->first_task_at = (struct instant){ 0 };
    wf->start_time = r->time;
    wf->expiration = r->original_time;
    wf->base_run_id = r->base_run_id;
    wf->copied_until = r->count;
    wf->reset_request_id = state_kept(wf, r->details);
    activity_each(wf, a)
    {
        tally_activity_leave(wf, a);
        a->scheduled_time = a->attempt_scheduled_time = r->time;
        tally_activity_enter(wf, a);
    }
    return true;
}

static bool apply_reset_away(struct workflow *wf, const struct record *r)
{
    if (!uuid_is_zero(r->run_id)) {
        wf->reset_run_id = r->run_id;
    }
    wf->is_reset_away |= r->flag;
    return true;
}

static bool apply_other_record(struct workflow *wf, const struct record *r)
{
    switch (r->kind) {
    case RECORD_TASK_UNSTARTED:
        wf->task.state = WORKFLOW_TASK_SCHEDULED;
        return true;
    case RECORD_TASK_ENDED:
        wf->task.state = WORKFLOW_TASK_NONE;
        wf->task.is_speculative = false;
        wf->next_attempt = r->attempt;
        wf->failed_tasks += r->flag;
        wf->close_attempted = false;
        return true;
    case RECORD_STICKY:
        state_keep(wf, &wf->sticky_queue, r->text);
        wf->sticky_schedule_to_start = r->schedule_to_start;
        if (str_empty(
                    r->text)) { /* also a task that is out: if it comes back, it goes to the normal queue */
            wf->task.is_sticky = false;
            wf->task.schedule_to_start = wf->task.is_speculative ? SPECULATIVE_SCHEDULE_TO_START
                                                                 : (struct duration){ 0 };
        }
        return true;
    case RECORD_CLOSE_ATTEMPTED:
        wf->close_attempted = true;
        return true;
    case RECORD_FLUSH:
        state_buffer_clear(wf);
        return true;
    case RECORD_FIRST_TASK_NOW:
        wf->first_task_at = r->time;
        return true;
    case RECORD_PROBLEMS:
    case RECORD_ATTRIBUTES:
        if (r->kind == RECORD_PROBLEMS) {
            state_keep(wf, &wf->problems, r->text);
        }
        state_upsert(wf, &wf->search_attributes, workflow_search_attributes(wf), r->attributes);
        wf->has_own_search_attributes = true;
        return true;
    case RECORD_OUTBOX_SETTLED:
        return state_message_settled(wf, r->scheduled_event_id);
    case RECORD_COPIED: /* its events follow */
        return true;
    case RECORD_RESET:
        return apply_reset(wf, r);
    case RECORD_RESET_AWAY:
        return apply_reset_away(wf, r);
    case RECORD_DELETED:
        wf->is_deleted = true;
        return !workflow_is_open(wf);
    case RECORD_CHILD_STARTED_LATE:
        return state_child_started_late(wf, r->scheduled_event_id, r->run_id);
    case RECORD_UPDATE_ADMITTED:
        return state_update_admitted(wf, r->text, r->attributes, 0);
    case RECORD_UPDATES_SENT:
        state_updates_sent(wf);
        return true;
    case RECORD_UPDATE_DROPPED:
        return state_update_dropped(wf, r->text);
    default:
        return false;
    }
}

bool apply_record(struct workflow *wf, const struct record *r)
{
    switch (r->kind) {
    case RECORD_BUFFER:
        return apply_buffer(wf, r);
    case RECORD_UNBUFFER:
        return apply_unbuffer(wf, r);
    case RECORD_START:
        return apply_start_record(wf, r);
    case RECORD_TASK_SCHEDULED:
        return apply_task_record(wf, r);
    case RECORD_TASK_STARTED:
        return apply_task_started_record(wf, r);
    case RECORD_ACTIVITY_STARTED:
    case RECORD_ACTIVITY_UNSTARTED:
    case RECORD_ACTIVITY_RETRY:
    case RECORD_ACTIVITY_HEARTBEAT:
        return apply_activity_record(wf, r);
    default:
        return apply_other_record(wf, r);
    }
}

void activity_mark_dispatched(struct workflow *wf, struct activity *a)
{
    tally_activity_leave(wf, a);
    a->needs_dispatch = false;
    tally_activity_enter(wf, a);
}

void workflow_forget_volatile(struct workflow *wf)
{
    if (wf->task.is_speculative) {
        wf->task.state = WORKFLOW_TASK_NONE;
        wf->task.is_speculative = false;
    } else if (wf->task.state == WORKFLOW_TASK_STARTED) {
        wf->task.state = WORKFLOW_TASK_SCHEDULED;
    }
    if (wf->updates) {
        state_updates_forget(wf);
    }
    activity_each(wf, a)
    {
        bool is_out = a->state == ACTIVITY_STARTED && !a->is_start_volatile;
        bool needs_dispatch = !is_out && a->attempt > 1;
        if (a->is_start_volatile || a->needs_dispatch != needs_dispatch) {
            tally_activity_leave(wf, a);
            a->state = is_out ? ACTIVITY_STARTED : ACTIVITY_SCHEDULED;
            a->is_start_volatile = false;
            a->needs_dispatch = needs_dispatch;
            tally_activity_enter(wf, a);
        }
    }
}
