/* Internal records: what the log must say beside history events. One flat struct, one table for its encoding;
 * each kind uses the members that its comment names. Kinds and numbers are stored: never reuse one. */
#pragma once

#include "common/model/history_event.h"
#include "history/engine/workflow.h"

enum { RECORDS_VERSION = 1 };

enum record_kind {
    RECORD_EVENTS = 1, /* count: apply the next events of the row */
    RECORD_FLUSH =
            2, /* count: the next events are the buffered ones; their effects are applied already */
    RECORD_BUFFER = 3, /* type, time, attributes, links, scheduled_event_id: an event is buffered */
    RECORD_UNBUFFER = 4, /* type, scheduled_event_id: drops a buffered event */
    RECORD_START =
            5, /* namespace_id, run_id, namespace_name, request_id, first_task_at, run_deadline */
    RECORD_TASK_SCHEDULED =
            6, /* scheduled_event_id, attempt, time, original_time, start_to_close, flag (transient),
                                    sticky, schedule_to_start: with or without a history event */
    RECORD_TASK_STARTED = 7, /* volatile */
    RECORD_TASK_ENDED = 8,   /* attempt: of the next task; flag: this one has failed, and counts */
    RECORD_STICKY = 9,       /* text: queue (empty: none), schedule_to_start */
    RECORD_CLOSE_ATTEMPTED = 10,
    RECORD_ACTIVITY_STARTED =
            11, /* scheduled_event_id, time, identity, request_id; maybe volatile */
    RECORD_ACTIVITY_UNSTARTED = 12, /* scheduled_event_id */
    RECORD_ACTIVITY_RETRY = 13,     /* scheduled_event_id, attempt, time (next), failure, details */
    RECORD_ACTIVITY_HEARTBEAT = 14, /* scheduled_event_id, time, details */
    RECORD_OUTBOX_SETTLED = 15,     /* scheduled_event_id: the message */
    RECORD_TASK_UNSTARTED = 16,     /* volatile */
    RECORD_FIRST_TASK_NOW =
            17, /* the wait for the first workflow task is over; time: it goes on until then */
    RECORD_CHILD_STARTED_LATE =
            18, /* scheduled_event_id: initiated; run_id: it exists, but this run has ended */
    RECORD_UPDATE_ADMITTED = 30, /* volatile; text: its id, attributes: the request */
    RECORD_UPDATES_SENT = 31,    /* volatile: with the task that has just started */
    RECORD_UPDATE_DROPPED = 32,  /* text: its id. Volatile unless an event has admitted it */
    RECORD_COPIED = 40, /* count: the next events are another run's; see apply_copied_event */
    RECORD_RESET =
            41, /* after copied events, what RECORD_START says, and base_run_id, original_time
                           (expiration), details (request id of the reset), time (start), count (copied_until) */
    RECORD_RESET_AWAY = 42, /* run_id: the new run, may be zero; flag: this run ends by it */
    RECORD_DELETED = 43,
    RECORD_PROBLEMS =
            50, /* text: what keeps workflow tasks from completing, empty: nothing any more; attributes: the change of
                           the search attributes */
    RECORD_ATTRIBUTES =
            51, /* attributes: a change of the search attributes that no event tells of */
    RECORD_KIND_COUNT,
};

struct record {
    enum record_kind kind;
    int64_t count;
    int64_t scheduled_event_id, started_event_id;
    int32_t type, attempt;
    struct instant time, original_time, deadline;
    struct duration start_to_close, schedule_to_start;
    struct str attributes, links, text, identity, request_id, failure, details, worker_version;
    struct uuid namespace_id, run_id, base_run_id;
    int64_t history_size;
    int32_t suggest_reasons; /* volatile records only */
    bool flag, sticky;
    bool is_speculative; /* not encoded: only volatile tasks are */
    bool is_volatile;    /* not encoded: applied, but not stored */
};

void record_write(struct buf *out, const struct record *r);
/* Takes the next record off the front; false at the end, or when malformed or unknown (in->ptr NULL). */
bool record_next(struct str *in, struct record *ret);
