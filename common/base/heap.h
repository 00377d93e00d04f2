/* Intrusive pairing heap ordered by (key, sequence of insertion): the earliest key first, equal
 * keys in insertion order, which keeps timers deterministic. No memory of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    struct heap_node *child, *next, *prev; /* prev: left sibling, or the parent for a first child */
    int64_t key;
    uint64_t seq;
    bool linked;
};

struct heap {
    struct heap_node *root;
    uint64_t next_seq;
    size_t len;
};

/* A zeroed struct heap is a valid empty heap; a zeroed node is not linked. */
void heap_insert(struct heap *heap, struct heap_node *node, int64_t key);
/* Removing a node that is not linked does nothing. */
void heap_remove(struct heap *heap, struct heap_node *node);

static inline struct heap_node *heap_min(const struct heap *heap)
{
    return heap->root;
}
