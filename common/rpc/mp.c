/* Msgpack for internal messages, the only file that sees msgpack-c: its packer writes, in shortest form. Reading is a
 * cursor of our own: the library's unpacker reserves memory by the counts that a message announces, and copies. Knows
 * nothing of the messages. */
#include "common/rpc/mp.h"

#include <string.h>

#include <msgpack/pack.h>

enum {
    MP_NIL = 0xc0,
    MP_FALSE = 0xc2,
    MP_TRUE = 0xc3,
    MP_BIN8 = 0xc4,
    MP_EXT8 = 0xc7,
    MP_FLOAT32 = 0xca,
    MP_FLOAT64 = 0xcb,
    MP_UINT8 = 0xcc,
    MP_INT8 = 0xd0,
    MP_FIXEXT1 = 0xd4,
    MP_STR8 = 0xd9,
    MP_ARRAY16 = 0xdc,
    MP_MAP16 = 0xde,
};

/* ---- writing: msgpack-c's packer over a buf --------------------------------------------------------------- */

static int write_to_buf(void *arg, const char *bytes, size_t n)
{
    return buf_append(arg, bytes, n) ? 0 : -1; /* the buf remembers the overflow */
}

static msgpack_packer packer(struct buf *out)
{
    msgpack_packer p;
    msgpack_packer_init(&p, out, write_to_buf);
    return p;
}

void mp_put_uint(struct buf *out, uint64_t v)
{
    msgpack_packer p = packer(out);
    msgpack_pack_uint64(&p, v);
}

void mp_put_int(struct buf *out, int64_t v)
{
    msgpack_packer p = packer(out);
    msgpack_pack_int64(&p, v);
}

void mp_put_bool(struct buf *out, bool v)
{
    msgpack_packer p = packer(out);
    if (v) {
        msgpack_pack_true(&p);
    } else {
        msgpack_pack_false(&p);
    }
}

void mp_put_double(struct buf *out, double v)
{
    msgpack_packer p = packer(out);
    msgpack_pack_double(&p, v);
}

void mp_put_bin(struct buf *out, struct str bytes)
{
    msgpack_packer p = packer(out);
    check(bytes.len <= UINT32_MAX);
    msgpack_pack_bin(&p, bytes.len);
    msgpack_pack_bin_body(&p, bytes.len ? bytes.ptr : "", bytes.len);
}

void mp_put_array(struct buf *out, size_t n)
{
    msgpack_packer p = packer(out);
    check(n <= UINT32_MAX);
    msgpack_pack_array(&p, n);
}

/* ---- reading ------------------------------------------------------------------------------------------ */

static const uint8_t *take(struct mp_reader *r, size_t n)
{
    if (n > mp_left(r)) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->at;
    r->at += n;
    return p;
}

static uint64_t take_number(struct mp_reader *r, size_t n)
{
    const uint8_t *p = take(r, n);
    uint64_t v = 0;
    for (size_t i = 0; p && i < n; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

static int take_tag(struct mp_reader *r)
{
    const uint8_t *p = take(r, 1);
    return p ? *p : -1;
}

/* Any integer as sign and bits. */
static uint64_t get_integer(struct mp_reader *r, bool *negative)
{
    int tag = take_tag(r);
    *negative = false;
    if (tag >= 0 && tag < 0x80) {
        return (uint64_t)tag;
    }
    if (tag >= 0xe0) {
        *negative = true;
        return (uint64_t)(int64_t)(int8_t)tag;
    }
    if (tag >= MP_UINT8 && tag < MP_UINT8 + 4) {
        return take_number(r, (size_t)1 << (tag - MP_UINT8));
    }
    if (tag >= MP_INT8 && tag < MP_INT8 + 4) {
        size_t n = (size_t)1 << (tag - MP_INT8);
        uint64_t v = take_number(r, n);
        uint64_t sign = (uint64_t)1 << (8 * n - 1);
        *negative = (v & sign) != 0;
        return (v ^ sign) - sign; /* sign-extended */
    }
    r->failed = true;
    return 0;
}

uint64_t mp_get_uint(struct mp_reader *r, uint64_t max)
{
    bool negative;
    uint64_t v = get_integer(r, &negative);
    if (negative || v > max) {
        r->failed = true;
    }
    return r->failed ? 0 : v;
}

int64_t mp_get_int(struct mp_reader *r, int64_t min, int64_t max)
{
    bool negative;
    uint64_t bits = get_integer(r, &negative);
    int64_t v = (int64_t)bits;
    if ((!negative && bits > INT64_MAX) || v < min || v > max) {
        r->failed = true;
    }
    return r->failed ? 0 : v;
}

bool mp_get_bool(struct mp_reader *r)
{
    int tag = take_tag(r);
    if (tag != MP_TRUE && tag != MP_FALSE) {
        r->failed = true;
    }
    return tag == MP_TRUE;
}

double mp_get_double(struct mp_reader *r)
{
    if (take_tag(r) != MP_FLOAT64) {
        r->failed = true;
    }
    uint64_t bits = take_number(r, 8);
    double v;
    memcpy(&v, &bits, sizeof(v));
    return r->failed ? 0 : v;
}

struct str mp_get_bin(struct mp_reader *r)
{
    int tag = take_tag(r);
    size_t n = 0;
    if (tag >= 0xa0 && tag < 0xc0) {
        n = (size_t)tag & 0x1f;
    } else if (tag >= MP_BIN8 && tag < MP_BIN8 + 3) {
        n = take_number(r, (size_t)1 << (tag - MP_BIN8));
    } else if (tag >= MP_STR8 && tag < MP_STR8 + 3) {
        n = take_number(r, (size_t)1 << (tag - MP_STR8));
    } else {
        r->failed = true;
    }
    const uint8_t *p = take(r, n);
    return p ? str_of(p, n) : str_of("", 0);
}

size_t mp_get_array(struct mp_reader *r)
{
    int tag = take_tag(r);
    size_t n = 0;
    if (tag >= 0x90 && tag < 0xa0) {
        n = (size_t)tag & 0xf;
    } else if (tag == MP_ARRAY16 || tag == MP_ARRAY16 + 1) {
        n = take_number(r, tag == MP_ARRAY16 ? 2 : 4);
    } else {
        r->failed = true;
    }
    if (n > mp_left(r)) {
        r->failed = true;
    }
    return r->failed ? 0 : n;
}

/* What follows a tag: raw bytes to pass over, and values nested in it. */
static size_t skip_one(struct mp_reader *r)
{
    int tag = take_tag(r);
    if (tag < 0x80 || tag >= 0xe0 || tag == MP_NIL || tag == MP_FALSE || tag == MP_TRUE) {
        return 0;
    }
    if (tag < 0x90) {
        return 2 * ((size_t)tag & 0xf);
    }
    if (tag < 0xa0) {
        return (size_t)tag & 0xf;
    }
    if (tag < 0xc0) {
        take(r, (size_t)tag & 0x1f);
    } else if (tag >= MP_BIN8 && tag < MP_EXT8) {
        take(r, take_number(r, (size_t)1 << (tag - MP_BIN8)));
    } else if (tag >= MP_EXT8 && tag < MP_FLOAT32) {
        take(r, take_number(r, (size_t)1 << (tag - MP_EXT8)) + 1);
    } else if (tag == MP_FLOAT32 || tag == MP_FLOAT64) {
        take(r, tag == MP_FLOAT32 ? 4 : 8);
    } else if (tag >= MP_UINT8 && tag < MP_FIXEXT1) {
        take(r, (size_t)1 << ((tag - MP_UINT8) & 3));
    } else if (tag >= MP_FIXEXT1 && tag < MP_STR8) {
        take(r, ((size_t)1 << (tag - MP_FIXEXT1)) + 1);
    } else if (tag >= MP_STR8 && tag < MP_ARRAY16) {
        take(r, take_number(r, (size_t)1 << (tag - MP_STR8)));
    } else if (tag >= MP_ARRAY16 && tag < MP_MAP16) {
        return take_number(r, tag == MP_ARRAY16 ? 2 : 4);
    } else if (tag >= MP_MAP16) {
        return 2 * take_number(r, tag == MP_MAP16 ? 2 : 4);
    } else {
        r->failed = true; /* 0xc1 is never used */
    }
    return 0;
}

void mp_skip(struct mp_reader *r)
{
    /* No stack is needed: nested values are only counted. A forged count ends at the end of the bytes. */
    uint64_t open = 1;
    while (open > 0 && !r->failed) {
        open += skip_one(r);
        open--;
    }
}
