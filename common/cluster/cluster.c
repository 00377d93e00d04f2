/* The process's membership, on lane 0: beats in the members table, judges who is alive by the
 * database's clock, reads the assignment when it has changed, and publishes the result to every
 * lane.
 *
 * Who is alive is membership.c's to say. */
#include <stdlib.h>

#include "common/cluster/internal.h"
#include "common/obs/log.h"
#include "common/rpc/methods.h"

/* A difference to the database's clock that is worth following. */
#define CLOCK_STEP_MIN DURATION_MS(20)
#define CLOCK_SETTLES  DURATION_MS(500)

/* ---- publishing -------------------------------------------------------------------------------- */

struct view_message {
    struct lane_task task;
    struct cluster_lane *cl;
    struct view *view;            /* NULL: */
    struct duration clock_offset; /* the database's clock minus this machine's */
};

static void run_view_message(struct lane_task *task)
{
    struct view_message *m = container_of(task, struct view_message, task);
    if (m->cl->is_closed) {
        view_free(m->view);
    } else if (m->view) {
        cluster_lane_take_view(m->cl, m->view);
    } else {
        lane_set_clock_offset(m->cl->lane, m->clock_offset);
    }
    free(m);
}

static void send_to_lane(struct cluster_lane *cl, struct view *view, struct duration clock_offset)
{
    struct view_message *m = malloc(sizeof(*m));
    check(m);
    *m = (struct view_message){
        .task = { .run = run_view_message }, .cl = cl, .view = view, .clock_offset = clock_offset
    };
    lane_post(cl->lane, &m->task);
}

void cluster_send_clock(struct cluster *c, struct cluster_lane *cl)
{
    send_to_lane(cl, NULL, c->clock_offset);
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
            send_to_lane(c->lanes[i], view_copy(c->view), (struct duration){ 0 });
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

/* ---- the assignment ---------------------------------------------------------------------------- */

static void on_read(struct store_op *op, enum err err, const struct fail *f)
{
    struct store_read_assignments *r = container_of(op, struct store_read_assignments, op);
    struct cluster *c = container_of(r, struct cluster, read);
    c->reading = false;
    if (c->stopped) {
        return;
    }
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

/* Alone there is nobody to agree with: the table stays empty, which saves writing and reading
 * 16384 rows at every start. Whoever else was there has been fenced before. */
void cluster_take_everything(struct cluster *c)
{
    for (uint32_t s = 0; s < SHARD_COUNT; s++) {
        c->owners[s] = c->config.member_id;
    }
    cluster_publish(c);
}

void cluster_read_now(struct cluster *c)
{
    if (c->reading) {
        c->read_again = true;
        return;
    }
    if (!c->member_count || c->stopped || c->config.is_alone) {
        return; /* before the first beat a view would have owners without members */
    }
    c->reading = true;
    c->read = (struct store_read_assignments){ .op = { .done = on_read }, .since = c->version };
    store_read_assignments(c->sl, &c->read);
}

/* ---- beats ------------------------------------------------------------------------------------- */

static enum member_state judge(
        const struct cluster *c, const struct store_member *m, struct instant database_now)
{
    bool was_alive = false;
    for (size_t i = 0; i < c->member_count; i++) {
        was_alive |= uuid_eq(c->members[i].id, m->id) && c->members[i].alive;
    }
    return membership_judge(&c->membership, lane_monotonic(c->lane), database_now, m->beat_at,
            uuid_eq(m->id, c->config.member_id), was_alive);
}

static bool same_members(const struct cluster *c, const struct view_member *members, size_t count)
{
    if (count != c->member_count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const struct view_member *a = &members[i], *b = &c->members[i];
        if (!uuid_eq(a->id, b->id) || a->roles != b->roles || a->alive != b->alive ||
                a->dead != b->dead || a->draining != b->draining) {
            return false;
        }
    }
    return true;
}

/* The planner itself may be the one that is stopped, with its lock in its hand. All its writes are
 * conditional: after a while anybody may do its work. */
static bool is_overdue(
        const struct cluster *c, const struct view_member *members, const struct store_beat *b)
{
    for (size_t i = 0; i < b->member_count; i++) {
        int64_t silent_ns = instant_since(b->database_now, b->members[i].beat_at).ns;
        if (members[i].dead && silent_ns > c->config.ttl.ns + c->config.ttl.ns / 2) {
            return true;
        }
    }
    return false;
}

static void on_look_timer(struct lane_timer *timer)
{
    cluster_beat_now(container_of(timer, struct cluster, look_timer));
}

/* A silent member's time ends between two beats: look again right then, not up to a beat later. */
static void look_at_expiry(struct cluster *c, const struct store_beat *b)
{
    struct duration soonest = c->config.beat;
    for (size_t i = 0; i < b->member_count; i++) {
        struct duration silent = instant_since(b->database_now, b->members[i].beat_at);
        struct duration left = { c->config.ttl.ns - silent.ns + DURATION_MS(1).ns };
        if (silent.ns > c->config.beat.ns && left.ns > 0) {
            soonest = duration_min(soonest, left);
        }
    }
    if (soonest.ns < c->config.beat.ns && !c->config.is_alone && !c->left) {
        lane_timer_start(c->lane, &c->look_timer, soonest, on_look_timer);
    }
}

static void take_members(struct cluster *c, const struct store_beat *b)
{
    struct arena arena = { 0 };
    struct view_member *members = NEW(&arena, struct view_member, b->member_count + 1);
    for (size_t i = 0; i < b->member_count; i++) {
        const struct store_member *m = &b->members[i];
        enum member_state state = judge(c, m, b->database_now);
        members[i] = (struct view_member){
            .id = m->id,
            .roles = view_parse_roles(m->roles),
            .address = str_dup(&arena, m->address),
            .draining = m->draining,
            .alive = state == MEMBER_ALIVE,
            .dead = state == MEMBER_DEAD,
        };
    }
    bool changed = !same_members(c, members, b->member_count);
    c->overdue = is_overdue(c, members, b);
    look_at_expiry(c, b);
    arena_deinit(&c->members_arena);
    c->members_arena = arena;
    c->members = members;
    c->member_count = b->member_count;
    c->cluster_id = b->cluster_id;
    if (c->config.is_alone) {
        c->has_read = true; /* there is nothing to read: see cluster_take_everything */
    }
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

/* Follows the database's clock when the difference is beyond what the round trip could explain. */
static void follow_clock(struct cluster *c)
{
    struct duration trip = instant_since(lane_monotonic(c->lane), c->beat_begun);
    struct instant middle = instant_add(c->beat_begun_wall, (struct duration){ trip.ns / 2 });
    struct duration step = instant_since(c->beat.database_now, middle);
    int64_t size = step.ns < 0 ? -step.ns : step.ns;
    /* a beat that began before the lanes took the last step would count it twice */
    bool settling =
            c->clock_stepped.ns && c->beat_begun.ns < c->clock_stepped.ns + CLOCK_SETTLES.ns;
    if (c->config.is_alone || settling || size < CLOCK_STEP_MIN.ns || size < 2 * trip.ns) {
        return;
    }
    c->clock_stepped = lane_monotonic(c->lane);
    log_info("clock_follows_database", LOG_I64("step_ms", duration_ms(step)));
    c->clock_offset.ns = time_add_saturating(c->clock_offset.ns, step.ns);
    for (unsigned i = 0; i < c->config.lanes; i++) {
        if (c->lanes[i]) {
            cluster_send_clock(c, c->lanes[i]);
        }
    }
}

static void on_beat(struct store_op *op, enum err err, const struct fail *f)
{
    struct store_beat *b = container_of(op, struct store_beat, op);
    struct cluster *c = container_of(b, struct cluster, beat);
    c->beating = false;
    if (c->stopped) {
        return;
    }
    membership_beat(&c->membership, lane_monotonic(c->lane), !err);
    if (err) {
        if (err != ERR_UNAVAILABLE) {
            log_error("beat_failed", LOG_FAIL(f));
        }
    } else {
        c->has_beaten = true;
        follow_clock(c);
        take_members(c, b);
    }
    if (c->beat_again) {
        c->beat_again = false;
        cluster_beat_now(c);
    }
}

void cluster_beat_now(struct cluster *c)
{
    if (c->beating || c->left || c->stopped) {
        c->beat_again = c->beating;
        return;
    }
    unsigned roles = c->config.roles;
    if (c->lanes_ready < c->config.lanes) {
        roles &= ~(unsigned)CLUSTER_HISTORY; /* without its writers it can own nothing */
    }
    c->beating = true;
    c->beat_begun = lane_monotonic(c->lane);
    c->beat_begun_wall = lane_now(c->lane);
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
    lane_timer_start(c->lane, &c->beat_timer, c->has_beaten ? c->config.beat : DURATION_MS(100),
            on_beat_timer);
}

/* ---- life -------------------------------------------------------------------------------------- */

/* A broken link may be a dead process: look early. */
static void on_link(struct rpc_watch *watch, struct uuid member, bool up)
{
    if (!up) {
        cluster_beat_now(container_of(watch, struct cluster, links));
    }
}

struct cluster *cluster_new(const struct cluster_config *config, struct lane *lane, struct rpc *rpc,
        struct rpc_lane *rl, struct store_lane *sl)
{
    struct cluster *c = calloc(1, sizeof(*c));
    check(c && config->lanes <= LANES_MAX);
    c->config = *config;
    c->config.address = str_dup(&c->arena, config->address);
    c->config.beat = config->beat.ns ? config->beat : DURATION_MS(500);
    c->config.ttl = config->ttl.ns ? config->ttl : DURATION_SECONDS(3);
    c->lane = lane;
    c->rpc = rpc;
    c->rl = rl;
    c->sl = sl;
    c->membership = (struct membership){ .ttl = c->config.ttl, .is_alone = config->is_alone };
    list_init(&c->handovers);
    handover_serve(c);
    rpc_serve_notify(rl, RPC_CLUSTER_CHANGED, on_changed, c);
    c->links.changed = on_link;
    rpc_watch_links(rl, &c->links);
    planning_start(c);
    lane_timer_start(lane, &c->beat_timer, DURATION_MS(0), on_beat_timer);
    return c;
}

void cluster_stop(struct cluster *c)
{
    c->stopped = true;
    list_remove(&c->links.node);
    lane_timer_stop(c->lane, &c->beat_timer);
    lane_timer_stop(c->lane, &c->look_timer);
    lane_timer_stop(c->lane, &c->leave_timer);
    planning_stop(c);
    list_each(&c->handovers, n)
    {
        lane_timer_stop(c->lane, &list_entry(n, struct handover, node)->retry);
    }
}

void cluster_free(struct cluster *c)
{
    if (!c) {
        return;
    }
    for (unsigned i = 0; i < c->config.lanes; i++) {
        free(c->lanes[i]);
    }
    handover_free_all(c);
    view_free(c->view);
    arena_deinit(&c->members_arena);
    arena_deinit(&c->beat_arena);
    arena_deinit(&c->planning.arena);
    arena_deinit(&c->arena);
    free(c);
}

/* ---- leaving ----------------------------------------------------------------------------------- */

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

static void leave_end(struct cluster *c)
{
    void (*done)(void *) = c->left_done;
    c->left = true;
    c->left_done = NULL;
    planning_stop(c);
    lane_timer_stop(c->lane, &c->beat_timer);
    lane_timer_stop(c->lane, &c->look_timer);
    lane_timer_stop(c->lane, &c->leave_timer);
    if (done) {
        done(c->left_arg);
    }
}

static void on_row_gone(struct store_op *op, enum err err, const struct fail *f)
{
    struct store_leave *l = container_of(op, struct store_leave, op);
    struct cluster *c = container_of(l, struct cluster, leave_op);
    if (!c->stopped) {
        cluster_tell_changed(c);
        leave_end(c);
    }
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
    struct instant now = lane_monotonic(c->lane);
    struct instant heard = instant_max(c->membership.last_beat, c->leave_begun);
    /* No beat was answered for a whole TTL: the database is away, and nothing can be given to anybody. */
    bool is_away = instant_since(now, heard).ns > c->config.ttl.ns;
    if (now.ns >= c->leave_until.ns || is_away) {
        /* Not a word to the table: what is not flushed yet may still be, until others notice. */
        log_warn("left_without_goodbye", LOG_U64("shards", count));
        leave_end(c);
        return;
    }
    if (!c->has_beaten) {
        leave_end(c); /* nobody knows us */
        return;
    }
    if (count == 0 && c->has_read && !c->leaving_row) {
        leave_row(c);
    } else if (count && !somebody_takes(c) && list_empty(&c->handovers)) {
        handover_begin(c, NULL, (struct uuid){ { 0 } }, shards, count);
    }
    lane_timer_start(c->lane, &c->leave_timer, DURATION_MS(5), check_leave);
}

void cluster_leave(struct cluster *c, struct duration patience, void (*done)(void *arg), void *arg)
{
    c->left_done = done;
    c->left_arg = arg;
    c->draining = true;
    c->leave_begun = lane_monotonic(c->lane);
    c->leave_until = instant_add(c->leave_begun, patience);
    cluster_beat_now(c);
    cluster_tell_changed(c);
    lane_timer_start(c->lane, &c->leave_timer, DURATION_MS(1), check_leave);
}
