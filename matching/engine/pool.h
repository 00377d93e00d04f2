/* Memory for the engine's long-lived things of different sizes: free lists by size class over one arena. What is
 * freed is used again for the same class and returned to the system with the pool. Sizes up to POOL_SIZE_MAX. */
#pragma once

#include "common/base/arena.h"

enum { POOL_SIZE_MAX = 8192, POOL_CLASSES = 40 };

struct pool_free {
    struct pool_free *next;
};

struct pool {
    struct arena arena;
    struct pool_free *classes[POOL_CLASSES];
    size_t used; /* bytes given out, rounded to their classes */
};

/* A zeroed pool is empty and valid. */
void pool_deinit(struct pool *pool);
/* Zeroed memory. */
void *pool_alloc(struct pool *pool, size_t size);
/* The size must be the one that was asked for. */
void pool_free(struct pool *pool, void *ptr, size_t size);
