/* Runs scenario files: plays their inputs against the engine alone, under virtual time, and compares what comes
 * out with the indented lines below each input. UPDATE=1 rewrites the expectations. Usage: run_scenarios DIR */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/history/scenario.h"

static void save_starts(struct scenario *s, struct str name, const struct effects *fx)
{
    struct arena *a = &s->h.arena;
    if (fx->has_workflow_task) {
        struct saved_token t = { name, fx->workflow_task.token };
        vec_push(a, &s->tokens, t);
    }
    for (size_t i = 0; i < fx->eager_activities.len + (fx->has_activity ? 1 : 0); i++) {
        const struct activity_start *st =
                i < fx->eager_activities.len ? &fx->eager_activities.ptr[i] : &fx->activity;
        struct saved_activity sa = { name.len ? name : st->activity_id,
            { .scheduled_event_id = st->scheduled_event_id,
                    .attempt = st->attempt,
                    .started_time = st->started_time,
                    .identity = st->identity,
                    .request_id = st->request_id } };
        vec_push(a, &s->activities, sa);
    }
}

static void dump(struct scenario *s, struct buf *out)
{
    struct buf text;
    buf_init_arena(&text, &s->h.arena, 1024 * 1024);
    workflow_dump(s->h.wf, &text);
    for (struct str rest = buf_str(&text); rest.len;) {
        struct str line = str_split(rest, '\n', &rest);
        buf_printf(out, "    " STR_FMT "\n", STR_ARG(line));
    }
}

static void needs(struct scenario *s, struct buf *out)
{
    buf_printf(out, "    next need ");
    scenario_print_time(out, workflow_next_need(s->h.wf));
    buf_printf(out, ", durable need ");
    scenario_print_time(out, workflow_durable_need(s->h.wf));
    buf_append_byte(out, '\n');
}

static void set_limits(struct scenario *s, struct words *w)
{
    struct engine_limits *l = &s->limits;
    l->buffered_events = (uint32_t)words_number(w, "buffered_events", l->buffered_events);
    l->signals_per_run = (uint32_t)words_number(w, "signals_per_run", l->signals_per_run);
    l->pending_activities = (uint32_t)words_number(w, "pending_activities", l->pending_activities);
    struct duration retention = words_duration(w, "retention");
    l->retention = retention.ns ? retention : l->retention;
    l->callbacks = (uint32_t)words_number(w, "callbacks", l->callbacks);
    l->cross_namespace = words_number(w, "cross_namespace", l->cross_namespace);
    l->memo_size_error = (size_t)words_number(w, "memo_size", (int64_t)l->memo_size_error);
    l->search_attribute_limits.total_bytes = (size_t)words_number(
            w, "search_attributes_size", (int64_t)l->search_attribute_limits.total_bytes);
    l->search_attribute_limits.value_bytes = (size_t)words_number(
            w, "search_attribute_size", (int64_t)l->search_attribute_limits.value_bytes);
    l->pending_signals = (uint32_t)words_number(w, "pending_signals", l->pending_signals);
    l->pending_cancels = (uint32_t)words_number(w, "pending_cancels", l->pending_cancels);
    l->id_length = (size_t)words_number(w, "id_length", (int64_t)l->id_length);
    l->pending_children = (uint32_t)words_number(w, "pending_children", l->pending_children);
    l->history_count_suggest = words_number(w, "history_count_suggest", l->history_count_suggest);
    l->history_count_error = words_number(w, "history_count_error", l->history_count_error);
    l->history_size_error =
            (size_t)words_number(w, "history_size_error", (int64_t)l->history_size_error);
    l->updates_in_flight = (uint32_t)words_number(w, "updates_in_flight", l->updates_in_flight);
    l->updates_total = (uint32_t)words_number(w, "updates_total", l->updates_total);
    l->updates_in_flight_bytes =
            (size_t)words_number(w, "updates_in_flight_bytes", (int64_t)l->updates_in_flight_bytes);
    l->history_size_suggest =
            (size_t)words_number(w, "history_size_suggest", (int64_t)l->history_size_suggest);
    l->buffered_bytes = (size_t)words_number(w, "buffered_bytes", (int64_t)l->buffered_bytes);
    l->memo_size_error = (size_t)words_number(w, "memo_size_error", (int64_t)l->memo_size_error);
    l->state_size_error = (size_t)words_number(w, "state_size_error", (int64_t)l->state_size_error);
    l->transaction_size_error =
            (size_t)words_number(w, "transaction_size_error", (int64_t)l->transaction_size_error);
    l->blob_size_error = (size_t)words_number(w, "blob_size_error", (int64_t)l->blob_size_error);
}

/* "registered A/Int B/Keyword": from now on only these names exist. */
static void set_registered(struct scenario *s, struct words *w)
{
    struct arena *arena = &s->h.arena;
    VEC(struct search_attribute) all = { 0 };
    for (struct str word; (word = words_next(w)).len;) {
        struct str type, name = str_split(word, '/', &type);
        struct search_attribute a = { str_dup(arena, name), search_attribute_type_of(type) };
        check(a.type);
        vec_push(arena, &all, a);
    }
    s->registered = (struct search_attributes){ STR("ns"), all.ptr, all.len };
    s->limits.search_attributes = &s->registered;
}

/* "bad-binaries X Y": what is called broken from now on; without a word: nothing. */
static void set_bad_binaries(struct scenario *s, struct words *w)
{
    struct arena *arena = &s->h.arena;
    VEC(struct str) all = { 0 };
    for (struct str word; (word = words_next(w)).len;) {
        vec_push(arena, &all, str_dup(arena, word));
    }
    s->limits.bad_binaries = all.ptr;
    s->limits.bad_binary_count = all.len;
}

/* Lines that are no events. */
static bool run_meta(struct scenario *s, struct words *w, struct buf *out)
{
    struct effects fx;
    effects_init(&fx, &s->h.arena);
    if (words_has(w, "crash")) {
        harness_crash(&s->h);
        workflow_offers(s->h.wf, &s->h.arena, &fx);
        workflow_messages(s->h.wf, &s->h.arena, &fx);
        scenario_print(s, ERR_NONE, NULL, &fx, out);
    } else if (words_has(w, "dump")) {
        dump(s, out);
    } else if (words_has(w, "properties")) {
        scenario_print_properties(s->h.wf, out);
    } else if (words_has(w, "reset-points")) {
        scenario_print_reset_points(workflow_reset_points(s->h.wf, &s->h.arena), out);
    } else if (words_has(w, "bad-binaries")) {
        set_bad_binaries(s, w);
    } else if (words_has(w, "needs")) {
        needs(s, out);
    } else if (words_has(w, "registered")) {
        set_registered(s, w);
    } else if (words_has(w, "limits")) {
        set_limits(s, w);
    } else {
        return false;
    }
    return true;
}

/* "reset 7 reason": what happens to the run, and then to the new one, which the scenario goes on with. */
static void run_reset(struct scenario *s, struct words *w, struct event *ev, struct buf *out)
{
    struct effects left, fx;
    struct fail f = { 0 };
    int64_t finish = 0;
    uint32_t exclude = words_has(w, "without_signals") ? RESET_EXCLUDE_SIGNALS : 0;
    exclude |= words_has(w, "without_updates") ? RESET_EXCLUDE_UPDATES : 0;
    scenario_reset(w, ev);
    check(str_to_i64(words_next(w), &finish));
    ev->reset.reason = words_next(w);
    enum err err = harness_reset(&s->h, ev, finish, exclude, &left, &fx, &f);
    if (!err) {
        scenario_print(s, ERR_NONE, NULL, &left, out);
        buf_printf(out, "    the new run, its first %lld events copied:\n", (long long)finish - 1);
    }
    scenario_print(s, err, &f, &fx, out);
}

bool scenario_run_line(struct scenario *s, struct str line, struct buf *out)
{
    struct str commands, head = str_split(line, ':', &commands);
    struct words w = words_split(str_dup(&s->h.arena, head));
    struct duration at;
    struct effects fx;
    struct fail f = { 0 };
    if (run_meta(s, &w, out)) {
        return true;
    }
    if (!w.count || !duration_parse(words_next(&w), &at)) {
        s->problem = "a line begins with a time";
        return false;
    }
    struct str save = words_get(&w, "save");
    struct event ev = { .now = instant_add(scenario_epoch, at),
        .limits = &s->limits,
        .rand = { (uint64_t)s->h.steps + 1 } };
    if (words_has(&w, "reset")) {
        run_reset(s, &w, &ev, out);
        return true;
    }
    if (!scenario_event(s, &w, str_dup(&s->h.arena, commands), &ev)) {
        return false;
    }
    for (size_t i = 0; i < w.count; i++) {
        if (!w.used[i]) {
            s->problem = str_cstr(&s->h.arena, w.word[i]);
            return false;
        }
    }
    enum err err = harness_step(&s->h, &ev, &fx, &f);
    scenario_print(s, err, &f, &fx, out);
    if (!err) {
        save_starts(s, save, &fx);
    }
    return true;
}

/* Plays the file; *out gets it with the true outputs. */
static bool play(struct str text, const char *path, struct buf *out)
{
    struct scenario s = { .limits = engine_limits_default };
    bool ok = true;
    harness_init(&s.h);
    while (ok && text.len) {
        struct str line = str_split(text, '\n', &text);
        if (str_starts_with(line, STR("    "))) {
            continue;
        }
        buf_append_str(out, line);
        buf_append_byte(out, '\n');
        if (line.len && line.ptr[0] != '#') {
            setenv("SCENARIO_LINE", str_cstr(&s.h.arena, line), 1);
            ok = scenario_run_line(&s, line, out);
        }
        if (!ok) {
            printf("%s: %s: " STR_FMT "\n", path, s.problem ? s.problem : "?", STR_ARG(line));
        }
    }
    harness_deinit(&s.h);
    return ok;
}

static bool read_file(const char *path, struct buf *out)
{
    FILE *in = fopen(path, "rb");
    char block[4096];
    size_t n;
    if (!in) {
        return false;
    }
    while ((n = fread(block, 1, sizeof(block), in)) > 0) {
        buf_append(out, block, n);
    }
    fclose(in);
    return !out->overflow;
}

static void write_file(const char *path, struct str text)
{
    FILE *out = fopen(path, "wb");
    check(out && fwrite(text.ptr, 1, text.len, out) == text.len && fclose(out) == 0);
}

static void print_difference(const char *path, struct str expected, struct str actual)
{
    int line = 1;
    while (expected.len || actual.len) {
        struct str a = str_split(expected, '\n', &expected), b = str_split(actual, '\n', &actual);
        if (!str_eq(a, b)) {
            printf("%s:%d\n  expected: " STR_FMT "\n  actual:   " STR_FMT "\n", path, line,
                    STR_ARG(a), STR_ARG(b));
            return;
        }
        line++;
    }
}

static const char *current_path;

static void name_the_line(void)
{
    const char *line = getenv("SCENARIO_LINE");
    fprintf(stderr, "in %s: %s\n", current_path, line ? line : "");
}

static bool run_file(const char *path, bool update)
{
    struct buf text, out;
    current_path = path;
    buf_init(&text, 4 * 1024 * 1024);
    buf_init(&out, 4 * 1024 * 1024);
    bool ok = read_file(path, &text) && text.len && text.ptr[0] == '#' &&
              play(buf_str(&text), path, &out);
    if (ok && update) {
        write_file(path, buf_str(&out));
    } else if (ok && !str_eq(buf_str(&text), buf_str(&out))) {
        print_difference(path, buf_str(&text), buf_str(&out));
        ok = false;
    }
    buf_deinit(&text);
    buf_deinit(&out);
    return ok;
}

static int is_scenario(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return n > 4 && strcmp(d->d_name + n - 4, ".txt") == 0;
}

int main(int argc, char **argv)
{
    struct dirent **names;
    int passed = 0, failed = 0;
    bool update = getenv("UPDATE") != NULL;
    check_set_hook(name_the_line);
    int n = argc == 2 ? scandir(argv[1], &names, is_scenario, alphasort) : -1;
    if (n < 0) {
        fprintf(stderr, "usage: run_scenarios DIR\n");
        return 2;
    }
    for (int i = 0; i < n; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", argv[1], names[i]->d_name);
        bool ok = run_file(path, update);
        passed += ok;
        failed += !ok;
        free(names[i]);
    }
    free(names);
    printf("%d passed, %d failed\n", passed, failed);
    return failed || !passed;
}
