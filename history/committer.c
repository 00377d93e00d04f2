/* Group commit of a lane: accumulates rows, keeps one commit in flight, opens gates in order. Relies on the
 * store for atomicity, fencing and recovery of a lost connection; leaves to execution.c which rows a step
 * makes, and to service.c what happens when the writer was fenced. */
#include "history/committer.h"

#include <string.h>

#include "common/obs/metrics.h"
#include "history/history.h"

static void committer_tick(struct lane_task *task);
static void committer_kick(struct committer *c);

/* ---- batches ----------------------------------------------------------------------------------------- */

static struct batch *batch_new(struct committer *c)
{
    struct list_node *n = list_pop(&c->spare);
    struct batch *b =
            n ? list_entry(n, struct batch, node) : NEW(&c->history->arena, struct batch, 1);
    b->number = ++c->next_number;
    b->rows = (struct store_batch){ 0 };
    b->bytes = 0;
    b->begun = (struct instant){ 0 };
    list_init(&b->gates);
    return b;
}

static void batch_recycle(struct committer *c, struct batch *b)
{
    check(list_empty(&b->gates));
    c->lead_bytes -= b->bytes;
    arena_reset(&b->arena);
    list_append(&c->spare, &b->node);
}

static size_t batch_row_count(const struct batch *b)
{
    return b->rows.log.len + b->rows.run_inserts.len + b->rows.run_updates.len + b->rows.views.len +
           b->rows.currents.len + b->rows.snapshots.len + b->rows.deletes.len;
}

static void batch_count(struct committer *c, struct batch *b, size_t bytes)
{
    bytes += 64;
    if (!b->bytes) {
        b->begun = lane_monotonic(c->history->lane);
    }
    b->bytes += bytes;
    c->lead_bytes += bytes;
    committer_kick(c);
}

void batch_log(struct committer *c, struct batch *b, const struct store_log_row *row)
{
    vec_push(&b->arena, &b->rows.log, *row);
    batch_count(c, b, row->events.len + row->records.len);
}

size_t batch_run_insert(struct committer *c, struct batch *b, const struct store_run_row *row)
{
    vec_push(&b->arena, &b->rows.run_inserts, *row);
    batch_count(c, b,
            row->workflow_id.len +
                    (row->view ? row->view->memo.len + 2 * row->view->search_attributes.len : 0));
    return b->rows.run_inserts.len - 1;
}

size_t batch_run_update(struct committer *c, struct batch *b, const struct store_run_row *row)
{
    vec_push(&b->arena, &b->rows.run_updates, *row);
    batch_count(c, b, 0);
    return b->rows.run_updates.len - 1;
}

void batch_view(struct committer *c, struct batch *b, const struct store_view_row *row)
{
    vec_push(&b->arena, &b->rows.views, *row);
    batch_count(c, b, row->memo.len + 2 * row->search_attributes.len);
}

size_t batch_current(struct committer *c, struct batch *b, const struct store_current_row *row)
{
    vec_push(&b->arena, &b->rows.currents, *row);
    batch_count(c, b, row->workflow_id.len);
    return b->rows.currents.len - 1;
}

size_t batch_snapshot(struct committer *c, struct batch *b, const struct store_snapshot_row *row)
{
    vec_push(&b->arena, &b->rows.snapshots, *row);
    batch_count(c, b, row->data.len);
    return b->rows.snapshots.len - 1;
}

void batch_delete(struct committer *c, struct batch *b, const struct store_delete_row *row)
{
    vec_push(&b->arena, &b->rows.deletes, *row);
    batch_count(c, b, 0);
}

struct batch *committer_batch(struct committer *c)
{
    struct batch *b = c->open;
    if (b && !c->is_kept &&
            (b->bytes >= c->history->config.batch_bytes ||
                    batch_row_count(b) >= c->history->config.batch_rows)) {
        list_append(&c->sealed, &b->node);
        b = NULL;
    }
    if (!b) {
        b = c->open = batch_new(c);
    }
    return b;
}

void committer_keep(struct committer *c, bool is_kept)
{
    if (is_kept) {
        (void)committer_batch(c);
    }
    c->is_kept = is_kept;
}

/* ---- life -------------------------------------------------------------------------------------------- */

void committer_init(struct committer *c, struct history *history)
{
    *c = (struct committer){ .history = history, .tick = { .run = committer_tick } };
    list_init(&c->sealed);
    list_init(&c->spare);
}

void committer_set_writer(struct committer *c, uint32_t writer, run_key last_run_key)
{
    c->writer = writer;
    c->last_run_key = last_run_key;
    c->dead = false;
}

/* Seconds, writer, counter: start order within a writer, no round trip, no clash between writers. */
run_key committer_issue_key(struct committer *c)
{
    enum { COUNTER_BITS = 21, WRITER_BITS = 10 };
    int64_t seconds = lane_now(c->history->lane).ns / 1000000000;
    int64_t last_seconds = c->last_run_key >> (COUNTER_BITS + WRITER_BITS);
    int64_t counter = 0;
    if (seconds <= last_seconds) {
        seconds = last_seconds;
        counter = (c->last_run_key & ((1 << COUNTER_BITS) - 1)) + 1;
        if (counter >> COUNTER_BITS) {
            seconds++;
            counter = 0;
        }
    }
    check(c->writer < 1u << WRITER_BITS);
    c->last_run_key =
            seconds << (COUNTER_BITS + WRITER_BITS) | (int64_t)c->writer << COUNTER_BITS | counter;
    return c->last_run_key;
}

enum err committer_overloaded(struct fail *f)
{
    fail(f, ERR_RESOURCE_EXHAUSTED, "history service is overloaded");
    fail_set_detail(f, STR("ResourceExhaustedFailure"),
            STR("\x08\x03\x10\x02")); /* SYSTEM_OVERLOADED, SYSTEM */
    return ERR_RESOURCE_EXHAUSTED;
}

struct instant committer_oldest(const struct committer *c)
{
    struct list_node *n = list_first(&c->sealed);
    const struct batch *b = c->in_flight ? c->in_flight
                            : n          ? list_entry(n, struct batch, node)
                                         : c->open;
    return b ? b->begun : (struct instant){ 0 };
}

enum err committer_admit(const struct committer *c, struct fail *f)
{
    if (c->dead) {
        return fail(f, ERR_UNAVAILABLE, "shard is not available");
    }
    if (c->lead_bytes > c->history->config.lead_bytes) {
        return committer_overloaded(f);
    }
    struct instant since = store_writer_stalled_since(c->history->store);
    if (since.ns &&
            instant_since(lane_now(c->history->lane), since).ns > c->history->config.stall_max.ns) {
        return fail(f, ERR_UNAVAILABLE, "database is not available");
    }
    return ERR_NONE;
}

bool committer_is_clean(const struct committer *c)
{
    bool open_used = c->open && (batch_row_count(c->open) || !list_empty(&c->open->gates));
    return !c->in_flight && list_empty(&c->sealed) && !open_used;
}

/* ---- gates ------------------------------------------------------------------------------------------- */

uint64_t committer_newest(const struct committer *c)
{
    if (c->open) {
        return c->open->number;
    }
    if (!list_empty(&c->sealed)) {
        return list_entry(c->sealed.head.prev, struct batch, node)->number;
    }
    return c->in_flight ? c->in_flight->number : 0;
}

bool committer_wait(struct committer *c, uint64_t number, struct gate *gate)
{
    if (number <= c->durable) {
        return false;
    }
    struct batch *b = NULL;
    if (c->in_flight && c->in_flight->number >= number) {
        b = c->in_flight;
    } else {
        list_each(&c->sealed, n)
        {
            struct batch *s = list_entry(n, struct batch, node);
            if (s->number >= number) {
                b = s;
                break;
            }
        }
    }
    if (!b) {
        b = c->open;
        check(b && b->number >= number);
    }
    list_append(&b->gates, &gate->node);
    committer_kick(c);
    return true;
}

static void gates_open(struct list *gates, enum err err, const struct fail *fail)
{
    struct list_node *n;
    while ((n = list_pop(gates))) {
        struct gate *gate = list_entry(n, struct gate, node);
        gate->open(gate, err, fail);
    }
}

static void gates_fail_group(struct list *gates, uint64_t group, const struct fail *fail)
{
    list_each(gates, n)
    {
        struct gate *gate = list_entry(n, struct gate, node);
        if (gate->group == group) {
            list_remove(n);
            gate->open(gate, fail->err, fail);
        }
    }
}

/* ---- one bad row does not fail everybody ---------------------------------------------------------------- */

#define strip_rows(rows, bad)                         \
    do {                                              \
        size_t kept = 0;                              \
        for (size_t i = 0; i < (rows)->len; i++) {    \
            if ((rows)->ptr[i].group != (bad)) {      \
                (rows)->ptr[kept++] = (rows)->ptr[i]; \
            }                                         \
        }                                             \
        (rows)->len = kept;                           \
    } while (0)

/* Rows that stand on the refused ones are taken out of what was not sent yet. */
static void batch_strip(struct batch *b, uint64_t group, const struct fail *fail)
{
    strip_rows(&b->rows.log, group);
    strip_rows(&b->rows.run_inserts, group);
    strip_rows(&b->rows.run_updates, group);
    strip_rows(&b->rows.views, group);
    strip_rows(&b->rows.currents, group);
    strip_rows(&b->rows.snapshots, group);
    strip_rows(&b->rows.deletes, group);
    gates_fail_group(&b->gates, group, fail);
}

static void committer_poison(
        struct committer *c, struct batch *done, uint64_t group, const struct fail *fail)
{
    history_poisoned(c->history, group, fail);
    gates_fail_group(&done->gates, group, fail);
    list_each(&c->sealed, n)
    {
        batch_strip(list_entry(n, struct batch, node), group, fail);
    }
    if (c->open) {
        /* Indices of rows into the open batch are no longer right: nothing more is added to it. */
        batch_strip(c->open, group, fail);
        list_append(&c->sealed, &c->open->node);
        c->open = NULL;
    }
}

/* ---- sending ----------------------------------------------------------------------------------------- */

static void commit_done(struct store_op *op, enum err err, const struct fail *fail)
{
    struct store_commit *commit = container_of(op, struct store_commit, op);
    struct committer *c = container_of(commit, struct committer, op);
    struct batch *b = c->in_flight;
    c->in_flight = NULL;
    if (c->dead || err) {
        list_prepend(&c->sealed, &b->node);
        if (c->dead) { /* the writer was lost while the commit was out: what came of it, nobody is told */
            history_commit_returned(c->history);
        } else {
            history_writer_lost(c->history, err, fail);
        }
        return;
    }
    c->durable = b->number;
    c->history->stats.commits++;
    metric_observe_seconds(lane_metrics(c->history->lane), METRIC_HISTORY_COMMIT_SECONDS,
            instant_since(lane_monotonic(c->history->lane), c->sent_at));
    for (size_t i = 0; i < commit->poisoned_count; i++) {
        struct fail poison = commit->poison;
        poison.err = poison.err ? poison.err : ERR_INTERNAL;
        committer_poison(c, b, commit->poisoned[i], &poison);
    }
    gates_open(&b->gates, ERR_NONE, NULL);
    batch_recycle(c, b);
    committer_kick(c);
    history_idle(c->history);
}

static void committer_send(struct committer *c, struct batch *b)
{
    b->rows.last_run_key = c->last_run_key;
    c->in_flight = b;
    c->sent_at = lane_monotonic(c->history->lane);
    c->history->stats.committed_rows += batch_row_count(b);
    metric_observe_size(lane_metrics(c->history->lane), METRIC_HISTORY_BATCH, batch_row_count(b));
    c->op = (struct store_commit){ .op.done = commit_done, .batch = &b->rows };
    store_commit(c->history->store, &c->op);
}

static void pace_over(struct lane_timer *timer)
{
    /* Not the tick itself: it may be queued for this turn already. */
    committer_kick(container_of(timer, struct committer, pace_timer));
}

/* The next batch to go, or NULL: none, or not yet. */
static struct batch *committer_next(struct committer *c)
{
    struct list_node *n = list_pop(&c->sealed);
    if (n) {
        return list_entry(n, struct batch, node);
    }
    struct batch *b = c->open;
    if (!b || (!batch_row_count(b) && list_empty(&b->gates))) {
        return NULL;
    }
    struct duration since = instant_since(lane_monotonic(c->history->lane), c->sent_at);
    if (batch_row_count(b) && c->sent_at.ns && since.ns < c->history->config.commit_pace.ns) {
        if (!lane_timer_running(&c->pace_timer)) {
            struct duration rest = { c->history->config.commit_pace.ns - since.ns };
            lane_timer_start(c->history->lane, &c->pace_timer, rest, pace_over);
        }
        return NULL;
    }
    c->open = NULL;
    return b;
}

static void committer_tick(struct lane_task *task)
{
    struct committer *c = container_of(task, struct committer, tick);
    c->tick_posted = false;
    while (!c->in_flight && !c->dead) {
        struct batch *b = committer_next(c);
        if (!b) {
            return;
        }
        if (batch_row_count(b)) {
            committer_send(c, b);
            return;
        }
        c->durable = b->number;
        gates_open(&b->gates, ERR_NONE, NULL);
        batch_recycle(c, b);
    }
}

/* After the current callback, so that everything of this turn shares the commit. */
static void committer_kick(struct committer *c)
{
    if (!c->tick_posted && !c->dead) {
        c->tick_posted = true;
        lane_defer(c->history->lane, &c->tick);
    }
}

/* ---- the end ----------------------------------------------------------------------------------------- */

static void batch_drop(struct committer *c, struct batch *b, enum err err, const struct fail *fail)
{
    gates_open(&b->gates, err, fail);
    batch_recycle(c, b);
}

void committer_halt(struct committer *c)
{
    c->dead = true;
    lane_timer_stop(c->history->lane, &c->pace_timer);
}

void committer_drop(struct committer *c, enum err err, const char *text)
{
    struct fail f = { 0 };
    fail(&f, err, "%s", text);
    committer_halt(c);
    check(!c->in_flight); /* the store reads its rows: whose they are must stay */
    struct list_node *n;
    while ((n = list_pop(&c->sealed))) {
        batch_drop(c, list_entry(n, struct batch, node), err, &f);
    }
    if (c->open) {
        struct batch *b = c->open;
        c->open = NULL;
        batch_drop(c, b, err, &f);
    }
}

void committer_deinit(struct committer *c)
{
    lane_timer_stop(c->history->lane, &c->pace_timer);
    struct batch *in_flight = c->in_flight; /* of a lane that fell dead */
    if (in_flight) {
        arena_deinit(&in_flight->arena);
    }
    if (c->open) {
        arena_deinit(&c->open->arena);
    }
    struct list *lists[] = { &c->sealed, &c->spare };
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        struct list_node *n;
        while ((n = list_pop(lists[i]))) {
            arena_deinit(&list_entry(n, struct batch, node)->arena);
        }
    }
}
