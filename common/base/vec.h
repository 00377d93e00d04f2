/* A typed array that grows in an arena: struct { T *ptr; size_t len, cap; }. Growth leaves the old
 * array to the arena, so total waste stays below the final size. */
#pragma once

#include "common/base/arena.h"

#define VEC(type)        \
    struct {             \
        type *ptr;       \
        size_t len, cap; \
    }

#define vec_push(arena, v, value)                                                           \
    do {                                                                                    \
        if ((v)->len == (v)->cap) {                                                         \
            (v)->ptr = vec_grow((arena), (v)->ptr, (v)->len, &(v)->cap, sizeof(*(v)->ptr)); \
        }                                                                                   \
        (v)->ptr[(v)->len++] = (value);                                                     \
    } while (0)

static inline void *vec_grow(
        struct arena *arena, const void *old, size_t len, size_t *cap, size_t size)
{
    size_t grown = *cap ? *cap * 2 : 8;
    void *p = arena_alloc(arena, arena_mul(size, grown), alignof(max_align_t));
    if (len) {
        memcpy(p, old, len * size);
    }
    *cap = grown;
    return p;
}
