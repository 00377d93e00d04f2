/* A copy of a run's state without the garbage that a long life leaves in its arena: through the snapshot, which has all
 * that is durable, and then what only memory knows. The copy goes on exactly as the original would have; the harness of
 * the tests proves it at every step. When a copy is worth its price is the driver's business. */
#include "history/engine/apply.h"

enum { STATE_MAX = 64 * 1024 * 1024 };

static void carry_task(struct workflow *to, const struct workflow *from)
{
    struct workflow_task *t = &to->task;
    *t = from->task;
    bool is_started = t->state == WORKFLOW_TASK_STARTED;
    t->identity = is_started ? state_kept(to, t->identity) : (struct str){ 0 };
    t->request_id = is_started ? state_kept(to, t->request_id) : (struct str){ 0 };
    t->worker_version = is_started ? state_kept(to, t->worker_version) : (struct str){ 0 };
}

static void carry_activities(struct workflow *to, const struct workflow *from)
{
    activity_each(from, a)
    {
        struct activity *b = workflow_activity(to, a->scheduled_event_id);
        if (!a->is_start_volatile && a->needs_dispatch == b->needs_dispatch) {
            continue; /* the snapshot has said it all */
        }
        tally_activity_leave(to, b);
        b->state = a->state;
        b->is_start_volatile = a->is_start_volatile;
        b->durable_at = a->durable_at;
        b->needs_dispatch = a->needs_dispatch;
        b->started_time = a->started_time;
        b->identity = state_kept(to, a->identity);
        b->request_id = state_kept(to, a->request_id);
        tally_activity_enter(to, b);
    }
}

static void carry_updates(struct workflow *to, const struct workflow *from)
{
    if (!workflow_has_pending_updates(from)) {
        return;
    }
    list_each(&from->updates->pending, n)
    {
        const struct update *u = list_entry(n, struct update, pending);
        if (!u->admitted_event_id) {
            check(state_update_admitted(to, u->update_id, u->request, 0));
        }
        workflow_update(to, u->update_id)->is_sent = u->is_sent;
    }
}

struct workflow *workflow_compact(
        const struct workflow *wf, struct arena *fresh, struct arena *scratch)
{
    struct buf bytes;
    struct fail f = { 0 };
    buf_init_arena(&bytes, scratch, STATE_MAX);
    workflow_encode(wf, &bytes);
    if (bytes.overflow) {
        return NULL;
    }
    struct workflow *copy = workflow_new(fresh);
    check(!workflow_decode(copy, buf_str(&bytes), &f)); /* what we encode we can read */
    carry_task(copy, wf);
    carry_activities(copy, wf);
    carry_updates(copy, wf);
    return copy;
}
