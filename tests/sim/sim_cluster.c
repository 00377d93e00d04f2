/* Members, assignments, namespaces and writers of the simulated database. */
#include "tests/sim/sim_tables.h"

static struct store_member *find_member(struct sim_db *db, struct uuid id)
{
    for (size_t i = 0; i < db->members.len; i++) {
        if (uuid_eq(db->members.ptr[i].id, id)) {
            return &db->members.ptr[i];
        }
    }
    return NULL;
}

/* Kept in the order of ids, as the other databases answer. */
static struct store_member *make_member(struct sim_db *db, struct uuid id)
{
    struct store_member *m = find_member(db, id), new = { .id = id };
    if (m) {
        return m;
    }
    vec_push(&db->arena, &db->members, new);
    size_t at = db->members.len - 1;
    while (at > 0 && memcmp(db->members.ptr[at - 1].id.b, id.b, sizeof(id.b)) > 0) {
        db->members.ptr[at] = db->members.ptr[at - 1];
        at--;
    }
    db->members.ptr[at] = new;
    return &db->members.ptr[at];
}

static void forget_member(struct sim_db *db, struct uuid id)
{
    struct store_member *m = find_member(db, id);
    if (m) {
        size_t at = (size_t)(m - db->members.ptr);
        memmove(m, m + 1, (db->members.len - at - 1) * sizeof(*m));
        db->members.len--;
    }
}

void sim_db_fence(struct sim_db *db, struct uuid member)
{
    forget_member(db, member);
    for (size_t i = 0; i < db->writers.len; i++) {
        struct sim_writer *w = &db->writers.ptr[i];
        if (uuid_eq(w->owner, member)) {
            w->owner = (struct uuid){ { 0 } };
            w->epoch++;
        }
    }
}

int sim_claim(struct sim_db *db, struct uuid member, uint32_t lane)
{
    int found = -1;
    for (size_t i = db->writers.len; i-- > 0;) {
        if (uuid_is_zero(db->writers.ptr[i].owner)) {
            found = (int)i;
        }
    }
    for (size_t i = 0; i < db->writers.len; i++) {
        if (uuid_eq(db->writers.ptr[i].owner, member) && db->writers.ptr[i].lane == lane) {
            found = (int)i;
        }
    }
    if (found < 0) {
        if (db->writers.len == STORE_WRITER_MAX) {
            return -1;
        }
        found = (int)db->writers.len;
        struct sim_writer new = { 0 };
        vec_push(&db->arena, &db->writers, new);
    }
    struct sim_writer *w = &db->writers.ptr[found];
    w->owner = member;
    w->lane = lane;
    w->epoch++;
    return found;
}

static void beat(struct sim_db *db, struct store_beat *b, struct instant now, struct arena *arena)
{
    if (!uuid_is_zero(b->self.id)) {
        struct store_member *m = make_member(db, b->self.id);
        *m = b->self;
        m->roles = str_dup(&db->arena, b->self.roles);
        m->address = str_dup(&db->arena, b->self.address);
        m->beat_at = now;
    }
    b->database_now = now;
    b->cluster_id = db->cluster_id;
    b->assignment_version = db->assignment_version;
    struct store_member *members = NEW(arena, struct store_member, db->members.len);
    if (db->members.len) {
        memcpy(members, db->members.ptr, db->members.len * sizeof(*members));
    }
    b->members = members;
    b->member_count = db->members.len;
}

static void read_assignments(
        struct sim_db *db, struct store_read_assignments *a, struct arena *arena)
{
    VEC(struct store_assignment) rows = { 0 };
    for (uint32_t i = 0; i < SHARD_COUNT; i++) {
        if (db->assignments[i].version > a->since) {
            struct store_assignment row = { i, db->assignments[i].owner };
            vec_push(arena, &rows, row);
        }
    }
    a->version = db->assignment_version;
    a->rows = rows.ptr;
    a->row_count = rows.len;
}

static void assign(struct sim_db *db, struct store_assign *a)
{
    a->version = ++db->assignment_version;
    a->moved = 0;
    for (size_t i = 0; i < a->move_count; i++) {
        const struct store_assign_move *m = &a->moves[i];
        check(m->shard < SHARD_COUNT);
        if (uuid_eq(db->assignments[m->shard].owner, m->from)) {
            db->assignments[m->shard].owner = m->to;
            db->assignments[m->shard].version = a->version;
            a->moved++;
        }
    }
}

bool sim_db_may_write(const struct sim_db *db, struct uuid member)
{
    for (size_t i = 0; i < db->writers.len; i++) {
        if (uuid_eq(db->writers.ptr[i].owner, member)) {
            return true;
        }
    }
    return false;
}

static void fence_member(struct sim_db *db, struct store_fence_member *m, struct instant now)
{
    const struct store_member *row = find_member(db, m->member);
    m->fenced = !row || m->silent_for.ns == 0 ||
                instant_since(now, row->beat_at).ns >= m->silent_for.ns;
    if (m->fenced) {
        sim_db_fence(db, m->member);
    }
}

static void list_namespaces(struct sim_db *db, struct store_list_namespaces *l, struct arena *arena)
{
    bool same = l->since == db->namespace_version;
    l->version = db->namespace_version;
    l->row_count = same ? 0 : db->namespaces.len;
    struct store_namespace *rows = NEW(arena, struct store_namespace, l->row_count);
    for (size_t i = 0; i < l->row_count; i++) {
        size_t at = i;
        for (; at > 0 && str_cmp(rows[at - 1].name, db->namespaces.ptr[i].name) > 0; at--) {
            rows[at] = rows[at - 1];
        }
        rows[at] = db->namespaces.ptr[i];
    }
    l->rows = rows;
}

static void remove_namespace(struct sim_db *db, struct store_remove_namespace *op)
{
    op->removed = false;
    map_each(&db->runs, n)
    {
        const struct sim_run *r = map_entry(n, struct sim_run, node);
        if (r->exists && uuid_eq(r->row.namespace_id, op->id)) {
            return;
        }
    }
    for (size_t i = 0; i < db->namespaces.len; i++) {
        const struct store_namespace *n = &db->namespaces.ptr[i];
        if (uuid_eq(n->id, op->id) && n->state == op->state) {
            db->namespaces.ptr[i] = db->namespaces.ptr[--db->namespaces.len];
            db->namespace_version++;
            op->removed = true;
            return;
        }
    }
}

static enum err put_namespace(struct sim_db *db, struct store_namespace *row, struct fail *f)
{
    struct store_namespace *same = NULL;
    if (!store_text_ok(row->name)) {
        return fail(f, ERR_INVALID_ARGUMENT, "a namespace's name must be UTF-8 without NUL");
    }
    for (size_t i = 0; i < db->namespaces.len; i++) {
        struct store_namespace *n = &db->namespaces.ptr[i];
        bool id = uuid_eq(n->id, row->id);
        if ((id && row->version == 0) || (!id && str_eq(n->name, row->name) && row->version == 0)) {
            return fail(f, ERR_ALREADY_EXISTS, "a namespace with this name or id exists");
        }
        same = id ? n : same;
    }
    if (row->version && !same) {
        return fail(f, ERR_NOT_FOUND, "the namespace is gone");
    }
    if (same && same->version != row->version) {
        return fail(f, ERR_ABORTED, "the namespace has changed");
    }
    for (size_t i = 0; i < db->namespaces.len; i++) {
        struct store_namespace *n = &db->namespaces.ptr[i];
        if (n != same && str_eq(n->name, row->name)) {
            return fail(f, ERR_ALREADY_EXISTS, "a namespace with this name exists");
        }
    }
    row->version++;
    struct store_namespace copy = *row;
    copy.name = str_dup(&db->arena, row->name);
    copy.data = str_dup(&db->arena, row->data);
    copy.task_queues = str_dup(&db->arena, row->task_queues);
    if (same) {
        *same = copy;
    } else {
        vec_push(&db->arena, &db->namespaces, copy);
    }
    db->namespace_version++;
    return ERR_NONE;
}

enum err sim_execute_cluster(struct sim_db *db, enum store_kind kind, struct store_op *op,
        struct instant now, struct arena *arena, struct fail *f)
{
    switch (kind) {
    case STORE_BEAT:
        beat(db, container_of(op, struct store_beat, op), now, arena);
        return ERR_NONE;
    case STORE_READ_ASSIGNMENTS:
        read_assignments(db, container_of(op, struct store_read_assignments, op), arena);
        return ERR_NONE;
    case STORE_ASSIGN:
        assign(db, container_of(op, struct store_assign, op));
        return ERR_NONE;
    case STORE_FENCE_MEMBER:
        fence_member(db, container_of(op, struct store_fence_member, op), now);
        return ERR_NONE;
    case STORE_LEAVE:
        sim_db_fence(db, container_of(op, struct store_leave, op)->member);
        return ERR_NONE;
    case STORE_LIST_NAMESPACES:
        list_namespaces(db, container_of(op, struct store_list_namespaces, op), arena);
        return ERR_NONE;
    case STORE_REMOVE_NAMESPACE:
        remove_namespace(db, container_of(op, struct store_remove_namespace, op));
        return ERR_NONE;
    case STORE_PUT_NAMESPACE:
        return put_namespace(db, &container_of(op, struct store_put_namespace, op)->row, f);
    default:
        break;
    }
    unreachable_state(kind);
}
