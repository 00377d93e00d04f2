/* Lists and counts: statements made for each call, on a connection of their own that reads only and stops them in
 * time. Rows are borrowed from the result. */
#include "common/store/list_sql.h"
#include "common/store/pg.h"

enum { SQL_MAX = 4 << 20 };

#define OP(type) container_of(op->op, struct type, op)

static struct str opt_str(const PGresult *r, int row, int col)
{
    return PQgetisnull(r, row, col) ? STR("") : pg_str(r, row, col);
}

static void view_row(const PGresult *r, int row, struct store_view *ret)
{
    int c = LIST_RUN_COLUMNS;
    *ret = (struct store_view){
        .workflow_type = opt_str(r, row, c),
        .task_queue = opt_str(r, row, c + 1),
        .execution_time = { pg_i64(r, row, c + 2) },
        .parent_workflow_id = opt_str(r, row, c + 3),
        .parent_run_id = opt_str(r, row, c + 4),
        .root_workflow_id = opt_str(r, row, c + 5),
        .root_run_id = opt_str(r, row, c + 6),
        .memo = opt_str(r, row, c + 7),
        .search_attributes = opt_str(r, row, c + 8),
        .search = str_drop(opt_str(r, row, c + 9), 1), /* jsonb's version */
        .history_length = pg_i64(r, row, c + 10),
        .history_size = pg_i64(r, row, c + 11),
        .state_transitions = pg_i64(r, row, c + 12),
    };
}

/* What cannot be said is a fail of this call: the connection stays. */
static bool send_sql(struct pg_op *op, struct pg_conn *conn, struct buf *sql, bool ok)
{
    buf_append_byte(sql, 0);
    op->step = ok && !sql->overflow;
    return pg_send_text(conn, op->step ? sql->ptr : "SELECT 1");
}

static bool list_send(struct pg_op *op, struct pg_conn *conn)
{
    struct buf sql;
    buf_init_arena(&sql, &op->arena, SQL_MAX);
    bool ok = list_sql(&sql, &op->arena, SQL_POSTGRES, OP(store_list_runs));
    return send_sql(op, conn, &sql, ok);
}

static enum err list_read(struct pg_op *op, struct fail *f)
{
    struct store_list_runs *l = OP(store_list_runs);
    const PGresult *r = op->request.results[0];
    if (!op->step) {
        return fail(f, ERR_INVALID_ARGUMENT, "invalid place in a list");
    }
    int n = PQntuples(r);
    struct store_listed *rows = NEW(&op->arena, struct store_listed, (size_t)n);
    for (int i = 0; i < n; i++) {
        pg_run_row(r, i, &rows[i].run);
        view_row(r, i, &rows[i].view);
        rows[i].in_closed = pg_i32(r, i, LIST_PART) == 1;
    }
    l->rows = rows;
    l->row_count = (size_t)n;
    list_page(l, n > 0 ? pg_str(r, 0, LIST_MOMENT) : STR(""), lane_now(op->pl->sl.lane));
    return ERR_NONE;
}

static bool count_send(struct pg_op *op, struct pg_conn *conn)
{
    struct buf sql;
    buf_init_arena(&sql, &op->arena, SQL_MAX);
    count_sql(&sql, &op->arena, SQL_POSTGRES, OP(store_count_runs));
    return send_sql(op, conn, &sql, true);
}

static enum err count_read(struct pg_op *op, struct fail *f)
{
    struct store_count_runs *c = OP(store_count_runs);
    const PGresult *r = op->request.results[0];
    if (!op->step) {
        return fail(f, ERR_INVALID_ARGUMENT, "the query is too long");
    }
    memset(c->counts, 0, sizeof(c->counts));
    for (int i = 0; i < PQntuples(r); i++) {
        int16_t status = pg_i16(r, i, 0);
        if (status >= 0 && status < STORE_STATUS_MAX) {
            c->counts[status] = pg_i64(r, i, 1);
        }
    }
    return ERR_NONE;
}

const struct pg_kind pg_kinds_list[] = {
    [STORE_LIST_RUNS] = { list_send, list_read },
    [STORE_COUNT_RUNS] = { count_send, count_read },
};
