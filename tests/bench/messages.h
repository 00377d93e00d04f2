/* The few messages of the public API that the load generator speaks, hand-written over the wire
 * format. What is read borrows the reply's bytes; fields that are not listed are skipped. */
#pragma once

#include "common/model/wire.h"

enum event_type {
    EVENT_STARTED = 1,
    EVENT_COMPLETED = 2,
    EVENT_FAILED = 3,
    EVENT_TIMED_OUT = 4,
    EVENT_TASK_SCHEDULED = 5,
    EVENT_TASK_STARTED = 6,
    EVENT_TASK_COMPLETED = 7,
    EVENT_TASK_TIMED_OUT = 8,
    EVENT_TASK_FAILED = 9,
    EVENT_ACTIVITY_SCHEDULED = 10,
    EVENT_ACTIVITY_STARTED = 11,
    EVENT_ACTIVITY_COMPLETED = 12,
    EVENT_ACTIVITY_FAILED = 13,
    EVENT_ACTIVITY_TIMED_OUT = 14,
    EVENT_TIMER_STARTED = 17,
    EVENT_TIMER_FIRED = 18,
    EVENT_CANCELED = 21,
    EVENT_SIGNALED = 26,
    EVENT_TERMINATED = 27,
    EVENT_CONTINUED = 28,
};

/* One history event, as far as it is looked at. */
struct event {
    int64_t id;
    enum event_type type;
    int64_t scheduled_id;      /* of the attributes of started, completed ... events */
    int64_t started_id;        /* completed events; timer fired: the timer's start */
    int64_t task_completed_id; /* what a command made: the workflow task's completion */
};

/* Takes the next event of a History message. False at the end or when malformed (then in->ptr is
 * NULL). */
bool event_next(struct str *history, struct event *ret);

struct workflow_task {
    struct str token, workflow_id, run_id, history, next_page;
    int64_t previous_started_id, started_id;
    int64_t attempt;
};

struct activity_task {
    struct str token, workflow_id;
};

/* All: false when malformed. An empty poll answer gives an empty token. */
bool read_workflow_task(struct str message, struct workflow_task *ret);
/* The task that may come back with a completion; an empty token: none. */
bool read_completion(struct str message, struct workflow_task *ret);
bool read_activity_task(struct str message, struct activity_task *ret);
bool read_start(struct str message, struct str *run_id);
bool read_history(struct str message, struct str *history, struct str *next_page);

/* Settings that all requests share. */
struct api {
    struct str namespace, identity, task_queue, sticky_queue;
    struct str payload; /* data of every payload */
    struct duration task_timeout, activity_timeout;
};

void put_payloads(struct buf *out, uint32_t field, struct str data);
void write_start(struct buf *out, const struct api *api, struct str workflow_type,
        struct str workflow_id, struct str request_id);
void write_signal(struct buf *out, const struct api *api, struct str workflow_id, struct str run_id,
        struct str request_id);
void write_poll(struct buf *out, const struct api *api, bool is_sticky);
void write_activity_completion(struct buf *out, const struct api *api, struct str token);
/* close_only: just the closing event, waiting for it if asked. */
void write_history(struct buf *out, const struct api *api, struct str workflow_id,
        struct str run_id, struct str page, bool close_only, bool wait);

/* A completion of a workflow task: begin, commands, end. */
void write_completion_begin(struct buf *out, const struct api *api, struct str token);
void write_schedule_activity(struct buf *out, const struct api *api, int64_t number);
void write_start_timer(struct buf *out, int64_t number, struct duration after);
void write_complete_workflow(struct buf *out, const struct api *api);
