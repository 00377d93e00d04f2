/* Private to matching/: what the files of the service share. */
#pragma once

#include "matching/service.h"

enum { GONE_WORKERS = 256 };

/* A worker that has said goodbye: its polls that are still on their way are answered empty. */
struct gone_worker {
    uint64_t hash; /* of its key and the queue; 0: none */
    struct instant until;
};

struct matching {
    struct lane *lane;
    struct rpc_lane *rl;
    struct cluster_lane *cl;
    struct namespaces_lane *namespaces; /* or NULL */
    struct namespaces_watch config;
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
    struct gone_worker gone[GONE_WORKERS]; /* a ring: the latest ones */
    unsigned gone_next;
};

/* Runs one event: answers the polls it settles, plans flush and timer. */
enum err matching_run(struct matching *m, const struct matching_event *ev, struct fail *f) MUST_USE;
/* For the kinds that cannot fail. */
void matching_must_run(struct matching *m, const struct matching_event *ev);
bool matching_owns(void *m, uint64_t task_queue_hash);

/* config.c */
void matching_config_begin(struct matching *m);
void matching_config_end(struct matching *m);

/* poll.c */
void matching_on_poll(void *ctx, struct rpc_in *in, struct str body);
/* Answers a parked poll and frees it; the engine no longer has it. */
void matching_answer_poll(struct matching *m, const struct matching_answer *answer);
/* A worker's polls of a queue are over. */
void matching_end_polls(
        struct matching *m, const struct queue_id *queue, struct str worker_instance_key);
void matching_answer_all_unavailable(struct matching *m);
