/* History events as the checkers and the simulated workers read them: a decoder of their own, over
 * the bare wire format, so that it shares no mistake with the code under test. */
#pragma once

#include "common/model/wire.h"

enum ev_type { /* numbers of temporal.api.enums.v1.EventType */
    EV_STARTED = 1,
    EV_COMPLETED,
    EV_FAILED,
    EV_TIMED_OUT,
    EV_TASK_SCHEDULED,
    EV_TASK_STARTED,
    EV_TASK_COMPLETED,
    EV_TASK_TIMED_OUT,
    EV_TASK_FAILED,
    EV_ACTIVITY_SCHEDULED,
    EV_ACTIVITY_STARTED,
    EV_ACTIVITY_COMPLETED,
    EV_ACTIVITY_FAILED,
    EV_ACTIVITY_TIMED_OUT,
    EV_ACTIVITY_CANCEL_REQUESTED,
    EV_ACTIVITY_CANCELED,
    EV_TIMER_STARTED,
    EV_TIMER_FIRED,
    EV_TIMER_CANCELED,
    EV_CANCEL_REQUESTED,
    EV_CANCELED,
    EV_EXTERNAL_CANCEL_INITIATED,
    EV_EXTERNAL_CANCEL_FAILED,
    EV_EXTERNAL_CANCELED,
    EV_MARKER,
    EV_SIGNALED,
    EV_TERMINATED,
    EV_CONTINUED,
    EV_CHILD_INITIATED,
    EV_CHILD_START_FAILED,
    EV_CHILD_STARTED,
    EV_CHILD_COMPLETED,
    EV_CHILD_FAILED,
    EV_CHILD_CANCELED,
    EV_CHILD_TIMED_OUT,
    EV_CHILD_TERMINATED,
    EV_EXTERNAL_SIGNAL_INITIATED,
    EV_EXTERNAL_SIGNAL_FAILED,
    EV_EXTERNAL_SIGNALED,
    EV_SEARCH_ATTRIBUTES,
    EV_UPDATE_ACCEPTED,
    EV_UPDATE_COMPLETED = 43,
    EV_PROPERTIES = 46,
    EV_UPDATE_ADMITTED,
    EV_TYPE_MAX = 64,
};

struct ev {
    int64_t id;
    enum ev_type type;
    struct instant time;
    struct str attributes, raw;
};

/* Takes the next event off the front of concatenated History.events fields. False at the end; *bad
 * when the bytes are not events. */
bool ev_next(struct str *history, struct ev *ret, bool *bad);

/* A field of a message by number; the last one counts; 0 or empty when absent. */
int64_t ev_int(struct str message, uint32_t field);
struct str ev_bytes(struct str message, uint32_t field);
/* The number of the event that this one ends or answers (the activity's schedule, the timer's or the
 * message's beginning); 0: none. */
int64_t ev_beginning(const struct ev *e);
bool ev_closes_run(enum ev_type type);
/* Of an update's event: its id. */
struct str ev_update_id(const struct ev *e);
/* The failed task with which a reset begins its new run: that run's id; otherwise empty. */
struct str ev_reset_run(const struct ev *e);

/* Payloads with one payload, whose data is the text; and back. */
struct str payloads_of(struct arena *arena, struct str text);
struct str payloads_text(struct str payloads);
