/* What the planner would do next, pure. Policy: every shard belongs to the member that the ring picks among the
 * history members which are alive and stay. Dead owners are fenced first, shards of nobody are assigned at once,
 * live owners are asked to give, a bounded number of shards at a time. */
#pragma once

#include "common/base/vec.h"
#include "common/cluster/membership.h"
#include "common/model/ids.h"

struct plan_member {
    struct uuid id;
    enum member_state state;
    bool may_own; /* a history process that is ready and not draining */
    bool is_draining; /* gives everything away by itself */
    bool is_asked;    /* has not answered the last request to give */
};

struct plan_move {
    uint32_t shard;
    struct uuid from, to;
};

struct plan_give {
    struct uuid owner, to;
    VEC(uint32_t) shards;
};

struct plan {
    bool has_fence; /* fence this member, then assign what was its own with plan_assign_from */
    struct uuid fence;
    VEC(struct plan_move) assign; /* shards that belong to nobody */
    VEC(struct plan_give) gives;  /* at most one per owner */
};

struct plan_input {
    const struct plan_member *members;
    size_t member_count;
    const struct uuid *owners; /* SHARD_COUNT */
    size_t give_max;           /* shards per request */
};

/* Everything in the arena. */
void plan_next(const struct plan_input *in, struct arena *arena, struct plan *ret);
/* Moves of all shards of one owner (zero: of nobody) to where they belong; none when nobody may own. `from` itself
 * never gets any. */
void plan_assign_from(const struct plan_input *in, struct uuid from, struct arena *arena, struct plan *ret);
