/* A call in progress: its memory, its gate, its answer. Requests are pooled with their arenas. Leaves ordering
 * to chain.c and meaning to the handlers. */
#include "history/request.h"

#include "history/execution.h"
#include "history/history.h"

enum { REQUEST_SPARE_MAX = 256 };

static void request_free(struct request *rq)
{
    struct history *h = rq->history;
    lane_timer_stop(h->lane, &rq->timer);
    list_remove(&rq->node);
    list_remove(&rq->all);
    if (rq->in) {
        rq->in->gone = NULL;
        rq->in->owner = NULL;
    }
    struct arena arena = rq->arena;
    arena_reset(&arena);
    if (h->requests.in_use > REQUEST_SPARE_MAX) {
        arena_deinit(&arena);
    }
    *rq = (struct request){ .arena = arena };
    h->requests.in_use--;
    list_append(&h->requests.spare, &rq->node);
}

static void request_caller_gone(struct rpc_in *in)
{
    struct request *rq = in->owner;
    rq->in = NULL;
    if (rq->gone) {
        rq->gone(rq);
    }
}

struct request *request_new(struct history *h, struct rpc_in *in, struct str body)
{
    struct list_node *n = list_pop(&h->requests.spare);
    struct request *rq = n ? list_entry(n, struct request, node) : NEW(&h->arena, struct request, 1);
    rq->history = h;
    rq->in = in;
    h->requests.in_use++;
    list_append(&h->requests.all, &rq->all);
    if (in) {
        in->owner = rq;
        in->gone = request_caller_gone;
    }
    rq->body = body.len ? str_dup(&rq->arena, body) : body;
    return rq;
}

static void request_answer(struct request *rq)
{
    if (rq->in) {
        struct rpc_in *in = rq->in;
        in->gone = NULL;
        in->owner = NULL;
        rq->in = NULL;
        if (rq->has_fail) {
            rpc_reply_fail(in, &rq->fail);
        } else {
            rpc_reply(in, rq->reply);
        }
    }
    request_free(rq);
}

static void request_gate_open(struct gate *gate, enum err err, const struct fail *fail)
{
    struct request *rq = container_of(gate, struct request, gate);
    if (err) {
        rq->has_fail = true;
        rq->fail = *fail;
    } else if (rq->then) {
        void (*then)(struct request *) = rq->then;
        rq->then = NULL;
        then(rq);
        return;
    }
    request_answer(rq);
}

static void request_wait(struct request *rq, const struct execution *ex)
{
    rq->gate.open = request_gate_open;
    rq->gate.group = ex ? ex->chain->group : 0;
    rq->chain = NULL;
    if (!ex || !committer_wait(&rq->history->committer, ex->dirty, &rq->gate)) {
        request_gate_open(&rq->gate, ERR_NONE, NULL);
    }
}

void request_reply(struct request *rq, const struct execution *ex, struct str reply)
{
    rq->reply = reply;
    request_wait(rq, ex);
}

void request_fail(struct request *rq, const struct execution *ex, const struct fail *fail)
{
    rq->has_fail = true;
    rq->fail = *fail;
    request_wait(rq, ex);
}

void request_then(struct request *rq, const struct execution *ex, void (*then)(struct request *rq))
{
    rq->then = then;
    request_wait(rq, ex);
}

void request_reply_now(struct request *rq, struct str reply)
{
    request_reply(rq, NULL, reply);
}

void request_fail_now(struct request *rq, const struct fail *fail)
{
    request_fail(rq, NULL, fail);
}
