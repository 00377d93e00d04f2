/* Paged scans of wake-ups and of evicted backlogs. Relies on the store's order (earliest first); loading what is due
 * is cold.c's work. */
#include "history/sweep.h"

#include <string.h>

#include "common/obs/log.h"
#include "history/history.h"
#include "history/reset.h"

enum { PAGE = 1000 };

enum scan_kind { SCAN_ACQUIRE, SCAN_WINDOW, SCAN_SWEEP, SCAN_BACKLOG, SCAN_DOOMED };

struct scan {
    struct list_node node;
    struct history *history;
    struct arena arena;
    enum scan_kind kind;
    uint32_t *shards;
    size_t shard_count;
    struct store_scan_wakes wakes;
    struct store_scan_backlog backlog;
    struct store_scan_doomed doomed;
    struct lane_timer retry;
};

static void scan_page(struct scan *scan);
static void sweep_tick(struct lane_timer *timer);

void sweep_init(struct sweep *sweep, struct history *h)
{
    *sweep = (struct sweep){ .history = h };
    list_init(&sweep->scans);
}

bool sweep_is_idle(const struct sweep *sweep)
{
    list_each(&sweep->scans, n)
    {
        if (!lane_timer_running(&list_entry(n, struct scan, node)->retry)) {
            return false;
        }
    }
    return true;
}

static void scan_end(struct scan *scan)
{
    struct sweep *sweep = &scan->history->sweep;
    lane_timer_stop(scan->history->lane, &scan->retry);
    list_remove(&scan->node);
    if (scan->kind == SCAN_WINDOW) {
        sweep->window_running = false;
    } else if (scan->kind == SCAN_SWEEP) {
        sweep->sweep_running = false;
    } else if (scan->kind == SCAN_DOOMED) {
        sweep->doomed_running = false;
    }
    struct arena arena = scan->arena;
    arena_deinit(&arena);
}

static void scan_retry(struct lane_timer *timer)
{
    scan_page(container_of(timer, struct scan, retry));
}

/* True: the page was read, go on. */
static bool scan_result(struct scan *scan, enum err err)
{
    struct history *h = scan->history;
    if (h->state != HISTORY_SERVING) {
        scan_end(scan);
        history_idle(h);
        return false;
    }
    if (err) {
        lane_timer_start(h->lane, &scan->retry, DURATION_SECONDS(1), scan_retry);
        return false;
    }
    return true;
}

/* ---- wake-ups ---------------------------------------------------------------------------------------- */

static void scan_found(struct scan *scan, const struct store_run_row *row)
{
    struct history *h = scan->history;
    if (!shard_serves(h, row->shard) || execution_find(h, row->key)) {
        return;
    }
    /* The scan of a shard that is being taken over may not have come to it yet. */
    bool is_ours = h->shards.state[row->shard] == SHARD_OWNED;
    if (scan->kind == SCAN_SWEEP && is_ours && !cold_knows(h, row->key)) {
        h->stats.stuck_runs++;
        log_error("stuck_run_found", LOG_STR("workflow_id", row->workflow_id),
                LOG_UUID("run_id", row->run_id), LOG_I64("wake_at_ms", row->wake_at.ns / 1000000));
    }
    cold_add(h, row->key, row->shard, row->wake_at);
}

static void wakes_done(struct store_op *op, enum err err, const struct fail *fail)
{
    struct store_scan_wakes *wakes = container_of(op, struct store_scan_wakes, op);
    struct scan *scan = container_of(wakes, struct scan, wakes);
    struct history *h = scan->history;
    if (!scan_result(scan, err)) {
        return;
    }
    for (size_t i = 0; i < wakes->row_count; i++) {
        scan_found(scan, &wakes->rows[i]);
    }
    if (wakes->row_count >= wakes->limit) {
        wakes->after_key = wakes->rows[wakes->row_count - 1].key;
        wakes->after_wake = wakes->rows[wakes->row_count - 1].wake_at;
        scan_page(scan);
        return;
    }
    if (scan->kind == SCAN_ACQUIRE) {
        shards_acquired(h, scan->shards, scan->shard_count);
    } else if (scan->kind == SCAN_WINDOW) {
        h->sweep.window_end = wakes->until;
    }
    scan_end(scan);
}

/* ---- evicted backlogs -------------------------------------------------------------------------------- */

static void backlog_done(struct store_op *op, enum err err, const struct fail *fail)
{
    struct store_scan_backlog *backlog = container_of(op, struct store_scan_backlog, op);
    struct scan *scan = container_of(backlog, struct scan, backlog);
    struct history *h = scan->history;
    if (!scan_result(scan, err)) {
        return;
    }
    for (size_t i = 0; i < backlog->row_count; i++) {
        const struct store_run_row *row = &backlog->rows[i];
        if (!execution_find(h, row->key)) {
            struct dispatch_cold task = { row->backlog_queue, row->backlog_type,
                row->backlog_level };
            dispatch_cold_task(&h->dispatch, row->namespace_id, &task);
        }
    }
    if (backlog->row_count >= backlog->limit) {
        backlog->after_key = backlog->rows[backlog->row_count - 1].key;
        scan_page(scan);
        return;
    }
    scan_end(scan);
}

/* ---- doomed runs ------------------------------------------------------------------------------------- */

static void doomed_done(struct store_op *op, enum err err, const struct fail *fail)
{
    struct store_scan_doomed *doomed = container_of(op, struct store_scan_doomed, op);
    struct scan *scan = container_of(doomed, struct scan, doomed);
    struct history *h = scan->history;
    if (!scan_result(scan, err)) {
        return;
    }
    for (size_t i = 0; i < doomed->row_count; i++) {
        const struct store_doomed_row *row = &doomed->rows[i];
        if (shard_serves(h, row->shard) && !reset_is_staging(h, row->key)) {
            reaper_add(h, row->key, row->shard, row->last_seq);
        }
    }
    if (doomed->row_count >= doomed->limit && reaper_has_room(&h->reaper)) {
        doomed->after_key = doomed->rows[doomed->row_count - 1].key;
        scan_page(scan);
        return;
    }
    scan_end(scan);
}

static void scan_page(struct scan *scan)
{
    if (scan->kind == SCAN_DOOMED) {
        store_scan_doomed(scan->history->store, &scan->doomed);
    } else if (scan->kind == SCAN_BACKLOG) {
        store_scan_backlog(scan->history->store, &scan->backlog);
    } else {
        store_scan_wakes(scan->history->store, &scan->wakes);
    }
}

static void scan_start(struct history *h, enum scan_kind kind, const uint32_t *shards, size_t count,
        struct instant until)
{
    struct arena arena = { 0 };
    struct scan *scan = NEW(&arena, struct scan, 1);
    scan->history = h;
    scan->kind = kind;
    scan->shards = NEW(&arena, uint32_t, count + 1);
    memcpy(scan->shards, shards, count * sizeof(*shards));
    scan->shard_count = count;
    scan->wakes = (struct store_scan_wakes){
        .op.done = wakes_done,
        .shards = scan->shards,
        .shard_count = count,
        .until = until,
        .limit = PAGE,
    };
    scan->backlog = (struct store_scan_backlog){
        .op.done = backlog_done,
        .shards = scan->shards,
        .shard_count = count,
        .limit = PAGE,
    };
    scan->doomed = (struct store_scan_doomed){
        .op.done = doomed_done,
        .shards = scan->shards,
        .shard_count = count,
        .limit = PAGE,
    };
    scan->arena = arena;
    list_append(&h->sweep.scans, &scan->node);
    scan_page(scan);
}

void sweep_acquire(struct history *h, const uint32_t *shards, size_t count)
{
    struct instant until = instant_add(lane_now(h->lane), h->config.window);
    until = instant_max(until, h->sweep.window_end);
    scan_start(h, SCAN_ACQUIRE, shards, count, until);
    scan_start(h, SCAN_BACKLOG, shards, count, until);
    scan_start(h, SCAN_DOOMED, shards, count, until);
}

/* ---- the clock of it --------------------------------------------------------------------------------- */

void sweep_start(struct sweep *sweep)
{
    struct history *h = sweep->history;
    sweep->window_end = instant_add(lane_now(h->lane), h->config.window);
    sweep->next_window =
            instant_add(lane_monotonic(h->lane), (struct duration){ h->config.window.ns / 2 });
    lane_timer_start(h->lane, &sweep->timer, h->config.sweep_every, sweep_tick);
}

void sweep_stop(struct sweep *sweep)
{
    lane_timer_stop(sweep->history->lane, &sweep->timer);
    list_each(&sweep->scans, n)
    {
        struct scan *scan = list_entry(n, struct scan, node);
        if (lane_timer_running(&scan->retry)) {
            scan_end(scan);
        }
    }
}

static void sweep_tick(struct lane_timer *timer)
{
    struct sweep *sweep = container_of(timer, struct sweep, timer);
    struct history *h = sweep->history;
    lane_timer_start(h->lane, &sweep->timer, h->config.sweep_every, sweep_tick);
    if (h->state != HISTORY_SERVING || !h->shards.count) {
        return;
    }
    size_t count;
    uint32_t *shards = shards_list(h, lane_scratch(h->lane), &count);
    struct instant now = lane_now(h->lane);
    if (!sweep->sweep_running) {
        sweep->sweep_running = true;
        struct duration grace = { h->config.sweep_every.ns * 2 };
        scan_start(h, SCAN_SWEEP, shards, count, (struct instant){ now.ns - grace.ns });
    }
    if (!sweep->doomed_running && !h->reaper.count) {
        sweep->doomed_running = true;
        scan_start(h, SCAN_DOOMED, shards, count, now);
    }
    struct instant mono = lane_monotonic(h->lane);
    if (!sweep->window_running && mono.ns >= sweep->next_window.ns) {
        sweep->window_running = true;
        sweep->next_window = instant_add(mono, (struct duration){ h->config.window.ns / 2 });
        scan_start(h, SCAN_WINDOW, shards, count, instant_add(now, h->config.window));
    }
    dispatch_lent_tick(&h->dispatch);
    dispatch_unheard_tick(&h->dispatch);
    audit_tick(h);
    dispatch_collect(&h->dispatch);
}
