/* A reset in progress: what it has read, staged and kept so far. See handlers_reset.c. */
#pragma once

#include "history/history.h"

struct reset {
    struct list_node node; /* history.resets: while rows are staged */
    struct call *call;
    void (*finish_run)(struct call *call);
    struct uuid base_run_id;
    run_key base_key;
    struct event_reset event;
    int64_t finish; /* the first event that is not copied */
    uint32_t exclude;
    bool is_copying;
    /* the state after the rows so far, and those of them that are not staged */
    struct arena state, page;
    struct workflow *wf;
    VEC(struct store_log_row) rows;
    size_t bytes;
    run_key key; /* of the new run; 0: nothing is staged */
    int32_t staged;
    struct gate gate;
    /* what is read next: of the base run, and then of the runs that follow it */
    struct uuid run_id;
    run_key reading;
    int64_t next_event_id;
    struct uuid continued_as; /* not zero: the last event read says so */
    struct buf reapply;
    struct store_read_history read;
};

/* Reads on from the store; what is wanted is durable. When everything up to there is copied and read, r->finish_run runs
 * in the order of the workflow id's calls; a failure ends the call. */
void reset_read(struct call *call);
/* Events after the point: those that come again are kept. */
void reset_pick(struct reset *r, struct str events);
/* For call->cleanup: what was staged and did not become a run is the reaper's. */
void reset_cleanup(struct call *call);
/* A doomed row that a reset of this lane has staged: its run is still being made. */
bool reset_is_staging(const struct history *h, run_key key);
