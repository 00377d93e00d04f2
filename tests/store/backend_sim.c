/* The simulated store, with a little delay on every operation. */
#include "tests/sim/sim_store.h"
#include "tests/store/harness.h"

static struct sim_db *db;

static struct sim_fault slow(void *arg, enum store_kind kind, const struct store_op *op)
{
    return (struct sim_fault){ .delay = { 20000 } };
}

static void cleanup(void)
{
    if (db) {
        sim_db_free(db);
        db = NULL;
    }
}

static struct store *fresh(void)
{
    cleanup();
    db = sim_db_new(1);
    sim_db_set_faults(db, slow, NULL);
    return sim_store_new(db);
}

static struct store *another(void)
{
    return sim_store_new(db);
}

/* ---- cases of its own: its faults are what the real databases' faults look like ---- */

static enum sim_outcome next_outcome;

static struct sim_fault once(void *arg, enum store_kind kind, const struct store_op *op)
{
    struct sim_fault f = { .outcome = next_outcome, .reconnect = DURATION_MS(5) };
    next_outcome = SIM_GOOD;
    return f;
}

static void lost_commits_are_stored_once(void)
{
    struct store *store = fresh();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(0, 1);
    struct fill fill = { 0 };
    sim_db_set_faults(db, once, NULL);
    next_outcome = SIM_LOST_BEFORE;
    fill_start(&fill, key, "order-1");
    expect_ok(commit(&w, &fill));
    fill_reset(&fill);
    next_outcome = SIM_LOST_AFTER;
    fill_log(&fill, key, 2, 3, 1);
    expect_ok(commit(&w, &fill));
    expect(sim_db_commits(db) == 2);
    struct store_load load = { .key = key };
    next_outcome = SIM_LOST_BEFORE;
    expect_err(run(w.sl, load, &load), ERR_UNAVAILABLE);
    expect_ok(run(w.sl, load, &load));
    expect(load.tail_count == 2);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

static void set_away(void *arg)
{
    sim_db_set_away(db, *(bool *)arg);
}

static void away_and_back(void)
{
    struct store *store = fresh();
    struct writer w = writer_open(store, 1);
    struct fill fill = { 0 };
    fill_start(&fill, key_of(0, 1), "order-1");
    on_lane(set_away, &(bool){ true });
    struct store_commit c = { .batch = &fill.batch };
    begin(w.sl, commit, &c);
    struct store_load load = { .key = key_of(0, 1) };
    expect_err(run(w.sl, load, &load), ERR_UNAVAILABLE);
    expect(!op_ended(&c.op) && instant_is_set(writer_stalled_since(w.sl)));
    on_lane(set_away, &(bool){ false });
    expect_ok(end_op(&c.op));
    expect(!instant_is_set(writer_stalled_since(w.sl)));
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

const struct test_case cases_sim[] = {
    { "lost_commits_are_stored_once", lost_commits_are_stored_once },
    { "away_and_back", away_and_back },
    { 0 },
};

const struct backend backend_sim = {
    .name = "sim", .fresh = fresh, .another = another, .cleanup = cleanup, .own_cases = cases_sim
};
