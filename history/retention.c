/* A pass over all namespaces, over and over. Runs that are in use in memory, or still have somebody to tell of their end,
 * wait for the next pass: so nothing needs to be loaded, and nothing in the open batch speaks of them. */
#include "history/retention.h"

#include "common/obs/log.h"
#include "history/chain.h"
#include "history/execution.h"
#include "history/history.h"

enum { PAGE = 500 };

#define LATER DURATION_MS(200)
#define TICK  DURATION_SECONDS(1)

static void retention_pass(struct lane_timer *timer);
static void retention_page(struct lane_timer *timer);
static void retention_next(struct retention *retention);
static void row_erased(struct erase *erase);

void retention_init(struct retention *retention, struct history *h)
{
    *retention = (struct retention){ .history = h };
    erase_init(&retention->erase, h);
}

void retention_start(struct retention *retention)
{
    struct history *h = retention->history;
    if (h->cluster.next_namespace) {
        retention->next = instant_add(lane_monotonic(h->lane), h->config.sweep_every);
        lane_timer_start(h->lane, &retention->timer, TICK, retention_pass);
    }
}

void retention_deinit(struct retention *retention)
{
    lane_timer_stop(retention->history->lane, &retention->timer);
    erase_deinit(&retention->erase);
    arena_deinit(&retention->arena);
}

/* ---- one run ------------------------------------------------------------------------------------------- */

static void retention_expire(
        struct history *h, const struct store_closed_row *row, const struct chain *chain)
{
    struct batch *b = committer_batch(&h->committer);
    uint64_t group = chain ? chain->group : ++h->last_group;
    struct store_run_row doomed = { .key = row->run.key,
        .status = (enum workflow_status)RUN_DOOMED,
        .wake_at = INSTANT_NEVER,
        .close_time = row->run.close_time,
        .group = group };
    struct store_current_row current = { .shard = row->run.shard,
        .namespace_id = row->run.namespace_id,
        .workflow_id = str_dup(&b->arena, row->run.workflow_id),
        .was = row->run.key,
        .group = group };
    batch_run_update(&h->committer, b, &doomed);
    if (!chain) { /* otherwise another run is current, and known to be */
        batch_current(&h->committer, b, &current);
    }
    reaper_add(h, row->run.key, row->run.shard, row->last_seq);
    h->stats.expired_runs++;
    h->retention.expired++;
}

/* False: the rest of the page has to wait. */
static bool retention_take(struct history *h, const struct store_closed_row *row)
{
    const struct store_run_row *run = &row->run;
    if (!reaper_has_room(&h->reaper) || committer_admit(&h->committer, NULL)) {
        return false;
    }
    if (run->wake_at.ns != INSTANT_NEVER.ns || !shard_serves(h, run->shard) ||
            reaper_knows(h, run->key)) {
        return true;
    }
    struct execution *ex = execution_find(h, run->key);
    if (ex && ex->status != WORKFLOW_RUNNING && execution_is_idle(ex)) {
        execution_drop(ex);
    }
    const struct chain *chain = chain_find(h, run->namespace_id, run->workflow_id);
    bool is_past = chain && !chain->loading && chain->current_known && chain->current != run->key;
    if (!execution_find(h, run->key) && (!chain || is_past)) {
        retention_expire(h, row, chain);
    }
    return true;
}

/* ---- the pass ------------------------------------------------------------------------------------------ */

static void retention_later(
        struct retention *retention, struct duration d, void (*go_on)(struct lane_timer *timer))
{
    struct history *h = retention->history;
    if (h->state == HISTORY_SERVING) {
        lane_timer_start(h->lane, &retention->timer, d, go_on);
    }
}

static void retention_done(struct store_op *op, enum err err, const struct fail *fail)
{
    struct store_scan_closed *scan = container_of(op, struct store_scan_closed, op);
    struct retention *retention = container_of(scan, struct retention, scan);
    struct history *h = retention->history;
    retention->scanning = false;
    if (h->state != HISTORY_SERVING) {
        history_idle(h);
        return;
    }
    bool goes_on = !err;
    retention->found += scan->row_count;
    for (size_t i = 0; goes_on && i < scan->row_count; i++) {
        goes_on = retention_take(h, &scan->rows[i]);
        if (goes_on) {
            scan->after_key = scan->rows[i].run.key;
            scan->after_close = scan->rows[i].run.close_time;
            scan->after_start = scan->rows[i].run.start_time;
        }
    }
    if (!goes_on) {
        retention_later(retention, LATER, retention_page);
    } else if (scan->row_count >= scan->limit) {
        retention_page(&retention->timer);
    } else if (retention->current.is_deleted && !retention->found && !retention->erase.found) {
        erase_row(&retention->erase, retention->current.id, row_erased);
    } else {
        retention_next(retention);
    }
}

static void retention_page(struct lane_timer *timer)
{
    struct retention *retention = container_of(timer, struct retention, timer);
    if (retention->history->state == HISTORY_SERVING) {
        retention->scanning = true;
        store_scan_closed(retention->history->store, &retention->scan);
    }
}

static void retention_scan(struct retention *retention)
{
    struct duration kept = retention->current.retention;
    if (retention->current.is_deleted) {
        kept = (struct duration){ 0 };
    }
    struct store_scan_closed scan = { .op.done = retention_done,
        .namespace_id = retention->current.id,
        .shards = retention->scan.shards,
        .shard_count = retention->scan.shard_count,
        .until = { lane_now(retention->history->lane).ns - kept.ns },
        .limit = PAGE };
    retention->scan = scan;
    retention->found = 0;
    retention_page(&retention->timer);
}

static void open_runs_erased(struct erase *erase)
{
    retention_scan(container_of(erase, struct retention, erase));
}

static void row_erased(struct erase *erase)
{
    retention_next(container_of(erase, struct retention, erase));
}

static void pass_ends(struct retention *retention)
{
    struct history *h = retention->history;
    if (retention->expired) {
        log_info("runs_expired", LOG_U64("lane", h->lane_index),
                LOG_U64("runs", retention->expired));
    }
    if (!retention->only_deleted) {
        retention->next = instant_add(lane_monotonic(h->lane), h->config.sweep_every);
    }
    retention_later(retention, TICK, retention_pass);
}

static void retention_next(struct retention *retention)
{
    struct history *h = retention->history;
    do {
        if (!h->cluster.next_namespace(
                    h->cluster.ctx, retention->current.id, &retention->current)) {
            pass_ends(retention);
            return;
        }
    } while (retention->only_deleted && !retention->current.is_deleted);
    if (retention->current.is_deleted) {
        erase_open_runs(&retention->erase, retention->current.id, open_runs_erased);
    } else {
        retention_scan(retention);
    }
}

static bool any_deleted(struct history *h)
{
    struct history_namespace ns = { .id = { { 0 } } };
    while (h->cluster.next_namespace(h->cluster.ctx, ns.id, &ns)) {
        if (ns.is_deleted) {
            return true;
        }
    }
    return false;
}

static void retention_pass(struct lane_timer *timer)
{
    struct retention *retention = container_of(timer, struct retention, timer);
    struct history *h = retention->history;
    retention->only_deleted = instant_since(retention->next, lane_monotonic(h->lane)).ns > 0;
    if (retention->only_deleted && !any_deleted(h)) {
        retention_later(retention, TICK, retention_pass);
        return;
    }
    arena_reset(&retention->arena);
    retention->expired = 0;
    retention->current = (struct history_namespace){ .id = { { 0 } } };
    retention->scan.shards = shards_list(h, &retention->arena, &retention->scan.shard_count);
    if (retention->scan.shard_count) {
        retention_next(retention);
    } else {
        pass_ends(retention);
    }
}
