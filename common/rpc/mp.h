/* The msgpack bytes of internal messages: writers append to a buf (errors show in buf->overflow), a reader is
 * a cursor over borrowed bytes whose failure sticks, so that only the end of a message is tested. A failed
 * reader returns zeros. */
#pragma once

#include "common/base/buf.h"

void mp_put_uint(struct buf *out, uint64_t v);
void mp_put_int(struct buf *out, int64_t v);
void mp_put_bool(struct buf *out, bool v);
void mp_put_double(struct buf *out, double v);
void mp_put_bin(struct buf *out, struct str bytes);
void mp_put_array(struct buf *out, size_t n);

struct mp_reader {
    const uint8_t *at, *end;
    bool failed;
};

static inline struct mp_reader mp_reader(struct str bytes)
{
    const uint8_t *at = (const uint8_t *)bytes.ptr;
    return (struct mp_reader){ at, at ? at + bytes.len : at, false };
}
static inline size_t mp_left(const struct mp_reader *r)
{
    return r->failed ? 0 : (size_t)(r->end - r->at);
}
static inline bool mp_failed(const struct mp_reader *r)
{
    return r->failed;
}
static inline void mp_set_failed(struct mp_reader *r)
{
    r->failed = true;
}

/* A number outside of the range fails. */
uint64_t mp_get_uint(struct mp_reader *r, uint64_t max);
int64_t mp_get_int(struct mp_reader *r, int64_t min, int64_t max);
bool mp_get_bool(struct mp_reader *r);
double mp_get_double(struct mp_reader *r);
/* Bin or str; borrowed from the bytes that are read. */
struct str mp_get_bin(struct mp_reader *r);
/* The count of elements that follow; at most as many as there are bytes left. */
size_t mp_get_array(struct mp_reader *r);
/* Passes over one value of any kind. */
void mp_skip(struct mp_reader *r);
