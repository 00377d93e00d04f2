/* The engine's properties, checked after each step of any test that drives it. */
#include "tests/history/harness.h"

#include <stdio.h>

#include "history/engine/step.h"

void harness_init(struct harness *h)
{
    *h = (struct harness){ 0 };
    h->wf = workflow_new(&h->live_arena);
    h->twin = workflow_new(&h->twin_arena);
}

void harness_deinit(struct harness *h)
{
    arena_deinit(&h->arena);
    arena_deinit(&h->live_arena);
    arena_deinit(&h->twin_arena);
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
    if (!str_eq(encoded(arena, a), encoded(arena, b))) {
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

enum err harness_step(struct harness *h, const struct event *ev, struct effects *fx, struct fail *f)
{
    struct effects twin_fx;
    struct fail twin_fail = { 0 };
    effects_init(fx, &h->arena);
    effects_init(&twin_fx, &h->arena);
    enum err err = workflow_step(h->wf, ev, fx, f);
    check(workflow_step(h->twin, ev, &twin_fx, &twin_fail) == err);
    h->steps++;
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
    arena_deinit(&h->live_arena);
    arena_deinit(&h->twin_arena);
    h->wf = folded(h, &h->live_arena);
    h->twin = workflow_new(&h->twin_arena);
    check(workflow_decode(h->twin, snapshot, &f) == ERR_NONE);
    check_properties(h);
}
