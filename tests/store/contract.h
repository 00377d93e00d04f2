/* The store's contract suite: a small runner, since the cases need a lane and a database each.
 *
 * A case runs on the main thread and drives one lane. run() starts an operation on the lane and
 * waits for it; the lane then stands still inside done() until the case asks for anything else, so
 * the results can be read in place. begin() only starts; end() waits for what was begun. A failed
 * expect() ends the program. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/store/store_lists.h"
#include "common/store/store_namespaces.h"

struct test_case {
    const char *name;
    void (*body)(void);
};

struct backend {
    const char *name;
    /* An empty, migrated database, and a store on it. */
    struct store *(*fresh)(void);
    /* One more store on the same database, as another process would have; NULL: the database has
     * one process. */
    struct store *(*another)(void);
    void (*cleanup)(void);
    const struct test_case *own_cases; /* NULL: none */
};

extern const struct backend *backend;
extern const struct backend backend_memory, backend_file, backend_postgres, backend_sim;

#define expect(cond)                                  \
    do {                                              \
        if (!(cond)) {                                \
            expect_failed(#cond, __FILE__, __LINE__); \
        }                                             \
    } while (0)
_Noreturn void expect_failed(const char *cond, const char *file, int line);
/* ERR_NONE, or the text of what happened instead. */
#define expect_ok(e) expect_err((e), ERR_NONE)
#define expect_err(e, want)                                                     \
    do {                                                                        \
        enum err got_ = (e);                                                    \
        if (got_ != (want)) {                                                   \
            fprintf(stderr, "got %s: %s\n", err_name(got_), last_fail.message); \
            expect_failed(#e " is " #want, __FILE__, __LINE__);                 \
        }                                                                       \
    } while (0)
extern struct fail last_fail; /* of the last operation that was waited for */

typedef void start_fn(struct store_lane *sl, struct store_op *op);
#define STARTER(name)                                                           \
    static inline void start_##name(struct store_lane *sl, struct store_op *op) \
    {                                                                           \
        store_##name(sl, container_of(op, struct store_##name, op));            \
    }
STARTER(claim_writer)
STARTER(commit)
STARTER(load)
STARTER(find_current)
STARTER(read_history)
STARTER(scan_wakes)
STARTER(scan_backlog)
STARTER(list_runs)
STARTER(count_runs)
STARTER(scan_runs)
STARTER(read_log)
STARTER(scan_doomed)
STARTER(scan_closed)
STARTER(beat)
STARTER(read_assignments)
STARTER(assign)
STARTER(fence_member)
STARTER(leave)
STARTER(try_plan)
STARTER(list_namespaces)
STARTER(put_namespace)
STARTER(remove_namespace)

enum err run_op(struct store_lane *sl, start_fn *start, struct store_op *op);
void begin_op(struct store_lane *sl, start_fn *start, struct store_op *op);
enum err end_op(struct store_op *op);
bool op_ended(struct store_op *op);
#define run(sl, name, ptr)   run_op((sl), start_##name, &(ptr)->op)
#define begin(sl, name, ptr) begin_op((sl), start_##name, &(ptr)->op)

struct store_lane *open_lane(struct store *store);
void close_lane(struct store_lane *sl);
struct instant writer_stalled_since(struct store_lane *sl);
/* Waits until the condition holds, at most 30 s. */
#define wait_until(cond)              \
    for (int n_ = 0; !(cond); n_++) { \
        expect(n_ < 3000);            \
        usleep(10000);                \
    }

/* ---- data ---- */

/* A batch with its memory; zeroed is empty. */
struct fill {
    struct arena arena;
    struct store_batch batch;
};
void fill_reset(struct fill *fill);
struct uuid id_of(uint64_t n);
extern struct uuid ns; /* the namespace of all runs below */
run_key key_of(uint32_t writer, uint64_t n);
struct store_run_row run_of(run_key key, const char *workflow_id);
struct store_log_row log_of(
        run_key key, int32_t seq, int64_t first, int32_t count, struct str events);
/* A new current run with its first transition: events 1 and 2. */
void fill_start(struct fill *fill, run_key key, const char *workflow_id);
void fill_log(struct fill *fill, run_key key, int32_t seq, int64_t first, int32_t count);
struct str bytes_of(struct arena *arena, size_t len, uint64_t seed);

/* A claimed writer. */
struct writer {
    struct store_lane *sl;
    struct store_claim_writer claim;
};
struct writer writer_open(struct store *store, uint64_t member);
enum err commit(struct writer *w, struct fill *fill);

extern const struct test_case cases_delete[], cases_runs[], cases_commit[], cases_cluster[],
        cases_lists[], cases_postgres[];

/* ---- PostgreSQL only (backend_postgres.c) ---- */
void pg_sql(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int64_t pg_number(const char *sql);
void pg_server_stop(bool now);
void pg_server_start(void);
const char *pg_conninfo(void);
struct store *pg_store_at(const char *conninfo);
struct store *pg_store_of(struct uuid member, const char *conninfo);
