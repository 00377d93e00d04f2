/* Cluster matters on SQLite, on the database's thread: the same rules as in PostgreSQL, each write
 * in one transaction. The database's clock is this machine's. */
#include "common/store/sqlite.h"
#include "common/store/store_namespaces.h"

#define OP(type) container_of(job->op, struct type, op)

/* Ends a transaction: commits when rc and err are clean, else undoes it. */
static enum err finish(struct sqlite_db *db, int rc, enum err err, struct fail *f)
{
    if (rc == SQLITE_OK && !err) {
        rc = sq_run(sq(db, SQ_COMMIT));
    }
    if (rc != SQLITE_OK) {
        err = sq_fail(db, rc, f);
    }
    if (rc != SQLITE_OK || err) {
        sq_rollback(db);
    }
    return err;
}

static int run_for(struct sqlite_db *db, enum sqlite_statement s, struct uuid id, int64_t n)
{
    sqlite3_stmt *q = sq(db, s);
    sq_uuid(q, 1, id);
    sq_i64(q, 2, n);
    return sq_run(q);
}

static int run_id(struct sqlite_db *db, enum sqlite_statement s, struct uuid id)
{
    sqlite3_stmt *q = sq(db, s);
    sq_uuid(q, 1, id);
    return sq_run(q);
}

static enum err claim_writer(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_claim_writer *c = OP(store_claim_writer);
    static const enum sqlite_statement ways[] = { SQ_CLAIM_OWN, SQ_CLAIM_FREE, SQ_CLAIM_NEW };
    int rc = sq_run(sq(db, SQ_BEGIN)), changed = 0;
    for (size_t i = 0; i < ARRAY_LEN(ways) && rc == SQLITE_OK && changed == 0; i++) {
        rc = run_for(db, ways[i], c->member, c->lane);
        changed = sqlite3_changes(db->db);
    }
    enum err err = ERR_NONE;
    if (rc == SQLITE_OK && changed == 0) {
        err = fail(f, ERR_RESOURCE_EXHAUSTED, "all %d writers are taken", STORE_WRITER_MAX);
    }
    sqlite3_stmt *q = sq(db, SQ_CLAIMED);
    sq_uuid(q, 1, c->member);
    sq_i64(q, 2, c->lane);
    if (rc == SQLITE_OK && !err && sq_row(q, &rc)) {
        c->writer = (uint32_t)sqlite3_column_int(q, 0);
        c->last_run_key = sqlite3_column_int64(q, 3);
        job->writer = (struct sqlite_writer){ .claimed = true,
            .writer = c->writer,
            .owner = c->member,
            .epoch = sqlite3_column_int64(q, 1),
            .seq = sqlite3_column_int64(q, 2) };
        sqlite3_reset(q);
    }
    return finish(db, rc, err, f);
}

static int read_cluster(
        struct sqlite_db *db, int64_t *assignments, struct uuid *id, int64_t *namespaces)
{
    sqlite3_stmt *q = sq(db, SQ_CLUSTER);
    int rc = SQLITE_OK;
    if (!sq_row(q, &rc)) {
        return rc == SQLITE_OK ? SQLITE_CORRUPT : rc;
    }
    *assignments = sqlite3_column_int64(q, 0);
    *id = sq_get_uuid(q, 1);
    *namespaces = sqlite3_column_int64(q, 2);
    sqlite3_reset(q);
    return SQLITE_OK;
}

static int put_member(struct sqlite_db *db, const struct store_member *m, struct instant now)
{
    sqlite3_stmt *q = sq(db, SQ_BEAT);
    sq_uuid(q, 1, m->id);
    sq_text(q, 2, m->roles);
    sq_text(q, 3, m->address);
    sq_i64(q, 4, m->lanes);
    sq_i64(q, 5, m->draining);
    sq_i64(q, 6, now.ns);
    return sq_run(q);
}

static enum err beat(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_beat *b = OP(store_beat);
    int64_t namespaces;
    b->database_now = sq_now();
    int rc = uuid_is_zero(b->self.id) ? SQLITE_OK : put_member(db, &b->self, b->database_now);
    if (rc == SQLITE_OK) {
        rc = read_cluster(db, &b->assignment_version, &b->cluster_id, &namespaces);
    }
    VEC(struct store_member) members = { 0 };
    sqlite3_stmt *q = sq(db, SQ_MEMBERS);
    while (rc == SQLITE_OK && sq_row(q, &rc)) {
        struct store_member m = {
            .id = sq_get_uuid(q, 0),
            .roles = sq_get_str(q, 1, &job->arena),
            .address = sq_get_str(q, 2, &job->arena),
            .lanes = (uint32_t)sqlite3_column_int(q, 3),
            .draining = sqlite3_column_int(q, 4) != 0,
            .beat_at = { sqlite3_column_int64(q, 5) },
        };
        vec_push(&job->arena, &members, m);
    }
    b->members = members.ptr;
    b->member_count = members.len;
    return rc == SQLITE_OK ? ERR_NONE : sq_fail(db, rc, f);
}

static enum err read_assignments(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_read_assignments *a = OP(store_read_assignments);
    struct uuid id;
    int64_t namespaces;
    int rc = read_cluster(db, &a->version, &id, &namespaces);
    VEC(struct store_assignment) rows = { 0 };
    sqlite3_stmt *q = sq(db, SQ_ASSIGNMENTS);
    sq_i64(q, 1, a->since);
    while (rc == SQLITE_OK && sq_row(q, &rc)) {
        struct store_assignment row = { (uint32_t)sqlite3_column_int(q, 0), sq_get_uuid(q, 1) };
        vec_push(&job->arena, &rows, row);
    }
    a->rows = rows.ptr;
    a->row_count = rows.len;
    return rc == SQLITE_OK ? ERR_NONE : sq_fail(db, rc, f);
}

static int move_shard(
        struct sqlite_db *db, const struct store_assign_move *m, int64_t version, size_t *moved)
{
    sqlite3_stmt *q = sq(db, SQ_ASSIGN_ROW);
    sq_i64(q, 1, m->shard);
    int rc = sq_run(q);
    if (rc != SQLITE_OK) {
        return rc;
    }
    q = sq(db, SQ_ASSIGN_MOVE);
    sq_i64(q, 1, m->shard);
    sq_uuid(q, 2, m->from);
    sq_uuid(q, 3, m->to);
    sq_i64(q, 4, version);
    rc = sq_run(q);
    *moved += rc == SQLITE_OK ? (size_t)sqlite3_changes(db->db) : 0;
    return rc;
}

static enum err assign(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_assign *a = OP(store_assign);
    struct uuid id;
    int64_t namespaces;
    a->moved = 0;
    int rc = sq_run(sq(db, SQ_BEGIN));
    if (rc == SQLITE_OK) {
        rc = sq_run(sq(db, SQ_ASSIGN_VERSION));
    }
    if (rc == SQLITE_OK) {
        rc = read_cluster(db, &a->version, &id, &namespaces);
    }
    for (size_t i = 0; i < a->move_count && rc == SQLITE_OK; i++) {
        rc = move_shard(db, &a->moves[i], a->version, &a->moved);
    }
    return finish(db, rc, ERR_NONE, f);
}

static enum err fence_member(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_fence_member *m = OP(store_fence_member);
    int rc = sq_run(sq(db, SQ_BEGIN));
    if (rc == SQLITE_OK) {
        sqlite3_stmt *q = sq(db, SQ_FENCE_FORGET);
        sq_uuid(q, 1, m->member);
        sq_i64(q, 2, m->silent_for.ns);
        sq_i64(q, 3, sq_now().ns);
        rc = sq_run(q);
    }
    if (rc == SQLITE_OK) {
        rc = run_id(db, SQ_FENCE_WRITERS, m->member);
    }
    sqlite3_stmt *q = sq(db, SQ_FENCED);
    sq_uuid(q, 1, m->member);
    if (rc == SQLITE_OK && sq_row(q, &rc)) {
        m->fenced = sqlite3_column_int(q, 0) != 0;
        sqlite3_reset(q);
    }
    return finish(db, rc, ERR_NONE, f);
}

static enum err leave(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct uuid member = OP(store_leave)->member;
    int rc = sq_run(sq(db, SQ_BEGIN));
    if (rc == SQLITE_OK) {
        rc = run_id(db, SQ_LEAVE, member);
    }
    if (rc == SQLITE_OK) {
        rc = run_id(db, SQ_FENCE_WRITERS, member);
    }
    return finish(db, rc, ERR_NONE, f);
}

/* Only this process uses the file, so the planner is one of its lanes. */
static enum err try_plan(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct sqlite_lane *nobody = NULL;
    bool taken = atomic_compare_exchange_strong(&job->sl->store->planner, &nobody, job->sl);
    OP(store_try_plan)->held = taken || nobody == job->sl;
    return ERR_NONE;
}

static enum err list_namespaces(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_list_namespaces *l = OP(store_list_namespaces);
    struct uuid id;
    int64_t assignments;
    int rc = read_cluster(db, &assignments, &id, &l->version);
    VEC(struct store_namespace) rows = { 0 };
    sqlite3_stmt *q = sq(db, SQ_NAMESPACES);
    while (rc == SQLITE_OK && l->version != l->since && sq_row(q, &rc)) {
        struct store_namespace row = {
            .id = sq_get_uuid(q, 0),
            .name = sq_get_str(q, 1, &job->arena),
            .state = sqlite3_column_int(q, 2),
            .data = sq_get_str(q, 3, &job->arena),
            .version = sqlite3_column_int64(q, 4),
            .task_queues = sq_get_str(q, 5, &job->arena),
        };
        vec_push(&job->arena, &rows, row);
    }
    l->rows = rows.ptr;
    l->row_count = rows.len;
    return rc == SQLITE_OK ? ERR_NONE : sq_fail(db, rc, f);
}

static enum err namespace_missed(struct sqlite_db *db, struct uuid id, struct fail *f)
{
    int rc = SQLITE_OK;
    sqlite3_stmt *q = sq(db, SQ_NAMESPACE_SEEN);
    sq_uuid(q, 1, id);
    bool seen = sq_row(q, &rc);
    sqlite3_reset(q);
    return seen ? fail(f, ERR_ABORTED, "the namespace has changed")
                : fail(f, ERR_NOT_FOUND, "the namespace is gone");
}

static enum err put_namespace(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_namespace *n = &OP(store_put_namespace)->row;
    if (!store_text_ok(n->name)) {
        return fail(f, ERR_INVALID_ARGUMENT, "a namespace's name must be UTF-8 without NUL");
    }
    enum err err = ERR_NONE;
    int rc = sq_run(sq(db, SQ_BEGIN));
    if (rc == SQLITE_OK) {
        sqlite3_stmt *q = sq(db, n->version ? SQ_NAMESPACE_REPLACE : SQ_NAMESPACE_INSERT);
        sq_uuid(q, 1, n->id);
        sq_text(q, 2, n->name);
        sq_i64(q, 3, n->state);
        sq_blob(q, 4, n->data);
        sq_blob(q, 5, n->task_queues);
        if (n->version) {
            sq_i64(q, 6, n->version);
        }
        rc = sq_run(q);
    }
    if (rc == SQLITE_OK && sqlite3_changes(db->db) != 1) {
        err = namespace_missed(db, n->id, f);
    } else if (rc == SQLITE_OK) {
        rc = sq_run(sq(db, SQ_NAMESPACE_VERSION));
    }
    err = finish(db, rc, err, f);
    n->version += err ? 0 : 1;
    return err;
}

static enum err remove_namespace(struct sqlite_db *db, struct sqlite_job *job, struct fail *f)
{
    struct store_remove_namespace *n = OP(store_remove_namespace);
    n->removed = false;
    int rc = sq_run(sq(db, SQ_BEGIN));
    if (rc == SQLITE_OK) {
        sqlite3_stmt *q = sq(db, SQ_NAMESPACE_REMOVE);
        sq_uuid(q, 1, n->id);
        sq_i64(q, 2, n->state);
        rc = sq_run(q);
    }
    if (rc == SQLITE_OK && sqlite3_changes(db->db) == 1) {
        n->removed = true;
        sqlite3_stmt *q = sq(db, SQ_COUNTS_REMOVE);
        sq_uuid(q, 1, n->id);
        rc = sq_run(q);
        rc = rc == SQLITE_OK ? sq_run(sq(db, SQ_NAMESPACE_VERSION)) : rc;
    }
    return finish(db, rc, ERR_NONE, f);
}

sqlite_work *const sqlite_cluster_works[] = {
    [STORE_CLAIM_WRITER] = claim_writer,
    [STORE_BEAT] = beat,
    [STORE_READ_ASSIGNMENTS] = read_assignments,
    [STORE_ASSIGN] = assign,
    [STORE_FENCE_MEMBER] = fence_member,
    [STORE_LEAVE] = leave,
    [STORE_TRY_PLAN] = try_plan,
    [STORE_LIST_NAMESPACES] = list_namespaces,
    [STORE_PUT_NAMESPACE] = put_namespace,
    [STORE_REMOVE_NAMESPACE] = remove_namespace,
};
