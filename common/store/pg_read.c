/* Reading runs: loads, history pages and the scans. Rows are borrowed from the results, arrays live
 * in the operation's arena; both until done() returns. */
#include "common/store/pg.h"

#define OP(type) container_of(op->op, struct type, op)
#define PARAMS   struct pg_params p = { .arena = &op->arena }

static struct instant opt_instant(const PGresult *r, int row, int col, struct instant null)
{
    return PQgetisnull(r, row, col) ? null : (struct instant){ pg_i64(r, row, col) };
}

void pg_run_row(const PGresult *r, int row, struct store_run_row *ret)
{
    *ret = (struct store_run_row){
        .key = pg_i64(r, row, 0),
        .shard = (uint32_t)pg_i32(r, row, 1),
        .namespace_id = pg_uuid(r, row, 2),
        .run_id = pg_uuid(r, row, 3),
        .workflow_id = pg_str(r, row, 4),
        .status = (enum workflow_status)pg_i16(r, row, 5),
        .wake_at = opt_instant(r, row, 6, INSTANT_NEVER),
        .start_time = { pg_i64(r, row, 7) },
        .close_time = opt_instant(r, row, 8, (struct instant){ 0 }),
        .backlog_queue = pg_str(r, row, 9),
        .backlog_type = store_backlog_type(pg_i16(r, row, 10)),
        .backlog_level = store_backlog_level(pg_i16(r, row, 10)),
    };
}

static struct store_log_row *log_rows(
        struct pg_op *op, const PGresult *r, run_key key, size_t *count)
{
    *count = (size_t)PQntuples(r);
    struct store_log_row *rows = NEW(&op->arena, struct store_log_row, *count);
    for (int i = 0; i < PQntuples(r); i++) {
        rows[i] = (struct store_log_row){
            .key = key,
            .seq = pg_i32(r, i, 0),
            .first_event_id = pg_i64(r, i, 1),
            .event_count = pg_i32(r, i, 2),
            .events = pg_str(r, i, 3),
            .records = pg_str(r, i, 4),
        };
    }
    return rows;
}

static struct store_run_row *run_rows(struct pg_op *op, const PGresult *r, size_t *count)
{
    *count = (size_t)PQntuples(r);
    struct store_run_row *rows = NEW(&op->arena, struct store_run_row, *count);
    for (int i = 0; i < PQntuples(r); i++) {
        pg_run_row(r, i, &rows[i]);
    }
    return rows;
}

/* ---- one run: its row first unless the key is known, then snapshot and tail ---- */

static bool send_run(struct pg_op *op, struct pg_conn *conn, run_key key)
{
    PARAMS;
    pg_put_i64(&p, key);
    return pg_send(conn, PG_RUN_BY_KEY, &p);
}

static bool load_send(struct pg_op *op, struct pg_conn *conn)
{
    struct store_load *l = OP(store_load);
    PARAMS;
    if (op->step == 0 && l->key == 0) {
        pg_put_uuid(&p, l->namespace_id);
        pg_put_str(&p, l->workflow_id);
        if (uuid_is_zero(l->run_id)) {
            return pg_send(conn, PG_RUN_CURRENT, &p);
        }
        pg_put_uuid(&p, l->run_id);
        return pg_send(conn, PG_RUN_BY_ID, &p);
    }
    run_key key = op->step == 0 ? l->key : l->run.key;
    pg_put_i64(&p, key);
    return send_run(op, conn, key) && pg_send(conn, PG_SNAPSHOT, &p) &&
           pg_send(conn, l->want_events ? PG_TAIL_EVENTS : PG_TAIL, &p);
}

static enum err load_read(struct pg_op *op, struct fail *f)
{
    struct store_load *l = OP(store_load);
    PGresult **res = op->request.results;
    if (PQntuples(res[0]) == 0) {
        return fail(f, ERR_NOT_FOUND, "no such run");
    }
    pg_run_row(res[0], 0, &l->run);
    l->is_current = pg_bool(res[0], 0, 11);
    if (op->step == 0 && l->key == 0) {
        op->step = 1;
        op->again = true;
        return ERR_NONE;
    }
    l->snapshot = (struct store_snapshot_row){ .key = l->run.key };
    if (PQntuples(res[1])) {
        l->snapshot.seq = pg_i32(res[1], 0, 0);
        l->snapshot.data = pg_str(res[1], 0, 1);
    }
    l->tail = log_rows(op, res[2], l->run.key, &l->tail_count);
    return store_load_check(l, f);
}

static bool find_current_send(struct pg_op *op, struct pg_conn *conn)
{
    struct store_find_current *c = OP(store_find_current);
    PARAMS;
    pg_put_uuid(&p, c->namespace_id);
    pg_put_str(&p, c->workflow_id);
    return pg_send(conn, PG_RUN_CURRENT, &p);
}

static enum err find_current_read(struct pg_op *op, struct fail *f)
{
    const PGresult *r = op->request.results[0];
    if (PQntuples(r) == 0) {
        return fail(f, ERR_NOT_FOUND, "no run has this workflow id");
    }
    pg_run_row(r, 0, &OP(store_find_current)->run);
    return ERR_NONE;
}

static bool history_send(struct pg_op *op, struct pg_conn *conn)
{
    struct store_read_history *h = OP(store_read_history);
    PARAMS;
    pg_put_i64(&p, h->key);
    pg_put_i64(&p, h->from_event_id);
    pg_put_i64(&p, h->max_bytes ? (int64_t)h->max_bytes : 1);
    return pg_send(conn, h->backwards ? PG_HISTORY_BACKWARDS : PG_HISTORY_FORWARDS, &p);
}

static enum err history_read(struct pg_op *op, struct fail *f)
{
    struct store_read_history *h = OP(store_read_history);
    h->rows = log_rows(op, op->request.results[0], h->key, &h->row_count);
    return ERR_NONE;
}

/* ---- scans ---- */

static void put_shards(struct pg_params *p, const uint32_t *shards, size_t count)
{
    struct buf a;
    pg_array_begin(p, &a, PG_INT4, count);
    for (size_t i = 0; i < count; i++) {
        pg_array_i32(&a, (int32_t)shards[i]);
    }
    pg_array_end(p, &a);
}

static bool wakes_send(struct pg_op *op, struct pg_conn *conn)
{
    struct store_scan_wakes *s = OP(store_scan_wakes);
    PARAMS;
    put_shards(&p, s->shards, s->shard_count);
    pg_put_i64(&p, s->until.ns);
    pg_put_i64(&p, s->after_wake.ns);
    pg_put_i64(&p, s->after_key);
    pg_put_i64(&p, (int64_t)s->limit);
    return pg_send(conn, PG_WAKES, &p);
}

static enum err wakes_read(struct pg_op *op, struct fail *f)
{
    struct store_scan_wakes *s = OP(store_scan_wakes);
    s->rows = run_rows(op, op->request.results[0], &s->row_count);
    return ERR_NONE;
}

static bool backlog_send(struct pg_op *op, struct pg_conn *conn)
{
    struct store_scan_backlog *s = OP(store_scan_backlog);
    PARAMS;
    put_shards(&p, s->shards, s->shard_count);
    bool any = str_empty(s->queue);
    if (!any) {
        pg_put_uuid(&p, s->namespace_id);
        pg_put_str(&p, s->queue);
        pg_put_i16(&p, (int16_t)store_backlog_class(s->type, s->level));
    }
    pg_put_i64(&p, s->after_key);
    pg_put_i64(&p, (int64_t)s->limit);
    return pg_send(conn, any ? PG_BACKLOG_OF_SHARDS : PG_BACKLOG_OF_QUEUE, &p);
}

static enum err backlog_read(struct pg_op *op, struct fail *f)
{
    struct store_scan_backlog *s = OP(store_scan_backlog);
    s->rows = run_rows(op, op->request.results[0], &s->row_count);
    return ERR_NONE;
}

static bool closed_send(struct pg_op *op, struct pg_conn *conn)
{
    struct store_scan_closed *s = OP(store_scan_closed);
    PARAMS;
    pg_put_uuid(&p, s->namespace_id);
    put_shards(&p, s->shards, s->shard_count);
    pg_put_i64(&p, s->until.ns);
    pg_put_i64(&p, s->after_close.ns);
    pg_put_i64(&p, s->after_key);
    pg_put_i64(&p, (int64_t)s->limit);
    pg_put_i64(&p, s->after_start.ns);
    return pg_send(conn, PG_CLOSED_RUNS, &p);
}

static enum err closed_read(struct pg_op *op, struct fail *f)
{
    struct store_scan_closed *s = OP(store_scan_closed);
    const PGresult *r = op->request.results[0];
    s->row_count = (size_t)PQntuples(r);
    struct store_closed_row *rows = NEW(&op->arena, struct store_closed_row, s->row_count);
    for (int i = 0; i < PQntuples(r); i++) {
        pg_run_row(r, i, &rows[i].run);
        rows[i].last_seq = pg_i32(r, i, 11);
    }
    s->rows = rows;
    return ERR_NONE;
}

static bool doomed_send(struct pg_op *op, struct pg_conn *conn)
{
    struct store_scan_doomed *s = OP(store_scan_doomed);
    PARAMS;
    put_shards(&p, s->shards, s->shard_count);
    pg_put_i64(&p, s->after_key);
    pg_put_i64(&p, (int64_t)s->limit);
    return pg_send(conn, PG_DOOMED, &p);
}

static enum err doomed_read(struct pg_op *op, struct fail *f)
{
    struct store_scan_doomed *s = OP(store_scan_doomed);
    const PGresult *r = op->request.results[0];
    s->row_count = (size_t)PQntuples(r);
    struct store_doomed_row *rows = NEW(&op->arena, struct store_doomed_row, s->row_count);
    for (int i = 0; i < PQntuples(r); i++) {
        rows[i] = (struct store_doomed_row){ pg_i64(r, i, 0), (uint32_t)pg_i32(r, i, 1),
            pg_i32(r, i, 2) };
    }
    s->rows = rows;
    return ERR_NONE;
}

static bool runs_send(struct pg_op *op, struct pg_conn *conn)
{
    struct store_scan_runs *s = OP(store_scan_runs);
    PARAMS;
    put_shards(&p, s->shards, s->shard_count);
    pg_put_i64(&p, s->after_key);
    pg_put_i64(&p, (int64_t)s->limit);
    return pg_send(conn, PG_ALL_RUNS, &p);
}

static enum err runs_read(struct pg_op *op, struct fail *f)
{
    struct store_scan_runs *s = OP(store_scan_runs);
    s->rows = run_rows(op, op->request.results[0], &s->row_count);
    return ERR_NONE;
}

static bool log_send(struct pg_op *op, struct pg_conn *conn)
{
    struct store_read_log *l = OP(store_read_log);
    PARAMS;
    pg_put_i64(&p, l->key);
    pg_put_i32(&p, l->after_seq);
    pg_put_i64(&p, l->max_bytes ? (int64_t)l->max_bytes : 1);
    return pg_send(conn, PG_LOG_PAGE, &p);
}

static enum err log_read(struct pg_op *op, struct fail *f)
{
    struct store_read_log *l = OP(store_read_log);
    l->rows = log_rows(op, op->request.results[0], l->key, &l->row_count);
    return ERR_NONE;
}

const struct pg_kind pg_kinds_read[] = {
    [STORE_LOAD] = { load_send, load_read },
    [STORE_FIND_CURRENT] = { find_current_send, find_current_read },
    [STORE_READ_HISTORY] = { history_send, history_read },
    [STORE_SCAN_WAKES] = { wakes_send, wakes_read },
    [STORE_SCAN_BACKLOG] = { backlog_send, backlog_read },
    [STORE_SCAN_DOOMED] = { doomed_send, doomed_read },
    [STORE_SCAN_RUNS] = { runs_send, runs_read },
    [STORE_READ_LOG] = { log_send, log_read },
    [STORE_SCAN_CLOSED] = { closed_send, closed_read },
};
