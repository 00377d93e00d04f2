/* Cases: a batch is stored whole and once, bad rows cost only their own group, fenced writers write
 * nothing. */
#include "tests/store/contract.h"

static size_t tail_of(struct store_lane *sl, run_key key)
{
    struct store_load load = { .key = key };
    enum err err = run(sl, load, &load);
    expect(!err || err == ERR_NOT_FOUND);
    return err ? 0 : load.tail_count;
}

static void batches_of_one_and_of_a_thousand(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key base = key_of(w.claim.writer, 0);
    struct fill fill = { 0 };
    expect_ok(commit(&w, &fill)); /* and an empty one */
    for (int i = 0; i < 1000; i++) {
        char wid[32];
        snprintf(wid, sizeof(wid), "order-%d", i);
        fill_start(&fill, base + i, wid);
        struct store_snapshot_row s = { base + i, 1, STR("state"), (uint64_t)i };
        vec_push(&fill.arena, &fill.batch.snapshots, s);
    }
    expect_ok(commit(&w, &fill));
    struct fill more = { 0 };
    for (int i = 0; i < 1000; i++) {
        char wid[32];
        snprintf(wid, sizeof(wid), "order-%d", i);
        struct store_run_row row = run_of(base + i, wid);
        row.wake_at.ns = 5 + i;
        row.workflow_id = STR("");
        vec_push(&more.arena, &more.batch.run_updates, row);
        fill_log(&more, base + i, 2, 3, 1);
    }
    expect_ok(commit(&w, &more));
    for (int i = 0; i < 1000; i += 333) {
        struct store_load load = { .key = base + i };
        expect_ok(run(w.sl, load, &load));
        expect(load.tail_count == 1 && load.snapshot.seq == 1 && load.run.wake_at.ns == 5 + i &&
                load.is_current);
    }
    close_lane(w.sl);
    fill_reset(&fill);
    fill_reset(&more);
    store_free(store);
}

static void commit_without_a_writer_is_refused(void)
{
    struct store *store = backend->fresh();
    struct store_lane *sl = open_lane(store);
    struct fill fill = { 0 };
    struct store_commit c = { .batch = &fill.batch };
    expect_err(run(sl, commit, &c), ERR_FAILED_PRECONDITION);
    close_lane(sl);
    store_free(store);
}

/* A batch of many groups with the given culprit rows; everything else must be there afterwards. */
static void poison_costs_its_group(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key base = key_of(w.claim.writer, 0);
    struct fill fill = { 0 };
    fill_start(&fill, base + 500, "already there");
    expect_ok(commit(&w, &fill));
    fill_reset(&fill);

    static const char *const reasons[] = { "a NUL", "a taken key", "an update of nothing",
        "not UTF-8" };
    for (int i = 0; i < 40; i++) {
        char wid[32];
        snprintf(wid, sizeof(wid), "order-%d", i);
        fill_start(&fill, base + i, wid);
    }
    struct store_batch *b = &fill.batch;
    b->run_inserts.ptr[3].workflow_id = STR("nul\0inside");
    b->run_inserts.ptr[17].key = base + 500;
    struct store_run_row missing = run_of(base + 900, "missing");
    missing.group = b->run_inserts.ptr[31].group;
    vec_push(&fill.arena, &b->run_updates, missing);
    b->run_inserts.ptr[39].backlog_queue = STR("\xff\xfe");
    b->run_inserts.ptr[39].backlog_type = TASK_QUEUE_WORKFLOW;
    static const int culprits[] = { 3, 17, 31, 39 };
    struct store_commit c = { .batch = b };
    expect_ok(run(w.sl, commit, &c));
    expect(c.poisoned_count == ARRAY_LEN(culprits) && c.poison.message[0] != 0);
    for (size_t i = 0; i < ARRAY_LEN(culprits); i++) {
        bool named = false;
        for (size_t j = 0; j < c.poisoned_count; j++) {
            named |= c.poisoned[j] == b->log.ptr[culprits[i]].group;
        }
        if (!named) {
            fprintf(stderr, "%s was not refused\n", reasons[i]);
        }
        expect(named);
    }
    for (int i = 0; i < 40; i++) {
        bool bad = i == 3 || i == 17 || i == 31 || i == 39;
        expect(tail_of(w.sl, base + i) == (bad ? 0 : 1));
        struct store_find_current find = { .namespace_id = ns,
            .workflow_id = b->log.ptr[i].group ? b->currents.ptr[i].workflow_id : STR("") };
        expect_err(run(w.sl, find_current, &find), bad ? ERR_NOT_FOUND : ERR_NONE);
    }
    fill_reset(&fill); /* and the writer goes on */
    fill_log(&fill, base + 4, 2, 3, 1);
    expect_ok(commit(&w, &fill));
    expect(tail_of(w.sl, base + 4) == 2);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

static void only_poison(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct fill fill = { 0 };
    fill_start(&fill, key, "order-1");
    fill.batch.run_inserts.ptr[0].workflow_id = STR("\0");
    struct store_commit c = { .batch = &fill.batch };
    expect_ok(run(w.sl, commit, &c));
    expect(c.poisoned_count == 1 && c.poisoned[0] == fill.batch.log.ptr[0].group);
    expect(tail_of(w.sl, key) == 0);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

/* Two groups of one batch want the same key: one of them gets it. */
static void clash_inside_a_batch(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct fill fill = { 0 };
    fill_start(&fill, key, "order-1");
    fill_start(&fill, key, "order-2");
    fill_start(&fill, key + 1, "order-3");
    struct store_commit c = { .batch = &fill.batch };
    expect_ok(run(w.sl, commit, &c));
    expect(c.poisoned_count == 1 && c.poisoned[0] != fill.batch.log.ptr[2].group);
    expect(tail_of(w.sl, key) == 1 && tail_of(w.sl, key + 1) == 1);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

static void writers_are_reused_and_keys_go_on(void)
{
    struct store *store = backend->fresh();
    struct writer a = writer_open(store, 1);
    struct writer b = writer_open(store, 2);
    expect(a.claim.writer != b.claim.writer && a.claim.last_run_key == 0);
    run_key last = key_of(a.claim.writer, 77);
    struct fill fill = { .batch = { .last_run_key = last } };
    expect_ok(commit(&a, &fill));
    fill.batch.last_run_key = last - 5; /* never goes back */
    expect_ok(commit(&a, &fill));
    /* The same member and lane: the same row, and the earlier claim is over. */
    struct writer again = writer_open(store, 1);
    expect(again.claim.writer == a.claim.writer && again.claim.last_run_key == last);
    expect_err(commit(&a, &fill), ERR_FENCED);
    expect_ok(commit(&again, &fill));

    struct store_leave leave = { .member = id_of(1) };
    expect_ok(run(again.sl, leave, &leave));
    struct writer c = writer_open(store, 3);
    expect(c.claim.writer == a.claim.writer && c.claim.last_run_key == last);
    expect_ok(commit(&c, &fill));
    expect_err(commit(&again, &fill), ERR_FENCED);
    expect_ok(commit(&b, &fill));
    struct store_lane *lanes[] = { a.sl, b.sl, again.sl, c.sl };
    for (size_t i = 0; i < ARRAY_LEN(lanes); i++) {
        close_lane(lanes[i]);
    }
    store_free(store);
}

static void stale_writer_stores_nothing(void)
{
    struct store *store = backend->fresh();
    struct store *other = backend->another ? backend->another() : NULL;
    struct writer stale = writer_open(store, 1);
    struct store_lane *sl = open_lane(other ? other : store);
    run_key key = key_of(stale.claim.writer, 1);
    struct fill fill = { 0 };
    fill_start(&fill, key, "order-1");
    expect_ok(commit(&stale, &fill));
    struct store_fence_member fence = { .member = id_of(1) };
    expect_ok(run(sl, fence_member, &fence));
    expect(fence.fenced);
    fill_reset(&fill);
    fill_log(&fill, key, 2, 3, 1);
    fill_start(&fill, key + 1, "order-2");
    expect_err(commit(&stale, &fill), ERR_FENCED);
    expect_err(commit(&stale, &fill), ERR_FENCED);
    expect(tail_of(sl, key) == 1 && tail_of(sl, key + 1) == 0);
    expect_ok(run(sl, fence_member, &fence)); /* again: nothing to do */
    expect(fence.fenced);
    struct writer next = writer_open(store, 2); /* takes the row, and goes on with the run */
    expect(next.claim.writer == stale.claim.writer && next.claim.last_run_key == key);
    fill.batch.run_inserts.len = fill.batch.currents.len = 0;
    fill.batch.log.len = 1;
    expect_ok(commit(&next, &fill));
    expect_err(commit(&stale, &fill), ERR_FENCED);
    expect(tail_of(sl, key) == 2);
    close_lane(stale.sl);
    close_lane(next.sl);
    close_lane(sl);
    fill_reset(&fill);
    store_free(store);
    store_free(other);
}

static void many_commits_keep_their_order(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct fill fill = { 0 };
    fill_start(&fill, key, "order-1");
    expect_ok(commit(&w, &fill));
    for (int32_t seq = 2; seq <= 100; seq++) {
        fill_reset(&fill);
        fill_log(&fill, key, seq, seq + 1, 1);
        expect_ok(commit(&w, &fill));
    }
    expect(tail_of(w.sl, key) == 100);
    expect(!instant_is_set(writer_stalled_since(w.sl)));
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

/* Closing ends what runs: each operation answers exactly once, and the memory may go. */
static void close_ends_operations(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct fill fill = { 0 };
    fill_start(&fill, key, "order-1");
    struct store_commit c = { .batch = &fill.batch };
    struct store_load load = { .key = key };
    begin(w.sl, commit, &c);
    begin(w.sl, load, &load);
    close_lane(w.sl);
    enum err err = end_op(&c.op);
    expect(err == ERR_NONE || err == ERR_CANCELLED);
    err = end_op(&load.op);
    expect(err == ERR_NONE || err == ERR_NOT_FOUND || err == ERR_CANCELLED);
    fill_reset(&fill);
    store_free(store);
}

const struct test_case cases_commit[] = {
    { "batches_of_one_and_of_a_thousand", batches_of_one_and_of_a_thousand },
    { "commit_without_a_writer_is_refused", commit_without_a_writer_is_refused },
    { "poison_costs_its_group", poison_costs_its_group },
    { "only_poison", only_poison },
    { "clash_inside_a_batch", clash_inside_a_batch },
    { "writers_are_reused_and_keys_go_on", writers_are_reused_and_keys_go_on },
    { "stale_writer_stores_nothing", stale_writer_stores_nothing },
    { "many_commits_keep_their_order", many_commits_keep_their_order },
    { "close_ends_operations", close_ends_operations },
    { 0 },
};
