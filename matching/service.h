/* The matching service of one lane: answers the internal methods 200-299 for the task queues that live on this
 * lane (task_queue_hash modulo the lanes of the process), drives the pure engine, and tells history lanes what they may send. Keeps nothing that matters: see
 * matching/README.md. */
#pragma once

#include "common/cluster/cluster.h"
#include "common/cluster/namespaces.h"
#include "common/io/lane.h"
#include "common/rpc/rpc.h"
#include "matching/engine/engine.h"

struct matching;

/* Registers the handlers. On the lane, after cluster_lane_new. Without namespaces nothing is set for any queue; with
 * them polls are refused until they are known. */
struct matching *matching_new(struct lane *lane, struct rpc_lane *rl, struct cluster_lane *cl,
        struct namespaces_lane *namespaces);
/* Calls still parked are answered UNAVAILABLE ("poll elsewhere"). On the lane, before rpc_free. */
void matching_free(struct matching *m);

struct matching_stats {
    struct matching_totals engine;
    uint64_t polls_received, polls_refused, polls_gone; /* gone: cancelled, or the link was lost */
    uint64_t advertised;                                /* messages */
    uint64_t malformed;       /* messages that could not be read: dropped */
    uint64_t demands_sent;    /* messages */
    uint64_t demands_delayed; /* times: the advertiser is not alive in our view */
};
struct matching_stats matching_stats(const struct matching *m);
