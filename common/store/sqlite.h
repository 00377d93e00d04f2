/* SQLite behind the store's door: what its files share. Private to common/store/sqlite*.c.
 *
 *   sqlite.c         the store, its lanes, jobs on the database's thread
 *   sqlite_db.c      the file: opening, statements, values, migrations
 *   sqlite_commit.c  the writer      sqlite_read.c  runs
 *   sqlite_list.c    lists and counts                      sqlite_cluster.c  all else */
#pragma once

#include <semaphore.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/io/offload.h"
#include "common/store/store_ops.h"

enum sqlite_statement {
#define SQL(name, text) SQ_##name,
#include "common/store/sqlite_sql.def"
#undef SQL
    SQ_COUNT
};

struct sqlite_db {
    sqlite3 *db;
    sqlite3_stmt *statements[SQ_COUNT];
    int wal_pages; /* after the last commit */
};

struct sqlite_store {
    struct store store;
    int lock; /* of the file; -1: in memory */
    struct arena arena;
    const char *path;    /* NULL: in memory */
    struct sqlite_db db; /* used by the database's thread, before the lanes by whoever migrates */
    struct sqlite_db
            reader; /* of lists, used by their thread; none in memory, where they take the other */
    sqlite3 *checkpointer;
    struct offload *thread, *list_thread, *checkpoint_thread;
    atomic_bool listing;
    atomic_bool checkpointing;
    _Atomic(struct sqlite_lane *) planner;
};

struct sqlite_writer {
    bool claimed, fenced, corrupt;
    uint32_t writer;
    struct uuid owner;
    int64_t epoch, seq;
};

struct sqlite_lane {
    struct store_lane sl;
    struct sqlite_store *store;
    struct arena arena;
    struct list jobs;
    sem_t worked; /* posted once per finished work() */
    struct sqlite_writer writer;
    struct sqlite_job *committing;
    struct instant stalled_since;
    struct lane_timer retry;
};

struct sqlite_job {
    struct offload_job job;
    struct list_node node;
    struct arena arena;     /* holds the job and its results */
    struct sqlite_lane *sl; /* NULL: the lane has closed, nobody waits */
    enum store_kind kind;
    struct store_op *op;
    struct sqlite_writer writer; /* commit, claim: a copy */
    bool doubt;                  /* commit: an earlier attempt ended without a clear answer */
    bool worked;                 /* work() is done and counted */
    int wal_pages;
    enum err err;
    struct fail f;
};

/* ---- sqlite_db.c; results are SQLite's codes ---- */

enum err sqlite_db_open(const char *path, const char *const *pragmas, struct sqlite_db *db,
        struct fail *f) MUST_USE;
void sqlite_db_close(struct sqlite_db *db);
enum err sqlite_db_migrate(struct sqlite_db *db, struct fail *f) MUST_USE;
enum err sqlite_db_version(struct sqlite_db *db, int *found, int *ours, struct fail *f) MUST_USE;

/* Reset and without parameters; NULL when it cannot be prepared (no schema). */
sqlite3_stmt *sq(struct sqlite_db *db, enum sqlite_statement statement);
void sq_text(sqlite3_stmt *q, int n, struct str s);
void sq_blob(sqlite3_stmt *q, int n, struct str s);
void sq_i64(sqlite3_stmt *q, int n, int64_t v);
void sq_uuid(sqlite3_stmt *q, int n, struct uuid id); /* zero: NULL */
/* Runs a statement that returns nothing; SQLITE_OK or the error. */
int sq_run(sqlite3_stmt *q);
/* Next row: true; at the end or on an error false, with *rc SQLITE_OK or the error. */
bool sq_row(sqlite3_stmt *q, int *rc);
struct str sq_get_str(sqlite3_stmt *q, int col, struct arena *arena); /* copied */
struct uuid sq_get_uuid(sqlite3_stmt *q, int col);
/* Data that will never be accepted, as opposed to a database that cannot write now. */
bool sq_is_data_error(int rc);
enum err sq_fail(struct sqlite_db *db, int rc, struct fail *f);
/* Ends the open transaction without its effects, if there is one. */
void sq_rollback(struct sqlite_db *db);
struct instant sq_now(void);

/* ---- operations, on the database's thread ---- */

typedef enum err sqlite_work(struct sqlite_db *db, struct sqlite_job *job, struct fail *f);
extern sqlite_work *const sqlite_read_works[], *const sqlite_list_works[],
                                                       *const sqlite_cluster_works[];
void sqlite_run_row(sqlite3_stmt *q, struct arena *arena, struct store_run_row *ret);
sqlite_work sqlite_commit_work;
