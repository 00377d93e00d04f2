/* Group commit: every transition of the lane goes through here.
 *
 * A batch accumulates while one is in flight; a lane that is idle commits at once, a busy one leaves about
 * `pace` between two commits. Steps run on uncommitted state; whatever tells the world about it waits behind a
 * gate for the last batch that touched what it looked at. */
#pragma once

#include "common/base/list.h"
#include "common/io/lane.h"
#include "common/store/store.h"

struct history;

/* Something that waits for a batch. open() runs once, in the order of waiting: with ERR_NONE when the batch is
 * durable; with an error when it, or the group's part in it, will never be. */
struct gate {
    struct list_node node;
    uint64_t group;
    void (*open)(struct gate *gate, enum err err, const struct fail *fail);
};

struct batch {
    struct list_node node;
    uint64_t number;
    struct arena arena; /* of what the lane itself puts in; requests bring their own */
    struct store_batch rows;
    struct list gates;
    size_t bytes;
    struct instant begun; /* monotonic: its first row */
};

struct committer {
    struct history *history;
    struct batch *open, *in_flight;
    struct list sealed; /* full, waiting for their turn */
    struct list spare;
    struct store_commit op;
    struct lane_task tick;
    bool tick_posted, dead;
    bool is_kept; /* see committer_keep */
    struct lane_timer pace_timer;
    struct instant sent_at; /* monotonic */
    uint64_t next_number;
    uint64_t durable;  /* batches up to here are */
    size_t lead_bytes; /* of all batches that are not durable */
    uint32_t writer;
    run_key last_run_key;
};

void committer_init(struct committer *c, struct history *history);
/* Sends nothing any more. A commit that is out comes back; history_commit_returned tells. */
void committer_halt(struct committer *c);
/* Fails every gate with err and forgets all batches. Used at the end, and when the writer was fenced. No commit is
 * out: what a gate's opening frees may be what the store would send again. */
void committer_drop(struct committer *c, enum err err, const char *text);
void committer_deinit(struct committer *c);
void committer_set_writer(struct committer *c, uint32_t writer, run_key last_run_key);

/* May anything add to the lead? ERR_RESOURCE_EXHAUSTED or ERR_UNAVAILABLE. */
enum err committer_admit(const struct committer *c, struct fail *f) MUST_USE;
/* ERR_RESOURCE_EXHAUSTED, as the API says it. */
enum err committer_overloaded(struct fail *f);
/* When the oldest row that is not durable was added; 0: there is none. */
struct instant committer_oldest(const struct committer *c);
/* The batch that takes rows now. What must stand or fall together is added without calling this in between. */
struct batch *committer_batch(struct committer *c);
/* For steps of several runs that must stand or fall together: until it is let go, the batch that takes rows now
 * takes all of them, over its bounds too. */
void committer_keep(struct committer *c, bool is_kept);
/* Issued in start order, never twice. */
run_key committer_issue_key(struct committer *c);

/* Rows of the batch; memory borrowed until the batch's gates have opened. The index stays valid while the batch
 * is open. */
void batch_log(struct committer *c, struct batch *b, const struct store_log_row *row);
size_t batch_run_insert(struct committer *c, struct batch *b, const struct store_run_row *row);
void batch_view(struct committer *c, struct batch *b, const struct store_view_row *row);
size_t batch_run_update(struct committer *c, struct batch *b, const struct store_run_row *row);
size_t batch_current(struct committer *c, struct batch *b, const struct store_current_row *row);
size_t batch_snapshot(struct committer *c, struct batch *b, const struct store_snapshot_row *row);
void batch_delete(struct committer *c, struct batch *b, const struct store_delete_row *row);

/* True: the gate waits. False: batch `number` is durable already and nothing was done. */
bool committer_wait(struct committer *c, uint64_t number, struct gate *gate);
/* The youngest batch; 0: there is none that is not durable. */
uint64_t committer_newest(const struct committer *c);
/* Nothing is uncommitted. */
bool committer_is_clean(const struct committer *c);
