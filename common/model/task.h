/* How a task is named on its way from history to a worker. */
#pragma once

#include "common/model/ids.h"

/* A task that a worker may claim. Identifies it; the payload stays with history until the claim. */
struct task_ref {
    struct uuid namespace_id;
    struct str workflow_id;
    struct uuid run_id;
    run_key key;
    enum task_queue_type type;
    int64_t scheduled_event_id;
    int32_t attempt, stamp;
};
