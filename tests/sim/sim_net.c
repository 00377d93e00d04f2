/* Links over a simulated wire, and their manager: dials, redials, breaks. */
#include "tests/sim/sim_net.h"

#include <stdlib.h>

#include "common/rpc/link.h"

enum { BACKOFF_FIRST_MS = 50, BACKOFF_MAX_MS = 2000 };
#define SILENCE_MAX DURATION_SECONDS(3)
#define DIAL_MAX    DURATION_SECONDS(5)

enum link_state { LINK_DIALING, LINK_UP, LINK_DEAD };

struct sim_link {
    struct rpc_link base;
    struct list_node node;  /* in links, while not dead */
    struct sim_link *other; /* the other end; NULL while dialling */
    struct host *host;
    unsigned remote_place;
    enum link_state state;
    bool broken; /* what is sent from now on is lost; this end does not know yet */
    struct buf out;
    uint64_t handed;
    struct instant last_arrival, dial_until;
    struct sim_event dial, death;
    struct list flights; /* on their way to this end */
};

struct flight {
    struct sim_event arrival;
    struct list_node node;
    struct sim_link *to;
    struct buf bytes;
    bool held; /* its time has come, but the wire is cut, or others are before it */
};

struct net_cut {
    unsigned from, to;
    struct instant until;
};

static struct list links;
static VEC(struct net_cut) cuts;

static struct sim_link *link_of(struct rpc_link *base)
{
    return container_of(base, struct sim_link, base);
}

static bool is_cut(unsigned from, unsigned to)
{
    for (size_t i = 0; i < cuts.len; i++) {
        if (cuts.ptr[i].from == from && cuts.ptr[i].to == to &&
                world.now.ns < cuts.ptr[i].until.ns) {
            return true;
        }
    }
    return false;
}

static bool is_any_cut(unsigned a, unsigned b)
{
    return is_cut(a, b) || is_cut(b, a);
}

static struct duration wire_delay(void)
{
    struct duration d = up_to(world.swarm.net_delay);
    d.ns += 20000;
    d.ns *= chance(5) ? 20 : 1;
    return d;
}

/* ---- life of a link ---------------------------------------------------------------------------- */

static void manager_tick(struct sim_event *event);

static void manager_wake(struct host *h, struct duration after)
{
    if (!event_is_set(&h->manager) || h->manager.node.key > world.now.ns + after.ns) {
        event_after(&h->manager, after, manager_tick);
    }
}

static void peer_forget(struct rpc_peer *peer, struct sim_link *link)
{
    uint64_t range_ms = BACKOFF_FIRST_MS;
    if (!peer || peer->link != &link->base) {
        return;
    }
    for (unsigned i = 0; i < peer->attempts && range_ms < BACKOFF_MAX_MS; i++) {
        range_ms *= 2;
    }
    struct duration wait = DURATION_MS(10 + (int64_t)rand_below(&world.rand, range_ms));
    peer->link = NULL;
    peer->attempts++;
    peer->retry_at = instant_add(world.now, wait).ns;
    rpc_link_unref(&link->base);
    manager_wake(link->host, wait);
}

static void link_die(struct sim_link *l)
{
    if (l->state == LINK_DEAD) {
        return;
    }
    bool was_up = l->state == LINK_UP;
    l->state = LINK_DEAD;
    event_stop(&l->dial);
    event_stop(&l->death);
    list_remove(&l->node);
    if (l->host->state == HOST_DEAD) {
        return;
    }
    record(l->host, "link down", l->remote_place, l->base.peer != NULL, was_up);
    atomic_store(&l->base.dead, true);
    rpc_link_tell_lanes(&l->base, false, was_up, l->handed);
    peer_forget(l->base.peer, l);
}

static void on_death(struct sim_event *event)
{
    link_die(container_of(event, struct sim_link, death));
}

static void die_after(struct sim_link *l, struct duration after)
{
    if (l->state != LINK_DEAD &&
            (!event_is_set(&l->death) || l->death.node.key > world.now.ns + after.ns)) {
        event_after(&l->death, after, on_death);
    }
}

/* An end of what is on its way never arrives. */
static void lose_flights(struct sim_link *to)
{
    bool lost = false;
    list_each(&to->flights, n)
    {
        struct flight *f = list_entry(n, struct flight, node);
        lost |= chance(400);
        if (lost) {
            event_stop(&f->arrival);
            list_remove(n);
        }
    }
}

static void link_break(struct sim_link *l, struct duration here, struct duration there)
{
    l->broken = true;
    lose_flights(l);
    die_after(l, here);
    if (l->other) {
        l->other->broken = true;
        lose_flights(l->other);
        die_after(l->other, there);
    }
}

/* ---- frames ------------------------------------------------------------------------------------ */

static void take_frames(struct sim_link *l, struct str in)
{
    struct rpc_batch *batches[2] = { 0 };
    struct str bytes;
    while (rpc_frame_split(&in, (size_t)64 << 20, &bytes) == RPC_SPLIT_FRAME) {
        struct rpc_frame frame;
        check(rpc_frame_get(bytes, &frame));
        struct rpc_lane *rl = rpc_frame_lane(l->base.rpc, &frame);
        if (rl) {
            struct rpc_batch **b = &batches[rl->index];
            *b = *b ? *b : rpc_batch_new(&l->base, rl);
            rpc_batch_add(*b, bytes);
        } else if (frame.type == RPC_FRAME_REQUEST) {
            struct rpc_frame refusal = rpc_frame_unserved(&frame);
            uint64_t at;
            (void)l->base.ops->send(&l->base, NULL, &refusal, &at);
            l->base.ops->flush(&l->base);
        }
    }
    for (unsigned i = 0; i < ARRAY_LEN(batches); i++) {
        if (batches[i]) {
            rpc_batch_post(batches[i]);
        }
    }
}

static void deliver(struct flight *f)
{
    struct sim_link *to = f->to;
    event_stop(&f->arrival);
    list_remove(&f->node);
    if (to->state == LINK_UP && to->host->state != HOST_DEAD) {
        record(to->host, "frames", to->remote_place, (int64_t)f->bytes.len, 0);
        take_frames(to, buf_str(&f->bytes));
    }
    buf_deinit(&f->bytes);
    free(f);
}

/* A link is first in, first out, as a TCP connection is: what a cut has held back keeps later ones waiting. */
static void on_arrival(struct sim_event *event)
{
    struct flight *f = container_of(event, struct flight, arrival);
    struct sim_link *to = f->to;
    bool is_alive = to->state != LINK_DEAD && to->host->state != HOST_DEAD;
    if (is_alive &&
            (is_cut(to->remote_place, to->host->place) || list_first(&to->flights) != &f->node)) {
        f->held = true;
        event_after(&f->arrival, DURATION_MS(5), on_arrival);
        return;
    }
    deliver(f);
    struct list_node *n;
    while (is_alive && (n = list_first(&to->flights)) && list_entry(n, struct flight, node)->held) {
        deliver(list_entry(n, struct flight, node));
    }
}

static enum rpc_send sim_send(
        struct rpc_link *base, struct rpc_lane *rl, const struct rpc_frame *frame, uint64_t *at)
{
    struct sim_link *l = link_of(base);
    if (l->state == LINK_DEAD) {
        return RPC_SEND_DEAD;
    }
    *at = l->handed + l->out.len;
    return rpc_frame_put(&l->out, frame) ? RPC_SEND_OK : RPC_SEND_FULL;
}

static void sim_flush(struct rpc_link *base)
{
    struct sim_link *l = link_of(base);
    if (l->state != LINK_UP || l->out.len == 0) {
        return;
    }
    sim_effect();
    struct flight *f = calloc(1, sizeof(*f));
    check(f);
    struct instant at = instant_max(instant_add(world.now, wire_delay()), l->last_arrival);
    l->last_arrival = at;
    l->handed += l->out.len;
    f->bytes = l->out;
    f->to = l->other;
    buf_init(&l->out, (size_t)64 << 20);
    if (l->broken || l->other->state == LINK_DEAD) {
        buf_deinit(&f->bytes);
        free(f);
        return;
    }
    list_append(&l->other->flights, &f->node);
    event_after(&f->arrival, instant_since(at, world.now), on_arrival);
}

/* The memory of links stays: a dead process may still point at it. */
static void sim_free(struct rpc_link *base)
{
    buf_deinit(&link_of(base)->out);
}

static const struct rpc_link_ops sim_ops = {
    .send = sim_send, .flush = sim_flush, .free = sim_free
};

static struct sim_link *link_new(struct host *host, struct rpc_peer *peer, struct uuid remote)
{
    struct sim_link *l = NEW(&world.arena, struct sim_link, 1);
    rpc_link_init(&l->base, host->rpc, &sim_ops);
    l->base.peer = peer;
    l->base.remote = remote;
    l->host = host;
    buf_init(&l->out, (size_t)64 << 20);
    list_init(&l->flights);
    if (!links.head.next) {
        list_init(&links);
    }
    list_append(&links, &l->node);
    return l;
}

/* ---- dialling ---------------------------------------------------------------------------------- */

static void on_dial(struct sim_event *event)
{
    struct sim_link *l = container_of(event, struct sim_link, dial);
    struct host *to = host_of_member(l->base.remote);
    if (l->host->state == HOST_DEAD) {
        return;
    }
    if (!to || to->state == HOST_DEAD || world.now.ns > l->dial_until.ns) {
        link_die(l);
        return;
    }
    if (is_any_cut(l->host->place, to->place) || world.now.ns < to->frozen_until.ns) {
        event_after(&l->dial, DURATION_MS(50), on_dial);
        return;
    }
    l->other = link_new(to, NULL, l->host->member);
    l->other->other = l;
    l->other->state = l->state = LINK_UP;
    l->other->remote_place = l->host->place;
    l->base.peer->attempts = 0;
    record(l->host, "link up", to->place, 0, 0);
    rpc_link_tell_lanes(&l->base, true, true, 0);
    rpc_link_tell_lanes(&l->other->base, true, true, 0);
    sim_flush(&l->base);
}

static void peer_dial(struct rpc_peer *peer)
{
    struct host *h = host_of_member(peer->rpc->config.member_id);
    struct host *to = host_of_member(peer->member);
    struct sim_link *l = link_new(h, peer, peer->member);
    l->remote_place = to ? to->place : UINT32_MAX;
    l->dial_until = instant_add(world.now, DIAL_MAX);
    peer->link = &l->base;
    peer->wanted = true;
    rpc_link_ref(&l->base);
    struct duration trip = wire_delay();
    trip.ns *= 2;
    event_after(&l->dial, trip, on_dial);
}

struct rpc_link *rpc_peer_link(struct rpc_peer *peer)
{
    struct rpc_link *link = peer->link;
    if (!link && world.now.ns >= peer->retry_at) {
        peer_dial(peer);
        link = peer->link;
    }
    if (!link || atomic_load(&link->dead)) {
        return NULL;
    }
    rpc_link_ref(link);
    return link;
}

static void manager_tick(struct sim_event *event)
{
    struct host *h = container_of(event, struct host, manager);
    if (h->state == HOST_DEAD) {
        return;
    }
    list_each(&h->rpc->peers, n)
    {
        struct rpc_peer *peer = list_entry(n, struct rpc_peer, node);
        if (atomic_load(&peer->refs) == 0) {
            if (peer->link) {
                link_break(link_of(peer->link), (struct duration){ 0 }, wire_delay());
            }
        } else if (peer->wanted && !peer->link) {
            if (world.now.ns >= peer->retry_at) {
                peer_dial(peer);
            } else {
                manager_wake(h, (struct duration){ peer->retry_at - world.now.ns });
            }
        }
    }
}

void rpc_kick_manager(struct rpc *rpc)
{
    struct host *h = host_of_member(rpc->config.member_id);
    if (h) {
        manager_wake(h, DURATION_MS(1));
    }
}

void rpc_manager_start(struct rpc *rpc)
{
}

void rpc_manager_stop(struct rpc *rpc)
{
}

/* ---- faults ------------------------------------------------------------------------------------ */

void sim_net_cut(unsigned from, unsigned to, struct duration span)
{
    struct net_cut cut = { from, to, instant_add(world.now, span) };
    vec_push(&world.arena, &cuts, cut);
    record(NULL, "cut", from, to, duration_ms(span));
    list_each(&links, n)
    {
        struct sim_link *l = list_entry(n, struct sim_link, node);
        bool between = (l->host->place == from && l->remote_place == to) ||
                       (l->host->place == to && l->remote_place == from);
        if (between && l->state == LINK_UP && span.ns > SILENCE_MAX.ns) {
            die_after(l, instant_since(instant_add(world.now, SILENCE_MAX),
                                 (struct instant){ world.now.ns - up_to(DURATION_SECONDS(1)).ns }));
        }
    }
}

void sim_net_heal(void)
{
    cuts.len = 0;
}

void sim_net_break_one(void)
{
    size_t count = 0;
    list_each(&links, n)
    {
        count++;
    }
    size_t pick = count ? rand_below(&world.rand, count) : 0;
    list_each(&links, n)
    {
        struct sim_link *l = list_entry(n, struct sim_link, node);
        if (pick-- == 0) {
            link_break(l, up_to(DURATION_MS(5)), up_to(DURATION_MS(20)));
            return;
        }
    }
}

void sim_net_host_died(struct host *h)
{
    bool silently = chance(300); /* the machine, not only the process */
    list_each(&links, n)
    {
        struct sim_link *l = list_entry(n, struct sim_link, node);
        struct duration later = silently ? SILENCE_MAX : (struct duration){ 0 };
        later.ns += up_to(DURATION_MS(5)).ns;
        if (l->host == h) {
            link_break(l, (struct duration){ 0 }, later);
        }
    }
}

void sim_net_host_frozen(struct host *h, struct duration span)
{
    list_each(&links, n)
    {
        struct sim_link *l = list_entry(n, struct sim_link, node);
        if (l->host == h && l->state == LINK_UP && span.ns > SILENCE_MAX.ns) {
            link_break(l, instant_since(h->frozen_until, world.now),
                    (struct duration){ SILENCE_MAX.ns + up_to(DURATION_MS(100)).ns });
        }
    }
}
