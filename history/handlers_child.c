/* Messages between a parent and its children: start, the nod for the first task, the end. Their forms are the engine's
 * (engine/child.c). Each may come more than once; the answer is the same then. */
#include "common/model/history_event.h"
#include "common/model/wire.h"
#include "history/engine_view.h"
#include "history/handlers.h"

enum { FIELDS_MAX = 8 };

/* The body's fields by number: numbers, and strings or messages. */
struct fields {
    uint64_t number[FIELDS_MAX];
    struct str bytes[FIELDS_MAX];
};

static bool take_fields(struct call *call, struct fields *ret)
{
    struct str body = call->outbox.body;
    struct wire_field f;
    *ret = (struct fields){ 0 };
    while (wire_next(&body, &f)) {
        if (f.number < FIELDS_MAX) {
            ret->number[f.number] = f.varint;
            ret->bytes[f.number] = f.bytes;
        }
    }
    return wire_ok(body);
}

static void malformed(struct call *call)
{
    struct fail f = { 0 };
    fail(&f, ERR_UNAVAILABLE, "message in an unknown form");
    call_fail_now(call, &f);
}

/* ---- start ----------------------------------------------------------------------------------------------- */

static void reply_run(struct call *call, const struct execution *ex, struct uuid run_id)
{
    call_reply(call, ex, uuid_dup(&call->arena, run_id));
}

static void refuse_closed(struct call *call, const struct execution *ex)
{
    struct fail f = { 0 };
    fail(&f, ERR_NOT_FOUND, "the parent has ended before the child was started");
    call_fail(call, ex, &f);
}

static void start_child(struct call *call, const Api__StartWorkflowExecutionRequest *r,
        const struct start_origin *origin, struct execution *old)
{
    struct start_existing existing = { 0 };
    const struct event_parent *p = origin->parent;
    if (old) {
        existing = engine_view_existing(old->wf);
        bool is_again =
                engine_view_is_child(old->wf, p->workflow_id, p->run_id, p->initiated_event_id);
        bool is_base_s = (call->outbox.flags & OUTBOX_SOURCE_RESET) &&
                         existing.status == WORKFLOW_RUNNING &&
                         engine_view_is_child_of_id(old->wf, p->workflow_id, p->initiated_event_id);
        if (is_again ||
                is_base_s) { /* started by an earlier delivery, or by the run that this one is a reset of */
            reply_run(call, old, existing.first_run_id);
            return;
        }
    }
    if (call->outbox.flags & OUTBOX_SOURCE_CLOSED) {
        refuse_closed(call, old);
        return;
    }
    enum start_decision decision = start_decide(old ? &existing : NULL, origin->request_id,
            (enum id_reuse_policy)r->workflow_id_reuse_policy, ID_CONFLICT_UNSPECIFIED);
    if (decision != START_NEW && decision != START_TERMINATE_THEN_NEW) {
        start_refuse(call, old, &existing, (enum id_reuse_policy)r->workflow_id_reuse_policy);
        return;
    }
    struct event ev;
    struct effects fx;
    if (!start_take(call, r, origin, &ev)) {
        return;
    }
    struct execution *ex = start_run(call, &ev, old, decision == START_TERMINATE_THEN_NEW, &fx);
    if (ex) {
        reply_run(call, ex, ex->run_id);
    }
}

void handle_start_child(struct call *call)
{
    const struct msg_outbox *m = &call->outbox;
    struct fields f;
    struct fail fail = { 0 };
    struct execution *old = NULL;
    Api__StartWorkflowExecutionRequest *r = NULL;
    if (take_fields(call, &f)) {
        r = api_decode(&api__start_workflow_execution_request__descriptor, &call->arena, f.bytes[1],
                &fail);
    }
    if (!r) {
        malformed(call);
        return;
    }
    if (chain_want(call->chain, call, (struct uuid){ { 0 } }, 0, &old) == WANT_WAIT) {
        return;
    }
    struct event_parent parent = { .namespace_id = m->source_namespace_id,
        .run_id = m->source_run_id,
        .namespace_name = f.bytes[3],
        .workflow_id = m->source_workflow_id,
        .initiated_event_id = (int64_t)f.number[2],
        .root_workflow_id = f.bytes[4],
        .root_run_id = f.bytes[5] };
    struct start_origin origin = {
        .namespace_name = text(r->namespace_), .request_id = text(r->request_id), .parent = &parent
    };
    start_child(call, r, &origin, old);
}

/* ---- the first task, the end ------------------------------------------------------------------------------ */

/* Fields of an answer that says that the child has ended. */
enum { END_RUN = 1, END_TYPE, END_EVENT };

bool child_end_read(struct str body, struct event_child_closed *ret)
{
    struct wire_field f;
    *ret = (struct event_child_closed){ 0 };
    while (wire_next(&body, &f)) {
        if (f.number == END_RUN && !uuid_parse(f.bytes, &ret->run_id)) {
            return false;
        }
        ret->workflow_type = f.number == END_TYPE ? f.bytes : ret->workflow_type;
        ret->close_event = f.number == END_EVENT ? f.bytes : ret->close_event;
    }
    return wire_ok(body) && ret->close_event.len > 0;
}

struct end_read {
    struct page page;
    struct str type;
    struct uuid run_id;
};

static void end_is_read(struct call *call, struct page *page)
{
    struct end_read *er = call->state;
    struct str events = page->events;
    struct history_event he;
    struct wire_field event;
    struct buf body;
    buf_init_arena(&body, &call->arena, (size_t)64 << 20);
    bool is_end = wire_next(&events, &event) &&
                  history_event_read(event.bytes, &call->arena, &he) && !he.new_run_id.len;
    if (is_end) { /* and not followed by another run, which has been deleted */
        wire_put_bytes(&body, END_RUN, uuid_dup(&call->arena, er->run_id));
        wire_put_bytes(&body, END_TYPE, er->type);
        wire_put_bytes(&body, END_EVENT, event.bytes);
    }
    call_reply_now(call, buf_str(&body));
}

static void read_end(struct call *call)
{
    struct end_read *er = call->state;
    page_read(&er->page);
}

/* The child's chain is over, or goes on in a later run. Its end was told to whoever was its parent then: a run that has
 * been reset since and asks anew hears of it here. */
static void answer_ended(struct call *call, struct uuid first_run_id)
{
    struct execution *last;
    enum want want = chain_want(call->chain, call, (struct uuid){ { 0 } }, 0, &last);
    if (want == WANT_WAIT) {
        return;
    }
    bool is_its = want == WANT_FOUND &&
                  uuid_eq(engine_view_existing(last->wf).first_run_id, first_run_id);
    if (!is_its || last->status == WORKFLOW_RUNNING) {
        call_reply(call, is_its ? last : NULL, STR("")); /* it will tell */
        return;
    }
    struct end_read *er = NEW(&call->arena, struct end_read, 1);
    int64_t id = workflow_next_event_id(last->wf) - 1;
    er->type = str_dup(&call->arena, engine_view_type(last->wf));
    er->run_id = last->run_id;
    er->page = (struct page){
        .call = call,
        .key = last->key,
        .from = id,
        .end = id + 1,
        .max_events = 1,
        .max_bytes = 1,
        .done = end_is_read,
    };
    call->state = er;
    call_then(call, last, read_end);
}

void handle_first_task(struct call *call)
{
    struct execution *ex;
    struct event ev;
    struct effects fx;
    struct uuid run_id;
    if (!uuid_parse(call->outbox.body, &run_id)) {
        malformed(call);
        return;
    }
    if (!handler_find_key(call, run_id, 0, &ex)) {
        return;
    }
    if (ex->status != WORKFLOW_RUNNING) {
        answer_ended(call, run_id);
        return;
    }
    execution_event(call->history, ex, EVENT_FIRST_TASK, &ev);
    if (handler_step(call, ex, &ev, &fx)) {
        handler_reply(call, ex, NULL);
    }
}

enum { RESETS_FOLLOWED = 1000 };

/* A parent that was reset lives on as another run. One that is a reset itself may have been put aside by another reset
 * of the run before it: if that goes on with the child, it is the current run and knows the child by its run id. */
static bool find_parent(struct call *call, struct uuid run_id, struct execution **ret)
{
    for (int i = 0; i < RESETS_FOLLOWED; i++) {
        if (!handler_find_key(call, run_id, 0, ret)) {
            return false;
        }
        struct reset_view v = engine_view_reset((*ret)->wf);
        if (v.is_open || (uuid_is_zero(v.reset_run_id) && !v.copied_until)) {
            return true;
        }
        if (uuid_is_zero(v.reset_run_id)) {
            return handler_find_key(call, (struct uuid){ { 0 } }, 0, ret);
        }
        run_id = v.reset_run_id;
    }
    return true;
}

void handle_child_closed(struct call *call)
{
    const struct msg_outbox *m = &call->outbox;
    struct fields f;
    struct uuid run_id, first;
    struct execution *ex;
    struct event ev;
    struct effects fx;
    if (!take_fields(call, &f) || !uuid_parse(f.bytes[2], &run_id) ||
            !uuid_parse(f.bytes[3], &first)) {
        malformed(call);
        return;
    }
    if (!find_parent(call, run_id, &ex)) {
        return;
    }
    execution_event(call->history, ex, EVENT_CHILD_CLOSED, &ev);
    ev.child_closed = (struct event_child_closed){ .initiated_event_id = (int64_t)f.number[1],
        .first_run_id = first,
        .run_id = m->source_run_id,
        .workflow_id = m->source_workflow_id,
        .workflow_type = f.bytes[4],
        .close_event = f.bytes[5],
        .is_base_s = !uuid_eq(run_id, ex->run_id) };
    if (handler_step(call, ex, &ev, &fx)) {
        handler_reply(call, ex, NULL);
    }
}
