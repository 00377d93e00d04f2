/* How far behind a lane is, and whose calls it still takes then. Work that ends other work is taken longest: refusing
 * a worker's answer would only make somebody do it again. */
#pragma once

#include <stddef.h>

#include "common/base/time.h"

/* Who asks, in the order in which they are refused. */
enum pressure_class {
    PRESSURE_STARTS,  /* may begin a run: what follows costs many commits more */
    PRESSURE_CLIENTS, /* changes a run for somebody who can ask again */
    PRESSURE_WORK,    /* answers of workers, claims, messages between runs */
    PRESSURE_READS,   /* are never refused: they add nothing to be made durable */
};

/* What a lane sees of itself. */
struct pressure {
    struct duration delay; /* of the oldest commit or load under way */
    size_t waiting;        /* calls that wait for a commit, and loads */
    size_t lead_bytes;     /* rows that are not durable */
    size_t call_bytes;     /* memory of the calls that wait for a commit */
    size_t cache_bytes;    /* memory of loaded runs */
};

struct pressure_bounds {
    struct duration delay;
    size_t lead_bytes, cache_bytes;
};

enum {
    /* A slow commit alone is no overload: as many must wait for it. */
    PRESSURE_WAITING_MIN = 500,
    /* Calls hold that much more than the rows they have written. */
    PRESSURE_CALLS_PER_LEAD = 4,
};

/* The classes below it are refused. Starts while what waits is old, or while runs that cannot leave fill the cache and
 * half as much again; clients from half of the bound on lead on; everybody at the bound. */
enum pressure_class pressure_of(const struct pressure *p, const struct pressure_bounds *bounds);
