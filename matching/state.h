/* Private to matching/: what the files of the service share. */
#pragma once

#include "matching/service.h"

struct matching {
    struct lane *lane;
    struct rpc_lane *rl;
    struct cluster_lane *cl;
    struct matching_engine *engine;
    struct list parked; /* struct parked */
    struct lane_task flush;
    bool flush_pending;
    bool is_over;            /* matching_free has run; the pending flush frees the rest */
    struct lane_timer time;  /* at the engine's next need */
    struct instant time_for; /* what it is set for */
    struct rpc_watch links;
    struct list doubts; /* struct doubt of service.c */
    struct cluster_watch views;
    struct matching_stats stats;
};

/* Runs one event: answers the polls it settles, plans flush and timer. */
enum err matching_run(struct matching *m, const struct matching_event *ev, struct fail *f) MUST_USE;
/* For the kinds that cannot fail. */
void matching_must_run(struct matching *m, const struct matching_event *ev);
bool matching_owns(void *m, uint64_t task_queue_hash);

/* poll.c */
void matching_on_poll(void *ctx, struct rpc_in *in, struct str body);
/* Answers a parked poll and frees it; the engine no longer has it. */
void matching_answer_poll(struct matching *m, const struct matching_answer *answer);
void matching_answer_all_unavailable(struct matching *m);
