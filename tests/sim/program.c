/* Making programs, and reading from a history how far one has come. What it decides is in
 * decide.c. */
#include "tests/sim/program.h"

#include <stdlib.h>

static struct duration span(struct rand *r, int64_t min_ms, int64_t max_ms)
{
    return DURATION_MS(min_ms + (int64_t)rand_below(r, (uint64_t)(max_ms - min_ms)));
}

static const struct {
    unsigned feature;
    enum step_kind kind;
} kinds[] = {
    { FEATURE_ACTIVITY, STEP_ACTIVITY },
    { FEATURE_ACTIVITY, STEP_ACTIVITY },
    { FEATURE_TIMER, STEP_TIMER },
    { FEATURE_MARKER, STEP_MARKER },
    { FEATURE_SIGNAL, STEP_SIGNALS },
    { FEATURE_CHILD, STEP_CHILD },
    { FEATURE_EXTERNAL, STEP_SIGNAL_EXTERNAL },
    { FEATURE_EXTERNAL_CANCEL, STEP_CANCEL_EXTERNAL },
    { FEATURE_CANCEL_STEP, STEP_CANCELLED_ACTIVITY },
    { FEATURE_CANCEL_STEP, STEP_CANCELLED_TIMER },
};

static struct step make_step(struct rand *r, unsigned depth)
{
    struct step s = { .kind = STEP_MARKER };
    unsigned features = world.swarm.features;
    for (int tries = 0; tries < 8; tries++) {
        size_t k = rand_below(r, ARRAY_LEN(kinds));
        bool deep = kinds[k].kind == STEP_CHILD && depth >= DEPTH_MAX;
        bool lost = kinds[k].kind == STEP_SIGNALS && depth > 0; /* nobody signals children */
        if (features & kinds[k].feature && !deep && !lost) {
            s.kind = kinds[k].kind;
            break;
        }
    }
    s.span = rand_below(r, 4) == 0 ? span(r, 1000, 9000) : span(r, 5, 900);
    s.heartbeats = features & FEATURE_HEARTBEAT && rand_below(r, 3) == 0;
    if (features & FEATURE_RETRY) {
        s.fails = (unsigned)rand_below(r, 4);
        s.max_attempts = rand_below(r, 3) == 0 ? 1 + (unsigned)rand_below(r, 3) : 0;
    }
    s.signals = 1 + (unsigned)rand_below(r, 3);
    s.target = (unsigned)rand_below(r, world.swarm.workflows);
    if (features & FEATURE_LONG && s.kind == STEP_MARKER) {
        s.bulk = (unsigned)rand_below(r, 300 << 10);
    }
    s.policy = 1 + (unsigned)rand_below(r, 3);
    s.wait = rand_below(r, 4) > 0;
    s.child = rand_u64(r);
    return s;
}

static void program_make(struct program *p, uint64_t seed, unsigned depth, unsigned runs_left)
{
    struct rand r = { hash_u64(seed + runs_left * 977) };
    *p = (struct program){ .seed = seed, .depth = depth, .runs_left = runs_left };
    p->groups = 1 + (unsigned)rand_below(&r, depth ? 2 : GROUPS_MAX);
    for (unsigned g = 0; g < p->groups; g++) {
        p->steps[g] = 1 + (unsigned)rand_below(&r, STEPS_MAX);
        for (unsigned s = 0; s < p->steps[g]; s++) {
            p->step[g][s] = make_step(&r, depth);
        }
    }
    p->honours_cancel = rand_below(&r, 4) > 0;
    if (world.swarm.features & FEATURE_WORKFLOW_RETRY && depth == 0 && rand_below(&r, 3) == 0) {
        p->fails = 1 + (unsigned)rand_below(&r, 2);
    }
}

uint64_t program_runs(uint64_t seed)
{
    return world.swarm.features & FEATURE_CONTINUE ? hash_u64(seed ^ 5) % 3 : 0;
}

struct str program_type(struct arena *arena, uint64_t seed, unsigned depth, unsigned runs_left)
{
    return str_printf(arena, "p-%llu-%u-%u", (unsigned long long)seed, depth, runs_left);
}

bool program_parse(struct str type, struct program *ret)
{
    uint64_t seed, depth, left;
    struct str rest;
    if (!str_eq(str_split(type, '-', &rest), STR("p"))) {
        return false;
    }
    if (!str_to_u64(str_split(rest, '-', &rest), &seed) ||
            !str_to_u64(str_split(rest, '-', &rest), &depth) || !str_to_u64(rest, &left)) {
        return false;
    }
    program_make(ret, seed, (unsigned)depth, (unsigned)left);
    return true;
}

/* Only activities on the workflow's own queue may be handed out with its task. */
const char *activity_queue(void)
{
    return world.swarm.features & FEATURE_EAGER_ACTIVITY ? "wq" : "aq";
}

struct str activity_result(
        struct arena *arena, struct str workflow_type, struct str activity_id, int attempt)
{
    return str_printf(arena, "r:" STR_FMT ":" STR_FMT ":%d", STR_ARG(workflow_type),
            STR_ARG(activity_id), attempt);
}

struct str step_name(struct arena *arena, unsigned group, unsigned step)
{
    return str_printf(arena, "%u.%u", group, step);
}

bool step_parse(struct str name, unsigned *group, unsigned *step)
{
    if (name.len < 3 || name.ptr[name.len - 2] != '.') {
        return false;
    }
    *group = (unsigned)(name.ptr[name.len - 3] - '0');
    *step = (unsigned)(name.ptr[name.len - 1] - '0');
    return *group < GROUPS_MAX && *step < STEPS_MAX;
}

/* ---- progress ---------------------------------------------------------------------------------- */

static struct step_state *state_named(struct progress *p, struct str name)
{
    unsigned g, s;
    return step_parse(name, &g, &s) ? &p->state[g][s] : NULL;
}

static struct step_state *state_begun(struct progress *p, int64_t event)
{
    for (unsigned g = 0; g < GROUPS_MAX; g++) {
        for (unsigned s = 0; s < STEPS_MAX; s++) {
            if (event && p->state[g][s].begun == event) {
                return &p->state[g][s];
            }
        }
    }
    return NULL;
}

static const struct {
    uint8_t name_field; /* begins the step of this name */
    char outcome;       /* ends the step that began with ev_beginning */
} event_rows[EV_TYPE_MAX] = {
    [EV_ACTIVITY_SCHEDULED] = { .name_field = 1 },
    [EV_TIMER_STARTED] = { .name_field = 1 },
    [EV_MARKER] = { .name_field = 1 },
    [EV_CHILD_INITIATED] = { .name_field = 2 },
    [EV_EXTERNAL_SIGNAL_INITIATED] = { .name_field = 4 },
    [EV_EXTERNAL_CANCEL_INITIATED] = { .name_field = 4 },
    [EV_ACTIVITY_COMPLETED] = { .outcome = 'c' },
    [EV_ACTIVITY_FAILED] = { .outcome = 'f' },
    [EV_ACTIVITY_TIMED_OUT] = { .outcome = 't' },
    [EV_ACTIVITY_CANCELED] = { .outcome = 'x' },
    [EV_TIMER_FIRED] = { .outcome = 'c' },
    [EV_TIMER_CANCELED] = { .outcome = 'x' },
    [EV_CHILD_START_FAILED] = { .outcome = 's' },
    [EV_CHILD_STARTED] = { .outcome = 'S' },
    [EV_CHILD_COMPLETED] = { .outcome = 'c' },
    [EV_CHILD_FAILED] = { .outcome = 'f' },
    [EV_CHILD_CANCELED] = { .outcome = 'x' },
    [EV_CHILD_TIMED_OUT] = { .outcome = 't' },
    [EV_CHILD_TERMINATED] = { .outcome = 'T' },
    [EV_EXTERNAL_SIGNAL_FAILED] = { .outcome = 'f' },
    [EV_EXTERNAL_SIGNALED] = { .outcome = 'c' },
    [EV_EXTERNAL_CANCEL_FAILED] = { .outcome = 'f' },
    [EV_EXTERNAL_CANCELED] = { .outcome = 'c' },
};

static void end_step(struct progress *p, struct step_state *st, enum ev_type type)
{
    size_t at = (size_t)(st - &p->state[0][0]);
    const struct step *step = &p->program.step[at / STEPS_MAX][at % STEPS_MAX];
    if (type == EV_CHILD_STARTED && step->wait) {
        return;
    }
    if (!st->over) {
        st->outcome = event_rows[type].outcome;
    }
    st->over = true;
}

static void take_event(struct progress *p, const struct ev *e)
{
    struct step_state *st;
    p->last_event = e->id;
    p->signals += e->type == EV_SIGNALED;
    p->cancel_requested |= e->type == EV_CANCEL_REQUESTED;
    p->closed |= ev_closes_run(e->type);
    progress_take_update(p, e);
    if (event_rows[e->type].name_field) {
        st = state_named(p, ev_bytes(e->attributes, event_rows[e->type].name_field));
        if (st) {
            st->begun = e->id;
            st->over |= e->type == EV_MARKER;
        }
    }
    int64_t begun = ev_beginning(e);
    st = state_begun(p, begun);
    if (st && e->type == EV_ACTIVITY_CANCEL_REQUESTED) {
        st->cancelled = true;
    } else if (st && event_rows[e->type].outcome) {
        end_step(p, st, e->type);
    }
}

static void count_others(struct progress *p)
{
    unsigned wanted = 0;
    for (unsigned g = 0; g < p->program.groups; g++) {
        for (unsigned s = 0; s < p->program.steps[g]; s++) {
            if (p->program.step[g][s].kind == STEP_MARKER) {
                p->state[g][s].outcome = 'm';
            } else if (p->program.step[g][s].kind == STEP_SIGNALS) {
                wanted += p->program.step[g][s].signals;
                p->state[g][s].begun = 1;
                p->state[g][s].over = p->signals >= wanted;
                p->state[g][s].outcome = 'w';
            }
        }
    }
}

bool progress_read(
        struct progress *p, struct str history, struct str workflow_id, struct str run_id)
{
    struct ev e;
    bool bad = false, is_first = true;
    *p = (struct progress){ .workflow_id = workflow_id, .run_id = run_id, .attempt = 1 };
    while (ev_next(&history, &e, &bad)) {
        if (is_first) {
            p->type = ev_bytes(ev_bytes(e.attributes, 1), 1);
            p->attempt = (unsigned)ev_int(e.attributes, 18);
            if (e.type != EV_STARTED || !program_parse(p->type, &p->program)) {
                return false;
            }
        }
        is_first = false;
        take_event(p, &e);
    }
    count_others(p);
    return !bad && !is_first;
}

struct str child_id(struct arena *arena, const struct progress *p, unsigned group, unsigned step)
{
    return str_printf(arena, STR_FMT "/%06llx-%u.%u", STR_ARG(p->workflow_id),
            (unsigned long long)(hash_bytes(p->run_id, 0) & 0xffffff), group, step);
}

struct str progress_result(const struct progress *p, struct arena *arena)
{
    struct buf b;
    buf_init_arena(&b, arena, 1000);
    buf_printf(&b, "ok:" STR_FMT ":", STR_ARG(p->type));
    for (unsigned g = 0; g < p->program.groups; g++) {
        for (unsigned s = 0; s < p->program.steps[g]; s++) {
            buf_append_byte(&b, (uint8_t)p->state[g][s].outcome);
        }
    }
    return buf_str(&b);
}
