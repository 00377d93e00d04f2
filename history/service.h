/* The history service: one struct history per history lane. It owns shards, runs the engine, commits, and answers
 * calls about runs. */
#pragma once

#include "common/rpc/rpc.h"
#include "common/store/store.h"
#include "history/engine/engine.h"

struct cluster_lane;
struct config;
struct namespaces_lane;
struct history;

/* What the driver asks of the cluster; called on the lane. */
struct history_namespace {
    struct uuid id;
    struct duration retention; /* of closed runs */
    bool is_deleted;           /* nothing of it is kept */
};

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
    /* The namespaces one after the other, in the order of their ids: the first behind `after`. False: that was the
     * last. May be NULL: closed runs stay for ever. */
    bool (*next_namespace)(void *ctx, struct uuid after, struct history_namespace *ret);
    /* What holds in a namespace, valid until the next turn; NULL: the limits of the config. May be NULL itself. */
    const struct engine_limits *(*limits)(void *ctx, struct uuid namespace_id);
    /* The lane has its writer and can take shards. May be NULL. */
    void (*ready)(void *ctx);
    /* The lane ends: nothing more is asked. May be NULL. */
    void (*closed)(void *ctx);
    /* The writer was taken away or is unusable: this process cannot serve any more under its member id. */
    void (*lost)(void *ctx, const struct fail *fail);
};

/* The same for all lanes of a process. Start from history_config_default. */
struct history_config {
    struct uuid member; /* this process */
    unsigned lane_count;
    struct engine_limits limits;
    size_t cache_bytes;              /* per lane; default 256 MiB */
    struct duration commit_pace;     /* between two commits under load; default 1 ms, 0: none */
    struct duration long_poll;       /* for history events; default 20 s */
    struct duration closed_keep;     /* how long a closed run stays in memory; default 1 s */
    struct duration idle_checkpoint; /* an idle run's row is made exact after; default 30 s */
    size_t batch_bytes, batch_rows;  /* of one commit; default 2 MiB, 1000 */
    size_t lead_bytes;               /* not yet durable, above it calls are shed; default 32 MiB */
    struct duration
            shed_delay; /* what waits is older, and much waits: no more starts; default 100 ms */
    struct duration stall_max;   /* database away for so long: calls get Unavailable; default 2 s */
    struct duration window;      /* how far ahead due runs are read; default 10 min */
    struct duration sweep_every; /* default 1 min */
    size_t audit_runs;           /* that are folded anew per sweep; default 20, 0: none */
    struct duration
            namespace_delete_delay; /* a deleted namespace without runs is remembered; default 0 */
    const char *zone_directory;     /* TZif files by zone name; NULL: /usr/share/zoneinfo */
    uint32_t buffered_queries;      /* of a run, that wait for a workflow task; default 1 */
    uint32_t direct_queries;        /* of a run, that are tasks of their own; default 1000 */
    struct duration reoffer_after;  /* an offer handed to a poll and not claimed; default 1 s */
    struct duration lent_patience;  /* with offers of which nothing is heard; default 10 min */
    struct duration
            reload_wait; /* a task that may be with a worker is offered again this long after a crash (and up to
                                      0.4 of it later); default 1.25 s */
};

struct history_stats {
    uint64_t calls, steps, started, closed, timers_fired, failed_timers;
    uint64_t commits, committed_rows, poisoned_groups, shed, shed_starts;
    uint64_t loads, evictions, compactions, checkpoints, snapshots, corrupt_runs, stuck_runs;
    uint64_t audited_runs, audit_mismatches, audit_healed;
    uint64_t claims, obsolete_claims, reoffers, offers_sent, sticky_fallbacks, history_reads;
    uint64_t lent_reread;              /* runs read because of lent_patience */
    uint64_t updates, tasks_discarded; /* admitted; speculative tasks that left no trace */
    uint64_t messages_sent, messages_received, unsent_tasks, late_answers;
    uint64_t resets, deletes, expired_runs, reaped_runs, reaped_rows;
    size_t cached_runs, cached_bytes, uncommitted_bytes, open_requests; /* now */
    uint32_t shards;
};

struct history_config history_config_default(void);
/* What the settings say of limits, on top of the engine's defaults. */
void history_limits_from(const struct config *config, struct engine_limits *ret);

/* On the lane. Registers the handlers of RPC_HISTORY_*, claims the lane's writer (again and again while the
 * database is away) and serves from then on. The lanes and their doors outlive it. */
struct history *history_new(struct lane *lane, struct rpc_lane *rpc, struct store_lane *store,
        struct cluster_lane *cl, struct namespaces_lane *namespaces,
        const struct history_config *config);
/* The same with somebody else's idea of a cluster: tests, simulation. */
struct history *history_new_with(struct lane *lane, struct rpc_lane *rpc, struct store_lane *store,
        const struct history_cluster *cluster, const struct history_config *config);
bool history_is_serving(const struct history *h);
/* The lane of a process that serves a shard: for rpc_route_methods, ctx points to the number of history lanes. */
unsigned history_route(void *ctx, uint64_t key);

/* The cluster has assigned these shards to this lane. */
void history_gain_shards(struct history *h, const uint32_t *shards, size_t count);
/* Stops serving them, commits what is to be known of their runs, forgets them; then done(), in which the cluster
 * assigns them to somebody else. Shards that are not served are simply done. */
void history_release_shards(struct history *h, const uint32_t *shards, size_t count,
        void (*done)(void *ctx, const uint32_t *shards, size_t count), void *ctx);
/* Forgets them without writing: this process has been fenced. */
void history_drop_shards(struct history *h, const uint32_t *shards, size_t count);
/* Owners of queues may have changed. */
void history_matching_changed(struct history *h);

/* Refuses new calls, commits everything, then stopped(). */
void history_stop(struct history *h, void (*stopped)(void *ctx), void *ctx);
/* After stopped(); or, to fall dead in a test, after the lane's store has been closed. NULL: nothing. */
void history_free(struct history *h);

struct history_stats history_stats(const struct history *h);
