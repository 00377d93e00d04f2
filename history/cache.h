/* Loaded runs, bounded in bytes. Least recently used ones leave first: what their rows do not say yet (exact wake-up,
 * queue of an undelivered task, a snapshot) is committed, then they are dropped. Idle runs get the same commit
 * without being dropped, so that little has to be read again after a crash. Hot runs that never leave are compacted. */
#pragma once

#include "common/base/list.h"
#include "common/io/lane.h"

struct history;
struct execution;

struct cache {
    struct history *history;
    struct list open, closed; /* least recently used first */
    size_t bytes, count;
    struct list swollen; /* to be compacted when this turn is over */
    struct lane_timer timer, trim_timer, compact_timer;
};

void cache_init(struct cache *cache, struct history *h);
void cache_deinit(struct cache *cache);
void cache_add(struct cache *cache, struct execution *ex);
void cache_remove(struct cache *cache, struct execution *ex);
void cache_touch(struct cache *cache, struct execution *ex);
/* After a step: counts its bytes again and trims if there are too many. */
void cache_resized(struct cache *cache, struct execution *ex);
