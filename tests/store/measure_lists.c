/* store_measure_lists CONNINFO RUNS [CALLS]: what lists and counts cost when there are many runs.
 *
 * Fills the database through the store's own door: a tenth of the runs stays open, the others close; ten types, every
 * hundredth run has a custom attribute of its own value, all have one of a hundred values. Then each common query is
 * asked CALLS times (100), with other values each time, and the 50th and 99th percentile printed. A database that is
 * filled already is measured as it is. */
#include <libpq-fe.h>
#include <string.h>
#include <time.h>

#include "common/base/rand.h"
#include "common/visibility/filter.h"
#include "tests/store/harness.h"

enum { BATCH = 500, CALLS_MAX = 10000 };

static struct store *none(void)
{
    return NULL;
}

static const struct backend measured = { .name = "measure", .fresh = none };
const struct backend *backend = &measured;

static const char *conninfo;
static long runs, calls = 100;

static const int64_t first_start = 1767225600000000000; /* 2026-01-01 */
static const int64_t second = 1000000000;

static double number(PGconn *pg, const char *sql)
{
    PGresult *r = PQexec(pg, sql);
    expect(PQresultStatus(r) == PGRES_TUPLES_OK);
    double n = strtod(PQgetvalue(r, 0, 0), NULL);
    PQclear(r);
    return n;
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* ---- filling ---- */

static struct store_run_row row_of(
        struct arena *arena, run_key key, long i, struct store_view *view)
{
    struct store_run_row row = run_of(key, "");
    row.workflow_id = str_printf(arena, "order-%ld", i);
    row.start_time.ns = first_start + i * second;
    *view = (struct store_view){
        .workflow_type = str_printf(arena, "type-%ld", i % 10),
        .task_queue = STR("queue"),
        .execution_time = row.start_time,
        .search = i % 100 ? str_printf(arena, "{\"Color\":\"c%ld\"}", i % 97)
                          : str_printf(
                                    arena, "{\"Color\":\"c%ld\",\"Customer\":\"u%ld\"}", i % 97, i),
    };
    row.view = view;
    return row;
}

static void fill(struct store *store)
{
    struct writer w = writer_open(store, 1);
    run_key base = key_of(w.claim.writer, 0);
    struct fill fill = { 0 };
    for (long at = 0; at < runs; at += BATCH) {
        fill_reset(&fill);
        for (long i = at; i < at + BATCH && i < runs; i++) {
            struct store_view *view = NEW(&fill.arena, struct store_view, 1);
            struct store_run_row row = row_of(&fill.arena, base + i, i, view);
            vec_push(&fill.arena, &fill.batch.run_inserts, row);
            fill.batch.last_run_key = row.key;
        }
        expect_ok(commit(&w, &fill));
        fill.batch.run_inserts.len = 0;
        for (long i = at; i < at + BATCH && i < runs; i++) {
            struct store_view *view = NEW(&fill.arena, struct store_view, 1);
            struct store_run_row row = row_of(&fill.arena, base + i, i, view);
            if (i % 10 == 3) {
                continue;
            }
            row.status = i % 50 == 7 ? WORKFLOW_FAILED : WORKFLOW_COMPLETED;
            row.wake_at = INSTANT_NEVER;
            row.close_time.ns = row.start_time.ns + (1 + i % 600) * second;
            view->history_length = 11;
            view->history_size = 2000;
            view->state_transitions = 7;
            vec_push(&fill.arena, &fill.batch.run_updates, row);
        }
        expect_ok(commit(&w, &fill));
        fill.batch.run_updates.len = 0;
    }
    fill_reset(&fill);
    close_lane(w.sl);
}

/* ---- asking ---- */

static bool find(const void *ctx, struct str name, enum search_attribute_type *ret)
{
    *ret = SEARCH_ATTRIBUTE_KEYWORD;
    return str_eq(name, STR("Color")) || str_eq(name, STR("Customer"));
}

static const struct {
    const char *what, *query; /* %ld: a number of a run; %lld: the time of its start */
    bool is_count;
} queries[] = {
    { "list: all", "", false },
    { "list: open", "ExecutionStatus = 'Running'", false },
    { "list: closed", "ExecutionStatus != 'Running'", false },
    { "list: one type", "WorkflowType = 'type-4'", false },
    { "list: one workflow id", "WorkflowId = 'order-%ld'", false },
    { "list: failed in an hour", "ExecutionStatus = 'Failed' AND StartTime BETWEEN %lld AND %lld",
            false },
    { "list: closed in an hour", "CloseTime BETWEEN %lld AND %lld", false },
    { "list: an attribute, one run", "Customer = 'u%ld'", false },
    { "list: an attribute, 1 % of runs", "Color = 'c5'", false },
    { "count: all", "", true },
    { "count: by status", "GROUP BY ExecutionStatus", true },
    { "count: running", "ExecutionStatus = 'Running'", true },
    { "count: an attribute, 1 % of runs", "Color = 'c5'", true },
    { "count: one type", "WorkflowType = 'type-4'", true },
    { "count: failed in an hour", "ExecutionStatus = 'Failed' AND StartTime BETWEEN %lld AND %lld",
            true },
};

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void ask(struct store_lane *sl, size_t which, struct rand *r)
{
    static double took[CALLS_MAX];
    static const struct filter_names names = { .find = find };
    size_t rows = 0;
    for (long i = 0; i < calls; i++) {
        struct arena arena = { 0 };
        struct filter_query q;
        struct fail f = { 0 };
        long run = (long)rand_below(r, (uint64_t)runs) / 100 * 100;
        int64_t from = first_start + run * second;
        const char *text = queries[which].query;
        struct str query = strstr(text, "%ld") ? str_printf(&arena, text, run)
                                               : str_printf(&arena, text, (long long)from,
                                                         (long long)(from + 3600 * second));
        expect(filter_parse(&arena, query, &names, true, &q, &f) == ERR_NONE);
        double begin = now_ms();
        if (queries[which].is_count) {
            struct store_count_runs c = { .namespace_id = ns, .filter = q.filter };
            expect_ok(run(sl, count_runs, &c));
            rows = 0;
            for (size_t s = 0; s < STORE_STATUS_MAX; s++) {
                rows += (size_t)c.counts[s];
            }
        } else {
            struct store_list_runs l = { .namespace_id = ns, .filter = q.filter, .limit = 100 };
            expect_ok(run(sl, list_runs, &l));
            rows = l.row_count;
        }
        took[i] = now_ms() - begin;
        arena_deinit(&arena);
    }
    qsort(took, (size_t)calls, sizeof(*took), order);
    printf("%-34s %8.2f %8.2f %9zu\n", queries[which].what, took[calls / 2], took[calls * 99 / 100],
            rows);
    fflush(stdout);
}

static void measure(void)
{
    struct store_pg_config config = { .conninfo = conninfo, .lane_count = 1 };
    struct store *store = store_pg_new(&config);
    struct fail f;
    struct rand r = { 1 };
    expect(store_migrate(store, &f) == ERR_NONE);
    PGconn *pg = PQconnectdb(conninfo);
    expect(PQstatus(pg) == CONNECTION_OK);
    if (number(pg, "SELECT count(*) FROM (SELECT 1 FROM runs LIMIT 1) x") == 0) {
        double begin = now_ms(), lsn = number(pg, "SELECT pg_current_wal_lsn() - '0/0'");
        fill(store);
        lsn = number(pg, "SELECT pg_current_wal_lsn() - '0/0'") - lsn;
        printf("filled in %.0f s, %.0f bytes of log a run\n", (now_ms() - begin) / 1e3,
                lsn / (double)runs);
        PQclear(PQexec(pg, "VACUUM ANALYZE runs"));
    }
    printf("runs %.0f bytes, their indexes %.0f bytes a run\n%-34s %8s %8s %9s\n",
            number(pg, "SELECT pg_table_size('runs')") / (double)runs,
            number(pg, "SELECT pg_indexes_size('runs')") / (double)runs, "", "p50 ms", "p99 ms",
            "runs");
    struct store_lane *sl = open_lane(store);
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        ask(sl, i, &r);
    }
    PQfinish(pg);
    close_lane(sl);
    store_free(store);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: store_measure_lists CONNINFO RUNS [CALLS]\n");
        return 2;
    }
    conninfo = argv[1];
    runs = atol(argv[2]);
    calls = argc > 3 ? atol(argv[3]) : calls;
    expect(runs > 0 && runs < 2097152 && calls > 0 && calls <= CALLS_MAX);
    harness_case(&(struct test_case){ "measure", measure });
    return 0;
}
