/* Checks at the end of what clients and workers were promised: it is there, as often as it should, and as it was seen. */
#include "tests/sim/check_run.h"
#include "tests/sim/checks.h"

/* ---- promises ---------------------------------------------------------------------------------- */

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
        /* what is buffered behind a workflow task goes with a deleted run */
        if (s->acknowledged[k] && count == 0 && !s->delete_sent) {
            print_chain(s->id);
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
            if (number <= last && !r->is_reset) {
                run_check_print(r);
                violation("run " STR_FMT ": signal %lld comes after %lld", STR_ARG(r->run_id),
                        (long long)number, (long long)last);
            }
            last = number;
        }
    }
}

static bool is_run_or_base(const struct run_check *r, struct str run_id)
{
    while (r && !str_eq(r->run_id, run_id)) {
        r = r->base_run.len ? run_check_by_id(r->base_run) : NULL;
    }
    return r != NULL;
}

/* Resets of one run go on with the same children, whichever of them has started them. */
static bool is_kin(const struct run_check *r, struct str run_id)
{
    const struct run_check *other = run_check_by_id(run_id);
    while (other && !is_run_or_base(r, other->run_id)) {
        other = other->base_run.len ? run_check_by_id(other->base_run) : NULL;
    }
    return other != NULL;
}

/* Told as delivered only if it is: then one of its runs knows of it, or has ended. */
static void check_cancellation(const struct run_check *r, const struct thing *t)
{
    const struct script *target = check_script_of(t->target);
    bool is_known = t->end != EV_EXTERNAL_CANCELED || (target && target->delete_sent);
    map_each(&run_checks, n)
    {
        const struct run_check *to = map_entry(n, struct run_check, node);
        is_known |= str_eq(to->workflow_id, t->target) && (to->cancel_requested || to->close);
    }
    if (!is_known) {
        run_check_print(r);
        violation("the cancellation of " STR_FMT " by event %lld of " STR_FMT " is lost",
                STR_ARG(t->target), (long long)t->begun, STR_ARG(r->run_id));
    }
}

/* A reset has sent it once more, and that one arrived: the target may have been reset, too, and so be open again. */
static bool reset_delivered(const struct run_check *base, const struct thing *t)
{
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        for (size_t i = 0; r != base && is_run_or_base(r, base->run_id) && i < r->things.len; i++) {
            const struct thing *other = &r->things.ptr[i];
            if (other->kind == t->kind && other->begun == t->begun &&
                    str_eq(other->name, t->name) && other->end == EV_EXTERNAL_SIGNALED) {
                return true;
            }
        }
    }
    return false;
}

/* Messages to others: told as delivered exactly if they were. */
static void check_messages(const struct run_check *r)
{
    if (!r->was_live) {
        return; /* the copy that a reset which came to nothing has left */
    }
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
                    was_followed |= here && (to->new_run.len || to->base_run.len);
                }
            }
            /* told as failed although it arrived: what was sent again met a run that had followed or was deleted, or
             * a reset sent what its base had sent already, and the target has ended since */
            bool is_base_s = r->base_run.len && t->begun < r->reset_at;
            bool may_fail = count == 0 || was_followed || is_base_s || reset_delivered(r, t);
            const struct script *target = check_script_of(t->target);
            bool may_be_gone = target && target->delete_sent;
            if ((t->end == EV_EXTERNAL_SIGNALED && count == 0 && !may_be_gone) ||
                    (t->end == EV_EXTERNAL_SIGNAL_FAILED && !may_fail && !may_be_gone)) {
                run_check_print(r);
                violation("message " STR_FMT " arrived %u times, told as %d", STR_ARG(t->name),
                        count, (int)t->end);
            }
        } else if (t->kind == THING_CANCEL_OUT) {
            check_cancellation(r, t);
        } else if (t->kind == THING_CHILD && t->started) {
            struct run_check *child = run_check_by_id(t->child_run);
            if (!child || !is_kin(r, child->parent_run)) {
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

/* ---- updates, deletions ------------------------------------------------------------------------ */

static void check_update(const struct known_update *u)
{
    bool is_everywhere = u->run_id.len == 0, is_accepted = false, is_completed = false;
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        for (size_t i = 0; i < r->things.len; i++) {
            const struct thing *t = &r->things.ptr[i];
            if (t->kind == THING_UPDATE && str_eq(t->name, u->id) &&
                    (is_everywhere || str_eq(r->run_id, u->run_id))) {
                is_accepted = true;
                is_completed |= t->end == EV_UPDATE_COMPLETED;
            }
        }
    }
    /* accepted once and completed once in a run, and not at all if it is refused: check_run.c */
    if ((u->accepted && !is_accepted) || (u->succeeded && !is_completed)) {
        violation("update " STR_FMT " was acknowledged as %s by run " STR_FMT " and is lost",
                STR_ARG(u->id), u->succeeded ? "completed" : "accepted", STR_ARG(u->run_id));
    }
}

/* Gone, to the last row. */
static void check_deleted(const struct script *s)
{
    unsigned gone = 0;
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        const struct store_run_row *row;
        const struct store_log_row *log;
        size_t count;
        bool is_there = sim_db_run(world.db, r->key, &row, &log, &count);
        if (str_eq(r->workflow_id, s->id)) {
            gone += !is_there && r->was_live;
            if (!is_there && r->was_live && !s->delete_sent) {
                violation("run " STR_FMT " of " STR_FMT " is gone", STR_ARG(r->run_id),
                        STR_ARG(s->id));
            }
        }
    }
    if (s->delete_acknowledged && !gone) {
        violation("the acknowledged deletion of " STR_FMT " is lost", STR_ARG(s->id));
    }
}

/* ---- tasks and activities ---------------------------------------------------------------------- */

static const uint8_t event_of_command[20] = {
    [1] = EV_ACTIVITY_SCHEDULED,
    [2] = EV_ACTIVITY_CANCEL_REQUESTED,
    [3] = EV_TIMER_STARTED,
    [4] = EV_COMPLETED,
    [5] = EV_FAILED,
    [6] = EV_TIMER_CANCELED,
    [7] = EV_CANCELED,
    [8] = EV_EXTERNAL_CANCEL_INITIATED,
    [9] = EV_MARKER,
    [10] = EV_CONTINUED,
    [11] = EV_CHILD_INITIATED,
    [12] = EV_EXTERNAL_SIGNAL_INITIATED,
};

static bool is_event_of(enum ev_type type, int command)
{
    return command == 14 /* a message of an update */
                   ? type == EV_UPDATE_ACCEPTED || type == EV_UPDATE_COMPLETED
                   : type == event_of_command[command];
}

/* Deleted before its last rows were ever seen: in the same batch. */
static bool is_deleted(const struct run_check *r)
{
    const struct script *s = check_script_of(r->workflow_id);
    const struct store_run_row *row;
    const struct store_log_row *log;
    size_t count;
    return s && s->delete_sent && !sim_db_run(world.db, r->key, &row, &log, &count);
}

static void check_task(const struct acknowledged_task *t)
{
    const struct run_check *r = run_check_by_id(t->run_id);
    size_t i = 0, k = 0;
    while (r && i < r->events.len &&
            !(r->events.ptr[i].type == EV_TASK_COMPLETED &&
                    ev_int(r->events.ptr[i].attributes, 2) == t->started_event)) {
        i++;
    }
    if (r && i == r->events.len && t->started_event > (int64_t)i && is_deleted(r)) {
        return;
    }
    bool found = r && i++ < r->events.len;
    for (; found && k < t->count; i++) {
        if (i == r->events.len) {
            found = false;
        } else if (is_event_of(r->events.ptr[i].type, t->types[k])) {
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
    if (!found && !(r && !r->close && is_deleted(r))) {
        if (r) {
            run_check_print(r);
        }
        violation("acknowledged activity " STR_FMT " is lost", STR_ARG(a->key));
    }
}

static void check_seen(const struct seen_event *s)
{
    const struct run_check *r = run_check_by_id(s->run_id);
    if (r && s->id > (int64_t)r->events.len && is_deleted(r)) {
        return;
    }
    if (!r || s->id > (int64_t)r->events.len ||
            hash_bytes(r->events.ptr[s->id - 1].raw, 1) != s->hash) {
        if (r) {
            run_check_print(r);
        }
        violation("event %lld of run " STR_FMT " was seen and is not so", (long long)s->id,
                STR_ARG(s->run_id));
    }
}

static void check_script(const struct script *s)
{
    check_signals(s);
    check_deleted(s);
    bool cancelled = !s->cancel_acknowledged || s->delete_sent,
         terminated = !s->terminate_acknowledged;
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

void check_promises(void)
{
    map_each(&run_checks, n)
    {
        const struct run_check *r = map_entry(n, struct run_check, node);
        if (!r->is_doomed) {
            check_signal_order(r);
        }
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
    if (ledger_updates.head.next) {
        list_each(&ledger_updates, n)
        {
            check_update(list_entry(n, struct known_update, node));
        }
    }
}
