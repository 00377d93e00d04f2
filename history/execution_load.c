/* Runs entering and leaving memory: made, loaded from the store, compacted, dropped; and the recent events that
 * spare a database read. What a run does while it is here is in execution.c. */
#include "history/execution.h"

#include "common/model/wire.h"
#include "history/history.h"
#include "history/queries.h"
#include "history/updates.h"

enum { RECENT_MAX = 64 << 10 }; /* bytes of events kept in memory per run */

struct execution *execution_new(struct chain *chain)
{
    struct history *h = chain->history;
    struct execution *ex = POOL_NEW(&h->execution_pool, struct execution);
    ex->chain = chain;
    ex->wf = workflow_new(&ex->arenas[0]);
    ex->stored_wake = INSTANT_NEVER;
    ex->wheel.fire = execution_fire;
    ex->recent_first = 1;
    buf_init(&ex->recent, (size_t)64 << 20);
    list_init(&ex->tasks);
    list_init(&ex->outbox);
    list_init(&ex->polls);
    list_init(&ex->queries);
    list_init(&ex->updates);
    list_append(&chain->executions, &ex->in_chain);
    return ex;
}

void execution_name(struct execution *ex, run_key key, struct uuid run_id)
{
    struct history *h = ex->chain->history;
    ex->key = key;
    ex->run_id = run_id;
    map_put(&h->runs, &ex->by_key, str_of(&ex->key, sizeof(ex->key)));
    cold_forget(h, key);
    audit_forget(h, key);
    cache_add(&h->cache, ex);
}

struct execution *execution_find(struct history *h, run_key key)
{
    struct map_node *n = map_get(&h->runs, str_of(&key, sizeof(key)));
    return n ? map_entry(n, struct execution, by_key) : NULL;
}

void execution_drop(struct execution *ex)
{
    struct chain *chain = ex->chain;
    struct history *h = chain->history;
    struct list polls = { 0 };
    list_init(&polls);
    queries_return(ex, &polls);
    updates_return(ex, &polls);
    dispatch_forget(&h->dispatch, ex);
    outbox_forget(&h->outbox, ex);
    wheel_stop(&h->wheel, &ex->wheel);
    if (ex->key) {
        map_remove(&h->runs, &ex->by_key);
        cache_remove(&h->cache, ex);
    }
    list_remove(&ex->in_chain);
    struct list_node *n;
    while ((n = list_pop(&ex->polls))) {
        list_append(&polls, n);
    }
    if (chain->current == ex->key) {
        chain->current_known = false;
    }
    buf_deinit(&ex->recent);
    arena_deinit(&ex->arenas[ex->arena_index]);
    pool_put(&h->execution_pool, ex);
    h->drops++;
    while ((n = list_pop(&polls))) {
        /* They look again, at a freshly loaded run. */
        struct call *call = list_entry(n, struct call, node);
        call->chain = chain;
        list_append(&chain->queue, &call->node);
    }
    chain_release(chain);
}

bool execution_is_idle(const struct execution *ex)
{
    return ex->dirty <= ex->chain->history->committer.durable && list_empty(&ex->polls) &&
           list_empty(&ex->outbox) && !ex->pins && !ex->reoffer_at.ns;
}

/* ---- from the store ---------------------------------------------------------------------------------- */

static enum err execution_fold(struct execution *ex, const struct store_load *load, struct fail *f)
{
    if (load->snapshot.seq) {
        enum err err = workflow_decode(ex->wf, load->snapshot.data, f);
        if (err) {
            return err;
        }
        ex->seq = load->snapshot.seq;
        ex->snapshot_bytes = load->snapshot.data.len;
        ex->recent_first = workflow_next_event_id(ex->wf);
    }
    for (size_t i = 0; i < load->tail_count; i++) {
        const struct store_log_row *row = &load->tail[i];
        if (row->seq != ex->seq + 1) {
            return fail(f, ERR_CORRUPT, "log row %d is missing", ex->seq + 1);
        }
        enum err err = workflow_fold(ex->wf, row->first_event_id, row->events, row->records, f);
        if (err) {
            return err;
        }
        ex->seq = row->seq;
        ex->tail_bytes += row->events.len + row->records.len;
        if (row->event_count) {
            execution_keep_events(ex, row->first_event_id, row->events);
        }
    }
    return ERR_NONE;
}

void execution_reoffer(struct execution *ex)
{
    struct history *h = ex->chain->history;
    struct effects fx;
    effects_init(&fx, lane_scratch(h->lane));
    workflow_offers(ex->wf, fx.arena, &fx);
    for (size_t i = 0; i < fx.offers.len; i++) {
        dispatch_offer(&h->dispatch, ex, &fx.offers.ptr[i]);
    }
}

static void execution_resume_tasks(struct execution *ex, bool was_hot)
{
    struct history *h = ex->chain->history;
    struct instant now = lane_now(h->lane);
    struct instant need = workflow_next_need(ex->wf);
    if (was_hot) {
        /* The task may be with a worker: its completion is accepted by token, if it comes before the task is given to
         * another one. */
        int64_t wait = h->config.reload_wait.ns;
        wait += (int64_t)rand_below(lane_rand(h->lane), (uint64_t)wait * 2 / 5 + 1);
        ex->reoffer_at = instant_add(now, (struct duration){ wait });
        need = instant_min(need, ex->reoffer_at);
    } else {
        execution_reoffer(ex);
    }
    wheel_set(&h->wheel, &ex->wheel, need);
}

static void execution_resume(struct execution *ex, bool was_hot)
{
    struct history *h = ex->chain->history;
    struct effects fx;
    if (ex->status == WORKFLOW_RUNNING) {
        execution_resume_tasks(ex, was_hot);
    }
    /* Last: one that settles at once makes a step. Closed runs may have some, too. */
    effects_init(&fx, lane_scratch(h->lane));
    workflow_messages(ex->wf, fx.arena, &fx);
    for (size_t i = 0; i < fx.messages.len; i++) {
        outbox_add(&h->outbox, ex, &fx.messages.ptr[i]);
    }
}

/* The latest time of what is known of its events: the clock of the process that had it before may be ahead of ours. */
static struct instant execution_latest(const struct execution *ex)
{
    enum { FIELD_EVENTS = 1, FIELD_TIME = 2 };
    struct instant latest = ex->start_time;
    struct str events = buf_str(&ex->recent);
    struct wire_field event, field;
    while (wire_next(&events, &event)) {
        struct str in = event.number == FIELD_EVENTS ? event.bytes : STR("");
        while (wire_next(&in, &field)) {
            if (field.number == FIELD_TIME) {
                latest = instant_max(latest, wire_timestamp(field.bytes));
                break;
            }
        }
    }
    return latest;
}

static bool execution_has_offers(const struct execution *ex)
{
    struct effects fx;
    effects_init(&fx, lane_scratch(ex->chain->history->lane));
    workflow_offers(ex->wf, fx.arena, &fx);
    return fx.offers.len > 0;
}

enum err execution_load(
        struct chain *chain, const struct store_load *load, struct execution **ret, struct fail *f)
{
    struct execution *ex = execution_new(chain);
    enum err err = execution_fold(ex, load, f);
    if (err) {
        execution_drop(ex);
        return err;
    }
    ex->status = workflow_status(ex->wf);
    ex->start_time = load->run.start_time;
    ex->close_time = load->run.close_time;
    ex->stored_wake = load->run.wake_at;
    ex->last_time = execution_latest(ex);
    ex->stored_backlog = load->run.backlog_queue.len > 0;
    ex->checkpointed = ex->status != WORKFLOW_RUNNING;
    execution_name(ex, load->run.key, load->run.run_id);
    dispatch_lent_over(&chain->history->dispatch, ex->key); /* it is offered from here again */
    execution_resume(ex, !ex->stored_backlog && execution_has_offers(ex));
    *ret = ex;
    return ERR_NONE;
}

/* ---- compaction: the arena of a run that has lived long is mostly garbage --------------------------------- */

bool execution_is_swollen(const struct execution *ex)
{
    enum {
        TIMES = 4,
        AT_LEAST = 128 << 10
    }; /* so that each byte that is copied has been paid for */
    return workflow_size(ex->wf) > ex->compacted_size * TIMES + AT_LEAST;
}

void execution_compact(struct execution *ex)
{
    struct arena scratch = { 0 };
    struct arena *old = &ex->arenas[ex->arena_index];
    struct arena *fresh = &ex->arenas[!ex->arena_index];
    struct workflow *wf = workflow_compact(ex->wf, fresh, &scratch);
    if (wf) {
        arena_deinit(old);
        ex->arena_index = !ex->arena_index;
        ex->wf = wf;
        ex->chain->history->stats.compactions++;
    }
    ex->compacted_size = workflow_size(ex->wf);
    arena_deinit(&scratch);
}

/* ---- recent events ----------------------------------------------------------------------------------- */

struct str events_drop(struct str events, int64_t n)
{
    struct wire_field field;
    while (n-- > 0 && wire_next(&events, &field)) {
    }
    return events;
}

struct str events_prefix(struct str events, int64_t max_events, size_t max_bytes, int64_t *count)
{
    struct str rest = events;
    struct wire_field field;
    int64_t n = 0;
    while (n < max_events && rest.len) {
        struct str next = rest;
        if (!wire_next(&next, &field)) {
            break;
        }
        if (n && (size_t)(next.ptr - events.ptr) > max_bytes) {
            break;
        }
        rest = next;
        n++;
    }
    *count = n;
    return str_of(events.ptr, (size_t)(rest.ptr - events.ptr));
}

void execution_keep_events(struct execution *ex, int64_t first_event_id, struct str events)
{
    if (!ex->recent.len) {
        ex->recent_first = first_event_id;
    }
    buf_append_str(&ex->recent, events);
    if (ex->recent.len <= RECENT_MAX) {
        return;
    }
    /* Keep the newer half; a single larger event is kept alone. */
    struct str all = buf_str(&ex->recent);
    struct wire_field field;
    size_t limit = ex->recent.len - RECENT_MAX / 2;
    while (all.len && (size_t)(all.ptr - ex->recent.ptr) < limit) {
        struct str next = all;
        if (!wire_next(&next, &field) || !next.len) {
            break;
        }
        all = next;
        ex->recent_first++;
    }
    buf_consume(&ex->recent, (size_t)(all.ptr - ex->recent.ptr));
}

bool execution_recent(const struct execution *ex, int64_t from, int64_t to, struct str *ret)
{
    int64_t next = workflow_next_event_id(ex->wf);
    if (from > to) {
        *ret = STR("");
        return true;
    }
    if (from < ex->recent_first || to >= next) {
        return false;
    }
    struct str s = events_drop(buf_str(&ex->recent), from - ex->recent_first);
    int64_t count;
    *ret = events_prefix(s, to - from + 1, SIZE_MAX, &count);
    return count == to - from + 1;
}
