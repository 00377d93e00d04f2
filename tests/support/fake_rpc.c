/* See fake_rpc.h. */
#include "tests/support/fake_rpc.h"

#include <stdlib.h>

struct served {
    rpc_handler handler;
    rpc_notify_handler notify;
    void *ctx;
};

struct rpc_lane {
    struct rpc *rpc;
    struct lane *lane;
    struct served served[256];
    struct list calls;   /* struct rpc_call.in_list, ours */
    struct list inbound; /* struct fake_in */
    struct list watches;
};

struct rpc {
    struct list_node node;
    struct rpc_config config;
    struct rpc_lane *rl;
    struct rpc_peer *local;
    uint64_t next_id;
    bool is_cut;
};

struct rpc_peer {
    struct rpc *from;
    struct uuid member;
    unsigned refs;
};

struct fake_in {
    struct rpc_in in;
    struct list_node node;
    struct lane_timer timer;
    uint64_t id;
};

enum kind { CALL, NOTIFY, CANCEL, ANSWER };
struct packet {
    struct lane_task task;
    enum kind kind;
    struct uuid from, to;
    uint16_t method;
    uint64_t id, key;
    int64_t timeout_ns;
    enum rpc_result result;
    struct fail fail;
    size_t len;
    char body[];
};

static struct list processes;

static struct rpc *find(struct uuid member)
{
    for (struct list_node *n = list_first(&processes); n; n = list_next(&processes, n)) {
        struct rpc *r = list_entry(n, struct rpc, node);
        if (uuid_eq(r->config.member_id, member)) {
            return r;
        }
    }
    return NULL;
}

static bool may_pass(struct uuid from, struct uuid to)
{
    struct rpc *a = find(from), *b = find(to);
    return a && b && a->rl && b->rl && (a == b || (!a->is_cut && !b->is_cut));
}

static void deliver(struct packet *p);

static void on_packet(struct lane_task *task)
{
    struct packet *p = container_of(task, struct packet, task);
    if (may_pass(p->from, p->to)) {
        deliver(p);
    }
    free(p);
}

static struct packet *packet_new(enum kind kind, struct uuid from, struct uuid to, struct str body)
{
    struct packet *p = calloc(1, sizeof(*p) + body.len);
    check(p);
    p->kind = kind;
    p->from = from;
    p->to = to;
    p->len = body.len;
    p->task.run = on_packet;
    if (body.len) {
        memcpy(p->body, body.ptr, body.len);
    }
    return p;
}

static void send(struct packet *p)
{
    struct rpc *to = find(p->to);
    if (!to || !to->rl) {
        free(p);
        return;
    }
    lane_post(to->rl->lane, &p->task);
}

/* ---- calling ---- */

static void call_end(
        struct rpc_call *call, enum rpc_result result, struct str body, const struct fail *f)
{
    lane_timer_stop(call->lane->lane, &call->timer);
    list_remove(&call->in_list);
    call->state = 0;
    rpc_peer_put(call->peer);
    call->done(call, result, body, f);
}

static void on_timeout(struct lane_timer *timer)
{
    struct rpc_call *call = container_of(timer, struct rpc_call, timer);
    call_end(call, call->state == 2 ? RPC_NOT_SENT : RPC_TIMEOUT, STR(""), NULL);
}

void rpc_call(struct rpc_lane *rl, struct rpc_peer *peer, uint16_t method, uint64_t key,
        struct str body, struct duration timeout, struct rpc_call *call)
{
    call->lane = rl;
    call->peer = rpc_peer_ref(peer);
    call->id = ++rl->rpc->next_id;
    call->state = 1;
    list_append(&rl->calls, &call->in_list);
    if (!may_pass(rl->rpc->config.member_id, peer->member)) {
        call->state = 2;
        lane_timer_start(rl->lane, &call->timer, (struct duration){ 0 }, on_timeout);
        return;
    }
    lane_timer_start(rl->lane, &call->timer, timeout, on_timeout);
    struct packet *p = packet_new(CALL, rl->rpc->config.member_id, peer->member, body);
    p->method = method;
    p->key = key;
    p->id = call->id;
    p->timeout_ns = timeout.ns;
    send(p);
}

void rpc_cancel(struct rpc_call *call)
{
    if (!call->state) {
        return;
    }
    lane_timer_stop(call->lane->lane, &call->timer);
    list_remove(&call->in_list);
    call->state = 0;
    struct packet *p =
            packet_new(CANCEL, call->lane->rpc->config.member_id, call->peer->member, STR(""));
    p->id = call->id;
    send(p);
    rpc_peer_put(call->peer);
}

void rpc_notify(
        struct rpc_lane *rl, struct rpc_peer *peer, uint16_t method, uint64_t key, struct str body)
{
    struct packet *p = packet_new(NOTIFY, rl->rpc->config.member_id, peer->member, body);
    p->method = method;
    p->key = key;
    send(p);
}

/* ---- serving ---- */

static void in_end(struct fake_in *in)
{
    lane_timer_stop(in->in.lane->lane, &in->timer);
    list_remove(&in->node);
    free(in);
}

static void in_gone(struct fake_in *in)
{
    if (in->in.gone) {
        in->in.gone(&in->in);
    }
    in_end(in);
}

static void on_in_deadline(struct lane_timer *timer)
{
    in_gone(container_of(timer, struct fake_in, timer));
}

static void answer(
        struct rpc_in *base, enum rpc_result result, struct str body, const struct fail *f)
{
    struct fake_in *in = container_of(base, struct fake_in, in);
    struct packet *p = packet_new(ANSWER, base->lane->rpc->config.member_id, base->from, body);
    p->id = in->id;
    p->result = result;
    if (f) {
        p->fail = *f;
    }
    send(p);
    in_end(in);
}

void rpc_reply(struct rpc_in *in, struct str body)
{
    answer(in, RPC_OK, body, NULL);
}

void rpc_reply_fail(struct rpc_in *in, const struct fail *f)
{
    answer(in, RPC_APP_ERROR, STR(""), f);
}

static void deliver_call(struct rpc *to, struct packet *p)
{
    struct served *s = &to->rl->served[p->method];
    struct fake_in *in = calloc(1, sizeof(*in));
    check(in);
    in->id = p->id;
    in->in.lane = to->rl;
    in->in.method = p->method;
    in->in.key = p->key;
    in->in.from = p->from;
    in->in.deadline = instant_add(lane_monotonic(to->rl->lane), (struct duration){ p->timeout_ns });
    list_append(&to->rl->inbound, &in->node);
    if (!s->handler) {
        struct fail f = { 0 };
        fail(&f, ERR_UNIMPLEMENTED, "nobody serves %u", p->method);
        rpc_reply_fail(&in->in, &f);
        return;
    }
    lane_timer_start(to->rl->lane, &in->timer, (struct duration){ p->timeout_ns }, on_in_deadline);
    s->handler(s->ctx, &in->in, str_of(p->body, p->len));
}

static void deliver(struct packet *p)
{
    struct rpc *to = find(p->to);
    if (p->kind == CALL) {
        deliver_call(to, p);
    } else if (p->kind == NOTIFY) {
        struct served *s = &to->rl->served[p->method];
        if (s->notify) {
            s->notify(s->ctx, p->from, p->key, str_of(p->body, p->len));
        }
    } else if (p->kind == CANCEL) {
        list_each(&to->rl->inbound, n)
        {
            struct fake_in *in = list_entry(n, struct fake_in, node);
            if (in->id == p->id && uuid_eq(in->in.from, p->from)) {
                in_gone(in);
            }
        }
    } else {
        list_each(&to->rl->calls, n)
        {
            struct rpc_call *call = list_entry(n, struct rpc_call, in_list);
            if (call->id == p->id) {
                call_end(call, p->result, str_of(p->body, p->len),
                        p->result == RPC_APP_ERROR ? &p->fail : NULL);
                return;
            }
        }
    }
}

void rpc_serve(struct rpc_lane *rl, uint16_t method, rpc_handler handler, void *ctx)
{
    check(method < ARRAY_LEN(rl->served));
    rl->served[method].handler = handler;
    rl->served[method].ctx = ctx;
}

void rpc_serve_notify(struct rpc_lane *rl, uint16_t method, rpc_notify_handler handler, void *ctx)
{
    check(method < ARRAY_LEN(rl->served));
    rl->served[method].notify = handler;
    rl->served[method].ctx = ctx;
}

/* ---- links ---- */

void rpc_watch_links(struct rpc_lane *rl, struct rpc_watch *watch)
{
    list_append(&rl->watches, &watch->node);
}

static void tell_watches(struct rpc *at, struct uuid member, bool up)
{
    for (struct list_node *n = list_first(&at->rl->watches); n;
            n = list_next(&at->rl->watches, n)) {
        struct rpc_watch *w = list_entry(n, struct rpc_watch, node);
        w->changed(w, member, up);
    }
}

static void lose_link(struct rpc *at, struct uuid member)
{
    list_each(&at->rl->calls, n)
    {
        struct rpc_call *call = list_entry(n, struct rpc_call, in_list);
        if (call->state == 1 && uuid_eq(call->peer->member, member)) {
            call_end(call, RPC_UNKNOWN, STR(""), NULL);
        }
    }
    list_each(&at->rl->inbound, n)
    {
        struct fake_in *in = list_entry(n, struct fake_in, node);
        if (uuid_eq(in->in.from, member)) {
            in_gone(in);
        }
    }
    tell_watches(at, member, false);
}

void fake_rpc_cut(struct uuid member)
{
    struct rpc *r = find(member);
    check(r);
    r->is_cut = true;
    list_each(&processes, n)
    {
        struct rpc *other = list_entry(n, struct rpc, node);
        if (other != r && other->rl && r->rl) {
            lose_link(other, member);
            lose_link(r, other->config.member_id);
        }
    }
}

void fake_rpc_heal(struct uuid member)
{
    find(member)->is_cut = false;
}

/* ---- life ---- */

struct rpc *rpc_new(const struct rpc_config *config)
{
    struct rpc *r = calloc(1, sizeof(*r));
    check(r);
    if (!processes.head.next) {
        list_init(&processes);
    }
    r->config = *config;
    list_append(&processes, &r->node);
    r->local = rpc_peer_get(r, STR(""), config->member_id);
    return r;
}

struct rpc_lane *rpc_lane_new(struct rpc *rpc, struct lane *lane)
{
    check(!rpc->rl);
    rpc->rl = calloc(1, sizeof(*rpc->rl));
    check(rpc->rl);
    rpc->rl->rpc = rpc;
    rpc->rl->lane = lane;
    list_init(&rpc->rl->calls);
    list_init(&rpc->rl->inbound);
    list_init(&rpc->rl->watches);
    return rpc->rl;
}

/* Calls that are out are forgotten, as by a crash. */
void rpc_free(struct rpc *rpc)
{
    list_each(&rpc->rl->inbound, n)
    {
        in_end(list_entry(n, struct fake_in, node));
    }
    list_each(&rpc->rl->calls, n)
    {
        struct rpc_call *call = list_entry(n, struct rpc_call, in_list);
        lane_timer_stop(rpc->rl->lane, &call->timer);
        list_remove(n);
        rpc_peer_put(call->peer);
    }
    rpc_peer_put(rpc->local);
    list_remove(&rpc->node);
    free(rpc->rl);
    free(rpc);
}

struct rpc_peer *rpc_peer_get(struct rpc *rpc, struct str url, struct uuid member)
{
    struct rpc_peer *p = calloc(1, sizeof(*p));
    check(p);
    p->from = rpc;
    p->member = member;
    p->refs = 1;
    return p;
}

struct rpc_peer *rpc_peer_ref(struct rpc_peer *peer)
{
    peer->refs++;
    return peer;
}

void rpc_peer_put(struct rpc_peer *peer)
{
    if (--peer->refs == 0) {
        free(peer);
    }
}

struct rpc_peer *rpc_peer_local(struct rpc *rpc)
{
    return rpc->local;
}

struct uuid rpc_peer_member(const struct rpc_peer *peer)
{
    return peer->member;
}
