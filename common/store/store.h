/* The store's door, in domain words. PostgreSQL, SQLite and a simulated store stand behind it; one
 * contract suite (tests/store) holds all three to what is written here.
 *
 * Everything is asynchronous: an operation is a struct embedded in its owner, with a done()
 * callback that runs on the lane that started it, never inside the starting call. Results are
 * borrowed for the duration of done().
 *
 * Faults of the database never lose anything: while it is away, commits are kept and retried (see
 * store_commit), reads and cluster operations answer ERR_UNAVAILABLE after their timeout. The store
 * says once in the log that the database went away and once that it is back. */
#pragma once

#include "common/base/err.h"
#include "common/base/vec.h"
#include "common/io/lane.h"
#include "common/model/ids.h"
#include "common/model/priority.h"

/* ---- what is stored ---------------------------------------------------------------------------- */

/* One transition of a run: one row of the log. Ids of events are contiguous within a run; seq
 * starts at 1. */
struct store_log_row {
    run_key key;
    int32_t seq;
    int64_t first_event_id; /* 0 when the transition has no public events */
    int32_t event_count;
    struct str events;  /* concatenated History.events fields (tag 1, length, HistoryEvent): what a
                           reader sends */
    struct str records; /* internal records; readers of history skip this column */
    uint64_t group; /* rows that stand or fall together if one is refused: one number per workflow
                       id */
};

/* What lists show of a run beside its own row. Text is UTF-8 without NUL; empty: none. */
struct store_view {
    struct str workflow_type, task_queue;
    struct instant execution_time; /* start, or the end of its first back-off */
    struct str parent_workflow_id, parent_run_id;
    struct str root_workflow_id, root_run_id; /* empty: the run itself */
    struct str memo, search_attributes;       /* as the API carries them */
    struct str search; /* the search document of common/visibility: a JSON object */
    /* known at the close; 0 before */
    int64_t history_length, history_size, state_transitions;
};

/* Status of a row whose run is no more, or not yet: no read finds it, only store_scan_doomed. What is
 * left of it is removed bit by bit, its row last. */
enum { RUN_DOOMED = 0 };

/* The run's own row, ~200 bytes. Not touched per transition: wake_at is a lower bound of the true
 * need. */
struct store_run_row {
    run_key key;
    uint32_t shard;
    struct uuid namespace_id;
    struct uuid run_id;
    struct str workflow_id;                /* UTF-8 without NUL */
    enum workflow_status status;           /* or RUN_DOOMED */
    struct instant wake_at;                /* INSTANT_NEVER: nothing to wake for */
    struct instant start_time, close_time; /* close_time {0} while open */
    struct str backlog_queue; /* an evicted run's undelivered task: its queue; empty otherwise */
    enum task_queue_type backlog_type;
    uint32_t backlog_level; /* its priority, 1-5; 0 in rows to be written: the normal one */
    /* Inserts: what lists show, or NULL (nothing). Updates of open runs: NULL; of closed
     * ones: the figures are taken. Loads leave it NULL. Borrowed. */
    const struct store_view *view;
    uint64_t group;
};

/* Memo and search attributes of an open run have changed. */
struct store_view_row {
    run_key key;
    struct str memo, search_attributes, search;
    uint64_t group;
};

/* Which run is current for a workflow id; key 0: the id is free, its row goes - unless it names
 * another run than `was` (0: whatever it names). */
struct store_current_row {
    uint32_t shard;
    struct uuid namespace_id;
    struct str workflow_id;
    run_key key, was;
    uint64_t group;
};

struct store_snapshot_row {
    run_key key;
    int32_t seq; /* the last log row that is folded into it */
    struct str data;
    uint64_t group;
};

/* Removes a part of a doomed run; of any other run it removes nothing. */
struct store_delete_row {
    run_key key;
    int32_t through_seq; /* log rows up to this one go; callers bound how many a commit removes */
    bool whole;          /* and the snapshot and the run's row */
    uint64_t group;
};

/* One commit. All memory is borrowed from the owner of the batch until done(). */
struct store_batch {
    VEC(struct store_log_row) log;
    VEC(struct store_run_row) run_inserts;
    VEC(struct store_run_row)
    run_updates; /* by key: status, wake_at, close_time, backlog_* are written */
    VEC(struct store_view_row) views;         /* by key */
    VEC(struct store_current_row) currents;   /* insert or replace by (namespace, workflow id) */
    VEC(struct store_snapshot_row) snapshots; /* insert or replace by key */
    VEC(struct store_delete_row) deletes;     /* after everything else of the batch */
    run_key last_run_key; /* highest key this writer has issued so far: kept in the writer row */
};

/* ---- processes, writers ------------------------------------------------------------------------ */

struct store; /* one per process */

struct store_pg_config {
    const char *conninfo; /* libpq; multi-host strings allowed */
    struct duration connect_timeout, statement_timeout;
    struct uuid
            member; /* this process: who fences it ends its connections by it; zero: nobody does */
    unsigned lane_count; /* of this process. At most two connections per lane: a writer, made by
                            the first commit, and a reader for all else, cluster matters included */
};
/* Whether it is a connection string at all; says nothing about the database. */
enum err store_pg_check(const char *conninfo, struct fail *f) MUST_USE;
/* Connects lazily: a database that is away at start is no error. Zero durations mean: connect 3 s,
 * statements 10 s (reads and cluster operations; never commits). */
struct store *store_pg_new(const struct store_pg_config *config);

struct store_sqlite_config {
    const char *path;           /* NULL: in memory */
    const char *const *pragmas; /* "key=value", NULL-terminated, or NULL */
};
enum err store_sqlite_new(
        const struct store_sqlite_config *config, struct store **ret, struct fail *f) MUST_USE;
void store_free(struct store *store); /* after all its lanes have closed theirs; NULL is fine */

/* The store's side of one lane: its connections, and one writer at most. Made and closed on the
 * lane. Operations that still run when it is closed end inside the call, with ERR_CANCELLED or
 * (SQLite, which is waited for) their true outcome; a cancelled commit may or may not be durable.
 */
struct store_lane;
struct store_lane *store_lane_open(struct store *store, struct lane *lane);
void store_lane_close(struct store_lane *sl);

/* Common part of every operation. */
struct store_op {
    void (*done)(struct store_op *op, enum err err, const struct fail *fail);
    void *private; /* the store's, while the operation runs */
};

/* Applies missing migrations under a lock, resumable; any number of processes may call it at once.
 * Blocking; before the lanes start. ERR_UNAVAILABLE: the database is away. ERR_FAILED_PRECONDITION:
 * the schema is newer than this executable can serve. */
enum err store_migrate(struct store *store, struct fail *f) MUST_USE;
/* Version found (0: empty database) and version this executable brings. Blocking. */
enum err store_schema_version(struct store *store, int *found, int *ours, struct fail *f) MUST_USE;

/* ---- the writer: one per history lane ---------------------------------------------------------- */

/* A claimed writer row (writer, owner, epoch, seq, last_run_key). Whoever changes the row fences
 * the lane. */
struct store_claim_writer {
    struct store_op op;
    struct uuid member; /* in: the owner, this process */
    uint32_t lane;      /* in: which of its lanes; one row per (member, lane) */
    /* out */
    uint32_t writer;      /* small number, reused after its owner's end: part of run keys */
    run_key last_run_key; /* the highest ever issued under this writer number */
};
/* Takes the row of a member that is gone, or makes a new one; the same (member, lane) gets the same
 * row again, which fences its earlier claim. Not while a commit runs. ERR_RESOURCE_EXHAUSTED: all
 * 1024 are taken. */
void store_claim_writer(struct store_lane *sl, struct store_claim_writer *op);

struct store_commit {
    struct store_op op;
    struct store_batch *batch;
    /* out: groups refused because one of their rows is poison: text that is not UTF-8 or has a NUL,
     * a key that exists (run, log row), an update of a run that does not exist, too large.
     * Everything else is committed; of two groups that clash with each other one is refused. Valid
     * in done() with ERR_NONE. */
    const uint64_t *poisoned;
    size_t poisoned_count;
    struct fail poison; /* what the database said of the first of them */
};
/* Appends a batch atomically, fenced by the writer row's compare-and-set. One commit per lane at a
 * time, after a claim (else ERR_FAILED_PRECONDITION). Inserts are applied before updates; of
 * several updates, currents or snapshots with one key the last counts. done(): ERR_NONE - durable
 * (a connection lost in the middle is resolved by reading the writer row and, if need be, resending
 * the identical batch; this takes as long as the database is away). ERR_FENCED - another owner
 * holds the row: nothing will be stored from now on, and the batch is not, unless it was before the
 * take-over and only its answer got lost (the new owner then sees it); everything in memory that
 * depends on it must be dropped. ERR_CORRUPT - an acknowledged commit is missing in the database
 * (restored from an older state): the writer must stop. */
void store_commit(struct store_lane *sl, struct store_commit *op);
/* Since when the writer waits for the database; {0}: it does not. For load shedding and health. */
struct instant store_writer_stalled_since(const struct store_lane *sl);

/* ---- reading runs ------------------------------------------------------------------------------ */

struct store_load {
    struct store_op op;
    /* in: by key, or (key 0) by namespace and workflow id: the run with run_id, or the current one
     * (zero run_id). Borrowed until done(). */
    run_key key;
    struct uuid namespace_id;
    struct str workflow_id;
    struct uuid run_id;
    bool want_events; /* also bring the events column of the tail */
    /* out; ERR_NOT_FOUND when there is no such run */
    struct store_run_row run;
    struct store_snapshot_row snapshot; /* seq 0: none */
    const struct store_log_row *tail;   /* log rows after the snapshot, by seq, contiguous */
    size_t tail_count;
    bool is_current;
};
void store_load(struct store_lane *sl, struct store_load *op);

/* Only the run's row of the current run: what a start needs to know of an id. ERR_NOT_FOUND: the id
 * is unknown. */
struct store_find_current {
    struct store_op op;
    struct uuid namespace_id;
    struct str workflow_id;
    struct store_run_row run; /* out */
};
void store_find_current(struct store_lane *sl, struct store_find_current *op);

/* Pages of the log's events: rows that contain ids >= from_event_id in their order (or, backwards,
 * ids <= from_event_id in descending order), until max_bytes of events are reached: at least one
 * row, at most 1024. No rows: the end. */
struct store_read_history {
    struct store_op op;
    run_key key;
    int64_t from_event_id;
    bool backwards;
    size_t max_bytes;
    /* out; rows with event_count > 0 only, records empty */
    const struct store_log_row *rows;
    size_t row_count;
};
void store_read_history(struct store_lane *sl, struct store_read_history *op);

/* Runs of the given shards with wake_at <= until, earliest first: take-over and the wake-up
 * sweep. */
struct store_scan_wakes {
    struct store_op op;
    const uint32_t *shards; /* borrowed until done() */
    size_t shard_count;
    struct instant until;
    run_key after_key; /* paging: rows after (after_wake, after_key); {0}, 0 to begin */
    struct instant after_wake;
    size_t limit;
    const struct store_run_row *rows; /* out */
    size_t row_count;
};
void store_scan_wakes(struct store_lane *sl, struct store_scan_wakes *op);

/* Open runs with an undelivered task of a level of a queue (backlog_queue), oldest key first, after_key
 * excluded. */
struct store_scan_backlog {
    struct store_op op;
    const uint32_t *shards;
    size_t shard_count;
    struct uuid namespace_id;
    struct str queue; /* empty: any queue of these shards (used at take-over to find the queues) */
    enum task_queue_type type;
    uint32_t level; /* 1-5; 0: the normal one */
    run_key after_key;
    size_t limit;
    const struct store_run_row *rows; /* out */
    size_t row_count;
};
void store_scan_backlog(struct store_lane *sl, struct store_scan_backlog *op);

/* What stands in the rows for type and level: the type alone where the level is the normal one. */
static inline int store_backlog_class(enum task_queue_type type, uint32_t level)
{
    return (int)type | (level && level != PRIORITY_NORMAL ? (int)level << 4 : 0);
}
static inline enum task_queue_type store_backlog_type(int class)
{
    return (enum task_queue_type)(class & 15);
}
static inline uint32_t store_backlog_level(int class)
{
    return class >> 4 ? (uint32_t) class >> 4 : PRIORITY_NORMAL;
}

/* Runs of the given shards, open and closed, in the order of their keys, after_key excluded: what an auditor walks
 * through. Doomed ones are not among them. */
struct store_scan_runs {
    struct store_op op;
    const uint32_t *shards; /* borrowed until done() */
    size_t shard_count;
    run_key after_key;
    size_t limit;
    const struct store_run_row *rows; /* out */
    size_t row_count;
};
void store_scan_runs(struct store_lane *sl, struct store_scan_runs *op);

/* A page of the whole log, snapshots or not: rows with seq > after_seq in their order, until max_bytes of events and
 * records are reached: at least one row, at most 1024. No rows: the end. */
struct store_read_log {
    struct store_op op;
    run_key key;
    int32_t after_seq;
    size_t max_bytes;
    const struct store_log_row *rows; /* out */
    size_t row_count;
};
void store_read_log(struct store_lane *sl, struct store_read_log *op);

/* Lists and counts: store_lists.h. */

/* ---- removal ------------------------------------------------------------------------------------- */

struct store_closed_row {
    struct store_run_row run;
    int32_t last_seq; /* of its log */
};
/* Runs of a namespace on the given shards that were closed at `until` or before, earliest first, then by start:
 * what retention lets go. Doomed ones are not among them. */
struct store_scan_closed {
    struct store_op op;
    struct uuid namespace_id;
    const uint32_t *shards; /* borrowed until done() */
    size_t shard_count;
    struct instant until;
    run_key after_key; /* paging: rows after (after_close, after_start, after_key); {0}, {0}, 0 to begin */
    struct instant after_close, after_start;
    size_t limit;
    const struct store_closed_row *rows; /* out */
    size_t row_count;
};
void store_scan_closed(struct store_lane *sl, struct store_scan_closed *op);

/* Doomed runs of the given shards in the order of their keys, after_key excluded. */
struct store_doomed_row {
    run_key key;
    uint32_t shard;
    int32_t last_seq; /* of the log rows that are left; 0: none */
};
struct store_scan_doomed {
    struct store_op op;
    const uint32_t *shards; /* borrowed until done() */
    size_t shard_count;
    run_key after_key;
    size_t limit;
    const struct store_doomed_row *rows; /* out */
    size_t row_count;
};
void store_scan_doomed(struct store_lane *sl, struct store_scan_doomed *op);

/* ---- cluster ----------------------------------------------------------------------------------- */

struct store_member {
    struct uuid id;     /* new at every process start */
    struct str roles;   /* comma list: "history", or "frontend,history,matching,worker" */
    struct str address; /* rpc url */
    uint32_t lanes;
    bool draining;          /* wants to leave: gets no new shards, gives away what it has */
    struct instant beat_at; /* database clock */
};

/* Writes our row (beat_at = the database's now) and reads everybody's. */
struct store_beat {
    struct store_op op;
    struct store_member self; /* id zero: only read */
    /* out */
    struct instant database_now;
    const struct store_member *members;
    size_t member_count;
    int64_t assignment_version; /* grows with every change of the assignment */
    struct uuid cluster_id;     /* made by the first migration, for ever */
};
void store_beat(struct store_lane *sl, struct store_beat *op);

struct store_assignment {
    uint32_t shard;
    struct uuid owner; /* zero: nobody yet */
};
/* Assignments changed after `since` (0: all that exist). */
struct store_read_assignments {
    struct store_op op;
    int64_t since;
    int64_t version; /* out */
    const struct store_assignment *rows;
    size_t row_count;
};
void store_read_assignments(struct store_lane *sl, struct store_read_assignments *op);

/* Compare-and-set: each shard moves from `from` (zero: nobody) to `to`, all in one transaction; the
 * ones whose owner is another by now are left alone. A live owner gives its own shards away by
 * this, after it has flushed. */
struct store_assign {
    struct store_op op;
    const struct store_assign_move {
        uint32_t shard;
        struct uuid from, to;
    } * moves;
    size_t move_count;
    size_t moved;    /* out */
    int64_t version; /* out */
};
void store_assign(struct store_lane *sl, struct store_assign *op);

/* Fences every writer row of a member and forgets the member, in one transaction: from then on it
 * can commit nothing, whenever its transaction began. Its connections to the database are ended, so that a
 * commit that hangs half sent, and the planner's lock, do not outlive it. Its shards are then assigned with `from` =
 * the dead member. */
struct store_fence_member {
    struct store_op op;
    struct uuid member;
    struct duration silent_for; /* only if its beat is at least this old by the database's clock; 0:
                                   always */
    bool fenced;                /* out: false when it has beaten since */
};
void store_fence_member(struct store_lane *sl, struct store_fence_member *op);

/* Our own orderly end: after the last commit and after all shards are given away. */
struct store_leave {
    struct store_op op;
    struct uuid member;
};
void store_leave(struct store_lane *sl, struct store_leave *op);

/* Session-level: held until the connection of this lane ends. *out held. One planner in the
 * cluster. */
struct store_try_plan {
    struct store_op op;
    bool held; /* out */
};
void store_try_plan(struct store_lane *sl, struct store_try_plan *op);
