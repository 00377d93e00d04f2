/* The first half of a reset: pages of the base run's history become rows of the new run, and what came after the point is
 * picked. Rows of earlier pages are committed ahead, under a doomed row. What happens then is handlers_reset.c's. */
#include "history/reset.h"

#include "common/model/history_event.h"
#include "history/engine/engine.h"
#include "history/handlers.h"
#include "history/view.h"

enum {
    COPY_PAGE_BYTES = 512 << 10,
    REAPPLY_MAX = 32 << 20, /* bytes of events that come again */
};

bool reset_is_staging(const struct history *h, run_key key)
{
    list_each(&h->resets, n)
    {
        if (list_entry(n, struct reset, node)->key == key) {
            return true;
        }
    }
    return false;
}

void reset_cleanup(struct call *call)
{
    struct reset *r = call->state;
    struct history *h = call->history;
    if (list_linked(&r->node)) { /* given up */
        list_remove(&r->node);
        reaper_add(h, r->key, shard_of(call->api.namespace_id, call->api.workflow_id), r->staged);
    }
    arena_deinit(&r->state);
    arena_deinit(&r->page);
}

/* ---- what is read ------------------------------------------------------------------------------------- */

static struct uuid continued_as(struct str event, struct arena *arena)
{
    struct history_event he;
    struct uuid id = { { 0 } };
    if (history_event_read(event, arena, &he) &&
            he.type == HISTORY_WORKFLOW_EXECUTION_CONTINUED_AS_NEW) {
        (void)uuid_parse(he.new_run_id, &id);
    }
    return id;
}

void reset_pick(struct reset *r, struct str events)
{
    struct str rest = events, bytes, last = { 0 };
    while (history_next(&rest, &bytes)) {
        if (reset_reapplies(bytes, r->exclude)) {
            buf_append(&r->reapply, events.ptr, (size_t)(rest.ptr - events.ptr));
        }
        events = rest;
        last = bytes;
        r->next_event_id++;
    }
    if (last.len) {
        r->continued_as = continued_as(last, lane_scratch(r->call->history->lane));
    }
}

static enum err reset_copy_row(struct reset *r, const struct store_log_row *row, struct fail *f)
{
    struct buf records;
    buf_init_arena(&records, &r->page, 64);
    reset_copy_records(&records, row->event_count);
    struct store_log_row copy = { .first_event_id = row->first_event_id,
        .event_count = row->event_count,
        .events = str_dup(&r->page, row->events),
        .records = buf_str(&records) };
    vec_push(&r->page, &r->rows, copy);
    r->bytes += copy.events.len;
    r->next_event_id += row->event_count;
    return workflow_fold(r->wf, row->first_event_id, copy.events, copy.records, f);
}

static enum err reset_take_row(struct reset *r, const struct store_log_row *row, struct fail *f)
{
    struct str events = events_drop(row->events, r->next_event_id - row->first_event_id);
    if (!r->is_copying) {
        reset_pick(r, events);
        return ERR_NONE;
    }
    if (row->first_event_id != r->next_event_id) {
        return fail(f, ERR_CORRUPT, "event %lld is missing", (long long)r->next_event_id);
    }
    if (row->first_event_id + row->event_count < r->finish) {
        return reset_copy_row(r, row, f);
    }
    int64_t count;
    struct str copied = events_prefix(events, r->finish - r->next_event_id, SIZE_MAX, &count);
    r->event.copied = str_dup(&r->call->arena, copied);
    r->next_event_id += count;
    r->is_copying = false;
    enum err err = reset_check(r->wf, r->event.copied, f);
    if (!err) {
        reset_pick(r, str_drop(events, copied.len));
    }
    return err;
}

/* ---- staging ------------------------------------------------------------------------------------------- */

static void reset_staged(struct gate *gate, enum err err, const struct fail *fail)
{
    struct reset *r = container_of(gate, struct reset, gate);
    if (err) {
        call_fail_now(r->call, fail);
        return;
    }
    arena_reset(&r->page);
    r->rows.ptr = NULL;
    r->rows.len = r->rows.cap = 0;
    reset_read(r->call);
}

static void reset_stage_row(struct reset *r, struct batch *b, uint64_t group)
{
    struct call *call = r->call;
    struct history *h = call->history;
    r->key = committer_issue_key(&h->committer);
    list_append(&h->resets, &r->node);
    struct store_run_row row = { .key = r->key,
        .shard = shard_of(call->api.namespace_id, call->api.workflow_id),
        .namespace_id = call->api.namespace_id,
        .run_id = r->event.run_id,
        .workflow_id = call->api.workflow_id,
        .status = (enum workflow_status)RUN_DOOMED,
        .wake_at = INSTANT_NEVER,
        .start_time = r->event.start_time,
        .view = view_of_staged(r->wf, r->event.start_time, &b->arena),
        .group = group };
    batch_run_insert(&h->committer, b, &row);
}

static void reset_stage(struct reset *r)
{
    struct history *h = r->call->history;
    struct batch *b = committer_batch(&h->committer);
    r->gate = (struct gate){ .group = ++h->last_group, .open = reset_staged };
    if (!r->key) {
        reset_stage_row(r, b, r->gate.group);
    }
    for (size_t i = 0; i < r->rows.len; i++) {
        struct store_log_row row = r->rows.ptr[i];
        row.key = r->key;
        row.seq = ++r->staged;
        row.group = r->gate.group;
        batch_log(&h->committer, b, &row);
    }
    check(committer_wait(&h->committer, b->number, &r->gate));
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static enum err reset_take_page(struct reset *r, struct fail *f)
{
    if (!r->read.row_count) {
        return fail(f, ERR_UNAVAILABLE, "the run has gone meanwhile"); /* deleted */
    }
    for (size_t i = 0; i < r->read.row_count; i++) {
        enum err err = reset_take_row(r, &r->read.rows[i], f);
        if (err) {
            return err;
        }
    }
    if (r->reapply.len > REAPPLY_MAX) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "too many events came after the reset point: exclude signals or updates");
    }
    return ERR_NONE;
}

static void reset_read_done(struct store_op *op, enum err err, const struct fail *fail)
{
    struct store_read_history *read = container_of(op, struct store_read_history, op);
    struct reset *r = container_of(read, struct reset, read);
    struct call *call = r->call;
    struct history *h = call->history;
    struct fail f = { 0 };
    uint32_t shard = shard_of(call->api.namespace_id, call->api.workflow_id);
    h->reads--;
    if (err && err != ERR_CORRUPT) {
        fail(&f, ERR_UNAVAILABLE, "the history cannot be read now");
    } else if (err) {
        f = *fail;
    } else if (!shard_check(h, shard, &f) && !committer_admit(&h->committer, &f)) {
        (void)reset_take_page(r, &f);
    }
    if (f.err) {
        call_fail_now(call, &f);
    } else if (r->is_copying) {
        reset_stage(r);
    } else {
        call->run = r->finish_run;
        chain_submit(chain_get(h, call->api.namespace_id, call->api.workflow_id), call);
    }
    history_idle(h);
}

void reset_read(struct call *call)
{
    struct reset *r = call->state;
    call->history->stats.history_reads++;
    call->history->reads++;
    r->read = (struct store_read_history){ .op.done = reset_read_done,
        .key = r->reading,
        .from_event_id = r->next_event_id,
        .max_bytes = COPY_PAGE_BYTES };
    store_read_history(call->history->store, &r->read);
}
