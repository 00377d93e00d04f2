/* Tables of the simulated database as maps and vectors in one arena; scans look at every row. */
#include <stdlib.h>

#include "tests/sim/sim_tables.h"

/* ---- runs ---- */

static struct sim_run *find_run(const struct sim_db *db, run_key key)
{
    struct map_node *n = map_get(&db->runs, str_of(&key, sizeof(key)));
    return n ? map_entry(n, struct sim_run, node) : NULL;
}

static struct str current_name(struct arena *arena, struct uuid ns, struct str workflow_id)
{
    char *p = arena_alloc(arena, sizeof(ns) + workflow_id.len, 1);
    memcpy(p, &ns, sizeof(ns));
    if (workflow_id.len) {
        memcpy(p + sizeof(ns), workflow_id.ptr, workflow_id.len);
    }
    return str_of(p, sizeof(ns) + workflow_id.len);
}

/* Log rows may come before the run's own row within a batch: the run is known by its row's key. */
static struct sim_run *make_run(struct sim_db *db, run_key key)
{
    struct sim_run *r = find_run(db, key);
    if (!r) {
        r = NEW(&db->arena, struct sim_run, 1);
        r->row.key = key;
        map_put(&db->runs, &r->node, str_of(&r->row.key, sizeof(r->row.key)));
    }
    return r;
}

static bool has_row(const struct sim_run *r)
{
    return r && r->exists;
}

static bool is_visible(const struct sim_run *r)
{
    return has_row(r) && (int)r->row.status != RUN_DOOMED;
}

static struct sim_run *find_current(
        const struct sim_db *db, struct arena *arena, struct uuid ns, struct str workflow_id)
{
    struct map_node *n = map_get(&db->currents, current_name(arena, ns, workflow_id));
    struct sim_run *r = n ? find_run(db, map_entry(n, struct sim_current, node)->key) : NULL;
    return is_visible(r) ? r : NULL;
}

static size_t log_position(const struct sim_run *r, int32_t seq)
{
    size_t at = r->log.len;
    while (at > 0 && r->log.ptr[at - 1].seq >= seq) {
        at--;
    }
    return at;
}

static bool has_log(const struct sim_run *r, int32_t seq)
{
    size_t at = r ? log_position(r, seq) : 0;
    return r && at < r->log.len && r->log.ptr[at].seq == seq;
}

static const char *check_log(const struct sim_db *db, const struct store_batch *b)
{
    for (size_t i = 0; i < b->log.len; i++) {
        const struct store_log_row *row = &b->log.ptr[i];
        for (size_t j = 0; j < i; j++) {
            if (b->log.ptr[j].key == row->key && b->log.ptr[j].seq == row->seq) {
                return "duplicate log row";
            }
        }
        if (has_log(find_run(db, row->key), row->seq)) {
            return "duplicate log row";
        }
    }
    return NULL;
}

static bool inserts(const struct store_batch *b, size_t count, run_key key)
{
    for (size_t i = 0; i < count; i++) {
        if (b->run_inserts.ptr[i].key == key) {
            return true;
        }
    }
    return false;
}

/* Why a group's rows cannot be stored; NULL: they can. */
static const char *check_group(const struct sim_db *db, const struct store_batch *b)
{
    for (size_t i = 0; i < b->run_inserts.len; i++) {
        const struct store_run_row *r = &b->run_inserts.ptr[i];
        if (!store_text_ok(r->workflow_id) || !store_text_ok(r->backlog_queue)) {
            return "invalid text";
        }
        if (has_row(find_run(db, r->key)) || inserts(b, i, r->key)) {
            return "duplicate run";
        }
    }
    for (size_t i = 0; i < b->run_updates.len; i++) {
        const struct store_run_row *r = &b->run_updates.ptr[i];
        if (!store_text_ok(r->backlog_queue)) {
            return "invalid text";
        }
        if (!has_row(find_run(db, r->key)) && !inserts(b, b->run_inserts.len, r->key)) {
            return "update of no run";
        }
    }
    for (size_t i = 0; i < b->views.len; i++) {
        const struct store_view_row *r = &b->views.ptr[i];
        if (!store_text_ok(r->search)) {
            return "invalid text";
        }
        if (!has_row(find_run(db, r->key)) && !inserts(b, b->run_inserts.len, r->key)) {
            return "update of no run";
        }
    }
    for (size_t i = 0; i < b->currents.len; i++) {
        if (!store_text_ok(b->currents.ptr[i].workflow_id)) {
            return "invalid text";
        }
    }
    return check_log(db, b);
}

static void insert_log(struct sim_db *db, const struct store_log_row *row)
{
    struct sim_run *r = make_run(db, row->key);
    struct store_log_row copy = *row;
    copy.events = str_dup(&db->arena, row->events);
    copy.records = str_dup(&db->arena, row->records);
    size_t at = log_position(r, row->seq);
    vec_push(&db->arena, &r->log, copy);
    memmove(&r->log.ptr[at + 1], &r->log.ptr[at], (r->log.len - 1 - at) * sizeof(copy));
    r->log.ptr[at] = copy;
}

static struct store_view copy_view(struct arena *arena, const struct store_view *v)
{
    struct store_view copy = *v;
    copy.workflow_type = str_dup(arena, v->workflow_type);
    copy.task_queue = str_dup(arena, v->task_queue);
    copy.parent_workflow_id = str_dup(arena, v->parent_workflow_id);
    copy.parent_run_id = str_dup(arena, v->parent_run_id);
    copy.root_workflow_id = str_dup(arena, v->root_workflow_id);
    copy.root_run_id = str_dup(arena, v->root_run_id);
    copy.memo = str_dup(arena, v->memo);
    copy.search_attributes = str_dup(arena, v->search_attributes);
    copy.search = str_dup(arena, v->search);
    return copy;
}

static void apply_end(struct sim_db *db, struct sim_run *r, const struct store_run_row *row)
{
    if (row->status != WORKFLOW_RUNNING && !r->close_mark) {
        r->close_mark = db->commits + 1;
    }
    if (row->view && row->view->history_length) {
        r->view.history_length = row->view->history_length;
        r->view.history_size = row->view->history_size;
        r->view.state_transitions = row->view->state_transitions;
    }
}

static void apply_views(struct sim_db *db, const struct store_batch *b)
{
    for (size_t i = 0; i < b->views.len; i++) {
        const struct store_view_row *row = &b->views.ptr[i];
        struct sim_run *run = find_run(db, row->key);
        struct store_view *v = &run->view;
        sim_counted(db, run, -1);
        v->memo = str_dup(&db->arena, row->memo);
        v->search_attributes = str_dup(&db->arena, row->search_attributes);
        v->search = str_dup(&db->arena, row->search);
        sim_counted(db, run, 1);
    }
}

static void delete_part(struct sim_db *db, const struct store_delete_row *d)
{
    struct sim_run *r = find_run(db, d->key);
    if (!has_row(r) || is_visible(r)) {
        return;
    }
    size_t at = log_position(r, d->through_seq + 1);
    if (at > 0) {
        memmove(r->log.ptr, r->log.ptr + at, (r->log.len - at) * sizeof(*r->log.ptr));
        r->log.len -= at;
    }
    if (d->whole) {
        map_remove(&db->runs, &r->node);
    }
}

static void apply_group(struct sim_db *db, const struct store_batch *b)
{
    for (size_t i = 0; i < b->run_inserts.len; i++) {
        const struct store_run_row *row = &b->run_inserts.ptr[i];
        struct sim_run *r = make_run(db, row->key);
        r->row = *row;
        r->exists = true;
        r->row.workflow_id = str_dup(&db->arena, row->workflow_id);
        r->row.backlog_queue = str_dup(&db->arena, row->backlog_queue);
        r->row.view = NULL;
        r->view = row->view ? copy_view(&db->arena, row->view) : (struct store_view){ 0 };
        apply_end(db, r, row);
        sim_counted(db, r, 1);
    }
    for (size_t i = 0; i < b->log.len; i++) {
        insert_log(db, &b->log.ptr[i]);
    }
    for (size_t i = 0; i < b->run_updates.len; i++) {
        const struct store_run_row *row = &b->run_updates.ptr[i];
        struct sim_run *run = find_run(db, row->key);
        struct store_run_row *r = &run->row;
        sim_counted(db, run, -1);
        apply_end(db, run, row);
        r->status = row->status;
        r->wake_at = row->wake_at;
        r->close_time = row->close_time;
        r->backlog_queue = str_dup(&db->arena, row->backlog_queue);
        r->backlog_type = row->backlog_type;
        r->backlog_level = row->backlog_level;
        sim_counted(db, run, 1);
    }
    apply_views(db, b);
    for (size_t i = 0; i < b->currents.len; i++) {
        const struct store_current_row *row = &b->currents.ptr[i];
        struct str name = current_name(&db->arena, row->namespace_id, row->workflow_id);
        struct map_node *n = map_get(&db->currents, name);
        if (!row->key) {
            if (n && (!row->was || row->was == map_entry(n, struct sim_current, node)->key)) {
                map_remove(&db->currents, n);
            }
            continue;
        }
        if (!n) {
            n = &NEW(&db->arena, struct sim_current, 1)->node;
            map_put(&db->currents, n, name);
        }
        map_entry(n, struct sim_current, node)->key = row->key;
    }
    for (size_t i = 0; i < b->snapshots.len; i++) {
        struct sim_run *r = make_run(db, b->snapshots.ptr[i].key);
        r->snapshot = b->snapshots.ptr[i];
        r->snapshot.data = str_dup(&db->arena, r->snapshot.data);
    }
    for (size_t i = 0; i < b->deletes.len; i++) {
        delete_part(db, &b->deletes.ptr[i]);
    }
}

static bool keep_one(void *arg, uint64_t group)
{
    return *(const uint64_t *)arg == group;
}

void sim_apply(struct sim_db *db, struct store_commit *c, struct arena *arena)
{
    uint64_t *groups;
    size_t count = store_batch_groups(c->batch, arena, &groups);
    uint64_t *poisoned = NEW(arena, uint64_t, count);
    c->poisoned_count = 0;
    c->poison = (struct fail){ 0 };
    for (size_t i = 0; i < count; i++) {
        struct store_batch one;
        store_batch_select(c->batch, arena, false, keep_one, &groups[i], &one);
        const char *why = check_group(db, &one);
        if (!why) {
            apply_group(db, &one);
            continue;
        }
        if (c->poisoned_count == 0) {
            (void)fail(&c->poison, ERR_INVALID_ARGUMENT, "%s", why);
        }
        poisoned[c->poisoned_count++] = groups[i];
    }
    c->poisoned = poisoned;
    db->commits++;
}

static enum err load(struct sim_db *db, struct store_load *l, struct arena *arena, struct fail *f)
{
    struct sim_run *r = NULL, *current = NULL;
    if (l->key) {
        r = find_run(db, l->key);
    } else {
        current = find_current(db, arena, l->namespace_id, l->workflow_id);
        r = uuid_is_zero(l->run_id) ? current : NULL;
        map_each(&db->runs, n)
        {
            struct sim_run *x = map_entry(n, struct sim_run, node);
            if (!r && !uuid_is_zero(l->run_id) && uuid_eq(x->row.run_id, l->run_id) &&
                    uuid_eq(x->row.namespace_id, l->namespace_id) &&
                    str_eq(x->row.workflow_id, l->workflow_id)) {
                r = x;
            }
        }
    }
    if (!is_visible(r)) {
        return fail(f, ERR_NOT_FOUND, "no such run");
    }
    l->run = r->row;
    l->is_current = find_current(db, arena, r->row.namespace_id, r->row.workflow_id) == r;
    l->snapshot = r->snapshot;
    l->snapshot.key = r->row.key;
    size_t from = log_position(r, r->snapshot.seq + 1);
    l->tail_count = r->log.len - from;
    struct store_log_row *tail = NEW(arena, struct store_log_row, l->tail_count);
    for (size_t i = 0; i < l->tail_count; i++) {
        tail[i] = r->log.ptr[from + i];
        tail[i].events = l->want_events ? tail[i].events : (struct str){ 0 };
    }
    l->tail = tail;
    return store_load_check(l, f);
}

static void read_history(struct sim_db *db, struct store_read_history *h, struct arena *arena)
{
    const struct sim_run *r = find_run(db, h->key);
    VEC(struct store_log_row) rows = { 0 };
    size_t bytes = 0;
    for (size_t i = 0; r && i < r->log.len && (rows.len == 0 || bytes < h->max_bytes); i++) {
        struct store_log_row row = r->log.ptr[h->backwards ? r->log.len - 1 - i : i];
        bool wanted = h->backwards ? row.first_event_id <= h->from_event_id
                                   : row.first_event_id + row.event_count > h->from_event_id;
        if (row.event_count > 0 && wanted) {
            row.records = (struct str){ 0 };
            bytes += row.events.len;
            vec_push(arena, &rows, row);
        }
    }
    h->rows = rows.ptr;
    h->row_count = rows.len;
}

/* ---- scans ---- */

typedef VEC(struct store_run_row) run_rows;

static bool has_shard(const uint32_t *shards, size_t count, uint32_t shard)
{
    for (size_t i = 0; i < count; i++) {
        if (shards[i] == shard) {
            return true;
        }
    }
    return false;
}

static int wake_order(const void *a, const void *b)
{
    const struct store_run_row *x = a, *y = b;
    int64_t dw = (x->wake_at.ns > y->wake_at.ns) - (x->wake_at.ns < y->wake_at.ns);
    return dw ? (int)dw : (x->key > y->key) - (x->key < y->key);
}

static int key_order(const void *a, const void *b)
{
    const struct store_run_row *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static void scan_wakes(struct sim_db *db, struct store_scan_wakes *s, struct arena *arena)
{
    run_rows rows = { 0 };
    struct store_run_row after = { .key = s->after_key, .wake_at = s->after_wake };
    map_each(&db->runs, n)
    {
        const struct store_run_row *r = &map_entry(n, struct sim_run, node)->row;
        if (r->wake_at.ns != INSTANT_NEVER.ns && r->wake_at.ns <= s->until.ns &&
                wake_order(r, &after) > 0 && has_shard(s->shards, s->shard_count, r->shard)) {
            vec_push(arena, &rows, *r);
        }
    }
    if (rows.len) {
        qsort(rows.ptr, rows.len, sizeof(*rows.ptr), wake_order);
    }
    s->rows = rows.ptr;
    s->row_count = rows.len < s->limit ? rows.len : s->limit;
}

static void scan_backlog(struct sim_db *db, struct store_scan_backlog *s, struct arena *arena)
{
    run_rows rows = { 0 };
    map_each(&db->runs, n)
    {
        const struct store_run_row *r = &map_entry(n, struct sim_run, node)->row;
        bool queue = str_empty(s->queue) ||
                     (str_eq(s->queue, r->backlog_queue) &&
                             store_backlog_class(s->type, s->level) ==
                                     store_backlog_class(r->backlog_type, r->backlog_level) &&
                             uuid_eq(s->namespace_id, r->namespace_id));
        if (r->status == WORKFLOW_RUNNING && !str_empty(r->backlog_queue) && queue &&
                r->key > s->after_key && has_shard(s->shards, s->shard_count, r->shard)) {
            vec_push(arena, &rows, *r);
        }
    }
    if (rows.len) {
        qsort(rows.ptr, rows.len, sizeof(*rows.ptr), key_order);
    }
    s->rows = rows.ptr;
    s->row_count = rows.len < s->limit ? rows.len : s->limit;
}

static int close_order(const void *a, const void *b)
{
    const struct store_run_row *x = a, *y = b;
    int64_t dc = (x->close_time.ns > y->close_time.ns) - (x->close_time.ns < y->close_time.ns);
    int64_t ds = (x->start_time.ns > y->start_time.ns) - (x->start_time.ns < y->start_time.ns);
    return dc ? (int)dc : ds ? (int)ds : (x->key > y->key) - (x->key < y->key);
}

static void scan_closed(struct sim_db *db, struct store_scan_closed *s, struct arena *arena)
{
    run_rows rows = { 0 };
    struct store_run_row after = {
        .key = s->after_key, .close_time = s->after_close, .start_time = s->after_start
    };
    map_each(&db->runs, n)
    {
        const struct sim_run *r = map_entry(n, struct sim_run, node);
        if (is_visible(r) && r->row.close_time.ns && r->row.close_time.ns <= s->until.ns &&
                uuid_eq(r->row.namespace_id, s->namespace_id) && close_order(&r->row, &after) > 0 &&
                has_shard(s->shards, s->shard_count, r->row.shard)) {
            vec_push(arena, &rows, r->row);
        }
    }
    if (rows.len) {
        qsort(rows.ptr, rows.len, sizeof(*rows.ptr), close_order);
    }
    s->row_count = rows.len < s->limit ? rows.len : s->limit;
    struct store_closed_row *closed = NEW(arena, struct store_closed_row, s->row_count);
    for (size_t i = 0; i < s->row_count; i++) {
        const struct sim_run *r = find_run(db, rows.ptr[i].key);
        closed[i].run = r->row;
        closed[i].last_seq = r->log.len ? r->log.ptr[r->log.len - 1].seq : 0;
    }
    s->rows = closed;
}

static void scan_doomed(struct sim_db *db, struct store_scan_doomed *s, struct arena *arena)
{
    run_rows runs = { 0 };
    VEC(struct store_doomed_row) rows = { 0 };
    map_each(&db->runs, n)
    {
        const struct sim_run *r = map_entry(n, struct sim_run, node);
        if (has_row(r) && !is_visible(r) && r->row.key > s->after_key &&
                has_shard(s->shards, s->shard_count, r->row.shard)) {
            vec_push(arena, &runs, r->row);
        }
    }
    if (runs.len) {
        qsort(runs.ptr, runs.len, sizeof(*runs.ptr), key_order);
    }
    for (size_t i = 0; i < runs.len && i < s->limit; i++) {
        const struct sim_run *r = find_run(db, runs.ptr[i].key);
        struct store_doomed_row row = { r->row.key, r->row.shard,
            r->log.len ? r->log.ptr[r->log.len - 1].seq : 0 };
        vec_push(arena, &rows, row);
    }
    s->rows = rows.ptr;
    s->row_count = rows.len;
}

static void scan_runs(struct sim_db *db, struct store_scan_runs *s, struct arena *arena)
{
    run_rows rows = { 0 };
    map_each(&db->runs, n)
    {
        const struct sim_run *r = map_entry(n, struct sim_run, node);
        if (has_row(r) && is_visible(r) && r->row.key > s->after_key &&
                has_shard(s->shards, s->shard_count, r->row.shard)) {
            vec_push(arena, &rows, r->row);
        }
    }
    if (rows.len) {
        qsort(rows.ptr, rows.len, sizeof(*rows.ptr), key_order);
    }
    s->rows = rows.ptr;
    s->row_count = rows.len < s->limit ? rows.len : s->limit;
}

static void read_log(struct sim_db *db, struct store_read_log *l, struct arena *arena)
{
    const struct sim_run *r = find_run(db, l->key);
    VEC(struct store_log_row) rows = { 0 };
    size_t bytes = 0;
    for (size_t i = 0; r && i < r->log.len && (rows.len == 0 || bytes < l->max_bytes); i++) {
        if (r->log.ptr[i].seq > l->after_seq) {
            bytes += r->log.ptr[i].events.len + r->log.ptr[i].records.len;
            vec_push(arena, &rows, r->log.ptr[i]);
        }
    }
    l->rows = rows.ptr;
    l->row_count = rows.len;
}

/* ---- dispatch; the cluster's tables are in sim_cluster.c ---- */

enum err sim_execute(struct sim_db *db, enum store_kind kind, struct store_op *op,
        struct instant now, struct arena *arena, struct fail *f)
{
    struct store_find_current *find;
    switch (kind) {
    case STORE_LOAD:
        return load(db, container_of(op, struct store_load, op), arena, f);
    case STORE_FIND_CURRENT:
        find = container_of(op, struct store_find_current, op);
        struct sim_run *r = find_current(db, arena, find->namespace_id, find->workflow_id);
        if (!r) {
            return fail(f, ERR_NOT_FOUND, "no run has this workflow id");
        }
        find->run = r->row;
        return ERR_NONE;
    case STORE_READ_HISTORY:
        read_history(db, container_of(op, struct store_read_history, op), arena);
        return ERR_NONE;
    case STORE_SCAN_WAKES:
        scan_wakes(db, container_of(op, struct store_scan_wakes, op), arena);
        return ERR_NONE;
    case STORE_SCAN_BACKLOG:
        scan_backlog(db, container_of(op, struct store_scan_backlog, op), arena);
        return ERR_NONE;
    case STORE_SCAN_RUNS:
        scan_runs(db, container_of(op, struct store_scan_runs, op), arena);
        return ERR_NONE;
    case STORE_READ_LOG:
        read_log(db, container_of(op, struct store_read_log, op), arena);
        return ERR_NONE;
    case STORE_SCAN_CLOSED:
        scan_closed(db, container_of(op, struct store_scan_closed, op), arena);
        return ERR_NONE;
    case STORE_LIST_RUNS:
        return sim_list(db, container_of(op, struct store_list_runs, op), now, arena, f);
    case STORE_COUNT_RUNS:
        sim_count(db, container_of(op, struct store_count_runs, op), arena);
        return ERR_NONE;
    case STORE_SCAN_DOOMED:
        scan_doomed(db, container_of(op, struct store_scan_doomed, op), arena);
        return ERR_NONE;
    default:
        return sim_execute_cluster(db, kind, op, now, arena, f);
    }
}

bool sim_db_run(struct sim_db *db, run_key key, const struct store_run_row **run,
        const struct store_log_row **log, size_t *log_count)
{
    struct sim_run *r = find_run(db, key);
    if (!has_row(r)) {
        return false;
    }
    *run = &r->row;
    *log = r->log.ptr;
    *log_count = r->log.len;
    return true;
}

void sim_db_each_run(struct sim_db *db,
        void (*visit)(void *arg, const struct store_run_row *run,
                const struct store_snapshot_row *snapshot, const struct store_log_row *log,
                size_t log_count),
        void *arg)
{
    map_each(&db->runs, n)
    {
        struct sim_run *r = map_entry(n, struct sim_run, node);
        if (is_visible(r)) {
            visit(arg, &r->row, &r->snapshot, r->log.ptr, r->log.len);
        }
    }
}

bool sim_db_spoil(struct sim_db *db, struct str workflow_id, struct sim_rows *ret)
{
    map_each(&db->runs, n)
    {
        struct sim_run *r = map_entry(n, struct sim_run, node);
        if (is_visible(r) && str_eq(r->row.workflow_id, workflow_id)) {
            *ret = (struct sim_rows){ &r->row, &r->snapshot, r->log.ptr, &r->log.len };
            return true;
        }
    }
    return false;
}

size_t sim_db_rows(const struct sim_db *db)
{
    size_t rows = 0;
    map_each(&db->runs, n)
    {
        rows += 1 + map_entry(n, struct sim_run, node)->log.len;
    }
    return rows + db->currents.len;
}
