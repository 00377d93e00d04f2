/* Size classes: four steps per doubling, from 32 bytes on, so that at most a quarter is wasted. Under
 * AddressSanitizer freed memory is poisoned until it is given out again. */
#include "matching/engine/pool.h"

#include <stdalign.h>

#include "common/base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

static size_t class_size(unsigned class)
{
    return (size_t)(4 + class % 4) << (3 + class / 4);
}

static unsigned class_of(size_t size)
{
    unsigned class = 0;
    if (size > 32) {
        unsigned log2 = 63 - (unsigned)__builtin_clzl(size - 1); /* >= 5 */
        class = (log2 - 5) * 4 + (unsigned)((size - 1) >> (log2 - 2)) - 4 + 1;
    }
    check(size <= POOL_SIZE_MAX && class < POOL_CLASSES && class_size(class) >= size);
    return class;
}

void pool_deinit(struct pool *pool)
{
    for (unsigned c = 0; c < POOL_CLASSES; c++) {
        pool->classes[c] = NULL;
    }
    arena_deinit(&pool->arena);
    pool->used = 0;
}

void *pool_alloc(struct pool *pool, size_t size)
{
    unsigned class = class_of(size);
    size_t full = class_size(class);
    pool->used += full;
    struct pool_free *p = pool->classes[class];
    if (!p) {
        return arena_zalloc(&pool->arena, full, alignof(max_align_t));
    }
    ASAN_UNPOISON_MEMORY_REGION(p, full);
    pool->classes[class] = p->next;
    return memset(p, 0, full);
}

void pool_free(struct pool *pool, void *ptr, size_t size)
{
    unsigned class = class_of(size);
    size_t full = class_size(class);
    check(pool->used >= full);
    pool->used -= full;
    struct pool_free *p = ptr;
    p->next = pool->classes[class];
    pool->classes[class] = p;
    ASAN_POISON_MEMORY_REGION((char *)ptr + sizeof(*p), full - sizeof(*p));
}
