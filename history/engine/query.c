/* Questions about a run that change nothing: what waits for a worker, what is under way, how large it is. */
#include "history/engine/step.h"

void workflow_offers(const struct workflow *wf, struct arena *arena, struct effects *fx)
{
    if (!workflow_is_open(wf)) {
        return;
    }
    if (wf->task.state == WORKFLOW_TASK_SCHEDULED) {
        struct task_offer o = workflow_task_offer_of(wf, arena);
        vec_push(arena, &fx->offers, o);
    }
    activity_each(wf, a)
    {
        if (a->state == ACTIVITY_SCHEDULED && !a->needs_dispatch) {
            struct task_offer o = activity_offer_of(wf, a, arena);
            vec_push(arena, &fx->offers, o);
        }
    }
}

bool workflow_offers_task(
        const struct workflow *wf, enum task_queue_type type, int64_t scheduled_event_id)
{
    if (type == TASK_QUEUE_WORKFLOW) {
        return wf->task.state == WORKFLOW_TASK_SCHEDULED &&
               wf->task.scheduled_event_id == scheduled_event_id;
    }
    const struct activity *a = workflow_activity(wf, scheduled_event_id);
    return a && a->state == ACTIVITY_SCHEDULED && !a->needs_dispatch;
}

void workflow_messages(const struct workflow *wf, struct arena *arena, struct effects *fx)
{
    child_messages(wf, arena, fx);
    map_each(&wf->outbox, n)
    {
        struct outbox_message m =
                outbox_message_of(wf, map_entry(n, struct outbox_entry, by_id), arena);
        vec_push(arena, &fx->messages, m);
    }
}

enum workflow_status workflow_status(const struct workflow *wf)
{
    return wf->status;
}

int64_t workflow_next_event_id(const struct workflow *wf)
{
    return wf->next_event_id;
}

static bool has_volatile_update(const struct workflow *wf)
{
    if (!workflow_has_pending_updates(wf)) {
        return false;
    }
    list_each(&wf->updates->pending, n)
    {
        if (!list_entry(n, struct update, pending)->admitted_event_id) {
            return true;
        }
    }
    return false;
}

bool workflow_has_volatile(const struct workflow *wf)
{
    return !workflow_may_leave(wf) || has_volatile_update(wf);
}

bool workflow_may_leave(const struct workflow *wf)
{
    return wf->task.state != WORKFLOW_TASK_STARTED && !wf->task.is_speculative &&
           !wf->volatile_starts;
}

size_t workflow_size(const struct workflow *wf)
{
    return wf->arena->total;
}
