/* One history lane in a test's hands: a lane with virtual time, the simulated store, and a stand-in for the transport,
 * matching and the workers. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "common/api/codec.h"
#include "common/api/methods.h"
#include "common/api/token.h"
#include "common/api/view.h"
#include "common/model/priority.h"
#include "common/rpc/messages.h"
#include "history/service.h"
#include "tests/sim/sim_store.h"
#include "tests/support/lane_manual.h"

#define expect(cond)                                  \
    do {                                              \
        if (!(cond)) {                                \
            expect_failed(#cond, __FILE__, __LINE__); \
        }                                             \
    } while (0)
_Noreturn void expect_failed(const char *cond, const char *file, int line);

/* An inbound call that the test has made. */
struct pending {
    struct rpc_in in;
    struct world *world;
    struct rpc_call *caller; /* of the lane itself (outbox); NULL: the test */
    bool answered, failed, dead;
    struct fail fail;
    struct str body; /* in the world's arena */
};

struct offered {
    struct list_node node;
    struct str queue;
    bool is_sticky;
    struct task_ref task;
    uint32_t level;
    uint64_t incarnation;
};

struct world {
    struct arena arena;
    struct lane *lane;
    struct sim_db *db;
    struct store *store;
    struct store_lane *sl;
    struct rpc_lane *rl;
    struct history *history;
    struct history_config config;
    struct uuid namespace_id;
    struct duration retention; /* of the one namespace; 0: for ever */
    bool is_deleted;           /* the namespace */
    bool matching_away;        /* nobody owns the queues */
    struct duration last_poll; /* how long ago, as matching tells it */
    struct list offers;        /* held by "matching" */
    uint64_t duplicate_offers;
    bool lost;        /* the lane has told that its writer is gone */
    unsigned members; /* made so far */
};

struct world *world_new(void);
/* With other settings. */
struct world *world_new_with(void (*tune)(struct history_config *config));
void world_free(struct world *w);
/* The process is gone without a word; another one fences it and takes all shards. */
void world_crash(struct world *w);
/* The process is gone; nobody takes over yet. */
void world_kill(struct world *w);
void world_boot(struct world *w);

void world_turn(struct world *w);
void world_advance(
        struct world *w, struct duration by); /* in steps of at most 1 ms below 1 s, else 10 ms */
/* Advances until cond is true; fails after `patience`. */
#define world_until(w, patience, cond)                   \
    do {                                                 \
        int64_t world_ms_ = 0;                           \
        while (!(cond)) {                                \
            expect(world_ms_++ < duration_ms(patience)); \
            world_advance((w), DURATION_MS(1));          \
        }                                                \
    } while (0)

/* ---- calls ---- */
struct pending *call_api(struct world *w, enum api_method method, const char *workflow_id,
        const ProtobufCMessage *m);
struct pending *call_raw(struct world *w, uint16_t method, uint32_t shard, struct str body);
/* Waits for the answer. */
void *answer_of(struct world *w, struct pending *p, const ProtobufCMessageDescriptor *type);
enum err error_of(struct world *w, struct pending *p);
#define CALL(w, method, id, message, type) \
    ((type)answer_of((w), call_api((w), (method), (id), &(message).base), NULL))
void caller_gone(struct pending *p);

/* ---- the usual steps ---- */
Api__StartWorkflowExecutionRequest *start_request(
        struct world *w, const char *id, const char *request_id);
const char *start(struct world *w, const char *id); /* its run id */
void signal_run(struct world *w, const char *id, const char *name);
Api__DescribeWorkflowExecutionResponse *describe(struct world *w, const char *id);
Api__GetWorkflowExecutionHistoryResponse *history_of(
        struct world *w, const char *id, const char *run_id);
int event_count(ProtobufCBinaryData history);
/* Types of the events, as numbers separated by spaces. */
const char *event_types(struct world *w, ProtobufCBinaryData history);
const char *history_types(struct world *w, const char *id);

/* ---- workers ---- */
struct offered *find_offer(struct world *w, const char *queue);
struct pending *claim(struct world *w, const struct offered *o, const char *poll_id);
Api__PollWorkflowTaskQueueResponse *poll_workflow(struct world *w, const char *queue);
Api__PollActivityTaskQueueResponse *poll_activity(struct world *w, const char *queue);
struct pending *complete_task_begin(struct world *w, const char *id,
        const Api__PollWorkflowTaskQueueResponse *task, Api__Command **commands, size_t count,
        const char *sticky);
void complete_task(struct world *w, const char *id, const Api__PollWorkflowTaskQueueResponse *task,
        Api__Command *command);
struct pending *complete_activity_begin(
        struct world *w, const char *id, const Api__PollActivityTaskQueueResponse *task);
/* Matching says: the offer went to a poll, or (sticky) there is no poller; and one more may come. */
void demand(struct world *w, struct offered *o, bool refuse);
extern const char *case_name;
Api__Command *command_new(
        struct world *w, Api__CommandType type, Api__Command__AttributesCase attributes);
Api__Command *schedule_activity(struct world *w, const char *activity_id);
Api__Command *start_timer(struct world *w, int seconds);
Api__Command *complete_workflow(struct world *w);
Api__Command *continue_as_new(struct world *w);
Api__Command *signal_external(struct world *w, const char *id);
Api__Command *start_child(struct world *w, const char *id, enum parent_close_policy policy);
Api__WorkflowExecution *execution_of(struct world *w, const char *id, const char *run_id);
