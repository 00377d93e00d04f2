/* The state of one run. Changed by apply.c only; everybody else reads. */
#pragma once

#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/model/history_event.h"
#include "history/engine/engine.h"

enum workflow_task_state {
    WORKFLOW_TASK_NONE,
    WORKFLOW_TASK_SCHEDULED,
    WORKFLOW_TASK_STARTED, /* always volatile: the event is stored when the task ends */
};

struct workflow_task {
    enum workflow_task_state state;
    int64_t scheduled_event_id;
    bool is_transient; /* its scheduled event is not stored, the id is only expected: attempt > 1, or speculative */
    bool is_speculative; /* only for updates: volatile as a whole, also its schedule; implies is_transient */
    bool is_sticky;  /* scheduled on the sticky queue */
    int32_t attempt; /* of the task that is scheduled or started */
    struct instant scheduled_time, original_scheduled_time; /* the latter is kept over heartbeats */
    struct duration start_to_close;
    struct duration schedule_to_start; /* sticky or speculative only */
    /* while started */
    int64_t started_event_id;
    struct instant started_time;
    bool started_sticky; /* polled from the sticky queue */
    struct str identity, request_id, worker_version;
    int64_t history_size;
    bool suggest_continue_as_new;
    int32_t suggest_reasons; /* bit n-1: the API's reason n */
};

/* A speculative task that nobody takes becomes a normal one: not even the normal queue keeps it longer. */
#define SPECULATIVE_SCHEDULE_TO_START DURATION_SECONDS(5)

enum activity_state { ACTIVITY_SCHEDULED, ACTIVITY_STARTED };

struct activity {
    struct map_node by_id, by_event;
    struct heap_node need, durable_need; /* see tally.c */
    int64_t scheduled_event_id;
    struct str activity_id, activity_type;
    struct queue_ref task_queue;
    struct duration schedule_to_close, schedule_to_start, start_to_close, heartbeat;
    struct retry_policy retry;
    struct str scheduled_event; /* encoded; empty when too large to keep */
    struct str priority;        /* message: what it says itself; the rest is the workflow's */
    enum activity_state state;
    bool is_start_volatile;    /* started, and no record says so yet */
    struct instant durable_at; /* volatile start: when it is to be stored */
    bool needs_dispatch;       /* volatile: to be offered when its time has come */
    int32_t attempt, stamp;
    struct instant scheduled_time, attempt_scheduled_time, started_time, last_heartbeat;
    struct str identity, request_id; /* of the running attempt */
    struct str last_identity;        /* worker of the attempt before */
    struct instant last_complete;    /* when that attempt ended */
    struct str heartbeat_details, last_failure;
    int64_t cancel_requested_event_id; /* 0: not requested */
};

struct user_timer {
    struct map_node by_id;
    struct heap_node need;
    struct str timer_id;
    int64_t started_event_id;
    struct instant fire_at;
};

/* An event that has happened while a workflow task is out: no id yet. Its effect on the state is applied. */
struct buffered_event {
    struct list_node node;
    enum event_type type;
    struct instant time;
    struct str attributes; /* encoded, without started_event_id of an activity's close */
    struct str links;
    int64_t scheduled_event_id; /* activity events; timers: started_event_id */
};

struct request_id {
    struct map_node node;
};

/* The request id of a later start that uses this run. */
struct attached_id {
    struct map_node node;
    int64_t event_id; /* 0: it is still buffered */
    int32_t type;     /* of that event: 55; of an update 41, or 47 */
};

/* Somebody who wants to be told of the end of the chain. Kept and shown; nobody is told yet. */
struct callback {
    struct list_node node;
    struct str callback, request_id; /* message Callback; of the request that brought it */
    struct str update_id; /* of the update whose outcome it waits for; empty: of the chain's end */
    struct instant registered;
};

/* A signal or cancel on its way to another run; its id is the id of the initiated event. */
struct outbox_entry {
    struct map_node by_id;
    int64_t id;
    struct history_event initiated; /* only what the message and the outcome event need */
};

/* A child workflow that was asked for.
 *
 *     STARTING --31--> CONFIRMING --first task sent--> RUNNING --32..36--> gone
 *        |   `--30--> gone
 *        |            at the run's end, by the parent close policy:
 *        |            CONFIRMING, RUNNING -> ENDING -> gone; ABANDON: CONFIRMING stays until sent, RUNNING -> gone
 *        `--end--> LATE (it may exist already, but may not be started any more) --it exists--> ENDING or CONFIRMING
 *                                                                               `--it does not--> gone
 *
 * In every stage but RUNNING a message is under way; its id is made of the stage and the initiated event's id. */
enum child_stage { CHILD_STARTING = 1, CHILD_CONFIRMING, CHILD_RUNNING, CHILD_LATE, CHILD_ENDING };

struct child {
    struct map_node by_event;
    enum child_stage stage;
    int64_t initiated_event_id;
    int64_t started_event_id;    /* 0: its event has no id yet */
    int64_t completed_event_id;  /* of the completion that asked for it */
    int32_t parent_close_policy; /* enum parent_close_policy */
    struct str namespace_name, workflow_id, workflow_type, control;
    struct str initiated; /* event 29, encoded, until the child is started */
    struct uuid run_id;   /* its first run; zero until it is started */
};

/* An update.
 *
 *     ADMITTED --a task starts--> ADMITTED, sent --41--> ACCEPTED --43--> COMPLETED
 *        |                          |  rejected, or ignored by the worker: gone, without a trace
 *        `-- run closed: gone ------'                    `-- run closed: stays, its outcome is a failure
 *
 * ADMITTED: volatile, unless event 47 says so (reset). Always a task is out that will carry it, or its run waits for
 * its first task. ACCEPTED, COMPLETED: known for as long as the run. */
struct update {
    struct map_node by_id;
    struct list_node pending; /* ADMITTED: in the order of arrival */
    struct str update_id;
    enum update_stage stage;
    bool is_sent;
    int64_t admitted_event_id, accepted_event_id, completed_event_id; /* 0: none */
    struct str request; /* volatile ones: the message Request */
    char *space;        /* where it is; used again by later ones */
    size_t space_size;
};

struct updates {
    struct map by_id;
    struct list pending, spare;
    size_t completed_count;
    size_t pending_bytes; /* of those that are ADMITTED */
    size_t kept_bytes;    /* of those that an event speaks of */
};

struct workflow {
    struct arena *arena;
    /* --- identity and start --- */
    enum workflow_status status; /* 0 before the start */
    struct uuid namespace_id, run_id;
    struct str namespace_name, start_request_id;
    struct history_event start; /* event 1; large members only when a retry may need them */
    struct instant start_time, run_deadline, expiration;
    struct instant first_task_at; /* not {0}: the first workflow task waits for this moment */
    /* --- what it shows and keeps for others --- */
    struct str memo,
            search_attributes; /* after upserts; before the first one those of event 1 count */
    bool has_own_memo, has_own_search_attributes;
    struct str problems; /* problems.c: of the workflow task that keeps failing; empty: none */
    struct str versioning_override; /* message; kept and shown: tasks are not routed by it */
    struct str reset_points;        /* reset_points.c */
    struct map attached;            /* struct attached_id */
    struct list callbacks;          /* struct callback */
    uint32_t callback_count;
    size_t attached_bytes; /* of both */
    /* --- history --- */
    int64_t next_event_id;
    int64_t history_size;
    struct instant last_event_time;
    /* --- workflow task --- */
    struct workflow_task task;
    int32_t next_attempt; /* of the next workflow task; 1 is normal */
    int32_t failed_tasks; /* since the last completion, but for sticky ones */
    int64_t previous_started_event_id;
    int64_t last_completed_event_id;
    struct str sticky_queue;
    struct duration sticky_schedule_to_start;
    bool close_attempted;
    bool cancel_requested;
    /* --- pending --- */
    struct map activities_by_id, activities_by_event;
    struct map timers;
    struct map request_ids;
    struct map outbox;
    struct map
            children; /* by initiated event id; after the end those that must still hear something */
    struct str close_event; /* encoded, until the parent has heard of it */
    /* --- reset and deletion --- */
    struct uuid base_run_id;  /* not zero: this run is a reset of that one */
    int64_t copied_until;     /* events up to this one are those of the first run of all resets */
    struct uuid reset_run_id; /* not zero: this run was reset into that one */
    struct str reset_request_id; /* of the request that made this run */
    bool is_reset_away;          /* ended, or ends, by a reset */
    bool is_deleted; /* nobody sees it any more; it goes when its messages are settled */
    struct list buffered;
    uint32_t buffered_count;
    size_t buffered_bytes;
    uint32_t signal_count;
    struct list free_activities, free_timers;
    struct updates *updates; /* NULL: there has been none */
    /* --- sums over what is pending, kept by tally.c --- */
    struct heap activity_needs, activity_durable_needs, timer_needs;
    size_t pending_bytes;
    size_t volatile_starts, children_with_message;
};

/* Bytes of what a run must remember: pending things, buffered events, memo, ...; O(1). */
size_t workflow_state_bytes(const struct workflow *wf);
/* The earliest need of activities and timers; INSTANT_NEVER: none. */
struct instant workflow_pending_need(const struct workflow *wf);
struct instant workflow_pending_durable_need(const struct workflow *wf);

struct activity *workflow_activity(const struct workflow *wf, int64_t scheduled_event_id);
struct child *workflow_child(const struct workflow *wf, int64_t initiated_event_id);
bool workflow_has_messages(const struct workflow *wf);
static inline struct str workflow_memo(const struct workflow *wf)
{
    return wf->has_own_memo ? wf->memo : wf->start.memo;
}
static inline struct str workflow_search_attributes(const struct workflow *wf)
{
    return wf->has_own_search_attributes ? wf->search_attributes : wf->start.search_attributes;
}
/* The message ResetPoints. */
struct str workflow_reset_points(const struct workflow *wf, struct arena *arena);
/* When the run was to begin: later than its start by the first task's backoff. */
static inline struct instant workflow_execution_time(const struct workflow *wf)
{
    return instant_add(wf->start.time, wf->start.first_task_backoff);
}

/* What the receivers of this run's messages must know of it. */
static inline uint32_t workflow_message_flags(const struct workflow *wf)
{
    return uuid_is_zero(wf->base_run_id) ? 0 : OUTBOX_SOURCE_RESET;
}
static inline bool workflow_has_parent(const struct workflow *wf)
{
    return wf->start.parent.workflow_id.len > 0;
}
/* A child whose first task waits until its parent knows of it. */
static inline bool workflow_waits_for_parent(const struct workflow *wf)
{
    return wf->first_task_at.ns == INT64_MAX;
}
struct user_timer *workflow_timer(const struct workflow *wf, struct str timer_id);
struct update *workflow_update(const struct workflow *wf, struct str update_id);
/* Some update waits for a task that carries it. */
bool workflow_has_pending_updates(const struct workflow *wf);
/* A workflow task of this run has completed: only then may one be speculative. */
static inline bool workflow_was_seen(const struct workflow *wf)
{
    return wf->previous_started_event_id > 0;
}

static inline bool workflow_is_open(const struct workflow *wf)
{
    return wf->status == WORKFLOW_RUNNING;
}

#define activity_each(wf, a)                                                      \
    for (struct activity *a = activity_of(map_first(&(wf)->activities_by_event)), \
                         *a##_next = activity_after(wf, a);                       \
            a; a = a##_next, a##_next = activity_after(wf, a))

static inline struct activity *activity_of(struct map_node *n)
{
    return n ? map_entry(n, struct activity, by_event) : NULL;
}

static inline struct activity *activity_after(const struct workflow *wf, struct activity *a)
{
    return a ? activity_of(map_next(&wf->activities_by_event, &a->by_event)) : NULL;
}

static inline struct child *child_of(struct map_node *n)
{
    return n ? map_entry(n, struct child, by_event) : NULL;
}

static inline struct user_timer *timer_of(struct map_node *n)
{
    return n ? map_entry(n, struct user_timer, by_id) : NULL;
}

/* When something about the activity is due, and what. INSTANT_NEVER: nothing. */
struct activity_due {
    struct instant at;
    enum { DUE_NONE, DUE_DISPATCH, DUE_TIMEOUT } what;
    enum timeout_type timeout;
};
struct activity_due activity_due(const struct activity *a);
struct instant workflow_task_due(const struct workflow *wf, enum timeout_type *type);
