/* The matching engine: where waiting tasks meet waiting polls, for the task queues of one lane. Pure soft
 * state: no clock, no I/O, no log. Time comes in with the event; answers and demand come out as plain data.
 *
 *     matching_step(engine, event) -> answers to polls, polls to refuse
 *     matching_flush(engine)       -> what to tell the history lanes, coalesced (once per turn)
 *
 * Who holds what. A history lane (an *advertiser*) keeps its tasks and tells how many wait in which queue. It
 * sends *offers* (references) only as far as this engine has granted it credit; an offer is held here until it
 * goes to a poll (the poll then claims the task at history), expires (sticky queues) or its advertiser is gone.
 * Nothing here needs to survive a crash: advertisers start over with a new incarnation.
 *
 * A queue is known by namespace, name, type and whether it is sticky.
 *
 * Order. The lowest priority level goes first, whoever advertised it. Within a level the keys of fairness share by
 * weight; within a key the offer that has waited longest by its `since` goes first, equal ones in the order of
 * arrival. Polls are served in the order of their arrival. See order.c.
 *
 * Sticky queues hold nothing for a worker that is not there: see sticky.c.
 *
 * Bounds: queues, polls, pollers remembered per queue, offers held per advertiser and queue (limits below).
 * Checked after every step in tests: matching_check_invariants. */
#pragma once

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/base/vec.h"
#include "common/model/priority.h"
#include "common/model/task.h"

struct matching_engine;
struct queue;

struct matching_limits {
    size_t queues;            /* 100000; more: polls are refused, offers dropped */
    size_t polls;             /* parked; 200000 */
    size_t pollers_per_queue; /* remembered identities: 1000, the longest unseen is forgotten */
    uint32_t credit_initial;  /* DEMAND_INITIAL of the messages: 16 */
    uint32_t credit_extra;    /* granted beyond it for waiting polls, at most: 1024 */
    uint32_t
            credit_fair; /* and for a level with keys of fairness, so that each key has one here: 112 */
    uint32_t offers_held;             /* per advertiser and queue, whatever it sends: 4096 */
    uint32_t fair_keys;               /* remembered per level though nothing of them waits: 1000 */
    struct duration sticky_alive;     /* a worker whose poll was seen within this is alive: 10 s */
    struct duration sticky_cut_alive; /* after its last poll was cut off: 1 s */
    struct duration idle;             /* an unused queue is forgotten after: 5 min */
    struct duration pollers_kept;     /* 5 min */
    struct duration foreign_kept;     /* what was advertised for a queue of somebody else: 10 s */
    struct duration stall; /* an advertiser with tasks and credit is silent: grant again: 1 s */
};
extern const struct matching_limits matching_limits_default;

/* ---- events ------------------------------------------------------------------------------------------ */

struct queue_id {
    struct uuid namespace_id;
    struct str name;
    enum task_queue_type type;
};

/* A parked poll: embedded in its owner, zeroed before it is given to the engine, which keeps it linked until
 * an effect answers it or MATCHING_POLL_GONE takes it back. 32 bytes. */
struct matching_poll {
    struct list_node node; /* the queue's, in order of arrival */
    struct queue *queue;   /* NULL: not parked */
    struct instant since;
};
static inline bool matching_poll_parked(const struct matching_poll *poll)
{
    return poll->queue != NULL;
}

struct matching_offer {
    struct task_ref task;
    struct instant since;
    struct duration sticky_schedule_to_start;
    struct priority priority; /* its meaning; zeroed: the normal one */
};

/* What of an advertiser's queue has another priority than the normal one. */
struct matching_level_figures {
    uint32_t level;
    uint64_t backlog;
    struct instant oldest;
};

/* A history lane. */
struct advertiser_id {
    struct uuid member;
    uint32_t lane;
};

enum matching_event_kind {
    MATCHING_POLL,            /* a poll arrives: answered now or parked */
    MATCHING_POLL_EXPIRED,    /* the parked poll's time is up: it is answered empty */
    MATCHING_POLL_GONE,       /* nobody waits for its answer any more */
    MATCHING_ADVERTISE,       /* one queue of one advertiser: figures and offers */
    MATCHING_MEMBER_GONE,     /* a history process is dead: everything it advertised is void */
    MATCHING_WORKER_SHUTDOWN, /* the worker of this sticky queue said goodbye */
    /* The queues for which keeps() says no belong to somebody else now: their polls leave, their
     * offers after foreign_kept. Whoever advertised them may know it better than we do. */
    MATCHING_OWNERSHIP,
    MATCHING_CONFIG, /* what is set for queues has changed: all are looked up */
    MATCHING_TIME,   /* now has passed matching_next_need */
};

/* A poll that says nothing of a rate. */
#define MATCHING_NO_RATE (-1.0)

struct matching_weight {
    struct str key;
    float weight;
};

/* What an operator has set for a queue. Zeroed: nothing. */
struct matching_queue_config {
    bool has_rate, has_key_rate;
    double rate;                           /* tasks per second; 0: none at all */
    double key_rate;                       /* of each key of fairness, times its weight */
    const struct matching_weight *weights; /* instead of what the tasks say */
    size_t weight_count;                   /* at most MATCHING_WEIGHTS_MAX are heeded */
};
enum { MATCHING_WEIGHTS_MAX = 1000 };

struct matching_event {
    enum matching_event_kind kind;
    struct instant now;
    union {
        struct {
            struct matching_poll *poll;
            struct queue_id queue;
            bool is_sticky;
            struct str identity;
            /* Activity queues: the last poll's word holds. 0 stops the queue, MATCHING_NO_RATE lifts the limit. */
            double max_tasks_per_second;
            struct str details; /* of the worker, kept for describe; opaque */
            bool refund;        /* the task before was obsolete: it counts for no rate */
        } poll;
        struct matching_poll *gone; /* POLL_EXPIRED, POLL_GONE */
        struct {
            struct advertiser_id from;
            uint64_t incarnation; /* a later one voids the earlier; late news is not heard */
            struct queue_id queue;
            bool is_sticky;
            uint64_t backlog; /* of the normal level; absolute, without the offers sent */
            struct instant oldest;
            const struct matching_level_figures *levels; /* the others that have a backlog */
            size_t level_count;
            const struct matching_offer *offers;
            size_t offer_count;
        } advertise;
        struct uuid member;
        struct queue_id shutdown; /* type is ignored: sticky queues are workflow queues */
        struct {
            bool (*keeps)(void *ctx, uint64_t task_queue_hash);
            void *ctx;
        } ownership;
    };
};

/* ---- effects ----------------------------------------------------------------------------------------- */

enum matching_answer_kind {
    MATCHING_ANSWER_TASK,
    MATCHING_ANSWER_EMPTY,
    MATCHING_ANSWER_OVER,      /* the worker is gone: empty, and its poll is not to be repeated */
    MATCHING_ANSWER_NOT_OWNER, /* poll somewhere else */
};

struct matching_answer {
    enum matching_answer_kind kind;
    struct matching_poll *poll; /* no longer the engine's */
    struct task_ref task;       /* workflow_id lives in the effects' arena */
    uint64_t backlog;           /* tasks that still wait in the queue */
    int32_t scaling; /* pollers the worker should have more, or less; 0: nothing to say */
};

struct matching_effects {
    struct arena *arena;
    VEC(struct matching_answer) answers;
};

struct matching_level_more {
    uint32_t level, more;
};

struct matching_demanded_queue {
    struct queue_id queue;
    uint32_t more; /* so many more offers of the normal level may be sent */
    VEC(struct matching_level_more) more_at; /* and of others */
    VEC(struct task_ref) gone;    /* handed to a poll, expired or dropped: no longer held here */
    VEC(struct task_ref) refused; /* sticky: no live worker, use the normal queue */
};

/* For one advertiser. */
struct matching_demand {
    struct advertiser_id to;
    uint64_t incarnation;
    VEC(struct matching_demanded_queue) queues;
};

struct matching_demands {
    struct arena *arena;
    VEC(struct matching_demand) list;
};

/* ---- the engine -------------------------------------------------------------------------------------- */

struct matching_engine *matching_engine_new(const struct matching_limits *limits);
void matching_engine_free(struct matching_engine *engine);
/* Who knows what is set for a queue: asked when a queue comes to be, and at MATCHING_CONFIG. False: nothing is. */
void matching_set_lookup(struct matching_engine *engine,
        bool (*lookup)(void *ctx, const struct queue_id *id, struct matching_queue_config *ret),
        void *ctx);

/* ERR_RESOURCE_EXHAUSTED (MATCHING_POLL only): a limit is reached, the poll is not parked. Nothing else fails. */
enum err matching_step(struct matching_engine *engine, const struct matching_event *ev,
        struct matching_effects *fx, struct fail *f) MUST_USE;

/* Takes out what advertisers must hear; whoever reaches() says no to hears it with a later flush. */
void matching_flush(struct matching_engine *engine, struct matching_demands *ret,
        bool (*reaches)(void *ctx, struct uuid member), void *ctx);

/* When MATCHING_TIME has something to do; INSTANT_NEVER: not by itself. */
struct instant matching_next_need(const struct matching_engine *engine);

struct matching_poller_info {
    struct str identity; /* in the arena */
    struct instant last_access;
    double rate_per_second; /* MATCHING_NO_RATE: not given */
    struct str details;     /* in the arena */
};
struct matching_level_info {
    uint32_t level;
    uint64_t backlog; /* here and at the advertisers */
    struct instant oldest;
    double add_rate, dispatch_rate;
};
enum matching_rate_source { MATCHING_RATE_NONE, MATCHING_RATE_CONFIG, MATCHING_RATE_POLL };
struct matching_queue_info {
    VEC(struct matching_poller_info) pollers; /* of the last five minutes, latest first */
    uint64_t backlog;                         /* here and at the advertisers */
    struct instant oldest;                    /* {0}: no backlog */
    double add_rate, dispatch_rate;           /* per second, last 30 s */
    VEC(struct matching_level_info) levels;   /* those that are in use, the first to go first */
    enum matching_rate_source rate_source;
    double rate_limit; /* per second; if there is a source */
    bool is_limited;   /* tasks wait for it now */
};
/* A queue that is not known is an empty one. */
void matching_describe(const struct matching_engine *engine, const struct queue_id *id,
        struct instant now, struct arena *arena, struct matching_queue_info *ret);

struct matching_totals {
    size_t queues, polls, offers, advertisers;
    size_t bytes;     /* of the engine's memory */
    uint64_t backlog; /* at the advertisers */
    uint64_t handed, answered_empty, refused, expired, duplicates, dropped;
};
struct matching_totals matching_totals(const struct matching_engine *engine);

/* Aborts when something that must always hold does not. O(everything). */
void matching_check_invariants(const struct matching_engine *engine);
