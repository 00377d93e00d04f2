/* The inside of one history lane: its parts in one place, for the files of this folder only. */
#pragma once

#include "history/audit.h"
#include "history/cache.h"
#include "history/call.h"
#include "history/cold.h"
#include "history/committer.h"
#include "history/dispatch.h"
#include "history/execution.h"
#include "history/outbox.h"
#include "history/pool.h"
#include "history/reaper.h"
#include "history/retention.h"
#include "history/service.h"
#include "history/shard.h"
#include "history/sweep.h"
#include "history/wheel.h"
#include "history/zones.h"

enum history_state {
    HISTORY_CLAIMING, /* waits for its writer: refuses everything */
    HISTORY_SERVING,
    HISTORY_STOPPING, /* flushes; refuses everything */
    HISTORY_LOST,     /* the writer was fenced: will never serve again */
    HISTORY_STOPPED,
};

struct history {
    struct lane *lane;
    struct rpc_lane *rpc;
    struct store_lane *store;
    struct history_config config;
    struct history_cluster cluster;
    uint32_t lane_index;
    size_t orphans; /* chains that went while their load was out */
    size_t reads; /* of the store, under way, of which nobody else knows: pages, refills of queues */
    enum history_state state;
    struct store_claim_writer claim;
    struct lane_timer claim_timer;
    struct arena arena; /* pools and tables: as long as the lane serves */
    struct pool chain_pool, execution_pool;
    struct call_pool calls;
    struct map chains; /* by namespace and workflow id */
    struct map runs;   /* loaded runs by key */
    struct list loads; /* chains that wait for a load, oldest first */
    size_t load_count;
    uint64_t last_group;
    int64_t last_query;
    uint64_t drops; /* runs dropped so far: tells whether a read may be stale */
    struct committer committer;
    struct cache cache;
    struct wheel wheel;
    struct cold cold;
    struct shards shards;
    struct dispatch dispatch;
    struct outbox outbox;
    struct sweep sweep;
    struct audit audit;
    struct zones zones;
    struct reaper reaper;
    struct retention retention;
    struct list resets; /* handlers_reset.c: those that have staged rows */
    struct history_stats stats;
    struct instant shed_logged; /* pressure.c */
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

/* The store refused rows of this group: what is in memory of it is not so. */
void history_poisoned(struct history *h, uint64_t group, const struct fail *fail);
/* The writer is lost: nothing in memory counts any more. */
void history_writer_lost(struct history *h, enum err err, const struct fail *fail);
/* A commit or a read has ended: whoever waits for everything to be durable looks again. */
void history_idle(struct history *h);
/* The commit that was out when the writer was lost has come back: now everything goes. */
void history_commit_returned(struct history *h);
/* call.c: answers and frees every call, at the very end. */
void calls_forget(struct history *h);
/* limits.c: what holds in a namespace; valid until the next turn. */
const struct engine_limits *history_limits(const struct history *h, struct uuid namespace_id);
/* The same commands, with the types of search attributes in the payloads, as readers of the events want them. */
const struct command *history_type_attributes(const struct engine_limits *limits,
        const struct command *commands, size_t count, struct arena *arena);
/* handlers.c: serves the methods of this lane. */
void history_serve(struct history *h);
