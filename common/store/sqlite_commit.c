/* The writer on SQLite, on the database's thread: the same fence and the same meaning of poison as
 * in PostgreSQL. A batch with poison is done again group by group under savepoints, in one
 * transaction. */
#include "common/store/sqlite.h"

static void put_instant(sqlite3_stmt *q, int n, bool null, struct instant t)
{
    if (!null) {
        sq_i64(q, n, t.ns);
    }
}

static void put_changeable(
        sqlite3_stmt *q, const struct store_run_row *r, int wake, int close, int backlog)
{
    put_instant(q, wake, r->wake_at.ns == INSTANT_NEVER.ns, r->wake_at);
    put_instant(q, close, !instant_is_set(r->close_time), r->close_time);
    if (!str_empty(r->backlog_queue)) {
        sq_text(q, backlog, r->backlog_queue);
        sq_i64(q, backlog + 1, store_backlog_class(r->backlog_type, r->backlog_level));
    }
}

static int put_log(struct sqlite_db *db, const struct store_log_row *r)
{
    sqlite3_stmt *q = sq(db, SQ_LOG);
    sq_i64(q, 1, r->key);
    sq_i64(q, 2, r->seq);
    sq_i64(q, 3, r->first_event_id);
    sq_i64(q, 4, r->event_count);
    sq_blob(q, 5, r->events);
    sq_blob(q, 6, r->records);
    return sq_run(q);
}

static bool view_ok(const struct store_view *v)
{
    return store_text_ok(v->workflow_type) && store_text_ok(v->task_queue) &&
           store_text_ok(v->parent_workflow_id) && store_text_ok(v->root_workflow_id) &&
           store_text_ok(v->search);
}

static void opt_text(sqlite3_stmt *q, int n, struct str s)
{
    if (!str_empty(s)) {
        sq_text(q, n, s);
    }
}

static void opt_blob(sqlite3_stmt *q, int n, struct str s)
{
    if (!str_empty(s)) {
        sq_blob(q, n, s);
    }
}

static void put_figures(sqlite3_stmt *q, const struct store_view *v, int n)
{
    if (v->history_length) {
        sq_i64(q, n, v->history_length);
        sq_i64(q, n + 1, v->history_size);
        sq_i64(q, n + 2, v->state_transitions);
    }
}

static void put_view(sqlite3_stmt *q, const struct store_view *v)
{
    sq_text(q, 12, v->workflow_type);
    sq_text(q, 13, v->task_queue);
    sq_i64(q, 14, v->execution_time.ns);
    opt_text(q, 15, v->parent_workflow_id);
    opt_text(q, 16, v->parent_run_id);
    opt_text(q, 17, v->root_workflow_id);
    opt_text(q, 18, v->root_run_id);
    opt_blob(q, 19, v->memo);
    opt_blob(q, 20, v->search_attributes);
    opt_text(q, 21, v->search);
    put_figures(q, v, 22);
}

static int put_run(struct sqlite_db *db, const struct store_run_row *r)
{
    static const struct store_view none;
    const struct store_view *v = r->view ? r->view : &none;
    if (!store_text_ok(r->workflow_id) || !store_text_ok(r->backlog_queue) || !view_ok(v)) {
        return SQLITE_MISMATCH;
    }
    sqlite3_stmt *q = sq(db, SQ_RUN);
    sq_i64(q, 1, r->key);
    sq_i64(q, 2, r->shard);
    sq_blob(q, 3, uuid_bytes(&r->namespace_id));
    sq_blob(q, 4, uuid_bytes(&r->run_id));
    sq_text(q, 5, r->workflow_id);
    sq_i64(q, 6, r->status);
    sq_i64(q, 8, r->start_time.ns);
    put_changeable(q, r, 7, 9, 10);
    put_view(q, v);
    return sq_run(q);
}

static int change_run(struct sqlite_db *db, const struct store_run_row *r)
{
    if (!store_text_ok(r->backlog_queue)) {
        return SQLITE_MISMATCH;
    }
    sqlite3_stmt *q = sq(db, SQ_RUN_UPDATE);
    sq_i64(q, 1, r->key);
    sq_i64(q, 2, r->status);
    put_changeable(q, r, 3, 4, 5);
    if (r->view) {
        put_figures(q, r->view, 7);
    }
    int rc = sq_run(q);
    return rc == SQLITE_OK && sqlite3_changes(db->db) != 1 ? SQLITE_CONSTRAINT : rc;
}

static int change_view(struct sqlite_db *db, const struct store_view_row *r)
{
    if (!store_text_ok(r->search)) {
        return SQLITE_MISMATCH;
    }
    sqlite3_stmt *q = sq(db, SQ_VIEW);
    sq_i64(q, 1, r->key);
    opt_blob(q, 2, r->memo);
    opt_blob(q, 3, r->search_attributes);
    opt_text(q, 4, r->search);
    int rc = sq_run(q);
    return rc == SQLITE_OK && sqlite3_changes(db->db) != 1 ? SQLITE_CONSTRAINT : rc;
}

static int put_current(struct sqlite_db *db, const struct store_current_row *r)
{
    if (!store_text_ok(r->workflow_id)) {
        return SQLITE_MISMATCH;
    }
    sqlite3_stmt *q = sq(db, r->key ? SQ_CURRENT : SQ_CURRENT_GONE);
    sq_blob(q, 1, uuid_bytes(&r->namespace_id));
    sq_text(q, 2, r->workflow_id);
    if (r->key) {
        sq_i64(q, 3, r->shard);
        sq_i64(q, 4, r->key);
    } else {
        sq_i64(q, 3, r->was);
    }
    return sq_run(q);
}

static int delete_part(struct sqlite_db *db, const struct store_delete_row *r)
{
    sqlite3_stmt *q = sq(db, SQ_DELETE_LOG);
    sq_i64(q, 1, r->key);
    sq_i64(q, 2, r->through_seq);
    int rc = sq_run(q);
    static const enum sqlite_statement rest[] = { SQ_DELETE_SNAPSHOT, SQ_DELETE_RUN };
    for (size_t i = 0; i < ARRAY_LEN(rest) && rc == SQLITE_OK && r->whole; i++) {
        q = sq(db, rest[i]);
        sq_i64(q, 1, r->key);
        rc = sq_run(q);
    }
    return rc;
}

static int put_snapshot(struct sqlite_db *db, const struct store_snapshot_row *r)
{
    sqlite3_stmt *q = sq(db, SQ_SNAPSHOT_PUT);
    sq_i64(q, 1, r->key);
    sq_i64(q, 2, r->seq);
    sq_blob(q, 3, r->data);
    return sq_run(q);
}

static int apply(struct sqlite_db *db, const struct store_batch *b)
{
    int rc = SQLITE_OK;
#define APPLY(list, put)                                          \
    for (size_t i = 0; i < b->list.len && rc == SQLITE_OK; i++) { \
        rc = put(db, &b->list.ptr[i]);                            \
    }
    APPLY(log, put_log)
    APPLY(run_inserts, put_run)
    APPLY(run_updates, change_run)
    APPLY(views, change_view)
    APPLY(currents, put_current)
    APPLY(snapshots, put_snapshot)
    APPLY(deletes, delete_part)
#undef APPLY
    return rc;
}

static bool keep_one(void *arg, uint64_t group)
{
    return *(const uint64_t *)arg == group;
}

static int apply_groups(struct sqlite_db *db, struct sqlite_job *job, struct store_commit *c)
{
    uint64_t *groups;
    size_t count = store_batch_groups(c->batch, &job->arena, &groups);
    uint64_t *poisoned = NEW(&job->arena, uint64_t, count);
    int rc = SQLITE_OK;
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++) {
        struct store_batch one;
        store_batch_select(c->batch, &job->arena, false, keep_one, &groups[i], &one);
        rc = sq_run(sq(db, SQ_SAVE));
        if (rc == SQLITE_OK) {
            rc = apply(db, &one);
        }
        if (sq_is_data_error(rc)) {
            if (c->poisoned_count == 0) {
                (void)fail(&c->poison, ERR_INVALID_ARGUMENT, "%s", sqlite3_errmsg(db->db));
            }
            poisoned[c->poisoned_count++] = groups[i];
            rc = sq_run(sq(db, SQ_UNSAVE));
        }
        if (rc == SQLITE_OK) {
            rc = sq_run(sq(db, SQ_RELEASE));
        }
    }
    c->poisoned = poisoned;
    return rc;
}

/* The row did not match: committed by an attempt whose answer was lost, or fenced, or set back. */
static enum err resolve(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    const struct sqlite_writer *w = &job->writer;
    sqlite3_stmt *q = sq(db, SQ_SEE_WRITER);
    sq_i64(q, 1, w->writer);
    int rc = SQLITE_OK;
    if (!sq_row(q, &rc)) {
        return rc == SQLITE_OK ? fail(f, ERR_CORRUPT, "the writer's row is missing")
                               : sq_fail(db, rc, f);
    }
    struct uuid owner = sq_get_uuid(q, 0);
    int64_t epoch = sqlite3_column_int64(q, 1), seq = sqlite3_column_int64(q, 2);
    sqlite3_reset(q);
    if (!uuid_eq(owner, w->owner) && epoch > w->epoch) {
        return fail(f, ERR_FENCED, "the writer has a new owner");
    }
    if (uuid_eq(owner, w->owner) && epoch == w->epoch && seq == w->seq + 1 && job->doubt) {
        return ERR_NONE;
    }
    if (uuid_eq(owner, w->owner) && epoch > w->epoch) {
        return fail(f, ERR_FENCED, "the writer was claimed again");
    }
    return fail(f, ERR_CORRUPT, "acknowledged commits are missing in the database");
}

static int begin(struct sqlite_db *db, const struct sqlite_job *job, const struct store_commit *c,
        bool *fenced)
{
    const struct sqlite_writer *w = &job->writer;
    int rc = sq_run(sq(db, SQ_BEGIN));
    if (rc == SQLITE_OK) {
        sqlite3_stmt *q = sq(db, SQ_FENCE);
        sq_i64(q, 1, w->writer);
        sq_uuid(q, 2, w->owner);
        sq_i64(q, 3, w->epoch);
        sq_i64(q, 4, w->seq);
        sq_i64(q, 5, c->batch->last_run_key);
        rc = sq_run(q);
        *fenced = rc == SQLITE_OK && sqlite3_changes(db->db) != 1;
    }
    return rc;
}

enum err sqlite_commit_work(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_commit *c = container_of(job->op, struct store_commit, op);
    c->poisoned = NULL;
    c->poisoned_count = 0;
    c->poison = (struct fail){ 0 };
    bool fenced = false;
    int rc = begin(db, job, c, &fenced);
    if (rc == SQLITE_OK && !fenced) {
        rc = apply(db, c->batch);
        if (sq_is_data_error(rc)) {
            sq_rollback(db);
            rc = begin(db, job, c, &fenced);
            if (rc == SQLITE_OK && !fenced) {
                rc = apply_groups(db, job, c);
            }
        }
    }
    if (fenced) {
        sq_rollback(db);
        return resolve(db, job, f);
    }
    if (rc == SQLITE_OK) {
        rc = sq_run(sq(db, SQ_COMMIT));
    }
    if (rc != SQLITE_OK) {
        enum err err = sq_fail(db, rc, f);
        sq_rollback(db);
        job->doubt = true;
        return err;
    }
    return ERR_NONE;
}
