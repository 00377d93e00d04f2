/* What must hold after every step. */
#include "history/engine/step.h"
#include "history/engine/tally.h"

static void check_task(const struct workflow *wf)
{
    const struct workflow_task *t = &wf->task;
    check(implies(t->state == WORKFLOW_TASK_NONE, wf->buffered_count == 0));
    if (t->state == WORKFLOW_TASK_NONE) {
        check(!t->is_speculative);
        return;
    }
    check(workflow_is_open(wf));
    check(t->attempt >= 1);
    check(implies(t->is_transient, t->attempt > 1 || t->is_speculative));
    check(implies(t->is_speculative, t->is_transient && t->attempt == 1 && !wf->buffered_count &&
                                             t->scheduled_event_id == wf->next_event_id));
    check(implies(!t->is_transient, t->scheduled_event_id < wf->next_event_id));
    check(t->start_to_close.ns > 0);
    check(!wf->first_task_at.ns);
    if (t->state ==
            WORKFLOW_TASK_STARTED) { /* its events have the next ids: nothing came in between */
        int64_t expected = wf->next_event_id + (t->is_transient ? 1 : 0);
        check(t->started_event_id == expected);
        check(implies(t->is_transient, t->scheduled_event_id == wf->next_event_id));
    }
}

static void check_activity(const struct workflow *wf, const struct activity *a)
{
    check(workflow_is_open(wf));
    check(a->scheduled_event_id > 0 && a->scheduled_event_id < wf->next_event_id);
    check(a->attempt >= 1 && a->retry.is_set);
    check(a->schedule_to_close.ns > 0 || a->start_to_close.ns > 0);
    check(implies(a->is_start_volatile, a->state == ACTIVITY_STARTED));
    check(implies(a->needs_dispatch, a->state == ACTIVITY_SCHEDULED));
    check(map_get(&wf->activities_by_id, a->activity_id) == &a->by_id);
    check(a->cancel_requested_event_id < wf->next_event_id);
}

static void check_child(const struct workflow *wf, const struct child *c)
{
    bool is_open_stage =
            c->stage == CHILD_STARTING || c->stage == CHILD_CONFIRMING || c->stage == CHILD_RUNNING;
    check(c->initiated_event_id < wf->next_event_id && c->started_event_id < wf->next_event_id);
    check(workflow_is_open(wf) ? is_open_stage
                               : c->stage != CHILD_STARTING && c->stage != CHILD_RUNNING);
    bool is_known = c->stage != CHILD_STARTING && c->stage != CHILD_LATE;
    check(is_known != uuid_is_zero(c->run_id) && is_known == str_empty(c->initiated));
    check(implies(c->stage == CHILD_ENDING, c->parent_close_policy != PARENT_CLOSE_ABANDON));
}

static void check_updates(const struct workflow *wf)
{
    const struct updates *us = wf->updates;
    size_t pending = 0, bytes = 0, completed = 0, admitted = 0;
    map_each(&us->by_id, n)
    {
        const struct update *u = map_entry(n, struct update, by_id);
        admitted += u->stage == UPDATE_ADMITTED;
        completed += u->stage == UPDATE_COMPLETED;
        check((u->stage >= UPDATE_ACCEPTED) == (u->accepted_event_id > 0));
        check((u->stage == UPDATE_COMPLETED) == (u->completed_event_id > 0));
        check(u->admitted_event_id < wf->next_event_id &&
                u->accepted_event_id < wf->next_event_id &&
                u->completed_event_id < wf->next_event_id);
        check(implies(u->completed_event_id, u->accepted_event_id < u->completed_event_id));
    }
    list_each(&us->pending, n)
    {
        const struct update *u = list_entry(n, struct update, pending);
        pending++;
        bytes += u->update_id.len + u->request.len;
        check(u->stage == UPDATE_ADMITTED);
    }
    check(pending == admitted && bytes == us->pending_bytes && completed == us->completed_count);
    /* somebody will take them to a worker */
    check(implies(pending, workflow_is_open(wf) &&
                                   (wf->task.state != WORKFLOW_TASK_NONE || wf->first_task_at.ns)));
}

/* An open run always has a reason to be looked at, or waits for the outside with everything delivered. */
static void check_needs(const struct workflow *wf)
{
    struct instant durable = workflow_durable_need(wf);
    bool waits = wf->first_task_at.ns && !workflow_waits_for_parent(wf);
    bool has_task = wf->task.state != WORKFLOW_TASK_NONE && !wf->task.is_speculative;
    if (has_task || wf->timers.len || wf->activities_by_id.len || waits || wf->run_deadline.ns) {
        bool forever = !has_task && !wf->timers.len && !waits && !wf->run_deadline.ns;
        check(forever || durable.ns != INT64_MAX);
    }
    check(workflow_is_open(wf) || workflow_next_need(wf).ns == INT64_MAX);
}

void workflow_check_invariants(const struct workflow *wf)
{
    size_t buffered = 0, bytes = 0;
    if (!wf->status) {
        check(wf->next_event_id == 1);
        return;
    }
    check(wf->next_event_id > 1 && wf->previous_started_event_id < wf->next_event_id);
    check(wf->last_completed_event_id < wf->next_event_id);
    check(wf->next_attempt >= 1);
    check_task(wf);
    check(wf->activities_by_id.len == wf->activities_by_event.len);
    activity_each(wf, a)
    {
        check_activity(wf, a);
    }
    map_each(&wf->timers, n)
    {
        check(timer_of(n)->started_event_id < wf->next_event_id);
    }
    list_each(&wf->buffered, n)
    {
        const struct buffered_event *b = list_entry(n, struct buffered_event, node);
        buffered++;
        bytes += b->attributes.len + b->links.len;
    }
    check(buffered == wf->buffered_count && bytes == wf->buffered_bytes);
    check(implies(
            !workflow_is_open(wf), !wf->activities_by_id.len && !wf->timers.len && !buffered));
    map_each(&wf->children, n)
    {
        check_child(wf, child_of(n));
    }
    if (wf->updates) {
        check_updates(wf);
    }
    check(implies(workflow_is_open(wf), !wf->close_event.len));
    check(implies(workflow_has_messages(wf), workflow_durable_need(wf).ns != INT64_MAX));
    tally_check(wf);
    check_needs(wf);
}
