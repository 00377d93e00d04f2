/* What is due: the one event without content. Everything whose moment has passed is done, in a fixed order, and
 * the needs tell when to come back. Nothing remembers that a timer "was set": needs are derived from the state. */
#include "history/engine/step.h"

static int timer_cmp(const struct user_timer *a, const struct user_timer *b)
{
    if (a->fire_at.ns != b->fire_at.ns) {
        return a->fire_at.ns < b->fire_at.ns ? -1 : 1;
    }
    return a->started_event_id < b->started_event_id ? -1 : 1;
}

static struct user_timer *first_due(const struct workflow *wf, struct instant now)
{
    struct user_timer *first = NULL;
    map_each(&wf->timers, n)
    {
        struct user_timer *t = timer_of(n);
        if (t->fire_at.ns <= now.ns && (!first || timer_cmp(t, first) < 0)) {
            first = t;
        }
    }
    return first;
}

static void fire_timers(struct step *st)
{
    for (struct user_timer *t = first_due(st->wf, st->now); t; t = first_due(st->wf, st->now)) {
        struct history_event he = { .type = HISTORY_TIMER_FIRED,
            .timer_id = t->timer_id,
            .started_event_id = t->started_event_id };
        step_happened(st, &he);
    }
}

enum err time_step(struct step *st)
{
    struct workflow *wf = st->wf;
    enum timeout_type type;
    if (!workflow_is_open(wf)) {
        return ERR_NONE;
    }
    if (wf->run_deadline.ns && wf->run_deadline.ns <= st->now.ns) {
        close_timed_out(st);
        return ERR_NONE;
    }
    if (wf->first_task_at.ns && wf->first_task_at.ns <= st->now.ns) {
        st->wants_task = true;
    }
    if (workflow_task_due(wf, &type).ns <= st->now.ns) {
        workflow_task_timeout(st, type);
    }
    fire_timers(st);
    activity_time(st);
    return ERR_NONE;
}

/* --- needs ------------------------------------------------------------------------------------------ */

static struct instant needs_of_both_kinds(const struct workflow *wf)
{
    struct instant need = INSTANT_NEVER;
    if (wf->run_deadline.ns) {
        need = wf->run_deadline;
    }
    if (wf->first_task_at.ns) {
        need = instant_min(need, wf->first_task_at);
    }
    map_each(&wf->timers, n)
    {
        need = instant_min(need, timer_of(n)->fire_at);
    }
    return need;
}

struct instant workflow_next_need(const struct workflow *wf)
{
    enum timeout_type type;
    if (!workflow_is_open(wf)) {
        return INSTANT_NEVER;
    }
    struct instant need = instant_min(needs_of_both_kinds(wf), workflow_task_due(wf, &type));
    activity_each(wf, a)
    {
        need = instant_min(need, activity_due(a).at);
        if (a->needs_dispatch && a->state == ACTIVITY_SCHEDULED) {
            need = instant_min(need, a->attempt_scheduled_time);
        }
        if (a->is_start_volatile) {
            need = instant_min(need, a->durable_at);
        }
    }
    return need;
}

struct instant workflow_durable_need(const struct workflow *wf)
{
    struct instant need = INSTANT_NEVER;
    if (workflow_has_messages(wf)) {
        need = wf->last_event_time;
    }
    if (!workflow_is_open(wf)) {
        return need;
    }
    need = instant_min(need, needs_of_both_kinds(wf));
    if (wf->task.state != WORKFLOW_TASK_NONE && !wf->task.is_speculative) {
        need = instant_min(need, wf->task.scheduled_time);
    }
    activity_each(wf, a)
    {
        bool is_out = a->state == ACTIVITY_STARTED && !a->is_start_volatile;
        need = instant_min(need, is_out ? activity_due(a).at : a->attempt_scheduled_time);
    }
    return need;
}
