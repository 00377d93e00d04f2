/* Reading the stored wake-ups: at a take-over, for the coming window, and each minute for runs that should have been
 * woken and were not. The last kind must find nothing; what it finds is loaded, counted and named in the log. */
#pragma once

#include "common/base/list.h"
#include "common/io/lane.h"
#include "common/model/ids.h"

struct history;
struct scan;

struct sweep {
    struct history *history;
    struct lane_timer timer;
    struct instant window_end;  /* wake-ups before it are in the wheel */
    struct instant next_window; /* monotonic */
    struct list scans;          /* in progress */
    bool window_running, sweep_running, doomed_running;
};

void sweep_init(struct sweep *sweep, struct history *h);
void sweep_start(struct sweep *sweep);
void sweep_stop(struct sweep *sweep);
/* New shards: what is due in the window, and the queues that have evicted tasks. */
void sweep_acquire(struct history *h, const uint32_t *shards, size_t count);
bool sweep_is_idle(const struct sweep *sweep);
