/* Lists and counts of the simulated store: every run, the plain evaluator, a sort. */
#include <stdlib.h>

#include "tests/sim/sim_tables.h"
#include "tests/support/filter_eval.h"

/* Closed at the moment of the first page: only then its place is among the closed ones. */
static bool closed_then(const struct sim_run *r, const struct store_place *after)
{
    uint64_t moment = UINT64_MAX;
    if (after->key && !str_to_u64(after->moment, &moment)) {
        moment = 0;
    }
    return r->row.status != WORKFLOW_RUNNING && r->close_mark <= moment;
}

static int order(const void *a, const void *b)
{
    const struct store_listed *x = a, *y = b;
    if (x->in_closed != y->in_closed) {
        return x->in_closed ? 1 : -1;
    }
    if (x->in_closed && x->run.close_time.ns != y->run.close_time.ns) {
        return x->run.close_time.ns < y->run.close_time.ns ? 1 : -1;
    }
    if (x->run.start_time.ns != y->run.start_time.ns) {
        return x->run.start_time.ns < y->run.start_time.ns ? 1 : -1;
    }
    return (x->run.key < y->run.key) - (x->run.key > y->run.key);
}

static bool is_behind(const struct store_listed *row, const struct store_place *after)
{
    struct store_listed place = { .in_closed = after->in_closed,
        .run = { .key = after->key,
                .start_time = after->start_time,
                .close_time = after->close_time } };
    return after->key == 0 || order(row, &place) > 0;
}

enum err sim_list(struct sim_db *db, struct store_list_runs *l, struct instant now,
        struct arena *arena, struct fail *f)
{
    VEC(struct store_listed) rows = { 0 };
    uint64_t moment;
    if (l->after.key && !str_to_u64(l->after.moment, &moment)) {
        return fail(f, ERR_INVALID_ARGUMENT, "invalid place in a list");
    }
    map_each(&db->runs, n)
    {
        const struct sim_run *r = map_entry(n, struct sim_run, node);
        struct store_listed row = { r->row, r->view, closed_then(r, &l->after) };
        if ((int)r->row.status != RUN_DOOMED && uuid_eq(r->row.namespace_id, l->namespace_id) &&
                is_behind(&row, &l->after) && filter_eval(l->filter, &row, arena)) {
            vec_push(arena, &rows, row);
        }
    }
    if (rows.len) {
        qsort(rows.ptr, rows.len, sizeof(*rows.ptr), order);
    }
    l->rows = rows.ptr;
    l->row_count = rows.len < l->limit ? rows.len : l->limit;
    l->more = rows.len >= l->limit;
    l->began = l->after.key ? l->after.began : now;
    l->moment = l->after.key ? l->after.moment
                             : str_printf(arena, "%llu", (unsigned long long)db->commits);
    return ERR_NONE;
}

void sim_counted(struct sim_db *db, const struct sim_run *run, int by)
{
    struct str key = str_of(run->row.namespace_id.b, sizeof(run->row.namespace_id.b));
    static const char division[] = "\"TemporalNamespaceDivision\":";
    struct str search = run->view.search;
    if ((int)run->row.status == RUN_DOOMED ||
            (search.len && memmem(search.ptr, search.len, division, strlen(division)))) {
        return;
    }
    struct map_node *n = map_get(&db->counts, key);
    if (!n) {
        n = &NEW(&db->arena, struct sim_counts, 1)->node;
        map_put(&db->counts, n, str_dup(&db->arena, key));
    }
    map_entry(n, struct sim_counts, node)->counts[run->row.status] += by;
}

/* From the counters if they can tell; they must then say what the runs say. */
static void check_counters(const struct sim_db *db, const struct store_count_runs *c)
{
    bool wanted[STORE_STATUS_MAX];
    if (!filter_statuses(c->filter, wanted, STORE_STATUS_MAX)) {
        return;
    }
    struct map_node *n = map_get(&db->counts, str_of(c->namespace_id.b, sizeof(c->namespace_id.b)));
    for (size_t i = 0; i < STORE_STATUS_MAX; i++) {
        int64_t kept = n && wanted[i] ? map_entry(n, struct sim_counts, node)->counts[i] : 0;
        check(kept == c->counts[i]);
    }
}

void sim_count(struct sim_db *db, struct store_count_runs *c, struct arena *arena)
{
    memset(c->counts, 0, sizeof(c->counts));
    map_each(&db->runs, n)
    {
        const struct sim_run *r = map_entry(n, struct sim_run, node);
        struct store_listed row = { r->row, r->view, false };
        if ((int)r->row.status != RUN_DOOMED && uuid_eq(r->row.namespace_id, c->namespace_id) &&
                filter_eval(c->filter, &row, arena)) {
            c->counts[r->row.status]++;
        }
    }
    check_counters(db, c);
}
