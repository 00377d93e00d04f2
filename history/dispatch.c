/* Book-keeping of tasks that wait for workers. Sending is in dispatch_send.c; who may claim is the engine's decision
 * (handlers_claim.c). A task here is only a hint: losing one costs time until the next offer, never correctness. */
#include "history/dispatch.h"

#include <string.h>

#include "history/dispatch_queue.h"
#include "history/engine_view.h"

static void handed_over(struct lane_timer *timer);

/* ---- queues ------------------------------------------------------------------------------------------ */

static struct str queue_key(
        struct arena *arena, struct uuid namespace_id, enum task_queue_type type, struct str name)
{
    char *p = arena_alloc(arena, sizeof(namespace_id) + 1 + name.len, 1);
    memcpy(p, namespace_id.b, sizeof(namespace_id));
    p[sizeof(namespace_id)] = (char)type;
    memcpy(p + sizeof(namespace_id) + 1, name.ptr, name.len);
    return str_of(p, sizeof(namespace_id) + 1 + name.len);
}

static struct dispatch_queue *queue_find(
        struct dispatch *d, struct uuid namespace_id, enum task_queue_type type, struct str name)
{
    struct str key = queue_key(lane_scratch(d->history->lane), namespace_id, type, name);
    struct map_node *n = map_get(&d->queues, key);
    return n ? map_entry(n, struct dispatch_queue, by_name) : NULL;
}

struct dispatch_queue *dispatch_queue_get(struct dispatch *d, struct uuid namespace_id,
        enum task_queue_type type, struct str name, bool is_sticky)
{
    struct dispatch_queue *q = queue_find(d, namespace_id, type, name);
    if (q) {
        return q;
    }
    q = POOL_NEW(&d->queue_pool, struct dispatch_queue);
    struct str key = queue_key(&q->arena, namespace_id, type, name);
    q->dispatch = d;
    q->namespace_id = namespace_id;
    q->name = str_drop(key, sizeof(namespace_id) + 1);
    q->type = type;
    q->is_sticky = is_sticky;
    q->hash = task_queue_hash(namespace_id, q->name, type);
    dispatch_level_get(q, PRIORITY_NORMAL);
    list_init(&q->sent);
    map_put(&d->queues, &q->by_name, key);
    return q;
}

/* Something about it changed: it is advertised once when this callback has returned. */
void dispatch_queue_touch(struct dispatch_queue *q)
{
    struct dispatch *d = q->dispatch;
    if (!list_linked(&q->in_dirty)) {
        list_append(&d->dirty, &q->in_dirty);
    }
    if (!d->flush_posted && d->history->state != HISTORY_STOPPED) {
        d->flush_posted = true;
        lane_defer(d->history->lane, &d->flush);
    }
}

static bool queue_is_empty(const struct dispatch_queue *q)
{
    return !q->waiting_count && !q->sent_count && !q->handed_count && !q->cold_count &&
           !q->lent_count && !q->scanning && !list_linked(&q->in_dirty);
}

void dispatch_collect(struct dispatch *d)
{
    struct instant now = lane_monotonic(d->history->lane);
    map_each(&d->queues, n)
    {
        struct dispatch_queue *q = map_entry(n, struct dispatch_queue, by_name);
        if (!queue_is_empty(q)) {
            q->idle_since = now;
        } else if (instant_since(now, q->idle_since).ns > DURATION_SECONDS(300).ns) {
            map_remove(&d->queues, n);
            dispatch_levels_deinit(q);
            arena_deinit(&q->arena);
            pool_put(&d->queue_pool, q);
        }
    }
}

/* ---- tasks ------------------------------------------------------------------------------------------- */

void dispatch_task_unlink(struct dispatch_task *task)
{
    struct dispatch_queue *q = task->queue;
    size_t *count = task->state == TASK_WAITING ? &q->waiting_count
                    : task->state == TASK_SENT  ? &q->sent_count
                                                : &q->handed_count;
    check(*count > 0);
    --*count;
    list_remove(&task->in_queue);
    if (task->state == TASK_WAITING) {
        task->key->level->waiting_count--;
        dispatch_key_rank(task->key);
    } else if (task->state == TASK_SENT) {
        task->key->sent--;
        dispatch_key_rank(task->key);
    }
}

void dispatch_task_wait(struct dispatch_task *task, struct dispatch_queue *q, bool in_front)
{
    struct dispatch_key *key = task->key;
    if (task->queue != q) {
        struct priority p = { (int32_t)key->level->level, key->by_name.key, task->weight };
        task->key = dispatch_key_take(q, &p);
        task->queue = q;
        dispatch_key_drop(key);
        key = task->key;
    }
    task->state = TASK_WAITING;
    q->waiting_count++;
    key->level->waiting_count++;
    if (in_front) {
        list_prepend(&key->waiting, &task->in_queue);
    } else {
        list_append(&key->waiting, &task->in_queue);
    }
    dispatch_key_rank(key);
    dispatch_queue_touch(q);
}

void dispatch_task_free(struct dispatch_task *task)
{
    struct dispatch *d = task->queue->dispatch;
    if (task->state == TASK_WAITING) {
        dispatch_queue_touch(task->queue); /* the backlog's figure */
    }
    dispatch_task_unlink(task);
    dispatch_key_drop(task->key);
    list_remove(&task->in_run);
    pool_put(&d->tasks, task);
}

static struct dispatch_task *task_find(
        struct execution *ex, enum task_queue_type type, int64_t scheduled_event_id)
{
    list_each(&ex->tasks, n)
    {
        struct dispatch_task *task = list_entry(n, struct dispatch_task, in_run);
        if (task->queue->type == type && task->scheduled_event_id == scheduled_event_id) {
            return task;
        }
    }
    return NULL;
}

void dispatch_offer(struct dispatch *d, struct execution *ex, const struct task_offer *offer)
{
    struct dispatch_queue *q = dispatch_queue_get(
            d, ex->chain->namespace_id, offer->type, offer->queue, offer->is_sticky);
    struct dispatch_task *task = task_find(ex, offer->type, offer->scheduled_event_id);
    if (task && task->attempt == offer->attempt && task->stamp == offer->stamp &&
            task->queue == q && task->state != TASK_HANDED) {
        return;
    }
    if (task) {
        dispatch_task_unlink(task);
        dispatch_key_drop(task->key);
    } else {
        task = POOL_NEW(&d->tasks, struct dispatch_task);
        task->ex = ex;
        task->scheduled_event_id = offer->scheduled_event_id;
        list_append(&ex->tasks, &task->in_run);
    }
    struct priority p = priority_meaning(offer->priority);
    task->queue = q;
    task->key = dispatch_key_take(q, &p);
    task->weight = p.weight;
    task->attempt = offer->attempt;
    task->stamp = offer->stamp;
    task->since = offer->since;
    task->sticky_schedule_to_start = offer->sticky_schedule_to_start;
    dispatch_task_wait(task, q, offer->scheduled_event_id < 0); /* somebody waits for a query */
}

void dispatch_claimed(struct dispatch *d, struct execution *ex, enum task_queue_type type,
        int64_t scheduled_event_id)
{
    struct dispatch_task *task = task_find(ex, type, scheduled_event_id);
    if (task) {
        dispatch_task_free(task);
    }
}

void dispatch_forget(struct dispatch *d, struct execution *ex)
{
    list_each(&ex->tasks, n)
    {
        dispatch_task_free(list_entry(n, struct dispatch_task, in_run));
    }
}

void dispatch_settle(struct dispatch *d, struct execution *ex)
{
    list_each(&ex->tasks, n)
    {
        struct dispatch_task *task = list_entry(n, struct dispatch_task, in_run);
        if (task->scheduled_event_id > 0 &&
                !workflow_offers_task(ex->wf, task->queue->type, task->scheduled_event_id)) {
            dispatch_task_free(task);
        }
    }
}

void dispatch_closed(struct dispatch *d, struct execution *ex)
{
    list_each(&ex->tasks, n)
    {
        struct dispatch_task *task = list_entry(n, struct dispatch_task, in_run);
        if (task->scheduled_event_id > 0) {
            dispatch_task_free(task);
        }
    }
}

/* ---- what the owners of queues say --------------------------------------------------------------------- */

static struct dispatch_task *task_by_ref(struct dispatch *d, const struct task_ref *ref)
{
    struct execution *ex = execution_find(d->history, ref->key);
    struct dispatch_task *task = ex ? task_find(ex, ref->type, ref->scheduled_event_id) : NULL;
    return task && task->attempt == ref->attempt && task->stamp == ref->stamp ? task : NULL;
}

void dispatch_obsolete(struct dispatch *d, const struct task_ref *ref)
{
    struct dispatch_task *task = task_by_ref(d, ref);
    if (task) {
        dispatch_task_free(task); /* a later attempt of the same task stays */
    }
}

static void task_gone(struct dispatch *d, const struct task_ref *ref)
{
    struct history *h = d->history;
    if (!execution_find(h, ref->key)) {
        /* Its run has left memory while matching held the offer. If no claim loads it, we do. */
        dispatch_lent_over(d, ref->key);
        cold_add(h, ref->key, shard_of(ref->namespace_id, ref->workflow_id),
                instant_add(lane_now(h->lane), h->config.reoffer_after));
        return;
    }
    struct dispatch_task *task = task_by_ref(d, ref);
    if (!task || task->state != TASK_SENT) {
        return; /* claimed already */
    }
    dispatch_task_unlink(task);
    task->state = TASK_HANDED;
    task->queue->handed_count++;
    task->state_since = lane_monotonic(h->lane);
    list_append(&d->handed, &task->in_queue);
    if (!lane_timer_running(&d->handed_timer)) {
        lane_timer_start(h->lane, &d->handed_timer, h->config.reoffer_after, handed_over);
    }
}

static void task_refused(struct dispatch *d, const struct task_ref *ref)
{
    struct history *h = d->history;
    if (!execution_find(h, ref->key)) {
        dispatch_lent_over(d, ref->key);
        cold_add(h, ref->key, shard_of(ref->namespace_id, ref->workflow_id), lane_now(h->lane));
        return;
    }
    struct dispatch_task *task = task_by_ref(d, ref);
    if (!task || task->state != TASK_SENT) {
        return;
    }
    struct dispatch_queue *q = task->queue;
    dispatch_task_unlink(task);
    if (q->is_sticky) {
        struct str normal = engine_view_task_queue(task->ex->wf);
        q = dispatch_queue_get(d, q->namespace_id, q->type, normal, false);
        h->stats.sticky_fallbacks++;
    }
    dispatch_task_wait(task, q, true);
}

static void take_credit(struct dispatch_queue *q, uint32_t level, uint32_t more)
{
    enum { CREDIT_MAX = 1 << 20 };
    if (!more || level < 1 || level > PRIORITY_LEVELS) {
        return;
    }
    struct dispatch_level *l = dispatch_level_get(q, level);
    more = more < CREDIT_MAX ? more : CREDIT_MAX;
    l->credit = l->credit + more < CREDIT_MAX ? l->credit + more : CREDIT_MAX;
    if (l->waiting_count || l->cold_count) {
        dispatch_queue_touch(q);
    }
}

void dispatch_demand(struct dispatch *d, const struct msg_demand *m)
{
    if (m->incarnation != d->incarnation) {
        return;
    }
    for (size_t i = 0; i < m->queue_count; i++) {
        const struct msg_demanded_queue *mq = &m->queues[i];
        for (size_t k = 0; k < mq->gone_count; k++) {
            task_gone(d, &mq->gone[k]);
        }
        for (size_t k = 0; k < mq->refused_count; k++) {
            task_refused(d, &mq->refused[k]);
        }
        struct dispatch_queue *q = queue_find(d, mq->namespace_id, mq->type, mq->name);
        if (q) {
            take_credit(q, PRIORITY_NORMAL, mq->more);
        }
        for (size_t k = 0; q && k < mq->level_count; k++) {
            take_credit(q, mq->levels[k].level, mq->levels[k].more);
        }
    }
}

/* A poll was given the reference and nobody claimed: the answer was lost, or the frontend died. */
static void handed_over(struct lane_timer *timer)
{
    struct dispatch *d = container_of(timer, struct dispatch, handed_timer);
    struct history *h = d->history;
    struct instant now = lane_monotonic(h->lane);
    struct list_node *n;
    while ((n = list_first(&d->handed))) {
        struct dispatch_task *task = list_entry(n, struct dispatch_task, in_queue);
        struct duration left = { h->config.reoffer_after.ns -
                                 instant_since(now, task->state_since).ns };
        if (left.ns > 0) {
            lane_timer_start(h->lane, &d->handed_timer, left, handed_over);
            return;
        }
        dispatch_task_unlink(task);
        h->stats.reoffers++;
        dispatch_task_wait(task, task->queue, true);
    }
}

void dispatch_init(struct dispatch *d, struct history *h)
{
    *d = (struct dispatch){ .history = h,
        .tasks.arena = &h->arena,
        .queue_pool.arena = &h->arena,
        .keys.arena = &h->arena };
    d->lent_pool.arena = &h->arena;
    map_init(&d->queues, NULL);
    map_init(&d->lent, NULL);
    list_init(&d->lent_ages);
    list_init(&d->dirty);
    list_init(&d->handed);
    d->flush.run = dispatch_flush;
    /* Never one that an owner has heard before: not after a restart of this process either. */
    d->incarnation = (uint64_t)lane_now(h->lane).ns;
    dispatch_watch(d);
}

void dispatch_deinit(struct dispatch *d)
{
    lane_timer_stop(d->history->lane, &d->handed_timer);
    lane_timer_stop(d->history->lane, &d->retry_timer);
    list_remove(&d->links.node);
    map_each(&d->queues, n)
    {
        struct dispatch_queue *q = map_entry(n, struct dispatch_queue, by_name);
        dispatch_levels_deinit(q);
        arena_deinit(&q->arena);
    }
    map_deinit(&d->queues);
    map_deinit(&d->lent);
}
