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

struct plan plan_make(const struct plan_member *members, size_t member_count,
        const struct uuid *owners, struct arena *arena)
{
    struct plan plan = {
        .assign = NEW(arena, struct store_assign_move, SHARD_COUNT),
        .gives = NEW(arena, struct plan_give, member_count + 1),
        .fence = NEW(arena, struct uuid, member_count + 1),
    };
    struct uuid *takers = NEW(arena, struct uuid, member_count + 1);
    size_t taker_count = 0;
    for (size_t i = 0; i < member_count; i++) {
        if (members[i].alive && members[i].takes_shards) {
            takers[taker_count++] = members[i].id;
        }
        if (!members[i].alive) {
            plan.fence[plan.fence_count++] = members[i].id;
        }
    }
    for (uint32_t s = 0; taker_count && s < SHARD_COUNT; s++) {
        struct uuid wanted = takers[ring_pick(takers, taker_count, s)];
        const struct plan_member *owner = find_member(members, member_count, owners[s]);
        if (uuid_eq(wanted, owners[s])) {
            continue;
        }
        if (!owner) {
            plan.assign[plan.assign_count++] =
                    (struct store_assign_move){ .shard = s, .from = owners[s], .to = wanted };
        } else if (owner->alive) {
            add_give(&plan, arena, owner->id, wanted, s);
        } /* a silent owner is fenced first, and then no member any more */
    }
    return plan;
}
