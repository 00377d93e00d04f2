/* Checks at the end of how runs follow each other: by continuing, retry or cron, and by resets. */
#include <stdio.h>

#include "tests/sim/check_run.h"
#include "tests/sim/checks.h"

static void print_chain(struct str workflow_id)
{
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        if (str_eq(r->workflow_id, workflow_id)) {
            fprintf(stderr, "%s%s", r->is_doomed ? "doomed " : "", r->base_run.len ? "reset " : "");
            run_check_print(r);
        }
    }
}

/* Each run of a workflow but the first follows from one before: announced by it, or as its reset. */
static void check_chain(const struct script *s)
{
    unsigned first = 0;
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        if (!str_eq(r->workflow_id, s->id) || !r->was_live) {
            continue;
        }
        /* A reset of a run that had followed copies its first event, not its announcement. */
        if (!run_check_is_announced(r) && !r->base_run.len && first++) {
            print_chain(s->id);
            violation("run " STR_FMT " of " STR_FMT " follows from nothing", STR_ARG(r->run_id),
                    STR_ARG(s->id));
        }
        if (r->new_run.len && !run_check_by_id(r->new_run)) {
            print_chain(s->id);
            violation("run " STR_FMT " was announced and is not there", STR_ARG(r->new_run));
        }
    }
    if (!first) {
        violation("workflow " STR_FMT " is not there", STR_ARG(s->id));
    }
}

/* ---- resets ------------------------------------------------------------------------------------ */

static void bad_reset(const struct run_check *base, const struct run_check *r, const char *why)
{
    run_check_print(base);
    run_check_print(r);
    violation("run " STR_FMT ", reset from " STR_FMT " at %lld: %s", STR_ARG(r->run_id),
            STR_ARG(base->run_id), (long long)r->reset_at, why);
}

static int64_t signal_place(const struct run_check *r, struct str name)
{
    for (size_t i = 0; i < r->signals.len; i++) {
        if (str_eq(r->signals.ptr[i], name)) {
            return (int64_t)i;
        }
    }
    return -1;
}

static bool is_admitted(const struct run_check *r, struct str id)
{
    for (size_t i = 0; i < r->admitted.len; i++) {
        if (str_eq(r->admitted.ptr[i], id)) {
            return true;
        }
    }
    return false;
}

/* The history up to the point is the base's, to the byte; signals and updates that came since come again, in
 * their order. (A request to cancel does not.) */
static void check_reset(const struct run_check *r)
{
    const struct run_check *base = run_check_by_id(r->base_run);
    if (!base || !str_eq(base->workflow_id, r->workflow_id)) {
        violation("run " STR_FMT " is a reset of nothing", STR_ARG(r->run_id));
    }
    if (!base->close) {
        bad_reset(base, r, "the base is open");
    }
    for (int64_t i = 0; i < r->reset_at - 1; i++) {
        if (i >= (int64_t)base->events.len ||
                !str_eq(base->events.ptr[i].raw, r->events.ptr[i].raw)) {
            bad_reset(base, r, "an event before the point is not the base's");
        }
    }
    int64_t last = -1;
    for (size_t i = 0; i < base->signals.len; i++) {
        int64_t place = signal_place(r, base->signals.ptr[i]);
        bool is_first =
                signal_place(base, base->signals.ptr[i]) == (int64_t)i; /* see may_come_again() */
        if (place < 0 || (is_first && place <= last && !base->is_reset)) {
            bad_reset(base, r, "a signal of the base is lost, or out of order");
        }
        last = is_first ? place : last;
    }
    for (size_t i = 0; i < base->things.len; i++) {
        const struct thing *t = &base->things.ptr[i];
        if (t->kind == THING_UPDATE && !is_admitted(r, t->name) &&
                !(run_check_has_update(r, t->name) && t->begun < r->reset_at)) {
            bad_reset(base, r, "an update of the base is lost");
        }
    }
}

static void check_asked_reset(const struct script *s, const struct asked_reset *a)
{
    unsigned found = 0;
    bool is_there = !a->new_run.len;
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        if (r->was_live && str_eq(r->base_run, a->base) && r->reset_at == a->point) {
            found++;
            is_there |= str_eq(r->run_id, a->new_run);
        }
    }
    if (!is_there) {
        print_chain(s->id);
        violation("acknowledged reset of " STR_FMT " to %lld is lost: " STR_FMT, STR_ARG(a->base),
                (long long)a->point, STR_ARG(a->new_run));
    }
    bool again = s->reset_count == 2 && str_eq(s->resets[0].base, s->resets[1].base) &&
                 s->resets[0].point == s->resets[1].point;
    /* sent again when another run had followed, it is not known to have been done */
    if (found > 1 + a->unsure + again && found > run_check_count(s->id) / 2) {
        print_chain(s->id);
        violation("a reset of " STR_FMT " to %lld was done %u times", STR_ARG(a->base),
                (long long)a->point, found);
    }
}

void check_chains(void)
{
    for (unsigned i = 0; i < world.swarm.workflows; i++) {
        const struct script *s = &scripts[i];
        check_chain(s);
        for (unsigned k = 0; k < s->reset_count; k++) {
            check_asked_reset(s, &s->resets[k]);
        }
    }
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        if (r->base_run.len && r->was_live) {
            check_reset(r);
        }
    }
}
