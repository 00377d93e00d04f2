/* Simulated workers: poll for tasks as SDKs do, run programs, and misbehave as the swarm says. */
#pragma once

#include "common/base/map.h"
#include "tests/sim/ledger.h"
#include "tests/sim/sim_grpc.h"

enum slot_kind {
    SLOT_WORKFLOW,
    SLOT_STICKY,
    SLOT_ACTIVITY,
    SLOT_EAGER_WORKFLOW, /* these poll for nothing: they take what comes with an answer */
    SLOT_EAGER_ACTIVITY,
};
enum { SLOTS = 10 };

struct worker;

/* One poller: has at most one task at a time. Its arena lives as long as the task. */
struct slot {
    struct worker *worker;
    enum slot_kind kind;
    struct api_call call;
    struct sim_event timer;
    struct arena arena;
    unsigned tries;
    /* the task */
    struct str token, workflow_id, run_id, workflow_type, activity_id;
    const char *method; /* of the answer that is being given */
    const ProtobufCMessage *answer;
    int64_t started_event;
    int attempt;
    Api__PollWorkflowTaskQueueResponse *task;
    struct buf fetched;
    struct completion decided;
    bool heartbeats, waits;
    bool idle; /* of the kinds that do not poll */
    struct instant work_until;
    bool repeated;
};

struct worker {
    unsigned number, lives;
    bool is_up;
    struct str identity, sticky;
    struct slot slots[SLOTS];
    struct map cache; /* struct cached_run, by run id */
    struct sim_event restart;
    struct str old_token; /* of an activity that it has answered long ago */
};

struct cached_run {
    struct map_node node;
    struct str run_id;
    struct str events; /* in the world's arena */
};

void workers_start(void);
/* The task that came with the answer to a start goes to some worker, if one has a free slot. */
void workers_take_eager(const Api__PollWorkflowTaskQueueResponse *task);

/* worker.c, for its other files */
void slot_poll(struct slot *slot, struct duration after);
/* Sends the answer, again when its outcome is unknown; then polls. */
void slot_answer(struct slot *slot, const char *method, const ProtobufCMessage *answer);
void worker_die(struct worker *worker);
bool is_unsure(enum err err); /* whether it was executed is not known */
/* worker_workflow.c */
void workflow_task_take(struct slot *slot, Api__PollWorkflowTaskQueueResponse *task);
void workflow_task_answered(struct slot *slot, enum err err, struct str body, const char *text);
/* Of that kind, idle and ready to take a task; NULL: none. */
struct slot *worker_spare_slot(struct worker *worker, enum slot_kind kind);
/* worker_activity.c */
void activity_task_take(struct slot *slot, Api__PollActivityTaskQueueResponse *task);
