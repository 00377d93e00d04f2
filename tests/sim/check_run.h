/* One run as the checkers know it: the state that its events so far imply, each event checked
 * against it. */
#pragma once

#include "tests/sim/ledger.h"

enum thing_kind {
    THING_ACTIVITY,
    THING_TIMER,
    THING_CHILD,
    THING_SIGNAL_OUT,
    THING_CANCEL_OUT,
    THING_UPDATE
};

/* An activity, a timer, a child, a message: what one event begins and another ends. */
struct thing {
    enum thing_kind kind;
    int64_t begun; /* event */
    struct str name;
    struct instant due; /* timers */
    int64_t started;    /* activities, children: the event */
    int attempt;
    bool cancel_requested, over;
    enum ev_type end;
    int64_t ended; /* the event */
    struct str child_run, child_id;
    struct str target; /* of a cancellation: workflow id */
};

struct run_check {
    struct map_node node;
    run_key key;
    struct str workflow_id, run_id, type, parent_run;
    int32_t seq;
    int64_t next_event, task_scheduled, task_started, task_completed;
    size_t next_pending_timer;
    struct instant last_time, start, run_until, first_task_from;
    struct instant runs_at_least_until;
    struct duration run_timeout;
    unsigned attempt;
    bool cancel_requested;
    enum ev_type close;       /* 0: open */
    struct instant closed_at; /* the world's time */
    struct str result, new_run;
    struct str base_run; /* it is a reset of that one, up to before this event */
    int64_t reset_at;
    bool is_reset;
    bool is_doomed; /* its row says so: it is being made by a reset, or deleted */
    bool was_live, is_gone;
    VEC(struct thing) things;
    VEC(struct str) signals;  /* names, in order */
    VEC(struct str) admitted; /* updates that came again after a reset: ids */
    VEC(struct ev) events;    /* copies in the world's arena */
};
extern struct map run_checks; /* by key */

/* Checks the events and takes them into the state. */
void run_check_event(struct run_check *r, const struct ev *e);
/* The earliest moment at which something of the run must happen by itself; INSTANT_NEVER: none. Timers due by
 * `buffered` may have fired behind a workflow task that is under way. */
struct instant run_check_timers(const struct run_check *r, struct instant buffered);
/* Something waits for a worker or for another workflow. */
bool run_check_waits(const struct run_check *r);
struct run_check *run_check_by_id(struct str run_id);
/* The update was accepted in the run. */
bool run_check_has_update(const struct run_check *r, struct str id);
unsigned run_check_count(struct str workflow_id);
void run_check_print(const struct run_check *r);
/* Another run says that this one follows it (checks.c). */
bool run_check_is_announced(const struct run_check *r);
