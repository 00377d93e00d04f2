/* Pages of lists. A list is two stretches of index: the open runs by start, then the closed ones by close. Which of
 * the two a run belongs to is decided by the moment of the first page (which transactions were committed then), so
 * that a run that closes between two pages is neither repeated nor lost: those that have closed since are read
 * beside the open ones, at their place by start. */
#include "common/store/list_sql.h"

#include "common/base/uuid.h"

enum {
    MOMENT_MAX = 2000,
    /* A close time is the clock of the process that closed the run, the first page's of one that read it. */
    CLOCKS_DIFFER_SECONDS = 300,
};

#define COLUMNS                                                                           \
    "r.run_key, r.shard, r.namespace_id, r.run_id, r.workflow_id, r.status, r.wake_at, "  \
    "r.start_time,"                                                                       \
    " r.close_time, r.backlog_queue, r.backlog_type, r.workflow_type, r.task_queue, "     \
    "r.execution_time,"                                                                   \
    " r.parent_workflow_id, r.parent_run_id, r.root_workflow_id, r.root_run_id, r.memo, " \
    "r.search_attributes,"                                                                \
    " r.search, r.history_length, r.history_size, r.state_transitions"

static void put(struct buf *out, const char *text)
{
    buf_append_str(out, str_from_cstr(text));
}

static void put_uuid(struct buf *out, enum sql_dialect dialect, struct uuid id)
{
    put(out, dialect == SQL_POSTGRES ? "'" : "x'");
    for (size_t i = 0; i < sizeof(id.b); i++) {
        buf_printf(out, "%02x", id.b[i]);
    }
    put(out, dialect == SQL_POSTGRES ? "'::uuid" : "'");
}

static bool moment_ok(struct str moment)
{
    for (size_t i = 0; i < moment.len; i++) {
        char c = moment.ptr[i];
        if ((c < '0' || c > '9') && c != ':' && c != ',') {
            return false;
        }
    }
    return moment.len > 0 && moment.len <= MOMENT_MAX;
}

/* Whether the run's close was committed at the place's moment. */
static void closed_then(struct buf *out, enum sql_dialect dialect, const struct store_place *at)
{
    if (dialect == SQL_POSTGRES) {
        buf_printf(out, "pg_visible_in_snapshot(r.close_mark, '" STR_FMT "'::pg_snapshot)",
                STR_ARG(at->moment));
    } else {
        buf_printf(out, "r.close_mark <= " STR_FMT, STR_ARG(at->moment));
    }
}

static void select_from(struct buf *out, struct arena *arena, enum sql_dialect dialect,
        const struct store_list_runs *op, int part)
{
    buf_printf(out,
            "SELECT * FROM (SELECT " COLUMNS ", %d AS part FROM runs r WHERE r.namespace_id = ",
            part);
    put_uuid(out, dialect, op->namespace_id);
    put(out, " AND ");
    filter_sql(out, arena, dialect, op->filter);
}

static void after_start(struct buf *out, const struct store_place *at)
{
    if (at->key) {
        buf_printf(out, " AND (r.start_time, r.run_key) < (%lld, %lld)",
                (long long)at->start_time.ns, (long long)at->key);
    }
}

static void by_start(struct buf *out, size_t limit, const char *alias)
{
    buf_printf(out, " ORDER BY r.start_time DESC, r.run_key DESC LIMIT %zu) %s", limit, alias);
}

static void open_part(struct buf *out, struct arena *arena, enum sql_dialect dialect,
        const struct store_list_runs *op)
{
    const struct store_place *at = &op->after;
    select_from(out, arena, dialect, op, 0);
    put(out, " AND r.status = 1");
    after_start(out, at);
    by_start(out, op->limit, "o");
    if (at->key) {
        put(out, " UNION ALL ");
        select_from(out, arena, dialect, op, 0);
        buf_printf(out, " AND r.close_time > %lld AND r.status > 1 AND NOT (",
                (long long)(at->began.ns - DURATION_SECONDS(CLOCKS_DIFFER_SECONDS).ns));
        closed_then(out, dialect, at);
        put(out, ")");
        after_start(out, at);
        by_start(out, op->limit, "p");
    }
}

/* A stretch of the list in which nothing can be found is not looked through. */
static bool may_be_closed(const struct filter *filter)
{
    for (int status = WORKFLOW_RUNNING + 1; status < STORE_STATUS_MAX; status++) {
        if (filter_may_accept(filter, status)) {
            return true;
        }
    }
    return false;
}

static void closed_part(struct buf *out, struct arena *arena, enum sql_dialect dialect,
        const struct store_list_runs *op)
{
    const struct store_place *at = &op->after;
    select_from(out, arena, dialect, op, 1);
    put(out, " AND r.close_time IS NOT NULL AND r.status > 1");
    if (at->key) {
        put(out, " AND ");
        closed_then(out, dialect, at);
    }
    if (at->in_closed) {
        buf_printf(out, " AND (r.close_time, r.start_time, r.run_key) < (%lld, %lld, %lld)",
                (long long)at->close_time.ns, (long long)at->start_time.ns, (long long)at->key);
    }
    buf_printf(out, " ORDER BY r.close_time DESC, r.start_time DESC, r.run_key DESC LIMIT %zu) c",
            op->limit);
}

bool list_sql(struct buf *out, struct arena *arena, enum sql_dialect dialect,
        const struct store_list_runs *op)
{
    if (op->after.key && !moment_ok(op->after.moment)) {
        return false;
    }
    put(out, "SELECT l.*, ");
    put(out, dialect == SQL_POSTGRES ? "pg_current_snapshot()::text"
                                     : "(SELECT CAST(sum(seq) AS TEXT) FROM writers)");
    put(out, " FROM (");
    /* Those that closed since the first page keep their place among the open ones, so a later page looks there. */
    bool is_open = !op->after.in_closed &&
                   (op->after.key || filter_may_accept(op->filter, WORKFLOW_RUNNING));
    bool is_closed = may_be_closed(op->filter) || !is_open;
    if (is_open) {
        open_part(out, arena, dialect, op);
    }
    if (is_closed) {
        put(out, is_open ? " UNION ALL " : "");
        closed_part(out, arena, dialect, op);
    }
    buf_printf(out,
            ") l ORDER BY l.part, CASE WHEN l.part = 1 THEN l.close_time END DESC, l.start_time "
            "DESC,"
            " l.run_key DESC LIMIT %zu",
            op->limit);
    return true;
}

/* From the counters: no run is read. */
static void counters_sql(
        struct buf *out, enum sql_dialect dialect, struct uuid namespace_id, const bool *wanted)
{
    static const char *const columns[] = { [WORKFLOW_RUNNING] = "running",
        [WORKFLOW_COMPLETED] = "completed",
        [WORKFLOW_FAILED] = "failed",
        [WORKFLOW_CANCELED] = "canceled",
        [WORKFLOW_TERMINATED] = "terminated",
        [WORKFLOW_CONTINUED_AS_NEW] = "continued_as_new",
        [WORKFLOW_TIMED_OUT] = "timed_out",
        [8] = "paused" };
    bool is_pg = dialect == SQL_POSTGRES, more = false;
    put(out, is_pg ? "SELECT u.* FROM (SELECT "
                   : "SELECT status, n FROM run_counts WHERE namespace_id = ");
    for (size_t i = 1; i < ARRAY_LEN(columns) && is_pg; i++) {
        buf_printf(out, "%ssum(%s) AS %s", i > 1 ? ", " : "", columns[i], columns[i]);
    }
    put(out, is_pg ? " FROM run_counts WHERE namespace_id = " : "");
    put_uuid(out, dialect, namespace_id);
    put(out, is_pg ? ") c, LATERAL (VALUES " : " AND n > 0 AND status IN (");
    for (size_t i = 1; i < ARRAY_LEN(columns); i++) {
        if (wanted[i] && is_pg) {
            buf_printf(out, "%s(%zu::smallint, %s::bigint)", more ? ", " : "", i, columns[i]);
        } else if (wanted[i]) {
            buf_printf(out, "%s%zu", more ? ", " : "", i);
        }
        more = more || wanted[i];
    }
    put(out, !is_pg ? ")"
             : more ? ") u (status, n) WHERE u.n > 0"
                    : "(0::smallint, 0::bigint)) u (status, n)");
}

void count_sql(struct buf *out, struct arena *arena, enum sql_dialect dialect,
        const struct store_count_runs *op)
{
    bool wanted[STORE_STATUS_MAX];
    if (filter_statuses(op->filter, wanted, STORE_STATUS_MAX)) {
        counters_sql(out, dialect, op->namespace_id, wanted);
        return;
    }
    put(out, "SELECT r.status, count(*) FROM runs r WHERE r.namespace_id = ");
    put_uuid(out, dialect, op->namespace_id);
    put(out, " AND ");
    filter_sql(out, arena, dialect, op->filter);
    put(out, " AND r.status > 0 GROUP BY r.status");
}

void list_page(struct store_list_runs *op, struct str moment, struct instant now)
{
    op->more = op->row_count == op->limit;
    op->began = op->after.key ? op->after.began : now;
    op->moment = op->after.key ? op->after.moment : moment;
}

struct store_place store_place_behind(const struct store_list_runs *page, size_t row)
{
    const struct store_listed *at = &page->rows[row];
    return (struct store_place){
        .in_closed = at->in_closed,
        .close_time = at->run.close_time,
        .start_time = at->run.start_time,
        .key = at->run.key,
        .began = page->began,
        .moment = page->moment,
    };
}
