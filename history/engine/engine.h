/* The history engine: one run of a workflow as a pure state machine.
 *
 *     workflow_step(state, event) -> effects
 *
 * No clock, no randomness, no I/O, no lock, no log, no allocation outside the given arenas: time
 * and fresh ids come in with the event, everything that must happen comes out as plain data. The
 * driver (history/) commits the effects and only then lets anybody see them.
 *
 * Decide, then apply. A step first checks the request: an error means that nothing has changed.
 * Then it becomes records, and each record is applied by the one function that changes state
 * (apply.c). A record is a public history event in wire form, or an internal record (what events do
 * not say: attempts, heartbeats, buffered events, request ids, outbox). State = fold of the
 * records: workflow_fold over stored log rows gives the live state.
 *
 * Volatile records are applied, but not stored: a workflow task or a retryable activity being
 * started. The task token can rebuild them, so that a completion in flight is accepted after a
 * crash. workflow_forget_volatile gives what a reload would give.
 *
 * Checked after every step in tests: workflow_check_invariants; fold(records) equals the state
 * without its volatile part; decode(encode(state)) equals it; the same input gives the same bytes.
 */
#pragma once

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/rand.h"
#include "common/base/uuid.h"
#include "common/base/vec.h"
#include "common/model/command.h"
#include "common/model/ids.h"
#include "common/model/policies.h"
#include "common/model/search_attributes.h"
#include "history/engine/engine_options.h"
#include "history/engine/engine_update.h"

struct workflow; /* the state of one run; its fields are in history/engine/workflow.h, read-only for
                    others */

/* ---- limits: per namespace, given with every event --------------------------------------------- */

struct engine_limits {
    size_t blob_size_error;                          /* bytes of one payload field; default 2 MiB */
    size_t memo_size_error;                          /* 2 MiB */
    uint32_t callbacks;                              /* of a run: 32 */
    uint32_t links;                                  /* of a request: 10 */
    int32_t history_page;                            /* events that a reader gets at once: 256 */
    size_t link_bytes, summary_bytes, details_bytes; /* 4000, 400, 20000 */
    size_t id_length;                                /* 1000 */
    int64_t history_count_suggest, history_count_error; /* 4096, 51200 events */
    size_t history_size_suggest, history_size_error;    /* 4 MiB, 50 MiB */
    size_t state_size_error;                            /* 8 MiB: what a run must remember */
    size_t transaction_size_error;                      /* 4 MiB: what one completion may add */
    struct search_attribute_limits search_attribute_limits;
    const struct search_attributes *search_attributes; /* registered; NULL: any name will do */
    struct duration retention;                         /* of closed runs; 0: for ever */
    const struct str *bad_binaries; /* checksums of workers that may not complete tasks */
    size_t bad_binary_count;
    bool cross_namespace; /* commands may name other namespaces; default false */
    /* Nothing is handed out with the answer to a start or completion, whatever the client asks; default false. */
    bool no_eager_start, no_eager_activities;
    struct duration
            restart_min; /* a run younger than this is not terminated for a new one; default 0 */
    uint32_t pending_activities, pending_children, pending_signals, pending_cancels; /* 2000 each */
    uint32_t signals_per_run;                                                        /* 10000 */
    uint32_t buffered_events;                                                        /* 100 */
    size_t buffered_bytes;                                                           /* 2 MiB */
    uint32_t updates_in_flight, updates_total;     /* 10 at a time, 2000 of a run; 0: no limit */
    size_t updates_in_flight_bytes;                /* 20 MiB */
    struct duration default_workflow_task_timeout; /* 10 s */
    struct duration workflow_task_retry_max;       /* 10 min: cap of the growing timeout */
    struct duration workflow_task_heartbeat_max;   /* 30 min */
    struct duration
            activity_start_grace; /* a started activity becomes durable after this: 500 ms */
};
extern const struct engine_limits engine_limits_default;

/* ---- events: what comes in --------------------------------------------------------------------- */

/* Fields are borrowed for the step; the engine copies what it keeps. "message" = an encoded public
 * message. */

struct event_signal {
    struct str signal_name, request_id, identity;
    struct str input, header, links; /* messages; links as above */
    struct str external_workflow_id; /* of the sender, for signals by another workflow */
    struct uuid external_run_id;
    bool wakes_delayed; /* signal-with-start on an open run: ends a start delay, which a plain signal does not */
};

/* Who has started a child. */
struct event_parent {
    struct uuid namespace_id, run_id;
    struct str namespace_name, workflow_id;
    int64_t initiated_event_id;
    struct str root_workflow_id, root_run_id;
};

struct event_start {
    struct uuid namespace_id, run_id;
    struct str namespace_name, workflow_id, workflow_type, task_queue;
    struct str request_id, identity, cron_schedule;
    struct str input, header, memo, search_attributes, user_metadata, priority; /* messages */
    struct str links; /* concatenated HistoryEvent.links fields (tag 302), ready to be appended */
    const struct str *callbacks; /* messages Callback, to be told of the end of the chain */
    size_t callback_count;
    struct duration execution_timeout, run_timeout, task_timeout; /* 0: not given */
    struct duration start_delay;
    struct retry_policy retry; /* of the run */
    bool request_eager_execution;
    const struct event_signal
            *signal; /* signal-with-start: comes right after event 1; NULL: none */
    const struct event_update
            *update; /* update-with-start: the first task carries it; NULL: none */
    const struct event_parent *parent; /* NULL: none; inherited within a chain */
    bool waits_for_parent;             /* the first task comes with EVENT_FIRST_TASK */
    /* chains: what a run takes over from the one before it; zero for a fresh start */
    struct uuid first_run_id, original_run_id, continued_run_id; /* zero: run_id */
    enum continue_as_new_initiator initiator;
    int32_t attempt;           /* 0 means 1 */
    struct instant expiration; /* {0}: now + execution_timeout */
    struct duration first_task_backoff;
    struct str continued_failure, last_completion_result; /* messages */
    struct str versioning_override;                       /* message */
    struct str reset_points; /* message ResetPoints, see reset_points.c */
};

struct event_request_cancel {
    struct str cause, identity, request_id, links;
    struct str external_workflow_id;
    struct uuid external_run_id;
    int64_t external_initiated_event_id;
};

struct event_terminate {
    struct str reason, identity, links;
    struct str details; /* message */
};

/* A poll wants the task it was matched with. Idempotent by poll_id while the task is started. */
struct event_claim {
    int64_t scheduled_event_id;
    int32_t attempt;
    int32_t stamp;      /* activities: bumped by every reschedule; an older one is obsolete */
    struct str poll_id; /* request id of the poll */
    struct str identity;
    struct str worker_version; /* message, stored with the started event when given */
    struct str
            task_queue; /* the queue it was polled from: tells sticky from normal; empty: as offered */
};

/* What a workflow task's token says: enough to rebuild the identical started event. */
struct workflow_task_token {
    int64_t scheduled_event_id, started_event_id;
    int32_t attempt;
    struct instant scheduled_time, started_time;
    struct str identity, request_id;
    int64_t history_size;
    bool suggest_continue_as_new;
    int32_t suggest_reasons;   /* bit n-1: the API's reason n */
    struct str worker_version; /* message */
};

struct event_workflow_task_completed {
    struct workflow_task_token token;
    const struct command *commands;
    size_t command_count;
    const struct update_message *messages;
    size_t message_count;
    bool discards_with_events; /* the worker can get the same events twice */
    struct str identity;
    struct str sticky_task_queue; /* empty: not sticky */
    struct duration sticky_schedule_to_start;
    bool return_new_workflow_task, force_create_new_workflow_task;
    struct str binary_checksum;
    struct str worker_version, deployment, deployment_version; /* messages */
    /* passed into the completed event untouched: its fields sdk_metadata, metering_metadata, versioning_behavior ...
     * already encoded with that event's field numbers */
    struct str completed_event_fields;
    struct str poll_id; /* fresh: the request id of a task returned inline */
};

struct event_workflow_task_failed {
    struct workflow_task_token token;
    enum workflow_task_failed_cause cause;
    struct str failure; /* message */
    struct str identity;
    struct str failed_event_fields; /* worker_version, binary_checksum ...: encoded for the failed
                                       event */
};

/* Which attempt of which activity: from the token, or by id (then scheduled_event_id is 0 and
 * attempt 0). */
struct activity_ref {
    int64_t scheduled_event_id;
    struct str activity_id;
    int32_t attempt;
    struct instant started_time; /* from the token: rebuilds a start that was volatile; {0} by id */
    struct str identity, request_id; /* of the start, from the token */
};

struct event_activity_completed {
    struct activity_ref ref;
    struct str result, identity; /* message; the worker */
};

struct event_activity_failed {
    struct activity_ref ref;
    struct str failure, last_heartbeat_details, identity; /* messages; the worker */
};

struct event_activity_canceled {
    struct activity_ref ref;
    struct str details, identity;
};

struct event_activity_heartbeat {
    struct activity_ref ref;
    struct str details, identity;
};

/* A child's chain has ended. */
struct event_child_closed {
    int64_t initiated_event_id;
    struct uuid first_run_id, run_id; /* the child's first and last run */
    struct str workflow_id, workflow_type;
    struct str close_event; /* the last event of its last run, encoded */
    bool is_base_s;         /* started by the run that this one is a reset of */
};

/* A new run out of the first events of another one (reset.c): the state holds the events of earlier
 * rows already, folded with the records that reset_copy_records gives. */
struct event_reset {
    struct uuid namespace_id, run_id, base_run_id;
    struct str namespace_name;
    struct str start_request_id; /* of the base run: a repeated start finds the new run */
    struct str request_id, reason;
    struct str copied;  /* the last events that are taken over, as stored; at least one */
    struct str reapply; /* what came after them, as stored: what reset_reapplies has chosen */
    struct instant start_time; /* of the new run; {0}: now */
    int64_t base_copied_until; /* of a base run that is a reset itself */
};

/* The run was reset: it ends if it is open, and knows what has become of it. */
struct event_reset_away {
    struct uuid new_run_id; /* zero: another run of the chain was the base */
    struct str reason;
};

enum event_kind {
    EVENT_START,
    EVENT_SIGNAL,
    EVENT_REQUEST_CANCEL,
    EVENT_TERMINATE,
    EVENT_CLAIM_WORKFLOW_TASK,
    EVENT_UNCLAIM_WORKFLOW_TASK, /* the answer provably never left: same attempt again (uses claim)
                                  */
    EVENT_WORKFLOW_TASK_COMPLETED,
    EVENT_WORKFLOW_TASK_FAILED,
    EVENT_CLAIM_ACTIVITY,
    EVENT_UNCLAIM_ACTIVITY,
    EVENT_ACTIVITY_COMPLETED,
    EVENT_ACTIVITY_FAILED,
    EVENT_ACTIVITY_CANCELED,
    EVENT_ACTIVITY_HEARTBEAT,
    EVENT_RESET_STICKY,    /* the sticky worker is gone: later tasks go to the normal queue */
    EVENT_TIME,            /* now has passed workflow_next_need: everything due is done */
    EVENT_MESSAGE_SETTLED, /* the target of an outbox message has answered */
    EVENT_FIRST_TASK,      /* the parent knows of this child: it may begin */
    EVENT_CHILD_CLOSED,
    EVENT_UPDATE, /* no error: fx->update_status is how far it has come */
    EVENT_ATTACH,
    EVENT_OPTIONS,
    EVENT_RESET,
    EVENT_RESET_AWAY,
    EVENT_DELETE, /* ends the run if it is open; it can go when its messages are settled */
    EVENT_COUNT,
};

struct event {
    enum event_kind kind;
    struct instant now;
    struct rand rand; /* fresh ids and jitter */
    const struct engine_limits *limits;
    struct str
            zone; /* TZif bytes of the zone that the run's cron schedule names (cron_zone_name); empty: none */
    union {
        struct event_start start;
        struct event_signal signal;
        struct event_request_cancel request_cancel;
        struct event_terminate terminate;
        struct event_claim claim;
        struct event_workflow_task_completed workflow_task_completed;
        struct event_workflow_task_failed workflow_task_failed;
        struct event_activity_completed activity_completed;
        struct event_activity_failed activity_failed;
        struct event_activity_canceled activity_canceled;
        struct event_activity_heartbeat activity_heartbeat;
        struct event_child_closed child_closed;
        struct event_update update;
        struct event_attach attach;
        struct event_options options;
        struct event_reset reset;
        struct event_reset_away reset_away;
        struct {
            int64_t message_id; /* of the outbox message */
            enum err outcome;   /* ERR_NONE, ERR_NOT_FOUND, ... as the target said */
            struct str body;    /* what the target answered, by kind */
        } settled;
    };
};

/* ---- effects: what must happen ----------------------------------------------------------------- */

/* A task that a worker may have. Matching gets the reference; the claim fetches the payload. */
struct task_offer {
    enum task_queue_type type;
    struct str queue;
    bool is_sticky;
    struct duration sticky_schedule_to_start; /* how long it may wait there for its live poller */
    int64_t scheduled_event_id;
    int32_t attempt, stamp;
    struct instant since; /* for the age of the backlog */
    struct str priority;  /* the public message; empty: the normal one */
};

/* A workflow task handed to a worker: by a claim, or inline with a completion. */
struct workflow_task_start {
    struct workflow_task_token token;
    int64_t previous_started_event_id; /* of the last completed workflow task; 0: none */
    int64_t from_event_id; /* first event the worker needs: 1, or previous_started + 1 when sticky
                            */
    int64_t to_event_id;   /* last stored event it gets */
    struct str suffix; /* synthetic events after it (concatenated History.events fields), not stored
                          yet */
    struct str normal_task_queue;
    const struct update_request *updates; /* in the order in which they came */
    size_t update_count;
};

/* An activity attempt handed to a worker. */
struct activity_start {
    int64_t scheduled_event_id;
    struct str scheduled_event; /* the HistoryEvent; empty when it was too large to keep: read it
                                   from the log */
    struct str activity_id, activity_type;
    int32_t attempt;
    struct instant scheduled_time, attempt_scheduled_time, started_time;
    struct str heartbeat_details;    /* message, of an earlier attempt */
    struct str identity, request_id; /* for the token */
    struct duration schedule_to_close, start_to_close, heartbeat;
    struct retry_policy retry;
};

/* What the receiver of a message is told beside the body. */
enum outbox_flag {
    OUTBOX_CHILD_ONLY = 1,    /* the target must be a child of this run */
    OUTBOX_SOURCE_CLOSED = 2, /* nothing may be started any more: only tell whether it was */
    OUTBOX_SOURCE_RESET = 4,  /* this run is a reset: its children may know another run as parent */
};

enum outbox_kind {
    OUTBOX_SIGNAL = 1,
    OUTBOX_REQUEST_CANCEL = 2,
    OUTBOX_START_CHILD = 3, /* settled with the run id as text */
    OUTBOX_FIRST_TASK = 4,  /* to a child: it may begin */
    OUTBOX_TERMINATE = 5,
    OUTBOX_CHILD_CLOSED = 6, /* to the parent */
};

/* A message to another run, delivered at least once, in order per target, until it is settled. */
struct outbox_message {
    int64_t id; /* unique within this run for ever */
    enum outbox_kind kind;
    uint32_t flags; /* enum outbox_flag */
    struct str namespace_name, workflow_id;
    struct uuid run_id; /* zero: the current run */
    /* signal, cancel, terminate: the encoded public request, with a stable request id; others: child.c */
    struct str body;
};

struct effects {
    struct arena *arena; /* everything here lives in it */
    /* one log row; nothing to commit when changed is false */
    bool changed;
    int64_t first_event_id;
    int32_t event_count;
    struct buf events;
    struct buf records;
    /* the answer: error to be told although effects are committed (a refused completion); ERR_NONE:
     * success */
    struct fail answer;
    bool has_workflow_task; /* claims; completions with return_new_workflow_task */
    struct workflow_task_start workflow_task;
    bool has_activity;
    struct activity_start activity;
    VEC(struct activity_start) eager_activities;
    bool cancel_requested;              /* heartbeats */
    struct update_status update_status; /* updates */
    VEC(struct update_news) updates;
    int64_t reset_history_event_id; /* the completed task left no trace: the worker goes back to here */
    VEC(struct str)
    failures;          /* messages: what was too large to be kept of a failed activity's answer */
    bool is_duplicate; /* the request id was known: nothing was done again */
    VEC(struct task_offer) offers;
    VEC(struct outbox_message) messages;
    struct event_start
            *successor; /* continue-as-new, retry, cron: start this run in the same commit */
    bool closed;        /* this step closed the run */
    bool shows_changed; /* this step changed the run's memo or search attributes */
};

void effects_init(struct effects *fx, struct arena *arena);

/* ---- the engine -------------------------------------------------------------------------------- */

/* An empty state, in its own arena: for EVENT_START, or for workflow_decode and workflow_fold. */
struct workflow *workflow_new(struct arena *arena);

/* Errors change nothing (fx is to be ignored): ERR_NOT_FOUND, ERR_INVALID_ARGUMENT,
 * ERR_FAILED_PRECONDITION, ERR_RESOURCE_EXHAUSTED with the API's texts; ERR_OBSOLETE for claims
 * that are too late. */
enum err workflow_step(
        struct workflow *wf, const struct event *ev, struct effects *fx, struct fail *f) MUST_USE;

/* Applies one stored log row. ERR_CORRUPT when it does not fit (gap, unknown record kind,
 * malformed). */
enum err workflow_fold(struct workflow *wf, int64_t first_event_id, struct str events,
        struct str records, struct fail *f) MUST_USE;

/* Snapshot of the durable state; stable bytes. */
void workflow_encode(const struct workflow *wf, struct buf *out);
enum err workflow_decode(struct workflow *wf, struct str bytes, struct fail *f) MUST_USE;

/* The same run, volatile state included, in a fresh arena without garbage: arenas only grow while a run lives.
 * Nothing of the copy is in the old arena or in scratch. NULL: the state is too large for that. */
struct workflow *workflow_compact(
        const struct workflow *wf, struct arena *fresh, struct arena *scratch);

/* Drops what a crash would drop. Part of reload and of the tests. */
void workflow_forget_volatile(struct workflow *wf);

/* The earliest moment at which EVENT_TIME has something to do; INSTANT_NEVER: none. Counts volatile
 * needs. */
struct instant workflow_next_need(const struct workflow *wf);
/* What wake_at must not exceed if everything in memory were lost: the durable needs. An undelivered
 * or started task whose loss nobody would notice counts as a need now (its schedule or start time).
 */
struct instant workflow_durable_need(const struct workflow *wf);
/* The tasks that are waiting for a worker now: after a load, when the offers of earlier steps are
 * lost. */
void workflow_offers(const struct workflow *wf, struct arena *arena, struct effects *fx);
/* Is that task one of them? Whatever its attempt. */
bool workflow_offers_task(
        const struct workflow *wf, enum task_queue_type type, int64_t scheduled_event_id);
/* The outbox messages that are not settled. */
void workflow_messages(const struct workflow *wf, struct arena *arena, struct effects *fx);

enum workflow_status workflow_status(const struct workflow *wf);
int64_t workflow_next_event_id(const struct workflow *wf);
/* What a reader is promised of a task that no worker has yet and whose scheduled event is not stored: that event, as
 * a History.events field. Otherwise empty. */
struct str workflow_task_promised(const struct workflow *wf, struct arena *arena);
/* True while a workflow task or an activity is out whose start is not stored. */
bool workflow_has_volatile(const struct workflow *wf);
/* The run may leave memory: there is nothing that only memory knows, but for updates that nobody waits for. */
bool workflow_may_leave(const struct workflow *wf);
size_t workflow_size(const struct workflow *wf); /* bytes, for the cache; O(1) */

/* Aborts when something that must always hold does not. */
void workflow_check_invariants(const struct workflow *wf);
/* Stable text of the state, for scenarios and failures. */
void workflow_dump(const struct workflow *wf, struct buf *out);

/* ---- reset ------------------------------------------------------------------------------------- */

enum reset_exclude {
    RESET_EXCLUDE_SIGNALS = 1,
    RESET_EXCLUDE_UPDATES = 2,
    RESET_EXCLUDE_CHILDREN =
            4, /* what was heard of children: never excluded in the base run itself */
};
/* Does this encoded event of the base run's rest happen again in the new run? */
bool reset_reapplies(struct str event, uint32_t exclude);
/* May a reset begin after these events? ERR_INVALID_ARGUMENT: there is no workflow task then. */
enum err reset_check(const struct workflow *wf, struct str copied, struct fail *f) MUST_USE;
/* The records of a log row that only has events of another run. */
void reset_copy_records(struct buf *records, int64_t event_count);
