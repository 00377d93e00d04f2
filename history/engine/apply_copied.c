/* Events of the run that this one is a reset of. They come without the records that stood between them, so they alone
 * must say everything; where buffered events make their order differ from what happened, that is mended here. */
#include "history/engine/apply.h"

/* An activity id or timer id may be used again while the end of its former bearer was still buffered: the end comes
 * after the new beginning then. The former bearer goes at once, and its end finds nobody. */
static void drop_namesake(struct workflow *wf, const struct history_event *he)
{
    if (he->type == HISTORY_ACTIVITY_TASK_SCHEDULED) {
        struct map_node *n = map_get(&wf->activities_by_id, he->activity_id);
        if (n) {
            state_activity_drop(wf, map_entry(n, struct activity, by_id));
        }
    } else if (he->type == HISTORY_TIMER_STARTED) {
        struct user_timer *t = workflow_timer(wf, he->timer_id);
        if (t) {
            state_timer_drop(wf, t);
        }
    }
}

static bool ends_nobody(const struct workflow *wf, const struct history_event *he)
{
    const struct user_timer *t;
    switch (he->type) {
    case HISTORY_ACTIVITY_TASK_STARTED:
    case HISTORY_ACTIVITY_TASK_COMPLETED:
    case HISTORY_ACTIVITY_TASK_FAILED:
    case HISTORY_ACTIVITY_TASK_TIMED_OUT:
    case HISTORY_ACTIVITY_TASK_CANCELED:
        return !workflow_activity(wf, he->scheduled_event_id);
    case HISTORY_TIMER_FIRED:
        t = workflow_timer(wf, he->timer_id);
        return !t || t->started_event_id != he->started_event_id;
    default:
        return false;
    }
}

bool apply_copied_event(struct workflow *wf, const struct history_event *he, struct str bytes)
{
    drop_namesake(wf, he);
    if (!ends_nobody(wf, he)) {
        return apply_event(wf, he, bytes);
    }
    if (he->event_id != wf->next_event_id || !workflow_is_open(wf)) {
        return false;
    }
    state_count_event(wf, he, bytes);
    return true;
}
