/* One call in progress, from its arrival to its answer.
 *
 *     QUEUED --chain_pump--> RUNNING --call_reply/fail/then--> GATED --batch durable--> answered
 *       ^                       |                                   `--> CONTINUED (a store read) --> answered
 *       `------ WAIT (load) ----+---> PARKED (long poll) --> RUNNING
 *
 * A handler runs from its beginning until it needs a run that is not in memory; then the request goes back to
 * the head of its chain's queue and the handler starts over when the load is done. So it must not act before
 * it has everything. */
#pragma once

#include "common/rpc/messages.h"
#include "common/rpc/rpc.h"
#include "history/committer.h"

struct chain;
struct execution;

struct call {
    struct list_node node; /* the chain's queue, or the run's parked polls */
    struct list_node all;  /* every request of the lane */
    struct history *history;
    struct rpc_in *in;   /* NULL: nobody asked, or the caller is gone */
    struct arena arena;  /* body, decoded forms, effects, reply; freed with the request */
    struct chain *chain; /* while it is queued or parked */
    void (*run)(struct call *call);
    struct str body; /* own copy */
    union {
        struct msg_api_request api;
        struct msg_claim claim;
        struct msg_outbox outbox;
        struct {
            run_key key;
            struct uuid run_id;
        } touch;
    };
    /* the answer, waiting for its batch */
    struct gate gate;
    size_t waiting_bytes;              /* while it waits: what the call holds */
    void (*then)(struct call *call);   /* instead of an answer: goes on when the batch is durable */
    void (*gone)(struct call *call);   /* handler's: the caller went away before the answer */
    void (*unsent)(struct call *call); /* handler's: it succeeded, but nobody is there to hear it */
    void (*cleanup)(struct call *call); /* handler's: the call ends, whatever the way */
    bool has_fail;
    struct fail fail;
    struct str reply;
    /* long polls and reads */
    struct lane_timer timer;
    void *state; /* the handler's, in the arena */
};

struct call_pool {
    struct list spare, all;
    size_t in_use;
    size_t waiting, waiting_bytes; /* those that wait for a commit */
};

/* Copies the body. */
struct call *call_new(struct history *h, struct rpc_in *in, struct str body);
/* Looks no further than the batch that last touched ex (NULL: nothing in memory was looked at). The reply must
 * live in the request's arena. All of these end the handler's work; the request may be gone afterwards. */
void call_reply(struct call *call, const struct execution *ex, struct str reply);
void call_fail(struct call *call, const struct execution *ex, const struct fail *fail);
/* Waits for all that is uncommitted: what was looked for is not there, perhaps because of it. */
void call_fail_absent(struct call *call, const struct fail *fail);
void call_then(struct call *call, const struct execution *ex, void (*then)(struct call *call));
/* Nobody waits for it any more, but what it has written so far may still need its memory. */
void call_abandon(struct call *call);
/* Without waiting: nothing uncommitted was looked at. */
void call_reply_now(struct call *call, struct str reply);
void call_fail_now(struct call *call, const struct fail *fail);
