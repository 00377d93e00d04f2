/* The process's side of rpc: configuration, lanes, routes, peers and what all links have in common.
 * Frames are moved by rpc_stream.c and rpc_local.c, calls live in rpc_call.c and rpc_in.c, the
 * network's life in rpc_manager.c. */
#include <stdlib.h>
#include <time.h>

#include "common/rpc/link.h"

int64_t rpc_clock(void)
{
    struct timespec ts;
    check(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

enum err rpc_result_err(enum rpc_result result)
{
    switch (result) {
    case RPC_OK:
        return ERR_NONE;
    case RPC_APP_ERROR:
        return ERR_INTERNAL; /* the caller has the callee's own error */
    case RPC_TIMEOUT:
        return ERR_DEADLINE_EXCEEDED;
    case RPC_CANCELLED:
        return ERR_CANCELLED;
    case RPC_NOT_SENT:
    case RPC_UNKNOWN:
    case RPC_BUSY:
        return ERR_UNAVAILABLE;
    }
    unreachable_state(result);
}

/* ---- peers ---- */

static struct rpc_peer *peer_new(struct rpc *rpc, struct str url, struct uuid member)
{
    struct rpc_peer *peer = calloc(1, sizeof(*peer));
    check(peer);
    peer->rpc = rpc;
    peer->url = calloc(1, url.len + 1);
    check(peer->url);
    if (url.len) {
        memcpy(peer->url, url.ptr, url.len);
    }
    peer->member = member;
    atomic_init(&peer->refs, 1);
    pthread_mutex_init(&peer->lock, NULL);
    return peer;
}

struct rpc_peer *rpc_peer_get(struct rpc *rpc, struct str url, struct uuid member)
{
    if (uuid_eq(member, rpc->config.member_id)) {
        return rpc_peer_ref(rpc->local);
    }
    pthread_mutex_lock(&rpc->lock);
    struct rpc_peer *peer = NULL;
    list_each(&rpc->peers, n)
    {
        struct rpc_peer *p = list_entry(n, struct rpc_peer, node);
        if (uuid_eq(p->member, member) && str_eq(str_from_cstr(p->url), url)) {
            peer = rpc_peer_ref(p);
            break;
        }
    }
    if (!peer) {
        peer = peer_new(rpc, url, member);
        list_append(&rpc->peers, &peer->node);
    }
    pthread_mutex_unlock(&rpc->lock);
    return peer;
}

struct rpc_peer *rpc_peer_ref(struct rpc_peer *peer)
{
    atomic_fetch_add_explicit(&peer->refs, 1, memory_order_relaxed);
    return peer;
}

void rpc_peer_put(struct rpc_peer *peer)
{
    struct rpc *rpc = peer->rpc;
    bool is_local = peer == rpc->local;
    /* At 0 the manager may free it at any moment, unless somebody gets it again before. */
    if (atomic_fetch_sub_explicit(&peer->refs, 1, memory_order_acq_rel) == 1 && !is_local) {
        rpc_kick_manager(rpc);
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

/* ---- links ---- */

void rpc_link_init(struct rpc_link *link, struct rpc *rpc, const struct rpc_link_ops *ops)
{
    link->ops = ops;
    link->rpc = rpc;
    link->id = atomic_fetch_add(&rpc->next_link, 1) + 1;
    atomic_init(&link->refs, 1);
    atomic_init(&link->dead, false);
    atomic_init(&link->inbound, 0);
}

void rpc_link_ref(struct rpc_link *link)
{
    atomic_fetch_add_explicit(&link->refs, 1, memory_order_relaxed);
}

void rpc_link_unref(struct rpc_link *link)
{
    if (atomic_fetch_sub_explicit(&link->refs, 1, memory_order_acq_rel) == 1) {
        link->ops->free(link);
    }
}

struct link_event {
    struct lane_task task;
    struct rpc_link *link; /* counted */
    struct rpc_lane *lane;
    struct uuid member;
    bool up, was_up;
    uint64_t handed;
};

static void run_event(struct lane_task *task)
{
    struct link_event *e = container_of(task, struct link_event, task);
    struct rpc_lane *rl = e->lane;
    if (!e->up) {
        rpc_calls_link_died(rl, e->link, e->handed);
        rpc_ins_link_died(rl, e->link);
    }
    /* An up that was overtaken by its down is none. */
    bool is_news = e->up ? !atomic_load(&e->link->dead) : e->was_up;
    if (is_news) {
        list_each(&rl->watches, n)
        {
            struct rpc_watch *w = list_entry(n, struct rpc_watch, node);
            if (e->link->peer || w->inbound_too) {
                w->changed(w, e->member, e->up);
            }
        }
    }
    rpc_link_unref(e->link);
    free(e);
}

void rpc_link_tell_lanes(struct rpc_link *link, bool up, bool was_up, uint64_t handed)
{
    for (unsigned i = 0; i < RPC_LANES_MAX; i++) {
        struct rpc_lane *rl = atomic_load_explicit(&link->rpc->lanes[i], memory_order_acquire);
        if (!rl) {
            continue;
        }
        struct link_event *e = calloc(1, sizeof(*e));
        check(e);
        *e = (struct link_event){ .task.run = run_event,
            .link = link,
            .lane = rl,
            .member = link->remote,
            .up = up,
            .was_up = was_up,
            .handed = handed };
        rpc_link_ref(link);
        lane_post(rl->lane, &e->task);
    }
}

/* ---- routes ---- */

void rpc_route_methods(struct rpc *rpc, uint16_t first, uint16_t last, rpc_route route, void *ctx)
{
    check(rpc->route_count < RPC_ROUTES_MAX && first <= last);
    rpc->routes[rpc->route_count++] = (struct rpc_route_entry){ first, last, route, ctx };
}

static struct rpc_lane *route_lane(struct rpc *rpc, uint16_t method, uint64_t key)
{
    for (unsigned i = 0; i < rpc->route_count; i++) {
        const struct rpc_route_entry *r = &rpc->routes[i];
        if (method >= r->first && method <= r->last) {
            unsigned index = r->route(r->ctx, key);
            return index < RPC_LANES_MAX
                           ? atomic_load_explicit(&rpc->lanes[index], memory_order_acquire)
                           : NULL;
        }
    }
    return NULL;
}

struct rpc_lane *rpc_frame_lane(struct rpc *rpc, const struct rpc_frame *frame)
{
    switch (frame->type) {
    case RPC_FRAME_REQUEST:
    case RPC_FRAME_CANCEL:
    case RPC_FRAME_NOTIFY:
        return route_lane(rpc, frame->method, frame->key);
    case RPC_FRAME_RESPONSE:
    case RPC_FRAME_ERROR:
    case RPC_FRAME_BUSY: {
        uint64_t index = frame->id >> 48;
        return index < RPC_LANES_MAX
                       ? atomic_load_explicit(&rpc->lanes[index], memory_order_acquire)
                       : NULL;
    }
    case RPC_FRAME_HELLO:
    case RPC_FRAME_PING:
    case RPC_FRAME_PONG:
    case RPC_FRAME_GOAWAY:
        return NULL; /* the link's own */
    }
    unreachable_state(frame->type);
}

struct rpc_frame rpc_frame_unserved(const struct rpc_frame *request)
{
    return (struct rpc_frame){ .type = RPC_FRAME_ERROR,
        .id = request->id,
        .err = ERR_UNAVAILABLE,
        .text = STR("no lane serves this internal method yet") };
}

/* ---- life ---- */

struct rpc *rpc_new(const struct rpc_config *config)
{
    struct rpc *rpc = calloc(1, sizeof(*rpc));
    check(rpc);
    rpc->config = *config;
    struct rpc_config *c = &rpc->config;
    c->max_frame = c->max_frame ? c->max_frame : 4 * 1024 * 1024 + 64 * 1024;
    c->transmit_soft = c->transmit_soft ? c->transmit_soft : 8 * 1024 * 1024;
    c->inbound_max = c->inbound_max ? c->inbound_max : 100000;
    c->ping_after = c->ping_after.ns ? c->ping_after : DURATION_SECONDS(1);
    c->dead_after = c->dead_after.ns ? c->dead_after : DURATION_SECONDS(3);
    char *role = calloc(1, c->role.len + 1);
    check(role);
    if (c->role.len) {
        memcpy(role, c->role.ptr, c->role.len);
    }
    c->role.ptr = role;
    pthread_mutex_init(&rpc->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&rpc->wake, &attr);
    pthread_condattr_destroy(&attr);
    list_init(&rpc->peers);
    list_init(&rpc->links);
    rpc->local = peer_new(rpc, STR(""), c->member_id);
    rpc->local->link = rpc_local_link_new(rpc);
    rpc_manager_start(rpc);
    return rpc;
}

void rpc_close(struct rpc *rpc)
{
    if (!rpc->closed) {
        rpc->closed = true;
        rpc_manager_stop(rpc);
    }
}

static void lane_deinit(struct rpc_lane *rl)
{
    rpc_ins_drop_all(rl);
    map_deinit(&rl->calls);
    map_deinit(&rl->ins);
    free(rl->dirty);
    free(rl);
}

void rpc_peer_free(struct rpc_peer *peer)
{
    list_remove(&peer->node);
    pthread_mutex_destroy(&peer->lock);
    free(peer->url);
    free(peer);
}

void rpc_free(struct rpc *rpc)
{
    if (!rpc) {
        return;
    }
    rpc_close(rpc);
    for (unsigned i = 0; i < RPC_LANES_MAX; i++) {
        struct rpc_lane *rl = atomic_load(&rpc->lanes[i]);
        if (rl) {
            lane_deinit(rl);
        }
    }
    list_each(&rpc->peers, n)
    {
        rpc_peer_free(list_entry(n, struct rpc_peer, node));
    }
    rpc_link_unref(rpc->local->link);
    rpc_peer_free(rpc->local);
    free((char *)(uintptr_t)rpc->config.role.ptr);
    pthread_cond_destroy(&rpc->wake);
    pthread_mutex_destroy(&rpc->lock);
    free(rpc);
}
