/* A lane: a thread with one event loop, and the door through which its code meets time and other
 * lanes.
 *
 * Everything about one workflow, one connection, one task queue happens on one lane, one step at a
 * time. Functions here may only be called on the lane itself, except lane_post. Two implementations
 * exist, chosen at link time: lane_uv.c (a real thread with a libuv loop) and the simulator's
 * (virtual time).
 *
 * A turn: expired timers, then posted and deferred tasks, then I/O callbacks; at its end the
 * turn-end hooks run in the order of registration (flush what the turn produced), then the scratch
 * arena is reset. */
#pragma once

#include <stdbool.h>

#include "common/base/arena.h"
#include "common/base/heap.h"
#include "common/base/rand.h"
#include "common/base/time.h"

struct lane;
struct metrics;

/* Wall-clock time, read once per turn, corrected to the database's clock and never running
 * backwards. */
struct instant lane_now(const struct lane *lane);
/* For measuring spans and for timers: an arbitrary origin, unaffected by clock steps, once per
 * turn. */
struct instant lane_monotonic(const struct lane *lane);
/* Adds an offset to lane_now from the next turn on (database clock minus ours). */
void lane_set_clock_offset(struct lane *lane, struct duration offset);

/* The lane's index within its process: 0 .. lane_count - 1. */
unsigned lane_index(const struct lane *lane);
struct rand *lane_rand(struct lane *lane);
/* What the lane counts (common/obs/metrics.h): written on the lane only, read by any thread. */
struct metrics *lane_metrics(struct lane *lane);
/* Temporary memory, valid until the end of the current turn. */
struct arena *lane_scratch(struct lane *lane);

/* A timer embedded in its owner; zeroed means stopped. Restarting a running timer moves it. The
 * callback runs with the timer stopped. */
struct lane_timer {
    struct heap_node node;
    void (*fire)(struct lane_timer *timer);
};
void lane_timer_start(struct lane *lane, struct lane_timer *timer, struct duration after,
        void (*fire)(struct lane_timer *timer));
void lane_timer_stop(struct lane *lane, struct lane_timer *timer);
static inline bool lane_timer_running(const struct lane_timer *timer)
{
    return timer->node.linked;
}

/* Work for a lane, embedded in its message. The poster gives the message away: run() owns it. */
struct lane_task {
    struct lane_task *next;
    void (*run)(struct lane_task *task);
    bool queued; /* private: queueing a task that is queued already is a mistake that is caught */
};
/* From any thread. Order per poster is kept. */
void lane_post(struct lane *lane, struct lane_task *task);
/* On the lane: runs later in this turn or in the next, after the current callback has returned. */
void lane_defer(struct lane *lane, struct lane_task *task);

/* Called at the end of every turn that did something. Never removed while the lane runs. */
struct lane_hook {
    struct lane_hook *next;
    void (*run)(struct lane_hook *hook);
};
void lane_on_turn_end(struct lane *lane, struct lane_hook *hook);
