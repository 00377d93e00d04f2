/* Retention: closed runs go when their namespace has kept them long enough, by its settings of now. Each minute the runs of
 * the lane's shards are looked through by the time of their ends, a page at a time; the reaper sets the pace. Deleted
 * namespaces are looked through each second: of them nothing is kept (erase.h). */
#pragma once

#include "common/base/arena.h"
#include "common/io/lane.h"
#include "history/erase.h"
#include "history/service.h"

struct history;

struct retention {
    struct history *history;
    struct lane_timer timer;
    struct arena arena;               /* of one pass: the shards */
    struct instant next;              /* full pass (monotonic) */
    bool only_deleted;                /* this pass */
    struct history_namespace current; /* the namespace that is looked through */
    uint64_t found;                   /* closed runs in it */
    struct erase erase;
    struct store_scan_closed scan;
    bool scanning;    /* the store has it */
    uint64_t expired; /* in this pass */
};

void retention_init(struct retention *retention, struct history *h);
void retention_start(struct retention *retention);
void retention_deinit(struct retention *retention);
