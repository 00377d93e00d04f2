/* The simulated store: one database in memory for all simulated processes of a thread.
 * Deterministic: what happens when is decided by lane timers and by the fault function alone. It
 * keeps the contract of common/store/store.h and passes its suite. */
#pragma once

#include "common/store/store_ops.h"

struct sim_db;

struct sim_db *sim_db_new(uint64_t seed); /* the seed makes the cluster id */
void sim_db_free(struct sim_db *db);      /* after all its stores */
/* One per simulated process. store_lane_close at any time is that process's crash: what has reached
 * the database stays. */
struct store *sim_store_new(struct sim_db *db);

enum sim_outcome {
    SIM_GOOD,
    SIM_LOST_BEFORE, /* the connection is lost before anything is done */
    SIM_LOST_AFTER,  /* done, but the connection is lost before the answer */
};

struct sim_fault {
    struct duration delay; /* before the database does it */
    enum sim_outcome outcome;
    struct duration
            reconnect; /* after a loss: until a commit is resolved and, if need be, sent again */
};

/* Asked for every operation, and again for every time that a commit is sent. NULL: no faults, no
 * delay. */
void sim_db_set_faults(struct sim_db *db,
        struct sim_fault (*next)(void *arg, enum store_kind kind, const struct store_op *op),
        void *arg);
/* The database works on a lane of its own and answers by messages: it goes on while a process stands
 * still or is dead. NULL: on the lane of whoever asks. Before the first store. */
void sim_db_set_lane(struct sim_db *db, struct lane *lane);
/* With a lane of its own: the process is dead; what it has asked for may still be done, and is not
 * answered. Instead of store_lane_close. */
void sim_store_abandon(struct store_lane *sl);
/* For checkers: told of every batch right after it was stored, and by whom. */
struct sim_stored {
    const struct store_batch *batch;
    uint32_t writer;
    struct uuid owner; /* as the committing process believes */
    int64_t epoch, seq;
};
void sim_db_watch(
        struct sim_db *db, void (*stored)(void *arg, const struct sim_stored *what), void *arg);
/* While away: commits wait, everything else answers ERR_UNAVAILABLE after 3 s. */
void sim_db_set_away(struct sim_db *db, bool away);
/* Takes a member's writers away, as another process that thinks it dead would. */
void sim_db_fence(struct sim_db *db, struct uuid member);
uint64_t sim_db_commits(const struct sim_db *db); /* batches stored so far */
/* False: it has left or was fenced; a beat of its own may have made it a member again. */
bool sim_db_may_write(const struct sim_db *db, struct uuid member);
/* False: no such run. Rows borrowed until the next operation. */
bool sim_db_run(struct sim_db *db, run_key key, const struct store_run_row **run,
        const struct store_log_row **log, size_t *log_count);
/* For tests that spoil what is stored: the rows of a workflow id's run, to be changed in place. False: there is none. */
struct sim_rows {
    struct store_run_row *run;
    struct store_snapshot_row *snapshot; /* seq 0: none */
    struct store_log_row *log;
    size_t *log_count;
};
bool sim_db_spoil(struct sim_db *db, struct str workflow_id, struct sim_rows *ret);
/* For checkers: calls visit for every run, in order of insertion; rows borrowed. */
/* Rows of runs, doomed ones included, and of their logs. */
size_t sim_db_rows(const struct sim_db *db);
void sim_db_each_run(struct sim_db *db,
        void (*visit)(void *arg, const struct store_run_row *run,
                const struct store_snapshot_row *snapshot, const struct store_log_row *log,
                size_t log_count),
        void *arg);
