/* What a process knows of the cluster at one moment: members that are taken for alive, and who owns
 * each shard. Each lane has its own copy; none is ever changed. */
#pragma once

#include "common/cluster/cluster.h"

enum { OWNER_NONE = 0xffff };

struct view_member {
    struct uuid id;
    unsigned roles; /* of enum cluster_role */
    struct str address;
    bool draining;
    bool alive;            /* by the database's clock; a dead owner of shards is still listed */
    bool dead;             /* may be fenced */
    struct rpc_peer *peer; /* counted */
};

struct view {
    struct arena arena;
    struct uuid cluster_id;
    struct view_member *members; /* by id */
    size_t member_count;
    uint16_t owner_of[SHARD_COUNT]; /* index into members */
    struct uuid *matching;          /* ids of the live matching members that stay, for the ring */
    size_t *matching_at;            /* their indexes in members */
    size_t matching_count;
};

struct view_input {
    struct uuid self, cluster_id;
    const struct view_member *members; /* peers not set */
    size_t member_count;
    const struct uuid *owners; /* by shard; zero: nobody */
};

struct view *view_new(const struct view_input *input, struct rpc *rpc);
struct view *view_copy(const struct view *view);
void view_free(struct view *view);

const struct view_member *view_find(const struct view *view, struct uuid id); /* NULL: not listed */
const struct view_member *view_owner(
        const struct view *view, uint32_t shard); /* NULL: nobody we know of */
bool view_is_complete(const struct view *view);
unsigned view_parse_roles(struct str text);
struct str view_format_roles(struct arena *arena, unsigned roles);
