/* Msgpack for internal messages: the subset that they use, written in shortest form and read in any form.
 * Knows nothing of the messages. */
#include "common/rpc/mp.h"

#include <string.h>

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

/* ---- writing: a first byte, then n bytes of v, the highest first ---------------------------------------- */

static void put_tagged(struct buf *out, uint8_t tag, uint64_t v, unsigned n)
{
    uint8_t b[9] = { tag };
    for (unsigned i = 0; i < n; i++) {
        b[1 + i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    }
    buf_append(out, b, 1 + n);
}

void mp_put_uint(struct buf *out, uint64_t v)
{
    if (v < 128) {
        put_tagged(out, (uint8_t)v, 0, 0);
    } else if (v <= UINT8_MAX) {
        put_tagged(out, MP_UINT8, v, 1);
    } else if (v <= UINT16_MAX) {
        put_tagged(out, MP_UINT8 + 1, v, 2);
    } else if (v <= UINT32_MAX) {
        put_tagged(out, MP_UINT8 + 2, v, 4);
    } else {
        put_tagged(out, MP_UINT8 + 3, v, 8);
    }
}

void mp_put_int(struct buf *out, int64_t v)
{
    if (v >= 0) {
        mp_put_uint(out, (uint64_t)v);
    } else if (v >= -32) {
        put_tagged(out, (uint8_t)v, 0, 0);
    } else if (v >= INT8_MIN) {
        put_tagged(out, MP_INT8, (uint64_t)v, 1);
    } else if (v >= INT16_MIN) {
        put_tagged(out, MP_INT8 + 1, (uint64_t)v, 2);
    } else if (v >= INT32_MIN) {
        put_tagged(out, MP_INT8 + 2, (uint64_t)v, 4);
    } else {
        put_tagged(out, MP_INT8 + 3, (uint64_t)v, 8);
    }
}

void mp_put_bool(struct buf *out, bool v)
{
    buf_append_byte(out, v ? MP_TRUE : MP_FALSE);
}

void mp_put_double(struct buf *out, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    put_tagged(out, MP_FLOAT64, bits, 8);
}

void mp_put_bin(struct buf *out, struct str bytes)
{
    check(bytes.len <= UINT32_MAX);
    if (bytes.len <= UINT8_MAX) {
        put_tagged(out, MP_BIN8, bytes.len, 1);
    } else if (bytes.len <= UINT16_MAX) {
        put_tagged(out, MP_BIN8 + 1, bytes.len, 2);
    } else {
        put_tagged(out, MP_BIN8 + 2, bytes.len, 4);
    }
    buf_append_str(out, bytes);
}

void mp_put_array(struct buf *out, size_t n)
{
    check(n <= UINT32_MAX);
    if (n < 16) {
        put_tagged(out, (uint8_t)(0x90 | n), 0, 0);
    } else if (n <= UINT16_MAX) {
        put_tagged(out, MP_ARRAY16, n, 2);
    } else {
        put_tagged(out, MP_ARRAY16 + 1, n, 4);
    }
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
