/* Lanes under virtual time: the door of common/io/lane.h. A turn is an event of the world: what is
 * due of the timers, then messages and deferred work in rounds, then the hooks. Between the need for
 * a turn and the turn pass a few random microseconds, which mixes the order of processes. A frozen
 * process has its turn later, a dead one never. */
#include <setjmp.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/obs/metrics.h"
#include "tests/sim/host.h"

struct task_list {
    struct lane_task *first, **end;
};

struct lane {
    struct host *host;
    unsigned index;
    struct instant wall, monotonic;
    struct duration clock_offset;
    struct heap timers;
    struct task_list posted, deferred;
    struct lane_hook *hooks, **hooks_end;
    struct arena scratch;
    struct rand rand;
    struct metrics metrics;
    struct sim_event turn;
};

static struct lane *current;
static jmp_buf out_of_turn;

enum { ROUNDS_MAX = 64, WAKE_JITTER_NS = 30000 };

static void run_turn(struct sim_event *event);

/* ---- when the next turn is ---- */

static bool lane_is_dead(const struct lane *l)
{
    return l->host && l->host->state == HOST_DEAD;
}

static void arm(struct lane *l)
{
    struct heap_node *n = heap_min(&l->timers);
    int64_t at = l->posted.first || l->deferred.first ? world.now.ns : n ? n->key : INT64_MAX;
    if (at == INT64_MAX || lane_is_dead(l) || l == current) {
        return;
    }
    if (l->host && at < l->host->frozen_until.ns) {
        at = l->host->frozen_until.ns;
    }
    int64_t wait = at > world.now.ns ? at - world.now.ns : 0;
    if (event_is_set(&l->turn) && l->turn.node.key <= world.now.ns + wait + WAKE_JITTER_NS) {
        return;
    }
    wait += (int64_t)rand_below(&world.rand, WAKE_JITTER_NS);
    event_after(&l->turn, (struct duration){ wait }, run_turn);
}

/* ---- a turn ---- */

static void read_clocks(struct lane *l)
{
    struct duration wrong = l->host ? l->host->clock : (struct duration){ 0 };
    struct instant wall = { SIM_EPOCH_NS + world.now.ns + wrong.ns + l->clock_offset.ns };
    l->wall = instant_max(l->wall, wall);
    l->monotonic = world.now;
}

static void fire_timers(struct lane *l)
{
    uint64_t first_new = l->timers.next_seq;
    struct heap_node *n;
    while ((n = heap_min(&l->timers)) && n->key <= l->monotonic.ns && n->seq < first_new) {
        struct lane_timer *timer = container_of(n, struct lane_timer, node);
        heap_remove(&l->timers, n);
        timer->fire(timer);
    }
}

static struct lane_task *take(struct task_list *list)
{
    struct lane_task *first = list->first;
    list->first = NULL;
    list->end = &list->first;
    return first;
}

static void run_tasks(struct lane_task *task)
{
    while (task) {
        struct lane_task *next = task->next;
        task->queued = false;
        task->run(task);
        task = next;
    }
}

static void run_pending(struct lane *l)
{
    for (int i = 0; i < ROUNDS_MAX && (l->posted.first || l->deferred.first); i++) {
        struct lane_task *posted = take(&l->posted), *deferred = take(&l->deferred);
        run_tasks(posted);
        run_tasks(deferred);
    }
}

static void run_turn(struct sim_event *event)
{
    struct lane *l = container_of(event, struct lane, turn);
    if (lane_is_dead(l)) {
        return;
    }
    if (l->host && world.now.ns < l->host->frozen_until.ns) {
        arm(l);
        return;
    }
    current = l;
    if (setjmp(out_of_turn)) {
        struct host *fallen = current->host;
        current = NULL;
        host_fell(fallen);
        return;
    }
    read_clocks(l);
    fire_timers(l);
    run_pending(l);
    for (struct lane_hook *h = l->hooks; h; h = h->next) {
        h->run(h);
    }
    arena_reset(&l->scratch);
    current = NULL;
    arm(l);
}

struct host *sim_current_host(void)
{
    return current ? current->host : NULL;
}

void sim_leave_turn(void)
{
    check(current && current->host);
    longjmp(out_of_turn, 1);
}

void sim_effect(void)
{
    struct host *h = sim_current_host();
    if (h && h->effects_left && --h->effects_left == 0) {
        sim_leave_turn();
    }
}

struct lane *sim_lane_new(struct host *host, unsigned index, struct rand rand)
{
    struct lane *l = NEW(&world.arena, struct lane, 1);
    l->host = host;
    l->index = index;
    l->rand = rand;
    l->posted.end = &l->posted.first;
    l->deferred.end = &l->deferred.first;
    l->hooks_end = &l->hooks;
    read_clocks(l);
    return l;
}

/* ---- the door ---- */

struct instant lane_now(const struct lane *lane)
{
    return lane->wall;
}

struct instant lane_monotonic(const struct lane *lane)
{
    return lane == current ? lane->monotonic : world.now;
}

void lane_set_clock_offset(struct lane *lane, struct duration offset)
{
    lane->clock_offset = offset;
}

unsigned lane_index(const struct lane *lane)
{
    return lane->index;
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
    heap_insert(&lane->timers, &timer->node, instant_add(lane_monotonic(lane), after).ns);
    arm(lane);
}

void lane_timer_stop(struct lane *lane, struct lane_timer *timer)
{
    heap_remove(&lane->timers, &timer->node);
}

static void push(struct task_list *list, struct lane_task *task)
{
    check(!task->queued);
    task->queued = true;
    task->next = NULL;
    *list->end = task;
    list->end = &task->next;
}

void lane_post(struct lane *lane, struct lane_task *task)
{
    push(&lane->posted, task);
    arm(lane);
}

void lane_defer(struct lane *lane, struct lane_task *task)
{
    push(&lane->deferred, task);
    arm(lane);
}

void lane_on_turn_end(struct lane *lane, struct lane_hook *hook)
{
    hook->next = NULL;
    *lane->hooks_end = hook;
    lane->hooks_end = &hook->next;
}
