/* Region allocator: a chain of malloc'd blocks, bump allocation in the newest. In AddressSanitizer
 * builds each allocation is its own block, so that overflows and use after reset are caught. */
#include "common/base/arena.h"

#include <stdint.h>
#include <stdlib.h>

#include "common/base/check.h"

struct arena_block {
    struct arena_block *next;
    size_t size; /* usable bytes behind this header */
    alignas(max_align_t) char data[];
};

enum { BLOCK_MIN = 2048, BLOCK_MAX = 256 * 1024 };

void arena_init(struct arena *arena, size_t cap)
{
    *arena = (struct arena){ .cap = cap };
}

void arena_deinit(struct arena *arena)
{
    struct arena_block *b = arena->head;
    while (b) {
        struct arena_block *next = b->next;
        free(b);
        b = next;
    }
    *arena = (struct arena){ .cap = arena->cap };
}

void arena_reset(struct arena *arena)
{
#if defined(__SANITIZE_ADDRESS__)
    arena_deinit(arena);
#else
    struct arena_block *keep = arena->head;
    if (!keep || keep->size > BLOCK_MAX) {
        arena_deinit(arena);
        return;
    }
    struct arena rest = { .head = keep->next };
    arena_deinit(&rest);
    keep->next = NULL;
    arena->at = keep->data;
    arena->end = keep->data + keep->size;
    arena->total = keep->size;
#endif
}

static size_t next_block_size(const struct arena *arena, size_t need)
{
#if defined(__SANITIZE_ADDRESS__)
    return need;
#else
    size_t size = arena->head ? arena->head->size * 2 : BLOCK_MIN;
    size = size > BLOCK_MAX ? BLOCK_MAX : size < BLOCK_MIN ? BLOCK_MIN : size;
    return size < need ? need : size;
#endif
}

void *arena_alloc_slow(struct arena *arena, size_t size, size_t align)
{
    check(align <= alignof(max_align_t) && size < SIZE_MAX / 2);
    size_t block_size = next_block_size(arena, size);
    check(!arena->cap || arena->total + block_size <= arena->cap + BLOCK_MAX);
    struct arena_block *b = malloc(sizeof(*b) + block_size);
    check(b);
    b->size = block_size;
    arena->total += block_size;
    b->next = arena->head;
    arena->head = b;
    arena->at = b->data + size;
    arena->end = b->data + block_size;
    return b->data;
}

size_t arena_mul(size_t size, size_t n)
{
    size_t total;
    check(!__builtin_mul_overflow(size, n, &total));
    return total;
}
