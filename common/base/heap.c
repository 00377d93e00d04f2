/* Pairing heap: O(1) insert, O(log n) amortised removal. */
#include "common/base/heap.h"

#include "common/base/check.h"

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->seq < b->seq;
}

/* Both are roots without siblings; either may be NULL. */
static struct heap_node *meld(struct heap_node *a, struct heap_node *b)
{
    if (!a || !b) {
        return a ? a : b;
    }
    if (before(b, a)) {
        struct heap_node *t = a;
        a = b;
        b = t;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child) {
        a->child->prev = b;
    }
    a->child = b;
    return a;
}

/* Melds the siblings pairwise left to right, then the pairs right to left. */
static struct heap_node *merge_pairs(struct heap_node *first)
{
    struct heap_node *pairs = NULL;
    while (first) {
        struct heap_node *a = first, *b = first->next;
        first = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b) {
            b->next = b->prev = NULL;
        }
        struct heap_node *pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    struct heap_node *root = NULL;
    while (pairs) {
        struct heap_node *next = pairs->next;
        pairs->next = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

void heap_insert(struct heap *heap, struct heap_node *node, int64_t key)
{
    check(!node->linked);
    *node = (struct heap_node){ .key = key, .seq = heap->next_seq++, .linked = true };
    heap->root = meld(heap->root, node);
    heap->len++;
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (!node->linked) {
        return;
    }
    if (node == heap->root) {
        heap->root = merge_pairs(node->child);
    } else {
        if (node->prev->child == node) {
            node->prev->child = node->next;
        } else {
            node->prev->next = node->next;
        }
        if (node->next) {
            node->next->prev = node->prev;
        }
        node->next = node->prev = NULL;
        heap->root = meld(heap->root, merge_pairs(node->child));
    }
    if (heap->root) {
        heap->root->prev = heap->root->next = NULL;
    }
    node->child = node->next = node->prev = NULL;
    node->linked = false;
    heap->len--;
}
