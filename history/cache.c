/* The bound on loaded runs: LRU order, eviction, soft checkpoints of idle runs, early leave of closed ones. Relies
 * on execution.c for what a checkpoint writes. */
#include "history/cache.h"

#include "history/history.h"

enum {
    TRIM_PER_TURN = 256,
    CHECKPOINTS_PER_TICK = 500,
    LOOKS_PER_TICK = 4000,
    COMPACT_PER_TURN = 16
};

static void cache_tick(struct lane_timer *timer);
static void cache_trim(struct lane_timer *timer);

void cache_init(struct cache *cache, struct history *h)
{
    *cache = (struct cache){ .history = h };
    list_init(&cache->open);
    list_init(&cache->closed);
    list_init(&cache->swollen);
}

void cache_deinit(struct cache *cache)
{
    lane_timer_stop(cache->history->lane, &cache->timer);
    lane_timer_stop(cache->history->lane, &cache->trim_timer);
    lane_timer_stop(cache->history->lane, &cache->compact_timer);
}

static size_t execution_bytes(const struct execution *ex)
{
    return sizeof(*ex) + sizeof(struct chain) + ex->arenas[ex->arena_index].total + ex->recent.cap;
}

static void cache_count(struct cache *cache, struct execution *ex)
{
    size_t size = execution_bytes(ex);
    cache->bytes += size - ex->size;
    ex->size = size;
}

static void cache_wake(struct cache *cache)
{
    struct lane *lane = cache->history->lane;
    if (!lane_timer_running(&cache->timer) && cache->count) {
        lane_timer_start(lane, &cache->timer, DURATION_SECONDS(1), cache_tick);
    }
    if (cache->bytes > cache->history->config.cache_bytes &&
            !lane_timer_running(&cache->trim_timer)) {
        lane_timer_start(lane, &cache->trim_timer, DURATION_MS(2), cache_trim);
    }
}

void cache_touch(struct cache *cache, struct execution *ex)
{
    ex->touched = lane_monotonic(cache->history->lane);
    list_remove(&ex->in_lru);
    list_append(ex->status == WORKFLOW_RUNNING ? &cache->open : &cache->closed, &ex->in_lru);
}

void cache_add(struct cache *cache, struct execution *ex)
{
    cache->count++;
    cache_count(cache, ex);
    cache_touch(cache, ex);
    cache_wake(cache);
}

void cache_remove(struct cache *cache, struct execution *ex)
{
    cache->count--;
    cache->bytes -= ex->size;
    list_remove(&ex->in_lru);
    list_remove(&ex->in_swollen);
}

static void cache_compact(struct lane_timer *timer)
{
    struct cache *cache = container_of(timer, struct cache, compact_timer);
    struct list_node *n;
    for (int i = 0; i < COMPACT_PER_TURN && (n = list_pop(&cache->swollen)); i++) {
        struct execution *ex = list_entry(n, struct execution, in_swollen);
        execution_compact(ex);
        cache_count(cache, ex);
    }
    if (!list_empty(&cache->swollen)) {
        lane_timer_start(cache->history->lane, timer, DURATION_MS(1), cache_compact);
    }
}

static void cache_want_compaction(struct cache *cache, struct execution *ex)
{
    if (!list_linked(&ex->in_swollen)) {
        list_append(&cache->swollen, &ex->in_swollen);
    }
    if (!lane_timer_running(&cache->compact_timer)) {
        lane_timer_start(
                cache->history->lane, &cache->compact_timer, DURATION_MS(1), cache_compact);
    }
}

void cache_resized(struct cache *cache, struct execution *ex)
{
    if (!ex->key) {
        return;
    }
    if (execution_is_swollen(ex)) {
        cache_want_compaction(cache, ex);
    }
    cache_count(cache, ex);
    cache_touch(cache, ex);
    cache_wake(cache);
}

static void cache_evict(struct cache *cache, struct execution *ex)
{
    struct history *h = cache->history;
    run_key key = ex->key;
    uint32_t shard = ex->chain->shard;
    struct instant wake = ex->stored_wake;
    dispatch_evicted(&h->dispatch, ex);
    execution_drop(ex);
    h->stats.evictions++;
    if (wake.ns < h->sweep.window_end.ns) {
        cold_add(h, key, shard, wake); /* the scan of this window has passed it */
    }
}

/* True when it has left. The first visit commits what is missing, a later one drops it. */
static bool cache_try_evict(struct cache *cache, struct execution *ex)
{
    if (!execution_is_idle(ex) || !workflow_may_leave(ex->wf)) {
        return false; /* a start that only memory knows: nobody else would watch over it */
    }
    if (!ex->checkpointed) {
        (void)execution_checkpoint(ex);
        return false;
    }
    cache_evict(cache, ex);
    return true;
}

static void cache_trim_list(struct cache *cache, struct list *list)
{
    unsigned looks = 0;
    list_each(list, n)
    {
        if (cache->bytes <= cache->history->config.cache_bytes || looks++ >= TRIM_PER_TURN) {
            return;
        }
        struct execution *ex = list_entry(n, struct execution, in_lru);
        if (!cache_try_evict(cache, ex) && ex->dirty <= cache->history->committer.durable) {
            cache_touch(cache, ex); /* cannot leave now: do not look at it first next time */
        }
    }
}

static void cache_trim(struct lane_timer *timer)
{
    struct cache *cache = container_of(timer, struct cache, trim_timer);
    if (cache->history->state == HISTORY_SERVING) {
        cache_trim_list(cache, &cache->closed);
        cache_trim_list(cache, &cache->open);
        cache_wake(cache);
    }
}

static void cache_drop_closed(struct cache *cache, struct instant now)
{
    unsigned looks = 0;
    list_each(&cache->closed, n)
    {
        struct execution *ex = list_entry(n, struct execution, in_lru);
        if (instant_since(now, ex->touched).ns < cache->history->config.closed_keep.ns ||
                looks++ >= LOOKS_PER_TICK) {
            return;
        }
        if (execution_is_idle(ex)) {
            execution_drop(ex);
        }
    }
}

static void cache_checkpoint_idle(struct cache *cache, struct instant now)
{
    unsigned looks = 0, written = 0;
    list_each(&cache->open, n)
    {
        struct execution *ex = list_entry(n, struct execution, in_lru);
        if (instant_since(now, ex->touched).ns < cache->history->config.idle_checkpoint.ns ||
                looks++ >= LOOKS_PER_TICK || written >= CHECKPOINTS_PER_TICK) {
            return;
        }
        if (!ex->checkpointed && execution_is_idle(ex) && execution_checkpoint(ex)) {
            written++;
        }
    }
}

static void cache_tick(struct lane_timer *timer)
{
    struct cache *cache = container_of(timer, struct cache, timer);
    struct instant now = lane_monotonic(cache->history->lane);
    if (cache->history->state == HISTORY_SERVING) {
        cache_drop_closed(cache, now);
        cache_checkpoint_idle(cache, now);
        cache_wake(cache);
    }
}
