/* A run under test: after every step the engine's properties are checked. Invariants hold; the fold of the rows
 * written so far, and a decoded snapshot, equal the live state without its volatile part; a twin that gets the
 * same input gives the same bytes. Both move into fresh memory from time to time, at different steps: nothing that
 * follows may tell the difference, and no effect may be in the memory that is given up. */
#pragma once

#include "history/engine/engine.h"
#include "history/engine/workflow.h"

struct row {
    int64_t first_event_id;
    struct str events, records;
};

struct rows {
    struct row *ptr;
    size_t len, cap;
};

struct harness {
    struct arena arena;                          /* everything of the test */
    struct arena live_arenas[2], twin_arenas[2]; /* the one in use, and the one to move to */
    unsigned live_index, twin_index;
    struct workflow *wf, *twin;
    struct rows rows;
    int steps;
};

void harness_init(struct harness *h);
void harness_deinit(struct harness *h);
/* fx lives in h->arena. */
enum err harness_step(
        struct harness *h, const struct event *ev, struct effects *fx, struct fail *f);
/* The run is reset before event `finish`: what h has from now on is the new run. left: effects in the run that is left
 * behind. ev: as for EVENT_RESET; what the base run knows is filled in. exclude: enum reset_exclude. */
enum err harness_reset(struct harness *h, const struct event *ev, int64_t finish, uint32_t exclude,
        struct effects *left, struct effects *fx, struct fail *f);
/* The process dies: the live state comes back by the fold, the twin by its snapshot. */
void harness_crash(struct harness *h);
