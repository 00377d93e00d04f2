/* One history lane from its claim of a writer to its end. Wires the parts together; each part does its own work. */
#include "history/service.h"

#include "common/obs/log.h"
#include "history/history.h"
#include "history/queries.h"

static void claim(struct history *h);

/* ---- the writer -------------------------------------------------------------------------------------- */

static void claim_retry(struct lane_timer *timer)
{
    claim(container_of(timer, struct history, claim_timer));
}

static void history_ready(struct history *h)
{
    h->state = HISTORY_SERVING;
    log_info("history_ready", LOG_U64("lane", h->lane_index), LOG_U64("writer", h->claim.writer),
            LOG_U64("shards", h->shards.count));
    sweep_start(&h->sweep);
    retention_start(&h->retention);
    if (h->cluster.ready) {
        h->cluster.ready(h->cluster.ctx);
    }
    size_t count;
    uint32_t *shards = shards_list(h, lane_scratch(h->lane), &count);
    if (count) {
        sweep_acquire(h, shards, count);
    }
}

static void claim_done(struct store_op *op, enum err err, const struct fail *fail)
{
    struct store_claim_writer *claimed = container_of(op, struct store_claim_writer, op);
    struct history *h = container_of(claimed, struct history, claim);
    if (h->state != HISTORY_CLAIMING) {
        history_idle(h);
        return;
    }
    if (err) {
        log_warn("writer_not_claimed", LOG_U64("lane", h->lane_index), LOG_FAIL(fail));
        lane_timer_start(h->lane, &h->claim_timer, DURATION_MS(500), claim_retry);
        return;
    }
    committer_set_writer(&h->committer, claimed->writer, claimed->last_run_key);
    history_ready(h);
}

static void claim(struct history *h)
{
    h->claim = (struct store_claim_writer){
        .op.done = claim_done,
        .member = h->config.member,
        .lane = h->lane_index,
    };
    store_claim_writer(h->store, &h->claim);
}

/* ---- birth ------------------------------------------------------------------------------------------- */

struct history_config history_config_default(void)
{
    return (struct history_config){
        .lane_count = 1,
        .limits = engine_limits_default,
        .cache_bytes = (size_t)256 << 20,
        .commit_pace = DURATION_MS(1),
        .long_poll = DURATION_SECONDS(20),
        .closed_keep = DURATION_SECONDS(1),
        .idle_checkpoint = DURATION_SECONDS(30),
        .batch_bytes = (size_t)2 << 20,
        .batch_rows = 1000,
        .lead_bytes = (size_t)32 << 20,
        .shed_delay = DURATION_MS(100),
        .stall_max = DURATION_SECONDS(2),
        .window = DURATION_SECONDS(600),
        .sweep_every = DURATION_SECONDS(60),
        .audit_runs = 20,
        .buffered_queries = 1,
        .direct_queries = 1000,
        .reoffer_after = DURATION_SECONDS(1),
        .lent_patience = DURATION_SECONDS(600),
        .reload_wait = DURATION_MS(1250),
    };
}

struct history *history_new_with(struct lane *lane, struct rpc_lane *rpc, struct store_lane *store,
        const struct history_cluster *cluster, const struct history_config *config)
{
    struct arena arena = { 0 };
    struct history *h = NEW(&arena, struct history, 1);
    h->arena = arena;
    h->lane = lane;
    h->lane_index = lane_index(lane);
    h->rpc = rpc;
    h->store = store;
    h->config = *config;
    h->cluster = *cluster;
    h->chain_pool.arena = &h->arena;
    h->execution_pool.arena = &h->arena;
    list_init(&h->calls.spare);
    list_init(&h->calls.all);
    list_init(&h->loads);
    map_init(&h->chains, NULL);
    map_init(&h->runs, NULL);
    zones_init(&h->zones, config->zone_directory);
    committer_init(&h->committer, h);
    cache_init(&h->cache, h);
    wheel_init(&h->wheel, lane);
    cold_init(&h->cold, h);
    shards_init(&h->shards);
    dispatch_init(&h->dispatch, h);
    outbox_init(&h->outbox, h);
    sweep_init(&h->sweep, h);
    audit_init(&h->audit, h);
    reaper_init(&h->reaper, h);
    retention_init(&h->retention, h);
    list_init(&h->resets);
    history_serve(h);
    claim(h);
    return h;
}

bool history_is_serving(const struct history *h)
{
    return h->state == HISTORY_SERVING;
}

unsigned history_route(void *ctx, uint64_t key)
{
    const unsigned *lanes = ctx;
    return (unsigned)(key % *lanes);
}

void history_matching_changed(struct history *h)
{
    dispatch_owners_changed(&h->dispatch);
}

/* ---- what goes wrong --------------------------------------------------------------------------------- */

static void drop_chains(struct history *h, enum err err, const char *text)
{
    struct fail f = { 0 };
    fail(&f, err, "%s", text);
    map_each(&h->chains, n)
    {
        chain_drop(map_entry(n, struct chain, by_id), &f);
    }
}

void history_poisoned(struct history *h, uint64_t group, const struct fail *fail)
{
    h->stats.poisoned_groups++;
    map_each(&h->chains, n)
    {
        struct chain *chain = map_entry(n, struct chain, by_id);
        if (chain->group == group) {
            log_error("write_refused", LOG_STR("workflow_id", chain->workflow_id), LOG_FAIL(fail));
            chain_reload(chain);
            return;
        }
    }
}

void history_commit_returned(struct history *h)
{
    committer_drop(&h->committer, ERR_UNAVAILABLE, "the shard has moved");
    drop_chains(h, ERR_UNAVAILABLE, "the shard has moved");
    history_idle(h);
}

void history_writer_lost(struct history *h, enum err err, const struct fail *fail)
{
    log_error("writer_lost", LOG_U64("lane", h->lane_index), LOG_FAIL(fail));
    h->state = HISTORY_LOST;
    sweep_stop(&h->sweep);
    committer_halt(&h->committer);
    shards_forget(h);
    cold_clear(&h->cold);
    if (h->cluster.lost) {
        h->cluster.lost(h->cluster.ctx, fail);
    }
    if (!h->committer
                    .in_flight) { /* otherwise when it comes back: the store reads calls' and runs' memory */
        history_commit_returned(h);
    }
}

/* ---- the end ----------------------------------------------------------------------------------------- */

static bool history_has_loads(const struct history *h)
{
    map_each(&h->chains, n)
    {
        if (map_entry(n, struct chain, by_id)->loading) {
            return true;
        }
    }
    return h->cold.loading > 0 || h->orphans > 0 || h->reads > 0 || h->retention.scanning ||
           h->retention.erase.reading || !audit_is_idle(&h->audit);
}

static void history_stopped(struct history *h)
{
    lane_timer_stop(h->lane, &h->claim_timer);
    sweep_stop(&h->sweep);
    h->state = HISTORY_STOPPED;
    committer_drop(&h->committer, ERR_UNAVAILABLE, "history service has stopped");
    shards_forget(h);
    drop_chains(h, ERR_UNAVAILABLE, "history service has stopped");
    void (*stopped)(void *) = h->stopped;
    h->stopped = NULL;
    stopped(h->stopped_ctx);
}

void history_idle(struct history *h)
{
    if (!list_empty(&h->shards.releases)) {
        shards_tick(h);
    }
    if (h->stopped && (h->state == HISTORY_LOST || committer_is_clean(&h->committer)) &&
            !h->committer.in_flight && !history_has_loads(h) && sweep_is_idle(&h->sweep)) {
        history_stopped(h);
    }
}

static void stop_later(struct lane_timer *timer)
{
    struct history *h = container_of(timer, struct history, claim_timer);
    if (h->stopped) {
        lane_timer_start(h->lane, &h->claim_timer, DURATION_MS(20), stop_later);
        history_idle(h);
    }
}

void history_stop(struct history *h, void (*stopped)(void *ctx), void *ctx)
{
    h->stopped = stopped;
    h->stopped_ctx = ctx;
    if (h->state != HISTORY_LOST) {
        h->state = HISTORY_STOPPING;
    }
    sweep_stop(&h->sweep);
    lane_timer_start(h->lane, &h->claim_timer, DURATION_MS(1), stop_later);
}

void history_free(struct history *h)
{
    if (!h) {
        return;
    }
    struct fail f = { 0 };
    fail(&f, ERR_UNAVAILABLE, "history service has stopped");
    if (h->cluster.closed) {
        h->cluster.closed(h->cluster.ctx);
    }
    h->state = HISTORY_STOPPED;
    lane_timer_stop(h->lane, &h->claim_timer);
    sweep_stop(&h->sweep);
    h->committer.dead = true;
    map_each(&h->runs, n)
    {
        struct list queries; /* their calls go with all others */
        list_init(&queries);
        queries_return(map_entry(n, struct execution, by_key), &queries);
        while (list_pop(&queries)) {
        }
    }
    calls_forget(h);
    map_each(&h->chains, n)
    {
        struct chain *chain = map_entry(n, struct chain, by_id);
        list_init(&chain->queue);
        list_each(&chain->executions, e)
        {
            list_init(&list_entry(e, struct execution, in_chain)->polls);
        }
        chain->loading = false;
        chain_drop(chain, &f);
    }
    cold_clear(&h->cold);
    map_deinit(&h->cold.by_key);
    map_deinit(&h->chains);
    map_deinit(&h->runs);
    shards_forget(h);
    reaper_deinit(&h->reaper);
    retention_deinit(&h->retention);
    audit_deinit(&h->audit);
    dispatch_deinit(&h->dispatch);
    cache_deinit(&h->cache);
    wheel_deinit(&h->wheel);
    committer_deinit(&h->committer);
    zones_deinit(&h->zones);
    struct arena arena = h->arena;
    arena_deinit(&arena);
}

struct history_stats history_stats(const struct history *h)
{
    struct history_stats s = h->stats;
    s.cached_runs = h->cache.count;
    s.cached_bytes = h->cache.bytes;
    s.uncommitted_bytes = h->committer.lead_bytes;
    s.open_requests = h->calls.in_use;
    s.shards = h->shards.count;
    return s;
}
