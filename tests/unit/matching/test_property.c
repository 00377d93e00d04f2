/* Random worlds: three history lanes that respect their credit, polls that come and go, lost messages, restarts.
 * Held against a model that is too simple to be wrong: a set of tasks and where each of them is.
 *
 *     no task is handed out unless it was offered since it was last handed out
 *     the one handed out is of the lowest level that is held, and of these the oldest (equal ages: the one that came
 *     first)
 *     no poll is answered twice, or after it was taken back
 *     a poll does not wait while an offer does
 *     in the end, with polls and time enough, every task is handed out: nothing is stuck */
#include "tests/unit/matching/world.h"

enum { LANES = 3, TASKS = 64, POLLS = 16 };

enum place { FREE, WAITS, HELD };

struct lane_model {
    unsigned incarnation;
    uint32_t credit[PRIORITY_LEVELS];
    enum place place[TASKS];
    unsigned level[TASKS]; /* less one */
    int64_t since[TASKS];
    uint64_t arrived[TASKS]; /* order of arrival of held ones */
    int32_t attempt[TASKS];  /* each life of a task is another attempt */
    bool is_handed[TASKS];   /* this one */
};

struct model {
    struct world w;
    struct rand rnd;
    struct lane_model lanes[LANES];
    bool parked[POLLS];
    uint64_t arrivals;
    bool may_lose, one_level;
};

static unsigned task_id(unsigned lane, unsigned task)
{
    return 1 + lane * TASKS + task;
}

static size_t count_of(const struct lane_model *l, enum place place, unsigned level)
{
    size_t n = 0;
    for (unsigned t = 0; t < TASKS; t++) {
        n += l->place[t] == place && l->level[t] == level;
    }
    return n;
}

static size_t count(const struct lane_model *l, enum place place)
{
    size_t n = 0;
    for (unsigned level = 0; level < PRIORITY_LEVELS; level++) {
        n += count_of(l, place, level);
    }
    return n;
}

/* The first held task of all lanes, 0: none. */
static unsigned first_held(const struct model *m)
{
    unsigned best = 0, level = PRIORITY_LEVELS;
    int64_t since = INT64_MAX;
    uint64_t arrived = 0;
    for (unsigned l = 0; l < LANES; l++) {
        for (unsigned t = 0; t < TASKS; t++) {
            const struct lane_model *lane = &m->lanes[l];
            bool is_before = lane->level[t] != level   ? lane->level[t] < level
                             : lane->since[t] != since ? lane->since[t] < since
                                                       : lane->arrived[t] < arrived;
            if (lane->place[t] == HELD && is_before) {
                best = task_id(l, t);
                level = lane->level[t];
                since = lane->since[t];
                arrived = lane->arrived[t];
            }
        }
    }
    return best;
}

static void take_answers(struct model *m)
{
    for (size_t i = 0; i < world_answers(&m->w); i++) {
        const struct matching_answer *a = &m->w.fx.answers.ptr[i];
        size_t poll = (size_t)(a->poll - m->w.polls);
        cr_assert(m->parked[poll], "answered twice, or after it was taken back");
        m->parked[poll] = false;
        if (a->kind == MATCHING_ANSWER_TASK) {
            unsigned id = world_task_number(&a->task);
            cr_assert_eq(id, first_held(m));
            struct lane_model *l = &m->lanes[(id - 1) / TASKS];
            cr_assert_eq(a->task.attempt, l->attempt[(id - 1) % TASKS]);
            l->place[(id - 1) % TASKS] = FREE;
            l->is_handed[(id - 1) % TASKS] = true;
        }
    }
    world_forget_answers(&m->w);
    bool any_parked = false;
    for (unsigned p = 0; p < POLLS; p++) {
        any_parked |= m->parked[p];
        cr_assert_eq(m->parked[p], matching_poll_parked(&m->w.polls[p]));
    }
    cr_assert(!(any_parked && first_held(m)), "a poll and an offer wait side by side");
}

static void tell(struct model *m, unsigned n, const struct matching_offer *offers, size_t count)
{
    const struct lane_model *l = &m->lanes[n];
    struct matching_level_figures levels[PRIORITY_LEVELS];
    for (unsigned i = 0; i < PRIORITY_LEVELS; i++) {
        levels[i] = (struct matching_level_figures){ i + 1, count_of(l, WAITS, i), { 5 } };
    }
    world_event(&m->w, (struct matching_event){ .kind = MATCHING_ADVERTISE,
                               .advertise = { .from = { world_id(n + 1), 0 },
                                       .incarnation = l->incarnation,
                                       .queue = world_queue("q", TASK_QUEUE_WORKFLOW),
                                       .backlog = levels[PRIORITY_NORMAL - 1].backlog,
                                       .oldest = { 5 },
                                       .levels = levels,
                                       .level_count = PRIORITY_LEVELS,
                                       .offers = offers,
                                       .offer_count = count } });
    take_answers(m);
}

/* Sends what credit allows, the first level first, the oldest of it first, or only the figures; the message may be lost. */
static void advertise(struct model *m, unsigned n)
{
    struct lane_model *l = &m->lanes[n];
    struct matching_offer offers[TASKS];
    unsigned sent[TASKS];
    size_t k = 0;
    for (unsigned level = 0; level < PRIORITY_LEVELS;) {
        unsigned best = TASKS;
        for (unsigned t = 0; l->credit[level] > 0 && t < TASKS; t++) {
            if (l->place[t] == WAITS && l->level[t] == level &&
                    (best == TASKS || l->since[t] < l->since[best])) {
                best = t;
            }
        }
        if (best == TASKS) {
            level++;
            continue;
        }
        offers[k] = world_offer(task_id(n, best), 0);
        offers[k].since.ns = l->since[best];
        offers[k].task.attempt = l->attempt[best];
        offers[k].priority.key = (int32_t)level + 1;
        sent[k++] = best;
        l->place[best] = HELD;
        l->arrived[best] = ++m->arrivals;
        l->credit[level]--;
    }
    if (m->may_lose && rand_below(&m->rnd, 10) == 0) {
        for (size_t i = 0; i < k; i++) {
            l->place[sent[i]] = WAITS; /* history offers it again */
        }
        return;
    }
    tell(m, n, offers, k);
}

static void flush(struct model *m)
{
    world_flush(&m->w);
    for (unsigned n = 0; n < LANES; n++) {
        struct matching_demanded_queue d = world_told(&m->w, n + 1, "q");
        if (m->may_lose && rand_below(&m->rnd, 10) == 0) {
            continue;
        }
        m->lanes[n].credit[PRIORITY_NORMAL - 1] += d.more;
        for (size_t i = 0; i < d.more_at.len; i++) {
            m->lanes[n].credit[d.more_at.ptr[i].level - 1] += d.more_at.ptr[i].more;
        }
        for (size_t i = 0; i < d.gone.len; i++) {
            unsigned t = (world_task_number(&d.gone.ptr[i]) - 1) % TASKS;
            cr_assert_leq(d.gone.ptr[i].attempt, m->lanes[n].attempt[t]);
            cr_assert(d.gone.ptr[i].attempt < m->lanes[n].attempt[t] || m->lanes[n].is_handed[t]);
        }
        cr_assert_eq(d.refused.len, 0);
    }
}

static void new_tasks(struct model *m, unsigned n)
{
    struct lane_model *l = &m->lanes[n];
    for (uint64_t k = rand_below(&m->rnd, 20); k > 0; k--) {
        unsigned t = (unsigned)rand_below(&m->rnd, TASKS);
        if (l->place[t] == FREE) {
            l->place[t] = WAITS;
            l->since[t] = m->w.now.ns - (int64_t)rand_below(&m->rnd, 5);
            l->level[t] = m->one_level ? PRIORITY_NORMAL - 1
                                       : (unsigned)rand_below(&m->rnd, PRIORITY_LEVELS);
            l->attempt[t]++;
            l->is_handed[t] = false;
        }
    }
}

static void full_credit(struct lane_model *l)
{
    for (unsigned i = 0; i < PRIORITY_LEVELS; i++) {
        l->credit[i] = 16;
    }
}

static void restart(struct model *m, unsigned n)
{
    struct lane_model *l = &m->lanes[n];
    l->incarnation++;
    full_credit(l);
    for (unsigned t = 0; t < TASKS; t++) {
        l->place[t] = l->place[t] == HELD ? WAITS : l->place[t];
    }
    if (rand_below(&m->rnd, 2)) {
        world_event(&m->w,
                (struct matching_event){ .kind = MATCHING_MEMBER_GONE, .member = world_id(n + 1) });
    } else {
        tell(m, n, NULL, 0);
    }
    take_answers(m);
}

static void poll(struct model *m, unsigned p)
{
    if (m->parked[p]) {
        uint64_t how = rand_below(&m->rnd, 8);
        if (how == 0) {
            world_expire(&m->w, p);
            cr_assert_eq(world_answer(&m->w, p), 0);
        } else if (how == 1) {
            world_cut(&m->w, p);
            m->parked[p] = false;
        }
    } else {
        m->parked[p] = true;
        world_poll(&m->w, p, "q");
    }
    take_answers(m);
}

static void random_step(struct model *m)
{
    unsigned lane = (unsigned)rand_below(&m->rnd, LANES);
    switch (rand_below(&m->rnd, 12)) {
    case 0:
        new_tasks(m, lane);
        return;
    case 1:
    case 2:
        advertise(m, lane);
        return;
    case 3: /* advertisers are prompt: they send before time passes */
        for (unsigned n = 0; n < LANES; n++) {
            advertise(m, n);
        }
        world_pass(&m->w, DURATION_MS((int64_t)rand_below(&m->rnd, 2000)));
        take_answers(m);
        return;
    case 4:
    case 5:
        flush(m);
        return;
    case 6:
        if (m->may_lose && rand_below(&m->rnd, 10) == 0) {
            restart(m, lane);
        }
        return;
    default:
        poll(m, (unsigned)rand_below(&m->rnd, POLLS));
    }
}

/* Polls for ever, time passes: every task must be gone after a while. */
static void drain(struct model *m)
{
    m->may_lose = false;
    for (int round = 0; round < 200; round++) {
        size_t left = 0;
        for (unsigned n = 0; n < LANES; n++) {
            advertise(m, n);
            left += count(&m->lanes[n], WAITS) + count(&m->lanes[n], HELD);
        }
        if (left == 0) {
            return;
        }
        for (unsigned p = 0; p < POLLS; p++) {
            if (!m->parked[p]) {
                m->parked[p] = true;
                world_poll(&m->w, p, "q");
                take_answers(m);
            }
        }
        flush(m);
        world_pass(&m->w, DURATION_MS(100));
        take_answers(m);
    }
    cr_assert(false, "tasks are stuck");
}

static void run(uint64_t seed, bool may_lose)
{
    struct model *m = calloc(1, sizeof(*m));
    world_init(&m->w, NULL);
    m->rnd = (struct rand){ seed };
    m->may_lose = may_lose;
    m->one_level = seed % 4 == 0;
    for (unsigned n = 0; n < LANES; n++) {
        full_credit(&m->lanes[n]);
        m->lanes[n].incarnation = 1;
    }
    for (int i = 0; i < 400; i++) {
        random_step(m);
        for (unsigned n = 0; !may_lose && n < LANES; n++) {
            for (unsigned k = 0; k < PRIORITY_LEVELS; k++) {
                cr_assert_leq(m->lanes[n].credit[k] + count_of(&m->lanes[n], HELD, k), 16 + POLLS);
            }
        }
    }
    drain(m);
    world_deinit(&m->w);
    free(m);
}

Test(property, nothing_lost)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        run(seed, false);
    }
}

Test(property, lost_messages_and_restarts)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        run(seed, true);
    }
}
