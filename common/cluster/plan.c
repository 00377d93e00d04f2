/* Carrying out the plan, in the one process of the cluster that holds the planner's lock: fences
 * the silent, assigns what is free, asks owners for what should be elsewhere. A round ends before
 * the next begins. */
#include <stdlib.h>

#include "common/cluster/internal.h"
#include "common/obs/log.h"
#include "common/rpc/messages.h"
#include "common/rpc/methods.h"

#define ROUND_PAUSE DURATION_SECONDS(1)
#define GIVE_TIME   DURATION_SECONDS(10)

static void run_round(struct cluster *c);

static bool is_busy(const struct planning *p)
{
    return p->fencing || p->assigning || !list_empty(&p->gives) || p->asking_lock;
}

static void step_done(struct cluster *c)
{
    struct planning *p = &c->planning;
    if (!is_busy(p) && p->dirty && !c->stopped) {
        run_round(c);
    }
}

/* ---- fencing ----------------------------------------------------------------------------------- */

static void assign(struct cluster *c, const struct plan *plan);

static struct plan_member *plan_members(const struct cluster *c, struct arena *arena)
{
    struct plan_member *members = NEW(arena, struct plan_member, c->member_count + 1);
    for (size_t i = 0; i < c->member_count; i++) {
        const struct view_member *m = &c->members[i];
        bool self = uuid_eq(m->id, c->config.member_id);
        members[i] = (struct plan_member){
            .id = m->id,
            .alive = m->alive,
            .dead = m->dead,
            .takes_shards = !m->draining && !(self && c->draining) && (m->roles & CLUSTER_HISTORY),
        };
    }
    return members;
}

/* What it had is assigned in the same breath: between the two nobody can tell that it was fenced. */
static void take_over(struct cluster *c, struct uuid member)
{
    arena_reset(&c->planning.arena);
    struct plan_member *members = plan_members(c, &c->planning.arena);
    struct plan plan =
            plan_take_over(members, c->member_count, c->owners, member, &c->planning.arena);
    if (plan.assign_count) {
        assign(c, &plan);
    }
}

static void on_fenced(struct store_op *op, enum err err, const struct fail *f)
{
    struct store_fence_member *fence = container_of(op, struct store_fence_member, op);
    struct cluster *c = container_of(fence, struct cluster, planning.fence_op);
    c->planning.fencing = false;
    if (c->stopped) {
        return;
    }
    if (!err && fence->fenced) {
        for (size_t i = 0; i < c->member_count; i++) { /* not again before the next beat tells */
            c->members[i].dead &= !uuid_eq(c->members[i].id, fence->member);
        }
        log_warn("member_fenced", LOG_UUID("member", fence->member));
        cluster_beat_now(c); /* reads the members again, without it */
        take_over(c, fence->member);
    } else if (err && err != ERR_UNAVAILABLE) {
        log_error("member_not_fenced", LOG_UUID("member", fence->member), LOG_FAIL(f));
    }
    step_done(c);
}

static void fence(struct cluster *c, struct uuid member)
{
    c->planning.fencing = true;
    c->planning.fence_op = (struct store_fence_member){
        .op = { .done = on_fenced },
        .member = member,
        .silent_for = c->config.is_alone ? (struct duration){ 0 } : c->config.ttl,
    };
    store_fence_member(c->sl, &c->planning.fence_op);
}

/* ---- assigning --------------------------------------------------------------------------------- */

static void on_assigned(struct store_op *op, enum err err, const struct fail *f)
{
    struct store_assign *a = container_of(op, struct store_assign, op);
    struct cluster *c = container_of(a, struct cluster, planning.assign_op);
    c->planning.assigning = false;
    if (c->stopped) {
        return;
    }
    if (!err) {
        log_info("shards_assigned", LOG_U64("moved", a->moved));
        cluster_tell_changed(c);
        cluster_read_now(c);
    } else if (err != ERR_UNAVAILABLE) {
        log_error("shards_not_assigned", LOG_FAIL(f));
    }
    step_done(c);
}

static void assign(struct cluster *c, const struct plan *plan)
{
    check(!c->planning.assigning);
    c->planning.assigning = true;
    c->planning.assign_op = (struct store_assign){
        .op = { .done = on_assigned },
        .moves = plan->assign,
        .move_count = plan->assign_count,
    };
    store_assign(c->sl, &c->planning.assign_op);
}

/* ---- asking owners ----------------------------------------------------------------------------- */

struct give_call {
    struct rpc_call call;
    struct list_node node;
    struct cluster *cluster;
};

static void on_given(
        struct rpc_call *call, enum rpc_result result, struct str body, const struct fail *f)
{
    struct give_call *g = container_of(call, struct give_call, call);
    struct cluster *c = g->cluster;
    list_remove(&g->node);
    if (result == RPC_OK) {
        c->planning.dirty = true; /* there may be more to move */
        cluster_read_now(c);      /* its answer runs the next round */
    }
    free(g);
}

static void ask(struct cluster *c, const struct plan_give *give)
{
    const struct view_member *owner = view_find(c->view, give->from);
    if (!owner) {
        return;
    }
    struct give_call *g = calloc(1, sizeof(*g));
    struct msg_shard_give m = {
        .to = give->to, .shards = give->shards, .shard_count = give->count
    };
    struct buf body;
    check(g);
    g->cluster = c;
    g->call.done = on_given;
    buf_init(&body, 1 << 20);
    msg_shard_give_encode(&m, &body);
    list_append(&c->planning.gives, &g->node);
    rpc_call(c->rl, owner->peer, RPC_CLUSTER_SHARD_GIVE, 0, buf_str(&body), GIVE_TIME, &g->call);
    buf_deinit(&body);
}

/* ---- a round ----------------------------------------------------------------------------------- */

static void run_round(struct cluster *c)
{
    struct planning *p = &c->planning;
    if ((!p->has_lock && !c->overdue) || is_busy(p) || !c->has_read || !c->view || c->reading) {
        return;
    }
    p->dirty = false;
    arena_reset(&p->arena);
    struct plan_member *members = plan_members(c, &p->arena);
    struct plan plan = plan_make(members, c->member_count, c->owners, &p->arena);
    if (plan.fence_count) { /* one thing at a time: its answer ends in the next round */
        fence(c, plan.fence[0]);
        return;
    }
    if (plan.assign_count && c->config.is_alone) {
        cluster_take_everything(c);
    } else if (plan.assign_count) {
        assign(c, &plan);
    }
    for (size_t i = 0; i < plan.give_count; i++) {
        ask(c, &plan.gives[i]);
    }
}

/* ---- the lock ---------------------------------------------------------------------------------- */

static void on_lock(struct store_op *op, enum err err, const struct fail *f)
{
    struct store_try_plan *t = container_of(op, struct store_try_plan, op);
    struct cluster *c = container_of(t, struct cluster, planning.lock_op);
    struct planning *p = &c->planning;
    bool held = !err && t->held;
    p->asking_lock = false;
    if (c->stopped) {
        return;
    }
    if (held && !p->has_lock) {
        log_info("planner_elected");
    }
    p->has_lock = held;
    step_done(c);
}

/* Asked again each second: the lock is lost with the connection that holds it. */
static void ask_lock(struct cluster *c)
{
    c->planning.asking_lock = true;
    c->planning.lock_op = (struct store_try_plan){ .op = { .done = on_lock } };
    store_try_plan(c->sl, &c->planning.lock_op);
}

static void on_timer(struct lane_timer *timer)
{
    struct cluster *c = container_of(timer, struct cluster, planning.timer);
    c->planning.dirty = true;
    if (!is_busy(&c->planning)) {
        ask_lock(c); /* its answer runs the round */
    }
    lane_timer_start(c->lane, &c->planning.timer, ROUND_PAUSE, on_timer);
}

void planning_start(struct cluster *c)
{
    list_init(&c->planning.gives);
    if (c->config.roles & CLUSTER_HISTORY) {
        lane_timer_start(c->lane, &c->planning.timer, DURATION_MS(0), on_timer);
    }
}

void planning_stop(struct cluster *c)
{
    lane_timer_stop(c->lane, &c->planning.timer);
    c->planning.has_lock = false;
    list_each(&c->planning.gives, n)
    {
        struct give_call *g = list_entry(n, struct give_call, node);
        rpc_cancel(&g->call);
        list_remove(&g->node);
        free(g);
    }
}

void planning_wake(struct cluster *c)
{
    c->planning.dirty = true;
    run_round(c);
}
