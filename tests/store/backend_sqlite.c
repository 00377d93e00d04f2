/* SQLite, in memory and in a file. */
#include <sqlite3.h>
#include <sys/stat.h>

#include "common/visibility/filter.h"
#include "tests/store/contract.h"

static char file[64];

static struct store *open_at(const char *path)
{
    struct store_sqlite_config config = { .path = path };
    struct store *store;
    struct fail f = { 0 };
    enum err err = store_sqlite_new(&config, &store, &f);
    if (!err) {
        err = store_migrate(store, &f);
    }
    if (err) {
        fprintf(stderr, "%s\n", f.message);
    }
    expect(err == ERR_NONE);
    return store;
}

static struct store *fresh_memory(void)
{
    return open_at(NULL);
}

static void remove_file(void)
{
    static const char *const suffixes[] = { "", "-wal", "-shm" };
    for (size_t i = 0; i < ARRAY_LEN(suffixes) && file[0]; i++) {
        char path[80];
        snprintf(path, sizeof(path), "%s%s", file, suffixes[i]);
        (void)unlink(path);
    }
}

static struct store *fresh_file(void)
{
    remove_file();
    snprintf(file, sizeof(file), "/tmp/store-contract-%d.db", (int)getpid());
    return open_at(file);
}

/* ---- cases of the file ---- */

static sqlite3 *side_door(void)
{
    sqlite3 *db;
    expect(sqlite3_open(file, &db) == SQLITE_OK);
    return db;
}

static void side_exec(sqlite3 *db, const char *sql)
{
    expect(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
}

/* What one process wrote, the next one finds. */
static void reopened(void)
{
    struct store *store = fresh_file();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct fill fill = { 0 };
    fill_start(&fill, key, "order-1");
    expect_ok(commit(&w, &fill));
    close_lane(w.sl);
    store_free(store);

    store = open_at(file);
    struct writer next = writer_open(store, 2);
    struct store_fence_member fence = { .member = id_of(1) };
    expect_ok(run(next.sl, fence_member, &fence));
    expect(next.claim.writer != w.claim.writer);
    struct writer heir = writer_open(store, 3);
    expect(heir.claim.writer == w.claim.writer && heir.claim.last_run_key == key);
    struct store_load load = { .key = key };
    expect_ok(run(heir.sl, load, &load));
    expect(load.tail_count == 1);
    close_lane(next.sl);
    close_lane(heir.sl);
    fill_reset(&fill);
    store_free(store);
}

/* A file that cannot be written for a while delays the commit and loses nothing. */
static void blocked_for_a_while(void)
{
    struct store *store = fresh_file();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct fill fill = { 0 };
    fill_start(&fill, key, "order-1");
    sqlite3 *db = side_door();
    side_exec(db, "BEGIN IMMEDIATE");
    struct store_commit c = { .batch = &fill.batch };
    begin(w.sl, commit, &c);
    wait_until(instant_is_set(writer_stalled_since(w.sl)));
    expect(!op_ended(&c.op));
    side_exec(db, "ROLLBACK");
    expect_ok(end_op(&c.op));
    expect(!instant_is_set(writer_stalled_since(w.sl)));
    struct store_load load = { .key = key };
    expect_ok(run(w.sl, load, &load));
    expect(load.tail_count == 1);
    sqlite3_close(db);
    close_lane(w.sl);
    fill_reset(&fill);
    store_free(store);
}

static void set_back_or_from_the_future(void)
{
    struct store *store = fresh_file();
    struct writer w = writer_open(store, 1);
    struct fill fill = { 0 };
    expect_ok(commit(&w, &fill));
    sqlite3 *db = side_door();
    side_exec(db, "UPDATE writers SET seq = seq - 1");
    expect_err(commit(&w, &fill), ERR_CORRUPT);
    expect_err(commit(&w, &fill), ERR_CORRUPT);
    close_lane(w.sl);
    side_exec(db, "INSERT INTO schema_version (version, name) VALUES (999, 'of the future')");
    struct fail f;
    expect(store_migrate(store, &f) == ERR_FAILED_PRECONDITION);
    sqlite3_close(db);
    store_free(store);
}

/* The log that precedes the file stays bounded while commits go on. */
static void checkpoints_keep_up(void)
{
    struct store *store = fresh_file();
    struct writer w = writer_open(store, 1);
    run_key key = key_of(w.claim.writer, 1);
    struct fill fill = { 0 };
    fill_start(&fill, key, "order-1");
    expect_ok(commit(&w, &fill));
    struct arena arena = { 0 };
    struct str noise = bytes_of(&arena, 1 << 20, 3);
    for (int32_t seq = 2; seq < 200; seq++) {
        fill_reset(&fill);
        struct store_log_row row = log_of(key, seq, seq + 1, 1, noise);
        vec_push(&fill.arena, &fill.batch.log, row);
        expect_ok(commit(&w, &fill));
    }
    char wal[80];
    struct stat st;
    snprintf(wal, sizeof(wal), "%s-wal", file);
    expect(stat(wal, &st) == 0 && st.st_size < 160 << 20);
    close_lane(w.sl);
    fill_reset(&fill);
    arena_deinit(&arena);
    store_free(store);
}

static bool any_keyword(const void *ctx, struct str name, enum search_attribute_type *ret)
{
    *ret = SEARCH_ATTRIBUTE_KEYWORD;
    return str_starts_with(name, STR("Custom"));
}

/* A count that takes seconds; commits and reads go on beside it, and the next count sees them. */
static void a_long_count_disturbs_nobody(void)
{
    struct store *store = fresh_file();
    struct writer w = writer_open(store, 1);
    struct arena arena = { 0 };
    struct fill fill = { 0 };
    struct fail f = { 0 };
    run_key key = key_of(w.claim.writer, 1);
    fill_start(&fill, key, "order-1");
    expect_ok(commit(&w, &fill));
    fill_reset(&fill);
    sqlite3 *db = side_door();
    side_exec(db,
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
            " INSERT INTO runs (run_key, shard, namespace_id, run_id, workflow_id, status,"
            " start_time, search) SELECT 100 + i, 0, (SELECT namespace_id FROM runs), x'00', 'w',"
            " 1, i, '{\"Custom\":\"' || i || '\"}' FROM n");
    sqlite3_close(db);
    struct buf text;
    buf_init_arena(&text, &arena, 1 << 16);
    for (int i = 0; i < 100; i++) {
        buf_printf(&text, "%sCustom = 'x%d'", i ? " OR " : "", i);
    }
    static const struct filter_names names = { .find = any_keyword };
    struct filter_query query;
    expect(filter_parse(&arena, buf_str(&text), &names, true, &query, &f) == ERR_NONE);
    struct store_count_runs slow = { .namespace_id = ns, .filter = query.filter };
    begin(w.sl, count_runs, &slow);
    fill_start(&fill, key + 1, "order-2");
    expect_ok(commit(&w, &fill));
    struct store_load load = { .key = key + 1 };
    expect_ok(run(w.sl, load, &load));
    expect(!op_ended(&slow.op));
    struct store_count_runs all = { .namespace_id = ns };
    expect_ok(run(w.sl, count_runs, &all));
    expect(all.counts[WORKFLOW_RUNNING] == 20002);
    expect_ok(end_op(&slow.op));
    close_lane(w.sl);
    fill_reset(&fill);
    arena_deinit(&arena);
    store_free(store);
}

static const struct test_case cases_file[] = {
    { "reopened", reopened },
    { "blocked_for_a_while", blocked_for_a_while },
    { "set_back_or_from_the_future", set_back_or_from_the_future },
    { "checkpoints_keep_up", checkpoints_keep_up },
    { "a_long_count_disturbs_nobody", a_long_count_disturbs_nobody },
    { 0 },
};

const struct backend backend_memory = { .name = "memory", .fresh = fresh_memory };
const struct backend backend_file = {
    .name = "file", .fresh = fresh_file, .cleanup = remove_file, .own_cases = cases_file
};
