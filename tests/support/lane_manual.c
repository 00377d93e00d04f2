/* The lane door without threads and without a loop, for unit tests and fuzz harnesses. */
#include "tests/support/lane_manual.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/obs/metrics.h"

struct lane {
    struct instant now;
    struct duration clock_offset;
    struct heap timers;
    struct arena scratch;
    struct rand rand;
    struct metrics metrics;
    struct lane_task *tasks, **tasks_end;
    struct lane_hook *hooks, **hooks_end;
};

struct lane *lane_manual_new(void)
{
    struct lane *l = calloc(1, sizeof(*l));
    check(l);
    l->now.ns = 1000000000;
    l->tasks_end = &l->tasks;
    l->hooks_end = &l->hooks;
    return l;
}

void lane_manual_free(struct lane *lane)
{
    arena_deinit(&lane->scratch);
    free(lane);
}

void lane_manual_turn(struct lane *lane)
{
    while (lane->tasks) {
        struct lane_task *t = lane->tasks;
        lane->tasks = t->next;
        if (!lane->tasks) {
            lane->tasks_end = &lane->tasks;
        }
        t->run(t);
    }
    for (struct lane_hook *h = lane->hooks; h; h = h->next) {
        h->run(h);
    }
    arena_reset(&lane->scratch);
}

void lane_manual_advance(struct lane *lane, struct duration by)
{
    lane->now = instant_add(lane->now, by);
    struct heap_node *n;
    while ((n = heap_min(&lane->timers)) && n->key <= lane->now.ns) {
        struct lane_timer *t = container_of(n, struct lane_timer, node);
        heap_remove(&lane->timers, n);
        t->fire(t);
    }
    lane_manual_turn(lane);
}

struct instant lane_now(const struct lane *lane)
{
    return instant_add(lane->now, lane->clock_offset);
}

struct instant lane_monotonic(const struct lane *lane)
{
    return lane->now;
}

void lane_set_clock_offset(struct lane *lane, struct duration offset)
{
    lane->clock_offset = offset;
}

unsigned lane_index(const struct lane *lane)
{
    return 0;
}

struct rand *lane_rand(struct lane *lane)
{
    return &lane->rand;
}

struct metrics *lane_metrics(struct lane *lane)
{
    return &lane->metrics;
}

struct arena *lane_scratch(struct lane *lane)
{
    return &lane->scratch;
}

void lane_timer_start(struct lane *lane, struct lane_timer *timer, struct duration after,
        void (*fire)(struct lane_timer *timer))
{
    heap_remove(&lane->timers, &timer->node);
    timer->fire = fire;
    heap_insert(&lane->timers, &timer->node, instant_add(lane->now, after).ns);
}

void lane_timer_stop(struct lane *lane, struct lane_timer *timer)
{
    heap_remove(&lane->timers, &timer->node);
}

void lane_post(struct lane *lane, struct lane_task *task)
{
    task->next = NULL;
    *lane->tasks_end = task;
    lane->tasks_end = &task->next;
}

void lane_defer(struct lane *lane, struct lane_task *task)
{
    lane_post(lane, task);
}

void lane_on_turn_end(struct lane *lane, struct lane_hook *hook)
{
    hook->next = NULL;
    *lane->hooks_end = hook;
    lane->hooks_end = &hook->next;
}
