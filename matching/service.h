/* The matching service of one lane: answers the internal methods 200-299 for the task queues that hash to this
 * lane, drives the pure engine, and tells history lanes what they may send. Keeps nothing that matters: see
 * matching/README.md. */
#pragma once

#include "common/cluster/cluster.h"
#include "common/io/lane.h"
#include "common/rpc/rpc.h"
#include "matching/engine/engine.h"

struct matching;

/* Registers the handlers. The limits may be NULL: the defaults. */
struct matching *matching_new(struct lane *lane, struct rpc_lane *rl, struct cluster_lane *cl,
        struct uuid member_id, const struct matching_limits *limits);
/* Calls still parked are answered UNAVAILABLE ("poll elsewhere"). On the lane, before rpc_free. */
void matching_free(struct matching *m);

/* For rpc_route_methods(rpc, RPC_MATCHING_FIRST, RPC_MATCHING_LAST, matching_route, &lanes): the lane of a
 * task_queue_hash. ctx: const unsigned *, how many lanes serve matching. */
enum { RPC_MATCHING_FIRST = 200, RPC_MATCHING_LAST = 299 };
unsigned matching_route(void *ctx, uint64_t key);

struct matching_stats {
    struct matching_totals engine;
    uint64_t polls_received, polls_refused, polls_gone; /* gone: cancelled, or the link was lost */
    uint64_t advertised;       /* messages */
    uint64_t malformed;        /* messages that could not be read: dropped */
    uint64_t demands_sent;     /* messages */
    uint64_t demands_unroutable; /* the advertiser is no member any more */
};
struct matching_stats matching_stats(const struct matching *m);
