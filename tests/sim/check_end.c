/* Checks at the end: every run ended as its program says. */
#include <stdio.h>

#include "tests/sim/check_run.h"
#include "tests/sim/checks.h"
#include "tests/sim/decide.h"

/* ---- runs and their programs ------------------------------------------------------------------- */

static bool is_terminated_by_parent(const struct run_check *r)
{
    struct run_check *parent = r->parent_run.len ? run_check_by_id(r->parent_run) : NULL;
    return parent && parent->close;
}

const struct script *check_script_of(struct str workflow_id)
{
    for (unsigned i = 0; i < world.swarm.workflows; i++) {
        if (str_eq(scripts[i].id, workflow_id)) {
            return &scripts[i];
        }
    }
    return NULL;
}

static struct str whole_history(const struct run_check *r)
{
    struct buf b;
    buf_init_arena(&b, &world.arena, (size_t)64 << 20);
    for (size_t i = 0; i + 1 < r->events.len; i++) { /* without the last one, which closes it */
        wire_put_bytes(&b, 1, r->events.ptr[i].raw);
    }
    return buf_str(&b);
}

static void bad_end(const struct run_check *r, const char *why)
{
    run_check_print(r);
    violation("run " STR_FMT " of " STR_FMT " ends with event type %d: %s", STR_ARG(r->run_id),
            STR_ARG(r->workflow_id), (int)r->close, why);
}

/* What must have come of an activity without a limit of attempts. */
static void check_steps(const struct run_check *r, const struct progress *p)
{
    for (unsigned g = 0; g < p->program.groups; g++) {
        for (unsigned s = 0; s < p->program.steps[g]; s++) {
            const struct step *st = &p->program.step[g][s];
            bool is_unlimited = !st->max_attempts && r->run_until.ns == INSTANT_NEVER.ns;
            /* a reset fails what was with a worker */
            if (st->kind == STEP_ACTIVITY && is_unlimited && !r->base_run.len &&
                    p->state[g][s].outcome != 'c') {
                bad_end(r, "an activity that may be tried for ever did not complete");
            }
            if (st->kind == STEP_TIMER && p->state[g][s].outcome != 'c') {
                bad_end(r, "a timer did not fire");
            }
        }
    }
}

static void check_run_end(const struct run_check *r)
{
    struct progress p;
    const struct script *s = check_script_of(r->workflow_id);
    if (!progress_read(&p, whole_history(r), r->workflow_id, r->run_id)) {
        bad_end(r, "its program is not known");
    }
    switch (r->close) {
    case EV_COMPLETED:
        if (!str_eq(r->result, progress_result(&p, &world.arena))) {
            bad_end(r, "with a wrong result");
        }
        if (progress_owes_updates(&p)) {
            bad_end(r, "without answering an update");
        }
        if (p.program.runs_left || p.attempt <= p.program.fails) {
            bad_end(r, "too early");
        }
        check_steps(r, &p);
        return;
    case EV_CONTINUED:
        if (!p.program.runs_left || !r->new_run.len || progress_owes_updates(&p)) {
            bad_end(r, "without a next run, or without answering an update");
        }
        check_steps(r, &p);
        return;
    case EV_FAILED:
        if (p.attempt > p.program.fails || !r->new_run.len) {
            fprintf(stderr, "attempt %u of %u, retry state %lld\n", p.attempt, p.program.fails,
                    (long long)ev_int(r->events.ptr[r->events.len - 1].attributes, 2));
            bad_end(r, "unplanned");
        }
        return;
    case EV_CANCELED:
        if (!(s ? s->cancel_sent || world.swarm.features & FEATURE_EXTERNAL_CANCEL
                : is_terminated_by_parent(r))) {
            bad_end(r, "nobody asked for it");
        }
        return;
    case EV_TERMINATED:
        if (!(s ? s->terminate_sent || s->reset_count || s->delete_sent
                : is_terminated_by_parent(r))) {
            bad_end(r, "nobody asked for it");
        }
        return;
    case EV_TIMED_OUT:
        if (!s || !s->run_timeout.ns) {
            bad_end(r, "it has no timeout");
        }
        return;
    default:
        bad_end(r, "it is open");
    }
}

void checks_final(void)
{
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        /* what is deleted while it is open has no end (that it may be gone: check_promises.c) */
        if (!r->is_doomed && !(r->is_gone && !r->close)) {
            check_run_end(r);
        }
    }
    check_chains();
    check_promises();
}
