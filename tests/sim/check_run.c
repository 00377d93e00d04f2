/* The rules of a valid history, event by event: what must have happened before, what may not have. */
#include "tests/sim/check_run.h"

#include <stdio.h>

struct map run_checks;

#define must(r, e, cond)                                                                         \
    do {                                                                                         \
        if (!(cond)) {                                                                           \
            run_check_print(r);                                                                  \
            violation("run " STR_FMT " event %lld of type %d: not so: %s", STR_ARG((r)->run_id), \
                    (long long)(e)->id, (int)(e)->type, #cond);                                  \
        }                                                                                        \
    } while (0)

void run_check_print(const struct run_check *r)
{
    fprintf(stderr, STR_FMT " " STR_FMT ":", STR_ARG(r->workflow_id), STR_ARG(r->run_id));
    for (size_t i = 0; i < r->events.len; i++) {
        const struct ev *e = &r->events.ptr[i];
        fprintf(stderr, " %lld:%d", (long long)e->id, (int)e->type);
        if (ev_beginning(e)) {
            fprintf(stderr, "<%lld", (long long)ev_beginning(e));
        }
        if (i && e->time.ns < r->events.ptr[i - 1].time.ns) {
            fprintf(stderr, "(%lldus)",
                    (long long)(e->time.ns - r->events.ptr[i - 1].time.ns) / 1000);
        }
    }
    fprintf(stderr, "\n");
}

static struct thing *open_thing(struct run_check *r, enum thing_kind kind, int64_t begun)
{
    for (size_t i = 0; i < r->things.len; i++) {
        struct thing *t = &r->things.ptr[i];
        if (t->begun == begun && t->kind == kind && !t->over) {
            return t;
        }
    }
    return NULL;
}

static bool is_name_open(const struct run_check *r, enum thing_kind kind, struct str name)
{
    for (size_t i = 0; i < r->things.len; i++) {
        const struct thing *t = &r->things.ptr[i];
        if (t->kind == kind && !t->over && str_eq(t->name, name)) {
            return true;
        }
    }
    return false;
}

static struct thing *begin(
        struct run_check *r, const struct ev *e, enum thing_kind kind, struct str name)
{
    struct thing t = { .kind = kind, .begun = e->id, .name = name, .due = INSTANT_NEVER };
    if (kind == THING_ACTIVITY || kind == THING_TIMER || kind == THING_CHILD) {
        must(r, e, !is_name_open(r, kind, name));
    }
    vec_push(&world.arena, &r->things, t);
    return &r->things.ptr[r->things.len - 1];
}

static struct thing *end(struct run_check *r, const struct ev *e, enum thing_kind kind)
{
    struct thing *t = open_thing(r, kind, ev_beginning(e));
    must(r, e, t != NULL);
    t->over = true;
    t->end = e->type;
    t->ended = e->id;
    return t;
}

/* ---- workflow tasks ---------------------------------------------------------------------------- */

/* Here a reset leaves the run that it repeats. Its time to run begins anew, when the reset was asked for: somewhat
 * earlier. */
static void reset_event(struct run_check *r, const struct ev *e)
{
    tally[TALLY_resets]++;
    r->base_run = ev_bytes(e->attributes, 6);
    r->reset_at = e->id;
    if (r->run_until.ns != INSTANT_NEVER.ns) {
        r->run_until = instant_add(e->time, instant_since(r->run_until, r->start));
        r->runs_at_least_until = instant_add(r->start, r->run_timeout); /* it had its delay */
    }
}

/* The first task waits for the run's delay (cron, retry, start delay), unless something came before it. */
static bool waits_for_start(const struct run_check *r, const struct ev *e)
{
    return e->id == 2 && !(world.swarm.features & (FEATURE_UPDATE | FEATURE_UPDATE_WITH_START));
}

static void task_event(struct run_check *r, const struct ev *e)
{
    switch (e->type) {
    case EV_TASK_SCHEDULED:
        must(r, e, !r->task_scheduled);
        must(r, e, implies(waits_for_start(r, e), e->time.ns >= r->first_task_from.ns));
        r->task_scheduled = e->id;
        return;
    case EV_TASK_STARTED:
        must(r, e, r->task_scheduled && !r->task_started);
        must(r, e, ev_beginning(e) == r->task_scheduled);
        r->task_started = e->id;
        return;
    case EV_TASK_COMPLETED:
        must(r, e, r->task_started && ev_int(e->attributes, 2) == r->task_started);
        r->task_completed = e->id;
        /* fall through */
    default:
        must(r, e, r->task_scheduled && ev_beginning(e) == r->task_scheduled);
        must(r, e, ev_int(e->attributes, 2) == r->task_started);
        r->task_scheduled = r->task_started = 0;
        r->is_reset |= ev_reset_run(e).len > 0; /* or its base is */
        if (str_eq(ev_reset_run(e), r->run_id)) {
            reset_event(r, e);
        }
    }
}

/* Where each command's event names the completion that it came with. */
static const uint8_t completed_field[EV_TYPE_MAX] = {
    [EV_COMPLETED] = 2,
    [EV_FAILED] = 3,
    [EV_ACTIVITY_SCHEDULED] = 11,
    [EV_ACTIVITY_CANCEL_REQUESTED] = 2,
    [EV_TIMER_STARTED] = 3,
    [EV_TIMER_CANCELED] = 3,
    [EV_CANCELED] = 1,
    [EV_MARKER] = 3,
    [EV_CONTINUED] = 7,
    [EV_CHILD_INITIATED] = 11,
    [EV_EXTERNAL_SIGNAL_INITIATED] = 1,
    [EV_EXTERNAL_CANCEL_INITIATED] = 1,
};

/* ---- activities, timers, others ---------------------------------------------------------------- */

static void activity_event(struct run_check *r, const struct ev *e)
{
    struct thing *t;
    switch (e->type) {
    case EV_ACTIVITY_SCHEDULED:
        begin(r, e, THING_ACTIVITY, ev_bytes(e->attributes, 1));
        return;
    case EV_ACTIVITY_STARTED:
        t = open_thing(r, THING_ACTIVITY, ev_beginning(e));
        must(r, e, t && !t->started);
        t->started = e->id;
        t->attempt = (int)ev_int(e->attributes, 4);
        return;
    case EV_ACTIVITY_CANCEL_REQUESTED:
        t = open_thing(r, THING_ACTIVITY, ev_beginning(e));
        must(r, e, t && !t->cancel_requested);
        t->cancel_requested = true;
        return;
    default:
        break;
    }
    t = end(r, e, THING_ACTIVITY);
    must(r, e, ev_int(e->attributes, e->type == EV_ACTIVITY_CANCELED ? 4 : 3) == t->started);
    must(r, e,
            implies(e->type == EV_ACTIVITY_COMPLETED || e->type == EV_ACTIVITY_FAILED, t->started));
    must(r, e, implies(e->type == EV_ACTIVITY_CANCELED, t->cancel_requested));
    if (e->type == EV_ACTIVITY_COMPLETED) {
        struct str text = payloads_text(ev_bytes(e->attributes, 1));
        struct str any = activity_result(&world.arena, r->type, t->name, 0);
        struct str own = activity_result(&world.arena, r->type, t->name, t->attempt);
        must(r, e, str_eq(text, any) || str_eq(text, own)); /* not of an earlier attempt */
    }
}

static void timer_event(struct run_check *r, const struct ev *e)
{
    if (e->type == EV_TIMER_STARTED) {
        struct thing *t = begin(r, e, THING_TIMER, ev_bytes(e->attributes, 1));
        t->due = instant_add(e->time, wire_duration(ev_bytes(e->attributes, 2)));
        return;
    }
    struct thing *t = end(r, e, THING_TIMER);
    must(r, e, str_eq(t->name, ev_bytes(e->attributes, 1)));
    must(r, e, implies(e->type == EV_TIMER_FIRED, e->time.ns >= t->due.ns)); /* not early */
}

static void child_event(struct run_check *r, const struct ev *e)
{
    struct thing *t;
    if (e->type == EV_CHILD_INITIATED) {
        t = begin(r, e, THING_CHILD, ev_bytes(e->attributes, 2));
        return;
    }
    if (e->type == EV_CHILD_STARTED) {
        t = open_thing(r, THING_CHILD, ev_beginning(e));
        must(r, e, t && !t->started);
        t->started = e->id;
        t->child_id = ev_bytes(ev_bytes(e->attributes, 3), 1);
        t->child_run = ev_bytes(ev_bytes(e->attributes, 3), 2);
        return;
    }
    t = end(r, e, THING_CHILD);
    must(r, e, (e->type == EV_CHILD_START_FAILED) == !t->started);
}

bool run_check_has_update(const struct run_check *r, struct str id)
{
    for (size_t i = 0; i < r->things.len; i++) {
        const struct thing *t = &r->things.ptr[i];
        if (t->kind == THING_UPDATE && str_eq(t->name, id)) {
            return true;
        }
    }
    return false;
}

static void update_event(struct run_check *r, const struct ev *e)
{
    struct str id = ev_update_id(e);
    must(r, e, id.len > 0);
    if (e->type == EV_UPDATE_ADMITTED) {
        must(r, e, r->is_reset); /* stored only when it comes again */
        must(r, e, !run_check_has_update(r, id));
        vec_push(&world.arena, &r->admitted, id);
    } else if (e->type == EV_UPDATE_ACCEPTED) {
        must(r, e, update_kind(id) != 'r' && !run_check_has_update(r, id));
        begin(r, e, THING_UPDATE, id);
    } else {
        struct thing *t = end(r, e, THING_UPDATE);
        must(r, e, str_eq(t->name, id));
        struct str result = payloads_text(ev_bytes(ev_bytes(e->attributes, 2), 1));
        must(r, e, str_eq(result, update_result(&world.arena, id)));
    }
}

static void start_event(struct run_check *r, const struct ev *e)
{
    must(r, e, e->id == 1);
    r->type = ev_bytes(ev_bytes(e->attributes, 1), 1);
    r->attempt = (unsigned)ev_int(e->attributes, 18);
    r->start = e->time;
    r->parent_run = ev_bytes(ev_bytes(e->attributes, 3), 2);
    struct duration run = wire_duration(ev_bytes(e->attributes, 8));
    struct duration delay = wire_duration(ev_bytes(e->attributes, 21));
    r->first_task_from = instant_add(e->time, delay);
    r->run_until = run.ns ? instant_add(instant_add(e->time, delay), run) : INSTANT_NEVER;
    r->runs_at_least_until = r->run_until;
    r->run_timeout = run;
}

static void close_event(struct run_check *r, const struct ev *e)
{
    static const uint8_t new_run[EV_TYPE_MAX] = {
        [EV_COMPLETED] = 3, [EV_FAILED] = 4, [EV_TIMED_OUT] = 2, [EV_CONTINUED] = 1
    };
    must(r, e, !r->task_started);
    must(r, e, implies(e->type == EV_TIMED_OUT, e->time.ns >= r->runs_at_least_until.ns));
    must(r, e, implies(e->type == EV_CANCELED, r->cancel_requested));
    r->close = e->type;
    r->closed_at = world.now;
    tally[TALLY_retried_or_cron] += e->type != EV_CONTINUED && new_run[e->type] &&
                                    ev_bytes(e->attributes, new_run[e->type]).len > 0;
    r->new_run = new_run[e->type] ? ev_bytes(e->attributes, new_run[e->type]) : STR("");
    r->result = e->type == EV_COMPLETED ? payloads_text(ev_bytes(e->attributes, 1)) : STR("");
}

/* A reset sends again what its base has not heard the end of. A receiver knows it by the request id if the first run
 * of all resets wrote it. What a reset wrote itself, a reset of that one sends as its own: twice is not promised away
 * (the Go server makes a new request id at each reset), and either may come first. */
static bool has_reset(const struct run_check *base)
{
    map_each(&run_checks, n)
    {
        if (str_eq(map_entry(n, struct run_check, node)->base_run, base->run_id)) {
            return true;
        }
    }
    return false;
}

static bool may_come_again(const struct ev *e)
{
    struct str sender_run = ev_bytes(ev_bytes(e->attributes, 6), 2);
    const struct run_check *sender = sender_run.len ? run_check_by_id(sender_run) : NULL;
    const struct run_check *base =
            sender && sender->base_run.len ? run_check_by_id(sender->base_run) : NULL;
    return (base && base->is_reset) || (sender && sender->is_reset && has_reset(sender));
}

static void other_event(struct run_check *r, const struct ev *e)
{
    struct str name = ev_bytes(e->attributes, 1);
    switch (e->type) {
    case EV_STARTED:
        start_event(r, e);
        return;
    case EV_SIGNALED:
        for (size_t i = 0; i < r->signals.len; i++) {
            /* delivered once; a reset may repeat two runs that both had it, the second one because it was sent again */
            must(r, e, r->is_reset || !str_eq(r->signals.ptr[i], name) || may_come_again(e));
        }
        vec_push(&world.arena, &r->signals, name);
        return;
    case EV_CANCEL_REQUESTED:
        must(r, e, !r->cancel_requested);
        r->cancel_requested = true;
        return;
    case EV_EXTERNAL_SIGNAL_INITIATED:
        begin(r, e, THING_SIGNAL_OUT, ev_bytes(e->attributes, 4))->target =
                ev_bytes(ev_bytes(e->attributes, 3), 1);
        return;
    case EV_EXTERNAL_SIGNAL_FAILED:
    case EV_EXTERNAL_SIGNALED:
        end(r, e, THING_SIGNAL_OUT);
        return;
    case EV_EXTERNAL_CANCEL_INITIATED:
        begin(r, e, THING_CANCEL_OUT, ev_bytes(e->attributes, 4))->target =
                ev_bytes(ev_bytes(e->attributes, 3), 1);
        return;
    case EV_UPDATE_ADMITTED:
    case EV_UPDATE_ACCEPTED:
    case EV_UPDATE_COMPLETED:
        update_event(r, e);
        return;
    case EV_EXTERNAL_CANCEL_FAILED:
    case EV_EXTERNAL_CANCELED:
        end(r, e, THING_CANCEL_OUT);
        return;
    default:
        return;
    }
}

static void count_event(const struct ev *e)
{
    static const uint8_t counted[EV_TYPE_MAX] = {
        [EV_STARTED] = TALLY_runs + 1,
        [EV_CONTINUED] = TALLY_continued + 1,
        [EV_SIGNALED] = TALLY_signals + 1,
        [EV_UPDATE_ACCEPTED] = TALLY_updates_accepted + 1,
        [EV_UPDATE_ADMITTED] = TALLY_updates_again + 1,
        [EV_CHILD_STARTED] = TALLY_children + 1,
        [EV_ACTIVITY_COMPLETED] = TALLY_activities + 1,
        [EV_EXTERNAL_SIGNALED] = TALLY_signals_out + 1,
        [EV_EXTERNAL_CANCELED] = TALLY_cancels_out + 1,
    };
    if (counted[e->type]) {
        tally[counted[e->type] - 1]++;
    }
}

void run_check_event(struct run_check *r, const struct ev *e)
{
    vec_push(&world.arena, &r->events, *e);
    count_event(e);
    must(r, e, e->id == r->next_event);
    must(r, e, (e->id == 1) == (e->type == EV_STARTED));
    /* What comes from outside during a workflow task is written behind it, with its own time; so is
     * an activity's start, when the activity ends. */
    bool is_own = completed_field[e->type] || ev_closes_run(e->type) ||
                  (e->type >= EV_TASK_SCHEDULED && e->type <= EV_TASK_FAILED);
    must(r, e, implies(is_own, e->time.ns >= r->last_time.ns));
    r->last_time = is_own ? e->time : r->last_time;
    must(r, e, !r->close);
    must(r, e, !r->task_started || (e->type >= EV_TASK_COMPLETED && e->type <= EV_TASK_FAILED));
    r->next_event++;
    if (completed_field[e->type] &&
            !(e->type == EV_ACTIVITY_CANCEL_REQUESTED && !ev_int(e->attributes, 2))) {
        must(r, e, ev_int(e->attributes, completed_field[e->type]) == r->task_completed);
    }
    if (e->type >= EV_TASK_SCHEDULED && e->type <= EV_TASK_FAILED) {
        task_event(r, e);
    } else if (e->type >= EV_ACTIVITY_SCHEDULED && e->type <= EV_ACTIVITY_CANCELED) {
        activity_event(r, e);
    } else if (e->type >= EV_TIMER_STARTED && e->type <= EV_TIMER_CANCELED) {
        timer_event(r, e);
    } else if (e->type >= EV_CHILD_INITIATED && e->type <= EV_CHILD_TERMINATED) {
        child_event(r, e);
    } else if (ev_closes_run(e->type)) {
        close_event(r, e);
    } else {
        other_event(r, e);
    }
}

struct instant run_check_timers(const struct run_check *r, struct instant buffered)
{
    struct instant at = r->run_until;
    for (size_t i = 0; i < r->things.len; i++) {
        const struct thing *t = &r->things.ptr[i];
        bool may_have_fired = r->task_scheduled && t->due.ns <= buffered.ns;
        if (!t->over && !may_have_fired) {
            at = instant_min(at, t->due);
        }
    }
    return at;
}

bool run_check_waits(const struct run_check *r)
{
    for (size_t i = 0; i < r->things.len; i++) {
        const struct thing *t = &r->things.ptr[i];
        if (!t->over &&
                (t->kind == THING_ACTIVITY || t->kind == THING_SIGNAL_OUT ||
                        t->kind == THING_CANCEL_OUT || (t->kind == THING_CHILD && !t->started))) {
            return true;
        }
    }
    return r->task_scheduled || (!r->task_completed && !r->parent_run.len);
}

struct run_check *run_check_by_id(struct str run_id)
{
    map_each(&run_checks, n)
    {
        struct run_check *r = map_entry(n, struct run_check, node);
        if (str_eq(r->run_id, run_id)) {
            return r;
        }
    }
    return NULL;
}

unsigned run_check_count(struct str workflow_id)
{
    unsigned count = 0;
    map_each(&run_checks, n)
    {
        count += str_eq(map_entry(n, struct run_check, node)->workflow_id, workflow_id);
    }
    return count;
}
