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
#include "history/reset.h"

#include "common/model/wire.h"
#include "history/engine/engine.h"
#include "history/engine_view.h"
#include "history/handlers.h"

enum {
    STATE_MAX = 64 << 20,
    REAPPLY_BUFFER_MAX = 128 << 20, /* reset_copy.c refuses far less */
    EXCLUDE_ALL = RESET_EXCLUDE_SIGNALS | RESET_EXCLUDE_UPDATES | RESET_EXCLUDE_CHILDREN,
};

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
    r->finish_run = reset_finish;
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
    buf_init_arena(&r->reapply, &call->arena, REAPPLY_BUFFER_MAX);
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
