/* A workflow id: the chain of its runs. What happens to one id happens in the order of its requests: start,
 * continue-as-new and terminate-existing see each other's uncommitted results. */
#pragma once

#include "history/call.h"

struct chain {
    struct map_node by_id; /* key: namespace id, workflow id */
    struct history *history;
    uint64_t group; /* of its rows in a batch: they stand or fall together */
    uint32_t shard;
    struct uuid namespace_id;
    struct str workflow_id;
    struct list executions; /* loaded runs */
    struct list queue;      /* requests that wait for a load */
    bool current_known;
    run_key current;        /* 0: the id is free */
    uint64_t current_batch; /* batch that holds our row of current runs, and where */
    size_t current_index;
    /* the load in flight; its outcome is for the head of the queue */
    bool loading, orphan, pumping;
    struct store_load load;
    struct list_node in_loads; /* of the lane, oldest first; while a load of ours is out */
    struct instant load_begun; /* monotonic */
    bool miss;                 /* the run that was looked for is not there */
    struct uuid miss_run;
    struct arena long_id; /* ids that do not fit below */
    char id[112];
};

enum want {
    WANT_FOUND,
    WANT_ABSENT,
    WANT_WAIT, /* the request went back to the queue: return at once */
};

struct chain *chain_get(struct history *h, struct uuid namespace_id, struct str workflow_id);
/* NULL: nothing of that workflow id is in memory, and everything of it is durable. */
struct chain *chain_find(struct history *h, struct uuid namespace_id, struct str workflow_id);
/* Queues the request and runs what can run. */
void chain_submit(struct chain *chain, struct call *call);
/* The run with that id; zero: the current one. key: when known, else 0. */
enum want chain_want(struct chain *chain, struct call *call, struct uuid run_id, run_key key,
        struct execution **ret);
/* Takes a finished load into memory, unless what is there is newer. */
enum err chain_adopt(struct chain *chain, const struct store_load *load, struct fail *f) MUST_USE;
/* Keeps requests and loads waiting while something that a load reads is replaced, until chain_go_on. False: a load is
 * under way, or runs are in memory. */
bool chain_hold(struct chain *chain) MUST_USE;
void chain_go_on(struct chain *chain);
/* Frees the chain when nothing needs it. */
void chain_release(struct chain *chain);
/* Drops it with its runs; queued requests fail. Nothing of it may be uncommitted any more. */
void chain_drop(struct chain *chain, const struct fail *fail);
/* Drops the runs, keeps the queue and goes on from what is stored. */
void chain_reload(struct chain *chain);
