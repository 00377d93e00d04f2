/* The identities that services pass around, and where things belong. */
#pragma once

#include "common/base/hash.h"
#include "common/base/str.h"
#include "common/base/uuid.h"

/* Fixed for ever: stored assignments and ids depend on it. Shards cost nothing when idle. */
enum { SHARD_COUNT = 16384 };

/* The shard that owns a workflow id: the same for all runs of the id, for ever. */
static inline uint32_t shard_of(struct uuid namespace_id, struct str workflow_id)
{
    return (uint32_t)(hash_bytes(workflow_id, hash_bytes(uuid_bytes(&namespace_id), 0)) %
                      SHARD_COUNT);
}

/* Key of a run in the store: issued by a writer, in start order, never reused. */
typedef int64_t run_key; /* > 0 */

enum task_queue_type { TASK_QUEUE_WORKFLOW = 1, TASK_QUEUE_ACTIVITY = 2 };

/* Where a queue lives among the matching processes and lanes. */
static inline uint64_t task_queue_hash(
        struct uuid namespace_id, struct str name, enum task_queue_type type)
{
    return hash_bytes(name, hash_bytes(uuid_bytes(&namespace_id), (uint64_t)type));
}

enum workflow_status { /* numbers of temporal.api.enums.v1.WorkflowExecutionStatus */
    WORKFLOW_RUNNING = 1,
    WORKFLOW_COMPLETED = 2,
    WORKFLOW_FAILED = 3,
    WORKFLOW_CANCELED = 4,
    WORKFLOW_TERMINATED = 5,
    WORKFLOW_CONTINUED_AS_NEW = 6,
    WORKFLOW_TIMED_OUT = 7,
};
