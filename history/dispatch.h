/* Tasks on their way to workers: what this lane has per task queue, told to the owner of the queue, which answers with
 * demand. Only references travel; the payload is fetched by the claim.
 *
 *     WAITING --demand--> SENT --gone: a poll got it--> HANDED --claim--> (forgotten)
 *        ^                 |                              |
 *        `-- new owner ----'-------- not claimed in 1 s --'
 *
 * WAITING: by priority and fairness, then first in, first out. SENT: the owner holds it for a poll. HANDED: a poll has the reference and will claim
 * it. A sticky task that is refused (no live poller) waits again, on the normal queue, without a write. */
#pragma once

#include "common/base/map.h"
#include "common/io/lane.h"
#include "common/rpc/messages.h"
#include "common/rpc/rpc.h"
#include "history/engine/engine.h"
#include "history/pool.h"

struct history;
struct execution;

struct dispatch {
    struct history *history;
    struct map queues; /* by namespace, type, name */
    struct pool tasks, queue_pool, keys;
    struct list dirty;  /* queues to be advertised */
    struct list handed; /* tasks in HANDED, oldest first */
    struct map lent;    /* dispatch_lent.c: by run */
    struct list lent_ages;
    struct pool lent_pool;
    struct lane_task flush;
    bool flush_posted;
    uint64_t incarnation;
    struct lane_timer handed_timer, retry_timer;
    struct rpc_watch links;
};

void dispatch_init(struct dispatch *d, struct history *h);
void dispatch_deinit(struct dispatch *d);
/* The tasks of a committed step; a task that is known is renewed. */
void dispatch_offer(struct dispatch *d, struct execution *ex, const struct task_offer *offer);
/* It is a worker's now, or has ended. */
void dispatch_claimed(struct dispatch *d, struct execution *ex, enum task_queue_type type,
        int64_t scheduled_event_id);
/* A claim with this reference was refused: if it still is what waits here, it is not offered any more. */
void dispatch_obsolete(struct dispatch *d, const struct task_ref *ref);
/* All tasks of the run. */
void dispatch_forget(struct dispatch *d, struct execution *ex);
/* The run's state has moved on: tasks that it does not wait for any more. */
void dispatch_settle(struct dispatch *d, struct execution *ex);
/* The run has closed: all but its queries, which have negative event ids. */
void dispatch_closed(struct dispatch *d, struct execution *ex);
/* What the row of a run that leaves memory tells of its tasks. */
struct dispatch_cold {
    struct str queue; /* empty: none waits */
    enum task_queue_type type;
    uint32_t level; /* of the most urgent one */
};
/* False: they are in several queues. */
bool dispatch_backlog(const struct execution *ex, struct dispatch_cold *ret);
/* The run leaves memory with the task that its row now names. */
void dispatch_evicted(struct dispatch *d, struct execution *ex);
/* A run that is not loaded has a task for that queue: it is read when there is demand. */
void dispatch_cold_task(
        struct dispatch *d, struct uuid namespace_id, const struct dispatch_cold *task);
/* The run is in memory again, or its owner has said what became of the offer. */
void dispatch_lent_over(struct dispatch *d, run_key key);
/* Runs of offers of which nothing was heard for long are read again. */
void dispatch_lent_tick(struct dispatch *d);
/* Offers again what an owner was told long ago and nothing was heard of; once a sweep. */
void dispatch_unheard_tick(struct dispatch *d);
/* RPC_HISTORY_DEMAND. */
void dispatch_demand(struct dispatch *d, const struct msg_demand *m);
/* Starts over if a queue that was told of something has another owner now. */
void dispatch_owners_changed(struct dispatch *d);
/* Start over with fresh demand. */
void dispatch_restart(struct dispatch *d);
/* Forgets queues that have been empty for a while. */
void dispatch_collect(struct dispatch *d);
