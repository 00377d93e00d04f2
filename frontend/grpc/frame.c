/* Cuts a byte stream into messages. Responsible for the announced size never costing memory; leaves
 * decompression and the meaning of errors to call.c. */
#include "frontend/grpc/frame.h"

#include <stdlib.h>

#include "common/base/check.h"

enum { BODY_MIN = 512 };

static void grow(struct frame_reader *r, uint32_t need)
{
    if (need <= r->cap) {
        return;
    }
    uint64_t cap = r->cap ? (uint64_t)r->cap * 2 : BODY_MIN;
    cap = cap < need ? need : cap;
    cap = cap > r->size ? r->size : cap;
    r->body = realloc(r->body, cap);
    check(r->body);
    r->cap = (uint32_t)cap;
}

enum frame_result frame_feed(struct frame_reader *reader, struct str *in, uint32_t max)
{
    struct frame_reader *r = reader;
    while (r->prefix_len < FRAME_PREFIX) {
        if (in->len == 0) {
            return FRAME_MORE;
        }
        r->prefix[r->prefix_len++] = (uint8_t)in->ptr[0];
        *in = str_drop(*in, 1);
        if (r->prefix_len == FRAME_PREFIX) {
            r->size = (uint32_t)r->prefix[1] << 24 | (uint32_t)r->prefix[2] << 16 |
                      (uint32_t)r->prefix[3] << 8 | r->prefix[4];
        }
    }
    if (r->prefix[0] > 1) {
        return FRAME_BAD;
    }
    if (r->size > max) {
        return FRAME_TOO_LARGE;
    }
    uint32_t n = r->size - r->len;
    n = in->len < n ? (uint32_t)in->len : n;
    if (n) {
        grow(r, r->len + n);
        memcpy(r->body + r->len, in->ptr, n);
        r->len += n;
        *in = str_drop(*in, n);
    }
    return r->len == r->size ? FRAME_MESSAGE : FRAME_MORE;
}

void frame_next(struct frame_reader *reader)
{
    reader->prefix_len = 0;
    reader->len = reader->size = 0;
}

void frame_free(struct frame_reader *reader)
{
    free(reader->body);
    *reader = (struct frame_reader){ 0 };
}

void frame_write_prefix(char to[FRAME_PREFIX], bool is_compressed, uint32_t len)
{
    to[0] = is_compressed;
    to[1] = (char)(len >> 24);
    to[2] = (char)(len >> 16);
    to[3] = (char)(len >> 8);
    to[4] = (char)len;
}
