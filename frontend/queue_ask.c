/* Asks the owners of task queues, and waits for all of them. */
#include "frontend/queue_ask.h"

#define ASK_TIME_MAX DURATION_SECONDS(10)

struct queue_asks *queue_asks_new(struct request *rq, void (*done)(struct queue_asks *asks))
{
    struct queue_asks *asks = NEW(&rq->call->arena, struct queue_asks, 1);
    asks->rq = rq;
    asks->done = done;
    return asks;
}

void queue_asks_add(struct queue_asks *asks, uint16_t method, uint64_t queue, struct str request)
{
    check(asks->count < QUEUE_ASKS_MAX);
    asks->asks[asks->count++] =
            (struct queue_ask){ .all = asks, .queue = queue, .method = method, .request = request };
}

static void end_one(struct queue_asks *asks)
{
    if (--asks->open == 0) {
        asks->rq->call->on_cancel = NULL;
        asks->done(asks);
    }
}

static void on_answer(
        struct rpc_call *call, enum rpc_result result, struct str body, const struct fail *f)
{
    struct queue_ask *ask = container_of(call, struct queue_ask, call);
    ask->is_answered = result == RPC_OK;
    if (result == RPC_OK) {
        ask->answer = str_dup(&ask->all->rq->call->arena, body);
    } else if (result == RPC_APP_ERROR) {
        ask->fail = *f;
    } else {
        fail(&ask->fail, rpc_result_err(result), "the task queue's owner is not reachable");
    }
    end_one(ask->all);
}

static void on_cancel(struct grpc_call *call, enum grpc_cancel why)
{
    struct queue_asks *asks = call->owner;
    for (size_t i = 0; i < asks->count; i++) {
        rpc_cancel(&asks->asks[i].call);
    }
    fail(&asks->rq->fail, ERR_CANCELLED, "cancelled");
    request_fail(asks->rq);
}

void queue_asks_send(struct queue_asks *asks)
{
    struct request *rq = asks->rq;
    rq->call->owner = asks;
    rq->call->on_cancel = on_cancel;
    asks->open = asks->count + 1; /* ours, until all are sent */
    for (size_t i = 0; i < asks->count; i++) {
        struct queue_ask *ask = &asks->asks[i];
        struct rpc_peer *peer = cluster_matching_peer(rq->fe->cl, ask->queue);
        if (!peer) {
            fail(&ask->fail, ERR_UNAVAILABLE, "no matching process is there");
            asks->open--;
            continue;
        }
        ask->call.done = on_answer;
        rpc_call(rq->fe->rl, peer, ask->method, ask->queue, ask->request,
                request_time_left(rq, ASK_TIME_MAX), &ask->call);
    }
    end_one(asks);
}
