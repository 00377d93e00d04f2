/* Sending messages of runs to other runs. Relies on the engine for what is outstanding and on the receiver for
 * deduplication by request id (handlers_message.c). */
#include "history/outbox.h"

#include "common/rpc/methods.h"
#include "history/engine/child.h"
#include "history/engine_view.h"
#include "history/handlers.h"
#include "history/history.h"

#define RETRY_MIN    DURATION_MS(100)
#define RETRY_MAX    DURATION_SECONDS(10)
#define CALL_TIMEOUT DURATION_SECONDS(10)

enum { CALLS_PER_RUN = 64 }; /* a parent of thousands leaves room for others */

struct outbox_entry {
    struct list_node in_run;
    struct history *history;
    struct execution *ex; /* NULL: the run has left memory, the call's answer is ignored */
    int64_t id;
    enum outbox_kind kind;
    uint32_t flags;
    struct uuid target_namespace;
    struct str namespace_name, workflow_id, body;
    struct arena arena;
    struct rpc_call call;
    struct lane_timer timer;
    struct duration backoff;
};

static void outbox_send(struct outbox_entry *e);

void outbox_init(struct outbox *outbox, struct history *h)
{
    *outbox = (struct outbox){ .history = h, .pool.arena = &h->arena };
}

static void entry_free(struct outbox_entry *e)
{
    struct history *h = e->history;
    lane_timer_stop(h->lane, &e->timer);
    list_remove(&e->in_run);
    arena_deinit(&e->arena);
    pool_put(&h->outbox.pool, e);
}

static bool same_target(const struct outbox_entry *a, const struct outbox_entry *b)
{
    return str_eq(a->workflow_id, b->workflow_id) && str_eq(a->namespace_name, b->namespace_name);
}

/* Earlier messages to the same target go first. */
static bool entry_is_next(const struct outbox_entry *e)
{
    list_each(&e->ex->outbox, n)
    {
        struct outbox_entry *other = list_entry(n, struct outbox_entry, in_run);
        if (other == e) {
            return true;
        }
        if (same_target(other, e)) {
            return false;
        }
    }
    return true;
}

static void outbox_retry(struct lane_timer *timer)
{
    outbox_send(container_of(timer, struct outbox_entry, timer));
}

static void outbox_later(struct outbox_entry *e)
{
    struct lane *lane = e->history->lane;
    int64_t jitter = (int64_t)rand_below(lane_rand(lane), (uint64_t)e->backoff.ns / 4 + 1);
    lane_timer_start(lane, &e->timer, (struct duration){ e->backoff.ns + jitter }, outbox_retry);
    e->backoff = duration_min((struct duration){ e->backoff.ns * 2 }, RETRY_MAX);
}

/* Sends what may go: the first message to each target, and not too many at once. */
static void outbox_go_on(struct execution *ex)
{
    unsigned calls = 0;
    list_each(&ex->outbox, n)
    {
        struct outbox_entry *e = list_entry(n, struct outbox_entry, in_run);
        if (!rpc_call_pending(&e->call) && !lane_timer_running(&e->timer)) {
            outbox_send(e);
        }
        calls += rpc_call_pending(&e->call) || lane_timer_running(&e->timer);
        if (calls >= CALLS_PER_RUN) {
            return;
        }
    }
}

/* The child's answer to the nod for its first task may be that it has ended: told to a run before this one, a reset,
 * which did not wait for it any more. */
static bool child_end_event(
        const struct outbox_entry *e, struct str body, struct batch *b, struct event *ret)
{
    struct event_child_closed closed;
    if (!child_end_read(body, &closed) || !uuid_parse(e->body, &closed.first_run_id)) {
        return false;
    }
    execution_event(e->history, e->ex, EVENT_CHILD_CLOSED, ret);
    closed.initiated_event_id = message_event_id(e->id);
    closed.workflow_id = str_dup(&b->arena, e->workflow_id);
    ret->child_closed = closed;
    return true;
}

/* The target has spoken: the run records it, and the next message to the same target goes. */
static void outbox_settle(struct outbox_entry *e, enum err outcome, struct str body)
{
    struct execution *ex = e->ex;
    struct history *h = e->history;
    if (!shard_serves(h, ex->chain->shard) || committer_admit(&h->committer, NULL)) {
        outbox_later(e); /* asked again: the receiver gives the same answer */
        return;
    }
    struct batch *b = committer_batch(&h->committer);
    struct event ev;
    struct effects fx;
    struct fail f = { 0 };
    execution_event(h, ex, EVENT_MESSAGE_SETTLED, &ev);
    ev.settled.message_id = e->id;
    ev.settled.outcome = outcome;
    ev.settled.body = str_dup(&b->arena, body);
    struct event end;
    bool has_ended = e->kind == OUTBOX_FIRST_TASK && child_end_event(e, ev.settled.body, b, &end);
    entry_free(e);
    if (execution_step(ex, &ev, &b->arena, &fx, &f)) {
        h->stats.late_answers++; /* nobody is interested any more */
    }
    if (has_ended && execution_step(ex, &end, &b->arena, &fx, &f)) {
        h->stats.late_answers++;
    }
    outbox_go_on(ex);
}

static bool is_verdict(enum err err)
{
    switch (err_grpc_status(err)) {
    case 5: /* not found */
    case 3: /* invalid argument */
    case 6: /* already exists */
    case 9: /* failed precondition */
        return err != ERR_OBSOLETE;
    default:
        return false;
    }
}

static void outbox_done(
        struct rpc_call *call, enum rpc_result result, struct str body, const struct fail *fail)
{
    struct outbox_entry *e = container_of(call, struct outbox_entry, call);
    e->history->outbox.calls--;
    if (result == RPC_OK) {
        outbox_settle(e, ERR_NONE, body);
    } else if (result == RPC_APP_ERROR && is_verdict(fail->err)) {
        outbox_settle(e, fail->err, STR(""));
    } else {
        outbox_later(e);
    }
}

static void outbox_send(struct outbox_entry *e)
{
    struct history *h = e->history;
    const struct chain *source = e->ex->chain;
    if (!entry_is_next(e)) {
        return; /* the one before it starts it */
    }
    uint32_t shard = shard_of(e->target_namespace, e->workflow_id);
    struct rpc_peer *peer = h->cluster.history_peer(h->cluster.ctx, shard);
    if (!peer) {
        outbox_later(e);
        return;
    }
    struct msg_outbox m = {
        .source_namespace_id = source->namespace_id,
        .source_run_id = e->ex->run_id,
        .source_workflow_id = source->workflow_id,
        .id = e->id,
        .kind = e->kind,
        .flags = e->flags,
        .target_namespace_id = e->target_namespace,
        .target_workflow_id = e->workflow_id,
        .body = e->body,
    };
    struct buf buf;
    buf_init_arena(&buf, lane_scratch(h->lane), (size_t)64 << 20);
    msg_outbox_encode(&m, &buf);
    check(!buf.overflow);
    e->call = (struct rpc_call){ .done = outbox_done };
    h->stats.messages_sent++;
    h->outbox.calls++;
    rpc_call(h->rpc, peer, RPC_HISTORY_MESSAGE, shard, buf_str(&buf), CALL_TIMEOUT, &e->call);
}

static bool target_namespace(
        struct history *h, const struct execution *ex, struct str name, struct uuid *ret)
{
    if (!name.len || str_eq(name, engine_view_namespace(ex->wf))) {
        *ret = ex->chain->namespace_id;
        return true;
    }
    return h->cluster.namespace_id && h->cluster.namespace_id(h->cluster.ctx, name, ret);
}

void outbox_add(struct outbox *outbox, struct execution *ex, const struct outbox_message *message)
{
    struct history *h = outbox->history;
    list_each(&ex->outbox, n)
    {
        struct outbox_entry *known = list_entry(n, struct outbox_entry, in_run);
        if (known->id == message->id) {
            known->flags = message->flags; /* for the next attempt */
            return;
        }
    }
    struct outbox_entry *e = POOL_NEW(&outbox->pool, struct outbox_entry);
    e->history = h;
    e->ex = ex;
    e->id = message->id;
    e->kind = message->kind;
    e->flags = message->flags;
    e->namespace_name = str_dup(&e->arena, message->namespace_name);
    e->workflow_id = str_dup(&e->arena, message->workflow_id);
    e->body = str_dup(&e->arena, message->body);
    e->backoff = RETRY_MIN;
    list_append(&ex->outbox, &e->in_run);
    if (target_namespace(h, ex, message->namespace_name, &e->target_namespace)) {
        outbox_go_on(ex);
    } else {
        outbox_settle(e, ERR_NOT_FOUND, STR("namespace"));
    }
}

void outbox_forget(struct outbox *outbox, struct execution *ex)
{
    struct list_node *n;
    while ((n = list_first(&ex->outbox))) {
        struct outbox_entry *e = list_entry(n, struct outbox_entry, in_run);
        if (rpc_call_pending(&e->call)) {
            rpc_cancel(&e->call);
            outbox->calls--;
        }
        entry_free(e);
    }
}
