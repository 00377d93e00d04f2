/* The fold of what is stored equals what is in memory, for every loaded run of which nothing is under way. The only
 * check that looks into the production code: it compares it with itself. */
#include "history/history.h"
#include "tests/sim/check_run.h"
#include "tests/sim/checks.h"
#include "tests/sim/host.h"

static uint64_t compared;

uint64_t checks_compared(void)
{
    return compared;
}

static struct str encoded(struct arena *arena, const struct workflow *wf)
{
    struct buf b;
    buf_init_arena(&b, arena, (size_t)64 << 20);
    workflow_encode(wf, &b);
    return buf_str(&b);
}

static void compare(const struct host *h, const struct execution *ex)
{
    const struct store_run_row *row;
    const struct store_log_row *log;
    struct arena arena = { 0 };
    struct fail f = { 0 };
    size_t count;
    if (ex->is_doomed) {
        return; /* it is being removed */
    }
    if (!sim_db_run(world.db, ex->key, &row, &log, &count)) {
        struct map_node *n = map_get(&run_checks, str_of(&ex->key, sizeof(ex->key)));
        if (n && map_entry(n, struct run_check, node)->is_gone) {
            return; /* deleted by who has its shard now, and does not know it yet */
        }
        violation("h%u holds a run that is not stored", h->number);
    }
    if (ex->seq < log[count - 1].seq) {
        return; /* it has been succeeded and does not know it yet */
    }
    compared++;
    struct workflow *wf = workflow_new(&arena);
    for (size_t i = 0; i < count; i++) {
        if (workflow_fold(wf, log[i].first_event_id, log[i].events, log[i].records, &f)) {
            violation("row %d of a run cannot be folded: %s", log[i].seq, f.message);
        }
    }
    if (!str_eq(encoded(&arena, wf), encoded(&arena, ex->wf))) {
        diagnose_run(ex->key);
        violation("h%u: the fold of run %lld is not its live state", h->number, (long long)ex->key);
    }
    arena_deinit(&arena);
}

/* Counters of processes that have ended are lost: differences are added up. */
static void count_stats(const struct host *h, const struct history *history)
{
    static struct {
        const struct history *of;
        uint64_t stuck, reread;
    } known[256];
    static unsigned count;
    struct history_stats s = history_stats(history);
    unsigned i = 0;
    while (i < count && known[i].of != history) {
        i++;
    }
    if (i == ARRAY_LEN(known)) {
        return;
    }
    count += i == count;
    known[i].of = history;
    /* One that was fenced and does not know it yet reads what its successor has written. */
    if (s.stuck_runs > known[i].stuck && sim_db_may_write(world.db, h->member)) {
        diagnose_hosts();
        violation("the sweep has found a run that nothing would have woken");
    }
    tally[TALLY_lent_reread] += s.lent_reread - known[i].reread;
    known[i].stuck = s.stuck_runs;
    known[i].reread = s.lent_reread;
}

static void check_history(const struct host *h, const struct history *history)
{
    count_stats(h, history);
    map_each(&history->runs, n)
    {
        const struct execution *ex = map_entry(n, struct execution, by_key);
        bool is_settled = ex->dirty <= history->committer.durable && ex->seq > 0;
        if (history->state == HISTORY_SERVING && is_settled &&
                shard_serves(history, ex->chain->shard)) {
            compare(h, ex);
        }
    }
}

void checks_live(void)
{
    for (unsigned place = 0; place < host_places(); place++) {
        const struct host *h = host_at(place);
        for (unsigned i = 0; h && i < h->lane_count; i++) {
            if (h->lanes[i].history) {
                check_history(h, h->lanes[i].history);
            }
        }
    }
}
