/* Queries of a run that wait for their answer. They live in memory only: a run that is reloaded asks them again, a
 * shard that moves lets its frontends ask the next owner.
 *
 *     arrives --no workflow task is under way--> DIRECT --claim--> (with a worker) --> answered
 *           \                                     ^
 *            `--> BUFFERED --a task starts--> RIDING --its completion has the answer--> answered
 *                    ^                          |
 *                    `--- unanswered, another --'--- unanswered, no other task follows --> DIRECT
 *
 * DIRECT: a query task of its own, offered like any task (its event id is negative), on the sticky queue first. It is
 * offered when everything that the query may have seen is durable. */
#pragma once

#include "common/rpc/rpc.h"
#include "history/engine_view.h"
#include "history/execution.h"
#include "proto/start.pb-c.h"

enum query_state { QUERY_BUFFERED, QUERY_RIDING, QUERY_DIRECT };

struct query {
    struct call *call;    /* parked in the run's list; this struct lives in its arena */
    struct execution *ex; /* NULL: not with a run now */
    const Api__QueryWorkflowRequest *request;
    enum query_state state;
    int64_t number; /* unique on this lane: the task's event id is its negative */
    struct str id;  /* unique for ever: in the token, and names it in a workflow task */
    struct gate gate;
    struct instant deadline; /* monotonic: when to give up */
    struct instant
            sticky_until; /* monotonic: then the normal queue; {0}: it is not on a sticky one */
    bool no_sticky;
    struct rpc_call pollers; /* asks at the deadline who polls */
};

/* Where a query of this run goes now. */
enum query_way { QUERY_GO_DIRECT, QUERY_GO_ALONG, QUERY_NOT_READY };
enum query_way query_way(const struct query *q, const struct execution *ex, struct fail *f);

/* Parks a new query with the run. ERR_RESOURCE_EXHAUSTED: as many wait as the configuration allows. */
enum err query_park(
        struct query *q, struct execution *ex, enum query_way way, struct fail *f) MUST_USE;
/* It leaves the run; the call is the caller's to end. */
void query_leave(struct query *q);
void query_fail(struct query *q, const struct fail *f);
struct query *query_by_number(const struct execution *ex, int64_t number);
struct query *query_by_id(const struct execution *ex, struct str id);
/* A worker's answer. Bytes are copied. */
struct query_answer {
    bool is_failed;
    struct str result, message, failure;
};
void query_answer(struct query *q, const struct query_answer *answer);
/* Offers a direct query (again). */
void query_offer(struct query *q);

/* After every step: queries whose way has changed go it. Not while queries_hold. */
void queries_settle(struct execution *ex);
/* Around a completion whose answers are still to be given out. */
void queries_hold(struct execution *ex);
void queries_release(struct execution *ex);
/* The run leaves memory: queries go back to the chain, to be asked of the reloaded one. */
void queries_return(struct execution *ex, struct list *calls);
