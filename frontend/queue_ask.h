/* Questions to the owners of task queues: several at once, one continuation when all are answered. */
#pragma once

#include "frontend/api.h"

enum { QUEUE_ASKS_MAX = 4 };

struct queue_ask {
    struct rpc_call call;
    struct queue_asks *all;
    uint64_t queue;
    uint16_t method;
    struct str request;
    /* the answer */
    bool is_answered;
    struct str answer; /* in the call's arena */
    struct fail fail;  /* when it is not answered */
};

struct queue_asks {
    struct request *rq;
    size_t count, open;
    struct queue_ask asks[QUEUE_ASKS_MAX];
    void (*done)(struct queue_asks *asks);
};

struct queue_asks *queue_asks_new(struct request *rq, void (*done)(struct queue_asks *asks));
/* The request is borrowed from the call's arena. */
void queue_asks_add(struct queue_asks *asks, uint16_t method, uint64_t queue, struct str request);
/* done() runs when each has been answered or has failed; not when the call is cancelled, which is then answered. */
void queue_asks_send(struct queue_asks *asks);
