/* One pass over the table. Who owns a shard decides what may be done about it:
 *
 *     nobody                        assign now
 *     a dead member, or no member   fence it, then assign its shards
 *     a suspect                     nothing: it may come back
 *     a live one, the right one     nothing
 *     a live one, the wrong one     ask it to give, unless it was just asked or is leaving by itself
 */
#include "common/cluster/planner.h"

#include "common/cluster/ring.h"

/* The members that may own, by their hashes. */
struct eligible {
    uint64_t *hashes;
    struct uuid *ids;
    size_t count;
};

static struct eligible eligible_of(const struct plan_input *in, struct uuid except, struct arena *arena)
{
    struct eligible e = { NEW(arena, uint64_t, in->member_count), NEW(arena, struct uuid, in->member_count), 0 };
    for (size_t i = 0; i < in->member_count; i++) {
        const struct plan_member *m = &in->members[i];
        if (m->may_own && m->state == MEMBER_ALIVE && !uuid_eq(m->id, except)) {
            e.hashes[e.count] = ring_hash(m->id);
            e.ids[e.count++] = m->id;
        }
    }
    return e;
}

static struct uuid target_of(const struct eligible *e, uint32_t shard)
{
    return e->ids[ring_pick(e->hashes, e->count, shard)];
}

static const struct plan_member *member_find(const struct plan_input *in, struct uuid id)
{
    for (size_t i = 0; i < in->member_count; i++) {
        if (uuid_eq(in->members[i].id, id)) {
            return &in->members[i];
        }
    }
    return NULL;
}

void plan_assign_from(const struct plan_input *in, struct uuid from, struct arena *arena, struct plan *ret)
{
    struct eligible e = eligible_of(in, from, arena);
    for (uint32_t s = 0; e.count > 0 && s < SHARD_COUNT; s++) {
        if (uuid_eq(in->owners[s], from)) {
            struct plan_move move = { s, from, target_of(&e, s) };
            vec_push(arena, &ret->assign, move);
        }
    }
}

/* One request per owner, to one receiver. */
static void give(const struct plan_input *in, struct plan *plan, uint32_t shard, struct uuid to,
        struct arena *arena)
{
    struct uuid owner = in->owners[shard];
    for (size_t i = 0; i < plan->gives.len; i++) {
        struct plan_give *g = &plan->gives.ptr[i];
        if (uuid_eq(g->owner, owner)) {
            if (uuid_eq(g->to, to) && g->shards.len < in->give_max) {
                vec_push(arena, &g->shards, shard);
            }
            return;
        }
    }
    struct plan_give g = { .owner = owner, .to = to };
    vec_push(arena, &g.shards, shard);
    vec_push(arena, &plan->gives, g);
}

void plan_next(const struct plan_input *in, struct arena *arena, struct plan *ret)
{
    struct uuid nobody = { { 0 } };
    struct eligible e = eligible_of(in, nobody, arena);
    const struct plan_member *owner = NULL; /* neighbours often have the same */
    struct uuid owner_id = nobody;
    *ret = (struct plan){ 0 };
    if (e.count == 0) {
        return;
    }
    for (uint32_t s = 0; s < SHARD_COUNT; s++) {
        if (uuid_is_zero(in->owners[s])) {
            struct plan_move move = { s, nobody, target_of(&e, s) };
            vec_push(arena, &ret->assign, move);
            continue;
        }
        if (!uuid_eq(owner_id, in->owners[s])) {
            owner_id = in->owners[s];
            owner = member_find(in, owner_id);
        }
        if (!owner || owner->state == MEMBER_DEAD) {
            ret->has_fence = true;
            ret->fence = owner_id;
        } else if (owner->state == MEMBER_ALIVE && !owner->is_draining && !owner->is_asked) {
            struct uuid to = target_of(&e, s);
            if (!uuid_eq(to, owner_id)) {
                give(in, ret, s, to, arena);
            }
        }
    }
}
