/* Numbers of the internal methods. A service owns a hundred; the route function of the service
 * picks the lane from the key. */
#pragma once

enum rpc_method {
    /* history; key = shard */
    RPC_HISTORY_API =
            100, /* a public API call about one workflow: request bytes in, response bytes out */
    RPC_HISTORY_CLAIM =
            101, /* a poll claims the task that matching gave it: the poll response comes back */
    RPC_HISTORY_UNCLAIM = 102, /* the poll's answer provably never left: take the task back */
    RPC_HISTORY_MESSAGE = 103, /* a cross-run message of another run's outbox */
    /* history; key = lane of the advertiser (not a shard) */
    RPC_HISTORY_DEMAND =
            180, /* notify, matching -> history lane: demand and refusals for its queues */
    /* every process; key = 0: its first lane */
    RPC_CLUSTER_SHARD_GIVE = 190, /* planner -> owner: flush and hand over shards */
    RPC_CLUSTER_CHANGED = 191,    /* notify: the assignment has changed, read it now */
    RPC_CLUSTER_NAMESPACES = 192, /* a namespace has changed: answered when it is known there */
    /* matching; key = task_queue_hash */
    RPC_MATCHING_POLL = 200, /* parks until a task is matched */
    RPC_MATCHING_ADVERTISE =
            201, /* notify, history lane -> queue owner: what I have, and tasks against demand */
    RPC_MATCHING_DESCRIBE = 202,
    RPC_MATCHING_SHUTDOWN = 205, /* a worker said goodbye: its sticky queue */
};
