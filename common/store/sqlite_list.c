/* Lists and counts on SQLite, on a thread and connection of their own (in memory: on the database's): statements made
 * for each call, stopped when they take too long. Rows are copied into the job's arena. */
#include "common/store/list_sql.h"
#include "common/store/sqlite.h"

enum {
    SQL_MAX = 4 << 20,
    STEPS_BETWEEN_LOOKS = 10000,
    LIMIT_MS = 10000,      /* as in PostgreSQL */
    LIMIT_MEMORY_MS = 500, /* commits wait for it */
};

#define OP(type) container_of(job->op, struct type, op)

static int is_late(void *arg)
{
    return sq_now().ns > *(const int64_t *)arg;
}

static int64_t limit_from(const struct sqlite_job *job, struct instant now)
{
    bool apart = job->sl->store->reader.db;
    return now.ns + DURATION_MS(apart ? LIMIT_MS : LIMIT_MEMORY_MS).ns;
}

static void view_row(sqlite3_stmt *q, struct arena *arena, struct store_view *ret)
{
    int c = LIST_RUN_COLUMNS;
    *ret = (struct store_view){
        .workflow_type = sq_get_str(q, c, arena),
        .task_queue = sq_get_str(q, c + 1, arena),
        .execution_time = { sqlite3_column_int64(q, c + 2) },
        .parent_workflow_id = sq_get_str(q, c + 3, arena),
        .parent_run_id = sq_get_str(q, c + 4, arena),
        .root_workflow_id = sq_get_str(q, c + 5, arena),
        .root_run_id = sq_get_str(q, c + 6, arena),
        .memo = sq_get_str(q, c + 7, arena),
        .search_attributes = sq_get_str(q, c + 8, arena),
        .search = sq_get_str(q, c + 9, arena),
        .history_length = sqlite3_column_int64(q, c + 10),
        .history_size = sqlite3_column_int64(q, c + 11),
        .state_transitions = sqlite3_column_int64(q, c + 12),
    };
}

static enum err prepare(struct sqlite_db *db, struct buf *sql, sqlite3_stmt **ret, struct fail *f)
{
    if (sql->overflow) {
        return fail(f, ERR_INVALID_ARGUMENT, "the query is too long");
    }
    int rc = sqlite3_prepare_v2(db->db, sql->ptr, (int)sql->len, ret, NULL);
    return rc == SQLITE_OK ? ERR_NONE : sq_fail(db, rc, f);
}

/* The statement's end: what it came to. */
static enum err finish(struct sqlite_db *db, sqlite3_stmt *q, int rc, struct fail *f)
{
    enum err err = (rc & 0xff) == SQLITE_INTERRUPT
                           ? fail(f, ERR_RESOURCE_EXHAUSTED,
                                     "the query takes too long: make it more selective")
                   : rc != SQLITE_OK ? sq_fail(db, rc, f)
                                     : ERR_NONE;
    sqlite3_progress_handler(db->db, 0, NULL, NULL);
    sqlite3_finalize(q);
    return err;
}

static enum err list(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_list_runs *l = OP(store_list_runs);
    struct buf sql;
    sqlite3_stmt *q = NULL;
    VEC(struct store_listed) rows = { 0 };
    buf_init_arena(&sql, &job->arena, SQL_MAX);
    if (!list_sql(&sql, &job->arena, SQL_SQLITE, l)) {
        return fail(f, ERR_INVALID_ARGUMENT, "invalid place in a list");
    }
    enum err err = prepare(db, &sql, &q, f);
    if (err) {
        return err;
    }
    struct instant now = sq_now();
    int64_t until = limit_from(job, now);
    sqlite3_progress_handler(db->db, STEPS_BETWEEN_LOOKS, is_late, &until);
    int rc = SQLITE_OK;
    struct str moment = { "", 0 };
    while (sq_row(q, &rc)) {
        struct store_listed row = { 0 };
        sqlite_run_row(q, &job->arena, &row.run);
        view_row(q, &job->arena, &row.view);
        row.in_closed = sqlite3_column_int(q, LIST_PART) == 1;
        moment = sq_get_str(q, LIST_MOMENT, &job->arena);
        vec_push(&job->arena, &rows, row);
    }
    l->rows = rows.ptr;
    l->row_count = rows.len;
    list_page(l, moment, now);
    return finish(db, q, rc, f);
}

static enum err count(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_count_runs *c = OP(store_count_runs);
    struct buf sql;
    sqlite3_stmt *q = NULL;
    buf_init_arena(&sql, &job->arena, SQL_MAX);
    count_sql(&sql, &job->arena, SQL_SQLITE, c);
    enum err err = prepare(db, &sql, &q, f);
    if (err) {
        return err;
    }
    int64_t until = limit_from(job, sq_now());
    sqlite3_progress_handler(db->db, STEPS_BETWEEN_LOOKS, is_late, &until);
    memset(c->counts, 0, sizeof(c->counts));
    int rc = SQLITE_OK;
    while (sq_row(q, &rc)) {
        int status = sqlite3_column_int(q, 0);
        if (status >= 0 && status < STORE_STATUS_MAX) {
            c->counts[status] = sqlite3_column_int64(q, 1);
        }
    }
    return finish(db, q, rc, f);
}

sqlite_work *const sqlite_list_works[] = {
    [STORE_LIST_RUNS] = list,
    [STORE_COUNT_RUNS] = count,
};
