/* The inside of dispatch: a queue and a task. For dispatch.c and dispatch_send.c. */
#pragma once

#include "history/dispatch.h"
#include "history/history.h"

enum task_state { TASK_WAITING, TASK_SENT, TASK_HANDED };

struct dispatch_task {
    struct list_node in_queue; /* the queue's list of its state, or dispatch.handed */
    struct list_node in_run;
    struct execution *ex;
    struct dispatch_queue *queue;
    enum task_state state;
    int64_t scheduled_event_id;
    int32_t attempt, stamp;
    struct instant since;
    struct instant handed_at; /* monotonic */
    struct duration sticky_schedule_to_start;
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
    struct list waiting, sent;
    size_t waiting_count, sent_count, handed_count;
    uint32_t credit;
    struct uuid owner;         /* who was told last; zero: nobody */
    uint64_t told_backlog;     /* last figure advertised */
    struct instant idle_since; /* monotonic */
    /* tasks of evicted runs */
    uint64_t cold_count; /* at most so many; may count some twice */
    uint64_t cold_since; /* of them, since the scan under way began */
    uint64_t lent_count; /* runs that have left memory while the owner has an offer of them */
    bool scanning;
    run_key scanned; /* keys up to here have been looked at */
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
/* dispatch_owners.c */
void dispatch_watch(struct dispatch *d);
