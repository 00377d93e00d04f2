/* What the engine remembers. Private to matching/engine.
 *
 *     engine --- queues --- polls        parked, in order of arrival
 *                       --- offers       held, by age
 *                       --- pollers      who polled lately
 *            --- advertisers             history lanes
 *            --- sources                 (queue, advertiser): figures, credit, offers held of it
 */
#pragma once

#include "common/base/heap.h"
#include "common/base/map.h"
#include "matching/engine/engine.h"
#include "matching/engine/pool.h"
#include "matching/engine/rate.h"

enum { NAME_MAX_BYTES = 1024 }; /* of queues and workflow ids; the API allows 1000 */
enum { STALLS_MAX = 6 };
enum { IDENTITY_MAX_BYTES = 1024 }; /* longer ones are cut */
enum { DETAILS_MAX_BYTES = 2048 };  /* longer ones are not kept */

struct matching_engine {
    struct matching_limits limits;
    struct pool pool;
    struct map queues;      /* struct queue, by its key */
    struct map advertisers; /* struct advertiser, by id */
    struct map sources;     /* struct source, by (queue, advertiser) */
    struct map offers;      /* struct offer that is held, by identity */
    struct heap needs;      /* struct queue, by when it wants MATCHING_TIME */
    struct heap expiries;   /* struct offer of sticky queues, by when it is dropped */
    struct list idle;  /* struct queue without polls, offers and backlog, the longest idle first */
    struct list dirty; /* struct advertiser that must hear something */
    struct matching_totals totals; /* the counters; sizes are filled in when asked */
};

struct queue {
    struct map_node by_key;
    struct heap_node need;
    struct list_node idle; /* in the engine's list */
    struct queue_id id;
    bool is_sticky;
    bool is_cut; /* sticky: the last poll was cut off, not answered */
    struct list polls;
    size_t poll_count;
    struct heap offers; /* struct offer, by since */
    struct list sources;
    struct map pollers; /* struct poller by identity, the longest unseen first */
    uint64_t backlog;   /* sum over the sources */
    struct rate_limit limit;
    struct rate_count added, handed;
    struct instant used_at;       /* last event of any kind */
    struct instant foreign_since; /* another's by the last word about it; {0}: ours */
    struct instant alive_until;   /* sticky: the worker counts as alive */
    struct instant closed_until;  /* sticky: it said goodbye; late polls get nothing */
    size_t size;                  /* of this allocation: the key's bytes follow */
    char key[];                   /* type and kind, namespace id, name */
};

struct poller {
    struct map_node by_identity;
    struct instant seen_at;
    double rate_per_second;
    size_t size;
    struct str details; /* behind the identity */
    char identity[];
};

struct advertiser_key {
    struct uuid member;
    uint32_t lane;
};

struct advertiser {
    struct map_node by_id;
    struct advertiser_key key;
    uint64_t incarnation;
    struct list sources;
    struct list dirty_sources;
    struct list_node dirty; /* in the engine's list */
};

struct source_key {
    const struct queue *queue;
    const struct advertiser *advertiser;
};

struct source {
    struct map_node by_key;
    struct source_key key;
    struct queue *queue;
    struct advertiser *advertiser;
    struct list_node in_queue, in_advertiser, dirty;
    uint64_t backlog;
    struct instant oldest;
    uint32_t credit; /* granted and not used yet, as far as we know */
    struct list held;
    uint32_t held_count;
    struct list leaving;     /* offers to be reported with the next flush */
    struct instant heard_at; /* its last offer, or our last repeated grant: see queue_unstall */
    unsigned stalls; /* repeated grants since its last offer: each one waits twice as long */
};

/* Per source: when a shard moves, the new owner's offer must not fall with the old one's. */
struct offer_key {
    const struct source *source;
    struct uuid run_id;
    int64_t scheduled_event_id;
    int32_t attempt, stamp;
};

struct offer {
    struct map_node by_key;
    struct offer_key key;
    struct heap_node by_since, expiry;
    struct list_node in_source; /* held or leaving */
    struct source *source;
    struct task_ref task; /* workflow_id: the bytes below */
    struct instant since;
    bool is_refused; /* leaving: refused, otherwise gone */
    size_t size;
    char workflow_id[];
};

/* --- queue.c --- */
struct queue *queue_find(
        const struct matching_engine *e, const struct queue_id *id, bool is_sticky);
/* NULL: the limit of queues is reached and none is idle, or the name is too long. */
struct queue *queue_get(
        struct matching_engine *e, const struct queue_id *id, bool is_sticky, struct instant now);
/* No polls may be parked. What is held and figured is dropped without a word to the advertisers. */
void queue_forget(struct matching_engine *e, struct queue *q);
bool queue_is_idle(const struct queue *q);
/* Idle, and nothing about it is waiting to be reported. */
bool queue_may_go(const struct queue *q);
/* Sets the queue's next MATCHING_TIME; at the end of each event that touched it. */
void queue_plan(struct matching_engine *e, struct queue *q, struct instant now);
void queue_saw_poller(struct matching_engine *e, struct queue *q, struct str identity, double rate,
        struct str details, struct instant now);
uint64_t queue_backlog(const struct queue *q);

/* --- source.c --- */
struct advertiser *advertiser_get(
        struct matching_engine *e, const struct advertiser_id *id, uint64_t incarnation);
/* Everything it advertised is void. */
void advertiser_void(struct matching_engine *e, struct advertiser *a);
void advertiser_forget(struct matching_engine *e, struct advertiser *a);
struct source *source_get(struct matching_engine *e, struct queue *q, struct advertiser *a,
        struct instant now, bool *is_new);
void source_forget(struct matching_engine *e, struct source *s);
void source_set_backlog(struct source *s, uint64_t backlog, struct instant oldest);
void source_mark_dirty(struct matching_engine *e, struct source *s);
/* Takes the offer in and uses one credit; NULL: it was known, or dropped at once. */
struct offer *source_take_offer(struct matching_engine *e, struct source *s,
        const struct matching_offer *o, struct instant now);
/* Ends the holding: to be reported as gone, or refused. */
void offer_leave(struct matching_engine *e, struct offer *o, bool is_refused);
/* Waiting polls: advertisers with a backlog may send one more each. */
void queue_ask_for_more(struct matching_engine *e, struct queue *q);
/* Advertisers that have tasks and credit and are silent while polls wait: a message was lost; grant again. */
void queue_unstall(struct matching_engine *e, struct queue *q, struct instant now);

/* --- match.c --- */
/* Brings polls and offers together as far as rate and worker allow. */
void queue_match(struct matching_engine *e, struct queue *q, struct instant now,
        struct matching_effects *fx);
void poll_unpark(struct matching_engine *e, struct matching_poll *poll);
void poll_answer(struct matching_engine *e, struct matching_poll *poll,
        enum matching_answer_kind kind, struct matching_effects *fx);

/* --- sticky.c --- */
void sticky_saw_poll(struct matching_engine *e, struct queue *q, struct instant now);
void sticky_poll_cut(struct matching_engine *e, struct queue *q, struct instant now);
void sticky_goodbye(struct matching_engine *e, struct queue *q, struct instant now,
        struct matching_effects *fx);
/* After offers came or time passed: refuses what must not wait here. */
void sticky_settle(struct matching_engine *e, struct queue *q, struct instant now);
bool sticky_is_closed(const struct queue *q, struct instant now);
