/* ResetWorkflowExecution: a new run out of the first events of another.
 *
 *     COPY --event before the point--> REAPPLY --everything read--> one commit: the current run ends, the new one begins
 *      |  ^
 *      `--' a page of a long history: its rows are staged
 *
 * COPY reads the base run's rows page by page and folds their events into a state of its own. Rows of earlier pages are
 * committed ahead under the new run's key, hidden by a doomed row, so that memory is bounded; if the reset does not
 * come to its end, the reaper removes them. REAPPLY picks what came after the point, in the base run and in the runs
 * that it was continued as. Meanwhile the workflow id goes on: the last look at it and the commit are one turn.
 * What is copied and reapplied, and what it means, is the engine's (reset.c). */
#include "history/handlers_reset.h"

#include "common/model/history_event.h"
#include "common/model/wire.h"
#include "history/engine/engine.h"
#include "history/engine_view.h"
#include "history/handlers.h"
#include "history/view.h"

enum {
    COPY_PAGE_BYTES = 512 << 10,
    REAPPLY_MAX = 32 << 20, /* bytes of events that come again */
    STATE_MAX = 64 << 20,
    EXCLUDE_ALL = RESET_EXCLUDE_SIGNALS | RESET_EXCLUDE_UPDATES | RESET_EXCLUDE_CHILDREN,
};

struct reset {
    struct list_node node; /* history.resets: while rows are staged */
    struct call *call;
    struct uuid base_run_id;
    run_key base_key;
    struct event_reset event;
    int64_t finish; /* the first event that is not copied */
    uint32_t exclude;
    bool is_copying;
    /* the state after the rows so far, and those of them that are not staged */
    struct arena state, page;
    struct workflow *wf;
    VEC(struct store_log_row) rows;
    size_t bytes;
    run_key key; /* of the new run; 0: nothing is staged */
    int32_t staged;
    struct gate gate;
    /* what is read next: of the base run, and then of the runs that follow it */
    struct uuid run_id;
    run_key reading;
    int64_t next_event_id;
    struct uuid continued_as; /* not zero: the last event read says so */
    struct buf reapply;
    struct store_read_history read;
};

static void reset_finish(struct call *call);
static void reset_read(struct call *call);

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

static void reset_cleanup(struct call *call)
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

/* Events after the point: those that come again are kept. */
static void reset_pick(struct reset *r, struct str events)
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
        call->run = reset_finish;
        chain_submit(chain_get(h, call->api.namespace_id, call->api.workflow_id), call);
    }
    history_idle(h);
}

/* What is wanted is durable. */
static void reset_read(struct call *call)
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

/* ---- the end ------------------------------------------------------------------------------------------- */

static void reset_reply(struct call *call, const struct execution *ex)
{
    Api__ResetWorkflowExecutionResponse m = API__RESET_WORKFLOW_EXECUTION_RESPONSE__INIT;
    m.run_id = uuid_text(&call->arena, ex->run_id);
    handler_reply(call, ex, &m.base);
}

/* The same request again. */
static bool is_repeated(const struct execution *current, struct str request_id)
{
    return current && str_eq(engine_view_reset(current->wf).request_id, request_id);
}

/* Everything that the runs behind the point have is read. False: the call waits. */
static bool reset_catch_up(struct call *call, struct reset *r)
{
    struct execution *ex;
    for (;;) {
        enum want want = chain_want(call->chain, call, r->run_id, 0, &ex);
        if (want == WANT_WAIT) {
            return false;
        }
        if (want == WANT_ABSENT) { /* deleted: the chain ends here */
            return true;
        }
        int64_t end = workflow_next_event_id(ex->wf);
        struct str events;
        if (r->next_event_id < end) {
            if (!execution_recent(ex, r->next_event_id, end - 1, &events)) {
                r->reading = ex->key;
                call_then(call, ex, reset_read);
                return false;
            }
            reset_pick(r, events);
        }
        uint32_t exclude = r->exclude | RESET_EXCLUDE_CHILDREN; /* the next run's are others */
        if (uuid_is_zero(r->continued_as) || exclude == EXCLUDE_ALL) {
            return true;
        }
        r->exclude = exclude;
        r->run_id = r->continued_as;
        r->continued_as = (struct uuid){ { 0 } };
        r->next_event_id = 1;
    }
    return true;
}

/* The current run ends, if it is open; the base run knows what has become of it. */
static void reset_leave(
        struct call *call, struct reset *r, struct execution *base, struct execution *current)
{
    struct event ev;
    struct effects fx;
    struct fail f = { 0 };
    bool ends = current && current->status == WORKFLOW_RUNNING;
    if (ends) {
        struct reset_view mine = engine_view_reset(base->wf), its = engine_view_reset(current->wf);
        bool is_of_chain = uuid_eq(mine.first_run_id, its.first_run_id);
        execution_event(
                call->history, current, is_of_chain ? EVENT_RESET_AWAY : EVENT_TERMINATE, &ev);
        if (is_of_chain) {
            ev.reset_away.reason = r->event.reason;
            ev.reset_away.new_run_id = current == base ? r->event.run_id : (struct uuid){ { 0 } };
        } else { /* a run of its own: its children and its parent hear of its end */
            ev.terminate.reason = r->event.reason;
            ev.terminate.identity = STR("history-resetter");
        }
        check(!execution_step(current, &ev, &call->arena, &fx, &f));
        if (uuid_eq(r->run_id, current->run_id)) {
            reset_pick(r, buf_str(&fx.events));
        }
    }
    if (!ends || current != base) {
        execution_event(call->history, base, EVENT_RESET_AWAY, &ev);
        ev.reset_away.new_run_id = r->event.run_id;
        check(!execution_step(base, &ev, &call->arena, &fx, &f));
    }
}

static void reset_commit(
        struct call *call, struct reset *r, struct execution *base, struct execution *current)
{
    struct history *h = call->history;
    struct buf state;
    struct event ev;
    struct effects fx;
    struct fail f = { 0 };
    struct execution *ex;
    buf_init_arena(&state, &call->arena, STATE_MAX);
    workflow_encode(r->wf, &state);
    if (state.overflow) {
        fail(&f, ERR_RESOURCE_EXHAUSTED, "the workflow is too large to be reset");
        handler_fail(call, base, &f);
        return;
    }
    struct reset_view view = engine_view_reset(base->wf);
    committer_keep(&h->committer, true);
    execution_event(h, base, EVENT_RESET, &ev);
    ev.reset = r->event;
    ev.reset.start_request_id = str_dup(&call->arena, view.start_request_id);
    ev.reset.base_copied_until = view.copied_until;
    reset_leave(call, r, base, current);
    ev.reset.reapply = buf_str(&r->reapply);
    struct reset_rows rows = { .state = buf_str(&state),
        .staged = r->staged,
        .key = r->key,
        .rows = r->rows.ptr,
        .row_count = r->rows.len,
        .bytes = r->bytes };
    enum err err = execution_reset(call->chain, &ev, &rows, &call->arena, &fx, &ex, &f);
    committer_keep(&h->committer, false);
    check(!err);
    list_remove(&r->node); /* its row is doomed no more */
    h->stats.resets++;
    reset_reply(call, ex);
}

static void reset_finish(struct call *call)
{
    struct reset *r = call->state;
    struct execution *base, *current = NULL;
    enum want want = chain_want(call->chain, call, (struct uuid){ { 0 } }, 0, &current);
    if (want == WANT_WAIT) {
        return;
    }
    if (is_repeated(current, r->event.request_id)) {
        reset_reply(call, current);
    } else if (reset_catch_up(call, r) &&
               handler_find_key(call, r->base_run_id, r->base_key, &base)) {
        reset_commit(call, r, base, current);
    }
}

/* ---- the beginning -------------------------------------------------------------------------------------- */

/* The only operation that a reset may be followed by changes options that this server ignores. */
static enum err check_operations(const Api__ResetWorkflowExecutionRequest *m, struct fail *f)
{
    enum { UPDATE_WORKFLOW_OPTIONS = 2 };
    for (size_t i = 0; i < m->n_post_reset_operations; i++) {
        struct str operation = api_bytes(m->post_reset_operations[i]);
        struct wire_field field = { 0 };
        while (wire_next(&operation, &field) && field.number != UPDATE_WORKFLOW_OPTIONS) {
        }
        if (field.number != UPDATE_WORKFLOW_OPTIONS) {
            return fail(f, ERR_INVALID_ARGUMENT, "unsupported post reset operation");
        }
    }
    return ERR_NONE;
}

static enum err take_exclusions(
        const Api__ResetWorkflowExecutionRequest *m, uint32_t *ret, struct fail *f)
{
    *ret = 0;
    switch (m->reset_reapply_type) {
    case API__RESET_REAPPLY_TYPE__RESET_REAPPLY_TYPE_UNSPECIFIED:
    case API__RESET_REAPPLY_TYPE__RESET_REAPPLY_TYPE_ALL_ELIGIBLE:
        break;
    case API__RESET_REAPPLY_TYPE__RESET_REAPPLY_TYPE_SIGNAL:
        *ret = RESET_EXCLUDE_UPDATES;
        break;
    case API__RESET_REAPPLY_TYPE__RESET_REAPPLY_TYPE_NONE:
        *ret = RESET_EXCLUDE_SIGNALS | RESET_EXCLUDE_UPDATES;
        break;
    default:
        return fail(f, ERR_INVALID_ARGUMENT, "unknown reset reapply type: %d",
                (int)m->reset_reapply_type);
    }
    for (size_t i = 0; i < m->n_reset_reapply_exclude_types; i++) {
        if ((int)m->reset_reapply_exclude_types[i] == 1) {
            *ret |= RESET_EXCLUDE_SIGNALS;
        } else if ((int)m->reset_reapply_exclude_types[i] == 2) {
            *ret |= RESET_EXCLUDE_UPDATES;
        }
    }
    return ERR_NONE;
}

static void reset_begin(struct call *call, const Api__ResetWorkflowExecutionRequest *m,
        struct execution *base, uint32_t exclude)
{
    struct history *h = call->history;
    struct event now;
    struct reset *r = NEW(&call->arena, struct reset, 1);
    execution_event(h, base, EVENT_RESET, &now);
    r->call = call;
    r->base_run_id = r->run_id = base->run_id;
    r->base_key = r->reading = base->key;
    r->finish = m->workflow_task_finish_event_id;
    r->exclude = exclude;
    r->is_copying = true;
    r->next_event_id = 1;
    r->event = (struct event_reset){ .namespace_id = call->api.namespace_id,
        .run_id = uuid_v7(now.now, &now.rand),
        .base_run_id = base->run_id,
        .namespace_name = call->api.namespace_name,
        .request_id = text(m->request_id),
        .reason = text(m->reason),
        .start_time = now.now };
    r->wf = workflow_new(&r->state);
    buf_init_arena(&r->reapply, &call->arena, (size_t)4 * REAPPLY_MAX);
    call->state = r;
    call->cleanup = reset_cleanup;
    call_then(call, base, reset_read);
}

void handle_reset(struct call *call)
{
    Api__ResetWorkflowExecutionRequest *m =
            HANDLER_DECODE(call, api__reset_workflow_execution_request);
    struct execution *base, *current = NULL;
    struct fail f = { 0 };
    uint32_t exclude;
    if (!m) {
        return;
    }
    if (!*m->request_id) {
        fail(&f, ERR_INVALID_ARGUMENT, "RequestId is not set on request.");
    } else if (!take_exclusions(m, &exclude, &f)) {
        (void)check_operations(m, &f);
    }
    if (f.err) {
        call_fail_now(call, &f);
        return;
    }
    if (!handler_find(call, m->workflow_execution ? m->workflow_execution->run_id : NULL, &base) ||
            chain_want(call->chain, call, (struct uuid){ { 0 } }, 0, &current) == WANT_WAIT) {
        return;
    }
    if (is_repeated(current, text(m->request_id))) {
        reset_reply(call, current);
    } else if (m->workflow_task_finish_event_id <= 1 ||
               m->workflow_task_finish_event_id >= workflow_next_event_id(base->wf)) {
        fail(&f, ERR_INVALID_ARGUMENT,
                "Workflow task finish ID must be > 1 && <= workflow last event ID.");
        call_fail(call, base, &f);
    } else {
        reset_begin(call, m, base, exclude);
    }
}
