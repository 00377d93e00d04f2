/* Intrusive hash map keyed by bytes; iteration is in insertion order, so that everything built on
 * it is deterministic. The owner embeds a map_node and keeps the key bytes alive as long as it is
 * in the map. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/list.h"
#include "common/base/str.h"

struct arena;

struct map_node {
    struct map_node *chain;
    struct list_node order;
    uint64_t hash;
    struct str key; /* borrowed from the owner */
};

struct map {
    struct map_node **buckets;
    size_t bucket_count; /* a power of two, or 0 */
    size_t len;
    struct list order;
    struct arena *arena; /* buckets live here; NULL: on the heap, freed by map_deinit */
};

void map_init(struct map *map, struct arena *arena);
/* Frees the buckets (heap maps only); the nodes belong to their owners. */
void map_deinit(struct map *map);

struct map_node *map_get(const struct map *map, struct str key);
/* The key must not be present. */
void map_put(struct map *map, struct map_node *node, struct str key);
void map_remove(struct map *map, struct map_node *node);

static inline struct map_node *map_first(const struct map *map)
{
    struct list_node *n = list_first(&map->order);
    return n ? container_of(n, struct map_node, order) : NULL;
}

static inline struct map_node *map_next(const struct map *map, const struct map_node *node)
{
    struct list_node *n = list_next(&map->order, &node->order);
    return n ? container_of(n, struct map_node, order) : NULL;
}

#define map_entry(node, type, member) container_of(node, type, member)
/* Safe against removal of the current node. */
#define map_each(map, node)                                                                        \
    for (struct map_node *node = map_first(map), *node##_next = node ? map_next(map, node) : NULL; \
            node; node = node##_next, node##_next = node ? map_next(map, node) : NULL)
