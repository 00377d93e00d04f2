/* Each lane's side of the cluster: its copy of the view, who wants to hear of changes, and which
 * shards it holds. Knows nothing of the database. */
#include <stdlib.h>

#include "common/cluster/internal.h"
#include "common/cluster/ring.h"
#include "common/obs/log.h"
#include "common/obs/metrics.h"

#define HINT_PAUSE DURATION_MS(10)

/* ---- messages between this lane and lane 0 ----------------------------------------------------- */

struct to_first {
    struct lane_task task;
    struct cluster_lane *cl;
    void (*deliver)(struct to_first *m);
    size_t count;
    uint32_t shards[];
};

static void deliver_lane(struct to_first *m);

static void run_to_first(struct lane_task *task)
{
    struct to_first *m = container_of(task, struct to_first, task);
    if (!m->cl->cluster->stopped || m->deliver == deliver_lane) {
        m->deliver(m);
    }
    free(m);
}

static void tell_first(struct cluster_lane *cl, void (*deliver)(struct to_first *m),
        const uint32_t *shards, size_t count)
{
    struct to_first *m = malloc(sizeof(*m) + count * sizeof(*shards));
    check(m);
    *m = (struct to_first){
        .task = { .run = run_to_first }, .cl = cl, .deliver = deliver, .count = count
    };
    if (count) {
        memcpy(m->shards, shards, count * sizeof(*shards));
    }
    lane_post(cl->cluster->lane, &m->task);
}

static void deliver_lane(struct to_first *m)
{
    struct cluster *c = m->cl->cluster;
    c->lanes[lane_index(m->cl->lane)] = m->cl;
    cluster_send_clock(c, m->cl);
    if (c->view) {
        cluster_publish(c);
    }
}

static void deliver_ready(struct to_first *m)
{
    struct cluster *c = m->cl->cluster;
    c->lanes_ready += !m->cl->is_ready;
    m->cl->is_ready = true;
    if (c->lanes_ready == c->config.lanes) {
        cluster_beat_now(c); /* from now on we are a member that takes shards */
    }
}

/* Our writers are void: no shards for us until each lane has a new one and says so again. */
static void deliver_fenced(struct to_first *m)
{
    struct cluster *c = m->cl->cluster;
    if (!c->lanes_ready) {
        return;
    }
    log_error("fenced", LOG_UUID("member", c->config.member_id));
    c->lanes_ready = 0;
    for (unsigned i = 0; i < c->config.lanes; i++) {
        if (c->lanes[i]) {
            c->lanes[i]->is_ready = false;
        }
    }
    cluster_beat_now(c);
}

static void deliver_hint(struct to_first *m)
{
    cluster_read_now(m->cl->cluster);
}

static void deliver_released(struct to_first *m)
{
    handover_released(m->cl->cluster, m->shards, m->count);
}

/* ---- life -------------------------------------------------------------------------------------- */

struct cluster_lane *cluster_lane_new(
        struct cluster *cluster, struct lane *lane, struct rpc_lane *rl)
{
    struct cluster_lane *cl = calloc(1, sizeof(*cl));
    check(cl && lane_index(lane) < LANES_MAX);
    cl->cluster = cluster;
    cl->lane = lane;
    cl->rl = rl;
    list_init(&cl->watches);
    tell_first(cl, deliver_lane, NULL, 0);
    return cl;
}

void cluster_lane_free(struct cluster_lane *cl)
{
    if (!cl || cl->is_closed) {
        return;
    }
    cl->is_closed = true; /* the memory is cluster_free's: messages may still be on their way */
    view_free(cl->view);
    cl->view = NULL;
    if (cl->lane == cl->cluster->lane) {
        cluster_stop(cl->cluster);
    }
}

/* ---- shards of this lane ----------------------------------------------------------------------- */

static uint32_t *all_of_state(
        struct cluster_lane *cl, struct arena *arena, bool want_ours, size_t *count)
{
    uint32_t *shards = NEW(arena, uint32_t, SHARD_COUNT / cl->cluster->config.lanes + 1);
    size_t n = 0;
    for (uint32_t s = lane_index(cl->lane); s < SHARD_COUNT; s += cl->cluster->config.lanes) {
        const struct view_member *owner = view_owner(cl->view, s);
        bool ours = owner && uuid_eq(owner->id, cl->cluster->config.member_id);
        bool changed = ours ? cl->hold[s] == SHARD_FOREIGN : cl->hold[s] != SHARD_FOREIGN;
        if (ours == want_ours && changed) {
            shards[n++] = s;
        }
    }
    *count = n;
    return shards;
}

static void compare_shards(struct cluster_lane *cl)
{
    struct arena arena = { 0 };
    size_t lost_count, gained_count;
    uint32_t *lost = all_of_state(cl, &arena, false, &lost_count);
    uint32_t *gained = all_of_state(cl, &arena, true, &gained_count);
    for (size_t i = 0; i < gained_count; i++) {
        cl->hold[gained[i]] = SHARD_HELD;
    }
    uint32_t *losing = NEW(&arena, uint32_t, lost_count + 1);
    size_t robbed = 0, losing_count = 0; /* what was released needs no word */
    for (size_t i = 0; i < lost_count; i++) {
        uint8_t was = cl->hold[lost[i]];
        cl->hold[lost[i]] = SHARD_FOREIGN;
        if (was == SHARD_LOSING) {
            losing[losing_count++] = lost[i];
        }
        if (was != SHARD_RELEASED) {
            lost[robbed++] = lost[i];
        }
    }
    if (losing_count) {
        tell_first(cl, deliver_released, losing, losing_count); /* the handover comes to its end */
    }
    if (robbed) {
        tell_first(cl, deliver_fenced, NULL, 0);
        metric_add(lane_metrics(cl->lane), METRIC_SHARDS_LOST, robbed);
        cl->owner.drop(cl->owner.ctx, lost, robbed);
    }
    if (gained_count) {
        metric_add(lane_metrics(cl->lane), METRIC_SHARDS_GAINED, gained_count);
        cl->owner.gained(cl->owner.ctx, gained, gained_count);
    }
    arena_deinit(&arena);
}

void cluster_own_shards(struct cluster_lane *cl, const struct cluster_shard_owner *owner)
{
    cl->owner = *owner;
    cl->owns = true;
    if (cl->view) {
        compare_shards(cl);
    }
}

void cluster_lane_lose(struct cluster_lane *cl, const uint32_t *shards, size_t count)
{
    struct arena arena = { 0 };
    uint32_t *held = NEW(&arena, uint32_t, count + 1);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (cl->hold[shards[i]] == SHARD_HELD) {
            cl->hold[shards[i]] = SHARD_LOSING;
            held[n++] = shards[i];
        } else if (cl->hold[shards[i]] != SHARD_LOSING) {
            tell_first(
                    cl, deliver_released, &shards[i], 1); /* not begun, or over: nothing to flush */
        }
    }
    if (n && cl->owns) {
        cl->owner.lose(cl->owner.ctx, held, n);
    } else if (n) {
        cluster_shards_released(cl, held, n);
    }
    arena_deinit(&arena);
}

void cluster_shards_released(struct cluster_lane *cl, const uint32_t *shards, size_t count)
{
    struct arena arena = { 0 };
    uint32_t *released = NEW(&arena, uint32_t, count + 1);
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (cl->hold[shards[i]] == SHARD_LOSING) { /* not dropped in the meantime */
            cl->hold[shards[i]] = SHARD_RELEASED;
            released[n++] = shards[i];
        }
    }
    tell_first(cl, deliver_released, released, n);
    arena_deinit(&arena);
}

void cluster_history_ready(struct cluster_lane *cl)
{
    tell_first(cl, deliver_ready, NULL, 0);
}

/* ---- the view ---------------------------------------------------------------------------------- */

void cluster_lane_take_view(struct cluster_lane *cl, struct view *view)
{
    struct view *old = cl->view;
    cl->view = view;
    if (cl->owns) {
        compare_shards(cl);
    }
    list_each(&cl->watches, n)
    {
        struct cluster_watch *w = list_entry(n, struct cluster_watch, node);
        w->changed(w);
    }
    view_free(old);
}

void cluster_watch(struct cluster_lane *cl, struct cluster_watch *watch)
{
    list_append(&cl->watches, &watch->node);
    if (cl->view) {
        watch->changed(watch);
    }
}

void cluster_unwatch(struct cluster_watch *watch)
{
    list_remove(&watch->node);
}

struct rpc_peer *cluster_history_peer(struct cluster_lane *cl, uint32_t shard)
{
    const struct view_member *owner = cl->view ? view_owner(cl->view, shard) : NULL;
    return owner && owner->alive ? owner->peer : NULL;
}

struct rpc_peer *cluster_matching_peer(struct cluster_lane *cl, uint64_t queue_hash)
{
    const struct view *v = cl->view;
    if (!v || !v->matching_count) {
        return NULL;
    }
    return v->members[v->matching_at[ring_pick(v->matching, v->matching_count, queue_hash)]].peer;
}

struct rpc_peer *cluster_member_peer(struct cluster_lane *cl, struct uuid member)
{
    const struct view_member *m = cl->view ? view_find(cl->view, member) : NULL;
    return m && m->alive ? m->peer : NULL;
}

struct str cluster_member_address(const struct cluster_lane *cl, struct uuid member)
{
    const struct view_member *m = cl->view ? view_find(cl->view, member) : NULL;
    return m && m->alive ? m->address : STR("");
}

struct rpc_peer *const *cluster_members(struct cluster_lane *cl, struct arena *arena, size_t *count)
{
    size_t max = cl->view ? cl->view->member_count : 0;
    struct rpc_peer **peers = NEW(arena, struct rpc_peer *, max + 1);
    *count = 0;
    for (size_t i = 0; i < max; i++) {
        if (cl->view->members[i].alive) {
            peers[(*count)++] = cl->view->members[i].peer;
        }
    }
    return peers;
}

struct uuid cluster_shard_owner(const struct cluster_lane *cl, uint32_t shard)
{
    const struct view_member *owner = cl->view ? view_owner(cl->view, shard) : NULL;
    return owner ? owner->id : (struct uuid){ { 0 } };
}

struct uuid cluster_self(const struct cluster_lane *cl)
{
    return cl->cluster->config.member_id;
}

struct uuid cluster_id(const struct cluster_lane *cl)
{
    return cl->view ? cl->view->cluster_id : (struct uuid){ { 0 } };
}

bool cluster_member_is_alive(const struct cluster_lane *cl, struct uuid member)
{
    const struct view_member *m = cl->view ? view_find(cl->view, member) : NULL;
    return m && m->alive;
}

bool cluster_is_complete(const struct cluster_lane *cl)
{
    return cl->view && view_is_complete(cl->view);
}

void cluster_hint(struct cluster_lane *cl)
{
    struct instant now = lane_monotonic(cl->lane);
    if (instant_since(now, cl->hinted).ns >= HINT_PAUSE.ns) {
        cl->hinted = now;
        tell_first(cl, deliver_hint, NULL, 0);
    }
}
