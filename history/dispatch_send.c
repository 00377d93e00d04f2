/* Telling the owners of queues what is here, against their demand; and reading tasks of evicted runs back when there
 * is demand that nothing in memory can meet. */
#include "common/rpc/methods.h"
#include "history/dispatch_queue.h"

enum {
    OFFERS_MAX = 512, /* tasks in one message */
    REFILL_MAX = 64,
};

/* ---- advertising --------------------------------------------------------------------------------------- */

static struct task_ref task_ref(const struct dispatch_task *task)
{
    const struct execution *ex = task->ex;
    return (struct task_ref){
        .namespace_id = ex->chain->namespace_id,
        .workflow_id = ex->chain->workflow_id,
        .run_id = ex->run_id,
        .key = ex->key,
        .type = task->queue->type,
        .scheduled_event_id = task->scheduled_event_id,
        .attempt = task->attempt,
        .stamp = task->stamp,
    };
}

/* Takes tasks off the front as far as the owner's demand allows. */
static struct msg_advertised_queue queue_take(struct dispatch_queue *q, struct arena *arena)
{
    size_t n = q->waiting_count < q->credit ? q->waiting_count : q->credit;
    n = n < OFFERS_MAX ? n : OFFERS_MAX;
    struct msg_offer *offers = NEW(arena, struct msg_offer, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct dispatch_task *task =
                list_entry(list_first(&q->waiting), struct dispatch_task, in_queue);
        dispatch_task_unlink(task);
        task->state = TASK_SENT;
        q->sent_count++;
        list_append(&q->sent, &task->in_queue);
        offers[i] = (struct msg_offer){
            .task = task_ref(task),
            .since = task->since,
            .sticky_schedule_to_start = task->sticky_schedule_to_start,
        };
    }
    q->credit -= (uint32_t)n;
    q->dispatch->history->stats.offers_sent += n;
    q->told_backlog = q->waiting_count + q->cold_count;
    struct list_node *oldest = list_first(&q->waiting);
    return (struct msg_advertised_queue){
        .namespace_id = q->namespace_id,
        .name = q->name,
        .type = q->type,
        .is_sticky = q->is_sticky,
        .backlog = q->told_backlog,
        .oldest = oldest ? list_entry(oldest, struct dispatch_task, in_queue)->since
                         : (struct instant){ 0 },
        .offers = offers,
        .offer_count = n,
    };
}

static void retry(struct lane_timer *timer)
{
    struct dispatch *d = container_of(timer, struct dispatch, retry_timer);
    if (!d->flush_posted) {
        d->flush_posted = true;
        lane_defer(d->history->lane, &d->flush);
    }
}

/* A notice goes to the lane that owns the queue, so its key is the queue's hash: one message per queue, unless the
 * process has a single lane. They share one write at the end of the turn. */
static void queue_advertise(struct dispatch_queue *q, struct rpc_peer *peer)
{
    struct dispatch *d = q->dispatch;
    struct arena *scratch = lane_scratch(d->history->lane);
    struct msg_advertised_queue mq = queue_take(q, scratch);
    struct msg_advertise m = {
        .lane = d->history->lane_index,
        .incarnation = d->incarnation,
        .queues = &mq,
        .queue_count = 1,
    };
    struct buf body;
    buf_init_arena(&body, scratch, (size_t)4 << 20);
    msg_advertise_encode(&m, &body);
    check(!body.overflow);
    q->owner = rpc_peer_member(peer);
    rpc_notify(d->history->rpc, peer, RPC_MATCHING_ADVERTISE, q->hash, buf_str(&body));
}

void dispatch_flush(struct lane_task *task)
{
    struct dispatch *d = container_of(task, struct dispatch, flush);
    struct history *h = d->history;
    d->flush_posted = false;
    if (h->state == HISTORY_STOPPED) {
        return;
    }
    struct list unowned;
    list_init(&unowned);
    struct list_node *n;
    while ((n = list_pop(&d->dirty))) {
        struct dispatch_queue *q = list_entry(n, struct dispatch_queue, in_dirty);
        struct rpc_peer *peer = h->cluster.matching_peer(h->cluster.ctx, q->hash);
        if (!peer) {
            list_append(&unowned, &q->in_dirty);
            continue;
        }
        bool has_news = (q->waiting_count && q->credit) ||
                        q->waiting_count + q->cold_count != q->told_backlog;
        if (has_news) {
            queue_advertise(q, peer);
        }
        dispatch_queue_refill(q);
        if (q->waiting_count && q->credit) {
            dispatch_queue_touch(q);
        }
    }
    if (!list_empty(&unowned)) {
        while ((n = list_pop(&unowned))) {
            list_append(&d->dirty, n);
        }
        lane_timer_start(h->lane, &d->retry_timer, DURATION_MS(200), retry);
    }
}

/* ---- tasks of evicted runs ------------------------------------------------------------------------------- */

/* Looked at again in a moment. */
static void queue_later(struct dispatch_queue *q)
{
    struct dispatch *d = q->dispatch;
    if (!list_linked(&q->in_dirty)) {
        list_append(&d->dirty, &q->in_dirty);
    }
    lane_timer_start(d->history->lane, &d->retry_timer, DURATION_MS(200), retry);
}

static void refill_done(struct store_op *op, enum err err, const struct fail *fail)
{
    struct store_scan_backlog *scan = container_of(op, struct store_scan_backlog, op);
    struct dispatch_queue *q = container_of(scan, struct dispatch_queue, scan);
    struct history *h = q->dispatch->history;
    q->scanning = false;
    h->reads--;
    if (err || h->state != HISTORY_SERVING) {
        if (h->state == HISTORY_SERVING) {
            queue_later(q); /* there is demand already, and no more of it may come */
        }
        history_idle(h);
        return;
    }
    for (size_t i = 0; i < scan->row_count; i++) {
        const struct store_run_row *row = &scan->rows[i];
        q->scanned = row->key;
        cold_add(h, row->key, row->shard,
                (struct instant){ 1 }); /* due now: loading it offers its task */
    }
    /* Rows of runs that matching has an offer of, or that are loaded, are among them: there may be more behind. */
    q->cold_count = q->cold_count > scan->row_count ? q->cold_count - scan->row_count : 1;
    if (scan->row_count < scan->limit) {
        q->cold_count = q->cold_since; /* the scan may have been too early for these */
        q->scanned = 0;
    }
    dispatch_queue_touch(q);
}

void dispatch_queue_refill(struct dispatch_queue *q)
{
    struct history *h = q->dispatch->history;
    if (!q->cold_count || q->scanning || q->waiting_count || !q->credit ||
            h->state != HISTORY_SERVING) {
        return;
    }
    q->scanning = true;
    h->reads++;
    q->cold_since = 0;
    if (!q->scan_shards) {
        q->scan_shards = NEW(&q->arena, uint32_t, SHARD_COUNT);
    }
    size_t count;
    uint32_t *list = shards_list(h, lane_scratch(h->lane), &count);
    memcpy(q->scan_shards, list, count * sizeof(*list));
    q->scan = (struct store_scan_backlog){
        .op.done = refill_done,
        .shards = q->scan_shards,
        .shard_count = count,
        .namespace_id = q->namespace_id,
        .queue = q->name,
        .type = q->type,
        .after_key = q->scanned,
        .limit = q->credit < REFILL_MAX ? q->credit : REFILL_MAX,
    };
    store_scan_backlog(h->store, &q->scan);
}
