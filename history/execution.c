/* One loaded run: runs the engine's steps on uncommitted state, turns their effects into rows of the open batch,
 * and hands what others must hear to the batch's gate. Keeps the rule that the stored wake_at is never later than
 * the run's durable need. Loading is in execution_load.c; ordering of requests in chain.c. */
#include "history/execution.h"

#include <string.h>

#include "history/engine_view.h"
#include "history/history.h"
#include "history/queries.h"
#include "history/updates.h"
#include "history/view.h"

enum {
    SNAPSHOT_TAIL_MIN = 16 << 10 /* bytes of log below which no snapshot is written on the way */
};

/* ---- what waits for the batch ------------------------------------------------------------------------ */

struct output {
    struct gate gate;
    struct execution *ex;
    const struct task_offer *offers;
    size_t offer_count;
    const struct outbox_message *messages;
    size_t message_count;
};

static void output_deliver(struct execution *ex, const struct output *out)
{
    for (size_t i = 0; i < out->offer_count; i++) {
        dispatch_offer(&ex->chain->history->dispatch, ex, &out->offers[i]);
    }
    for (size_t i = 0; i < out->message_count; i++) {
        outbox_add(&ex->chain->history->outbox, ex, &out->messages[i]);
    }
    execution_wake_polls(ex);
}

static void output_open(struct gate *gate, enum err err, const struct fail *fail)
{
    struct output *out = container_of(gate, struct output, gate);
    if (!err) {
        output_deliver(out->ex, out);
    } /* otherwise the run is being dropped */
}

void execution_wake_polls(struct execution *ex)
{
    /* Polls that are not satisfied park again, behind the ones that were there. */
    struct list woken;
    list_init(&woken);
    struct list_node *n;
    while ((n = list_pop(&ex->polls))) {
        list_append(&woken, n);
    }
    while ((n = list_pop(&woken))) {
        struct call *call = list_entry(n, struct call, node);
        chain_submit(ex->chain, call);
    }
}

static void execution_tell(struct execution *ex, struct arena *arena, const struct effects *fx)
{
    if (!fx->offers.len && !fx->messages.len && list_empty(&ex->polls)) {
        return;
    }
    struct output now = {
        .ex = ex,
        .offers = fx->offers.ptr,
        .offer_count = fx->offers.len,
        .messages = fx->messages.ptr,
        .message_count = fx->messages.len,
    };
    struct committer *c = &ex->chain->history->committer;
    if (ex->dirty <= c->durable) {
        output_deliver(ex, &now);
        return;
    }
    struct output *out = NEW(arena, struct output, 1);
    *out = now;
    out->gate.group = ex->chain->group;
    out->gate.open = output_open;
    check(committer_wait(c, ex->dirty, &out->gate));
}

/* ---- rows -------------------------------------------------------------------------------------------- */

static struct store_run_row execution_row(const struct execution *ex)
{
    const struct chain *chain = ex->chain;
    return (struct store_run_row){
        .key = ex->key,
        .shard = chain->shard,
        .namespace_id = chain->namespace_id,
        .run_id = ex->run_id,
        .workflow_id = chain->workflow_id,
        .status = ex->is_doomed ? (enum workflow_status)RUN_DOOMED : ex->status,
        .wake_at = ex->stored_wake,
        .start_time = ex->start_time,
        .close_time = ex->close_time,
        .group = chain->group,
    };
}

/* Writes the run's row: amends the one that this batch already has. */
static struct store_run_row *execution_put_row(struct execution *ex, struct batch *b)
{
    struct committer *c = &ex->chain->history->committer;
    struct store_run_row row = execution_row(ex);
    if (ex->status != WORKFLOW_RUNNING) {
        row.view = view_of_end(ex, &b->arena);
    }
    if (ex->row_batch != b->number) {
        ex->row_index = batch_run_update(c, b, &row);
        ex->row_batch = b->number;
        ex->row_is_insert = false;
    }
    struct store_run_row *p = ex->row_is_insert ? &b->rows.run_inserts.ptr[ex->row_index]
                                                : &b->rows.run_updates.ptr[ex->row_index];
    if (ex->row_is_insert) {
        row.view = view_join(p->view, row.view, &b->arena);
    }
    *p = row;
    ex->dirty = b->number;
    return p;
}

static void execution_put_snapshot(struct execution *ex, struct batch *b)
{
    struct committer *c = &ex->chain->history->committer;
    struct buf buf;
    buf_init_arena(&buf, &b->arena, (size_t)64 << 20);
    workflow_encode(ex->wf, &buf);
    if (buf.overflow) {
        return;
    }
    struct store_snapshot_row row = {
        .key = ex->key,
        .seq = ex->seq,
        .data = buf_str(&buf),
        .group = ex->chain->group,
    };
    if (ex->snapshot_batch == b->number) {
        b->rows.snapshots.ptr[ex->snapshot_index] = row;
    } else {
        ex->snapshot_index = batch_snapshot(c, b, &row);
        ex->snapshot_batch = b->number;
    }
    ex->dirty = b->number;
    ex->snapshot_bytes = buf.len;
    ex->tail_bytes = 0;
    ex->chain->history->stats.snapshots++;
}

static void execution_put_log(struct execution *ex, struct batch *b, const struct effects *fx)
{
    struct store_log_row row = {
        .key = ex->key,
        .seq = ++ex->seq,
        .first_event_id = fx->first_event_id,
        .event_count = fx->event_count,
        .events = buf_str(&fx->events),
        .records = buf_str(&fx->records),
        .group = ex->chain->group,
    };
    batch_log(&ex->chain->history->committer, b, &row);
    ex->dirty = b->number;
    ex->tail_bytes += fx->events.len + fx->records.len;
    ex->checkpointed = false;
    if (fx->event_count) {
        execution_keep_events(ex, fx->first_event_id, row.events);
    }
}

/* ---- steps ------------------------------------------------------------------------------------------- */

void execution_event(
        struct history *h, const struct execution *ex, enum event_kind kind, struct event *ret)
{
    struct instant now = lane_now(h->lane);
    *ret = (struct event){
        .kind = kind,
        .now = ex ? instant_max(now, ex->last_time) : now,
        .rand = { rand_u64(lane_rand(h->lane)) },
        .limits = ex ? history_limits(h, ex->chain->namespace_id) : &h->config.limits,
        .zone = ex ? zones_of_schedule(&h->zones, engine_view_schedule(ex->wf)) : STR(""),
    };
}

static void execution_arm(struct execution *ex)
{
    struct instant need = workflow_next_need(ex->wf);
    if (ex->reoffer_at.ns) {
        need = instant_min(need, ex->reoffer_at);
    }
    wheel_set(&ex->chain->history->wheel, &ex->wheel, need);
}

/* The invariant of the sweep: what is stored wakes the run in time even if all memory is lost. */
static void execution_lower_wake(struct execution *ex, struct batch *b)
{
    struct instant need = workflow_durable_need(ex->wf);
    bool has_told_all = ex->status != WORKFLOW_RUNNING && need.ns != ex->stored_wake.ns;
    if (need.ns < ex->stored_wake.ns || ex->stored_backlog || has_told_all) {
        ex->stored_wake = has_told_all ? need : ex->stored_wake;
        ex->stored_wake = instant_min(need, ex->stored_wake);
        ex->stored_backlog = false;
        execution_put_row(ex, b);
    }
}

static void execution_closed(struct execution *ex, struct batch *b, struct instant now)
{
    ex->status = workflow_status(ex->wf);
    ex->close_time = now;
    ex->stored_wake = workflow_durable_need(ex->wf); /* others may still have to hear of it */
    ex->stored_backlog = false;
    ex->checkpointed = true;
    execution_put_row(ex, b);
    dispatch_closed(&ex->chain->history->dispatch, ex);
    ex->chain->history->stats.closed++;
}

/* Nobody has to hear of a deleted run any more: what is stored of it goes. */
static void execution_doom(struct execution *ex, struct batch *b)
{
    ex->is_doomed = true;
    ex->stored_wake = INSTANT_NEVER;
    ex->stored_backlog = false;
    execution_put_row(ex, b);
    reaper_add(ex->chain->history, ex->key, ex->chain->shard, ex->seq);
}

/* A run that follows in the same commit: continue-as-new, retry, cron. */
static void execution_succeed(struct execution *ex, struct event_start *start)
{
    struct history *h = ex->chain->history;
    struct batch *b = h->committer.open; /* the one that closes the run before it */
    struct event ev;
    execution_event(h, ex, EVENT_START, &ev);
    ev.start = *start;
    struct effects fx;
    struct fail f = { 0 };
    struct execution *next;
    enum err err = execution_start(ex->chain, &ev, &b->arena, &fx, &next, &f);
    check(!err); /* the engine has checked it before it closed the run */
}

/* Steps after which a task that was offered may not be wanted any more, though nobody had it. */
static bool takes_tasks_back(enum event_kind kind)
{
    return kind == EVENT_TIME || kind == EVENT_WORKFLOW_TASK_COMPLETED;
}

static void execution_absorb(struct execution *ex, const struct event *ev, struct arena *arena,
        struct effects *fx, struct batch *b)
{
    struct history *h = ex->chain->history;
    ex->last_time = ev->now;
    h->stats.steps++;
    if (fx->changed) {
        execution_put_log(ex, b, fx);
        if (fx->shows_changed) {
            view_put(ex, b);
        }
        if (fx->closed) {
            execution_closed(ex, b, ev->now);
        } else {
            execution_lower_wake(ex, b);
            size_t worth =
                    ex->snapshot_bytes > SNAPSHOT_TAIL_MIN ? ex->snapshot_bytes : SNAPSHOT_TAIL_MIN;
            if (ex->tail_bytes > worth && ex->tail_bytes > workflow_size(ex->wf)) {
                execution_put_snapshot(ex, b);
            }
        }
    }
    if (engine_view_is_deleted(ex->wf) && !engine_view_has_messages(ex->wf) && !ex->is_doomed) {
        execution_doom(ex, b);
    }
    if (fx->successor) {
        execution_succeed(ex, fx->successor);
    }
    if (takes_tasks_back(ev->kind)) {
        dispatch_settle(&h->dispatch, ex);
    }
    execution_tell(ex, arena, fx);
    queries_settle(ex);
    execution_arm(ex);
    cache_resized(&h->cache, ex);
    h->stats.updates += fx->update_status.stage == UPDATE_ADMITTED && !fx->is_duplicate;
    h->stats.tasks_discarded += fx->reset_history_event_id != 0;
    if (fx->updates.len) {
        updates_told(ex, fx); /* last: some start over, perhaps at once */
    }
}

enum err execution_step(struct execution *ex, struct event *ev, struct arena *arena,
        struct effects *fx, struct fail *f)
{
    struct batch *b = committer_batch(&ex->chain->history->committer);
    effects_init(fx, arena);
    enum err err = workflow_step(ex->wf, ev, fx, f);
    if (!err) {
        execution_absorb(ex, ev, arena, fx, b);
    }
    return err;
}

static void chain_put_current(struct chain *chain, struct batch *b, run_key key)
{
    struct store_current_row row = {
        .shard = chain->shard,
        .namespace_id = chain->namespace_id,
        .workflow_id = chain->workflow_id,
        .key = key,
        .group = chain->group,
    };
    if (chain->current_batch == b->number) {
        b->rows.currents.ptr[chain->current_index] = row;
    } else {
        chain->current_index = batch_current(&chain->history->committer, b, &row);
        chain->current_batch = b->number;
    }
    chain->current_known = true;
    chain->current = key;
}

void execution_not_current(struct execution *ex)
{
    struct batch *b = committer_batch(&ex->chain->history->committer);
    chain_put_current(ex->chain, b, 0);
    ex->dirty = b->number;
}

enum err execution_start(struct chain *chain, struct event *ev, struct arena *arena,
        struct effects *fx, struct execution **ret, struct fail *f)
{
    struct history *h = chain->history;
    /* A run that follows another, or a terminated one, stays in that one's batch. */
    struct batch *b = h->committer.open ? h->committer.open : committer_batch(&h->committer);
    struct execution *ex = execution_new(chain);
    effects_init(fx, arena);
    enum err err = workflow_step(ex->wf, ev, fx, f);
    if (err) {
        execution_drop(ex);
        return err;
    }
    execution_name(ex, committer_issue_key(&h->committer), ev->start.run_id);
    ex->status = WORKFLOW_RUNNING;
    ex->start_time = ev->now;
    ex->stored_wake = workflow_durable_need(ex->wf);
    struct store_run_row row = execution_row(ex);
    row.view = view_of_start(ex->wf, &b->arena);
    ex->row_index = batch_run_insert(&h->committer, b, &row);
    ex->row_batch = b->number;
    ex->row_is_insert = true;
    chain_put_current(chain, b, ex->key);
    h->stats.started++;
    execution_absorb(ex, ev, arena, fx, b);
    *ret = ex;
    return ERR_NONE;
}

/* The rows before the one that the step makes. */
static void execution_put_copied(
        struct execution *ex, struct batch *b, const struct reset_rows *rows)
{
    struct committer *c = &ex->chain->history->committer;
    ex->seq = rows->staged;
    for (size_t i = 0; i < rows->row_count; i++) {
        struct store_log_row row = rows->rows[i];
        row.key = ex->key;
        row.seq = ++ex->seq;
        row.group = ex->chain->group;
        batch_log(c, b, &row);
    }
    ex->tail_bytes = rows->bytes;
    ex->recent_first = workflow_next_event_id(ex->wf);
}

enum err execution_reset(struct chain *chain, struct event *ev, const struct reset_rows *rows,
        struct arena *arena, struct effects *fx, struct execution **ret, struct fail *f)
{
    struct history *h = chain->history;
    struct batch *b = h->committer.open ? h->committer.open : committer_batch(&h->committer);
    struct execution *ex = execution_new(chain);
    effects_init(fx, arena);
    enum err err = workflow_decode(ex->wf, rows->state, f);
    execution_name(
            ex, rows->key ? rows->key : committer_issue_key(&h->committer), ev->reset.run_id);
    execution_put_copied(ex, b, rows);
    err = err ? err : workflow_step(ex->wf, ev, fx, f);
    check(!err); /* reset_check was asked before anything was done */
    ex->status = WORKFLOW_RUNNING;
    ex->start_time = ev->reset.start_time;
    ex->stored_wake = workflow_durable_need(ex->wf);
    if (rows->staged) {
        execution_put_row(ex, b);
    } else {
        struct store_run_row row = execution_row(ex);
        row.view = view_of_start(ex->wf, &b->arena);
        ex->row_index = batch_run_insert(&h->committer, b, &row);
        ex->row_batch = b->number;
        ex->row_is_insert = true;
    }
    chain_put_current(chain, b, ex->key);
    h->stats.started++;
    execution_absorb(ex, ev, arena, fx, b);
    *ret = ex;
    return ERR_NONE;
}

/* ---- checkpoint -------------------------------------------------------------------------------------- */

bool execution_checkpoint(struct execution *ex)
{
    struct history *h = ex->chain->history;
    struct dispatch_cold cold;
    if (ex->status != WORKFLOW_RUNNING) {
        ex->checkpointed = true; /* its row is always exact */
    }
    if (ex->checkpointed) {
        return true;
    }
    if (!workflow_may_leave(ex->wf) || !dispatch_backlog(ex, &cold)) {
        return false;
    }
    struct batch *b = committer_batch(&h->committer);
    struct instant need =
            cold.queue.len ? workflow_next_need(ex->wf) : workflow_durable_need(ex->wf);
    size_t worth = ex->snapshot_bytes / 2 > 4096 ? ex->snapshot_bytes / 2 : 4096;
    if (ex->tail_bytes > worth) {
        execution_put_snapshot(ex, b);
    }
    if (need.ns != ex->stored_wake.ns || cold.queue.len || ex->stored_backlog) {
        ex->stored_wake = need;
        ex->stored_backlog = cold.queue.len > 0;
        struct store_run_row *row = execution_put_row(ex, b);
        row->backlog_queue = str_dup(&b->arena, cold.queue);
        row->backlog_type = cold.type;
        row->backlog_level = cold.level;
    }
    ex->checkpointed = true;
    h->stats.checkpoints++;
    return true;
}

/* ---- time -------------------------------------------------------------------------------------------- */

void execution_fire(struct wheel_node *node)
{
    struct execution *ex = container_of(node, struct execution, wheel);
    struct history *h = ex->chain->history;
    struct instant now = lane_now(h->lane);
    if (!shard_serves(h, ex->chain->shard)) {
        return; /* whoever has the shard next sees to it */
    }
    if (committer_admit(&h->committer, NULL)) {
        /* The database is behind: timers wait for it like everybody else. */
        wheel_set(&h->wheel, node, instant_add(now, DURATION_MS(200)));
        return;
    }
    if (ex->reoffer_at.ns && ex->reoffer_at.ns <= now.ns) {
        ex->reoffer_at = (struct instant){ 0 };
        execution_reoffer(ex);
    }
    if (workflow_next_need(ex->wf).ns > now.ns) {
        execution_arm(ex);
        return;
    }
    struct batch *b = committer_batch(&h->committer);
    struct event ev;
    struct effects fx;
    struct fail f = { 0 };
    execution_event(h, ex, EVENT_TIME, &ev);
    h->stats.timers_fired++;
    enum err err = execution_step(ex, &ev, &b->arena, &fx, &f);
    if (err) {
        h->stats.failed_timers++;
        wheel_set(&h->wheel, node, instant_add(now, DURATION_SECONDS(1)));
    } else if (workflow_next_need(ex->wf).ns <= now.ns && ex->wheel.node.linked) {
        /* More to do than one step does: let others have their turn. */
        wheel_set(&h->wheel, node, instant_add(now, DURATION_MS(1)));
    }
}
