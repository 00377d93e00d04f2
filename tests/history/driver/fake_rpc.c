/* The transport as one lane sees it: calls from the test go straight to the handlers, notices to matching are kept by
 * the world, calls of the lane to other runs come back to itself. */
#include <string.h>

#include "common/rpc/methods.h"
#include "tests/history/driver/fake_rpc.h"
#include "tests/history/driver/world.h"

static struct uuid matching_member = { { 9 } };

enum rpc_result;

void rpc_serve(struct rpc_lane *rl, uint16_t method, rpc_handler handler, void *ctx)
{
    rl->handlers[method].handler = handler;
    rl->handlers[method].ctx = ctx;
}

void rpc_serve_notify(struct rpc_lane *rl, uint16_t method, rpc_notify_handler handler, void *ctx)
{
    rl->handlers[method].notify = handler;
    rl->handlers[method].ctx = ctx;
}

void rpc_watch_links(struct rpc_lane *rl, struct rpc_watch *watch)
{
    list_append(&rl->watches, &watch->node);
}

struct uuid rpc_peer_member(const struct rpc_peer *peer)
{
    return matching_member;
}

static void answer_caller(struct pending *p)
{
    struct rpc_call *caller = p->caller;
    if (caller && caller->state) {
        caller->state = 0;
        caller->done(
                caller, p->failed ? RPC_APP_ERROR : RPC_OK, p->body, p->failed ? &p->fail : NULL);
    }
}

void rpc_reply(struct rpc_in *in, struct str body)
{
    struct pending *p = container_of(in, struct pending, in);
    expect(!p->answered && !p->dead);
    p->answered = true;
    p->body = str_dup(&p->world->arena, body);
    answer_caller(p);
}

void rpc_reply_fail(struct rpc_in *in, const struct fail *fail)
{
    struct pending *p = container_of(in, struct pending, in);
    expect(!p->answered && !p->dead);
    p->answered = p->failed = true;
    p->fail = *fail;
    p->fail.text = str_dup(&p->world->arena, fail->text);
    p->fail.detail_type = str_dup(&p->world->arena, fail->detail_type);
    p->fail.detail = str_dup(&p->world->arena, fail->detail);
    answer_caller(p);
}

struct pending *fake_rpc_deliver(struct world *w, uint16_t method, uint64_t key, struct str body,
        struct rpc_call *caller, struct duration timeout)
{
    struct pending *p = NEW(&w->arena, struct pending, 1);
    p->world = w;
    p->caller = caller;
    p->in.lane = w->rl;
    p->in.method = method;
    p->in.key = key;
    p->in.deadline = instant_add(lane_monotonic(w->lane), timeout);
    struct served *s = &w->rl->handlers[method];
    expect(s->handler);
    /* A body that is gone after the handler: nobody may keep a pointer into it. */
    char *copy = malloc(body.len + 1);
    memcpy(copy, body.ptr, body.len);
    s->handler(s->ctx, &p->in, str_of(copy, body.len));
    free(copy);
    return p;
}

struct delivery {
    struct lane_task task;
    struct world *world;
    uint16_t method;
    uint64_t key;
    struct str body;
    struct rpc_call *call;
    struct duration timeout;
};

static void deliver(struct lane_task *task)
{
    struct delivery *d = container_of(task, struct delivery, task);
    if (d->call->state) {
        fake_rpc_deliver(d->world, d->method, d->key, d->body, d->call, d->timeout);
    }
}

void rpc_call(struct rpc_lane *rl, struct rpc_peer *peer, uint16_t method, uint64_t key,
        struct str body, struct duration timeout, struct rpc_call *call)
{
    struct world *w = rl->world;
    struct delivery *d = NEW(&w->arena, struct delivery, 1);
    *d = (struct delivery){
        .task.run = deliver,
        .world = w,
        .method = method,
        .key = key,
        .body = str_dup(&w->arena, body),
        .call = call,
        .timeout = timeout,
    };
    call->state = 1;
    lane_defer(w->lane, &d->task);
}

void rpc_cancel(struct rpc_call *call)
{
    call->state = 0;
}

/* Matching keeps what it is offered; a test takes it from there. */
void rpc_notify(
        struct rpc_lane *rl, struct rpc_peer *peer, uint16_t method, uint64_t key, struct str body)
{
    struct world *w = rl->world;
    struct msg_advertise m;
    expect(method == RPC_MATCHING_ADVERTISE);
    expect(msg_advertise_decode(str_dup(&w->arena, body), &w->arena, &m, NULL) == ERR_NONE);
    for (size_t i = 0; i < m.queue_count; i++) {
        for (size_t k = 0; k < m.queues[i].offer_count; k++) {
            struct offered *o = NEW(&w->arena, struct offered, 1);
            o->queue = m.queues[i].name;
            o->is_sticky = m.queues[i].is_sticky;
            o->task = m.queues[i].offers[k].task;
            o->level = (uint32_t)priority_meaning(m.queues[i].offers[k].priority).key;
            o->incarnation = m.incarnation;
            list_append(&w->offers, &o->node);
        }
    }
}
