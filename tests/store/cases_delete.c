/* Cases: a doomed run is not found by anybody, and is removed part by part. */
#include "tests/store/contract.h"

enum { ROWS = 7 };

static void doom(struct fill *fill, run_key key, const char *workflow_id)
{
    struct store_run_row row = run_of(key, workflow_id);
    row.status = (enum workflow_status)RUN_DOOMED;
    row.wake_at = INSTANT_NEVER;
    vec_push(&fill->arena, &fill->batch.run_updates, row);
}

static void delete_through(struct fill *fill, run_key key, int32_t seq, bool whole)
{
    struct store_delete_row d = { key, seq, whole, 1 };
    vec_push(&fill->arena, &fill->batch.deletes, d);
}

static void set_current(struct fill *fill, const char *workflow_id, run_key key)
{
    struct store_run_row run = run_of(1, workflow_id);
    struct store_current_row row = { .shard = run.shard,
        .namespace_id = ns,
        .workflow_id = run.workflow_id,
        .key = key,
        .group = 1 };
    vec_push(&fill->arena, &fill->batch.currents, row);
}

static void fill_run(struct fill *fill, run_key key, const char *workflow_id)
{
    fill_start(fill, key, workflow_id);
    for (int32_t seq = 2; seq <= ROWS; seq++) {
        fill_log(fill, key, seq, seq + 1, 1);
    }
    struct store_snapshot_row s = { key, ROWS - 1, STR("state"), 1 };
    vec_push(&fill->arena, &fill->batch.snapshots, s);
}

static size_t doomed(struct store_lane *sl, run_key after, struct store_doomed_row *ret)
{
    uint32_t *shards = malloc(SHARD_COUNT * sizeof(*shards));
    expect(shards);
    for (uint32_t i = 0; i < SHARD_COUNT; i++) {
        shards[i] = i;
    }
    struct store_scan_doomed scan = {
        .shards = shards, .shard_count = SHARD_COUNT, .after_key = after, .limit = 2
    };
    expect_ok(run(sl, scan_doomed, &scan));
    if (scan.row_count) {
        *ret = scan.rows[0];
    }
    size_t count = scan.row_count;
    free(shards);
    return count;
}

static void expect_missing(struct store_lane *sl, run_key key, const char *workflow_id)
{
    struct store_run_row row = run_of(key, workflow_id);
    struct store_load by_key = { .key = key };
    struct store_load by_id = {
        .namespace_id = ns, .workflow_id = row.workflow_id, .run_id = row.run_id
    };
    struct store_load current = { .namespace_id = ns, .workflow_id = row.workflow_id };
    struct store_find_current find = { .namespace_id = ns, .workflow_id = row.workflow_id };
    expect_err(run(sl, load, &by_key), ERR_NOT_FOUND);
    expect_err(run(sl, load, &by_id), ERR_NOT_FOUND);
    expect_err(run(sl, load, &current), ERR_NOT_FOUND);
    expect_err(run(sl, find_current, &find), ERR_NOT_FOUND);
}

static void doomed_runs_are_found_by_nobody(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct store_doomed_row row;
    struct fill fill = { 0 };
    fill_run(&fill, key, "order-1");
    fill_run(&fill, key + 1, "order-2");
    expect_ok(commit(&w, &fill));
    expect(doomed(w.sl, 0, &row) == 0);
    fill_reset(&fill);
    doom(&fill, key, "order-1"); /* even while it is current */
    expect_ok(commit(&w, &fill));
    expect_missing(w.sl, key, "order-1");
    expect(doomed(w.sl, 0, &row) == 1 && row.key == key && row.last_seq == ROWS);
    expect(row.shard == run_of(key, "order-1").shard);
    expect(doomed(w.sl, key, &row) == 0);
    struct store_load other = { .key = key + 1 };
    expect_ok(run(w.sl, load, &other));
    expect(other.is_current);

    fill_reset(
            &fill); /* what was hidden may come to light: a run that was made in several commits */
    struct store_run_row born = run_of(key, "order-1");
    vec_push(&fill.arena, &fill.batch.run_updates, born);
    expect_ok(commit(&w, &fill));
    other = (struct store_load){ .key = key };
    expect_ok(run(w.sl, load, &other));
    expect(other.is_current && doomed(w.sl, 0, &row) == 0);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

static void doomed_runs_go_part_by_part(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct store_doomed_row row;
    struct fill fill = { 0 };
    fill_run(&fill, key, "order-1");
    fill_run(&fill, key + 1, "order-2");
    fill_run(&fill, key + 2, "order-3");
    expect_ok(commit(&w, &fill));
    fill_reset(&fill);
    doom(&fill, key, "order-1");
    doom(&fill, key + 2, "order-3");
    set_current(&fill, "order-1", 0);
    set_current(&fill, "order-3", 0);
    delete_through(&fill, key, 3, false);       /* in the same commit */
    delete_through(&fill, key + 1, ROWS, true); /* not doomed: nothing happens to it */
    expect_ok(commit(&w, &fill));
    expect(doomed(w.sl, 0, &row) == 2 && row.key == key && row.last_seq == ROWS);
    fill_reset(&fill);
    delete_through(&fill, key, ROWS, false);
    delete_through(&fill, key + 2, ROWS, true);
    expect_ok(commit(&w, &fill));
    expect(doomed(w.sl, 0, &row) == 1 && row.key == key && row.last_seq == 0);
    fill_reset(&fill);
    delete_through(&fill, key, 0, true);
    expect_ok(commit(&w, &fill));
    expect(doomed(w.sl, 0, &row) == 0);

    struct store_load load = { .key = key + 1, .want_events = true };
    expect_ok(run(w.sl, load, &load));
    expect(load.tail_count == 1 && load.snapshot.seq == ROWS - 1 && load.is_current);
    struct store_read_history history = {
        .key = key + 1, .from_event_id = 1, .max_bytes = 1 << 20
    };
    expect_ok(run(w.sl, read_history, &history));
    expect(history.row_count == ROWS);
    history.key = key;
    expect_ok(run(w.sl, read_history, &history));
    expect(history.row_count == 0);
    fill_reset(&fill); /* nothing is left that could be in the way */
    fill_run(&fill, key, "order-1");
    expect_ok(commit(&w, &fill));
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

static void current_rows_go_and_come(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct fill fill = { 0 };
    fill_start(&fill, key, "a");
    fill_start(&fill, key + 1, "b");
    fill_start(&fill, key + 2, "c");
    set_current(&fill, "a", 0);
    expect_ok(commit(&w, &fill));
    static const struct {
        const char *id;
        run_key key;
    } want[] = { { "a", 0 }, { "b", 1 }, { "c", 2 } };
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct store_find_current find = { .namespace_id = ns,
            .workflow_id = str_from_cstr(want[i].id) };
        enum err err = run(w.sl, find_current, &find);
        expect(want[i].key ? !err && find.run.key == key + want[i].key : err == ERR_NOT_FOUND);
    }
    fill_reset(&fill);
    set_current(&fill, "b", 0);
    set_current(&fill, "c", 0);
    set_current(&fill, "b", key); /* the last one for an id counts */
    set_current(&fill, "a", 0);   /* there is none */
    expect_ok(commit(&w, &fill));
    struct store_find_current find = { .namespace_id = ns, .workflow_id = STR("b") };
    expect_ok(run(w.sl, find_current, &find));
    expect(find.run.key == key);
    find.workflow_id = STR("c");
    expect_err(run(w.sl, find_current, &find), ERR_NOT_FOUND);
    for (int i = 0; i < 2; i++) { /* only if it still names that run */
        fill_reset(&fill);
        set_current(&fill, "b", 0);
        fill.batch.currents.ptr[0].was = i ? key : key + 1;
        expect_ok(commit(&w, &fill));
        find.workflow_id = STR("b");
        expect_err(run(w.sl, find_current, &find), i ? ERR_NOT_FOUND : ERR_NONE);
    }
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

static void close_run(struct fill *fill, run_key key, const char *workflow_id, int64_t at)
{
    struct store_run_row row = run_of(key, workflow_id);
    row.status = WORKFLOW_COMPLETED;
    row.wake_at = INSTANT_NEVER;
    row.close_time.ns = at;
    vec_push(&fill->arena, &fill->batch.run_updates, row);
}

static void closed_runs_in_the_order_of_their_ends(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct fill fill = { 0 };
    char id[5][16];
    for (int i = 0; i < 5; i++) {
        snprintf(id[i], sizeof(id[i]), "order-%d", i);
        fill_start(&fill, key + i, id[i]);
    }
    close_run(&fill, key, id[0], 30);
    close_run(&fill, key + 1, id[1], 10);
    close_run(&fill, key + 2, id[2], 20);
    close_run(&fill, key + 3, id[3], 20); /* the fifth stays open */
    expect_ok(commit(&w, &fill));
    uint32_t shards[5];
    for (int i = 0; i < 5; i++) {
        shards[i] = run_of(key + i, id[i]).shard;
    }
    struct store_scan_closed scan = {
        .namespace_id = ns, .shards = shards, .shard_count = 5, .until = { 20 }, .limit = 2
    };
    expect_ok(run(w.sl, scan_closed, &scan));
    expect(scan.row_count == 2 && scan.rows[0].run.key == key + 1 &&
            scan.rows[1].run.key == key + 2);
    expect(scan.rows[1].run.close_time.ns == 20 &&
            str_eq(scan.rows[1].run.workflow_id, STR("order-2")));
    expect(scan.rows[0].last_seq == 1);
    scan.after_key = key + 2;
    scan.after_close.ns = 20;
    scan.after_start = run_of(key + 2, id[2]).start_time;
    expect_ok(run(w.sl, scan_closed, &scan));
    expect(scan.row_count == 1 && scan.rows[0].run.key == key + 3);
    fill_reset(&fill);
    doom(&fill, key + 1, id[1]);
    expect_ok(commit(&w, &fill));
    scan = (struct store_scan_closed){
        .namespace_id = ns, .shards = shards, .shard_count = 5, .until = { 100 }, .limit = 9
    };
    expect_ok(run(w.sl, scan_closed, &scan));
    expect(scan.row_count == 3 && scan.rows[2].run.key == key);
    scan.namespace_id = id_of(77);
    expect_ok(run(w.sl, scan_closed, &scan));
    expect(scan.row_count == 0);
    scan.namespace_id = ns;
    scan.shards = &shards[2];
    scan.shard_count = 1;
    expect_ok(run(w.sl, scan_closed, &scan));
    expect(scan.row_count >= 1 && scan.row_count < 3); /* ids may share a shard */
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

const struct test_case cases_delete[] = {
    { "doomed_runs_are_found_by_nobody", doomed_runs_are_found_by_nobody },
    { "doomed_runs_go_part_by_part", doomed_runs_go_part_by_part },
    { "current_rows_go_and_come", current_rows_go_and_come },
    { "closed_runs_in_the_order_of_their_ends", closed_runs_in_the_order_of_their_ends },
    { 0 },
};
