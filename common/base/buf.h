/* Growable bytes with a mandatory maximum. Owns heap memory, to be freed with buf_deinit, or grows
 * in an arena (the pure engines' way) and is never freed by itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/check.h"
#include "common/base/str.h"

struct buf {
    char *ptr; /* owned, or in the arena */
    size_t len, cap;
    struct arena *arena; /* NULL: heap */
    size_t max;          /* bytes; reaching it makes appends fail and sets overflow */
    bool overflow;
};

void buf_init(struct buf *buf, size_t max);
void buf_init_arena(struct buf *buf, struct arena *arena, size_t max);
void buf_deinit(struct buf *buf);
/* Empty, keep memory, clear overflow. */
static inline void buf_reset(struct buf *buf)
{
    buf->len = 0;
    buf->overflow = false;
}

/* Makes room for n more bytes and returns where they go, or NULL past the maximum. */
char *buf_reserve(struct buf *buf, size_t n);
/* Appends; on overflow nothing is written, the flag is set and false is returned. A chain of
 * appends may ignore the results and test buf->overflow at the end. */
bool buf_append(struct buf *buf, const void *bytes, size_t n);
bool buf_append_str(struct buf *buf, struct str s);
bool buf_append_byte(struct buf *buf, uint8_t b);
bool buf_printf(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Drops n bytes from the front. */
void buf_consume(struct buf *buf, size_t n);

static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){ buf->ptr ? buf->ptr : "", buf->len };
}
