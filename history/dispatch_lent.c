/* Tasks of runs that leave memory. One that the owner of its queue holds is lent: known by its run, so that what
 * the owner says of it is understood, so that it is offered again when notices may be lost, and so that its run is
 * read again when nothing was heard for long. What else waits is only counted: the row names its queue, and the
 * queue's demand brings it back (dispatch_send.c).
 *
 * Bounded: the owner holds no more of a queue than it has granted credit for. */
#include "history/dispatch_queue.h"
#include "history/engine_view.h"

struct dispatch_lent {
    struct map_node by_run;     /* key: the bytes of `key` */
    struct list_node in_age;    /* the longest lent first */
    struct dispatch_level *row; /* the queue and level that the run's row names */
    run_key key;
    uint32_t shard;
    struct instant since; /* monotonic */
};

static void lent_free(struct dispatch *d, struct dispatch_lent *lent)
{
    lent->row->queue->lent_count--;
    map_remove(&d->lent, &lent->by_run);
    list_remove(&lent->in_age);
    pool_put(&d->lent_pool, lent);
}

static struct dispatch_lent *lent_find(struct dispatch *d, run_key key)
{
    struct map_node *n = map_get(&d->lent, str_of(&key, sizeof(key)));
    return n ? map_entry(n, struct dispatch_lent, by_run) : NULL;
}

static void lend(struct dispatch *d, const struct execution *ex, struct dispatch_level *row)
{
    check(!lent_find(d, ex->key)); /* it was loaded until now */
    struct dispatch_lent *lent = POOL_NEW(&d->lent_pool, struct dispatch_lent);
    lent->row = row;
    lent->key = ex->key;
    lent->shard = ex->chain->shard;
    lent->since = lane_monotonic(d->history->lane);
    row->queue->lent_count++;
    map_put(&d->lent, &lent->by_run, str_of(&lent->key, sizeof(lent->key)));
    list_append(&d->lent_ages, &lent->in_age);
}

void dispatch_lent_over(struct dispatch *d, run_key key)
{
    struct dispatch_lent *lent = lent_find(d, key);
    if (lent) {
        lent_free(d, lent);
    }
}

static void cold_count_add(struct dispatch_level *l, run_key from)
{
    l->queue->cold_count++;
    l->cold_count++;
    l->cold_since++;
    l->scanned = l->scanned > from ? from : l->scanned;
    dispatch_queue_touch(l->queue);
}

void dispatch_lent_return(struct dispatch *d)
{
    list_each(&d->lent_ages, n)
    {
        struct dispatch_lent *lent = list_entry(n, struct dispatch_lent, in_age);
        if (shard_serves(d->history, lent->shard)) {
            cold_count_add(lent->row, 0);
        }
        lent_free(d, lent);
    }
}

void dispatch_lent_tick(struct dispatch *d)
{
    struct history *h = d->history;
    struct instant now = lane_monotonic(h->lane);
    struct list_node *n;
    while ((n = list_first(&d->lent_ages))) {
        struct dispatch_lent *lent = list_entry(n, struct dispatch_lent, in_age);
        if (instant_since(now, lent->since).ns < h->config.lent_patience.ns) {
            return;
        }
        if (shard_serves(h, lent->shard)) {
            h->stats.lent_reread++;
            cold_add(h, lent->key, lent->shard, lane_now(h->lane));
        }
        lent_free(d, lent);
    }
}

/* ---- eviction ---------------------------------------------------------------------------------------- */

/* The queue whose demand brings an evicted run back: for a sticky task the normal one. */
static struct str normal_name(const struct dispatch_task *task)
{
    return task->queue->is_sticky ? engine_view_task_queue(task->ex->wf) : task->queue->name;
}

/* As the run's row has it. */
static uint32_t most_urgent(const struct execution *ex)
{
    uint32_t level = 0;
    list_each(&ex->tasks, n)
    {
        const struct dispatch_task *task = list_entry(n, struct dispatch_task, in_run);
        uint32_t other = task->scheduled_event_id < 0 ? 0 : task->key->level->level;
        level = other && (!level || other < level) ? other : level;
    }
    return level ? level : PRIORITY_NORMAL;
}

bool dispatch_backlog(const struct execution *ex, struct dispatch_cold *ret)
{
    *ret = (struct dispatch_cold){ .type = TASK_QUEUE_WORKFLOW, .level = most_urgent(ex) };
    list_each(&ex->tasks, n)
    {
        struct dispatch_task *task = list_entry(n, struct dispatch_task, in_run);
        struct str other = normal_name(task);
        if (task->scheduled_event_id < 0) {
            continue; /* a query: nothing of it is stored */
        }
        if (task->state == TASK_HANDED ||
                (ret->queue.len &&
                        (!str_eq(ret->queue, other) || ret->type != task->queue->type))) {
            return false;
        }
        ret->queue = other;
        ret->type = task->queue->type;
    }
    return true;
}

void dispatch_evicted(struct dispatch *d, struct execution *ex)
{
    struct dispatch_level *row = NULL;
    bool is_lent = false, waits = false;
    list_each(&ex->tasks, n)
    {
        const struct dispatch_task *task = list_entry(n, struct dispatch_task, in_run);
        if (task->scheduled_event_id < 0) {
            continue;
        }
        struct dispatch_queue *q = dispatch_queue_get(
                d, task->queue->namespace_id, task->queue->type, normal_name(task), false);
        row = dispatch_level_get(q, most_urgent(ex));
        is_lent |= task->state == TASK_SENT;
        waits |= task->state != TASK_SENT;
    }
    if (is_lent) {
        lend(d, ex, row);
    }
    if (waits) {
        cold_count_add(row, ex->key - 1);
    }
}

void dispatch_cold_task(
        struct dispatch *d, struct uuid namespace_id, const struct dispatch_cold *task)
{
    struct dispatch_queue *q = dispatch_queue_get(d, namespace_id, task->type, task->queue, false);
    cold_count_add(dispatch_level_get(q, task->level), 0);
}
