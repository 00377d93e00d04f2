/* The auditor: each minute takes some runs that are not loaded, from a random place on, folds their whole log again, and
 * compares with what else is stored of them: the snapshot, the run's row, the wake-up. The log is what counts. A finding is
 * counted, named in the log as audit_mismatch with the run's id, and healed: a wrong snapshot is replaced by one of the
 * folded state, a run that would wake too late is loaded, which makes it act and its row be written anew. A log with a gap,
 * or a row with another status than the log's, is only told: somebody has to look.
 *
 * IDLE --tick--> OLDEST --> PAGE --> (LOAD --> LOG ... --> compare [--> heal]) per run --> IDLE
 *
 * A run that is loaded meanwhile is let go: its owner in memory knows better. */
#pragma once

#include "common/base/arena.h"
#include "common/store/store.h"
#include "history/committer.h"

struct chain;
struct history;
struct workflow;

enum { AUDIT_PAGE = 50, AUDIT_URGENT = 16 };

struct audit_run {
    run_key key;
    uint32_t shard;
};

struct audit {
    struct history *history;
    bool running, reading; /* a pass; the store has an operation of it */
    struct arena arena;    /* of the pass: the shards */
    struct store_scan_runs scan;
    run_key from; /* the random place; 0: not chosen yet */
    bool wrapped;
    size_t runs_left, bytes_left;
    struct audit_run page[AUDIT_PAGE], urgent[AUDIT_URGENT];
    size_t page_count, page_next, urgent_count;
    bool last_page;
    /* the run under way */
    struct arena run_arena;
    struct store_load load;
    struct store_read_log log;
    struct store_run_row row;
    struct store_snapshot_row snapshot;
    struct workflow *wf;
    int32_t seq, last_seq; /* folded so far; of the log when the run was looked at, -1: unknown */
    bool loaded_meanwhile, snapshot_is_bad;
    /* healing: the new snapshot on its way */
    struct gate gate;
    struct chain *chain;
};

void audit_init(struct audit *audit, struct history *h);
void audit_deinit(struct audit *audit);
/* Begins a pass unless one is running. */
void audit_tick(struct history *h);
/* The run could not be read: it is looked at next. */
void audit_suspect(struct history *h, run_key key, uint32_t shard);
/* The run is being loaded. */
void audit_forget(struct history *h, run_key key);
/* The shard is given away: what the next owner writes does not fit to what was read before. */
void audit_forget_shard(struct history *h, uint32_t shard);
/* Nothing of it is with the store. */
bool audit_is_idle(const struct audit *audit);
