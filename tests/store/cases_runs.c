/* Cases: what was committed is what is read. */
#include "tests/store/contract.h"

static bool same_run(const struct store_run_row *a, const struct store_run_row *b)
{
    return a->key == b->key && a->shard == b->shard && uuid_eq(a->namespace_id, b->namespace_id) &&
           uuid_eq(a->run_id, b->run_id) && str_eq(a->workflow_id, b->workflow_id) &&
           a->status == b->status && a->wake_at.ns == b->wake_at.ns &&
           a->start_time.ns == b->start_time.ns && a->close_time.ns == b->close_time.ns &&
           str_eq(a->backlog_queue, b->backlog_queue) && a->backlog_type == b->backlog_type;
}

static void append_and_load(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct fill fill = { 0 };
    fill_start(&fill, key, "order-1");
    expect_ok(commit(&w, &fill));
    fill_reset(&fill);
    fill_log(&fill, key, 2, 3, 1);
    fill_log(&fill, key, 3, 0, 0);
    expect_ok(commit(&w, &fill));

    struct store_load load = { .key = key, .want_events = true };
    expect_ok(run(w.sl, load, &load));
    struct store_run_row want = run_of(key, "order-1");
    expect(same_run(&load.run, &want));
    expect(load.is_current && load.snapshot.seq == 0 && load.tail_count == 3);
    for (int i = 0; i < 3; i++) {
        expect(load.tail[i].seq == i + 1 && load.tail[i].key == key);
        expect(str_eq(load.tail[i].records, STR("records")));
    }
    expect(load.tail[1].first_event_id == 3 && load.tail[1].event_count == 1);
    expect(str_eq(load.tail[0].events, STR("events 1-2")));
    load = (struct store_load){ .key = key };
    expect_ok(run(w.sl, load, &load));
    expect(load.tail_count == 3 && str_empty(load.tail[0].events) && load.tail[0].event_count == 2);

    load = (struct store_load){ .key = key + 1 };
    expect_err(run(w.sl, load, &load), ERR_NOT_FOUND);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

static void snapshot_and_tail(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct fill fill = { 0 };
    fill_start(&fill, key, "order-1");
    for (int32_t seq = 2; seq <= 5; seq++) {
        fill_log(&fill, key, seq, seq + 1, 1);
    }
    struct store_snapshot_row s = { key, 2, STR("old"), 1 }, t = { key, 4, STR("new\0er"), 1 };
    vec_push(&fill.arena, &fill.batch.snapshots, s);
    vec_push(&fill.arena, &fill.batch.snapshots, t); /* the last row for a key wins */
    expect_ok(commit(&w, &fill));
    struct store_load load = { .key = key };
    expect_ok(run(w.sl, load, &load));
    expect(load.snapshot.seq == 4 && str_eq(load.snapshot.data, STR("new\0er")));
    expect(load.tail_count == 1 && load.tail[0].seq == 5);

    fill_reset(&fill);
    struct store_snapshot_row u = { key, 5, STR("newest"), 1 };
    vec_push(&fill.arena, &fill.batch.snapshots, u);
    expect_ok(commit(&w, &fill));
    load = (struct store_load){ .key = key };
    expect_ok(run(w.sl, load, &load));
    expect(load.snapshot.seq == 5 && load.tail_count == 0);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

static void gap_in_the_log_is_corrupt(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct fill fill = { 0 };
    fill_start(&fill, key, "order-1");
    fill_log(&fill, key, 3, 3, 1);
    expect_ok(commit(&w, &fill));
    struct store_load load = { .key = key };
    expect_err(run(w.sl, load, &load), ERR_CORRUPT);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

static void current_is_replaced_and_runs_are_found_by_id(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key first = key_of(w.claim.writer, 1), second = first + 1;
    struct fill fill = { 0 };
    fill_start(&fill, first, "order-1");
    expect_ok(commit(&w, &fill));
    fill_reset(&fill);
    fill_start(&fill, second, "order-1");
    struct store_current_row stale = fill.batch.currents.ptr[0];
    stale.key = first;
    fill.batch.currents.len = 0;
    struct store_current_row fresh = stale;
    fresh.key = second;
    vec_push(&fill.arena, &fill.batch.currents, stale);
    vec_push(&fill.arena, &fill.batch.currents, fresh); /* the last row for an id wins */
    expect_ok(commit(&w, &fill));

    struct store_load load = { .namespace_id = ns, .workflow_id = STR("order-1") };
    expect_ok(run(w.sl, load, &load));
    expect(load.run.key == second && load.is_current && load.tail_count == 1);
    load = (struct store_load){
        .namespace_id = ns, .workflow_id = STR("order-1"), .run_id = id_of((uint64_t)first)
    };
    expect_ok(run(w.sl, load, &load));
    expect(load.run.key == first && !load.is_current);
    load.key = 0;
    load.run_id = id_of(99);
    expect_err(run(w.sl, load, &load), ERR_NOT_FOUND);
    load.workflow_id = STR("order-2");
    expect_err(run(w.sl, load, &load), ERR_NOT_FOUND);

    struct store_find_current find = { .namespace_id = ns, .workflow_id = STR("order-1") };
    expect_ok(run(w.sl, find_current, &find));
    struct store_run_row want = run_of(second, "order-1");
    expect(same_run(&find.run, &want));
    find.workflow_id = STR("order-2");
    expect_err(run(w.sl, find_current, &find), ERR_NOT_FOUND);
    find.workflow_id = STR("order-1");
    find.namespace_id = id_of(3);
    expect_err(run(w.sl, find_current, &find), ERR_NOT_FOUND);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

/* Events 1-2 in row 1, then 3-5, 6-8 ... with a row without events after each. */
/* Many ask at once, some for the same id: each gets its own answer. */
static void current_runs_of_many_ids_at_once(void)
{
    enum { RUNS = 16, ASKED = 48 };
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    struct fill fill = { 0 };
    char names[ASKED][16];
    for (int i = 0; i < ASKED; i++) {
        snprintf(names[i], sizeof(names[i]), "order-%d", i);
    }
    for (int i = 0; i < RUNS; i++) {
        fill_start(&fill, key_of(w.claim.writer, i + 1), names[3 * i]);
    }
    expect_ok(commit(&w, &fill));
    struct store_load loads[ASKED + 2];
    for (int i = 0; i < ASKED + 2; i++) {
        int name = i < ASKED ? i : 3 * (i - ASKED);
        loads[i] = (struct store_load){ .namespace_id = ns,
            .workflow_id = str_from_cstr(names[name]) };
        begin(w.sl, load, &loads[i]);
    }
    for (int i = 0; i < ASKED + 2; i++) {
        int name = i < ASKED ? i : 3 * (i - ASKED);
        if (name % 3) {
            expect_err(end_op(&loads[i].op), ERR_NOT_FOUND);
            continue;
        }
        expect_ok(end_op(&loads[i].op));
        expect(loads[i].run.key == key_of(w.claim.writer, name / 3 + 1) && loads[i].is_current);
        expect(loads[i].tail_count == 1);
    }
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

static void history_pages(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct fill fill = { 0 };
    fill_start(&fill, key, "order-1");
    for (int32_t i = 0; i < 20; i++) {
        fill_log(&fill, key, 2 + 2 * i, 0, 0);
        fill_log(&fill, key, 3 + 2 * i, 3 + 3 * i, 3);
    }
    expect_ok(commit(&w, &fill));
    struct store_read_history page = { .key = key, .from_event_id = 1, .max_bytes = 30 };
    int64_t next = 1;
    int pages = 0;
    for (;; pages++) {
        page.from_event_id = next;
        expect_ok(run(w.sl, read_history, &page));
        if (page.row_count == 0) {
            break;
        }
        expect(page.row_count >= 1 && page.row_count <= 4);
        for (size_t i = 0; i < page.row_count; i++) {
            expect(page.rows[i].first_event_id == next && str_empty(page.rows[i].records));
            next += page.rows[i].event_count;
        }
    }
    expect(next == 63 && pages >= 6);

    page = (struct store_read_history){ .key = key, .from_event_id = 4, .max_bytes = 1 };
    expect_ok(run(w.sl, read_history, &page));
    expect(page.row_count == 1 && page.rows[0].first_event_id == 3); /* the row that contains 4 */
    page = (struct store_read_history){ .key = key, .from_event_id = 1, .max_bytes = 1 << 20 };
    expect_ok(run(w.sl, read_history, &page));
    expect(page.row_count == 21);

    page = (struct store_read_history){
        .key = key, .from_event_id = 62, .backwards = true, .max_bytes = 30
    };
    int64_t last = 62;
    while (last > 0) {
        page.from_event_id = last;
        expect_ok(run(w.sl, read_history, &page));
        expect(page.row_count >= 1);
        for (size_t i = 0; i < page.row_count; i++) {
            expect(page.rows[i].first_event_id + page.rows[i].event_count - 1 == last);
            last -= page.rows[i].event_count;
        }
    }
    page.from_event_id = 0;
    expect_ok(run(w.sl, read_history, &page));
    expect(page.row_count == 0);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

/* The whole log, whatever snapshot there is; and the runs in the order of their keys. */
static void logs_and_runs_for_an_audit(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct fill fill = { 0 };
    fill_start(&fill, key, "order-1");
    fill_start(&fill, key + 1, "order-2");
    fill_start(&fill, key + 2, "order-3");
    for (int32_t seq = 2; seq <= 20; seq++) {
        fill_log(&fill, key, seq, seq % 2 ? 0 : seq + 1, seq % 2 ? 0 : 1);
    }
    struct store_snapshot_row snapshot = { key, 10, STR("state"), 1 };
    vec_push(&fill.arena, &fill.batch.snapshots, snapshot);
    fill.batch.run_inserts.ptr[1].status = (enum workflow_status)RUN_DOOMED;
    expect_ok(commit(&w, &fill));
    struct store_read_log page = { .key = key, .max_bytes = 100 };
    int pages = 0;
    for (;; pages++) {
        expect_ok(run(w.sl, read_log, &page));
        if (!page.row_count) {
            break;
        }
        for (size_t i = 0; i < page.row_count; i++) {
            const struct store_log_row *row = &page.rows[i];
            expect(row->seq == page.after_seq + 1 && !str_empty(row->records));
            expect(!str_empty(row->events));
            page.after_seq = row->seq;
        }
    }
    expect(page.after_seq == 20 && pages > 1);
    uint32_t shards[] = { fill.batch.run_inserts.ptr[0].shard,
        fill.batch.run_inserts.ptr[2].shard };
    struct store_scan_runs scan = { .shards = shards, .shard_count = 2, .limit = 10 };
    expect_ok(run(w.sl, scan_runs, &scan));
    expect(scan.row_count == 2 && scan.rows[0].key == key && scan.rows[1].key == key + 2);
    expect(str_eq(scan.rows[1].workflow_id, STR("order-3")));
    scan.after_key = key;
    scan.limit = 1;
    expect_ok(run(w.sl, scan_runs, &scan));
    expect(scan.row_count == 1 && scan.rows[0].key == key + 2);
    shards[0] = shards[1] = SHARD_COUNT - 1;
    scan.after_key = 0;
    expect_ok(run(w.sl, scan_runs, &scan));
    expect(scan.row_count == 0);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

static void push_run(struct fill *fill, struct store_run_row row)
{
    vec_push(&fill->arena, &fill->batch.run_inserts, row);
}

static void wakes_are_paged_in_order(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    struct fill fill = { 0 };
    run_key base = key_of(w.claim.writer, 0);
    for (int i = 0; i < 100; i++) {
        struct store_run_row row = run_of(base + i, "w");
        row.shard = (uint32_t)i % 4;
        row.wake_at.ns = 1000 + (i * 37) % 50; /* two runs for each time */
        if (i == 7) {
            row.wake_at = INSTANT_NEVER;
        } else if (i == 8) {
            row.status = WORKFLOW_COMPLETED;
        }
        push_run(&fill, row);
    }
    expect_ok(commit(&w, &fill));
    static const uint32_t shards[] = { 0, 1, 3 };
    struct store_scan_wakes scan = {
        .shards = shards, .shard_count = 3, .until = { 1039 }, .limit = 7
    };
    int seen = 0;
    for (;;) {
        expect_ok(run(w.sl, scan_wakes, &scan));
        expect(scan.row_count <= 7);
        for (size_t i = 0; i < scan.row_count; i++) {
            const struct store_run_row *r = &scan.rows[i];
            expect(r->wake_at.ns <= 1039 && r->shard != 2 && r->status == WORKFLOW_RUNNING);
            expect(r->wake_at.ns > scan.after_wake.ns ||
                    (r->wake_at.ns == scan.after_wake.ns && r->key > scan.after_key));
            scan.after_wake = r->wake_at;
            scan.after_key = r->key;
            seen++;
        }
        if (scan.row_count < 7) {
            break;
        }
    }
    int want = 0;
    for (int i = 0; i < 100; i++) {
        want += i % 4 != 2 && i != 7 && i != 8 && (i * 37) % 50 <= 39;
    }
    expect(seen == want);
    scan = (struct store_scan_wakes){ .shards = shards, .until = { 1039 }, .limit = 7 };
    expect_ok(run(w.sl, scan_wakes, &scan));
    expect(scan.row_count == 0);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

static void wake_and_status_are_updated(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct fill fill = { 0 };
    fill_start(&fill, key, "order-1");
    expect_ok(commit(&w, &fill));
    fill_reset(&fill);
    struct store_run_row row = run_of(key, "order-1"), stale = row;
    stale.wake_at.ns = 11;
    row.wake_at.ns = 22;
    vec_push(&fill.arena, &fill.batch.run_updates, stale);
    vec_push(&fill.arena, &fill.batch.run_updates, row); /* the last row for a key wins */
    expect_ok(commit(&w, &fill));
    struct store_load load = { .key = key };
    expect_ok(run(w.sl, load, &load));
    expect(load.run.wake_at.ns == 22);

    fill_reset(&fill);
    row.status = WORKFLOW_COMPLETED;
    row.wake_at = INSTANT_NEVER;
    row.close_time.ns = 1800000000000000001;
    vec_push(&fill.arena, &fill.batch.run_updates, row);
    fill_log(&fill, key, 2, 3, 1);
    expect_ok(commit(&w, &fill));
    load = (struct store_load){ .key = key };
    expect_ok(run(w.sl, load, &load));
    expect(same_run(&load.run, &row));
    uint32_t shard = row.shard;
    struct store_scan_wakes scan = {
        .shards = &shard, .shard_count = 1, .until = INSTANT_NEVER, .limit = 7
    };
    expect_ok(run(w.sl, scan_wakes, &scan));
    expect(scan.row_count == 0);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

static void backlog_by_queue_and_by_shard(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    struct fill fill = { 0 };
    run_key base = key_of(w.claim.writer, 0);
    for (int i = 0; i < 60; i++) {
        struct store_run_row row = run_of(base + i, "w");
        row.shard = (uint32_t)i % 3;
        row.backlog_queue = i % 2 ? STR("mail") : i % 4 ? STR("print") : STR("");
        row.backlog_type = str_empty(row.backlog_queue) ? 0 : TASK_QUEUE_WORKFLOW;
        row.backlog_level = i == 7 ? 1 : i == 9 ? 3 : 0;
        push_run(&fill, row);
    }
    expect_ok(commit(&w, &fill));
    static const uint32_t shards[] = { 0, 1, 2 };
    struct store_scan_backlog scan = { .shards = shards,
        .shard_count = 2,
        .namespace_id = ns,
        .queue = STR("mail"),
        .type = TASK_QUEUE_WORKFLOW,
        .limit = 6 };
    int seen = 0;
    do {
        expect_ok(run(w.sl, scan_backlog, &scan));
        for (size_t i = 0; i < scan.row_count; i++, seen++) {
            expect(scan.rows[i].key > scan.after_key && scan.rows[i].shard < 2);
            expect(str_eq(scan.rows[i].backlog_queue, STR("mail")));
            scan.after_key = scan.rows[i].key;
        }
    } while (scan.row_count == 6);
    expect(seen == 19);
    scan.after_key = 0;
    scan.level = 1; /* of that urgency there is one */
    expect_ok(run(w.sl, scan_backlog, &scan));
    expect(scan.row_count == 1 && scan.rows[0].backlog_level == 1);
    expect(scan.rows[0].backlog_type == TASK_QUEUE_WORKFLOW);
    scan.level = 0;
    scan.type = TASK_QUEUE_ACTIVITY;
    scan.after_key = 0;
    expect_ok(run(w.sl, scan_backlog, &scan));
    expect(scan.row_count == 0);

    scan = (struct store_scan_backlog){ .shards = shards, .shard_count = 3, .limit = 100 };
    expect_ok(run(w.sl, scan_backlog, &scan));
    expect(scan.row_count == 45);
    run_key key = scan.rows[0].key;

    struct store_run_row row = run_of(key, "w"); /* delivered: no longer in the backlog */
    fill_reset(&fill);
    vec_push(&fill.arena, &fill.batch.run_updates, row);
    expect_ok(commit(&w, &fill));
    expect_ok(run(w.sl, scan_backlog, &scan));
    expect(scan.row_count == 44);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

static void large_rows(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct fill fill = { 0 };
    fill_start(&fill, key, "order-1");
    struct str noise = bytes_of(&fill.arena, 3 << 20, 1), more = bytes_of(&fill.arena, 3 << 20, 2);
    struct store_log_row row = log_of(key, 2, 3, 1, noise);
    row.records = more;
    vec_push(&fill.arena, &fill.batch.log, row);
    struct store_snapshot_row snapshot = { key, 1, noise, 1 };
    vec_push(&fill.arena, &fill.batch.snapshots, snapshot);
    expect_ok(commit(&w, &fill));
    struct store_load load = { .key = key, .want_events = true };
    expect_ok(run(w.sl, load, &load));
    expect(str_eq(load.snapshot.data, noise) && load.tail_count == 1);
    expect(str_eq(load.tail[0].events, noise) && str_eq(load.tail[0].records, more));
    struct store_read_history page = { .key = key, .from_event_id = 3, .max_bytes = 1000 };
    expect_ok(run(w.sl, read_history, &page));
    expect(page.row_count == 1 && str_eq(page.rows[0].events, noise));
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

const struct test_case cases_runs[] = {
    { "append_and_load", append_and_load },
    { "snapshot_and_tail", snapshot_and_tail },
    { "gap_in_the_log_is_corrupt", gap_in_the_log_is_corrupt },
    { "current_is_replaced_and_runs_are_found_by_id",
            current_is_replaced_and_runs_are_found_by_id },
    { "current_runs_of_many_ids_at_once", current_runs_of_many_ids_at_once },
    { "history_pages", history_pages },
    { "logs_and_runs_for_an_audit", logs_and_runs_for_an_audit },
    { "wakes_are_paged_in_order", wakes_are_paged_in_order },
    { "wake_and_status_are_updated", wake_and_status_are_updated },
    { "backlog_by_queue_and_by_shard", backlog_by_queue_and_by_shard },
    { "large_rows", large_rows },
    { 0 },
};
