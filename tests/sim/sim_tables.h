/* The simulated database's tables. Private to tests/sim/sim_*.c. */
#pragma once

#include "common/base/map.h"
#include "common/store/store_lists.h"
#include "common/store/store_namespaces.h"
#include "tests/sim/sim_store.h"

struct sim_run {
    struct map_node node;
    struct store_run_row row;
    struct store_view view;
    uint64_t close_mark;                /* the number of the commit that closed it */
    bool exists;                        /* its row does */
    struct store_snapshot_row snapshot; /* seq 0: none */
    VEC(struct store_log_row) log;      /* by seq */
};

struct sim_current {
    struct map_node node;
    run_key key;
};

/* Runs by status, of one namespace; kept with every change, like the real databases'. */
struct sim_counts {
    struct map_node node;
    int64_t counts[STORE_STATUS_MAX];
};

struct sim_writer {
    struct uuid owner; /* zero: free */
    uint32_t lane;
    int64_t epoch, seq;
    run_key last_run_key;
};

struct sim_db {
    struct arena arena; /* everything; replaced rows stay until the end */
    struct map runs, currents, counts;
    VEC(struct sim_writer) writers;
    VEC(struct store_member) members;
    VEC(struct store_namespace) namespaces;
    struct {
        struct uuid owner;
        int64_t version; /* 0: no row */
    } assignments[SHARD_COUNT];
    struct uuid cluster_id;
    int64_t assignment_version, namespace_version;
    uint64_t commits;
    const void *planner; /* the lane that holds the lock */
    bool away;
    struct sim_fault (*next_fault)(void *arg, enum store_kind kind, const struct store_op *op);
    void *fault_arg;
    struct lane *lane; /* see sim_db_set_lane */
    void (*stored)(void *arg, const struct sim_stored *what);
    void *stored_arg;
};

/* Applies a batch group by group; poisoned groups are listed. arena: for the list. */
void sim_apply(struct sim_db *db, struct store_commit *c, struct arena *arena);
/* Everything that only reads or writes tables: not commits, claims, plans. */
enum err sim_execute(struct sim_db *db, enum store_kind kind, struct store_op *op,
        struct instant now, struct arena *arena, struct fail *f) MUST_USE;
/* The row of (member, lane), a free one, or a new one; -1: all are taken. */
int sim_claim(struct sim_db *db, struct uuid member, uint32_t lane);
/* sim_lists.c */
enum err sim_list(struct sim_db *db, struct store_list_runs *list, struct instant now,
        struct arena *arena, struct fail *f) MUST_USE;
/* Takes the run into the counters (+1), or out of them before it changes (-1). */
void sim_counted(struct sim_db *db, const struct sim_run *run, int by);
void sim_count(struct sim_db *db, struct store_count_runs *count, struct arena *arena);
/* sim_cluster.c */
enum err sim_execute_cluster(struct sim_db *db, enum store_kind kind, struct store_op *op,
        struct instant now, struct arena *arena, struct fail *f) MUST_USE;
