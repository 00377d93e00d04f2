/* The planner's policy, pure: from who is there and who owns what to the next moves. Consistent
 * hashing decides where a shard should be; a live owner is asked for it, never robbed. */
#pragma once

#include "common/cluster/cluster.h"

struct plan_member {
    struct uuid id;
    bool alive;
    bool takes_shards; /* a history member that is ready and not draining */
    bool dead;         /* not the opposite of alive: a silent one may be neither for a while */
};

enum { PLAN_GIVE_MAX = 1024 }; /* shards asked of one owner at a time */

struct plan_give {
    struct uuid from, to;
    const uint32_t *shards;
    size_t count;
};

struct plan {
    /* owned by nobody: can be assigned at once */
    struct store_assign_move *assign;
    size_t assign_count;
    /* for each live owner at most one request: its shards that belong to one other member */
    struct plan_give *gives;
    size_t give_count;
    /* dead members, and owners that are no members: to be fenced, then plan_take_over */
    struct uuid *fence;
    size_t fence_count;
};

/* owners: by shard, zero for nobody. Nothing is moved when nobody takes shards. Result in the
 * arena. */
struct plan plan_make(const struct plan_member *members, size_t member_count,
        const struct uuid *owners, struct arena *arena);

/* Moves of everything that a fenced owner has to where it belongs. */
struct plan plan_take_over(const struct plan_member *members, size_t member_count,
        const struct uuid *owners, struct uuid from, struct arena *arena);
