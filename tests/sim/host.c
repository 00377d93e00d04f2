/* The life of a simulated process: the same steps in the same order as deploy/process_lane.c, on
 * lanes of the simulation. */
#include "tests/sim/host.h"

#include <stdlib.h>

#include "common/config/config.h"
#include "common/rpc/methods.h"
#include "tests/sim/sim_grpc.h"
#include "tests/sim/sim_net.h"

static struct config config;
static struct frontend_shared shared = { .config = &config, .store_name = "simulated" };

/* ---- who is there ------------------------------------------------------------------------------ */

struct host *host_of_member(struct uuid member)
{
    for (size_t i = world.hosts.len; i-- > 0;) {
        if (uuid_eq(world.hosts.ptr[i]->member, member)) {
            return world.hosts.ptr[i];
        }
    }
    return NULL;
}

struct host *host_at(unsigned place)
{
    for (size_t i = world.hosts.len; i-- > 0;) {
        struct host *h = world.hosts.ptr[i];
        if (h->place == place && h->state != HOST_DEAD) {
            return h;
        }
    }
    return NULL;
}

unsigned host_places(void)
{
    const struct swarm *s = &world.swarm;
    return s->history_hosts + s->matching_hosts + s->frontend_hosts + s->whole_hosts;
}

unsigned host_roles(unsigned place)
{
    const struct swarm *s = &world.swarm;
    if (place < s->history_hosts) {
        return CLUSTER_HISTORY;
    }
    place -= s->history_hosts;
    if (place < s->matching_hosts) {
        return CLUSTER_MATCHING;
    }
    place -= s->matching_hosts;
    return place < s->frontend_hosts ? CLUSTER_FRONTEND
                                     : CLUSTER_FRONTEND | CLUSTER_HISTORY | CLUSTER_MATCHING;
}

/* ---- boot -------------------------------------------------------------------------------------- */

static unsigned route_by_key(void *ctx, uint64_t key)
{
    const struct host *h = ctx;
    return (unsigned)(key % h->lane_count);
}

static void check_ready(struct lane_timer *timer)
{
    struct host_lane *hl = container_of(timer, struct host_lane, ready);
    if (hl->host->roles & CLUSTER_FRONTEND && cluster_is_complete(hl->cl) &&
            frontend_is_ready(hl->frontend)) {
        frontend_serve(hl->frontend);
        hl->serves = true;
        record(hl->host, "serves", hl == &hl->host->lanes[1], 0, 0);
        return;
    }
    lane_timer_start(hl->lane, &hl->ready, DURATION_MS(2), check_ready);
}

static void start_lane(struct lane_task *task)
{
    struct host_lane *hl = container_of(task, struct host_lane, start);
    struct host *h = hl->host;
    hl->rl = rpc_lane_new(h->rpc, hl->lane);
    hl->sl = store_lane_open(sim_store_new(world.db), hl->lane);
    if (hl == &h->lanes[0]) {
        h->cluster = cluster_new(&h->cluster_config, hl->lane, h->rpc, hl->rl, hl->sl);
        h->namespaces = namespaces_new(hl->lane, hl->sl, &config);
    }
    hl->cl = cluster_lane_new(h->cluster, hl->lane, hl->rl);
    hl->nl = namespaces_lane_new(h->namespaces, hl->lane);
    if (hl == &h->lanes[0]) {
        namespaces_serve(hl->nl, hl->rl);
    }
    if (h->roles & CLUSTER_MATCHING) {
        hl->matching = matching_new(hl->lane, hl->rl, hl->cl, hl->nl);
    }
    if (h->roles & CLUSTER_HISTORY) {
        hl->history = history_new(hl->lane, hl->rl, hl->sl, hl->cl, hl->nl, &h->history_config);
    }
    if (h->roles & CLUSTER_FRONTEND) {
        struct grpc_config none = { 0 };
        hl->grpc = grpc_server_new(hl->lane, &none);
        hl->frontend = frontend_new(hl->lane, hl->rl, hl->sl, hl->cl, hl->nl, hl->grpc, &shared);
        lane_timer_start(hl->lane, &hl->ready, DURATION_MS(0), check_ready);
    }
    if (hl + 1 < h->lanes + h->lane_count) {
        lane_post(hl[1].lane, &hl[1].start);
    }
}

static void configure(struct host *h)
{
    h->cluster_config = (struct cluster_config){
        .member_id = h->member,
        .roles = h->roles,
        .address = STR("sim"),
        .lanes = h->lane_count,
    };
    struct history_config *c = &h->history_config;
    *c = history_config_default();
    c->member = h->member;
    c->lane_count = h->lane_count;
    c->long_poll = DURATION_SECONDS(5);
    if (world.swarm.patient) {
        c->lent_patience =
                DURATION_SECONDS(100000); /* what is lost without a word stays lost: is anything? */
    }
    if (world.swarm.small_cache) {
        c->cache_bytes = 60 << 10;
        c->idle_checkpoint = DURATION_MS(500);
        c->closed_keep = DURATION_MS(20);
        c->window = DURATION_SECONDS(30); /* the sweep comes first, as in production */
        c->sweep_every = DURATION_SECONDS(3);
    }
}

struct host *host_boot(unsigned place, unsigned roles)
{
    struct host *h = NEW(&world.arena, struct host, 1);
    struct rand r = { hash_u64(world.seed * 1000 + world.hosts.len) };
    if (!shared.config->limit_id) {
        config_init(&config);
    }
    list_init(&h->api_calls);
    h->number = (unsigned)world.hosts.len;
    h->place = place;
    h->roles = roles;
    h->member = uuid_v4(&r);
    h->lane_count = world.swarm.lanes;
    h->clock.ns = up_to((struct duration){ 2 * world.swarm.skew.ns }).ns - world.swarm.skew.ns;
    vec_push(&world.arena, &world.hosts, h);
    configure(h);
    struct rpc_config rpc = { .member_id = h->member, .role = STR("all") };
    h->rpc = rpc_new(&rpc);
    rpc_route_methods(h->rpc, RPC_HISTORY_API, 199, route_by_key, h);
    rpc_route_methods(h->rpc, RPC_MATCHING_POLL, 299, route_by_key, h);
    record(h, "boot", place, roles, 0);
    for (unsigned i = 0; i < h->lane_count; i++) {
        h->lanes[i].host = h;
        h->lanes[i].lane = sim_lane_new(h, i, (struct rand){ rand_u64(&r) });
        h->lanes[i].start.run = start_lane;
    }
    lane_post(h->lanes[0].lane, &h->lanes[0].start);
    return h;
}

/* ---- ends -------------------------------------------------------------------------------------- */

void host_fell(struct host *h)
{
    if (h->state == HOST_DEAD) {
        return;
    }
    record(h, "dead", h->place, 0, 0);
    h->state = HOST_DEAD;
    event_stop(&h->patience);
    for (unsigned i = 0; i < h->lane_count; i++) {
        if (h->lanes[i].sl) {
            sim_store_abandon(h->lanes[i].sl);
        }
    }
    sim_net_host_died(h);
    sim_grpc_host_died(h);
}

static void out_of_patience(struct sim_event *event)
{
    host_fell(container_of(event, struct host, patience));
}

static void on_flushed(void *ctx)
{
    struct host *h = ctx;
    if (++h->stopped_lanes == h->lane_count) {
        record(h, "left", 0, 0, 0);
        event_after(&h->patience, (struct duration){ 0 }, out_of_patience);
    }
}

static void flush(struct lane_task *task)
{
    struct host_lane *hl = container_of(task, struct host_lane, step);
    if (hl->history) {
        history_stop(hl->history, on_flushed, hl->host);
    } else {
        on_flushed(hl->host);
    }
}

static void on_left(void *arg)
{
    struct host *h = arg;
    event_after(&h->patience, DURATION_SECONDS(3), out_of_patience);
    for (unsigned i = 0; i < h->lane_count; i++) {
        h->lanes[i].step.run = flush;
        lane_post(h->lanes[i].lane, &h->lanes[i].step);
    }
}

static void leave(struct lane_task *task)
{
    struct host_lane *hl = container_of(task, struct host_lane, step);
    cluster_leave(hl->host->cluster, DURATION_SECONDS(10), on_left, hl->host);
}

static void drain(struct lane_task *task)
{
    struct host_lane *hl = container_of(task, struct host_lane, step);
    struct host *h = hl->host;
    hl->serves = false;
    lane_timer_stop(hl->lane, &hl->ready);
    if (hl->grpc) {
        grpc_server_drain(hl->grpc);
    }
    if (++h->stopped_lanes == h->lane_count) {
        h->stopped_lanes = 0;
        h->lanes[0].step.run = leave;
        lane_post(h->lanes[0].lane, &h->lanes[0].step);
    }
}

void host_leave(struct host *h)
{
    if (h->state != HOST_UP || !h->lanes[h->lane_count - 1].cl) {
        return;
    }
    record(h, "leaves", h->place, 0, 0);
    h->state = HOST_LEAVING;
    for (unsigned i = 0; i < h->lane_count; i++) {
        h->lanes[i].step.run = drain;
        lane_post(h->lanes[i].lane, &h->lanes[i].step);
    }
}

void host_freeze(struct host *h, struct duration span)
{
    record(h, "frozen", duration_ms(span), 0, 0);
    h->frozen_until = instant_max(h->frozen_until, instant_add(world.now, span));
    sim_net_host_frozen(h, span);
}

void hosts_start(void)
{
    for (unsigned place = 0; place < host_places(); place++) {
        host_boot(place, host_roles(place));
    }
}

bool hosts_are_ready(void)
{
    for (unsigned place = 0; place < host_places(); place++) {
        const struct host *h = host_at(place);
        if (!h || (h->roles & CLUSTER_FRONTEND && !h->lanes[h->lane_count - 1].serves)) {
            return false;
        }
    }
    return true;
}

/* The history service ends its process when its writer was taken away. */
_Noreturn void __wrap__exit(int status);
_Noreturn void __wrap__exit(int status)
{
    record(sim_current_host(), "ends itself", status, 0, 0);
    sim_leave_turn();
}
