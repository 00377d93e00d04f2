/* What clients and workers were promised, written down as they hear it, for the checks at the end. */
#pragma once

#include "common/base/map.h"
#include "tests/sim/program.h"

enum { SIGNALS_MAX = 512, RESETS_MAX = 2 };

/* A reset that a client has asked for. */
struct asked_reset {
    struct str base;                /* run id */
    int64_t point;                  /* the completed workflow task's event */
    struct str request_id, new_run; /* new_run: acknowledged */
    unsigned unsure;
};

/* A workflow that a client has started. */
struct script {
    unsigned number;
    struct str id; /* "wN" */
    uint64_t seed;
    unsigned runs_left;
    struct duration run_timeout, start_delay;
    bool retries;     /* has a workflow retry policy */
    const char *cron; /* NULL: none */
    bool is_eager, starts_with_update, may_reset, may_delete;
    struct str start_request;
    struct str run_id; /* of the acknowledged start */
    unsigned unsure_starts;
    bool started, closed;
    bool cancel_sent, cancel_acknowledged, terminate_sent, terminate_acknowledged;
    bool delete_sent, delete_acknowledged;
    struct asked_reset resets[RESETS_MAX];
    unsigned reset_count;
    unsigned updates; /* asked for */
    struct instant cancel_acknowledged_at;
    unsigned signals;                    /* sent; their names are "s0", "s1", ... in this order */
    unsigned unsure_signal[SIGNALS_MAX]; /* how often the outcome of this one was unknown */
    bool acknowledged[SIGNALS_MAX];
};

extern struct script *scripts; /* world.swarm.workflows */

/* An answered completion of a workflow task. */
struct acknowledged_task {
    struct map_node node;
    struct str key; /* "RUN/STARTED_EVENT" */
    struct str run_id;
    int64_t started_event;
    size_t count;
    int types[COMMANDS_MAX]; /* of commands */
};
void ledger_task(struct str run_id, int64_t started_event, Api__Command **commands, size_t count);
extern struct map ledger_tasks;

/* An activity of a run as workers know it. */
struct known_activity {
    struct map_node node;
    struct str key; /* "RUN/ACTIVITY" */
    struct str run_id, activity_id;
    unsigned handed;   /* so many times */
    bool acknowledged; /* a completion of it */
    struct instant acknowledged_at;
};
struct known_activity *ledger_activity(struct str run_id, struct str activity_id);
extern struct map ledger_activities;

/* An update that a client has asked for. */
struct known_update {
    struct list_node node;
    struct script *script;
    struct str id; /* says what becomes of it: decide_update.c */
    unsigned unsure;
    /* what was acknowledged: the run, how far, and how it ended */
    struct str run_id;
    bool accepted, succeeded, refused, over;
};
struct known_update *ledger_update(struct script *script);
extern struct list ledger_updates;

/* Events that somebody outside has seen: they may never change or vanish. Also checks that an event
 * seen twice is the same. to: the last event that counts. */
void ledger_saw(struct str run_id, struct str history, int64_t to);
struct seen_event {
    struct map_node node;
    struct str run_id;
    int64_t id;
    uint64_t hash;
    struct str raw;
    char key[64];
};
extern struct map ledger_seen;
