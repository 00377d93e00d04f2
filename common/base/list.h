/* Intrusive doubly linked list. A node embedded in its owner; a zeroed node is "not in a list". */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/base/check.h"

struct list_node {
    struct list_node *prev, *next;
};

struct list {
    struct list_node head; /* circular; head.next is the first */
};

static inline void list_init(struct list *list)
{
    list->head.prev = list->head.next = &list->head;
}

static inline bool list_empty(const struct list *list)
{
    return list->head.next == &list->head || list->head.next == NULL;
}

static inline bool list_linked(const struct list_node *node)
{
    return node->next != NULL;
}

static inline void list_insert_before(struct list_node *at, struct list_node *node)
{
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}

static inline void list_append(struct list *list, struct list_node *node)
{
    list_insert_before(&list->head, node);
}

static inline void list_prepend(struct list *list, struct list_node *node)
{
    list_insert_before(list->head.next, node);
}

/* Unlinking a node that is in no list does nothing. */
static inline void list_remove(struct list_node *node)
{
    if (node->next) {
        node->prev->next = node->next;
        node->next->prev = node->prev;
        node->prev = node->next = NULL;
    }
}

static inline struct list_node *list_first(const struct list *list)
{
    return list_empty(list) ? NULL : list->head.next;
}

static inline struct list_node *list_pop(struct list *list)
{
    struct list_node *n = list_first(list);
    if (n) {
        list_remove(n);
    }
    return n;
}

static inline struct list_node *list_next(const struct list *list, const struct list_node *node)
{
    return node->next == &list->head ? NULL : node->next;
}

#define list_entry(node, type, member) container_of(node, type, member)
/* Safe against removal of the current node. */
#define list_each(list, node)                                                                 \
    for (struct list_node *node = (list)->head.next, *node##_next = node ? node->next : NULL; \
            node && node != &(list)->head; node = node##_next, node##_next = node->next)
