/* The inside of dispatch: a queue, its levels of priority, their keys of fairness, a task. For the files of dispatch. */
#pragma once

#include "common/base/heap.h"
#include "common/model/priority.h"
#include "history/dispatch.h"
#include "history/history.h"

enum task_state { TASK_WAITING, TASK_SENT, TASK_HANDED };

struct dispatch_task {
    struct list_node in_queue; /* the queue's list of its state, or dispatch.handed */
    struct list_node in_run;
    struct execution *ex;
    struct dispatch_queue *queue;
    struct dispatch_key *key; /* of that queue */
    float weight;
    enum task_state state;
    int64_t scheduled_event_id;
    int32_t attempt, stamp;
    struct instant since;
    struct instant state_since; /* monotonic; of SENT and HANDED */
    struct duration sticky_schedule_to_start;
};

/* The tasks of one key of fairness; those without one share the nameless one. */
struct dispatch_key {
    struct map_node by_name;
    struct heap_node turn; /* linked while something waits */
    struct dispatch_level *level;
    struct list waiting;
    size_t tasks; /* in whatever state */
    size_t sent;
    int64_t pass; /* when it is its turn among keys that have equally much with the owner */
    char name[FAIRNESS_KEY_MAX];
};

struct dispatch_level {
    struct dispatch_queue *queue;
    uint32_t level, credit;
    struct heap turns; /* struct dispatch_key with waiting tasks */
    struct map keys;   /* the ones with a name */
    struct dispatch_key nameless;
    int64_t virtual_time;
    size_t waiting_count;
    uint64_t told_backlog; /* last figure advertised */
    /* tasks of evicted runs */
    uint64_t cold_count; /* at most so many; may count some twice */
    uint64_t cold_since; /* of them, since the scan under way began */
    run_key scanned;     /* keys up to here have been looked at */
};

struct dispatch_queue {
    struct map_node by_name; /* key: namespace, type, name */
    struct dispatch *dispatch;
    struct list_node in_dirty;
    struct uuid namespace_id;
    struct str name;
    enum task_queue_type type;
    bool is_sticky;
    uint64_t hash;
    struct dispatch_level *levels[PRIORITY_LEVELS]; /* by level - 1; NULL: never used */
    struct dispatch_level normal;
    struct list sent;
    size_t waiting_count, sent_count, handed_count;
    struct uuid owner;         /* who was told last; zero: nobody */
    struct instant idle_since; /* monotonic */
    /* tasks of evicted runs */
    uint64_t cold_count; /* of all levels */
    uint64_t lent_count; /* runs that have left memory while the owner has an offer of them */
    bool scanning;
    struct dispatch_level *scan_of;
    struct store_scan_backlog scan;
    uint32_t *scan_shards;
    struct arena arena;
};

struct dispatch_queue *dispatch_queue_get(struct dispatch *d, struct uuid namespace_id,
        enum task_queue_type type, struct str name, bool is_sticky);
void dispatch_queue_touch(struct dispatch_queue *q);
void dispatch_task_wait(struct dispatch_task *task, struct dispatch_queue *q, bool in_front);
void dispatch_task_unlink(struct dispatch_task *task);
void dispatch_task_free(struct dispatch_task *task);
/* Reads evicted tasks when there is demand and nothing else to give. */
void dispatch_queue_refill(struct dispatch_queue *q);
void dispatch_flush(struct lane_task *task);
/* dispatch_lent.c: notices may be lost, everything lent counts as waiting again. */
void dispatch_lent_return(struct dispatch *d);
#define dispatch_levels_each(q, l)                           \
    for (size_t l##_i = 0; l##_i < PRIORITY_LEVELS; l##_i++) \
        for (struct dispatch_level *l = (q)->levels[l##_i]; l; l = NULL)
/* dispatch_order.c */
struct dispatch_level *dispatch_level_get(struct dispatch_queue *q, uint32_t level);
void dispatch_levels_deinit(struct dispatch_queue *q);
/* The key of a task that begins to belong to it, or does no more. */
struct dispatch_key *dispatch_key_take(struct dispatch_queue *q, const struct priority *p);
void dispatch_key_drop(struct dispatch_key *k);
/* What waits of it, or how much of it is with the owner, has changed. */
void dispatch_key_rank(struct dispatch_key *k);
/* The task to be told next: it still waits, but its key's turn is taken. NULL: none. */
struct dispatch_task *dispatch_next(struct dispatch_level *l);
struct instant dispatch_oldest(const struct dispatch_level *l); /* {0}: nothing waits */
/* dispatch_owners.c */
void dispatch_watch(struct dispatch *d);
