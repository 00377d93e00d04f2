/* Cluster matters: claims, members, assignments, the planner's lock, namespaces. Every write is one
 * implicit transaction whose conditions stand in its statements (pg_sql.def); a lost connection
 * leaves the outcome to the caller, for whom all of this is safe to repeat. */
#include "common/store/pg.h"
#include "common/store/store_namespaces.h"

#define OP(type) container_of(op->op, struct type, op)
#define PARAMS   struct pg_params p = { .arena = &op->arena }

static struct instant from_microseconds(int64_t us)
{
    return (struct instant){ us * 1000 };
}

static bool claim_send(struct pg_op *op, struct pg_conn *conn)
{
    struct store_claim_writer *c = OP(store_claim_writer);
    PARAMS;
    pg_put_uuid(&p, c->member);
    pg_put_i32(&p, (int32_t)c->lane);
    return pg_send(conn, PG_CLAIM_LOCK, NULL) && pg_send(conn, PG_CLAIM_OWN, &p) &&
           pg_send(conn, PG_CLAIM_FREE, &p) && pg_send(conn, PG_CLAIM_NEW, &p) &&
           pg_send(conn, PG_CLAIMED, &p);
}

static enum err claim_read(struct pg_op *op, struct fail *f)
{
    struct store_claim_writer *c = OP(store_claim_writer);
    struct pg_writer *w = &op->pl->writer;
    const PGresult *r = op->request.results[4];
    if (PQntuples(r) == 0) {
        return fail(f, ERR_RESOURCE_EXHAUSTED, "all %d writers are taken", STORE_WRITER_MAX);
    }
    check(!w->op);
    w->claimed = true;
    w->fenced = w->corrupt = false;
    w->owner = c->member;
    w->writer = c->writer = (uint32_t)pg_i32(r, 0, 0);
    w->epoch = pg_i64(r, 0, 1);
    w->session = pg_i64(r, 0, 2);
    w->seq = pg_i64(r, 0, 3);
    c->last_run_key = pg_i64(r, 0, 4);
    return ERR_NONE;
}

static bool beat_send(struct pg_op *op, struct pg_conn *conn)
{
    const struct store_member *m = &OP(store_beat)->self;
    PARAMS;
    if (!uuid_is_zero(m->id)) {
        pg_put_uuid(&p, m->id);
        pg_put_str(&p, m->roles);
        pg_put_str(&p, m->address);
        pg_put_i32(&p, (int32_t)m->lanes);
        pg_put_bool(&p, m->draining);
        if (!pg_send(conn, PG_BEAT, &p)) {
            return false;
        }
    }
    return pg_send(conn, PG_MEMBERS, NULL);
}

static enum err beat_read(struct pg_op *op, struct fail *f)
{
    struct store_beat *b = OP(store_beat);
    const PGresult *r = op->request.results[op->request.result_count - 1];
    int rows = PQntuples(r);
    if (rows == 0) {
        return fail(f, ERR_CORRUPT, "the cluster's row is missing");
    }
    b->database_now = from_microseconds(pg_i64(r, 0, 0));
    b->assignment_version = pg_i64(r, 0, 1);
    b->cluster_id = pg_uuid(r, 0, 2);
    struct store_member *members = NEW(&op->arena, struct store_member, rows);
    b->members = members;
    b->member_count = PQgetisnull(r, 0, 3) ? 0 : (size_t)rows;
    for (int i = 0; i < (int)b->member_count; i++) {
        members[i] = (struct store_member){
            .id = pg_uuid(r, i, 3),
            .roles = pg_str(r, i, 4),
            .address = pg_str(r, i, 5),
            .lanes = (uint32_t)pg_i32(r, i, 6),
            .draining = pg_bool(r, i, 7),
            .beat_at = from_microseconds(pg_i64(r, i, 8)),
        };
    }
    return ERR_NONE;
}

static bool assignments_send(struct pg_op *op, struct pg_conn *conn)
{
    PARAMS;
    pg_put_i64(&p, OP(store_read_assignments)->since);
    return pg_send(conn, PG_ASSIGNMENTS, &p);
}

static enum err assignments_read(struct pg_op *op, struct fail *f)
{
    struct store_read_assignments *a = OP(store_read_assignments);
    const PGresult *r = op->request.results[0];
    int rows = PQntuples(r);
    if (rows == 0) {
        return fail(f, ERR_CORRUPT, "the cluster's row is missing");
    }
    a->version = pg_i64(r, 0, 0);
    a->row_count = PQgetisnull(r, 0, 1) ? 0 : (size_t)rows;
    struct store_assignment *out = NEW(&op->arena, struct store_assignment, rows);
    for (int i = 0; i < (int)a->row_count; i++) {
        out[i] = (struct store_assignment){ (uint32_t)pg_i32(r, i, 1), pg_uuid(r, i, 2) };
    }
    a->rows = out;
    return ERR_NONE;
}

static void put_owners(struct pg_params *p, const struct store_assign *a, bool from)
{
    struct buf arr;
    pg_array_begin(p, &arr, PG_UUID, a->move_count);
    for (size_t i = 0; i < a->move_count; i++) {
        struct uuid id = from ? a->moves[i].from : a->moves[i].to;
        if (uuid_is_zero(id)) {
            pg_array_null(&arr);
        } else {
            pg_array_str(&arr, uuid_bytes(&id));
        }
    }
    pg_array_end(p, &arr);
}

static bool assign_send(struct pg_op *op, struct pg_conn *conn)
{
    struct store_assign *a = OP(store_assign);
    PARAMS;
    struct buf arr;
    pg_array_begin(&p, &arr, PG_INT4, a->move_count);
    for (size_t i = 0; i < a->move_count; i++) {
        pg_array_i32(&arr, (int32_t)a->moves[i].shard);
    }
    pg_array_end(&p, &arr);
    if (!pg_send(conn, PG_ASSIGN_VERSION, NULL) || !pg_send(conn, PG_ASSIGN_ROWS, &p)) {
        return false;
    }
    put_owners(&p, a, true);
    put_owners(&p, a, false);
    return pg_send(conn, PG_ASSIGN_MOVE, &p) && pg_send(conn, PG_ASSIGNED, NULL);
}

static enum err assign_read(struct pg_op *op, struct fail *f)
{
    struct store_assign *a = OP(store_assign);
    a->moved = pg_changed(op->request.results[2]);
    a->version = pg_i64(op->request.results[3], 0, 0);
    return ERR_NONE;
}

static bool fence_send(struct pg_op *op, struct pg_conn *conn)
{
    struct store_fence_member *m = OP(store_fence_member);
    struct pg_params id = { .arena = &op->arena }, when = id;
    pg_put_uuid(&id, m->member);
    pg_put_uuid(&when, m->member);
    pg_put_i64(&when, m->silent_for.ns / 1000);
    return pg_send(conn, PG_FENCE_LOCK, &id) && pg_send(conn, PG_FENCE_FORGET, &when) &&
           pg_send(conn, PG_FENCE_SESSIONS, &id) && pg_send(conn, PG_FENCE_WRITERS, &id) &&
           pg_send(conn, PG_FENCED, &id);
}

static enum err fence_read(struct pg_op *op, struct fail *f)
{
    OP(store_fence_member)->fenced = pg_bool(op->request.results[4], 0, 0);
    return ERR_NONE;
}

static bool leave_send(struct pg_op *op, struct pg_conn *conn)
{
    PARAMS;
    pg_put_uuid(&p, OP(store_leave)->member);
    return pg_send(conn, PG_LEAVE_MEMBER, &p) && pg_send(conn, PG_LEAVE_WRITERS, &p);
}

static enum err leave_read(struct pg_op *op, struct fail *f)
{
    return ERR_NONE;
}

static bool try_plan_send(struct pg_op *op, struct pg_conn *conn)
{
    PARAMS;
    /* Held by this very session: taking it again would only count up. */
    pg_put_bool(&p, op->pl->plan_session == pg_conn_session(conn));
    return pg_send(conn, PG_TRY_PLAN, &p);
}

static enum err try_plan_read(struct pg_op *op, struct fail *f)
{
    bool held = pg_bool(op->request.results[0], 0, 0);
    op->pl->plan_session = held ? pg_conn_session(op->pl->reader) : 0;
    OP(store_try_plan)->held = held;
    return ERR_NONE;
}

static bool namespaces_send(struct pg_op *op, struct pg_conn *conn)
{
    PARAMS;
    pg_put_i64(&p, OP(store_list_namespaces)->since);
    return pg_send(conn, PG_NAMESPACES, &p);
}

static enum err namespaces_read(struct pg_op *op, struct fail *f)
{
    struct store_list_namespaces *l = OP(store_list_namespaces);
    const PGresult *r = op->request.results[0];
    int rows = PQntuples(r);
    if (rows == 0) {
        return fail(f, ERR_CORRUPT, "the cluster's row is missing");
    }
    l->version = pg_i64(r, 0, 0);
    l->row_count = PQgetisnull(r, 0, 1) ? 0 : (size_t)rows;
    struct store_namespace *out = NEW(&op->arena, struct store_namespace, rows);
    for (int i = 0; i < (int)l->row_count; i++) {
        out[i] = (struct store_namespace){
            .id = pg_uuid(r, i, 1),
            .name = pg_str(r, i, 2),
            .state = pg_i32(r, i, 3),
            .data = pg_str(r, i, 4),
            .version = pg_i64(r, i, 5),
            .task_queues = pg_str(r, i, 6),
        };
    }
    l->rows = out;
    return ERR_NONE;
}

static bool put_namespace_send(struct pg_op *op, struct pg_conn *conn)
{
    const struct store_namespace *n = &OP(store_put_namespace)->row;
    PARAMS;
    pg_put_uuid(&p, n->id);
    pg_put_str(&p, n->name);
    pg_put_i32(&p, n->state);
    pg_put_str(&p, n->data);
    pg_put_str(&p, n->task_queues);
    if (n->version == 0) {
        return pg_send(conn, PG_NAMESPACE_INSERT, &p);
    }
    pg_put_i64(&p, n->version);
    return pg_send(conn, PG_NAMESPACE_REPLACE, &p);
}

static enum err put_namespace_read(struct pg_op *op, struct fail *f)
{
    struct store_namespace *n = &OP(store_put_namespace)->row;
    const PGresult *r = op->request.results[0];
    if (pg_i64(r, 0, 0)) {
        n->version++;
        return ERR_NONE;
    }
    if (n->version == 0) {
        return fail(f, ERR_ALREADY_EXISTS, "a namespace with this name or id exists");
    }
    return pg_i64(r, 0, 1) ? fail(f, ERR_ABORTED, "the namespace has changed")
                           : fail(f, ERR_NOT_FOUND, "the namespace is gone");
}

static bool remove_namespace_send(struct pg_op *op, struct pg_conn *conn)
{
    const struct store_remove_namespace *n = OP(store_remove_namespace);
    PARAMS;
    pg_put_uuid(&p, n->id);
    pg_put_i32(&p, n->state);
    return pg_send(conn, PG_NAMESPACE_REMOVE, &p);
}

static enum err remove_namespace_read(struct pg_op *op, struct fail *f)
{
    OP(store_remove_namespace)->removed = pg_i64(op->request.results[0], 0, 0) > 0;
    return ERR_NONE;
}

const struct pg_kind pg_kinds_cluster[] = {
    [STORE_CLAIM_WRITER] = { claim_send, claim_read },
    [STORE_BEAT] = { beat_send, beat_read },
    [STORE_READ_ASSIGNMENTS] = { assignments_send, assignments_read },
    [STORE_ASSIGN] = { assign_send, assign_read },
    [STORE_FENCE_MEMBER] = { fence_send, fence_read },
    [STORE_LEAVE] = { leave_send, leave_read },
    [STORE_TRY_PLAN] = { try_plan_send, try_plan_read },
    [STORE_LIST_NAMESPACES] = { namespaces_send, namespaces_read },
    [STORE_PUT_NAMESPACE] = { put_namespace_send, put_namespace_read },
    [STORE_REMOVE_NAMESPACE] = { remove_namespace_send, remove_namespace_read },
};
