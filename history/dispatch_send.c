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

static struct str task_priority(const struct dispatch_task *task, struct arena *arena)
{
    struct priority p = { (int32_t)task->key->level->level, task->key->by_name.key, task->weight };
    if (p.key == PRIORITY_NORMAL && !p.fairness_key.len) {
        return STR("");
    }
    struct buf out;
    buf_init_arena(&out, arena, PRIORITY_BYTES_MAX);
    priority_write(&out, &p);
    return buf_str(&out);
}

static void dispatch_task_send(struct dispatch_task *task)
{
    struct dispatch_queue *q = task->queue;
    task->key->sent++; /* before its key is ranked again */
    dispatch_task_unlink(task);
    task->state = TASK_SENT;
    task->state_since = lane_monotonic(q->dispatch->history->lane);
    q->sent_count++;
    list_append(&q->sent, &task->in_queue);
}

static size_t level_ready(const struct dispatch_level *l)
{
    return l->waiting_count < l->credit ? l->waiting_count : l->credit;
}

static size_t queue_ready(const struct dispatch_queue *q)
{
    size_t n = 0;
    dispatch_levels_each(q, l)
    {
        n += level_ready(l);
    }
    return n;
}

static bool has_news(const struct dispatch_queue *q)
{
    dispatch_levels_each(q, l)
    {
        if (level_ready(l) || l->waiting_count + l->cold_count != l->told_backlog) {
            return true;
        }
    }
    return false;
}

/* Takes tasks in their order as far as the owner's demand allows, then says what is left. */
static struct msg_advertised_queue queue_take(struct dispatch_queue *q, struct arena *arena)
{
    size_t n = queue_ready(q), taken = 0;
    n = n < OFFERS_MAX ? n : OFFERS_MAX;
    struct msg_offer *offers = NEW(arena, struct msg_offer, n + 1);
    struct msg_level *levels = NULL;
    struct msg_advertised_queue ret = {
        .namespace_id = q->namespace_id,
        .name = q->name,
        .type = q->type,
        .is_sticky = q->is_sticky,
        .offers = offers,
    };
    dispatch_levels_each(q, l)
    {
        for (size_t k = level_ready(l); k > 0 && taken < n; k--, taken++) {
            struct dispatch_task *task = dispatch_next(l);
            offers[taken] = (struct msg_offer){
                .task = task_ref(task),
                .since = task->since,
                .sticky_schedule_to_start = task->sticky_schedule_to_start,
                .priority = task_priority(task, arena),
            };
            dispatch_task_send(task);
            l->credit--;
        }
        l->told_backlog = l->waiting_count + l->cold_count;
        if (l == &q->normal) {
            ret.backlog = l->told_backlog;
            ret.oldest = dispatch_oldest(l);
        } else if (l->told_backlog) {
            levels = levels ? levels : NEW(arena, struct msg_level, PRIORITY_LEVELS);
            levels[ret.level_count++] =
                    (struct msg_level){ l->level, l->told_backlog, dispatch_oldest(l) };
        }
    }
    q->dispatch->history->stats.offers_sent += taken;
    ret.offer_count = taken;
    ret.levels = levels;
    return ret;
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
        if (has_news(q)) {
            queue_advertise(q, peer);
        }
        dispatch_queue_refill(q);
        if (queue_ready(q)) {
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
    struct dispatch_level *l = q->scan_of;
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
        l->scanned = row->key;
        cold_add(h, row->key, row->shard,
                (struct instant){ 1 }); /* due now: loading it offers its task */
    }
    /* Rows of runs that matching has an offer of, or that are loaded, are among them: there may be more behind. */
    uint64_t left = l->cold_count > scan->row_count ? l->cold_count - scan->row_count : 1;
    if (scan->row_count < scan->limit) {
        left = l->cold_since; /* the scan may have been too early for these */
        l->scanned = 0;
    }
    q->cold_count -= l->cold_count - left;
    l->cold_count = left;
    dispatch_queue_touch(q);
}

/* The first one that could send more than is in memory. */
static struct dispatch_level *cold_level(const struct dispatch_queue *q)
{
    dispatch_levels_each(q, l)
    {
        if (l->cold_count && !l->waiting_count && l->credit) {
            return l;
        }
    }
    return NULL;
}

void dispatch_queue_refill(struct dispatch_queue *q)
{
    struct history *h = q->dispatch->history;
    struct dispatch_level *l = q->cold_count && !q->scanning ? cold_level(q) : NULL;
    if (!l || h->state != HISTORY_SERVING) {
        return;
    }
    q->scanning = true;
    q->scan_of = l;
    h->reads++;
    l->cold_since = 0;
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
        .level = l->level,
        .after_key = l->scanned,
        .limit = l->credit < REFILL_MAX ? l->credit : REFILL_MAX,
    };
    store_scan_backlog(h->store, &q->scan);
}
