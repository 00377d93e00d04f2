/* Equal-sized objects, reused: taken from a process-long arena, given back to a free list. */
#pragma once

#include "common/base/arena.h"

struct pool_free {
    struct pool_free *next;
};

struct pool {
    struct arena *arena;
    struct pool_free *free;
    size_t in_use;
};

static inline void *pool_get(struct pool *pool, size_t size, size_t align)
{
    pool->in_use++;
    struct pool_free *f = pool->free;
    if (!f) {
        return arena_zalloc(pool->arena, size, align);
    }
    pool->free = f->next;
    return memset(f, 0, size);
}

static inline void pool_put(struct pool *pool, void *object)
{
    struct pool_free *f = object;
    f->next = pool->free;
    pool->free = f;
    pool->in_use--;
}

/* A zeroed object. */
#define POOL_NEW(pool, type) ((type *)pool_get((pool), sizeof(type), alignof(type)))
