/* What the parts of the load generator share: one run of one scenario. */
#pragma once

#include "tests/bench/messages.h"
#include "tests/bench/rpc.h"

struct scenario {
    const char *name, *doc;
    int activities, timers, signals; /* what a workflow does, one after the other */
};

extern const struct scenario scenarios[];
extern const size_t scenario_count;

enum workflow_status {
    WORKFLOW_WAITING, /* not asked to start yet */
    WORKFLOW_STARTING,
    WORKFLOW_RUNNING,
    WORKFLOW_DONE,
    WORKFLOW_REFUSED, /* the server answered a start or a signal with a lasting error */
};

/* What the worker knows about a run, all of it read from history events. */
struct view {
    int64_t last_id; /* the last event seen; 0: nothing is known, the whole history is needed */
    int activities_scheduled, activities_completed;
    int timers_started, timers_fired, signals;
    bool is_closed;
};

struct workflow {
    struct bench *bench;
    uint32_t index;
    enum workflow_status status;
    struct instant asked_at; /* when it should have started: a late start counts as latency */
    int64_t start_ns, end_ns;
    struct view view;
    struct buf token; /* of the task in hand */
    int64_t started_id;
    bool is_fetching;
    bool fetch_again; /* a newer task came meanwhile */
    int signals_sent;
    char run_id[40]; /* empty when the answer to the start got lost */
};

struct bench {
    struct loop *loop;
    struct rpc rpc;
    struct arena *arena;
    struct rand *rand;
    struct api api;
    struct str tag; /* prefix of all ids of this run */
    const struct scenario *scenario;
    struct workflow *workflows;
    struct list spare_completions;
    struct buf scratch; /* requests are written here; rpc_call copies */

    uint32_t count, in_flight;
    double rate; /* starts per second; 0: closed loop */
    int64_t pollers, evict_percent;
    bool await_result;
    struct duration limit;

    uint32_t started, running, done, refused;
    struct instant began, ended;
    struct timer pace, deadline;
    bool timed_out;
    uint64_t replays; /* whole histories fetched by the worker */
    void (*finished)(struct bench *self);
};

struct str workflow_id(const struct workflow *wf, char text[96]);
/* NULL: not one of ours. */
struct workflow *workflow_find(struct bench *bench, struct str id);

/* load.c: starts and signals. */
void load_start(struct bench *bench);
/* The workflow's end was acknowledged. */
void workflow_done(struct workflow *wf);
/* Asks the server whether the run has ended; with wait, until it has. */
void workflow_confirm(struct workflow *wf, bool wait);

/* worker.c: polls, decides, completes. */
void worker_start(struct bench *bench);

/* check.c: reads histories back and compares them with what the scenario must have produced. */
struct check_result {
    uint32_t checked, wrong;
    uint64_t events;
    char first[512]; /* what was wrong with the first wrong one */
};
/* Looks at `sample` workflows evenly spread; calls finished at the end. */
void check_start(struct bench *bench, uint32_t sample, struct check_result *result,
        void (*finished)(struct bench *));

/* report.c */
void report_text(const struct bench *bench, const struct check_result *check);
void report_json(const struct bench *bench, const struct check_result *check);
