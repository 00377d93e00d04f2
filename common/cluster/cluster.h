/* Who is alive, who owns which shard, who owns which task queue: one lane of the process asks the
 * database, all lanes read the result.
 *
 * The view is immutable and published to every lane by mailbox, so that reading it takes no lock.
 * Ownership of shards is what the assignment table says; ownership of task queues is computed from
 * the members by the ring (soft state: a short disagreement costs a retry). */
#pragma once

#include "common/base/list.h"
#include "common/rpc/rpc.h"
#include "common/store/store.h"

struct cluster;      /* one per process; lives on lane 0 */
struct cluster_lane; /* one per lane */

enum cluster_role {
    CLUSTER_FRONTEND = 1,
    CLUSTER_HISTORY = 2,
    CLUSTER_MATCHING = 4,
    CLUSTER_WORKER = 8,
};

struct cluster_config {
    struct uuid member_id; /* as given to rpc_new */
    unsigned roles;        /* of enum cluster_role */
    struct str address;    /* rpc url where others reach us; "local" in a process with all roles */
    uint32_t lanes;
    bool is_alone;             /* an embedded store: whoever else is in the table is dead */
    struct duration beat, ttl; /* default 0.5 s, 3 s */
};

/* On lane 0, after its store lane is open; starts beating at once. The members' first view may take
 * as long as the database is away. */
struct cluster *cluster_new(const struct cluster_config *config, struct lane *lane, struct rpc *rpc,
        struct rpc_lane *rl, struct store_lane *sl);
/* Makes the cluster's side of a lane; on that lane (lane 0 included), any time after cluster_new.
 */
struct cluster_lane *cluster_lane_new(
        struct cluster *cluster, struct lane *lane, struct rpc_lane *rl);
void cluster_lane_free(struct cluster_lane *cl);
void cluster_free(struct cluster *cluster); /* after all lanes have ended */

/* ---- reading the view (each lane) -------------------------------------------------------------- */

/* NULL: nobody owns it, or its owner is not known to be alive: hold and retry. Borrowed until the
 * next turn. */
struct rpc_peer *cluster_history_peer(struct cluster_lane *cl, uint32_t shard);
struct rpc_peer *cluster_matching_peer(struct cluster_lane *cl, uint64_t queue_hash);
/* A member that is alive; NULL otherwise. */
struct rpc_peer *cluster_member_peer(struct cluster_lane *cl, struct uuid member);
/* Where a live member listens; empty: no such member. Borrowed until the next turn. */
struct str cluster_member_address(const struct cluster_lane *cl, struct uuid member);
/* The live members, this process among them, borrowed until the next turn. */
struct rpc_peer *const *cluster_members(
        struct cluster_lane *cl, struct arena *arena, size_t *count);
struct uuid cluster_shard_owner(const struct cluster_lane *cl, uint32_t shard); /* zero: nobody */
struct uuid cluster_self(const struct cluster_lane *cl);                        /* this process */
struct uuid cluster_id(const struct cluster_lane *cl); /* zero before the first view */
bool cluster_member_is_alive(const struct cluster_lane *cl, struct uuid member);
/* A call was answered with "not the owner", or a link broke: read the assignment again now
 * (coalesced). */
void cluster_hint(struct cluster_lane *cl);
/* True when every shard has a live owner and matching is there: the process may say that it is
 * ready. */
bool cluster_is_complete(const struct cluster_lane *cl);

/* Told on this lane after every new view, and once at the registration if there is a view. */
struct cluster_watch {
    struct list_node node;
    void (*changed)(struct cluster_watch *watch);
};
void cluster_watch(struct cluster_lane *cl, struct cluster_watch *watch);
void cluster_unwatch(struct cluster_watch *watch);

/* ---- the history service's side (each lane of a history process) ------------------------------- */

/* The shards of this process that belong to this lane (shard % lanes == lane_index). gained(): the
 * assignment table says they are ours and their former owner is fenced or has given them away: load
 * them. lose(): flush what is in flight for them, refuse new work, then call
 * cluster_shards_released; only then they change hands. drop(): we have been fenced: forget
 * everything without writing. */
struct cluster_shard_owner {
    void (*gained)(void *ctx, const uint32_t *shards, size_t count);
    void (*lose)(void *ctx, const uint32_t *shards, size_t count);
    void (*drop)(void *ctx, const uint32_t *shards, size_t count);
    void *ctx;
};
void cluster_own_shards(struct cluster_lane *cl, const struct cluster_shard_owner *owner);
void cluster_shards_released(struct cluster_lane *cl, const uint32_t *shards, size_t count);
/* The lane has its writer: from the moment every lane has said so the process takes part in the
 * assignment. */
void cluster_history_ready(struct cluster_lane *cl);

/* ---- leaving (lane 0) -------------------------------------------------------------------------- */

/* Marks us as draining, gives all shards away (if anybody can take them), leaves the members.
 * done(arg) runs on lane 0, at the latest after patience. */
void cluster_leave(
        struct cluster *cluster, struct duration patience, void (*done)(void *arg), void *arg);
