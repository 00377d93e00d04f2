#include <criterion/criterion.h>

#include "common/cluster/planner.h"
#include "common/cluster/ring.h"

static struct arena arena;
static struct uuid owners[SHARD_COUNT];

static struct uuid id(int n)
{
    struct rand r = { (uint64_t)n };
    return uuid_v4(&r);
}

static size_t owned_by(struct uuid member)
{
    size_t n = 0;
    for (uint32_t s = 0; s < SHARD_COUNT; s++) {
        n += uuid_eq(owners[s], member);
    }
    return n;
}

static void carry_out(const struct plan *plan)
{
    for (size_t i = 0; i < plan->assign_count; i++) {
        cr_assert(uuid_eq(owners[plan->assign[i].shard], plan->assign[i].from));
        owners[plan->assign[i].shard] = plan->assign[i].to;
    }
    for (size_t i = 0; i < plan->give_count; i++) {
        for (size_t k = 0; k < plan->gives[i].count; k++) {
            cr_assert(uuid_eq(owners[plan->gives[i].shards[k]], plan->gives[i].from));
            owners[plan->gives[i].shards[k]] = plan->gives[i].to;
        }
    }
}

static bool is_settled(const struct plan *plan)
{
    return !plan->assign_count && !plan->give_count && !plan->fence_count;
}

Test(planner, a_fresh_cluster_is_spread_evenly_and_then_left_alone)
{
    struct plan_member m[] = { { id(1), true, true }, { id(2), true, true },
        { id(3), true, true } };
    struct plan plan = plan_make(m, 3, owners, &arena);
    cr_assert_eq(plan.assign_count, SHARD_COUNT);
    carry_out(&plan);
    for (int i = 0; i < 3; i++) {
        cr_assert_geq(owned_by(m[i].id), SHARD_COUNT / 3 * 9 / 10);
    }
    plan = plan_make(m, 3, owners, &arena);
    cr_assert(is_settled(&plan));
}

Test(planner, a_newcomer_gets_its_part_from_live_owners_by_asking)
{
    struct plan_member m[] = { { id(1), true, true }, { id(2), true, true },
        { id(3), true, true } };
    struct plan plan = plan_make(m, 2, owners, &arena);
    carry_out(&plan);
    size_t moved = 0, rounds = 0;
    for (plan = plan_make(m, 3, owners, &arena); !is_settled(&plan);
            plan = plan_make(m, 3, owners, &arena)) {
        cr_assert_eq(plan.assign_count, 0, "a live owner is never robbed");
        for (size_t i = 0; i < plan.give_count; i++) {
            cr_assert(uuid_eq(plan.gives[i].to, m[2].id),
                    "only the newcomer gets shards: minimal moves");
            cr_assert_leq(plan.gives[i].count, PLAN_GIVE_MAX);
            moved += plan.gives[i].count;
        }
        carry_out(&plan);
        cr_assert_lt(++rounds, 100);
    }
    cr_assert_eq(moved, owned_by(m[2].id));
}

Test(planner, a_silent_owner_is_fenced_first_and_robbed_only_when_it_is_gone)
{
    struct plan_member m[] = { { id(1), true, true }, { id(2), true, true } };
    struct plan plan = plan_make(m, 2, owners, &arena);
    carry_out(&plan);
    m[1].alive = false;
    plan = plan_make(m, 2, owners, &arena);
    cr_assert(is_settled(&plan), "nobody may judge it yet");
    m[1].dead = true;
    plan = plan_make(m, 2, owners, &arena);
    cr_assert_eq(plan.fence_count, 1);
    cr_assert(uuid_eq(plan.fence[0], m[1].id));
    cr_assert_eq(plan.assign_count + plan.give_count, 0);
    plan = plan_make(m, 1, owners, &arena); /* its row is gone, or was never seen */
    cr_assert_eq(plan.fence_count, 1);
    cr_assert_eq(plan.assign_count + plan.give_count, 0);
    plan = plan_take_over(m, 1, owners, m[1].id, &arena);
    cr_assert_eq(plan.assign_count, owned_by(m[1].id));
    carry_out(&plan);
    cr_assert_eq(owned_by(m[0].id), SHARD_COUNT);
}

Test(planner, who_drains_gives_everything_and_nothing_moves_when_nobody_takes)
{
    struct plan_member m[] = { { id(1), true, true }, { id(2), true, true } };
    struct plan plan = plan_make(m, 2, owners, &arena);
    carry_out(&plan);
    m[1].takes_shards = false;
    for (int i = 0; i < 40; i++) {
        plan = plan_make(m, 2, owners, &arena);
        carry_out(&plan);
    }
    cr_assert_eq(owned_by(m[1].id), 0);
    m[0].takes_shards = false;
    plan = plan_make(m, 2, owners, &arena);
    cr_assert(is_settled(&plan));
}

Test(ring, only_keys_of_the_one_who_leaves_move)
{
    struct uuid all[] = { id(1), id(2), id(3), id(4) };
    for (uint64_t key = 0; key < 10000; key++) {
        size_t with = ring_pick(all, 4, key), without = ring_pick(all, 3, key);
        cr_assert(with == 3 || with == without);
    }
}

Test(ring, ids_that_look_alike_get_even_parts)
{
    struct uuid all[4];
    size_t held[4] = { 0 };
    for (int i = 0; i < 4; i++) {
        memset(all[i].b, 0x25 + i, sizeof(all[i].b));
    }
    for (uint64_t key = 0; key < SHARD_COUNT; key++) {
        held[ring_pick(all, 4, key)]++;
    }
    for (int i = 0; i < 4; i++) {
        cr_assert(held[i] > SHARD_COUNT / 4 * 95 / 100 && held[i] < SHARD_COUNT / 4 * 105 / 100,
                "%zu", held[i]);
    }
}
