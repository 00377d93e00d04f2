/* Passes of the auditor and the verdict on one run (audit.h). Relies on the engine for folding, on chain.c for keeping loads
 * away while a snapshot is replaced; reads in pages, so that a long log holds up nobody. */
#include "history/audit.h"

#include "common/obs/log.h"
#include "history/history.h"

enum { LOG_PAGE_BYTES = 256 << 10, PASS_BYTES = 8 << 20, STATE_BYTES = 64 << 20 };

static void audit_next(struct audit *audit);
static void audit_page(struct audit *audit, run_key after);

void audit_init(struct audit *audit, struct history *h)
{
    *audit = (struct audit){ .history = h };
}

void audit_deinit(struct audit *audit)
{
    arena_deinit(&audit->arena);
    arena_deinit(&audit->run_arena);
}

bool audit_is_idle(const struct audit *audit)
{
    return !audit->reading;
}

void audit_forget(struct history *h, run_key key)
{
    if (h->audit.row.key == key) {
        h->audit.loaded_meanwhile = true;
    }
}

void audit_forget_shard(struct history *h, uint32_t shard)
{
    if (h->audit.row.key && h->audit.row.shard == shard) {
        h->audit.loaded_meanwhile = true;
    }
}

static void audit_end(struct audit *audit)
{
    audit->running = false;
    audit->row.key = 0;
    arena_deinit(&audit->run_arena);
    arena_deinit(&audit->arena);
}

/* False: the pass is over, since the lane is, or the database is away. */
static bool audit_read_done(struct audit *audit, enum err err)
{
    struct history *h = audit->history;
    audit->reading = false;
    if (h->state != HISTORY_SERVING || err == ERR_UNAVAILABLE || err == ERR_CANCELLED) {
        audit_end(audit);
        history_idle(h);
        return false;
    }
    return true;
}

/* ---- findings ------------------------------------------------------------------------------------------ */

static void audit_found(struct audit *audit, const char *what, bool heals, const char *detail)
{
    audit->history->stats.audit_mismatches++;
    log_error("audit_mismatch", LOG_STR("workflow_id", audit->row.workflow_id),
            LOG_UUID("run_id", audit->row.run_id), LOG_STR("what", str_from_cstr(what)),
            LOG_STR("detail", str_from_cstr(detail)), LOG_U64("heals", heals));
}

/* Loaded, it acts on what is due, and its row is made exact when it rests. */
static void audit_wake(struct audit *audit)
{
    struct history *h = audit->history;
    cold_forget(h, audit->row.key); /* it waits there for the wrong time, perhaps */
    cold_add(h, audit->row.key, audit->row.shard, lane_now(h->lane));
}

static void snapshot_written(struct gate *gate, enum err err, const struct fail *fail)
{
    struct audit *audit = container_of(gate, struct audit, gate);
    struct history *h = audit->history;
    struct chain *chain = audit->chain;
    audit->chain = NULL;
    if (!err) {
        h->stats.audit_healed++;
    }
    if (h->state == HISTORY_SERVING) {
        audit_wake(audit); /* it may have been due when it could not be read */
    }
    chain_go_on(chain);
    if (h->state == HISTORY_SERVING) {
        audit_next(audit);
    } else {
        audit_end(audit);
        history_idle(h);
    }
}

/* The state is that of the end of the log. True: the pass goes on when the snapshot is durable. */
static bool audit_replace_snapshot(struct audit *audit)
{
    struct history *h = audit->history;
    struct chain *chain = chain_get(h, audit->row.namespace_id, audit->row.workflow_id);
    if (!chain_hold(chain)) {
        chain_release(chain);
        return false; /* somebody is loading: the next pass finds it again */
    }
    struct batch *b = committer_batch(&h->committer);
    struct buf state;
    buf_init_arena(&state, &b->arena, STATE_BYTES);
    workflow_encode(audit->wf, &state);
    struct store_snapshot_row row = {
        .key = audit->row.key, .seq = audit->seq, .data = buf_str(&state), .group = chain->group
    };
    batch_snapshot(&h->committer, b, &row);
    audit->chain = chain;
    audit->gate = (struct gate){ .group = chain->group, .open = snapshot_written };
    check(committer_wait(&h->committer, b->number, &audit->gate));
    return true;
}

/* ---- one run ------------------------------------------------------------------------------------------- */

/* Both as this program writes them: an older one may have written the snapshot. */
static void audit_compare_snapshot(struct audit *audit)
{
    struct arena arena = { 0 };
    struct workflow *stored = workflow_new(&arena);
    struct buf a, b;
    struct fail f = { 0 };
    buf_init(&a, STATE_BYTES);
    buf_init(&b, STATE_BYTES);
    enum err err = workflow_decode(stored, audit->snapshot.data, &f);
    if (!err) {
        workflow_encode(stored, &a);
        workflow_encode(audit->wf, &b);
    }
    audit->snapshot_is_bad = err || !str_eq(buf_str(&a), buf_str(&b));
    buf_deinit(&a);
    buf_deinit(&b);
    arena_deinit(&arena);
}

static bool audit_wakes_in_time(const struct audit *audit)
{
    bool waits_in_queue = audit->row.backlog_queue.len > 0; /* its queue's demand brings it back */
    struct instant need =
            waits_in_queue ? workflow_next_need(audit->wf) : workflow_durable_need(audit->wf);
    return audit->row.wake_at.ns <= need.ns;
}

/* All is read: the verdict. True: the pass waits. */
static bool audit_judge(struct audit *audit)
{
    audit->history->stats.audited_runs++;
    if (audit->last_seq >= 0 && audit->seq != audit->last_seq) {
        audit_found(audit, "log", false, "rows are missing");
        return false;
    }
    if (audit->snapshot_is_bad || audit->snapshot.seq > audit->seq) {
        audit_found(audit, "snapshot", true, "it is not what the log says");
        return audit_replace_snapshot(audit);
    }
    if (workflow_status(audit->wf) != audit->row.status) {
        audit_found(audit, "status", false, "the run's row says another one than its log");
    } else if (!audit_wakes_in_time(audit)) {
        audit_found(audit, "wake_at", true, "it would wake too late");
        audit->history->stats.audit_healed++;
        audit_wake(audit);
    }
    return false;
}

/* False: the log does not fold. */
static bool audit_fold(struct audit *audit, struct fail *f)
{
    for (size_t i = 0; i < audit->log.row_count; i++) {
        const struct store_log_row *row = &audit->log.rows[i];
        audit->bytes_left -= row->events.len + row->records.len < audit->bytes_left
                                     ? row->events.len + row->records.len
                                     : audit->bytes_left;
        if (row->seq != audit->seq + 1) {
            (void)fail(f, ERR_CORRUPT, "log row %d is missing", audit->seq + 1);
            return false;
        }
        if (workflow_fold(audit->wf, row->first_event_id, row->events, row->records, f)) {
            return false;
        }
        audit->seq = row->seq;
        if (audit->seq == audit->snapshot.seq) {
            audit_compare_snapshot(audit);
        }
    }
    return true;
}

static void audit_read_log(struct audit *audit);

static void log_done(struct store_op *op, enum err err, const struct fail *fail)
{
    struct store_read_log *log = container_of(op, struct store_read_log, op);
    struct audit *audit = container_of(log, struct audit, log);
    if (!audit_read_done(audit, err)) {
        return;
    }
    struct fail f = { 0 };
    bool waits = false;
    if (err || audit->loaded_meanwhile) {
        /* next */
    } else if (!audit_fold(audit, &f)) {
        audit->history->stats.audited_runs++;
        audit_found(audit, "log", false, f.message);
    } else if (log->row_count) {
        audit_read_log(audit);
        return;
    } else {
        waits = audit_judge(audit);
    }
    if (!waits) {
        audit_next(audit);
    }
}

static void audit_read_log(struct audit *audit)
{
    audit->reading = true;
    audit->log = (struct store_read_log){ .op.done = log_done,
        .key = audit->row.key,
        .after_seq = audit->seq,
        .max_bytes = LOG_PAGE_BYTES };
    store_read_log(audit->history->store, &audit->log);
}

static void load_done(struct store_op *op, enum err err, const struct fail *fail)
{
    struct store_load *load = container_of(op, struct store_load, op);
    struct audit *audit = container_of(load, struct audit, load);
    if (!audit_read_done(audit, err)) {
        return;
    }
    bool has_gap = err == ERR_CORRUPT && load->run.key; /* snapshot and log do not meet */
    if ((err && !has_gap) || audit->loaded_meanwhile) {
        audit_next(audit);
        return;
    }
    struct arena *arena = &audit->run_arena;
    audit->row = load->run;
    audit->row.workflow_id = str_dup(arena, load->run.workflow_id);
    audit->row.backlog_queue = str_dup(arena, load->run.backlog_queue);
    audit->snapshot = load->snapshot;
    audit->snapshot.data = str_dup(arena, load->snapshot.data);
    audit->last_seq = load->tail_count ? load->tail[load->tail_count - 1].seq : load->snapshot.seq;
    audit->snapshot_is_bad = has_gap;
    audit->last_seq = has_gap ? -1 : audit->last_seq;
    audit->wf = workflow_new(arena);
    audit->seq = 0;
    audit_read_log(audit);
}

/* ---- the pass ------------------------------------------------------------------------------------------ */

static bool audit_take(struct audit *audit, struct audit_run run)
{
    struct history *h = audit->history;
    if (!shard_serves(h, run.shard) || execution_find(h, run.key) || reaper_knows(h, run.key)) {
        return false;
    }
    arena_reset(&audit->run_arena);
    audit->row = (struct store_run_row){ .key = run.key, .shard = run.shard };
    audit->loaded_meanwhile = false;
    audit->reading = true;
    audit->load = (struct store_load){ .op.done = load_done, .key = run.key };
    store_load(h->store, &audit->load);
    return true;
}

static void audit_next(struct audit *audit)
{
    audit->row.key = 0;
    while (audit->urgent_count) {
        if (audit_take(audit, audit->urgent[--audit->urgent_count])) {
            return;
        }
    }
    while (audit->page_next < audit->page_count && audit->runs_left && audit->bytes_left) {
        audit->runs_left--;
        if (audit_take(audit, audit->page[audit->page_next++])) {
            return;
        }
    }
    if (audit->last_page || !audit->runs_left || !audit->bytes_left) {
        audit_end(audit);
    } else {
        audit_page(audit, audit->scan.after_key);
    }
}

static void page_done(struct store_op *op, enum err err, const struct fail *fail)
{
    struct store_scan_runs *scan = container_of(op, struct store_scan_runs, op);
    struct audit *audit = container_of(scan, struct audit, scan);
    struct history *h = audit->history;
    if (!audit_read_done(audit, err)) {
        return;
    }
    if (err || (!audit->from && !scan->row_count)) {
        audit->last_page = true;
        audit_next(audit);
        return;
    }
    if (!audit->from) { /* that was the oldest: begin anywhere between it and now */
        run_key oldest = scan->rows[0].key, newest = h->committer.last_run_key;
        uint64_t width = newest > oldest ? (uint64_t)(newest - oldest) : 0;
        audit->from = oldest + (run_key)rand_below(lane_rand(h->lane), width + 1);
        audit_page(audit, audit->from - 1);
        return;
    }
    audit->page_count = audit->page_next = 0;
    for (size_t i = 0; i < scan->row_count; i++) {
        scan->after_key = scan->rows[i].key;
        if (audit->wrapped && scan->after_key >= audit->from) {
            audit->last_page = true;
            break;
        }
        audit->page[audit->page_count++] =
                (struct audit_run){ scan->rows[i].key, scan->rows[i].shard };
    }
    if (scan->row_count < scan->limit) {
        audit->last_page |= audit->wrapped;
        audit->wrapped = true;
        scan->after_key = 0;
    }
    audit_next(audit);
}

static void audit_page(struct audit *audit, run_key after)
{
    audit->reading = true;
    audit->scan.op = (struct store_op){ .done = page_done };
    audit->scan.after_key = after;
    audit->scan.limit = audit->from ? AUDIT_PAGE : 1;
    store_scan_runs(audit->history->store, &audit->scan);
}

static void audit_begin(struct audit *audit, size_t runs)
{
    struct history *h = audit->history;
    audit->running = true;
    audit->runs_left = runs;
    audit->bytes_left = PASS_BYTES;
    audit->from = 0;
    audit->wrapped = false;
    audit->last_page = runs == 0;
    audit->page_count = audit->page_next = 0;
    audit->scan = (struct store_scan_runs){ 0 };
    audit->scan.shards = shards_list(h, &audit->arena, &audit->scan.shard_count);
}

void audit_tick(struct history *h)
{
    struct audit *audit = &h->audit;
    if (!audit->running && h->config.audit_runs) {
        audit_begin(audit, h->config.audit_runs);
        audit_page(audit, 0);
    }
}

void audit_suspect(struct history *h, run_key key, uint32_t shard)
{
    struct audit *audit = &h->audit;
    for (size_t i = 0; i < audit->urgent_count; i++) {
        if (audit->urgent[i].key == key) {
            return;
        }
    }
    if (h->state != HISTORY_SERVING || audit->row.key == key ||
            audit->urgent_count == AUDIT_URGENT) {
        return;
    }
    audit->urgent[audit->urgent_count++] = (struct audit_run){ key, shard };
    if (!audit->running) {
        audit_begin(audit, 0);
        audit_next(audit);
    }
}
