/* See tally.h. Relies on being told of every change (apply*.c, snapshot.c); invariants.c proves the sums. */
#include "history/engine/tally.h"

/* What an item costs beside its texts: numbers, times, tags. */
enum { ITEM_BYTES = 64 };

/* --- activities --------------------------------------------------------------------------------------- */

static size_t activity_bytes(const struct activity *a)
{
    return 3 * ITEM_BYTES + a->activity_id.len + a->activity_type.len + a->task_queue.name.len +
           a->scheduled_event.len + a->heartbeat_details.len + a->last_failure.len;
}

/* When EVENT_TIME has something to do about it. */
static struct instant activity_need(const struct activity *a)
{
    struct instant need = activity_due(a).at;
    if (a->needs_dispatch && a->state == ACTIVITY_SCHEDULED) {
        need = instant_min(need, a->attempt_scheduled_time);
    }
    if (a->is_start_volatile) {
        need = instant_min(need, a->durable_at);
    }
    return need;
}

/* When somebody must look, if everything in memory were lost. */
static struct instant activity_durable_need(const struct activity *a)
{
    bool is_out = a->state == ACTIVITY_STARTED && !a->is_start_volatile;
    return is_out ? activity_due(a).at : a->attempt_scheduled_time;
}

void tally_activity_enter(struct workflow *wf, struct activity *a)
{
    wf->pending_bytes += activity_bytes(a);
    wf->volatile_starts += a->is_start_volatile;
    heap_insert(&wf->activity_needs, &a->need, activity_need(a).ns);
    heap_insert(&wf->activity_durable_needs, &a->durable_need, activity_durable_need(a).ns);
}

void tally_activity_leave(struct workflow *wf, struct activity *a)
{
    wf->pending_bytes -= activity_bytes(a);
    wf->volatile_starts -= a->is_start_volatile;
    heap_remove(&wf->activity_needs, &a->need);
    heap_remove(&wf->activity_durable_needs, &a->durable_need);
}

/* --- the others --------------------------------------------------------------------------------------- */

static size_t timer_bytes(const struct user_timer *t)
{
    return ITEM_BYTES + t->timer_id.len;
}

void tally_timer_enter(struct workflow *wf, struct user_timer *t)
{
    wf->pending_bytes += timer_bytes(t);
    heap_insert(&wf->timer_needs, &t->need, t->fire_at.ns);
}

void tally_timer_leave(struct workflow *wf, struct user_timer *t)
{
    wf->pending_bytes -= timer_bytes(t);
    heap_remove(&wf->timer_needs, &t->need);
}

static size_t child_bytes(const struct child *c)
{
    return 2 * ITEM_BYTES + c->namespace_name.len + c->workflow_id.len + c->workflow_type.len +
           c->control.len + c->initiated.len;
}

void tally_child_enter(struct workflow *wf, const struct child *c)
{
    wf->pending_bytes += child_bytes(c);
    wf->children_with_message += c->stage != CHILD_RUNNING;
}

void tally_child_leave(struct workflow *wf, const struct child *c)
{
    wf->pending_bytes -= child_bytes(c);
    wf->children_with_message -= c->stage != CHILD_RUNNING;
}

static size_t outbox_bytes(const struct outbox_entry *e)
{
    const struct history_event *i = &e->initiated;
    return 2 * ITEM_BYTES + i->namespace_name.len + i->execution.workflow_id.len +
           i->execution.run_id.len + i->control.len + i->signal_name.len + i->input.len +
           i->header.len + i->reason.len;
}

void tally_outbox_enter(struct workflow *wf, const struct outbox_entry *e)
{
    wf->pending_bytes += outbox_bytes(e);
}

void tally_outbox_leave(struct workflow *wf, const struct outbox_entry *e)
{
    wf->pending_bytes -= outbox_bytes(e);
}

void tally_request_id_enter(struct workflow *wf, struct str id)
{
    wf->pending_bytes += id.len + 4;
}

size_t tally_update_bytes(const struct update *u)
{
    return ITEM_BYTES + u->update_id.len;
}

/* --- what is due --------------------------------------------------------------------------------------- */

struct due_activity {
    struct heap_node node;
    struct activity *activity;
};

size_t tally_due_activities(
        struct workflow *wf, struct arena *arena, struct instant now, int64_t **ret)
{
    struct heap by_event = { 0 };
    struct heap_node *n;
    while ((n = heap_min(&wf->activity_needs)) && n->key <= now.ns) {
        struct due_activity *due = NEW(arena, struct due_activity, 1);
        due->activity = container_of(n, struct activity, need);
        heap_remove(&wf->activity_needs, n);
        heap_insert(&by_event, &due->node, due->activity->scheduled_event_id);
    }
    size_t count = 0;
    *ret = NEW(arena, int64_t, by_event.len + 1);
    while ((n = heap_min(&by_event))) {
        struct activity *a = container_of(n, struct due_activity, node)->activity;
        heap_remove(&by_event, n);
        heap_insert(&wf->activity_needs, &a->need, a->need.key);
        (*ret)[count++] = a->scheduled_event_id;
    }
    return count;
}

/* --- answers ------------------------------------------------------------------------------------------ */

static struct instant first(const struct heap *heap)
{
    return heap_min(heap) ? (struct instant){ heap_min(heap)->key } : INSTANT_NEVER;
}

struct instant workflow_pending_need(const struct workflow *wf)
{
    return instant_min(first(&wf->activity_needs), first(&wf->timer_needs));
}

struct instant workflow_pending_durable_need(const struct workflow *wf)
{
    return instant_min(first(&wf->activity_durable_needs), first(&wf->timer_needs));
}

size_t workflow_state_bytes(const struct workflow *wf)
{
    const struct history_event *s = &wf->start;
    return wf->pending_bytes + wf->buffered_bytes + (size_t)wf->buffered_count * ITEM_BYTES +
           wf->close_event.len + wf->attached_bytes + wf->reset_points.len +
           wf->versioning_override.len + (wf->updates ? wf->updates->kept_bytes : 0) +
           wf->memo.len + wf->search_attributes.len + s->memo.len + s->search_attributes.len +
           s->user_metadata.len + s->input.len + s->header.len + s->last_completion_result.len;
}

static size_t kept_update_bytes(const struct workflow *wf)
{
    size_t bytes = 0;
    if (!wf->updates) {
        return 0;
    }
    map_each(&wf->updates->by_id, n)
    {
        const struct update *u = map_entry(n, struct update, by_id);
        bytes += u->admitted_event_id || u->accepted_event_id ? tally_update_bytes(u) : 0;
    }
    return bytes;
}

void tally_check(const struct workflow *wf)
{
    size_t bytes = 0, volatile_starts = 0, with_message = 0;
    struct instant need = INSTANT_NEVER, durable = INSTANT_NEVER;
    activity_each(wf, a)
    {
        bytes += activity_bytes(a);
        volatile_starts += a->is_start_volatile;
        need = instant_min(need, activity_need(a));
        durable = instant_min(durable, activity_durable_need(a));
    }
    map_each(&wf->timers, n)
    {
        bytes += timer_bytes(timer_of(n));
        need = instant_min(need, timer_of(n)->fire_at);
        durable = instant_min(durable, timer_of(n)->fire_at);
    }
    map_each(&wf->children, n)
    {
        bytes += child_bytes(child_of(n));
        with_message += child_of(n)->stage != CHILD_RUNNING;
    }
    map_each(&wf->outbox, n)
    {
        bytes += outbox_bytes(map_entry(n, struct outbox_entry, by_id));
    }
    map_each(&wf->request_ids, n)
    {
        bytes += n->key.len + 4;
    }
    check(bytes == wf->pending_bytes && volatile_starts == wf->volatile_starts);
    check(kept_update_bytes(wf) == (wf->updates ? wf->updates->kept_bytes : 0));
    check(with_message == wf->children_with_message);
    check(need.ns == workflow_pending_need(wf).ns);
    check(durable.ns == workflow_pending_durable_need(wf).ns);
}
