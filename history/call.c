/* A call in progress: its memory, its gate, its answer. Requests are pooled with their arenas. Leaves ordering
 * to chain.c and meaning to the handlers. */
#include "history/call.h"

#include "history/execution.h"
#include "history/history.h"

enum { CALL_SPARE_MAX = 256 };

static void call_free(struct call *call)
{
    struct history *h = call->history;
    if (call->cleanup) {
        call->cleanup(call);
    }
    lane_timer_stop(h->lane, &call->timer);
    list_remove(&call->node);
    list_remove(&call->all);
    if (call->in) {
        call->in->gone = NULL;
        call->in->owner = NULL;
    }
    struct arena arena = call->arena;
    arena_reset(&arena);
    if (h->calls.in_use > CALL_SPARE_MAX) {
        arena_deinit(&arena);
    }
    *call = (struct call){ .arena = arena };
    h->calls.in_use--;
    list_append(&h->calls.spare, &call->node);
}

static void call_caller_gone(struct rpc_in *in)
{
    struct call *call = in->owner;
    call->in = NULL;
    if (call->gone) {
        call->gone(call);
    }
}

struct call *call_new(struct history *h, struct rpc_in *in, struct str body)
{
    struct list_node *n = list_pop(&h->calls.spare);
    struct call *call = n ? list_entry(n, struct call, node) : NEW(&h->arena, struct call, 1);
    call->history = h;
    call->in = in;
    h->calls.in_use++;
    list_append(&h->calls.all, &call->all);
    if (in) {
        in->owner = call;
        in->gone = call_caller_gone;
    }
    call->body = body.len ? str_dup(&call->arena, body) : body;
    return call;
}

/* ---- waiting for a commit -------------------------------------------------------------------------------- */

static bool call_wait_for(struct call *call, uint64_t batch)
{
    struct call_pool *calls = &call->history->calls;
    if (!committer_wait(&call->history->committer, batch, &call->gate)) {
        return false;
    }
    call->waiting_bytes = sizeof(*call) + call->arena.total;
    calls->waiting++;
    calls->waiting_bytes += call->waiting_bytes;
    return true;
}

static void call_waited(struct call *call)
{
    struct call_pool *calls = &call->history->calls;
    if (call->waiting_bytes) {
        calls->waiting--;
        calls->waiting_bytes -= call->waiting_bytes;
        call->waiting_bytes = 0;
    }
}

static void call_answer(struct call *call)
{
    if (!call->in && !call->has_fail && call->unsent) {
        call->unsent(call);
    }
    if (call->in) {
        struct rpc_in *in = call->in;
        in->gone = NULL;
        in->owner = NULL;
        call->in = NULL;
        if (call->has_fail) {
            rpc_reply_fail(in, &call->fail);
        } else {
            rpc_reply(in, call->reply);
        }
    }
    call_free(call);
}

static void call_gate_open(struct gate *gate, enum err err, const struct fail *fail)
{
    struct call *call = container_of(gate, struct call, gate);
    call_waited(call);
    if (err) {
        call->has_fail = true;
        call->fail = *fail;
    } else if (call->then) {
        void (*then)(struct call *) = call->then;
        call->then = NULL;
        then(call);
        return;
    }
    call_answer(call);
}

static void call_wait(struct call *call, const struct execution *ex)
{
    call->gate.open = call_gate_open;
    call->gate.group = ex ? ex->chain->group : 0;
    call->chain = NULL;
    if (!ex || !call_wait_for(call, ex->dirty)) {
        call_gate_open(&call->gate, ERR_NONE, NULL);
    }
}

void call_reply(struct call *call, const struct execution *ex, struct str reply)
{
    call->reply = reply;
    call_wait(call, ex);
}

void call_fail(struct call *call, const struct execution *ex, const struct fail *fail)
{
    call->has_fail = true;
    call->fail = *fail;
    call_wait(call, ex);
}

void call_fail_absent(struct call *call, const struct fail *fail)
{
    call->has_fail = true;
    call->fail = *fail;
    call->gate.open = call_gate_open;
    call->gate.group = 0;
    call->chain = NULL;
    if (!call_wait_for(call, committer_newest(&call->history->committer))) {
        call_gate_open(&call->gate, ERR_NONE, NULL);
    }
}

void call_then(struct call *call, const struct execution *ex, void (*then)(struct call *call))
{
    call->then = then;
    call_wait(call, ex);
}

void call_abandon(struct call *call)
{
    call->reply = STR("");
    call->gate.open = call_gate_open;
    call->gate.group = 0;
    call->chain = NULL;
    if (!call_wait_for(call, committer_newest(&call->history->committer))) {
        call_gate_open(&call->gate, ERR_NONE, NULL);
    }
}

void call_reply_now(struct call *call, struct str reply)
{
    call_reply(call, NULL, reply);
}

void call_fail_now(struct call *call, const struct fail *fail)
{
    call_fail(call, NULL, fail);
}

void calls_forget(struct history *h)
{
    struct fail f = { 0 };
    fail(&f, ERR_UNAVAILABLE, "history service has stopped");
    struct list_node *n;
    while ((n = list_first(&h->calls.all))) {
        struct call *call = list_entry(n, struct call, all);
        list_remove(&call->gate.node);
        call_waited(call);
        call->then = NULL;
        call->has_fail = true;
        call->fail = f;
        call_answer(call);
    }
    while ((n = list_pop(&h->calls.spare))) {
        arena_deinit(&list_entry(n, struct call, node)->arena);
    }
}
