/* What operators have set for the task queues of a namespace, as it is stored: one list of (name, type, public message
 * TaskQueueConfig). Bounded by whoever writes it. */
#pragma once

#include "common/base/arena.h"
#include "common/model/ids.h"

enum {
    QUEUE_WEIGHTS_MAX = 1000,             /* of one queue */
    QUEUE_CONFIGS_MAX = 1000,             /* queues per namespace */
    QUEUE_CONFIGS_BYTES_MAX = 1024 * 1024 /* of the list */
};

struct queue_config {
    struct str name;
    enum task_queue_type type;
    struct str message;
};

/* Takes the next one off the front of the list. False: the end, or what follows is malformed. */
bool queue_configs_next(struct str *list, struct queue_config *ret);
/* The message for a queue; empty: nothing is set. Reads the list from its front. */
struct str queue_configs_find(struct str list, struct str name, enum task_queue_type type);
/* The list with this one in the place of what was there for the queue. */
struct str queue_configs_put(
        struct arena *arena, struct str list, const struct queue_config *config);

/* One weight of a TaskQueueConfig. Takes it off the front of the message, passing by everything else. */
bool queue_config_next_weight(struct str *message, struct str *key, float *weight);
/* The rates of a TaskQueueConfig, per second. False: none is set. */
bool queue_config_rate(struct str message, double *ret);
bool queue_config_key_rate(struct str message, double *ret);
