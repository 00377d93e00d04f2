/* zlib's door. Responsible for bounded inflation: output is made in small steps and stops at the buffer's
 * maximum, whatever the input claims. */
#include "frontend/grpc/gzip.h"

#include <stdlib.h>
#include <zlib.h>

enum { STEP = 16 << 10, GZIP_WINDOW = 15 + 16, MEMORY_LEVEL = 8 };

struct gzip {
    z_stream in, out;
    bool has_in, has_out;
};

struct gzip *gzip_new(void)
{
    struct gzip *g = calloc(1, sizeof(*g));
    check(g);
    return g;
}

void gzip_free(struct gzip *gzip)
{
    if (gzip) {
        if (gzip->has_in) {
            inflateEnd(&gzip->in);
        }
        if (gzip->has_out) {
            deflateEnd(&gzip->out);
        }
        free(gzip);
    }
}

/* Room for the next step: STEP bytes, or what is left below the maximum. */
static size_t reserve_step(struct buf *out, char **to)
{
    size_t room = out->max - out->len < STEP ? out->max - out->len : STEP;
    *to = buf_reserve(out, room);
    return room;
}

enum gzip_result gzip_inflate(struct gzip *gzip, struct str in, struct buf *out)
{
    z_stream *z = &gzip->in;
    check(in.len <= UINT32_MAX);
    check((gzip->has_in ? inflateReset(z) : inflateInit2(z, GZIP_WINDOW)) == Z_OK);
    gzip->has_in = true;
    z->next_in = (Bytef *)(uintptr_t)in.ptr;
    z->avail_in = (uInt)in.len;
    for (;;) {
        char *to;
        size_t room = reserve_step(out, &to);
        char spare[1]; /* at the maximum: anything more is too much */
        z->next_out = (Bytef *)(room ? to : spare);
        z->avail_out = room ? (uInt)room : 1;
        int rc = inflate(z, Z_NO_FLUSH);
        size_t got = room ? room - z->avail_out : 1 - z->avail_out;
        if (!room && got) {
            return GZIP_TOO_LARGE;
        }
        out->len += got;
        if (rc == Z_STREAM_END) {
            if (z->avail_in == 0) {
                return GZIP_OK;
            }
            check(inflateReset(z) == Z_OK); /* another member follows */
        } else if (rc != Z_OK || (z->avail_in == 0 && z->avail_out != 0)) {
            return GZIP_BAD;
        }
    }
}

bool gzip_deflate(struct gzip *gzip, struct str in, struct buf *out)
{
    z_stream *z = &gzip->out;
    check(in.len <= UINT32_MAX);
    check((gzip->has_out ? deflateReset(z)
                         : deflateInit2(z, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, MEMORY_LEVEL,
                                   Z_DEFAULT_STRATEGY)) == Z_OK);
    gzip->has_out = true;
    z->next_in = (Bytef *)(uintptr_t)in.ptr;
    z->avail_in = (uInt)in.len;
    for (;;) {
        char *to;
        size_t room = reserve_step(out, &to);
        if (!room) {
            return false;
        }
        z->next_out = (Bytef *)to;
        z->avail_out = (uInt)room;
        int rc = deflate(z, Z_FINISH);
        out->len += room - z->avail_out;
        if (rc == Z_STREAM_END) {
            return true;
        }
    }
}
