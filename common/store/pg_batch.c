/* A batch as statements: for each table one statement with arrays, or its scalar form for a single
 * row (less to parse and plan for the common small commit). Bytes are borrowed until libpq has
 * copied them. */
#include "common/store/pg.h"

enum { TABLES = 10 };

struct message {
    enum pg_statement statement;
    struct pg_params params;
};

/* Nullable columns: what the structs say with a special value. */
static bool never(struct instant t)
{
    return t.ns == INSTANT_NEVER.ns;
}

#define ARRAY(type, list, append)                   \
    do {                                            \
        struct buf a;                               \
        pg_array_begin(p, &a, (type), b->list.len); \
        for (size_t i = 0; i < b->list.len; i++) {  \
            append;                                 \
        }                                           \
        pg_array_end(p, &a);                        \
    } while (0)

static enum pg_statement log_rows(struct pg_params *p, const struct store_batch *b)
{
    const struct store_log_row *r = b->log.ptr;
    if (b->log.len == 1) {
        pg_put_i64(p, r->key);
        pg_put_i32(p, r->seq);
        pg_put_i64(p, r->first_event_id);
        pg_put_i32(p, r->event_count);
        pg_put_str(p, r->events);
        pg_put_str(p, r->records);
        return PG_LOG_1;
    }
    ARRAY(PG_INT8, log, pg_array_i64(&a, r[i].key));
    ARRAY(PG_INT4, log, pg_array_i32(&a, r[i].seq));
    ARRAY(PG_INT8, log, pg_array_i64(&a, r[i].first_event_id));
    ARRAY(PG_INT4, log, pg_array_i32(&a, r[i].event_count));
    ARRAY(PG_BYTEA, log, pg_array_str(&a, r[i].events));
    ARRAY(PG_BYTEA, log, pg_array_str(&a, r[i].records));
    return PG_LOG_N;
}

static void opt_i64(struct pg_params *p, bool null, int64_t v)
{
    if (null) {
        pg_put_null(p);
    } else {
        pg_put_i64(p, v);
    }
}

static void arr_opt_i64(struct buf *a, bool null, int64_t v)
{
    if (null) {
        pg_array_null(a);
    } else {
        pg_array_i64(a, v);
    }
}

static void backlog_one(struct pg_params *p, const struct store_run_row *r)
{
    if (str_empty(r->backlog_queue)) {
        pg_put_null(p);
        pg_put_null(p);
    } else {
        pg_put_str(p, r->backlog_queue);
        pg_put_i16(p, (int16_t)store_backlog_class(r->backlog_type, r->backlog_level));
    }
}

static void arr_queue(struct buf *a, const struct store_run_row *r)
{
    if (str_empty(r->backlog_queue)) {
        pg_array_null(a);
    } else {
        pg_array_str(a, r->backlog_queue);
    }
}

static void arr_queue_type(struct buf *a, const struct store_run_row *r)
{
    if (str_empty(r->backlog_queue)) {
        pg_array_null(a);
    } else {
        pg_array_i16(a, (int16_t)store_backlog_class(r->backlog_type, r->backlog_level));
    }
}

/* ---- what lists show ---- */

static const struct store_view no_view;

static const struct store_view *view_of(const struct store_run_row *r)
{
    return r->view ? r->view : &no_view;
}

static void opt_str(struct pg_params *p, struct str s)
{
    if (str_empty(s)) {
        pg_put_null(p);
    } else {
        pg_put_str(p, s);
    }
}

static void arr_opt_str(struct buf *a, struct str s)
{
    if (str_empty(s)) {
        pg_array_null(a);
    } else {
        pg_array_str(a, s);
    }
}

static void view_one(struct pg_params *p, const struct store_view *v)
{
    pg_put_str(p, v->workflow_type);
    pg_put_str(p, v->task_queue);
    pg_put_i64(p, v->execution_time.ns);
    opt_str(p, v->parent_workflow_id);
    opt_str(p, v->parent_run_id);
    opt_str(p, v->root_workflow_id);
    opt_str(p, v->root_run_id);
    opt_str(p, v->memo);
    opt_str(p, v->search_attributes);
    pg_put_json(p, v->search);
}

static void figures_one(struct pg_params *p, const struct store_view *v)
{
    opt_i64(p, v->history_length == 0, v->history_length);
    opt_i64(p, v->history_length == 0, v->history_size);
    opt_i64(p, v->history_length == 0, v->state_transitions);
}

static void view_many(struct pg_params *p, const struct store_batch *b)
{
    const struct store_run_row *r = b->run_inserts.ptr;
    ARRAY(PG_TEXT, run_inserts, pg_array_str(&a, view_of(&r[i])->workflow_type));
    ARRAY(PG_TEXT, run_inserts, pg_array_str(&a, view_of(&r[i])->task_queue));
    ARRAY(PG_INT8, run_inserts, pg_array_i64(&a, view_of(&r[i])->execution_time.ns));
    ARRAY(PG_TEXT, run_inserts, arr_opt_str(&a, view_of(&r[i])->parent_workflow_id));
    ARRAY(PG_TEXT, run_inserts, arr_opt_str(&a, view_of(&r[i])->parent_run_id));
    ARRAY(PG_TEXT, run_inserts, arr_opt_str(&a, view_of(&r[i])->root_workflow_id));
    ARRAY(PG_TEXT, run_inserts, arr_opt_str(&a, view_of(&r[i])->root_run_id));
    ARRAY(PG_BYTEA, run_inserts, arr_opt_str(&a, view_of(&r[i])->memo));
    ARRAY(PG_BYTEA, run_inserts, arr_opt_str(&a, view_of(&r[i])->search_attributes));
    ARRAY(PG_JSONB, run_inserts, pg_array_json(&a, view_of(&r[i])->search));
}

#define FIGURE(list, member) \
    ARRAY(PG_INT8, list,     \
            arr_opt_i64(&a, view_of(&r[i])->history_length == 0, view_of(&r[i])->member))

static enum pg_statement run_rows(struct pg_params *p, const struct store_batch *b)
{
    const struct store_run_row *r = b->run_inserts.ptr;
    if (b->run_inserts.len == 1) {
        pg_put_i64(p, r->key);
        pg_put_i32(p, (int32_t)r->shard);
        pg_put_uuid(p, r->namespace_id);
        pg_put_uuid(p, r->run_id);
        pg_put_str(p, r->workflow_id);
        pg_put_i16(p, (int16_t)r->status);
        opt_i64(p, never(r->wake_at), r->wake_at.ns);
        pg_put_i64(p, r->start_time.ns);
        opt_i64(p, !instant_is_set(r->close_time), r->close_time.ns);
        backlog_one(p, r);
        view_one(p, view_of(r));
        figures_one(p, view_of(r));
        return PG_RUN_1;
    }
    ARRAY(PG_INT8, run_inserts, pg_array_i64(&a, r[i].key));
    ARRAY(PG_INT4, run_inserts, pg_array_i32(&a, (int32_t)r[i].shard));
    ARRAY(PG_UUID, run_inserts, pg_array_str(&a, uuid_bytes(&r[i].namespace_id)));
    ARRAY(PG_UUID, run_inserts, pg_array_str(&a, uuid_bytes(&r[i].run_id)));
    ARRAY(PG_TEXT, run_inserts, pg_array_str(&a, r[i].workflow_id));
    ARRAY(PG_INT2, run_inserts, pg_array_i16(&a, (int16_t)r[i].status));
    ARRAY(PG_INT8, run_inserts, arr_opt_i64(&a, never(r[i].wake_at), r[i].wake_at.ns));
    ARRAY(PG_INT8, run_inserts, pg_array_i64(&a, r[i].start_time.ns));
    ARRAY(PG_INT8, run_inserts,
            arr_opt_i64(&a, !instant_is_set(r[i].close_time), r[i].close_time.ns));
    ARRAY(PG_TEXT, run_inserts, arr_queue(&a, &r[i]));
    ARRAY(PG_INT2, run_inserts, arr_queue_type(&a, &r[i]));
    view_many(p, b);
    FIGURE(run_inserts, history_length);
    FIGURE(run_inserts, history_size);
    FIGURE(run_inserts, state_transitions);
    return PG_RUN_N;
}

static enum pg_statement run_changes(struct pg_params *p, const struct store_batch *b)
{
    const struct store_run_row *r = b->run_updates.ptr;
    if (b->run_updates.len == 1) {
        pg_put_i64(p, r->key);
        pg_put_i16(p, (int16_t)r->status);
        opt_i64(p, never(r->wake_at), r->wake_at.ns);
        opt_i64(p, !instant_is_set(r->close_time), r->close_time.ns);
        backlog_one(p, r);
        figures_one(p, view_of(r));
        return PG_UPDATE_1;
    }
    ARRAY(PG_INT8, run_updates, pg_array_i64(&a, r[i].key));
    ARRAY(PG_INT2, run_updates, pg_array_i16(&a, (int16_t)r[i].status));
    ARRAY(PG_INT8, run_updates, arr_opt_i64(&a, never(r[i].wake_at), r[i].wake_at.ns));
    ARRAY(PG_INT8, run_updates,
            arr_opt_i64(&a, !instant_is_set(r[i].close_time), r[i].close_time.ns));
    ARRAY(PG_TEXT, run_updates, arr_queue(&a, &r[i]));
    ARRAY(PG_INT2, run_updates, arr_queue_type(&a, &r[i]));
    FIGURE(run_updates, history_length);
    FIGURE(run_updates, history_size);
    FIGURE(run_updates, state_transitions);
    return PG_UPDATE_N;
}

static enum pg_statement view_rows(struct pg_params *p, const struct store_batch *b)
{
    const struct store_view_row *r = b->views.ptr;
    ARRAY(PG_INT8, views, pg_array_i64(&a, r[i].key));
    ARRAY(PG_BYTEA, views, arr_opt_str(&a, r[i].memo));
    ARRAY(PG_BYTEA, views, arr_opt_str(&a, r[i].search_attributes));
    ARRAY(PG_JSONB, views, pg_array_json(&a, r[i].search));
    return PG_VIEW_N;
}

/* The rows that are set, or those that go. */
static size_t currents_of(const struct store_batch *b, bool gone)
{
    size_t count = 0;
    for (size_t i = 0; i < b->currents.len; i++) {
        count += (b->currents.ptr[i].key == 0) == gone;
    }
    return count;
}

#define CURRENTS(type, is_gone, append)                           \
    do {                                                          \
        struct buf a;                                             \
        pg_array_begin(p, &a, (type), currents_of(b, (is_gone))); \
        for (size_t i = 0; i < b->currents.len; i++) {            \
            if ((r[i].key == 0) == (is_gone)) {                   \
                append;                                           \
            }                                                     \
        }                                                         \
        pg_array_end(p, &a);                                      \
    } while (0)

static enum pg_statement current_rows(struct pg_params *p, const struct store_batch *b)
{
    const struct store_current_row *r = b->currents.ptr;
    if (b->currents.len == 1) {
        pg_put_uuid(p, r->namespace_id);
        pg_put_str(p, r->workflow_id);
        pg_put_i32(p, (int32_t)r->shard);
        pg_put_i64(p, r->key);
        return PG_CURRENT_1;
    }
    CURRENTS(PG_UUID, false, pg_array_str(&a, uuid_bytes(&r[i].namespace_id)));
    CURRENTS(PG_TEXT, false, pg_array_str(&a, r[i].workflow_id));
    CURRENTS(PG_INT4, false, pg_array_i32(&a, (int32_t)r[i].shard));
    CURRENTS(PG_INT8, false, pg_array_i64(&a, r[i].key));
    return PG_CURRENT_N;
}

static enum pg_statement currents_gone(struct pg_params *p, const struct store_batch *b)
{
    const struct store_current_row *r = b->currents.ptr;
    CURRENTS(PG_UUID, true, pg_array_str(&a, uuid_bytes(&r[i].namespace_id)));
    CURRENTS(PG_TEXT, true, pg_array_str(&a, r[i].workflow_id));
    CURRENTS(PG_INT8, true, pg_array_i64(&a, r[i].was));
    return PG_CURRENT_GONE;
}

static enum pg_statement snapshot_rows(struct pg_params *p, const struct store_batch *b)
{
    const struct store_snapshot_row *r = b->snapshots.ptr;
    if (b->snapshots.len == 1) {
        pg_put_i64(p, r->key);
        pg_put_i32(p, r->seq);
        pg_put_str(p, r->data);
        return PG_SNAPSHOT_1;
    }
    ARRAY(PG_INT8, snapshots, pg_array_i64(&a, r[i].key));
    ARRAY(PG_INT4, snapshots, pg_array_i32(&a, r[i].seq));
    ARRAY(PG_BYTEA, snapshots, pg_array_str(&a, r[i].data));
    return PG_SNAPSHOT_N;
}

static enum pg_statement delete_log(struct pg_params *p, const struct store_batch *b)
{
    const struct store_delete_row *r = b->deletes.ptr;
    ARRAY(PG_INT8, deletes, pg_array_i64(&a, r[i].key));
    ARRAY(PG_INT4, deletes, pg_array_i32(&a, r[i].through_seq));
    return PG_DELETE_LOG;
}

static size_t whole_deletes(const struct store_batch *b)
{
    size_t count = 0;
    for (size_t i = 0; i < b->deletes.len; i++) {
        count += b->deletes.ptr[i].whole;
    }
    return count;
}

static void put_whole_keys(struct pg_params *p, const struct store_batch *b)
{
    struct buf a;
    pg_array_begin(p, &a, PG_INT8, whole_deletes(b));
    for (size_t i = 0; i < b->deletes.len; i++) {
        if (b->deletes.ptr[i].whole) {
            pg_array_i64(&a, b->deletes.ptr[i].key);
        }
    }
    pg_array_end(p, &a);
}

static enum pg_statement delete_snapshots(struct pg_params *p, const struct store_batch *b)
{
    put_whole_keys(p, b);
    return PG_DELETE_SNAPSHOT;
}

static enum pg_statement delete_runs(struct pg_params *p, const struct store_batch *b)
{
    put_whole_keys(p, b);
    return PG_DELETE_RUN;
}

static size_t batch_messages(
        const struct store_batch *b, uint32_t writer, struct arena *arena, struct message *ret)
{
    const struct {
        size_t count;
        enum pg_statement (*encode)(struct pg_params *p, const struct store_batch *b);
        bool counts; /* changes the counters: the writer's are the last parameter */
    } tables[TABLES] = {
        { b->log.len, log_rows, false },
        { b->run_inserts.len, run_rows, true },
        { b->run_updates.len, run_changes, true },
        { b->views.len, view_rows, true },
        { currents_of(b, false), current_rows, false },
        { currents_of(b, true), currents_gone, false },
        { b->snapshots.len, snapshot_rows, false },
        { b->deletes.len, delete_log, false },
        { whole_deletes(b), delete_snapshots, false },
        { whole_deletes(b), delete_runs, false },
    };
    size_t count = 0;
    for (size_t i = 0; i < TABLES; i++) {
        if (tables[i].count) {
            struct message *m = &ret[count++];
            m->params = (struct pg_params){ .arena = arena };
            m->statement = tables[i].encode(&m->params, b);
            if (tables[i].counts) {
                pg_put_i32(&m->params, (int32_t)writer);
            }
        }
    }
    return count;
}

bool pg_batch_send(struct pg_conn *conn, struct pg_writer *w, bool dry)
{
    struct arena *arena = &w->scratch;
    struct message messages[TABLES];
    arena_reset(arena);
    w->overflow = false;
    size_t count = batch_messages(&w->batch, w->writer, arena, messages);
    for (size_t i = 0; i < count; i++) {
        w->overflow |= messages[i].params.overflow;
    }
    struct pg_params fence = { .arena = arena }, raise = { .arena = arena };
    pg_put_i32(&fence, (int32_t)w->writer);
    pg_put_uuid(&fence, w->owner);
    pg_put_i64(&fence, w->epoch);
    pg_put_i64(&fence, w->seq);
    pg_put_i64(&fence, w->batch.last_run_key);
    pg_put_i64(&fence, w->session);
    pg_put_i32(&raise, 0);
    bool ok = pg_send(conn, PG_FENCE, &fence);
    for (size_t i = 0; i < count && ok && !w->overflow; i++) {
        ok = pg_send(conn, messages[i].statement, &messages[i].params);
    }
    /* What cannot be sent must not be committed in part: the statement that always fails ends it.
     */
    if (ok && (dry || w->overflow)) {
        ok = pg_send(conn, PG_RAISE, &raise);
    }
    return ok;
}
