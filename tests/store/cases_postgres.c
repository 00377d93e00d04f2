/* Cases that only a server can be put through: backends killed, connections cut at any byte,
 * outages, restored backups, take-overs in the middle of a transaction, many migrations at once. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/store/contract.h"
#include "tests/store/proxy.h"

static size_t tail_of(struct store_lane *sl, run_key key)
{
    struct store_load load = { .key = key };
    enum err err = run(sl, load, &load);
    expect(!err || err == ERR_NOT_FOUND);
    return err ? 0 : load.tail_count;
}

#define OTHERS "pg_stat_activity WHERE application_name = 'perdure' AND pid <> pg_backend_pid()"

/* ---- schema ---- */

static atomic_int migrated;

static void *migrate_thread(void *arg)
{
    struct store *store = pg_store_at(pg_conninfo());
    struct fail f = { 0 };
    if (store_migrate(store, &f) == ERR_NONE) {
        migrated++;
    } else {
        fprintf(stderr, "%s\n", f.message);
    }
    store_free(store);
    return NULL;
}

static void migrations_at_once(void)
{
    struct store *store = backend->fresh();
    pg_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    pthread_t threads[6];
    migrated = 0;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        expect(pthread_create(&threads[i], NULL, migrate_thread, NULL) == 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    expect(migrated == (int)ARRAY_LEN(threads));
    expect(pg_number("SELECT (count(*) = max(version))::int FROM schema_version") == 1);
    expect(pg_number("SELECT count(*) FROM cluster") == 1);
    store_free(store);
}

static void newer_schema_is_refused(void)
{
    struct store *store = backend->fresh();
    pg_sql("INSERT INTO schema_version (version, name) VALUES (999, 'of the future')");
    struct fail f = { 0 };
    int found = 0, ours = 0;
    expect(store_migrate(store, &f) == ERR_FAILED_PRECONDITION);
    expect(store_schema_version(store, &found, &ours, &f) == ERR_NONE && found == 999 &&
            ours < 999);
    store_free(store);
    store = pg_store_at("host=127.0.0.1 port=1 user=perdure");
    expect(store_migrate(store, &f) == ERR_UNAVAILABLE);
    store_free(store);
}

static void log_is_partitioned_by_week(void)
{
    struct store *store = backend->fresh();
    expect(pg_number(
                   "SELECT count(*) FROM pg_inherits WHERE inhparent = 'history_log'::regclass") ==
            6);
    struct writer w = writer_open(store, 1);
    struct fill fill = { 0 };
    run_key key = key_of(0, 1), next_week = key + ((run_key)604800 << 31);
    fill_start(&fill, key, "order-1");
    fill_start(&fill, next_week, "order-2");
    fill_start(&fill, 5, "from long ago");
    expect_ok(commit(&w, &fill));
    expect(pg_number("SELECT count(*) FROM history_log_default") == 1);
    expect(pg_number("SELECT count(DISTINCT tableoid) FROM history_log") == 3);
    expect(tail_of(w.sl, key) == 1 && tail_of(w.sl, next_week) == 1 && tail_of(w.sl, 5) == 1);
    expect(pg_number("SELECT make_log_partitions(4)") == 0);
    expect(pg_number("SELECT make_log_partitions(5)") == 1);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

/* ---- take-overs ---- */

/* The stale writer's transaction begins before the take-over is visible, and must wait for it. */
static void transaction_older_than_the_take_over(void)
{
    for (int commits = 0; commits < 2; commits++) {
        struct store *store = backend->fresh();
        struct writer w = writer_open(store, 1);
        struct fill fill = { 0 };
        expect_ok(commit(&w, &fill)); /* connected */
        run_key key = key_of(0, 1);
        fill_start(&fill, key, "order-1");
        pg_sql("BEGIN");
        pg_sql("UPDATE writers SET owner = NULL, lane = NULL, epoch = epoch + 1");
        struct store_commit c = { .batch = &fill.batch };
        begin(w.sl, commit, &c);
        wait_until(pg_number("SELECT count(*) FROM " OTHERS " AND wait_event_type = 'Lock'") == 1);
        expect(!op_ended(&c.op));
        pg_sql(commits ? "COMMIT" : "ROLLBACK");
        expect_err(end_op(&c.op), commits ? ERR_FENCED : ERR_NONE);
        expect(tail_of(w.sl, key) == (commits ? 0 : 1));
        close_lane(w.sl);
        fill_reset(&fill);
        store_free(store);
    }
}

/* A take-over waits for a commit under way, and then sees it. */
static void take_over_waits_for_a_commit(void)
{
    struct store *store = backend->fresh(), *other = backend->another();
    struct writer w = writer_open(store, 1);
    struct store_lane *sl = open_lane(other);
    struct fill fill = { 0 };
    expect_ok(commit(&w, &fill));
    run_key key = key_of(0, 1);
    fill_start(&fill, key, "order-1");
    pg_sql("BEGIN");
    pg_sql("LOCK TABLE runs IN EXCLUSIVE MODE");
    struct store_commit c = { .batch = &fill.batch };
    begin(w.sl, commit, &c);
    wait_until(pg_number("SELECT count(*) FROM " OTHERS " AND wait_event_type = 'Lock'") == 1);
    struct store_fence_member fence = { .member = id_of(1) };
    begin(sl, fence_member, &fence);
    wait_until(pg_number("SELECT count(*) FROM " OTHERS " AND wait_event_type = 'Lock'") == 2);
    pg_sql("COMMIT");
    expect_ok(end_op(&c.op));
    expect_ok(end_op(&fence.op));
    expect(tail_of(sl, key) == 1);
    expect_err(commit(&w, &fill), ERR_FENCED);
    close_lane(w.sl);
    close_lane(sl);
    fill_reset(&fill);
    store_free(store);
    store_free(other);
}

static const char *proxied_conninfo(void)
{
    static char conninfo[256];
    const char *port = strstr(pg_conninfo(), "port=");
    expect(port);
    snprintf(conninfo, sizeof(conninfo), "%s port=%d", pg_conninfo(), proxy_start(atoi(port + 5)));
    return conninfo;
}

/* A machine vanishes in the middle of a commit: the server waits for the rest with the writer's row locked, and no
 * timeout of its own ends that. Whoever fences it must not wait. */
static void a_commit_half_sent_does_not_hold_up_its_fence(void)
{
    for (size_t at = 0; at < 600; at += 70) {
        struct store *store = backend->fresh();
        struct store *gone = pg_store_of(id_of(1), proxied_conninfo());
        struct writer w = writer_open(gone, 1);
        struct store_lane *sl = open_lane(store);
        struct fill fill = { 0 };
        expect_ok(commit(&w, &fill));
        run_key key = key_of(0, 1);
        fill_start(&fill, key, "order-1");
        struct store_commit c = { .batch = &fill.batch };
        int stalls = proxy_cuts();
        proxy_stall_request(at);
        begin(w.sl, commit, &c);
        wait_until(proxy_cuts() == stalls + 1);
        int64_t before = time(NULL);
        struct store_fence_member fence = { .member = id_of(1) };
        expect_ok(run(sl, fence_member, &fence));
        expect(fence.fenced &&
                time(NULL) - before <= 5); /* waiting would end with an error after ten */
        expect_err(end_op(&c.op), ERR_FENCED);
        expect(tail_of(sl, key) == 0);
        close_lane(w.sl);
        close_lane(sl);
        fill_reset(&fill);
        store_free(store);
        store_free(gone);
    }
}

/* The same machine was the planner: its lock must not outlive it. */
static void the_planner_lock_falls_with_the_fence(void)
{
    struct store *store = backend->fresh();
    struct store *gone = pg_store_of(id_of(1), proxied_conninfo());
    struct store_lane *a = open_lane(gone), *b = open_lane(store);
    struct store_try_plan plan = { 0 };
    expect_ok(run(a, try_plan, &plan));
    expect(plan.held);
    expect_ok(run(b, try_plan, &plan));
    expect(!plan.held);
    int stalls = proxy_cuts();
    proxy_stall_request(0);
    struct store_beat beat = { 0 };
    begin(a, beat, &beat);
    wait_until(proxy_cuts() == stalls + 1);
    struct store_fence_member fence = { .member = id_of(1) };
    expect_ok(run(b, fence_member, &fence));
    wait_until(run(b, try_plan, &plan) == ERR_NONE && plan.held);
    close_lane(a);
    (void)end_op(&beat.op);
    close_lane(b);
    store_free(store);
    store_free(gone);
}

/* ---- lost connections ---- */

static void killed_in_the_middle(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    struct fill fill = { 0 };
    run_key key = key_of(0, 1);
    fill_start(&fill, key, "order-1");
    expect_ok(commit(&w, &fill));
    for (int32_t seq = 2; seq <= 4; seq++) {
        fill_reset(&fill);
        fill_log(&fill, key, seq, seq + 1, 1);
        pg_sql("BEGIN");
        /* After the fence but before the rows; before the fence. */
        pg_sql(seq % 2 ? "SELECT 1 FROM writers FOR UPDATE"
                       : "LOCK TABLE history_log IN EXCLUSIVE MODE");
        struct store_commit c = { .batch = &fill.batch };
        begin(w.sl, commit, &c);
        wait_until(pg_number("SELECT count(*) FROM " OTHERS " AND wait_event_type = 'Lock'") == 1);
        pg_sql("SELECT pg_terminate_backend(pid) FROM " OTHERS " AND wait_event_type = 'Lock'");
        wait_until(instant_is_set(writer_stalled_since(w.sl)));
        pg_sql("ROLLBACK");
        expect_ok(end_op(&c.op));
        expect(tail_of(w.sl, key) == (size_t)seq);
    }
    /* Killed while idle: the next commit finds out by itself. */
    pg_sql("SELECT pg_terminate_backend(pid) FROM " OTHERS);
    fill_reset(&fill);
    fill_log(&fill, key, 5, 6, 1);
    expect_ok(commit(&w, &fill));
    wait_until(run(w.sl, load, (&(struct store_load){ .key = key })) == ERR_NONE);
    expect(tail_of(w.sl, key) == 5);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

/* A server that stands still keeps its connections: neither commits nor reads come back, and whoever asks is told. */
static void a_silent_server_is_noticed(void)
{
    struct store *store = backend->fresh(), *proxied = pg_store_at(proxied_conninfo());
    struct writer w = writer_open(proxied, 1);
    struct fill fill = { 0 };
    run_key key = key_of(0, 1);
    fill_start(&fill, key, "order-1");
    struct store_commit c = { .batch = &fill.batch };
    struct store_load load = { .key = key };
    proxy_stall_request(0);
    begin(w.sl, commit, &c);
    wait_until(instant_is_set(writer_stalled_since(w.sl)));
    expect(!op_ended(&c.op));
    pg_sql("SELECT pg_terminate_backend(pid) FROM " OTHERS);
    expect_ok(end_op(&c.op));
    wait_until(run(w.sl, load, &load) == ERR_NONE);
    expect(!instant_is_set(writer_stalled_since(w.sl)));
    proxy_stall_request(0);
    begin(w.sl, load, &load);
    wait_until(instant_is_set(writer_stalled_since(w.sl)));
    expect_err(end_op(&load.op), ERR_UNAVAILABLE); /* after its timeout, by a new connection */
    expect(!instant_is_set(writer_stalled_since(w.sl)));
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
    store_free(proxied);
}

static void cut_at_every_point(void)
{
    struct store *store = backend->fresh(), *proxied = pg_store_at(proxied_conninfo());
    struct writer w = writer_open(proxied, 1);
    struct store_lane *sl = open_lane(store);
    struct fill fill = { 0 };
    run_key key = key_of(0, 1);
    fill_start(&fill, key, "order-1");
    expect_ok(commit(&w, &fill));
    int32_t seq = 1;
    /* A batch like this is some 700 bytes; past its end the cut hits the resolving of nothing at
     * all. */
    for (size_t at = 0; at <= 900; at += 31) {
        fill_reset(&fill);
        seq++;
        fill_log(&fill, key, seq, seq + 1, 1);
        int cuts = proxy_cuts();
        if (at > 840) {
            proxy_cut_reply();
        } else {
            proxy_cut_request(at);
        }
        expect_ok(commit(&w, &fill));
        expect(proxy_cuts() == cuts + 1 || at > 100);
        expect(tail_of(sl, key) == (size_t)seq);
    }
    proxy_cut_request(SIZE_MAX);
    for (int i = 0; i < 20; i++) { /* done, but nobody hears of it */
        fill_reset(&fill);
        seq++;
        fill_log(&fill, key, seq, seq + 1, 1);
        int cuts = proxy_cuts();
        proxy_cut_reply();
        expect_ok(commit(&w, &fill));
        expect(proxy_cuts() == cuts + 1);
        expect(tail_of(sl, key) == (size_t)seq);
    }
    expect(pg_number("SELECT seq FROM writers") == seq);
    close_lane(w.sl);
    close_lane(sl);
    fill_reset(&fill);
    store_free(store);
    store_free(proxied);
}

static atomic_bool killing;

static void *killer_thread(void *arg)
{
    char line[400];
    snprintf(line, sizeof(line),
            "psql -qAt '%s' -c \"SELECT count(pg_terminate_backend(pid)) FROM " OTHERS
            "\" >/dev/null",
            pg_conninfo());
    while (killing) {
        (void)!system(line);
        usleep(10000);
    }
    return NULL;
}

static void kills_under_load(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    struct fill fill = { 0 };
    run_key key = key_of(0, 1);
    fill_start(&fill, key, "order-1");
    expect_ok(commit(&w, &fill));
    pthread_t thread;
    killing = true;
    expect(pthread_create(&thread, NULL, killer_thread, NULL) == 0);
    int64_t end = time(NULL) + 5;
    int32_t seq = 1;
    while (time(NULL) < end) {
        fill_reset(&fill);
        seq++;
        fill_log(&fill, key, seq, seq + 1, 1);
        expect_ok(commit(&w, &fill));
    }
    killing = false;
    pthread_join(thread, NULL);
    expect(pg_number("SELECT count(*) FROM history_log") == seq);
    expect(pg_number("SELECT max(seq) FROM history_log") == seq);
    expect(pg_number("SELECT seq FROM writers") == seq);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

static void outage(bool crash)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    struct fill fill = { 0 };
    run_key key = key_of(0, 1);
    fill_start(&fill, key, "order-1");
    expect_ok(commit(&w, &fill));
    pg_server_stop(crash);
    fill_reset(&fill);
    fill_log(&fill, key, 2, 3, 1);
    struct store_commit c = { .batch = &fill.batch };
    begin(w.sl, commit, &c);
    struct store_load load = { .key = key };
    int64_t before = time(NULL);
    expect_err(run(w.sl, load, &load), ERR_UNAVAILABLE);
    struct store_beat look = { 0 };
    expect_err(run(w.sl, beat, &look), ERR_UNAVAILABLE);
    expect(time(NULL) - before <= 8);
    expect(!op_ended(&c.op) && instant_is_set(writer_stalled_since(w.sl)));
    pg_server_start();
    expect_ok(end_op(&c.op));
    expect(!instant_is_set(writer_stalled_since(w.sl)));
    wait_until(run(w.sl, load, &load) == ERR_NONE);
    expect(load.tail_count == 2);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

/* An owner that gives up while the database is away gets all its answers, and its memory back. */
static void closed_during_an_outage(void)
{
    struct store *store = backend->fresh();
    struct writer w = writer_open(store, 1);
    struct fill fill = { 0 };
    expect_ok(commit(&w, &fill));
    pg_server_stop(true);
    struct store_commit c = { .batch = &fill.batch };
    struct store_load load = { .key = 1 };
    begin(w.sl, commit, &c);
    begin(w.sl, load, &load);
    wait_until(instant_is_set(writer_stalled_since(w.sl)));
    close_lane(w.sl);
    expect_err(end_op(&c.op), ERR_CANCELLED);
    enum err err = end_op(&load.op);
    expect(err == ERR_CANCELLED || err == ERR_UNAVAILABLE);
    pg_server_start();
    store_free(store);
}

static void orderly_outage(void)
{
    outage(false);
}

static void crash_of_the_server(void)
{
    outage(true);
}

/* ---- set back to an older state ---- */

static void acknowledged_commits_missing(void)
{
    static const char *const ways[] = {
        "UPDATE writers SET seq = seq - 1",
        "DELETE FROM writers",
        "UPDATE writers SET epoch = epoch - 1, owner = NULL, lane = NULL",
        "UPDATE writers SET seq = seq + 1",
    };
    for (size_t i = 0; i < 2 * ARRAY_LEN(ways); i++) {
        struct store *store = backend->fresh();
        struct writer w = writer_open(store, 1);
        struct fill fill = { 0 };
        expect_ok(commit(&w, &fill));
        expect_ok(commit(&w, &fill));
        pg_sql("%s", ways[i / 2]);
        if (i % 2) {
            pg_sql("SELECT pg_terminate_backend(pid) FROM " OTHERS);
        }
        fill_start(&fill, key_of(0, 1), "order-1");
        struct store_commit c = { .batch = &fill.batch };
        enum err err = run(w.sl, commit, &c);
        /* One ahead looks like our own batch if the loss hit its sending: nobody but us writes it.
         */
        if (i != 7) {
            expect_err(err, ERR_CORRUPT);
            expect_err(run(w.sl, commit, &c), ERR_CORRUPT);
            expect(pg_number("SELECT count(*) FROM history_log") == 0);
        }
        close_lane(w.sl);
        fill_reset(&fill);
        store_free(store);
    }
}

static void planner_falls_with_its_connection(void)
{
    struct store *store = backend->fresh(), *other = backend->another();
    struct store_lane *a = open_lane(store), *b = open_lane(other);
    struct store_try_plan plan = { 0 };
    expect_ok(run(a, try_plan, &plan));
    expect(plan.held);
    expect_ok(run(b, try_plan, &plan));
    expect(!plan.held);
    pg_sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'");
    wait_until(run(b, try_plan, &plan) == ERR_NONE && plan.held);
    wait_until(run(a, try_plan, &plan) == ERR_NONE);
    expect(!plan.held);
    close_lane(a);
    close_lane(b);
    store_free(store);
    store_free(other);
}

static void assignments_of_two_planners(void)
{
    struct store *store = backend->fresh(), *other = backend->another();
    struct store_lane *lanes[] = { open_lane(store), open_lane(other) };
    static struct store_assign_move moves[2][200];
    struct store_assign ops[2];
    for (uint32_t i = 0; i < 400; i++) {
        moves[i % 2][i / 2] = (struct store_assign_move){ i / 2, { { 0 } }, id_of(i % 2 + 1) };
    }
    for (int i = 0; i < 2; i++) {
        ops[i] = (struct store_assign){ .moves = moves[i], .move_count = 200 };
        begin(lanes[i], assign, &ops[i]);
    }
    expect_ok(end_op(&ops[0].op));
    expect_ok(end_op(&ops[1].op));
    expect(ops[0].moved + ops[1].moved == 200 && ops[0].version != ops[1].version);
    close_lane(lanes[0]);
    close_lane(lanes[1]);
    store_free(store);
    store_free(other);
}

const struct test_case cases_postgres[] = {
    { "migrations_at_once", migrations_at_once },
    { "newer_schema_is_refused", newer_schema_is_refused },
    { "log_is_partitioned_by_week", log_is_partitioned_by_week },
    { "transaction_older_than_the_take_over", transaction_older_than_the_take_over },
    { "take_over_waits_for_a_commit", take_over_waits_for_a_commit },
    { "a_commit_half_sent_does_not_hold_up_its_fence",
            a_commit_half_sent_does_not_hold_up_its_fence },
    { "the_planner_lock_falls_with_the_fence", the_planner_lock_falls_with_the_fence },
    { "killed_in_the_middle", killed_in_the_middle },
    { "a_silent_server_is_noticed", a_silent_server_is_noticed },
    { "cut_at_every_point", cut_at_every_point },
    { "kills_under_load", kills_under_load },
    { "closed_during_an_outage", closed_during_an_outage },
    { "orderly_outage", orderly_outage },
    { "crash_of_the_server", crash_of_the_server },
    { "acknowledged_commits_missing", acknowledged_commits_missing },
    { "planner_falls_with_its_connection", planner_falls_with_its_connection },
    { "assignments_of_two_planners", assignments_of_two_planners },
    { 0 },
};
