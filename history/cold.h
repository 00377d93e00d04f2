/* Runs that are not loaded but will be due soon: only (key, wake-up) is kept, and the run is loaded when it is
 * due. Loads are bounded in number, so that a take-over does not flood the database. */
#pragma once

#include "common/base/map.h"
#include "common/store/store.h"
#include "history/pool.h"
#include "history/wheel.h"

struct history;

enum { COLD_LOADS_MAX = 64 }; /* at once per lane */

struct cold {
    struct history *history;
    struct map by_key;
    struct pool pool, loads;
    struct list ready; /* due, waiting for a load */
    unsigned loading;
};

void cold_init(struct cold *cold, struct history *h);
/* Forgets everything; loads in flight end without effect. */
void cold_clear(struct cold *cold);
/* The run is to be looked at then; an earlier time replaces a later one. Nothing if it is loaded. */
void cold_add(struct history *h, run_key key, uint32_t shard, struct instant wake);
/* It is loaded, or its shard is gone. */
void cold_forget(struct history *h, run_key key);
bool cold_knows(const struct history *h, run_key key);
