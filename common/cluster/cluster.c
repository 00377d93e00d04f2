/* The process's membership, on lane 0: beats in the members table, judges who is alive by the
 * database's clock, reads the assignment when it has changed, and publishes the result to every
 * lane.
 *
 * After an outage of the database every beat is old. Nobody is taken for dead by that: from the
 * first beat that succeeds again everybody listed counts as alive for one TTL. */
#include <stdlib.h>

#include "common/cluster/internal.h"
#include "common/obs/log.h"
#include "common/rpc/methods.h"

/* ---- publishing
 * -------------------------------------------------------------------------------------- */

struct view_message {
    struct lane_task task;
    struct cluster_lane *cl;
    struct view *view;
};

static void run_view_message(struct lane_task *task)
{
    struct view_message *m = container_of(task, struct view_message, task);
    cluster_lane_take_view(m->cl, m->view);
    free(m);
}

static void send_view(struct cluster *c, struct cluster_lane *cl)
{
    struct view_message *m = malloc(sizeof(*m));
    check(m);
    *m = (struct view_message){
        .task = { .run = run_view_message }, .cl = cl, .view = view_copy(c->view)
    };
    lane_post(cl->lane, &m->task);
}

void cluster_publish(struct cluster *c)
{
    struct view_input input = {
        .self = c->config.member_id,
        .cluster_id = c->cluster_id,
        .members = c->members,
        .member_count = c->member_count,
        .owners = c->owners,
    };
    struct view *fresh = view_new(&input, c->rpc);
    view_free(c->view);
    c->view = fresh;
    for (unsigned i = 0; i < c->config.lanes; i++) {
        if (c->lanes[i]) {
            send_view(c, c->lanes[i]);
        }
    }
}

void cluster_tell_changed(struct cluster *c)
{
    for (size_t i = 0; c->view && i < c->view->member_count; i++) {
        const struct view_member *m = &c->view->members[i];
        if (m->alive && !uuid_eq(m->id, c->config.member_id)) {
            rpc_notify(c->rl, m->peer, RPC_CLUSTER_CHANGED, 0, STR(""));
        }
    }
}

static void on_changed(void *ctx, struct uuid from, uint64_t key, struct str body)
{
    cluster_read_now(ctx);
    cluster_beat_now(ctx); /* members may have changed too */
}

/* ---- the assignment
 * ---------------------------------------------------------------------------------- */

static void on_read(struct store_op *op, enum err err, const struct fail *f)
{
    struct store_read_assignments *r = container_of(op, struct store_read_assignments, op);
    struct cluster *c = container_of(r, struct cluster, read);
    c->reading = false;
    if (!err) {
        bool changed = !c->has_read || r->version != c->version;
        for (size_t i = 0; i < r->row_count; i++) {
            if (r->rows[i].shard < SHARD_COUNT) {
                c->owners[r->rows[i].shard] = r->rows[i].owner;
            }
        }
        c->version = r->version;
        c->has_read = true;
        if (changed) {
            cluster_publish(c);
            planning_wake(c);
        }
    } else if (err != ERR_UNAVAILABLE) {
        log_error("assignment_not_read", LOG_FAIL(f));
    }
    if (c->read_again) {
        c->read_again = false;
        cluster_read_now(c);
    }
}

void cluster_read_now(struct cluster *c)
{
    if (c->reading) {
        c->read_again = true;
        return;
    }
    if (!c->member_count) {
        return; /* before the first beat a view would have owners without members */
    }
    c->reading = true;
    c->read = (struct store_read_assignments){ .op = { .done = on_read }, .since = c->version };
    store_read_assignments(c->sl, &c->read);
}

/* ---- beats
 * ------------------------------------------------------------------------------------------- */

static bool is_alive(
        const struct cluster *c, const struct store_member *m, struct instant database_now)
{
    if (uuid_eq(m->id, c->config.member_id)) {
        return true;
    }
    if (c->config.is_alone) {
        return false;
    }
    bool grace = lane_monotonic(c->lane).ns < c->grace_until.ns;
    return grace || instant_since(database_now, m->beat_at).ns <= c->config.ttl.ns;
}

static bool same_members(const struct cluster *c, const struct view_member *members, size_t count)
{
    if (count != c->member_count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct view_member *a = &members[i], *b = &c->members[i];
        if (!uuid_eq(a->id, b->id) || a->roles != b->roles || a->alive != b->alive ||
                a->draining != b->draining) {
            return false;
        }
    }
    return true;
}

static void take_members(struct cluster *c, const struct store_beat *b)
{
    struct arena arena = { 0 };
    struct view_member *members = NEW(&arena, struct view_member, b->member_count + 1);
    for (size_t i = 0; i < b->member_count; i++) {
        const struct store_member *m = &b->members[i];
        members[i] = (struct view_member){
            .id = m->id,
            .roles = view_parse_roles(m->roles),
            .address = str_dup(&arena, m->address),
            .draining = m->draining,
            .alive = is_alive(c, m, b->database_now),
        };
    }
    bool changed = !same_members(c, members, b->member_count);
    arena_deinit(&c->members_arena);
    c->members_arena = arena;
    c->members = members;
    c->member_count = b->member_count;
    c->cluster_id = b->cluster_id;
    if (changed && c->has_read) {
        cluster_publish(c);
    }
    if (changed) {
        planning_wake(c);
    }
    if (!c->has_read || b->assignment_version != c->version) {
        cluster_read_now(c);
    }
}

static void on_beat(struct store_op *op, enum err err, const struct fail *f)
{
    struct store_beat *b = container_of(op, struct store_beat, op);
    struct cluster *c = container_of(b, struct cluster, beat);
    struct instant now = lane_monotonic(c->lane);
    c->beating = false;
    if (err) {
        if (err != ERR_UNAVAILABLE) {
            log_error("beat_failed", LOG_FAIL(f));
        }
    } else {
        bool was_away =
                c->last_beat_ok.ns && instant_since(now, c->last_beat_ok).ns > c->config.ttl.ns / 2;
        if (was_away || !c->last_beat_ok.ns) {
            c->grace_until = instant_add(now, was_away ? c->config.ttl : (struct duration){ 0 });
        }
        c->last_beat_ok = now;
        take_members(c, b);
    }
    if (c->beat_again) {
        c->beat_again = false;
        cluster_beat_now(c);
    }
}

void cluster_beat_now(struct cluster *c)
{
    if (c->beating || c->left) {
        c->beat_again = c->beating;
        return;
    }
    unsigned roles = c->config.roles;
    if (c->lanes_ready < c->config.lanes) {
        roles &= ~(unsigned)CLUSTER_HISTORY; /* without its writers it can own nothing */
    }
    c->beating = true;
    arena_reset(&c->beat_arena);
    c->beat = (struct store_beat){
        .op = { .done = on_beat },
        .self = {
            .id = c->config.member_id,
            .roles = view_format_roles(&c->beat_arena, roles),
            .address = c->config.address,
            .lanes = c->config.lanes,
            .draining = c->draining,
        },
    };
    store_beat(c->sl, &c->beat);
}

static void on_beat_timer(struct lane_timer *timer)
{
    struct cluster *c = container_of(timer, struct cluster, beat_timer);
    cluster_beat_now(c);
    /* until the first answer more often: the database may just be starting */
    lane_timer_start(c->lane, &c->beat_timer,
            c->last_beat_ok.ns ? c->config.beat : DURATION_MS(100), on_beat_timer);
}

/* ---- life
 * -------------------------------------------------------------------------------------------- */

struct cluster *cluster_new(const struct cluster_config *config, struct lane *lane, struct rpc *rpc,
        struct rpc_lane *rl, struct store_lane *sl)
{
    struct cluster *c = calloc(1, sizeof(*c));
    check(c && config->lanes <= LANES_MAX);
    c->config = *config;
    c->config.address = str_dup(&c->arena, config->address);
    c->config.beat = config->beat.ns ? config->beat : DURATION_SECONDS(1);
    c->config.ttl = config->ttl.ns ? config->ttl : DURATION_SECONDS(4);
    c->lane = lane;
    c->rpc = rpc;
    c->rl = rl;
    c->sl = sl;
    list_init(&c->handovers);
    handover_serve(c);
    rpc_serve_notify(rl, RPC_CLUSTER_CHANGED, on_changed, c);
    planning_start(c);
    lane_timer_start(lane, &c->beat_timer, DURATION_MS(0), on_beat_timer);
    return c;
}

void cluster_free(struct cluster *c)
{
    if (!c) {
        return;
    }
    view_free(c->view);
    arena_deinit(&c->members_arena);
    arena_deinit(&c->beat_arena);
    arena_deinit(&c->planning.arena);
    arena_deinit(&c->arena);
    free(c);
}

/* ---- leaving
 * ----------------------------------------------------------------------------------------- */

static size_t own_shards(const struct cluster *c, uint32_t *shards)
{
    size_t n = 0;
    for (uint32_t s = 0; s < SHARD_COUNT; s++) {
        if (uuid_eq(c->owners[s], c->config.member_id)) {
            shards[n++] = s;
        }
    }
    return n;
}

static bool somebody_takes(const struct cluster *c)
{
    for (size_t i = 0; i < c->member_count; i++) {
        const struct view_member *m = &c->members[i];
        if (m->alive && !m->draining && (m->roles & CLUSTER_HISTORY) &&
                !uuid_eq(m->id, c->config.member_id)) {
            return true;
        }
    }
    return false;
}

static void on_row_gone(struct store_op *op, enum err err, const struct fail *f)
{
    struct store_leave *l = container_of(op, struct store_leave, op);
    struct cluster *c = container_of(l, struct cluster, leave_op);
    cluster_tell_changed(c);
    lane_timer_stop(c->lane, &c->beat_timer);
    c->left_done(c->left_arg);
}

static void leave_row(struct cluster *c)
{
    c->leaving_row = c->left = true;
    planning_stop(c);
    c->leave_op =
            (struct store_leave){ .op = { .done = on_row_gone }, .member = c->config.member_id };
    store_leave(c->sl, &c->leave_op);
}

/* Looks every few milliseconds whether the shards are gone: it happens once in a process's life. */
static void check_leave(struct lane_timer *timer)
{
    struct cluster *c = container_of(timer, struct cluster, leave_timer);
    static uint32_t shards[SHARD_COUNT];
    size_t count = own_shards(c, shards);
    bool late = lane_monotonic(c->lane).ns >= c->leave_until.ns;
    if (count == 0 || late) {
        leave_row(c);
        return;
    }
    if (!somebody_takes(c) && list_empty(&c->handovers)) {
        handover_begin(c, NULL, (struct uuid){ { 0 } }, shards, count);
    }
    lane_timer_start(c->lane, &c->leave_timer, DURATION_MS(5), check_leave);
}

void cluster_leave(struct cluster *c, struct duration patience, void (*done)(void *arg), void *arg)
{
    c->left_done = done;
    c->left_arg = arg;
    c->draining = true;
    c->leave_until = instant_add(lane_monotonic(c->lane), patience);
    cluster_beat_now(c);
    cluster_tell_changed(c);
    lane_timer_start(c->lane, &c->leave_timer, DURATION_MS(1), check_leave);
}
