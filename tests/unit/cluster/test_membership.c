/* Whole clusters in one thread: simulated store, fake links, lanes driven by hand. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "common/cluster/internal.h"
#include "tests/sim/sim_store.h"
#include "tests/support/fake_rpc.h"
#include "tests/support/lane_manual.h"

enum { PROCS = 4 };

struct proc {
    bool is_up, is_stuck; /* stuck: stopped from outside */
    int64_t missed_ms, woken_ms;
    struct uuid id;
    struct lane *lane;
    struct store *store;
    struct store_lane *sl;
    struct rpc *rpc;
    struct rpc_lane *rl;
    struct cluster *cluster;
    struct cluster_lane *cl;
    bool holds[SHARD_COUNT];
    size_t held, dropped, gained;
    bool keeps; /* does not release what it is asked for */
    bool is_leaving, has_left;
    struct cluster_watch watch;
    unsigned views;
};

static struct sim_db *db;
static struct proc procs[PROCS];
static uint8_t next_id;
static int64_t world_ms; /* all clocks show the same */

static bool is_silent(const struct cluster *c)
{
    struct duration since = instant_since(lane_monotonic(c->lane), c->membership.last_beat);
    return since.ns >=
           c->config.ttl.ns - c->config.beat.ns; /* its last beat began up to a beat before */
}

static void on_gained(void *ctx, const uint32_t *shards, size_t count)
{
    struct proc *p = ctx;
    for (size_t i = 0; i < count; i++) {
        cr_assert(!p->holds[shards[i]]);
        for (int k = 0; k < PROCS; k++) {
            /* Nobody who is awake holds it: they have given it or were told to drop it. Who was
             * stopped, left without a goodbye, or whose beats were lost for a TTL, is fenced and may not
             * know it yet. */
            bool is_excused = procs[k].is_stuck || procs[k].has_left ||
                              (procs[k].woken_ms && world_ms - procs[k].woken_ms < 500);
            cr_assert(!procs[k].is_up || is_excused || !procs[k].holds[shards[i]],
                    "shard %u is held twice", shards[i]);
        }
        p->holds[shards[i]] = true;
    }
    p->held += count;
    p->gained += count;
}

static void release(struct proc *p, const uint32_t *shards, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cr_assert(p->holds[shards[i]]);
        p->holds[shards[i]] = false;
    }
    p->held -= count;
}

static void on_lose(void *ctx, const uint32_t *shards, size_t count)
{
    struct proc *p = ctx;
    if (!p->keeps) {
        release(p, shards, count);
        cluster_shards_released(p->cl, shards, count);
    }
}

static void on_drop(void *ctx, const uint32_t *shards, size_t count)
{
    struct proc *p = ctx;
    release(p, shards, count);
    p->dropped += count;
    cluster_history_ready(p->cl); /* a new writer is claimed */
}

static void on_view(struct cluster_watch *watch)
{
    container_of(watch, struct proc, watch)->views++;
}

static void start_roles(struct proc *p, unsigned roles, bool is_alone)
{
    *p = (struct proc){ .is_up = true };
    memset(p->id.b, ++next_id, sizeof(p->id.b));
    p->lane = lane_manual_new();
    lane_manual_advance(p->lane, DURATION_MS(world_ms));
    p->store = sim_store_new(db);
    p->sl = store_lane_open(p->store, p->lane);
    struct rpc_config rpc = { .member_id = p->id };
    p->rpc = rpc_new(&rpc);
    p->rl = rpc_lane_new(p->rpc, p->lane);
    struct cluster_config config = {
        .member_id = p->id, .roles = roles, .address = STR("x"), .lanes = 1, .is_alone = is_alone
    };
    p->cluster = cluster_new(&config, p->lane, p->rpc, p->rl, p->sl);
    p->cl = cluster_lane_new(p->cluster, p->lane, p->rl);
    p->watch.changed = on_view;
    cluster_watch(p->cl, &p->watch);
    if (roles & CLUSTER_HISTORY) {
        struct cluster_shard_owner owner = { on_gained, on_lose, on_drop, p };
        cluster_own_shards(p->cl, &owner);
        cluster_history_ready(p->cl);
    }
}

static void start(struct proc *p)
{
    start_roles(p, CLUSTER_HISTORY | CLUSTER_MATCHING, false);
}

/* Its end without a word: what it held is nobody's. */
static void crash(struct proc *p)
{
    if (p->is_up) {
        fake_rpc_cut(p->id);
        p->is_up = false;
        cluster_lane_free(p->cl);
        store_lane_close(p->sl);
        lane_manual_turn(p->lane);
        cluster_free(p->cluster);
        rpc_free(p->rpc);
        store_free(p->store);
        lane_manual_free(p->lane);
    }
}

static void pass(int ms)
{
    for (int i = 0; i < ms; i++) {
        world_ms++;
        for (int k = 0; k < PROCS; k++) {
            procs[k].missed_ms += procs[k].is_stuck;
            if (procs[k].is_up && !procs[k].is_stuck) {
                lane_manual_advance(procs[k].lane, DURATION_MS(1));
                if (is_silent(procs[k].cluster)) {
                    procs[k].woken_ms =
                            world_ms; /* its beats were lost: as if it had been stopped */
                }
            }
        }
    }
}

/* Goes on after a stop: its clock jumps. */
static void wake(struct proc *p)
{
    p->is_stuck = false;
    p->woken_ms = world_ms;
    lane_manual_advance(p->lane, DURATION_MS(p->missed_ms));
    p->missed_ms = 0;
}

static bool all_see_it_complete(void)
{
    size_t held = 0;
    for (int k = 0; k < PROCS; k++) {
        if (procs[k].is_up && !procs[k].is_stuck) {
            held += procs[k].held;
            if (!cluster_is_complete(procs[k].cl)) {
                return false;
            }
        }
    }
    return held == SHARD_COUNT;
}

/* Milliseconds until every shard is held and all know it. */
static int settle(int max_ms)
{
    for (int ms = 0; ms < max_ms; ms++) {
        if (all_see_it_complete()) {
            return ms;
        }
        pass(1);
    }
    cr_assert(false, "not settled after %d ms", max_ms);
    return max_ms;
}

static bool is_even(const struct proc *p, int among)
{
    size_t fair = SHARD_COUNT / (size_t)among;
    return p->held > fair * 9 / 10 && p->held < fair * 11 / 10;
}

static void settle_evenly(int among, int max_ms)
{
    for (int ms = 0; ms < max_ms; ms++) {
        int even = 0;
        for (int k = 0; k < PROCS; k++) {
            even += procs[k].is_up && !procs[k].is_stuck && is_even(&procs[k], among);
        }
        if (even == among && all_see_it_complete()) {
            return;
        }
        pass(1);
    }
    cr_assert(false, "not even after %d ms: %zu %zu %zu %zu", max_ms, procs[0].held, procs[1].held,
            procs[2].held, procs[3].held);
}

static void on_left(void *arg)
{
    ((struct proc *)arg)->has_left = true;
}

static void leave(struct proc *p)
{
    cluster_leave(p->cluster, DURATION_SECONDS(10), on_left, p);
}

static void setup(void)
{
    db = sim_db_new(1);
}

static void teardown(void)
{
    for (int k = 0; k < PROCS; k++) {
        crash(&procs[k]);
    }
    sim_db_free(db);
}

TestSuite(cluster, .init = setup, .fini = teardown);

Test(cluster, one_process_is_ready_at_once)
{
    start_roles(&procs[0], CLUSTER_HISTORY | CLUSTER_MATCHING | CLUSTER_FRONTEND, true);
    cr_assert_leq(settle(1000), 5);
    cr_assert_eq(procs[0].held, SHARD_COUNT);
    cr_assert(uuid_eq(rpc_peer_member(cluster_history_peer(procs[0].cl, 17)), procs[0].id));
    cr_assert(uuid_eq(rpc_peer_member(cluster_matching_peer(procs[0].cl, 17)), procs[0].id));
    unsigned views = procs[0].views;
    pass(10000);
    cr_assert_eq(procs[0].views, views, "nothing changes, nothing is published");
}

Test(cluster, alone_after_a_crash)
{
    start_roles(&procs[0], CLUSTER_HISTORY | CLUSTER_MATCHING, true);
    settle(1000);
    crash(&procs[0]);
    start_roles(&procs[1], CLUSTER_HISTORY | CLUSTER_MATCHING, true);
    cr_assert_leq(settle(1000), 20, "an embedded store has no other living user");
    leave(&procs[1]);
    pass(50);
    cr_assert(procs[1].has_left);
    cr_assert_eq(procs[1].held, 0);
    cr_assert_eq(procs[1].dropped, 0);
}

/* The simulated database lives half a century after the lanes' clocks. */
Test(cluster, lanes_follow_the_clock_of_the_database)
{
    start(&procs[0]);
    start(&procs[1]);
    settle(2000);
    struct instant before = lane_now(procs[1].lane);
    cr_assert_gt(before.ns, 1700000000000000000);
    pass(5000);
    cr_assert_eq(
            instant_since(lane_now(procs[1].lane), before).ns, 5000000000, "one step, not many");
    cr_assert_lt(llabs(lane_now(procs[0].lane).ns - lane_now(procs[1].lane).ns), 5000000);
}

Test(cluster, frontends_read_along)
{
    start_roles(&procs[0], CLUSTER_FRONTEND, false);
    pass(3000);
    cr_assert(!cluster_is_complete(procs[0].cl));
    cr_assert_null(cluster_history_peer(procs[0].cl, 3));
    start(&procs[1]);
    start_roles(&procs[2], CLUSTER_MATCHING, false);
    settle(3000);
    cr_assert(uuid_eq(rpc_peer_member(cluster_history_peer(procs[0].cl, 3)), procs[1].id));
    for (uint64_t q = 0; q < 100; q++) {
        cr_assert(uuid_eq(rpc_peer_member(cluster_matching_peer(procs[0].cl, q)),
                rpc_peer_member(cluster_matching_peer(procs[2].cl, q))));
    }
}

Test(cluster, a_second_one_gets_its_half_without_a_loss)
{
    start(&procs[0]);
    settle(1000);
    start(&procs[1]);
    settle_evenly(2, 20000);
    cr_assert_eq(procs[0].dropped + procs[1].dropped, 0, "given, not robbed");
    cr_assert_eq(procs[1].gained, procs[1].held, "no shard moved twice");
    cr_assert_eq(procs[0].gained, SHARD_COUNT);
    start(&procs[2]);
    size_t before = procs[0].gained + procs[1].gained;
    settle_evenly(3, 20000);
    cr_assert_eq(procs[0].gained + procs[1].gained, before, "only to the new one");
}

Test(cluster, the_dead_are_replaced)
{
    start(&procs[0]);
    start(&procs[1]);
    start(&procs[2]);
    settle_evenly(3, 20000);
    pass(5000);
    crash(&procs[1]);
    int ms = settle(10000);
    const struct cluster_config *config = &procs[0].cluster->config;
    cr_assert_geq(ms, (config->ttl.ns - config->beat.ns) / 1000000, "not before its time");
    cr_assert_leq(ms, 5000);
    cr_assert_eq(procs[0].dropped + procs[2].dropped, 0);
    settle_evenly(2, 1000);
}

Test(cluster, the_planner_dies)
{
    start(&procs[0]);
    settle(1000);
    start(&procs[1]);
    settle_evenly(2, 20000);
    pass(5000);
    crash(&procs[0]);
    settle(10000);
    cr_assert_eq(procs[1].held, SHARD_COUNT);
}

Test(cluster, leaving_gives_everything)
{
    start(&procs[0]);
    start(&procs[1]);
    settle_evenly(2, 20000);
    leave(&procs[0]);
    for (int ms = 0; ms < 9000 && !procs[0].has_left; ms++) {
        pass(1);
    }
    cr_assert(procs[0].has_left);
    cr_assert_eq(procs[0].held, 0);
    cr_assert_eq(procs[0].dropped, 0);
    cr_assert_eq(procs[1].held, SHARD_COUNT);
    crash(&procs[0]);
    pass(10000);
    cr_assert_eq(procs[1].held, SHARD_COUNT);
    cr_assert_eq(procs[1].dropped, 0);
}

Test(cluster, the_last_one_leaves_nothing_to_fence)
{
    start(&procs[0]);
    settle(1000);
    leave(&procs[0]);
    pass(100);
    cr_assert(procs[0].has_left);
    cr_assert_eq(procs[0].held, 0);
    crash(&procs[0]);
    start(&procs[1]);
    cr_assert_leq(settle(5000), 1500);
}

Test(cluster, patience_has_an_end)
{
    start(&procs[0]);
    settle(1000);
    procs[0].keeps = true;
    leave(&procs[0]);
    pass(9900);
    cr_assert(!procs[0].has_left);
    pass(200);
    cr_assert(procs[0].has_left);
}

Test(cluster, patience_also_when_the_database_is_away)
{
    start(&procs[0]);
    settle(1000);
    sim_db_set_away(db, true);
    leave(&procs[0]);
    pass(10100);
    cr_assert(procs[0].has_left);
}

Test(cluster, an_outage_of_the_database_kills_nobody)
{
    start(&procs[0]);
    start(&procs[1]);
    start(&procs[2]);
    settle_evenly(3, 20000);
    pass(5000);
    for (int round = 0; round < 3; round++) {
        size_t gained = procs[0].gained + procs[1].gained + procs[2].gained;
        sim_db_set_away(db, true);
        pass(30000);
        sim_db_set_away(db, false);
        pass(10000);
        cr_assert(all_see_it_complete());
        cr_assert_eq(procs[0].dropped + procs[1].dropped + procs[2].dropped, 0);
        cr_assert_eq(procs[0].gained + procs[1].gained + procs[2].gained, gained);
    }
}

/* It comes first after the outage, sees only old beats, and may be elected at once: it must not judge. */
Test(cluster, a_newcomer_after_an_outage_kills_nobody)
{
    start(&procs[2]);
    settle(2000);
    start(&procs[0]);
    start(&procs[1]);
    settle_evenly(3, 20000);
    sim_db_set_away(db, true);
    pass(30000);
    crash(&procs[2]);                             /* the planner: the lock is free */
    procs[0].is_stuck = procs[1].is_stuck = true; /* a little later than the newcomer */
    sim_db_set_away(db, false);
    start(&procs[3]);
    pass(1500);
    wake(&procs[0]);
    wake(&procs[1]);
    settle_evenly(3, 20000);
    cr_assert_eq(procs[0].dropped + procs[1].dropped, 0);
}

Test(cluster, one_that_was_stopped_for_long_is_fenced_and_knows_it)
{
    start(&procs[0]);
    start(&procs[1]);
    settle_evenly(2, 20000);
    pass(5000);
    size_t held = procs[0].held;
    procs[0].is_stuck = true; /* the planner, with its lock in its hand */
    pass(16000);
    cr_assert_eq(procs[1].held, SHARD_COUNT);
    wake(&procs[0]);
    pass(3000);
    cr_assert_eq(procs[0].dropped, held);
    settle_evenly(2, 20000); /* with a new writer it takes part again */
}

/* Whatever happens: nobody who is awake holds what another one gets (on_gained), and when it is over every
 * shard has one owner again. */
static struct rand chaos;

static struct sim_fault any_fault(void *arg, enum store_kind kind, const struct store_op *op)
{
    struct sim_fault f = { .delay = DURATION_MS((int64_t)rand_below(&chaos, 20)) };
    uint64_t dice = rand_below(&chaos, 40);
    f.outcome = dice == 0 ? SIM_LOST_BEFORE : dice == 1 ? SIM_LOST_AFTER : SIM_GOOD;
    return f;
}

static void misfortune(struct proc *p)
{
    switch (rand_below(&chaos, 8)) {
    case 0:
        if (!p->is_stuck) {
            crash(p);
        }
        return;
    case 1:
        p->is_stuck = p->is_up;
        return;
    case 2:
        sim_db_set_away(db, true);
        return;
    case 3:
        if (p->is_up && !p->is_stuck && !p->is_leaving) {
            p->is_leaving = true;
            leave(p);
        }
        return;
    default:
        sim_db_set_away(db, false);
        if (p->is_stuck) {
            wake(p);
        } else if (!p->is_up) {
            start(p);
        } else if (p->has_left) {
            crash(p);
        }
    }
}

Test(cluster, chaos)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        chaos = (struct rand){ seed };
        sim_db_set_faults(db, any_fault, NULL);
        for (int i = 0; i < 40; i++) {
            misfortune(&procs[rand_below(&chaos, PROCS)]);
            pass((int)rand_below(&chaos, 3000));
        }
        sim_db_set_faults(db, NULL, NULL);
        sim_db_set_away(db, false);
        for (int k = 0; k < PROCS; k++) {
            if (procs[k].is_stuck) {
                wake(&procs[k]);
            }
        }
        pass(11000); /* those who leave have left */
        for (int k = 0; k < PROCS; k++) {
            if (procs[k].has_left) {
                crash(&procs[k]);
            }
            if (!procs[k].is_up) {
                start(&procs[k]);
            }
        }
        settle_evenly(PROCS, 60000);
    }
}
