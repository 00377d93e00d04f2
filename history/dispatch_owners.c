/* Starting over with the owners of queues: when one has changed, or when notices between us may be lost. Everything
 * that was sent waits again, under a new incarnation. The book-keeping of tasks is in dispatch.c. */
#include "history/dispatch_queue.h"

void dispatch_restart(struct dispatch *d)
{
    d->incarnation++;
    dispatch_lent_return(d);
    map_each(&d->queues, n)
    {
        struct dispatch_queue *q = map_entry(n, struct dispatch_queue, by_name);
        dispatch_levels_each(q, l)
        {
            l->credit = DEMAND_INITIAL;
            l->told_backlog = 0;
        }
        q->owner = (struct uuid){ { 0 } };
        struct list_node *last;
        while (!list_empty(&q->sent)) {
            last = q->sent.head.prev; /* the newest first to the front: the oldest ends up first */
            struct dispatch_task *task = list_entry(last, struct dispatch_task, in_queue);
            dispatch_task_unlink(task);
            dispatch_task_wait(task, q, true);
        }
        if (q->waiting_count || q->cold_count) {
            dispatch_queue_touch(q);
        }
    }
}

/* An owner may have lost an offer although no link broke. If it has not, it knows the offer by its key. */
static void queue_unheard(struct dispatch_queue *q, struct instant now)
{
    struct history *h = q->dispatch->history;
    struct list_node *n;
    while ((n = list_first(&q->sent))) {
        struct dispatch_task *task = list_entry(n, struct dispatch_task, in_queue);
        if (instant_since(now, task->state_since).ns < h->config.lent_patience.ns) {
            return;
        }
        h->stats.reoffers++;
        task->key->level->credit++; /* it has been paid for */
        dispatch_task_unlink(task);
        dispatch_task_wait(task, q, true);
    }
}

void dispatch_unheard_tick(struct dispatch *d)
{
    struct instant now = lane_monotonic(d->history->lane);
    map_each(&d->queues, n)
    {
        queue_unheard(map_entry(n, struct dispatch_queue, by_name), now);
    }
}

void dispatch_owners_changed(struct dispatch *d)
{
    struct history *h = d->history;
    bool changed = false;
    map_each(&d->queues, n)
    {
        struct dispatch_queue *q = map_entry(n, struct dispatch_queue, by_name);
        struct rpc_peer *peer = h->cluster.matching_peer(h->cluster.ctx, q->hash);
        changed |= !uuid_is_zero(q->owner) && (!peer || !uuid_eq(rpc_peer_member(peer), q->owner));
    }
    if (changed) {
        dispatch_restart(d);
    }
}

static bool dispatch_told(const struct dispatch *d, struct uuid member)
{
    map_each(&d->queues, n)
    {
        if (uuid_eq(map_entry(n, struct dispatch_queue, by_name)->owner, member)) {
            return true;
        }
    }
    return false;
}

static void dispatch_link(struct rpc_watch *watch, struct uuid member, bool up)
{
    /* Notices of either direction may be lost, also those of a link that never came up, or whose other end had not
     * seen its loss yet; of these one hears by the next that comes up: everybody gets the whole picture again. */
    struct dispatch *d = container_of(watch, struct dispatch, links);
    if (dispatch_told(d, member)) {
        dispatch_restart(d);
    }
}

void dispatch_watch(struct dispatch *d)
{
    d->links.changed = dispatch_link;
    d->links.inbound_too = true;
    rpc_watch_links(d->history->rpc, &d->links);
}
