/* The history service: one struct history per history lane. It owns shards, runs the engine, commits, and answers
 * calls about runs. */
#pragma once

#include "common/rpc/rpc.h"
#include "common/store/store.h"
#include "history/cache.h"
#include "history/committer.h"

struct history;
struct engine_limits;

/* What the driver asks of the cluster; called on the lane. */
struct history_cluster {
    void *ctx;
    /* The matching process that owns a queue now, borrowed for the call; NULL: nobody. */
    struct rpc_peer *(*matching_peer)(void *ctx, uint64_t queue_hash);
    /* The history process that owns a shard now; NULL: nobody. */
    struct rpc_peer *(*history_peer)(void *ctx, uint32_t shard);
    /* Body of a NOT_OWNER answer: who owns it, for the caller. May be NULL. */
    struct str (*owner_hint)(void *ctx, uint32_t shard, struct arena *arena);
    /* False: no such namespace. May be NULL: only one's own. */
    bool (*namespace_id)(void *ctx, struct str name, struct uuid *ret);
    /* The writer was taken away or is unusable: this process cannot serve any more under its member id. */
    void (*lost)(void *ctx, const struct fail *fail);
};

struct history_config {
    struct uuid member;      /* this process */
    uint32_t lane;           /* which of its history lanes: writer row, demand address */
    struct history_cluster cluster;
    struct committer_config committer; /* zeros: defaults; pace is taken as it is */
    struct cache_config cache;
    const struct engine_limits *limits; /* NULL: the defaults */
    struct duration window;        /* how far ahead due runs are read; default 10 min */
    struct duration sweep_every;   /* default 1 min */
    struct duration reoffer_after; /* an offer handed to a poll and not claimed; default 1 s */
    struct duration poll_max;      /* long poll for history events; default 20 s */
};

struct history_stats {
    uint64_t calls, steps, started, closed, timers_fired, failed_timers;
    uint64_t commits, committed_rows, poisoned_groups, shed;
    uint64_t loads, evictions, checkpoints, snapshots, corrupt_runs, stuck_runs;
    uint64_t claims, obsolete_claims, reoffers, offers_sent, sticky_fallbacks, history_reads;
    uint64_t messages_sent, messages_received;
    size_t cached_runs, cached_bytes, uncommitted_bytes, open_requests; /* now */
    uint32_t shards;
};

/* On the lane. Registers the handlers of RPC_HISTORY_*, claims the lane's writer (again and again while the
 * database is away) and serves from then on. The lanes and their doors outlive it. */
struct history *history_new(struct lane *lane, struct rpc_lane *rpc, struct store_lane *store,
        const struct history_config *config);
bool history_is_ready(const struct history *h);
/* The lane of a process that serves a shard: for rpc_route_methods, ctx points to the number of history lanes. */
unsigned history_route(void *ctx, uint64_t key);

/* The cluster has assigned these shards to this lane. */
void history_gain_shards(struct history *h, const uint32_t *shards, size_t count);
/* Stops serving them, commits what is to be known of their runs, forgets them; then done(), in which the cluster
 * assigns them to somebody else. Shards that are not served are simply done. */
void history_release_shards(struct history *h, const uint32_t *shards, size_t count,
        void (*done)(void *ctx, const uint32_t *shards, size_t count), void *ctx);
/* Owners of queues have changed: everything is advertised again. */
void history_matching_changed(struct history *h);

/* Refuses new calls, commits everything, then stopped(). */
void history_stop(struct history *h, void (*stopped)(void *ctx), void *ctx);
/* After stopped(), or after the lane's store and rpc have been closed: forgets everything without a word. */
void history_free(struct history *h);

struct history_stats history_stats(const struct history *h);
