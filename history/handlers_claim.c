/* A poll claims the task that matching gave it: the start is decided here and the payload goes straight to the worker.
 * Idempotent by poll id. */
#include "common/model/wire.h"
#include "history/engine_view.h"
#include "history/handlers.h"

/* ---- the poll's request -------------------------------------------------------------------------------- */

/* The identity is field 3 of both poll requests. */
static void take_poll_request(struct str request, struct event_claim *claim)
{
    enum { FIELD_IDENTITY = 3 };
    struct wire_field field;
    while (wire_next(&request, &field)) {
        if (field.number == FIELD_IDENTITY && field.type == WIRE_LEN) {
            claim->identity = field.bytes;
        }
    }
}

static void claim_event(
        struct call *call, struct execution *ex, enum event_kind kind, struct event *ev)
{
    const struct msg_claim *m = &call->claim;
    execution_event(call->history, ex, kind, ev);
    ev->claim = (struct event_claim){
        .scheduled_event_id = m->task.scheduled_event_id,
        .attempt = m->task.attempt,
        .stamp = m->task.stamp,
        .poll_id = m->poll_id,
        .task_queue = m->task_queue,
    };
    take_poll_request(m->poll_request, &ev->claim);
}

/* ---- the answer's history ------------------------------------------------------------------------------ */

static void reply_workflow_task(struct call *call, struct workflow_task_answer *a)
{
    call_reply_now(
            call, api_encode(&call->arena, &workflow_task_answer_encode(a, &call->arena)->base));
}

static void history_read(struct call *call, struct page *page)
{
    struct workflow_task_answer *a = call->state;
    a->events = page->events;
    a->start.to_event_id = page->from + page->count - 1;
    reply_workflow_task(call, a);
}

static void read_history(struct call *call)
{
    struct workflow_task_answer *a = call->state;
    struct page *page = NEW(&call->arena, struct page, 1);
    *page = (struct page){
        .call = call,
        .key = a->token.key,
        .from = a->start.from_event_id,
        .end = a->stored_end,
        .max_events = INT64_MAX / 2,
        .max_bytes = TASK_PAGE_BYTES,
        .done = history_read,
    };
    page_read(page);
}

static void answer_workflow_task(struct call *call, struct execution *ex, const struct effects *fx)
{
    struct workflow_task_answer *a = NEW(&call->arena, struct workflow_task_answer, 1);
    workflow_task_answer_take(a, &call->arena, ex, &fx->workflow_task);
    if (a->has_events) {
        handler_reply(call, ex, &workflow_task_answer_encode(a, &call->arena)->base);
        return;
    }
    call->state = a;
    call_then(call, ex, read_history);
}

/* ---- activities ---------------------------------------------------------------------------------------- */

struct activity_read {
    struct activity_start start;
    struct page page;
    Api__PollActivityTaskQueueResponse *answer;
};

static void event_read(struct call *call, struct page *page)
{
    struct activity_read *ar = call->state;
    struct str events = page->events;
    struct wire_field field;
    if (wire_next(&events, &field)) {
        activity_task_answer_payload(ar->answer, &call->arena, field.bytes);
    }
    call_reply_now(call, api_encode(&call->arena, &ar->answer->base));
}

static void read_event(struct call *call)
{
    struct activity_read *ar = call->state;
    page_read(&ar->page);
}

static void answer_activity(struct call *call, struct execution *ex, const struct effects *fx)
{
    struct arena *arena = &call->arena;
    Api__PollActivityTaskQueueResponse *answer = activity_task_answer(arena, ex, &fx->activity);
    if (fx->activity.scheduled_event.len) {
        handler_reply(call, ex, &answer->base);
        return;
    }
    /* Too large to be kept in memory: its payload comes from the log. */
    struct activity_read *ar = NEW(arena, struct activity_read, 1);
    int64_t id = fx->activity.scheduled_event_id;
    ar->answer = answer;
    ar->page = (struct page){
        .call = call,
        .key = ex->key,
        .from = id,
        .end = id + 1,
        .max_events = 1,
        .max_bytes = 1,
        .done = event_read,
    };
    call->state = ar;
    call_then(call, ex, read_event);
}

/* ---- claim and unclaim --------------------------------------------------------------------------------- */

void claim_take_back(struct call *call)
{
    struct history *h = call->history;
    struct call *back = call_new(h, NULL, call->body);
    struct fail f = { 0 };
    h->stats.unsent_tasks++;
    if (msg_claim_decode(back->body, &back->arena, &back->claim, &f)) {
        call_fail_now(back, &f);
        return;
    }
    back->run = handle_unclaim;
    chain_submit(chain_get(h, back->claim.task.namespace_id, back->claim.task.workflow_id), back);
}

static void obsolete(struct call *call, struct execution *ex, struct fail *f)
{
    call->history->stats.obsolete_claims++;
    f->err = ERR_OBSOLETE;
    call_fail(call, ex, f);
}

void handle_claim(struct call *call)
{
    struct history *h = call->history;
    const struct task_ref *task = &call->claim.task;
    if (task->scheduled_event_id < 0) {
        handle_query_claim(call);
        return;
    }
    bool is_activity = task->type == TASK_QUEUE_ACTIVITY;
    struct execution *ex = NULL;
    struct event ev;
    struct effects fx;
    struct fail f = { 0 };
    enum want want = chain_want(call->chain, call, task->run_id, task->key, &ex);
    if (want == WANT_WAIT) {
        return;
    }
    if (want == WANT_ABSENT) {
        fail(&f, ERR_OBSOLETE, "the run is gone");
        obsolete(call, NULL, &f);
        return;
    }
    claim_event(call, ex, is_activity ? EVENT_CLAIM_ACTIVITY : EVENT_CLAIM_WORKFLOW_TASK, &ev);
    enum err err = execution_step(ex, &ev, &call->arena, &fx, &f);
    if (err && err != ERR_OBSOLETE && err != ERR_NOT_FOUND && err != ERR_FAILED_PRECONDITION) {
        handler_fail(call, ex, &f);
        return;
    }
    h->stats.claims++;
    if (err || fx.answer.err) {
        dispatch_obsolete(&h->dispatch, task);
        obsolete(call, ex, err ? &f : &fx.answer);
        return;
    }
    dispatch_claimed(&h->dispatch, ex, task->type, task->scheduled_event_id);
    call->unsent = claim_take_back;
    if (fx.has_workflow_task) {
        answer_workflow_task(call, ex, &fx);
    } else if (fx.has_activity) {
        answer_activity(call, ex, &fx);
    } else {
        fail(&f, ERR_OBSOLETE, "there is no task");
        obsolete(call, ex, &f);
    }
}

void handle_unclaim(struct call *call)
{
    const struct task_ref *task = &call->claim.task;
    if (task->scheduled_event_id < 0) {
        handle_query_unclaim(call);
        return;
    }
    struct execution *ex;
    struct event ev;
    struct effects fx;
    struct fail f = { 0 };
    enum want want = chain_want(call->chain, call, task->run_id, task->key, &ex);
    if (want == WANT_WAIT) {
        return;
    }
    if (want == WANT_FOUND) {
        claim_event(call, ex,
                task->type == TASK_QUEUE_ACTIVITY ? EVENT_UNCLAIM_ACTIVITY
                                                  : EVENT_UNCLAIM_WORKFLOW_TASK,
                &ev);
        if (execution_step(ex, &ev, &call->arena, &fx, &f)) {
            ex = NULL; /* it has ended meanwhile: nothing to take back */
        }
    }
    call_reply(call, want == WANT_FOUND ? ex : NULL, STR(""));
}
