/* Workflow programs: made from a seed that the workflow's type name carries, so that every worker and
 * every checker knows what a run must do. A program is groups of steps: the steps of a group run side
 * by side, the next group begins when all of them are over; then the run ends. What has happened so
 * far is read from the history alone, as an SDK does by replay. */
#pragma once

#include "common/api/view.h"
#include "tests/sim/events.h"
#include "tests/sim/world.h"

enum step_kind {
    STEP_ACTIVITY,
    STEP_TIMER,
    STEP_MARKER,
    STEP_SIGNALS, /* waits until so many signals have come in all */
    STEP_CHILD,
    STEP_SIGNAL_EXTERNAL,
    STEP_CANCEL_EXTERNAL,
    STEP_CANCELLED_ACTIVITY, /* cancelled when the others of its group are over */
    STEP_CANCELLED_TIMER,
    STEP_KINDS,
};

enum { GROUPS_MAX = 3, STEPS_MAX = 3, DEPTH_MAX = 2, UPDATES_MAX = 256, COMMANDS_MAX = 64 };

struct step {
    enum step_kind kind;
    unsigned fails;        /* activity: so many attempts fail first */
    unsigned max_attempts; /* 0: no limit */
    bool heartbeats;
    struct duration span; /* timer; activity: how long it works */
    unsigned signals;
    unsigned bulk;   /* marker: bytes */
    unsigned target; /* external signal or cancellation: the number of a client's workflow */
    unsigned policy; /* parent close policy of a child */
    bool wait;       /* child: until it is closed, not only until it is started */
    uint64_t child;  /* seed of its program */
};

struct program {
    uint64_t seed;
    unsigned depth, runs_left; /* continue-as-new so many times more */
    unsigned groups, steps[GROUPS_MAX];
    struct step step[GROUPS_MAX][STEPS_MAX];
    bool honours_cancel;
    unsigned fails; /* attempts of the run that end in failure */
};

/* Type names: "p-SEED-DEPTH-RUNS_LEFT". */
struct str program_type(struct arena *arena, uint64_t seed, unsigned depth, unsigned runs_left);
uint64_t program_runs(uint64_t seed); /* runs_left of the first run */
bool program_parse(struct str type, struct program *ret);
const char *activity_queue(void);
/* attempt 0: given by the activity's id, not by a task's token, so that it counts for any attempt. */
struct str activity_result(
        struct arena *arena, struct str workflow_type, struct str activity_id, int attempt);
/* Names of a step: its activity, timer, marker; "G.S". */
struct str step_name(struct arena *arena, unsigned group, unsigned step);
bool step_parse(struct str name, unsigned *group, unsigned *step);

/* Updates: see decide_update.c. */
char update_kind(struct str id);
struct str update_result(struct arena *arena, struct str id);

/* What a history says of a program's progress. */
struct step_state {
    int64_t begun; /* event id; 0: not yet */
    bool cancelled, over;
    char outcome; /* c completed, f failed, t timed out, x cancelled, ... */
};
struct update_state { /* accepted */
    struct str id;
    bool answered, is_due;
};
struct progress {
    struct program program;
    struct update_state updates[UPDATES_MAX];
    unsigned update_count;
    struct step_state state[GROUPS_MAX][STEPS_MAX];
    unsigned signals;
    bool cancel_requested, closed;
    unsigned attempt;
    int64_t last_event;
    struct str type, run_id, workflow_id;
};
/* ids borrowed. False: not one of our programs, or not a history. */
bool progress_read(
        struct progress *p, struct str history, struct str workflow_id, struct str run_id);
void progress_take_update(struct progress *p, const struct ev *e);
/* What the run decides now. */
struct asked_update { /* came with the task */
    struct str id, message_id;
    int64_t event_id;
};
struct completion {
    Api__Command *commands[COMMANDS_MAX];
    size_t count;
    Protocol__Message *messages[COMMANDS_MAX];
    size_t message_count;
};
void progress_decide(const struct progress *p, struct arena *arena,
        const struct asked_update *asked, size_t asked_count, struct completion *ret);
/* The result of a run that ends well now. */
struct str progress_result(const struct progress *p, struct arena *arena);
struct str child_id(struct arena *arena, const struct progress *p, unsigned group, unsigned step);
