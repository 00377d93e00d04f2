/* The engine's properties, checked after each step of any test that drives it. */
#include "tests/history/harness.h"

#include <stdio.h>

#include "history/engine/step.h"

void harness_init(struct harness *h)
{
    *h = (struct harness){ 0 };
    h->wf = workflow_new(&h->live_arenas[0]);
    h->twin = workflow_new(&h->twin_arenas[0]);
}

void harness_deinit(struct harness *h)
{
    arena_deinit(&h->arena);
    for (unsigned i = 0; i < 2; i++) {
        arena_deinit(&h->live_arenas[i]);
        arena_deinit(&h->twin_arenas[i]);
    }
}

static struct str encoded(struct arena *arena, const struct workflow *wf)
{
    struct buf b;
    buf_init_arena(&b, arena, 256 * 1024 * 1024);
    workflow_encode(wf, &b);
    return buf_str(&b);
}

static struct str dumped(struct arena *arena, const struct workflow *wf)
{
    struct buf b;
    buf_init_arena(&b, arena, 256 * 1024 * 1024);
    workflow_dump(wf, &b);
    return buf_str(&b);
}

static struct workflow *folded(struct harness *h, struct arena *arena)
{
    struct workflow *wf = workflow_new(arena);
    struct fail f = { 0 };
    for (size_t i = 0; i < h->rows.len; i++) {
        const struct row *r = &h->rows.ptr[i];
        enum err err = workflow_fold(wf, r->first_event_id, r->events, r->records, &f);
        if (err) {
            fprintf(stderr, "step %d row %zu: %s\n", h->steps, i, f.message);
        }
        check(!err);
    }
    return wf;
}

static void check_same(struct arena *arena, const struct workflow *a, const struct workflow *b)
{
    if (!str_eq(encoded(arena, a), encoded(arena, b)) ||
            !str_eq(dumped(arena, a), dumped(arena, b))) {
        struct str left = dumped(arena, a), right = dumped(arena, b);
        fprintf(stderr, "states differ:\n" STR_FMT "and\n" STR_FMT, STR_ARG(left), STR_ARG(right));
    }
    check(str_eq(encoded(arena, a), encoded(arena, b)));
    check(str_eq(dumped(arena, a), dumped(arena, b)));
    check(workflow_next_need(a).ns == workflow_next_need(b).ns);
    check(workflow_durable_need(a).ns == workflow_durable_need(b).ns);
}

static void check_properties(struct harness *h)
{
    struct arena scratch = { 0 };
    struct fail f = { 0 };
    struct str live = encoded(&scratch, h->wf);
    struct workflow *fold = folded(h, &scratch);
    struct workflow *copy = workflow_new(&scratch);
    workflow_check_invariants(h->wf);
    check(workflow_decode(copy, live, &f) == ERR_NONE);
    workflow_check_invariants(fold);
    workflow_check_invariants(copy);
    check(str_eq(live, encoded(&scratch, copy)));
    check_same(&scratch, fold, copy);
    check_same(&scratch, h->wf, h->twin);
    if (!workflow_has_volatile(h->wf)) {
        check(str_eq(dumped(&scratch, h->wf), dumped(&scratch, fold)));
    }
    check(implies(workflow_has_volatile(h->wf), workflow_is_open(h->wf)));
    /* waking at the durable need can never be too late for what is due */
    check(workflow_durable_need(h->wf).ns <= workflow_next_need(fold).ns);
    arena_deinit(&scratch);
}

static struct arena *live_arena(struct harness *h)
{
    return &h->live_arenas[h->live_index];
}

static struct arena *twin_arena(struct harness *h)
{
    return &h->twin_arenas[h->twin_index];
}

static struct workflow *moved(struct workflow *wf, struct arena arenas[2], unsigned *index)
{
    struct arena scratch = { 0 };
    struct workflow *copy = workflow_compact(wf, &arenas[!*index], &scratch);
    check(copy);
    arena_deinit(&scratch);
    arena_deinit(&arenas[*index]);
    *index = !*index;
    return copy;
}

static void move_one(struct harness *h)
{
    if (h->steps % 4 == 1) {
        h->wf = moved(h->wf, h->live_arenas, &h->live_index);
    } else if (h->steps % 4 == 3) {
        h->twin = moved(h->twin, h->twin_arenas, &h->twin_index);
    }
}

enum err harness_step(struct harness *h, const struct event *ev, struct effects *fx, struct fail *f)
{
    struct effects twin_fx;
    struct fail twin_fail = { 0 };
    effects_init(fx, &h->arena);
    effects_init(&twin_fx, &h->arena);
    enum err err = workflow_step(h->wf, ev, fx, f);
    check(workflow_step(h->twin, ev, &twin_fx, &twin_fail) == err);
    h->steps++;
    move_one(h);
    if (err) {
        check(fx->event_count == 0 && fx->records.len == 0);
    } else {
        check(str_eq(buf_str(&fx->events), buf_str(&twin_fx.events)));
        check(str_eq(buf_str(&fx->records), buf_str(&twin_fx.records)));
        check(fx->changed == (fx->records.len > 0));
        if (fx->changed) {
            struct row row = { fx->first_event_id, buf_str(&fx->events), buf_str(&fx->records) };
            vec_push(&h->arena, &h->rows, row);
        }
    }
    check_properties(h);
    return err;
}

void harness_crash(struct harness *h)
{
    struct fail f = { 0 };
    struct str snapshot = encoded(&h->arena, h->twin);
    arena_deinit(live_arena(h));
    arena_deinit(twin_arena(h));
    h->wf = folded(h, live_arena(h));
    h->twin = workflow_new(twin_arena(h));
    check(workflow_decode(h->twin, snapshot, &f) == ERR_NONE);
    check_properties(h);
}

/* --- reset ------------------------------------------------------------------------------------------ */

/* The events from the row with ids [first, end). */
static struct str events_of(const struct row *r, int64_t first, int64_t end)
{
    struct str events = r->events, rest, bytes;
    int64_t id = r->first_event_id;
    for (; id < first && history_next(&events, &bytes); id++) {
    }
    rest = events;
    for (; id < end && history_next(&rest, &bytes); id++) {
    }
    events.len = (size_t)(rest.ptr - events.ptr);
    return events;
}

static int64_t row_end(const struct row *r)
{
    struct str events = r->events, bytes;
    int64_t id = r->first_event_id;
    while (history_next(&events, &bytes)) {
        id++;
    }
    return id;
}

/* Rows before the point are copied with their events only; the last piece is part of the reset's own row. */
static struct str copied_rows(struct harness *h, int64_t finish, struct rows *ret)
{
    for (size_t i = 0; i < h->rows.len; i++) {
        const struct row *r = &h->rows.ptr[i];
        int64_t end = row_end(r);
        if (end >= finish) {
            return events_of(r, r->first_event_id, finish);
        }
        if (end > r->first_event_id) {
            struct buf records;
            buf_init_arena(&records, &h->arena, 4096);
            reset_copy_records(&records, end - r->first_event_id);
            struct row row = { r->first_event_id, r->events, buf_str(&records) };
            vec_push(&h->arena, ret, row);
        }
    }
    check(false);
}

static struct str reapplied(struct harness *h, int64_t finish, uint32_t exclude)
{
    struct buf out;
    buf_init_arena(&out, &h->arena, 64 * 1024 * 1024);
    for (size_t i = 0; i < h->rows.len; i++) {
        struct str events = events_of(&h->rows.ptr[i], finish, INT64_MAX), next = events, bytes;
        for (; history_next(&next, &bytes); events = next) {
            if (reset_reapplies(bytes, exclude)) {
                buf_append_str(&out, str_of(events.ptr, (size_t)(next.ptr - events.ptr)));
            }
        }
    }
    return buf_str(&out);
}

static void fold_rows(struct workflow *wf, const struct rows *rows)
{
    struct fail f = { 0 };
    for (size_t i = 0; i < rows->len; i++) {
        const struct row *r = &rows->ptr[i];
        check(!workflow_fold(wf, r->first_event_id, r->events, r->records, &f));
    }
}

enum err harness_reset(struct harness *h, const struct event *ev, int64_t finish, uint32_t exclude,
        struct effects *left, struct effects *fx, struct fail *f)
{
    struct event away = *ev, reset = *ev;
    struct rows rows = { 0 };
    struct arena scratch = { 0 };
    check(finish > 1 && finish < h->wf->next_event_id);
    reset.kind = EVENT_RESET;
    reset.reset.namespace_id = h->wf->namespace_id;
    reset.reset.base_run_id = h->wf->run_id;
    reset.reset.namespace_name = str_dup(&h->arena, h->wf->namespace_name);
    reset.reset.start_request_id = str_dup(&h->arena, h->wf->start_request_id);
    reset.reset.base_copied_until = h->wf->copied_until;
    reset.reset.copied = copied_rows(h, finish, &rows);
    struct workflow *trial =
            workflow_new(&scratch); /* whether it may be is known before anything is done */
    fold_rows(trial, &rows);
    effects_init(fx, &h->arena);
    enum err err = workflow_step(trial, &reset, fx, f);
    arena_deinit(&scratch);
    if (err) {
        return err;
    }
    away.kind = EVENT_RESET_AWAY;
    away.reset_away = (struct event_reset_away){ reset.reset.run_id, reset.reset.reason };
    check(!harness_step(h, &away, left, f));
    reset.reset.reapply = reapplied(h, finish, exclude);
    arena_deinit(live_arena(h));
    arena_deinit(twin_arena(h));
    h->wf = workflow_new(live_arena(h));
    h->twin = workflow_new(twin_arena(h));
    h->rows = rows;
    fold_rows(h->wf, &rows);
    fold_rows(h->twin, &rows);
    return harness_step(h, &reset, fx, f);
}
