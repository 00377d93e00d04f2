/* Compares where shards are with where they should be. */
#include "common/cluster/planner.h"

#include "common/cluster/ring.h"

static const struct plan_member *find_member(
        const struct plan_member *members, size_t count, struct uuid id)
{
    for (size_t i = 0; i < count; i++) {
        if (uuid_eq(members[i].id, id)) {
            return &members[i];
        }
    }
    return NULL;
}

/* Adds a shard to the owner's request; one request per owner and round, to one target, so that a
 * round stays short. */
static void add_give(
        struct plan *plan, struct arena *arena, struct uuid from, struct uuid to, uint32_t shard)
{
    struct plan_give *g = NULL;
    for (size_t i = 0; i < plan->give_count && !g; i++) {
        g = uuid_eq(plan->gives[i].from, from) ? &plan->gives[i] : NULL;
    }
    if (!g) {
        g = &plan->gives[plan->give_count++];
        *g = (struct plan_give){
            .from = from, .to = to, .shards = NEW(arena, uint32_t, PLAN_GIVE_MAX)
        };
    }
    if (uuid_eq(g->to, to) && g->count < PLAN_GIVE_MAX) {
        ((uint32_t *)(uintptr_t)g->shards)[g->count++] = shard;
    }
}

struct takers {
    struct uuid *ids;
    uint64_t *hashes;
    size_t count;
};

static struct takers find_takers(
        const struct plan_member *members, size_t count, struct uuid except, struct arena *arena)
{
    struct takers t = { NEW(arena, struct uuid, count + 1), NEW(arena, uint64_t, count + 1), 0 };
    for (size_t i = 0; i < count; i++) {
        if (members[i].alive && members[i].takes_shards && !uuid_eq(members[i].id, except)) {
            t.hashes[t.count] = ring_hash(&members[i].id);
            t.ids[t.count++] = members[i].id;
        }
    }
    return t;
}

static struct uuid pick_taker(const struct takers *t, uint32_t shard)
{
    return t->ids[ring_pick_hashed(t->ids, t->hashes, t->count, shard)];
}

static void add_assign(struct plan *plan, uint32_t shard, struct uuid from, struct uuid to)
{
    plan->assign[plan->assign_count++] =
            (struct store_assign_move){ .shard = shard, .from = from, .to = to };
}

static void add_fence(struct plan *plan, size_t max, struct uuid member)
{
    for (size_t i = 0; i < plan->fence_count; i++) {
        if (uuid_eq(plan->fence[i], member)) {
            return;
        }
    }
    if (plan->fence_count < max) { /* the rest has its turn later */
        plan->fence[plan->fence_count++] = member;
    }
}

struct plan plan_take_over(const struct plan_member *members, size_t member_count,
        const struct uuid *owners, struct uuid from, struct arena *arena)
{
    struct plan plan = { .assign = NEW(arena, struct store_assign_move, SHARD_COUNT) };
    struct takers takers = find_takers(members, member_count, from, arena);
    for (uint32_t s = 0; takers.count && s < SHARD_COUNT; s++) {
        if (uuid_eq(owners[s], from)) {
            add_assign(&plan, s, from, pick_taker(&takers, s));
        }
    }
    return plan;
}

/* An owner that is no member may be one whom we do not know yet: another planner assigned to it a
 * moment ago. Only the fence can tell, because it looks at the member's own row. */
struct plan plan_make(const struct plan_member *members, size_t member_count,
        const struct uuid *owners, struct arena *arena)
{
    size_t fence_max = member_count + 1;
    struct plan plan = {
        .assign = NEW(arena, struct store_assign_move, SHARD_COUNT),
        .gives = NEW(arena, struct plan_give, member_count + 1),
        .fence = NEW(arena, struct uuid, fence_max),
    };
    struct takers takers = find_takers(members, member_count, (struct uuid){ { 0 } }, arena);
    for (size_t i = 0; i < member_count; i++) {
        if (members[i].dead) {
            add_fence(&plan, fence_max, members[i].id);
        }
    }
    for (uint32_t s = 0; takers.count && s < SHARD_COUNT; s++) {
        struct uuid wanted = pick_taker(&takers, s);
        if (uuid_eq(wanted, owners[s])) {
            continue;
        }
        if (uuid_is_zero(owners[s])) {
            add_assign(&plan, s, owners[s], wanted);
            continue;
        }
        const struct plan_member *owner = find_member(members, member_count, owners[s]);
        if (!owner) {
            add_fence(&plan, fence_max, owners[s]);
        } else if (owner->alive) {
            add_give(&plan, arena, owner->id, wanted, s);
        }
    }
    return plan;
}
