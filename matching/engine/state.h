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
    bool (*lookup)(void *ctx, const struct queue_id *id, struct matching_queue_config *ret);
    void *lookup_ctx;
};

/* One key of fairness within a level; tasks without one share the key without a name. See order.c. */
struct fair_key {
    struct map_node by_name;
    struct heap_node turn; /* in one heap of its level */
    struct heap *in;       /* which one; NULL: none */
    struct heap offers;    /* struct offer, by since */
    struct level *level;
    int64_t pass; /* virtual time of its next turn */
    struct rate_limit limit;
    size_t size;
    char name[];
};

struct level {
    struct heap active;  /* struct fair_key with offers, by pass */
    struct heap paused;  /* with offers, by when its own rate lets it go on */
    struct heap resting; /* without, by pass: it has had more than its share so far */
    struct map keys;     /* the ones with a name */
    struct fair_key *nameless;
    int64_t virtual_time; /* pass of the latest turn */
    uint64_t backlog;     /* sum over the sources */
    size_t held;
    struct rate_count added, handed; /* not of the normal level: the queue has the sum */
};

struct weight {
    struct map_node by_key;
    float weight;
    size_t size;
    char key[];
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
    struct level *levels[PRIORITY_LEVELS]; /* by level - 1; NULL: never used */
    struct level normal;                   /* what levels[] has in the middle */
    size_t offer_count;
    struct list sources;
    struct map pollers; /* struct poller by identity, the longest unseen first */
    uint64_t backlog;   /* sum over the sources */
    struct rate_limit limit, scaling;
    double poll_rate; /* the last poll's word */
    struct rate_count added, handed;
    /* what is configured */
    bool has_rate, has_key_rate;
    double config_rate, key_rate;
    struct map weights;           /* struct weight by key */
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
    struct instant began_anew; /* when it told all again; {0}: never */
    struct list sources;
    struct list dirty_sources;
    struct list_node dirty; /* in the engine's list */
};

struct source_key {
    const struct queue *queue;
    const struct advertiser *advertiser;
};

struct source_level {
    uint64_t backlog;
    struct instant oldest;
    uint32_t credit; /* granted and not used yet, as far as we know */
    uint32_t held;
    struct instant heard_at; /* its last offer, or our last repeated grant: see queue_unstall */
    unsigned stalls; /* repeated grants since its last offer: each one waits twice as long */
};

struct source {
    struct map_node by_key;
    struct source_key key;
    struct queue *queue;
    struct advertiser *advertiser;
    struct list_node in_queue, in_advertiser, dirty;
    uint64_t backlog; /* sum over the levels */
    struct source_level levels[PRIORITY_LEVELS];
    struct list held;
    uint32_t held_count;
    struct list leaving; /* offers to be reported with the next flush */
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
    struct fair_key *fair;
    struct task_ref task; /* workflow_id: the bytes below */
    struct instant since;
    float weight;
    uint32_t level;
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
/* The limit that holds: the configured one, or else the last poll's. */
void queue_set_limit(struct queue *q, struct instant now);
void queue_configure(struct matching_engine *e, struct queue *q, struct instant now);
bool queue_is_limited(const struct queue *q, struct instant now);
/* The oldest that is known to wait; INSTANT_NEVER: nothing does. */
struct instant queue_oldest(const struct queue *q, uint32_t level);

/* --- source.c --- */
/* NULL: that incarnation is over. What is left of a broken link may be read after the first of the next one. */
struct advertiser *advertiser_get(struct matching_engine *e, const struct advertiser_id *id,
        uint64_t incarnation, struct instant now);
/* Everything it advertised is void. */
void advertiser_void(struct matching_engine *e, struct advertiser *a);
void advertiser_forget(struct matching_engine *e, struct advertiser *a);
struct source *source_get(struct matching_engine *e, struct queue *q, struct advertiser *a,
        struct instant now, bool *is_new);
void source_forget(struct matching_engine *e, struct source *s);
/* What an advertisement says of its backlog, and how many tasks have come since the last one. */
void source_take_figures(
        struct matching_engine *e, struct source *s, const struct matching_event *ev, bool is_new);
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

/* --- order.c --- */
static inline uint32_t level_of(const struct priority *p)
{
    return p->key >= 1 && p->key <= PRIORITY_LEVELS ? (uint32_t)p->key : PRIORITY_NORMAL;
}
struct level *order_level(struct matching_engine *e, struct queue *q, uint32_t level);
void order_init(struct matching_engine *e, struct queue *q);
void order_deinit(struct matching_engine *e, struct queue *q);
/* The offer waits from now on. */
void order_add(struct matching_engine *e, struct offer *o, struct str key);
void order_remove(struct matching_engine *e, struct offer *o);
/* Whose turn it is; NULL: nobody's before order_wait(). */
struct offer *order_next(struct queue *q, struct instant now);
/* When a key that its rate holds back may go on; INSTANT_NEVER: none is. */
struct instant order_wait(const struct queue *q);
/* It is that offer's turn and it goes: before order_remove. */
void order_turn(struct matching_engine *e, struct offer *o, struct instant now);
/* Any one; NULL: none. */
struct offer *order_any(const struct queue *q);
struct instant order_oldest(const struct queue *q, uint32_t level); /* INSTANT_NEVER: none */
void order_configure(
        struct matching_engine *e, struct queue *q, const struct matching_queue_config *config);

/* --- scaling.c --- */
/* What the worker is told with a task: one poller more, one less, or nothing (0). */
int32_t scaling_decide(
        struct queue *q, struct instant poll_since, struct instant task_since, struct instant now);

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
