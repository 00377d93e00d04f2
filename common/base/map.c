/* Chained hash table, doubled when full; the order list makes iteration deterministic. */
#include "common/base/map.h"

#include <stdlib.h>

#include "common/base/arena.h"
#include "common/base/hash.h"

void map_init(struct map *map, struct arena *arena)
{
    *map = (struct map){ .arena = arena };
    list_init(&map->order);
}

void map_deinit(struct map *map)
{
    if (!map->arena) {
        free(map->buckets);
    }
    *map = (struct map){ .arena = map->arena };
    list_init(&map->order);
}

static void link_bucket(struct map *map, struct map_node *node)
{
    struct map_node **slot = &map->buckets[node->hash & (map->bucket_count - 1)];
    node->chain = *slot;
    *slot = node;
}

static void map_grow(struct map *map)
{
    size_t count = map->bucket_count ? map->bucket_count * 2 : 8;
    if (map->arena) {
        map->buckets = NEW(map->arena, struct map_node *, count);
    } else {
        free(map->buckets);
        map->buckets = calloc(count, sizeof(struct map_node *));
        check(map->buckets);
    }
    map->bucket_count = count;
    map_each(map, node)
    {
        link_bucket(map, node);
    }
}

struct map_node *map_get(const struct map *map, struct str key)
{
    if (map->len == 0) {
        return NULL;
    }
    uint64_t hash = hash_bytes(key, 0);
    struct map_node *n = map->buckets[hash & (map->bucket_count - 1)];
    while (n && !(n->hash == hash && str_eq(n->key, key))) {
        n = n->chain;
    }
    return n;
}

void map_put(struct map *map, struct map_node *node, struct str key)
{
    if (map->len == map->bucket_count) {
        map_grow(map);
    }
    node->hash = hash_bytes(key, 0);
    node->key = key;
    link_bucket(map, node);
    list_append(&map->order, &node->order);
    map->len++;
}

void map_remove(struct map *map, struct map_node *node)
{
    struct map_node **slot = &map->buckets[node->hash & (map->bucket_count - 1)];
    while (*slot != node) {
        check(*slot);
        slot = &(*slot)->chain;
    }
    *slot = node->chain;
    list_remove(&node->order);
    map->len--;
}
