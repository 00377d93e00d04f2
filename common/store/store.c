/* The store's door: hands each operation to the database that the composition root chose. Knows
 * nothing of any database; what several of them need of a batch or a loaded run is in batch.c. */
#include "common/store/store_ops.h"

void store_free(struct store *store)
{
    if (store) {
        store->ops->free(store);
    }
}

struct store_lane *store_lane_open(struct store *store, struct lane *lane)
{
    return store->ops->lane_open(store, lane);
}

void store_lane_close(struct store_lane *sl)
{
    if (sl) {
        sl->ops->lane_close(sl);
    }
}

enum err store_migrate(struct store *store, struct fail *f)
{
    return store->ops->migrate(store, f);
}

enum err store_schema_version(struct store *store, int *found, int *ours, struct fail *f)
{
    return store->ops->schema_version(store, found, ours, f);
}

struct instant store_writer_stalled_since(const struct store_lane *sl)
{
    return sl->ops->stalled_since(sl);
}

void store_claim_writer(struct store_lane *sl, struct store_claim_writer *op)
{
    sl->ops->start(sl, STORE_CLAIM_WRITER, &op->op);
}

void store_commit(struct store_lane *sl, struct store_commit *op)
{
    sl->ops->start(sl, STORE_COMMIT, &op->op);
}

void store_load(struct store_lane *sl, struct store_load *op)
{
    sl->ops->start(sl, STORE_LOAD, &op->op);
}

void store_find_current(struct store_lane *sl, struct store_find_current *op)
{
    sl->ops->start(sl, STORE_FIND_CURRENT, &op->op);
}

void store_read_history(struct store_lane *sl, struct store_read_history *op)
{
    sl->ops->start(sl, STORE_READ_HISTORY, &op->op);
}

void store_scan_wakes(struct store_lane *sl, struct store_scan_wakes *op)
{
    sl->ops->start(sl, STORE_SCAN_WAKES, &op->op);
}

void store_scan_backlog(struct store_lane *sl, struct store_scan_backlog *op)
{
    sl->ops->start(sl, STORE_SCAN_BACKLOG, &op->op);
}

void store_list_runs(struct store_lane *sl, struct store_list_runs *op)
{
    sl->ops->start(sl, STORE_LIST_RUNS, &op->op);
}

void store_count_runs(struct store_lane *sl, struct store_count_runs *op)
{
    sl->ops->start(sl, STORE_COUNT_RUNS, &op->op);
}

void store_scan_doomed(struct store_lane *sl, struct store_scan_doomed *op)
{
    sl->ops->start(sl, STORE_SCAN_DOOMED, &op->op);
}

void store_scan_closed(struct store_lane *sl, struct store_scan_closed *op)
{
    sl->ops->start(sl, STORE_SCAN_CLOSED, &op->op);
}

void store_scan_runs(struct store_lane *sl, struct store_scan_runs *op)
{
    sl->ops->start(sl, STORE_SCAN_RUNS, &op->op);
}

void store_read_log(struct store_lane *sl, struct store_read_log *op)
{
    sl->ops->start(sl, STORE_READ_LOG, &op->op);
}

void store_beat(struct store_lane *sl, struct store_beat *op)
{
    sl->ops->start(sl, STORE_BEAT, &op->op);
}

void store_read_assignments(struct store_lane *sl, struct store_read_assignments *op)
{
    sl->ops->start(sl, STORE_READ_ASSIGNMENTS, &op->op);
}

void store_assign(struct store_lane *sl, struct store_assign *op)
{
    sl->ops->start(sl, STORE_ASSIGN, &op->op);
}

void store_fence_member(struct store_lane *sl, struct store_fence_member *op)
{
    sl->ops->start(sl, STORE_FENCE_MEMBER, &op->op);
}

void store_leave(struct store_lane *sl, struct store_leave *op)
{
    sl->ops->start(sl, STORE_LEAVE, &op->op);
}

void store_try_plan(struct store_lane *sl, struct store_try_plan *op)
{
    sl->ops->start(sl, STORE_TRY_PLAN, &op->op);
}

void store_list_namespaces(struct store_lane *sl, struct store_list_namespaces *op)
{
    sl->ops->start(sl, STORE_LIST_NAMESPACES, &op->op);
}

void store_remove_namespace(struct store_lane *sl, struct store_remove_namespace *op)
{
    sl->ops->start(sl, STORE_REMOVE_NAMESPACE, &op->op);
}

void store_put_namespace(struct store_lane *sl, struct store_put_namespace *op)
{
    sl->ops->start(sl, STORE_PUT_NAMESPACE, &op->op);
}
