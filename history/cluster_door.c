/* The cluster as history sees it, for real: ownership of shards comes from the assignment, peers from the view of the
 * lane. The only file of this folder that knows common/cluster. */
#include "common/cluster/cluster.h"
#include "common/cluster/namespaces.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/obs/log.h"
#include "history/history.h"

struct cluster_door {
    struct history *history;
    struct cluster_lane *cl;
    struct cluster_watch watch;
    struct lane_timer end;
    struct arena arena; /* holds this struct */
    /* what holds in the namespaces that were asked for, of one version of the set */
    struct namespaces_lane *namespaces;
    int64_t limits_version;
    struct arena limits_arena;
    struct map limits; /* struct known_limits */
};

struct known_limits {
    struct map_node by_id;
    struct uuid id;
    struct engine_limits limits;
};

static struct rpc_peer *matching_peer(void *ctx, uint64_t queue_hash)
{
    struct cluster_door *door = ctx;
    return cluster_matching_peer(door->cl, queue_hash);
}

static struct rpc_peer *history_peer(void *ctx, uint32_t shard)
{
    struct cluster_door *door = ctx;
    return cluster_history_peer(door->cl, shard);
}

static struct str owner_hint(void *ctx, uint32_t shard, struct arena *arena)
{
    struct cluster_door *door = ctx;
    struct uuid owner = cluster_shard_owner(door->cl, shard);
    return str_dup(arena, uuid_bytes(&owner));
}

static bool namespace_id(void *ctx, struct str name, struct uuid *ret)
{
    struct cluster_door *door = ctx;
    const struct namespace_entry *ns = namespaces_by_name(door->namespaces, name);
    if (!ns || ns->state == NAMESPACE_DELETED) {
        return false;
    }
    *ret = ns->id;
    return true;
}

static bool next_namespace(void *ctx, struct uuid after, struct history_namespace *ret)
{
    struct cluster_door *door = ctx;
    size_t count;
    const struct namespace_entry *next = NULL;
    const struct namespace_entry *const *all =
            namespaces_all(door->namespaces, lane_scratch(door->history->lane), &count);
    for (size_t i = 0; i < count; i++) {
        bool is_deleted = all[i]->state == NAMESPACE_DELETED;
        if ((is_deleted || all[i]->retention.ns > 0) &&
                memcmp(&all[i]->id, &after, sizeof(after)) > 0 &&
                (!next || memcmp(&all[i]->id, &next->id, sizeof(after)) < 0)) {
            next = all[i];
        }
    }
    if (next) {
        *ret = (struct history_namespace){ next->id, next->retention,
            next->state == NAMESPACE_DELETED };
    }
    return next != NULL;
}

static void forget_limits(struct cluster_door *door)
{
    map_deinit(&door->limits);
    arena_deinit(&door->limits_arena);
    door->limits_arena = (struct arena){ 0 };
    map_init(&door->limits, NULL);
}

static const struct engine_limits *limits(void *ctx, struct uuid id)
{
    struct cluster_door *door = ctx;
    int64_t version = namespaces_version(door->namespaces);
    if (version != door->limits_version) {
        forget_limits(door);
        door->limits_version = version;
    }
    struct map_node *n = map_get(&door->limits, uuid_bytes(&id));
    if (n) {
        return &map_entry(n, struct known_limits, by_id)->limits;
    }
    const struct namespace_entry *ns = namespaces_by_id(door->namespaces, id);
    if (!ns) {
        return NULL;
    }
    struct known_limits *k = NEW(&door->limits_arena, struct known_limits, 1);
    k->id = id;
    k->limits = door->history->config.limits;
    history_limits_from(ns->config, &k->limits);
    k->limits.search_attributes = &ns->search_attributes;
    k->limits.retention = ns->retention;
    k->limits.bad_binaries = ns->bad_binaries;
    k->limits.bad_binary_count = ns->bad_binary_count;
    map_put(&door->limits, &k->by_id, uuid_bytes(&k->id));
    return &k->limits;
}

static void ready(void *ctx)
{
    struct cluster_door *door = ctx;
    cluster_history_ready(door->cl);
}

static void end_process(struct lane_timer *timer)
{
    log_error("process_ends", LOG_CSTR("why", "its writer was taken away"));
    _exit(EXIT_FAILURE);
}

/* A member that was fenced may never own anything again under its id: stale moves of its shards may still be under
 * way. So the process ends, and its successor has another id. A moment is left for the answers to go out. */
static void lost(void *ctx, const struct fail *fail)
{
    struct cluster_door *door = ctx;
    lane_timer_start(door->history->lane, &door->end, DURATION_MS(100), end_process);
}

static void gained(void *ctx, const uint32_t *shards, size_t count)
{
    struct cluster_door *door = ctx;
    history_gain_shards(door->history, shards, count);
}

static void released(void *ctx, const uint32_t *shards, size_t count)
{
    struct cluster_door *door = ctx;
    cluster_shards_released(door->cl, shards, count);
}

static void lose(void *ctx, const uint32_t *shards, size_t count)
{
    struct cluster_door *door = ctx;
    history_release_shards(door->history, shards, count, released, door);
}

static void drop(void *ctx, const uint32_t *shards, size_t count)
{
    struct cluster_door *door = ctx;
    history_drop_shards(door->history, shards, count);
}

static void view_changed(struct cluster_watch *watch)
{
    struct cluster_door *door = container_of(watch, struct cluster_door, watch);
    history_matching_changed(door->history);
}

static void closed(void *ctx)
{
    struct cluster_door *door = ctx;
    cluster_unwatch(&door->watch);
    lane_timer_stop(door->history->lane, &door->end);
    forget_limits(door);
    struct arena arena = door->arena;
    arena_deinit(&arena);
}

struct history *history_new(struct lane *lane, struct rpc_lane *rpc, struct store_lane *store,
        struct cluster_lane *cl, struct namespaces_lane *namespaces,
        const struct history_config *config)
{
    struct arena arena = { 0 };
    struct cluster_door *door = NEW(&arena, struct cluster_door, 1);
    struct history_cluster cluster = {
        .ctx = door,
        .matching_peer = matching_peer,
        .history_peer = history_peer,
        .owner_hint = owner_hint,
        .namespace_id = namespace_id,
        .next_namespace = next_namespace,
        .limits = limits,
        .ready = ready,
        .lost = lost,
        .closed = closed,
    };
    door->arena = arena;
    door->cl = cl;
    door->namespaces = namespaces;
    door->limits_version = -1;
    map_init(&door->limits, NULL);
    door->history = history_new_with(lane, rpc, store, &cluster, config);
    struct cluster_shard_owner owner = {
        .gained = gained, .lose = lose, .drop = drop, .ctx = door
    };
    cluster_own_shards(cl, &owner);
    door->watch.changed = view_changed;
    cluster_watch(cl, &door->watch);
    return door->history;
}
