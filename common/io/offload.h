/* Blocking work (SQLite, name lookup) on worker threads: work() runs on a thread of the pool,
 * done() on the lane that asked. One pool thread gives FIFO order. */
#pragma once

#include "common/io/lane.h"

struct offload;

struct offload_job {
    struct lane_task task; /* used for both directions */
    struct lane *lane;     /* set by offload_submit */
    void (*work)(struct offload_job *job);
    void (*done)(struct offload_job *job);
};

struct offload *offload_new(unsigned threads, const char *name);
/* Waits for running and queued jobs; their done() is still posted. */
void offload_free(struct offload *offload);
void offload_submit(struct offload *offload, struct lane *from, struct offload_job *job);
