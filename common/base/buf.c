/* Growable byte buffer; the only state is its memory. */
#include "common/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/arena.h"

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){ .max = max };
}

void buf_init_arena(struct buf *buf, struct arena *arena, size_t max)
{
    *buf = (struct buf){ .max = max, .arena = arena };
}

void buf_deinit(struct buf *buf)
{
    if (!buf->arena) {
        free(buf->ptr);
    }
    *buf = (struct buf){ .max = buf->max, .arena = buf->arena };
}

static void buf_grow(struct buf *buf, size_t cap)
{
    char *grown;
    if (buf->arena) {
        grown = arena_alloc(buf->arena, cap, 1);
        if (buf->len) {
            memcpy(grown, buf->ptr, buf->len);
        }
    } else {
        grown = realloc(buf->ptr, cap);
        check(grown);
    }
    buf->ptr = grown;
    buf->cap = cap;
}

char *buf_reserve(struct buf *buf, size_t n)
{
    if (n > buf->max || buf->len > buf->max - n) {
        buf->overflow = true;
        return NULL;
    }
    if (buf->cap - buf->len < n || !buf->ptr) {
        size_t cap = buf->cap ? buf->cap : 256;
        while (cap < buf->len + n) {
            cap *= 2;
        }
        buf_grow(buf, cap);
    }
    return buf->ptr + buf->len;
}

bool buf_append(struct buf *buf, const void *bytes, size_t n)
{
    char *at = buf_reserve(buf, n);
    if (!at) {
        return false;
    }
    if (n) {
        memcpy(at, bytes, n);
    }
    buf->len += n;
    return true;
}

bool buf_append_str(struct buf *buf, struct str s)
{
    return buf_append(buf, s.ptr, s.len);
}

bool buf_append_byte(struct buf *buf, uint8_t b)
{
    return buf_append(buf, &b, 1);
}

bool buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0) {
        return false;
    }
    char *at = buf_reserve(buf, (size_t)n + 1);
    if (!at) {
        return false;
    }
    va_start(args, fmt);
    vsnprintf(at, (size_t)n + 1, fmt, args);
    va_end(args);
    buf->len += (size_t)n;
    return true;
}

void buf_consume(struct buf *buf, size_t n)
{
    check(n <= buf->len);
    buf->len -= n;
    if (buf->len) {
        memmove(buf->ptr, buf->ptr + n, buf->len);
    }
}
