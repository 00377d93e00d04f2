/* What is due: the one event without content. Everything whose moment has passed is done, in a fixed order, and
 * the needs tell when to come back. Nothing remembers that a timer "was set": needs are derived from the state. */
#include "history/engine/step.h"

/* Timers of the same moment fire in the order in which they were started. */
static struct user_timer *first_due(const struct workflow *wf, struct instant now)
{
    struct heap_node *n = heap_min(&wf->timer_needs);
    return n && n->key <= now.ns ? container_of(n, struct user_timer, need) : NULL;
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
        workflow_task_schedule(
                st); /* now: what fires below is news to the next attempt, which becomes a first one */
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
    return need;
}

struct instant workflow_next_need(const struct workflow *wf)
{
    enum timeout_type type;
    if (!workflow_is_open(wf)) {
        return INSTANT_NEVER;
    }
    struct instant need = instant_min(needs_of_both_kinds(wf), workflow_task_due(wf, &type));
    return instant_min(need, workflow_pending_need(wf));
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
    return instant_min(need, workflow_pending_durable_need(wf));
}
