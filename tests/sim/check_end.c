/* Checks at the end: nothing that was promised is lost, and every run ended as its program says. */
#include <stdio.h>

#include "tests/sim/check_run.h"
#include "tests/sim/checks.h"

/* ---- runs and their programs ------------------------------------------------------------------- */

static bool is_terminated_by_parent(const struct run_check *r)
{
    struct run_check *parent = r->parent_run.len ? run_check_by_id(r->parent_run) : NULL;
    return parent && parent->close;
}

static struct script *script_of(struct str workflow_id)
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
            if (st->kind == STEP_ACTIVITY && is_unlimited && p->state[g][s].outcome != 'c') {
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
    const struct script *s = script_of(r->workflow_id);
    if (!progress_read(&p, whole_history(r), r->workflow_id, r->run_id)) {
        bad_end(r, "its program is not known");
    }
    switch (r->close) {
    case EV_COMPLETED:
        if (!str_eq(r->result, progress_result(&p, &world.arena))) {
            bad_end(r, "with a wrong result");
        }
        if (p.program.runs_left || p.attempt <= p.program.fails) {
            bad_end(r, "too early");
        }
        check_steps(r, &p);
        return;
    case EV_CONTINUED:
        if (!p.program.runs_left || !r->new_run.len) {
            bad_end(r, "without a next run");
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
        if (!(s ? s->cancel_sent : is_terminated_by_parent(r))) {
            bad_end(r, "nobody asked for it");
        }
        return;
    case EV_TERMINATED:
        if (!(s ? s->terminate_sent : is_terminated_by_parent(r))) {
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

/* ---- chains ------------------------------------------------------------------------------------ */

/* Each run of a workflow follows from the one before. */
static void check_chain(struct str workflow_id)
{
    struct str next = STR("");
    unsigned first = 0;
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        if (!str_eq(r->workflow_id, workflow_id)) {
            continue;
        }
        if (!next.len ? first++ : !str_eq(r->run_id, next)) {
            violation("run " STR_FMT " of " STR_FMT " follows from nothing", STR_ARG(r->run_id),
                    STR_ARG(workflow_id));
        }
        next = r->new_run;
    }
    if (next.len) {
        violation("run " STR_FMT " was announced and is not there", STR_ARG(next));
    }
    if (!first) {
        violation("workflow " STR_FMT " is not there", STR_ARG(workflow_id));
    }
}

/* ---- promises ---------------------------------------------------------------------------------- */

static unsigned count_signal(struct str workflow_id, struct str name)
{
    unsigned count = 0;
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        for (size_t i = 0; i < r->signals.len && str_eq(r->workflow_id, workflow_id); i++) {
            count += str_eq(r->signals.ptr[i], name);
        }
    }
    return count;
}

static void check_signals(const struct script *s)
{
    for (unsigned k = 0; k < s->signals; k++) {
        struct str name = str_printf(&world.arena, "s%u", k);
        unsigned count = count_signal(s->id, name);
        if (s->acknowledged[k] && count == 0) {
            violation("signal " STR_FMT " of " STR_FMT " is lost", STR_ARG(name), STR_ARG(s->id));
        }
        /* Within a run it can't come twice (check_run.c). One that is sent again, by the client or by
         * a frontend whose link broke, may meet the next run, which does not know it. */
        if (count > 1 && count > run_check_count(s->id)) {
            violation("signal " STR_FMT " of " STR_FMT " came %u times", STR_ARG(name),
                    STR_ARG(s->id), count);
        }
    }
}

/* Within a run, the signals of a client come in the order in which it sent them. */
static void check_signal_order(const struct run_check *r)
{
    int64_t last = -1, number;
    for (size_t i = 0; i < r->signals.len; i++) {
        struct str name = r->signals.ptr[i];
        if (name.ptr[0] == 's' && str_to_i64(str_drop(name, 1), &number)) {
            if (number <= last) {
                run_check_print(r);
                violation("run " STR_FMT ": signal %lld comes after %lld", STR_ARG(r->run_id),
                        (long long)number, (long long)last);
            }
            last = number;
        }
    }
}

static void print_chain(struct str workflow_id)
{
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        if (str_eq(r->workflow_id, workflow_id)) {
            run_check_print(r);
        }
    }
}

static void check_script(const struct script *s)
{
    check_chain(s->id);
    check_signals(s);
    bool cancelled = !s->cancel_acknowledged, terminated = !s->terminate_acknowledged;
    bool started = !s->run_id.len;
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        if (str_eq(r->workflow_id, s->id)) {
            /* to cancel what has ended is a success, too */
            bool had_ended = !r->new_run.len && r->closed_at.ns <= s->cancel_acknowledged_at.ns;
            cancelled |= r->cancel_requested || had_ended;
            terminated |= r->close == EV_TERMINATED;
            started |= str_eq(r->run_id, s->run_id);
        }
    }
    if (!cancelled || !terminated || !started) {
        print_chain(s->id);
        violation("an acknowledged %s of " STR_FMT " is lost",
                !started    ? "start"
                : cancelled ? "termination"
                            : "cancellation",
                STR_ARG(s->id));
    }
}

/* Messages to others: told as delivered exactly if they were. */
static void check_messages(const struct run_check *r)
{
    for (size_t i = 0; i < r->things.len; i++) {
        const struct thing *t = &r->things.ptr[i];
        if (t->kind == THING_SIGNAL_OUT) {
            unsigned count = 0;
            bool was_followed = false;
            map_each(&run_checks, n)
            {
                const struct run_check *to = map_entry(n, struct run_check, node);
                for (size_t k = 0; k < to->signals.len; k++) {
                    bool here = str_eq(to->signals.ptr[k], t->name);
                    count += here;
                    was_followed |= here && to->new_run.len;
                }
            }
            /* told as failed although it arrived: what was sent again met a run that had followed */
            bool may_fail = count == 0 || was_followed;
            if ((t->end == EV_EXTERNAL_SIGNALED && count == 0) ||
                    (t->end == EV_EXTERNAL_SIGNAL_FAILED && !may_fail)) {
                run_check_print(r);
                violation("message " STR_FMT " arrived %u times, told as %d", STR_ARG(t->name),
                        count, (int)t->end);
            }
        } else if (t->kind == THING_CHILD && t->started) {
            struct run_check *child = run_check_by_id(t->child_run);
            if (!child || !str_eq(child->parent_run, r->run_id)) {
                violation("child " STR_FMT " is not there", STR_ARG(t->name));
            }
            enum ev_type told[EV_TYPE_MAX] = { [EV_CHILD_COMPLETED] = EV_COMPLETED,
                [EV_CHILD_FAILED] = EV_FAILED,
                [EV_CHILD_CANCELED] = EV_CANCELED,
                [EV_CHILD_TIMED_OUT] = EV_TIMED_OUT,
                [EV_CHILD_TERMINATED] = EV_TERMINATED };
            if (t->over && child->close != told[t->end]) {
                violation("child " STR_FMT " ended with %d, its parent heard %d", STR_ARG(t->name),
                        (int)child->close, (int)t->end);
            }
        }
    }
}

static const uint8_t event_of_command[20] = {
    [1] = EV_ACTIVITY_SCHEDULED,
    [2] = EV_ACTIVITY_CANCEL_REQUESTED,
    [3] = EV_TIMER_STARTED,
    [4] = EV_COMPLETED,
    [5] = EV_FAILED,
    [6] = EV_TIMER_CANCELED,
    [7] = EV_CANCELED,
    [9] = EV_MARKER,
    [10] = EV_CONTINUED,
    [11] = EV_CHILD_INITIATED,
    [12] = EV_EXTERNAL_SIGNAL_INITIATED,
};

static void check_task(const struct acknowledged_task *t)
{
    const struct run_check *r = run_check_by_id(t->run_id);
    size_t i = 0, k = 0;
    while (r && i < r->events.len &&
            !(r->events.ptr[i].type == EV_TASK_COMPLETED &&
                    ev_int(r->events.ptr[i].attributes, 2) == t->started_event)) {
        i++;
    }
    bool found = r && i++ < r->events.len;
    for (; found && k < t->count; i++) {
        if (i == r->events.len) {
            found = false;
        } else if (r->events.ptr[i].type == event_of_command[t->types[k]]) {
            k++;
        } else {
            found = r->events.ptr[i].type == EV_ACTIVITY_CANCELED;
        }
    }
    if (!found) {
        if (r) {
            run_check_print(r);
        }
        violation("acknowledged workflow task " STR_FMT " is lost, or its command %zu",
                STR_ARG(t->key), k);
    }
}

static void check_activity(const struct known_activity *a)
{
    const struct run_check *r = a->acknowledged ? run_check_by_id(a->run_id) : NULL;
    bool found = !a->acknowledged;
    for (size_t i = 0; r && i < r->things.len; i++) {
        const struct thing *t = &r->things.ptr[i];
        /* what a closing run throws away was acknowledged all the same */
        found |= t->kind == THING_ACTIVITY && str_eq(t->name, a->activity_id) &&
                 (t->end == EV_ACTIVITY_COMPLETED || t->end == EV_ACTIVITY_CANCELED);
    }
    if (!found) {
        if (r) {
            run_check_print(r);
        }
        violation("acknowledged activity " STR_FMT " is lost", STR_ARG(a->key));
    }
}

static void check_seen(const struct seen_event *s)
{
    const struct run_check *r = run_check_by_id(s->run_id);
    if (!r || s->id > (int64_t)r->events.len ||
            hash_bytes(r->events.ptr[s->id - 1].raw, 1) != s->hash) {
        if (r) {
            run_check_print(r);
        }
        violation("event %lld of run " STR_FMT " was seen and is not so", (long long)s->id,
                STR_ARG(s->run_id));
    }
}

void checks_final(void)
{
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        check_run_end(r);
        check_signal_order(r);
        check_messages(r);
    }
    for (unsigned i = 0; i < world.swarm.workflows; i++) {
        check_script(&scripts[i]);
    }
    map_each(&ledger_tasks, n)
    {
        check_task(map_entry(n, struct acknowledged_task, node));
    }
    map_each(&ledger_activities, n)
    {
        check_activity(map_entry(n, struct known_activity, node));
    }
    map_each(&ledger_seen, n)
    {
        check_seen(map_entry(n, struct seen_event, node));
    }
}
