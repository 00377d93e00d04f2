/* Removes what is stored of doomed runs: deleted ones, and resets that were given up while their rows were staged. A
 * run's row says that it is doomed, and goes last, so whoever owns the shard next goes on where this lane has stopped. */
#pragma once

#include "common/base/map.h"
#include "common/io/lane.h"
#include "history/committer.h"
#include "history/pool.h"

struct history;

enum {
    REAPER_ROWS_MAX = 500,  /* log rows that one commit removes */
    REAPER_RUNS_MAX = 2000, /* known at a time; the sweep finds more when there is room */
};

struct reaper {
    struct history *history;
    struct map by_key;
    struct list runs;
    struct pool pool;
    size_t count;
    struct lane_timer timer;
    struct gate gate;
    bool waiting; /* for the gate */
};

void reaper_init(struct reaper *reaper, struct history *h);
void reaper_deinit(struct reaper *reaper);
/* The run is doomed, now or in a batch that is not durable yet; log rows up to last_seq may exist. One that is known,
 * or one too many, is ignored. */
void reaper_add(struct history *h, run_key key, uint32_t shard, int32_t last_seq);
bool reaper_has_room(const struct reaper *reaper);
/* What a read says of that run may be out of date: it is being removed, or was a moment ago. */
bool reaper_knows(const struct history *h, run_key key);
