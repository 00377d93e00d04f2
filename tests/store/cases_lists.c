/* Lists and counts: order, pages while runs close, and random filters on random runs against the plain evaluator. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/rand.h"
#include "common/model/wire.h"
#include "tests/store/harness.h"
#include "tests/support/filter_eval.h"

static const struct filter *parse(struct arena *arena, const char *text);

/* ---- runs ---- */

struct listed_set {
    struct arena arena;
    VEC(struct store_listed) rows;
    struct writer w;
};

static void set_open(struct listed_set *set, struct store *store)
{
    *set = (struct listed_set){ 0 };
    set->w = writer_open(store, 1);
}

static void set_close(struct listed_set *set, struct store *store)
{
    close_lane(set->w.sl);
    store_free(store);
    arena_deinit(&set->arena);
}

static struct store_listed *set_add(struct listed_set *set, const char *workflow_id, int64_t start)
{
    struct store_listed l = { .run = run_of(key_of(set->w.claim.writer, set->rows.len + 1),
                                      workflow_id) };
    l.run.workflow_id = str_dup(&set->arena, l.run.workflow_id);
    l.run.start_time.ns = start;
    l.view.workflow_type = STR("type");
    l.view.task_queue = STR("queue");
    l.view.execution_time.ns = start;
    vec_push(&set->arena, &set->rows, l);
    return &set->rows.ptr[set->rows.len - 1];
}

static void set_insert(struct listed_set *set, size_t from)
{
    struct fill fill = { 0 };
    for (size_t i = from; i < set->rows.len; i++) {
        struct store_run_row row = set->rows.ptr[i].run;
        row.view = &set->rows.ptr[i].view;
        vec_push(&fill.arena, &fill.batch.run_inserts, row);
        fill.batch.last_run_key = row.key;
    }
    expect_ok(commit(&set->w, &fill));
    fill_reset(&fill);
}

static void set_end(struct listed_set *set, size_t i, enum workflow_status status, int64_t at)
{
    struct fill fill = { 0 };
    struct store_listed *l = &set->rows.ptr[i];
    l->run.status = status;
    l->run.close_time.ns = at;
    l->view.history_length = 5 + (int64_t)i;
    l->view.history_size = 1000;
    l->view.state_transitions = 7;
    struct store_run_row row = l->run;
    row.view = &l->view;
    vec_push(&fill.arena, &fill.batch.run_updates, row);
    expect_ok(commit(&set->w, &fill));
    fill_reset(&fill);
}

/* All workflow ids of a list in pages of n, joined by blanks; between two pages, between(i) runs. */
static struct str list_all(struct listed_set *set, struct arena *arena, const struct filter *filter,
        size_t n, void (*between)(struct listed_set *set, size_t page))
{
    struct buf out;
    buf_init_arena(&out, arena, 1 << 20);
    struct store_place after = { 0 };
    for (size_t page = 0;; page++) {
        struct store_list_runs l = {
            .namespace_id = ns, .filter = filter, .limit = n, .after = after
        };
        expect_ok(run(set->w.sl, list_runs, &l));
        expect(l.row_count <= n);
        for (size_t i = 0; i < l.row_count; i++) {
            buf_printf(&out, out.len ? " " STR_FMT : STR_FMT, STR_ARG(l.rows[i].run.workflow_id));
        }
        if (!l.more || l.row_count == 0) {
            return buf_str(&out);
        }
        after = store_place_behind(&l, l.row_count - 1);
        after.moment = str_dup(arena, after.moment);
        if (between) {
            between(set, page);
        }
    }
}

static void expect_list(struct listed_set *set, const char *query, size_t n, const char *want)
{
    struct arena arena = { 0 };
    struct str got = list_all(set, &arena, parse(&arena, query), n, NULL);
    if (!str_eq(got, str_from_cstr(want))) {
        fprintf(stderr, "%s: got " STR_FMT ", want %s\n", query, STR_ARG(got), want);
        expect(false);
    }
    arena_deinit(&arena);
}

static bool known_name(const void *ctx, struct str name, enum search_attribute_type *ret)
{
    static const struct {
        struct str name;
        enum search_attribute_type type;
    } names[] = {
        { STR_INIT("Color"), SEARCH_ATTRIBUTE_KEYWORD },
        { STR_INIT("Tags"), SEARCH_ATTRIBUTE_KEYWORD_LIST },
        { STR_INIT("Amount"), SEARCH_ATTRIBUTE_INT },
        { STR_INIT("Price"), SEARCH_ATTRIBUTE_DOUBLE },
        { STR_INIT("Paid"), SEARCH_ATTRIBUTE_BOOL },
        { STR_INIT("Due"), SEARCH_ATTRIBUTE_DATETIME },
        { STR_INIT("Note"), SEARCH_ATTRIBUTE_TEXT },
        { STR_INIT("it's \"odd\""), SEARCH_ATTRIBUTE_KEYWORD },
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq(names[i].name, name)) {
            *ret = names[i].type;
            return true;
        }
    }
    return false;
}

static const struct filter *parse(struct arena *arena, const char *text)
{
    static const struct filter_names names = { .find = known_name };
    struct filter_query query;
    struct fail f = { 0 };
    if (filter_parse(arena, str_from_cstr(text), &names, true, &query, &f)) {
        fprintf(stderr, "%s: %s\n", text, f.message);
        expect(false);
    }
    return query.filter;
}

/* ---- cases ---- */

static void test_order(void)
{
    struct store *store = backend->fresh();
    struct listed_set set;
    set_open(&set, store);
    set_add(&set, "a", 100);
    set_add(&set, "b", 300);
    set_add(&set, "c", 200);
    set_add(&set, "d", 300);
    set_add(&set, "e", 400);
    set_insert(&set, 0);
    expect_list(&set, "", 10, "e d b c a");
    set_end(&set, 4, WORKFLOW_COMPLETED, 500);
    set_end(&set, 0, WORKFLOW_FAILED, 600);
    set_end(&set, 3, WORKFLOW_TERMINATED, 600);
    for (size_t n = 1; n <= 6; n++) {
        expect_list(&set, "", n, "b c d a e");
    }
    expect_list(&set, "ExecutionStatus = 'Running'", 10, "b c");
    expect_list(&set, "ExecutionStatus != 'Running'", 2, "d a e");
    expect_list(&set, "CloseTime >= 600 OR StartTime < 250", 1, "c d a");
    expect_list(&set, "HistoryLength = 9", 1, "e");
    struct store_list_runs l = { .namespace_id = id_of(99), .limit = 10 };
    expect_ok(run(set.w.sl, list_runs, &l));
    expect(l.row_count == 0 && !l.more);
    set_close(&set, store);
}

static void test_count(void)
{
    struct store *store = backend->fresh();
    struct listed_set set;
    set_open(&set, store);
    for (int i = 0; i < 7; i++) {
        set_add(&set, i % 2 ? "odd" : "even", 100 + i);
    }
    set_insert(&set, 0);
    set_end(&set, 1, WORKFLOW_COMPLETED, 500);
    set_end(&set, 2, WORKFLOW_COMPLETED, 500);
    struct store_count_runs c = { .namespace_id = ns };
    expect_ok(run(set.w.sl, count_runs, &c));
    expect(c.counts[WORKFLOW_RUNNING] == 5 && c.counts[WORKFLOW_COMPLETED] == 2 &&
            c.counts[WORKFLOW_FAILED] == 0);
    struct arena arena = { 0 };
    c.filter = parse(&arena, "WorkflowId = 'odd'");
    expect_ok(run(set.w.sl, count_runs, &c));
    expect(c.counts[WORKFLOW_RUNNING] == 2 && c.counts[WORKFLOW_COMPLETED] == 1);
    arena_deinit(&arena);
    set_close(&set, store);
}

static void expect_counts(struct listed_set *set, const char *query, int64_t running,
        int64_t completed, int64_t failed)
{
    struct arena arena = { 0 };
    struct store_count_runs c = { .namespace_id = ns, .filter = parse(&arena, query) };
    bool wanted[STORE_STATUS_MAX];
    expect(filter_statuses(c.filter, wanted, STORE_STATUS_MAX));
    expect_ok(run(set->w.sl, count_runs, &c));
    if (c.counts[WORKFLOW_RUNNING] != running || c.counts[WORKFLOW_COMPLETED] != completed ||
            c.counts[WORKFLOW_FAILED] != failed) {
        fprintf(stderr, "%s: %lld running, %lld completed, %lld failed\n", query,
                (long long)c.counts[WORKFLOW_RUNNING], (long long)c.counts[WORKFLOW_COMPLETED],
                (long long)c.counts[WORKFLOW_FAILED]);
        expect(false);
    }
    arena_deinit(&arena);
}

static void doom(struct listed_set *set, size_t i, bool whole)
{
    struct fill fill = { 0 };
    struct store_run_row row = set->rows.ptr[i].run;
    row.status = (enum workflow_status)RUN_DOOMED;
    vec_push(&fill.arena, &fill.batch.run_updates, row);
    expect_ok(commit(&set->w, &fill));
    fill_reset(&fill);
    struct store_delete_row gone = { .key = row.key, .through_seq = 9, .whole = whole };
    vec_push(&fill.arena, &fill.batch.deletes, gone);
    expect_ok(commit(&set->w, &fill));
    fill_reset(&fill);
}

/* Whatever happens to a run, the counters say what the rows say. */
static void test_counters(void)
{
    struct store *store = backend->fresh();
    struct listed_set set;
    set_open(&set, store);
    for (int i = 0; i < 6; i++) {
        set_add(&set, "w", 100 + i);
    }
    set.rows.ptr[5].view.search = STR("{\"TemporalNamespaceDivision\":\"x\"}");
    expect_counts(&set, "", 0, 0, 0);
    set_insert(&set, 0);
    expect_counts(&set, "", 5, 0, 0);
    set_end(&set, 0, WORKFLOW_COMPLETED, 500);
    set_end(&set, 0, WORKFLOW_COMPLETED, 500); /* once more: another wake-up time, say */
    set_end(&set, 1, WORKFLOW_FAILED, 500);
    set_end(&set, 5, WORKFLOW_FAILED, 500);
    expect_counts(&set, "", 3, 1, 1);
    expect_counts(&set, "ExecutionStatus = 'Running'", 3, 0, 0);
    expect_counts(&set, "NOT ExecutionStatus IN ('Running', 3)", 0, 1, 0);
    expect_counts(&set, "ExecutionStatus > 1 AND NOT ExecutionStatus = 'Completed'", 0, 0, 1);
    expect_counts(&set, "ExecutionStatus BETWEEN 4 AND 5", 0, 0, 0);
    expect_counts(&set, "ExecutionStatus IS NULL", 0, 0, 0);
    doom(&set, 0, true);
    doom(&set, 2, false);
    expect_counts(&set, "", 2, 0, 1);
    struct fill fill = { 0 }; /* into a division and out of it */
    struct store_view_row hide = { .key = set.rows.ptr[3].run.key,
        .search = STR("{\"TemporalNamespaceDivision\":\"y\",\"Color\":\"red\"}") };
    vec_push(&fill.arena, &fill.batch.views, hide);
    expect_ok(commit(&set.w, &fill));
    fill_reset(&fill);
    expect_counts(&set, "", 1, 0, 1);
    struct store_view_row show = { .key = set.rows.ptr[5].run.key, .search = STR("{}") };
    vec_push(&fill.arena, &fill.batch.views, show);
    expect_ok(commit(&set.w, &fill));
    fill_reset(&fill);
    expect_counts(&set, "", 1, 0, 2);
    struct store_run_row born = run_of(key_of(set.w.claim.writer, 90), "w"), clash = born;
    born.group = 1; /* a batch of which a part is refused */
    clash.key = set.rows.ptr[4].run.key;
    clash.group = 2;
    vec_push(&fill.arena, &fill.batch.run_inserts, born);
    vec_push(&fill.arena, &fill.batch.run_inserts, clash);
    fill.batch.last_run_key = born.key;
    struct store_commit c = { .batch = &fill.batch };
    expect_ok(run(set.w.sl, commit, &c));
    expect(c.poisoned_count == 1 && c.poisoned[0] == 2);
    fill_reset(&fill);
    expect_counts(&set, "", 2, 0, 2);
    set_close(&set, store);
}

/* Rows that close, and new ones, between the pages: each run that was there at the first page comes once. */
static void close_some(struct listed_set *set, size_t page)
{
    size_t first = page * 3; /* one that was listed, one that comes later */
    int64_t now =
            (int64_t)time(NULL) * 1000000000 + (int64_t)page; /* the clock that pages know too */
    if (first < 20) {
        set_end(set, 19 - first, WORKFLOW_COMPLETED, now);
    }
    if (page + 1 < 8) {
        set_end(set, page + 1, WORKFLOW_FAILED, now);
    }
    size_t from = set->rows.len;
    set_add(set, "late", 20000 + (int64_t)page);
    set_insert(set, from);
}

static void test_pages_while_runs_close(void)
{
    struct store *store = backend->fresh();
    struct listed_set set;
    struct arena arena = { 0 };
    set_open(&set, store);
    for (int i = 0; i < 20; i++) {
        char id[16];
        snprintf(id, sizeof(id), "w%02d", i);
        set_add(&set, id, 100 + i);
    }
    set_insert(&set, 0);
    set_end(&set, 0, WORKFLOW_COMPLETED, 5000);
    set_end(&set, 8, WORKFLOW_COMPLETED, 4000);
    struct str got = list_all(&set, &arena, NULL, 3, close_some);
    expect(str_eq(got, STR("w19 w18 w17 w16 w15 w14 w13 w12 w11 w10 w09 w07 w06 w05 w04 w03 w02 "
                           "w01 w00 w08")));
    arena_deinit(&arena);
    set_close(&set, store);
}

static void test_view_changes(void)
{
    struct store *store = backend->fresh();
    struct listed_set set;
    set_open(&set, store);
    struct store_listed *l = set_add(&set, "w", 100);
    l->view = (struct store_view){ .workflow_type = STR("T"),
        .task_queue = STR("q'uote"),
        .execution_time = { 150 },
        .parent_workflow_id = STR("parent"),
        .parent_run_id = STR("parent run"),
        .root_workflow_id = STR("root"),
        .root_run_id = STR("root run"),
        .memo = STR("memo\0bytes"),
        .search_attributes = STR("raw"),
        .search = STR("{\"Color\":\"red\"}") };
    set_insert(&set, 0);
    struct fill fill = { 0 };
    struct store_view_row change = { .key = l->run.key,
        .memo = STR("other"),
        .search = STR("{\"Color\":\"blue\"}"),
        .group = l->run.group };
    vec_push(&fill.arena, &fill.batch.views, change);
    expect_list(&set, "Color = 'red'", 5, "w");
    expect_ok(commit(&set.w, &fill));
    fill_reset(&fill);
    expect_list(&set, "Color = 'red'", 5, "");
    struct store_list_runs p = { .namespace_id = ns, .limit = 1 };
    expect_ok(run(set.w.sl, list_runs, &p));
    const struct store_view *v = &p.rows[0].view;
    expect(str_eq(v->workflow_type, STR("T")) && str_eq(v->task_queue, STR("q'uote")) &&
            v->execution_time.ns == 150);
    expect(str_eq(v->parent_workflow_id, STR("parent")) &&
            str_eq(v->parent_run_id, STR("parent run")));
    expect(str_eq(v->root_workflow_id, STR("root")) && str_eq(v->root_run_id, STR("root run")));
    expect(str_eq(v->memo, STR("other")) && str_empty(v->search_attributes));
    expect(v->history_length == 0 && str_eq(p.rows[0].run.workflow_id, STR("w")));
    expect(p.more);
    set_close(&set, store);
}

static void test_bad_places(void)
{
    struct store *store = backend->fresh();
    struct listed_set set;
    set_open(&set, store);
    struct store_list_runs l = {
        .namespace_id = ns, .limit = 1, .after = { .key = 1, .moment = STR("1'; drop") }
    };
    expect_err(run(set.w.sl, list_runs, &l), ERR_INVALID_ARGUMENT);
    set_close(&set, store);
}

/* ---- random ---- */

static const char *pick(struct rand *r, const char *const *words, size_t count)
{
    return words[rand_below(r, count)];
}
#define PICK(r, ...)                                \
    pick((r), (const char *const[]){ __VA_ARGS__ }, \
            sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

/* An entry of SearchAttributes: name, and a payload with JSON data and its type. */
static void put_attribute(struct buf *out, const char *name, const char *type, const char *json)
{
    size_t entry = wire_begin(out, 1);
    wire_put_bytes(out, 1, str_from_cstr(name));
    size_t payload = wire_begin(out, 2);
    size_t meta = wire_begin(out, 1);
    wire_put_bytes(out, 1, STR("type"));
    wire_put_bytes(out, 2, str_from_cstr(type));
    wire_end(out, meta);
    wire_put_bytes(out, 2, str_from_cstr(json));
    wire_end(out, payload);
    wire_end(out, entry);
}

static struct str random_document(struct rand *r, struct arena *arena)
{
    struct buf message, out;
    buf_init_arena(&message, arena, 1 << 16);
    buf_init_arena(&out, arena, 1 << 16);
    if (rand_below(r, 2)) {
        put_attribute(&message, "Color", "Keyword",
                PICK(r, "\"red\"", "\"r'e\\\"d\"", "\"\\u00e9\\\\\"", "[\"blue\"]", "\"\""));
    }
    if (rand_below(r, 2)) {
        put_attribute(&message, "Tags", "KeywordList",
                PICK(r, "[\"a\",\"b\"]", "[]", "[\"b\", \"c'\"]", "\"a\""));
    }
    if (rand_below(r, 2)) {
        put_attribute(
                &message, "Amount", "Int", PICK(r, "-3", "0", "7", "9223372036854775807", "[7]"));
    }
    if (rand_below(r, 2)) {
        put_attribute(&message, "Price", "Double", PICK(r, "1.5", "-0.25", "1e300", "2", "0.1"));
    }
    if (rand_below(r, 2)) {
        put_attribute(&message, "Paid", "Bool", PICK(r, "true", "false"));
    }
    if (rand_below(r, 2)) {
        put_attribute(&message, "Due", "Datetime",
                PICK(r, "\"2026-01-01T00:00:00Z\"", "\"2026-01-01T01:00:00.5+01:00\"",
                        "\"1999-12-31T23:59:59.999999999Z\""));
    }
    if (rand_below(r, 2)) {
        put_attribute(&message, "Note", "Text",
                PICK(r, "\"Paid by card\"", "\"card, card!\"", "\"...\"", "\"by HAND\""));
    }
    if (rand_below(r, 4) == 0) {
        put_attribute(&message, "BuildIds", "KeywordList",
                PICK(r, "[\"unversioned\"]", "[\"unversioned\",\"versioned:1\"]"));
        put_attribute(&message, "TemporalChangeVersion", "KeywordList", "[\"fix-1\"]");
        put_attribute(&message, "TemporalScheduledStartTime", "Datetime",
                "\"2026-01-01T01:00:00.5+01:00\"");
        put_attribute(&message, "TemporalSchedulePaused", "Bool", PICK(r, "true", "false"));
    }
    if (rand_below(r, 8) == 0) {
        put_attribute(
                &message, "TemporalNamespaceDivision", "Keyword", PICK(r, "\"sys\"", "\"x\""));
    }
    if (rand_below(r, 4) == 0) {
        put_attribute(&message, "it's \"odd\"", "Keyword", "\"x\"");
    }
    search_document(&out, arena, buf_str(&message));
    return buf_str(&out);
}

static const char *random_condition(struct rand *r)
{
    return PICK(r, "Color = 'red'", "Color != 'red'", "Color IN ('red', 'blue', 'r''e\"d')",
            "Color NOT IN ('blue')", "Color STARTS_WITH 'r'", "Color NOT STARTS_WITH 'r'",
            "Color IS NULL", "Color IS NOT NULL", "Color > 'blue'", "Color = \"\xc3\xa9\\\\\"",
            "Color = ''", "Tags = 'a'", "Tags != 'a'", "Tags IN ('b', 'c''')",
            "Tags NOT IN ('a', 'c''')", "Tags IS NULL", "Amount = 7", "Amount < 0", "Amount >= 7",
            "Amount != 0", "Amount BETWEEN -3 AND 7", "Amount NOT BETWEEN -3 AND 0",
            "Amount IN (0, 9223372036854775807)", "Amount IS NOT NULL", "Price > 0.1",
            "Price = 0.1", "Price <= -0.25", "Price BETWEEN 1 AND 1e301", "Paid = true",
            "Paid != true", "Paid = false", "Paid < true", "Paid IN (true)", "Paid IS NULL",
            "Due = '2026-01-01T00:00:00Z'", "Due < '2026-01-01T00:00:00Z'",
            "Due > 946684799999999998", "Note = 'card'", "Note != 'card'", "Note = 'nobody, by'",
            "Note = '!'", "Note != '!'", "`it's \"odd\"` = 'x'", "`it's \"odd\"` IS NULL",
            "WorkflowId = 'w1'", "WorkflowId STARTS_WITH 'w1'",
            "WorkflowId > 'w2' AND WorkflowId <= 'w6'", "RunId STARTS_WITH '01000000-'",
            "ExecutionStatus = 'Running'", "ExecutionStatus IN ('Failed', 2)",
            "ExecutionStatus > 'Completed'", "ExecutionStatus BETWEEN 3 AND 'Terminated'",
            "Amount < 6.5", "Amount BETWEEN -0.5 AND 7.5", "Amount IN (0, 7.0)",
            "HistoryLength >= 9.5", "ParentRunId = 'pr'", "ParentRunId != 'pr'", "RootRunId = 'rr'",
            "RootRunId != 'rr'", "RootRunId STARTS_WITH '01000000-'",
            "RootWorkflowId STARTS_WITH 'w' AND RootWorkflowId NOT IN ('w3')",
            "BuildIds = 'unversioned'", "BuildIds != 'unversioned'",
            "BuildIds IN ('versioned:1', 'nothing')", "BuildIds IS NULL",
            "TemporalChangeVersion = 'fix-1'", "ChangeVersion IS NOT NULL",
            "TemporalNamespaceDivision IS NOT NULL", "TemporalNamespaceDivision = 'sys'",
            "TemporalNamespaceDivision IS NULL OR TemporalNamespaceDivision = 'sys'",
            "ScheduleId = 'w2'", "TemporalSchedulePaused = true",
            "TemporalScheduledStartTime > '2026-01-01T00:00:00Z'",
            "ExecutionTime >= 120 AND ExecutionTime < 180", "CloseTime BETWEEN 2050 AND 2150",
            "ExecutionDuration BETWEEN '1.9us' AND 2000", "ExecutionStatus != 'Completed'",
            "StartTime >= 150", "CloseTime IS NULL", "CloseTime < 2100", "ExecutionDuration > 1900",
            "ExecutionDuration = '0s'", "HistoryLength > 6", "HistoryLength IS NULL",
            "ParentWorkflowId IS NULL", "ParentWorkflowId = 'p'", "RootWorkflowId = 'w3'",
            "TaskQueue = 'q''2'", "WorkflowType != 'type'", "StateTransitionCount = 7",
            "HistorySizeBytes BETWEEN 0 AND 2000");
}

static void random_query(struct rand *r, struct buf *out, int depth)
{
    switch (depth > 3 ? 0 : rand_below(r, 5)) {
    case 3:
        buf_append_str(out, STR("NOT ("));
        random_query(r, out, depth + 1);
        buf_append_str(out, STR(")"));
        return;
    case 4:
        buf_append_str(out, STR("("));
        random_query(r, out, depth + 1);
        buf_append_str(out, rand_below(r, 2) ? STR(") OR ") : STR(") and "));
        random_query(r, out, depth + 1);
        return;
    default:
        buf_append_str(out, str_from_cstr(random_condition(r)));
    }
}

static void random_runs(struct listed_set *set, struct rand *r)
{
    for (int i = 0; i < 60; i++) {
        char id[16];
        snprintf(id, sizeof(id), "w%d", (int)rand_below(r, 12));
        struct store_listed *l = set_add(set, id, 100 + (int64_t)rand_below(r, 100));
        l->view.search = random_document(r, &set->arena);
        l->view.task_queue = rand_below(r, 2) ? STR("q1") : STR("q'2");
        l->view.workflow_type = rand_below(r, 3) ? STR("type") : STR("Other");
        if (rand_below(r, 3) == 0) {
            l->view.parent_workflow_id = STR("p");
            l->view.parent_run_id = STR("pr");
            l->view.root_workflow_id = STR("w3");
            l->view.root_run_id = STR("rr");
        }
    }
    set_insert(set, 0);
    for (size_t i = 0; i < set->rows.len; i += 1 + rand_below(r, 3)) {
        set_end(set, i, (enum workflow_status)(2 + rand_below(r, 6)),
                2000 + (int64_t)rand_below(r, 200));
    }
}

static void check_query(struct listed_set *set, struct rand *r, const char *text)
{
    struct arena arena = { 0 };
    const struct filter *filter = parse(&arena, text);
    int64_t want[STORE_STATUS_MAX] = { 0 };
    size_t total = 0, seen = 0;
    for (size_t i = 0; i < set->rows.len; i++) {
        if (filter_eval(filter, &set->rows.ptr[i], &arena)) {
            want[set->rows.ptr[i].run.status]++;
            total++;
        }
    }
    struct store_count_runs c = { .namespace_id = ns, .filter = filter };
    expect_ok(run(set->w.sl, count_runs, &c));
    bool ok = memcmp(c.counts, want, sizeof(want)) == 0;
    struct store_place after = { 0 };
    for (bool more = true; more && ok;) {
        struct store_list_runs l = {
            .namespace_id = ns, .filter = filter, .limit = 1 + rand_below(r, 30), .after = after
        };
        expect_ok(run(set->w.sl, list_runs, &l));
        for (size_t i = 0; i < l.row_count; i++) {
            ok = ok && filter_eval(filter,
                               &set->rows.ptr[(uint64_t)l.rows[i].run.key % (1 << 21) - 1], &arena);
            seen++;
        }
        more = l.more && l.row_count;
        if (more) {
            after = store_place_behind(&l, l.row_count - 1);
            after.moment = str_dup(&arena, after.moment);
        }
    }
    if (!ok || seen != total) {
        fprintf(stderr, "%s: %zu runs, want %zu\n", text, seen, total);
        expect(false);
    }
    arena_deinit(&arena);
}

static void test_random_filters(void)
{
    const char *seed = getenv("SEED");
    struct rand r = { seed ? strtoull(seed, NULL, 10) : 20260725 };
    struct store *store = backend->fresh();
    struct listed_set set;
    set_open(&set, store);
    random_runs(&set, &r);
    for (int i = 0; i < 300; i++) {
        struct buf text;
        buf_init(&text, 1 << 16);
        random_query(&r, &text, 0);
        buf_append_byte(&text, 0);
        check_query(&set, &r, text.ptr);
        buf_deinit(&text);
    }
    set_close(&set, store);
}

const struct test_case cases_lists[] = {
    { "list_order", test_order },
    { "list_count", test_count },
    { "list_counters", test_counters },
    { "list_pages_while_runs_close", test_pages_while_runs_close },
    { "list_view_changes", test_view_changes },
    { "list_bad_places", test_bad_places },
    { "list_random_filters", test_random_filters },
    { NULL, NULL },
};
