/* A run in memory: the engine's state and what the driver knows about its rows in the store.
 *
 * Not loaded --chain load--> READY --close--> READY (closed) --cache--> not loaded
 *                              |  ^                                        ^
 *                              |  `-- every step, on uncommitted state     |
 *                              `-- poisoned group, lost writer ------------'
 *
 * Facts: the state is the fold of log rows 1 .. seq; rows up to batch `dirty` belong to it; stored_wake is the
 * wake_at that the store has or will have with batch `dirty`, and never later than the durable need. */
#pragma once

#include "history/chain.h"
#include "history/engine/engine.h"
#include "history/wheel.h"

struct execution {
    struct map_node by_key; /* in history.runs, key: the bytes of `key` */
    struct list_node in_chain;
    struct list_node in_lru;
    struct list_node in_swollen; /* waits to be compacted: cache.h */
    struct wheel_node wheel;
    struct chain *chain;
    run_key key;
    struct uuid run_id;
    struct arena arenas[2]; /* of wf: the one in use, and the other for compaction */
    unsigned arena_index;
    struct workflow *wf;
    int32_t seq;
    uint64_t dirty; /* last batch with a row of it */
    /* rows in the open batch that a later step of the same batch may amend */
    uint64_t row_batch, snapshot_batch;
    size_t row_index, snapshot_index;
    bool row_is_insert;
    /* what the store says, uncommitted batches included */
    struct instant stored_wake, start_time, close_time;
    bool stored_backlog; /* the store's row names the queue of an undelivered task */
    enum workflow_status status;
    bool is_doomed; /* its row says so: nothing more is written of it */
    size_t tail_bytes, snapshot_bytes;
    bool checkpointed; /* stored_wake is exact: dropping it costs nothing */
    /* events [recent_first, next event id) in wire form */
    struct buf recent;
    int64_t recent_first;
    /* tasks and messages on their way */
    struct list tasks;  /* struct dispatch_task */
    struct list outbox; /* struct outbox_entry */
    struct list polls;  /* parked struct call: history long polls */
    struct instant
            reoffer_at;       /* after a load of a run that was hot: do not offer before; 0: none */
    struct instant touched;   /* monotonic: last use */
    struct instant last_time; /* of the last step: event times never run backwards within a run */
    size_t size;              /* as counted by the cache */
    size_t compacted_size;    /* bytes of its state after the last compaction; 0: none yet */
    struct list queries;      /* parked struct call: queries.h */
    struct list updates;      /* parked struct call: updates.h */
    bool queries_held;
    unsigned pins; /* asynchronous work that holds a pointer */
};

/* A new run of the chain, current from now on. Adds its rows to the open batch; offers and so on follow when it is
 * durable. ev is an EVENT_START; fx lives in arena, which must live until the batch is durable (the open batch's
 * own arena does). */
enum err execution_start(struct chain *chain, struct event *ev, struct arena *arena,
        struct effects *fx, struct execution **ret, struct fail *f) MUST_USE;
/* The same for a run that is a reset: ev is an EVENT_RESET. */
struct reset_rows {
    struct str state; /* encoded, after the rows below */
    int32_t staged;   /* log rows that are stored already, hidden by a doomed row; 0: none */
    run_key key;      /* issued when rows were staged */
    const struct store_log_row *rows; /* that follow; key is filled in */
    size_t row_count;
    size_t bytes; /* of all of them */
};
enum err execution_reset(struct chain *chain, struct event *ev, const struct reset_rows *rows,
        struct arena *arena, struct effects *fx, struct execution **ret, struct fail *f) MUST_USE;
/* Nobody finds the run by its workflow id from now on; in the open batch. */
void execution_not_current(struct execution *ex);
/* One step. On success what it causes is in the open batch, and what it tells others waits behind it. An error
 * changes nothing. */
enum err execution_step(struct execution *ex, struct event *ev, struct arena *arena,
        struct effects *fx, struct fail *f) MUST_USE;
/* Fills in now, rand and limits. */
void execution_event(
        struct history *h, const struct execution *ex, enum event_kind kind, struct event *ret);

/* The wheel's callback of a loaded run. */
void execution_fire(struct wheel_node *node);
/* Lets parked polls look again. */
void execution_wake_polls(struct execution *ex);

/* --- memory: execution_load.c --- */
/* An unnamed run of the chain, with an empty state. */
struct execution *execution_new(struct chain *chain);
/* Gives it its ids: from now on it is found by key. */
void execution_name(struct execution *ex, run_key key, struct uuid run_id);
/* Its arena has grown to a multiple of what the last compaction has left. */
bool execution_is_swollen(const struct execution *ex);
/* Moves the state into a fresh arena. Between turns only: whoever looks at the state in a turn may keep what it has
 * seen until the turn ends. Longer than that, nobody may borrow from a run's state. */
void execution_compact(struct execution *ex);
/* Remembers events that were appended. */
void execution_keep_events(struct execution *ex, int64_t first_event_id, struct str events);
/* Offers what is waiting for a worker. */
void execution_reoffer(struct execution *ex);
/* From a finished store_load. */
enum err execution_load(struct chain *chain, const struct store_load *load, struct execution **ret,
        struct fail *f) MUST_USE;
/* Writes the exact wake_at, the backlog's queue, and a snapshot if it is worth one. False: it cannot be evicted now. */
bool execution_checkpoint(struct execution *ex);
/* True when nothing but the cache holds it. */
bool execution_is_idle(const struct execution *ex);
/* Forgets it; nothing of it is uncommitted, or all of that has failed. */
void execution_drop(struct execution *ex);
struct execution *execution_find(struct history *h, run_key key);
/* The stored form of events [from, to] when they are all in memory. */
bool execution_recent(const struct execution *ex, int64_t from, int64_t to, struct str *ret);
/* The longest prefix of `events` with at most max_events events and max_bytes bytes, but at least one event;
 * *count of them. */
struct str events_prefix(struct str events, int64_t max_events, size_t max_bytes, int64_t *count);
/* Without the first n events. */
struct str events_drop(struct str events, int64_t n);
