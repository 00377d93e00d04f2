/* The messages between services and their msgpack form. One encode and one decode function per
 * message; arrays with a fixed field order, optional fields at the end. Decoding borrows strings
 * from the body and takes arrays from the arena; anything malformed or out of bounds is
 * ERR_PROTOCOL.
 *
 * Public API payloads travel inside as untouched bytes. */
#pragma once

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/time.h"
#include "common/model/ids.h"
#include "common/model/task.h"

/* RPC_HISTORY_API: a public call about one workflow, already validated and limited by the frontend.
 * The answer is the encoded public response, or the failure. May park (long polls). */
struct msg_api_request {
    uint32_t method; /* enum api_method of common/api/methods.h */
    struct uuid namespace_id;
    struct str namespace_name;
    struct str workflow_id;
    struct str request; /* the public request, untouched */
    bool from_worker;   /* an SDK, not the CLI or UI: sees the transient suffix of histories */
};
/* The answer's body: the response bytes, and for commands that return tasks inline nothing else. */

/* RPC_HISTORY_CLAIM: answer = the public poll response. ERR_OBSOLETE: the task is gone, poll on. */
struct msg_claim {
    struct task_ref task;
    struct str namespace_name;
    struct str task_queue; /* the queue that was polled */
    struct str poll_id;
    struct str poll_request; /* the public poll request, untouched: identity, versions */
};
/* RPC_HISTORY_UNCLAIM: the same message; answer empty. */

/* RPC_MATCHING_POLL: parks until a task is there; answered with msg_poll_answer. */
struct msg_poll {
    struct uuid namespace_id;
    struct str task_queue;
    enum task_queue_type type;
    bool is_sticky;
    struct str normal_name; /* of a sticky queue */
    struct str poll_id, identity;
    double max_tasks_per_second; /* 0: none at all; negative: not given */
    struct str
            details; /* what PollerInfo tells of the worker's version: its fields 4 and 5, encoded */
    struct str worker_instance_key;
    bool refund; /* the task of the answer before was obsolete: it counts for no rate */
};
struct msg_poll_answer {
    bool has_task; /* false: the deadline came; poll again */
    bool is_over;  /* without a task: the worker has said goodbye, do not poll again */
    struct task_ref task;
    int64_t backlog_hint;
    int32_t scaling; /* pollers the worker should have more, or less */
};

/* RPC_MATCHING_ADVERTISE (notify, history lane -> owner of the queues): what I have, and tasks as
 * far as the owner's demand allows. Absolute figures, coalesced per turn: a later one replaces an
 * earlier one. All queues of
 * one message live on the lane that its key names: one queue, or lanes that hash alike. */
struct msg_offer {
    struct task_ref task;
    struct instant since;
    struct duration
            sticky_schedule_to_start; /* sticky queues: how long it may wait for a live poller */
    struct str priority;              /* the public message; empty: the normal one */
};
/* What of a queue has another priority than the normal one. */
struct msg_level {
    uint32_t level;
    uint64_t backlog;
    struct instant oldest;
};
struct msg_advertised_queue {
    struct uuid namespace_id;
    struct str name;
    enum task_queue_type type;
    bool is_sticky;
    uint64_t backlog;      /* tasks of the normal priority that wait here and were not sent */
    struct instant oldest; /* of them */
    const struct msg_offer
            *offers; /* each consumes one demand; known ones are ignored (re-offers) */
    size_t offer_count;
    const struct msg_level *levels; /* other priorities; those not named have no backlog */
    size_t level_count;
};
struct msg_advertise {
    uint32_t lane;        /* of the sender: demand goes to (sending member, lane) */
    uint64_t incarnation; /* of the sending lane's book-keeping; a new one starts with fresh demand
                           */
    const struct msg_advertised_queue *queues;
    size_t queue_count;
};
enum {
    DEMAND_INITIAL = 16
}; /* offers a history lane may send for a queue before it hears of demand */

struct msg_level_more {
    uint32_t level, more;
};
/* RPC_HISTORY_DEMAND (notify, queue owner -> history lane (key = lane)). */
struct msg_demanded_queue {
    struct uuid namespace_id;
    struct str name;
    enum task_queue_type type;
    uint32_t more; /* so many more offers of the normal priority may be sent */
    const struct task_ref
            *gone; /* offers that were handed to a poll, or dropped: no longer held here */
    size_t gone_count;
    const struct task_ref *refused; /* sticky queues: no live poller, use the normal queue */
    size_t refused_count;
    const struct msg_level_more *levels; /* and of other priorities */
    size_t level_count;
};
struct msg_demand {
    uint64_t incarnation; /* of the advertiser, echoed: demand for an older one is ignored */
    const struct msg_demanded_queue *queues;
    size_t queue_count;
};

/* RPC_MATCHING_DESCRIBE */
struct msg_describe_queue {
    struct uuid namespace_id;
    struct str task_queue;
    enum task_queue_type type;
};
struct msg_poller {
    struct str identity;
    struct instant last_access;
    double rate_per_second; /* negative: not given */
    struct str details;
};
struct msg_level_stats {
    uint32_t level;
    uint64_t backlog;
    struct instant oldest;
    double add_rate, dispatch_rate;
};
enum msg_rate_source { MSG_RATE_NONE, MSG_RATE_CONFIG, MSG_RATE_POLL };
struct msg_describe_queue_answer {
    const struct msg_poller *pollers; /* of the last five minutes */
    size_t poller_count;
    uint64_t backlog;
    struct instant oldest;
    double add_rate, dispatch_rate;       /* per second, last 30 s */
    uint32_t rate_source;                 /* enum msg_rate_source */
    double rate_limit;                    /* per second, if there is a source */
    bool is_limited;                      /* tasks wait for it now */
    const struct msg_level_stats *levels; /* the priorities that are in use */
    size_t level_count;
};

/* RPC_MATCHING_SHUTDOWN: a worker is gone. Its sticky queue ends, if one is named; and its polls of the other queue, if
 * one is named, are answered empty, those that are still on their way too. */
struct msg_shutdown_worker {
    struct uuid namespace_id;
    struct str sticky_task_queue;
    struct str task_queue;
    enum task_queue_type type;
    struct str worker_instance_key;
};

/* RPC_HISTORY_MESSAGE: an outbox message of another run; idempotent by (source run, id). Answer: by
 * kind. */
struct msg_outbox {
    struct uuid source_namespace_id, source_run_id;
    struct str source_workflow_id;
    int64_t id;
    uint32_t kind, flags;
    struct uuid target_namespace_id;
    struct str target_workflow_id, body;
};

/* RPC_CLUSTER_SHARD_GIVE: the planner asks the owner to hand shards over to `to`. Answer empty when
 * done. */
struct msg_shard_give {
    struct uuid to;
    const uint32_t *shards;
    size_t shard_count;
};

#define MESSAGE(name)                                                                              \
    void name##_encode(const struct name *m, struct buf *out);                                     \
    enum err name##_decode(struct str body, struct arena *arena, struct name *ret, struct fail *f) \
            MUST_USE;
MESSAGE(msg_api_request)
MESSAGE(msg_claim)
MESSAGE(msg_poll)
MESSAGE(msg_poll_answer)
MESSAGE(msg_advertise)
MESSAGE(msg_demand)
MESSAGE(msg_describe_queue)
MESSAGE(msg_describe_queue_answer)
MESSAGE(msg_shutdown_worker)
MESSAGE(msg_outbox)
MESSAGE(msg_shard_give)
#undef MESSAGE
