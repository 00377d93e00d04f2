/* Reading runs from SQLite, on the database's thread. Rows are copied into the job's arena. */
#include "common/store/sqlite.h"

#define OP(type) container_of(job->op, struct type, op)

static struct instant opt_instant(sqlite3_stmt *q, int col, struct instant null)
{
    return sqlite3_column_type(q, col) == SQLITE_NULL
                   ? null
                   : (struct instant){ sqlite3_column_int64(q, col) };
}

void sqlite_run_row(sqlite3_stmt *q, struct arena *arena, struct store_run_row *ret)
{
    *ret = (struct store_run_row){
        .key = sqlite3_column_int64(q, 0),
        .shard = (uint32_t)sqlite3_column_int64(q, 1),
        .namespace_id = sq_get_uuid(q, 2),
        .run_id = sq_get_uuid(q, 3),
        .workflow_id = sq_get_str(q, 4, arena),
        .status = (enum workflow_status)sqlite3_column_int(q, 5),
        .wake_at = opt_instant(q, 6, INSTANT_NEVER),
        .start_time = { sqlite3_column_int64(q, 7) },
        .close_time = opt_instant(q, 8, (struct instant){ 0 }),
        .backlog_queue = sq_get_str(q, 9, arena),
        .backlog_type = store_backlog_type(sqlite3_column_int(q, 10)),
        .backlog_level = store_backlog_level(sqlite3_column_int(q, 10)),
    };
}

static void log_row(sqlite3_stmt *q, struct arena *arena, run_key key, struct store_log_row *ret)
{
    *ret = (struct store_log_row){
        .key = key,
        .seq = sqlite3_column_int(q, 0),
        .first_event_id = sqlite3_column_int64(q, 1),
        .event_count = sqlite3_column_int(q, 2),
        .events = sq_get_str(q, 3, arena),
        .records = sq_get_str(q, 4, arena),
    };
}

typedef VEC(struct store_log_row) log_rows;
typedef VEC(struct store_run_row) run_rows;

static int collect_runs(sqlite3_stmt *q, struct arena *arena, run_rows *ret)
{
    int rc = SQLITE_OK;
    while (sq_row(q, &rc)) {
        struct store_run_row row;
        sqlite_run_row(q, arena, &row);
        vec_push(arena, ret, row);
    }
    return rc;
}

/* The row of one run and whether it is current. */
static enum err read_one(struct sqlite_db *db, sqlite3_stmt *q, struct arena *arena,
        struct store_run_row *ret, bool *current, struct fail *f)
{
    int rc = SQLITE_OK;
    if (!sq_row(q, &rc)) {
        return rc == SQLITE_OK ? fail(f, ERR_NOT_FOUND, "no such run") : sq_fail(db, rc, f);
    }
    sqlite_run_row(q, arena, ret);
    *current = sqlite3_column_int(q, 11) != 0;
    sqlite3_reset(q);
    return ERR_NONE;
}

static enum err load(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_load *l = OP(store_load);
    sqlite3_stmt *q;
    if (l->key) {
        q = sq(db, SQ_RUN_BY_KEY);
        sq_i64(q, 1, l->key);
    } else {
        bool current = uuid_is_zero(l->run_id);
        q = sq(db, current ? SQ_RUN_CURRENT : SQ_RUN_BY_ID);
        sq_blob(q, 1, uuid_bytes(&l->namespace_id));
        sq_text(q, 2, l->workflow_id);
        if (!current) {
            sq_blob(q, 3, uuid_bytes(&l->run_id));
        }
    }
    enum err err = read_one(db, q, &job->arena, &l->run, &l->is_current, f);
    if (err) {
        return err;
    }
    int rc = SQLITE_OK;
    l->snapshot = (struct store_snapshot_row){ .key = l->run.key };
    q = sq(db, SQ_SNAPSHOT);
    sq_i64(q, 1, l->run.key);
    if (sq_row(q, &rc)) {
        l->snapshot.seq = sqlite3_column_int(q, 0);
        l->snapshot.data = sq_get_str(q, 1, &job->arena);
        sqlite3_reset(q);
    }
    q = sq(db, SQ_TAIL);
    sq_i64(q, 1, l->run.key);
    sq_i64(q, 2, l->snapshot.seq);
    sq_i64(q, 3, l->want_events);
    log_rows rows = { 0 };
    while (rc == SQLITE_OK && sq_row(q, &rc)) {
        struct store_log_row row;
        log_row(q, &job->arena, l->run.key, &row);
        vec_push(&job->arena, &rows, row);
    }
    l->tail = rows.ptr;
    l->tail_count = rows.len;
    return rc == SQLITE_OK ? store_load_check(l, f) : sq_fail(db, rc, f);
}

static enum err find_current(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_find_current *c = OP(store_find_current);
    sqlite3_stmt *q = sq(db, SQ_RUN_CURRENT);
    sq_blob(q, 1, uuid_bytes(&c->namespace_id));
    sq_text(q, 2, c->workflow_id);
    bool current;
    return read_one(db, q, &job->arena, &c->run, &current, f);
}

static enum err read_history(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_read_history *h = OP(store_read_history);
    sqlite3_stmt *q = sq(db, h->backwards ? SQ_HISTORY_BACKWARDS : SQ_HISTORY_FORWARDS);
    sq_i64(q, 1, h->key);
    sq_i64(q, 2, h->from_event_id);
    log_rows rows = { 0 };
    size_t bytes = 0;
    int rc = SQLITE_OK;
    while ((rows.len == 0 || bytes < h->max_bytes) && sq_row(q, &rc)) {
        struct store_log_row row;
        log_row(q, &job->arena, h->key, &row);
        bytes += row.events.len;
        vec_push(&job->arena, &rows, row);
    }
    sqlite3_reset(q);
    h->rows = rows.ptr;
    h->row_count = rows.len;
    return rc == SQLITE_OK ? ERR_NONE : sq_fail(db, rc, f);
}

static struct str shard_list(struct arena *arena, const uint32_t *shards, size_t count)
{
    struct buf b;
    buf_init_arena(&b, arena, 1 << 20);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&b, "%c%u", i ? ',' : '[', shards[i]);
    }
    buf_append_str(&b, count ? STR("]") : STR("[]"));
    check(!b.overflow);
    return buf_str(&b);
}

static enum err scan_wakes(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_scan_wakes *s = OP(store_scan_wakes);
    sqlite3_stmt *q = sq(db, SQ_WAKES);
    sq_text(q, 1, shard_list(&job->arena, s->shards, s->shard_count));
    sq_i64(q, 2, s->until.ns);
    sq_i64(q, 3, s->after_wake.ns);
    sq_i64(q, 4, s->after_key);
    sq_i64(q, 5, (int64_t)s->limit);
    run_rows rows = { 0 };
    int rc = collect_runs(q, &job->arena, &rows);
    s->rows = rows.ptr;
    s->row_count = rows.len;
    return rc == SQLITE_OK ? ERR_NONE : sq_fail(db, rc, f);
}

static enum err scan_backlog(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_scan_backlog *s = OP(store_scan_backlog);
    bool any = str_empty(s->queue);
    sqlite3_stmt *q = sq(db, any ? SQ_BACKLOG : SQ_BACKLOG_OF_QUEUE);
    sq_text(q, 1, shard_list(&job->arena, s->shards, s->shard_count));
    sq_i64(q, 2, s->after_key);
    sq_i64(q, 3, (int64_t)s->limit);
    if (!any) {
        sq_blob(q, 4, uuid_bytes(&s->namespace_id));
        sq_text(q, 5, s->queue);
        sq_i64(q, 6, store_backlog_class(s->type, s->level));
    }
    run_rows rows = { 0 };
    int rc = collect_runs(q, &job->arena, &rows);
    s->rows = rows.ptr;
    s->row_count = rows.len;
    return rc == SQLITE_OK ? ERR_NONE : sq_fail(db, rc, f);
}

static enum err scan_closed(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_scan_closed *s = OP(store_scan_closed);
    sqlite3_stmt *q = sq(db, SQ_CLOSED_RUNS);
    sq_text(q, 1, shard_list(&job->arena, s->shards, s->shard_count));
    sq_blob(q, 2, uuid_bytes(&s->namespace_id));
    sq_i64(q, 3, s->until.ns);
    sq_i64(q, 4, s->after_close.ns);
    sq_i64(q, 5, s->after_key);
    sq_i64(q, 6, (int64_t)s->limit);
    sq_i64(q, 7, s->after_start.ns);
    VEC(struct store_closed_row) rows = { 0 };
    int rc = SQLITE_OK;
    while (sq_row(q, &rc)) {
        struct store_closed_row row;
        sqlite_run_row(q, &job->arena, &row.run);
        row.last_seq = sqlite3_column_int(q, 11);
        vec_push(&job->arena, &rows, row);
    }
    s->rows = rows.ptr;
    s->row_count = rows.len;
    return rc == SQLITE_OK ? ERR_NONE : sq_fail(db, rc, f);
}

static enum err scan_doomed(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_scan_doomed *s = OP(store_scan_doomed);
    sqlite3_stmt *q = sq(db, SQ_DOOMED);
    sq_text(q, 1, shard_list(&job->arena, s->shards, s->shard_count));
    sq_i64(q, 2, s->after_key);
    sq_i64(q, 3, (int64_t)s->limit);
    VEC(struct store_doomed_row) rows = { 0 };
    int rc = SQLITE_OK;
    while (sq_row(q, &rc)) {
        struct store_doomed_row row = { sqlite3_column_int64(q, 0),
            (uint32_t)sqlite3_column_int64(q, 1), sqlite3_column_int(q, 2) };
        vec_push(&job->arena, &rows, row);
    }
    s->rows = rows.ptr;
    s->row_count = rows.len;
    return rc == SQLITE_OK ? ERR_NONE : sq_fail(db, rc, f);
}

static enum err scan_runs(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_scan_runs *s = OP(store_scan_runs);
    sqlite3_stmt *q = sq(db, SQ_ALL_RUNS);
    sq_text(q, 1, shard_list(&job->arena, s->shards, s->shard_count));
    sq_i64(q, 2, s->after_key);
    sq_i64(q, 3, (int64_t)s->limit);
    run_rows rows = { 0 };
    int rc = collect_runs(q, &job->arena, &rows);
    s->rows = rows.ptr;
    s->row_count = rows.len;
    return rc == SQLITE_OK ? ERR_NONE : sq_fail(db, rc, f);
}

static enum err read_log(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_read_log *l = OP(store_read_log);
    sqlite3_stmt *q = sq(db, SQ_LOG_PAGE);
    sq_i64(q, 1, l->key);
    sq_i64(q, 2, l->after_seq);
    log_rows rows = { 0 };
    size_t bytes = 0;
    int rc = SQLITE_OK;
    while ((rows.len == 0 || bytes < l->max_bytes) && sq_row(q, &rc)) {
        struct store_log_row row;
        log_row(q, &job->arena, l->key, &row);
        bytes += row.events.len + row.records.len;
        vec_push(&job->arena, &rows, row);
    }
    sqlite3_reset(q);
    l->rows = rows.ptr;
    l->row_count = rows.len;
    return rc == SQLITE_OK ? ERR_NONE : sq_fail(db, rc, f);
}

sqlite_work *const sqlite_read_works[] = {
    [STORE_LOAD] = load,
    [STORE_FIND_CURRENT] = find_current,
    [STORE_READ_HISTORY] = read_history,
    [STORE_SCAN_WAKES] = scan_wakes,
    [STORE_SCAN_BACKLOG] = scan_backlog,
    [STORE_SCAN_DOOMED] = scan_doomed,
    [STORE_SCAN_RUNS] = scan_runs,
    [STORE_READ_LOG] = read_log,
    [STORE_SCAN_CLOSED] = scan_closed,
};
