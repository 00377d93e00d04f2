/* Memory by lifetime: everything allocated from an arena is freed at once, when the arena is reset
 * or deinitialised. Not thread-safe: an arena belongs to one lane. Out of memory aborts; a cap
 * bounds what one lifetime may take (passing the cap is our mistake, peers' sizes are bounded
 * before). */
#pragma once

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct arena_block;

struct arena {
    struct arena_block *head; /* newest block, allocation goes here */
    char *at, *end;           /* free range of the newest block */
    size_t total;             /* bytes of all blocks, for accounting */
    size_t cap;               /* 0: none */
};

/* A zeroed struct arena is a valid empty arena. */
void arena_init(struct arena *arena, size_t cap);
void arena_deinit(struct arena *arena);
/* Empty, keeping one block for reuse. */
void arena_reset(struct arena *arena);

void *arena_alloc_slow(struct arena *arena, size_t size, size_t align);

/* Uninitialised memory; size 0 gives a valid unique-enough pointer. Never NULL. */
static inline void *arena_alloc(struct arena *arena, size_t size, size_t align)
{
#if !defined(__SANITIZE_ADDRESS__)
    size_t pad = (size_t)(-(size_t)arena->at) & (align - 1);
    if (arena->at && size <= (size_t)(arena->end - arena->at) &&
            pad <= (size_t)(arena->end - arena->at) - size) {
        char *p = arena->at + pad;
        arena->at = p + size;
        return p;
    }
#endif
    return arena_alloc_slow(arena, size, align);
}

static inline void *arena_zalloc(struct arena *arena, size_t size, size_t align)
{
    return memset(arena_alloc(arena, size, align), 0, size);
}

/* A zeroed array of n things; the product is checked for overflow. */
#define NEW(arena, type, n) \
    ((type *)arena_zalloc((arena), arena_mul(sizeof(type), (size_t)(n)), alignof(type)))

size_t arena_mul(size_t size, size_t n);
