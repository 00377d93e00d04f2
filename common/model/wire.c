/* Protobuf wire format: varints, tags, length-delimited fields; no schema. */
#include "common/model/wire.h"

static size_t varint_encode(uint64_t v, uint8_t out[10])
{
    size_t n = 0;
    while (v >= 0x80) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    return n;
}

static void put_raw_varint(struct buf *out, uint64_t v)
{
    uint8_t tmp[10];
    buf_append(out, tmp, varint_encode(v, tmp));
}

static void put_tag(struct buf *out, uint32_t field, enum wire_type type)
{
    put_raw_varint(out, (uint64_t)field << 3 | (uint64_t)type);
}

void wire_put_varint(struct buf *out, uint32_t field, uint64_t v)
{
    put_tag(out, field, WIRE_VARINT);
    put_raw_varint(out, v);
}

void wire_put_bytes(struct buf *out, uint32_t field, struct str bytes)
{
    put_tag(out, field, WIRE_LEN);
    put_raw_varint(out, bytes.len);
    buf_append_str(out, bytes);
}

void wire_put_double(struct buf *out, uint32_t field, double v)
{
    put_tag(out, field, WIRE_I64);
    buf_append(out, &v, sizeof(v)); /* little endian hosts only, as the rest of the server */
}

void wire_put_fixed32(struct buf *out, uint32_t field, uint32_t bits)
{
    put_tag(out, field, WIRE_I32);
    buf_append(out, &bits, sizeof(bits));
}

void wire_opt_varint(struct buf *out, uint32_t field, uint64_t v)
{
    if (v) {
        wire_put_varint(out, field, v);
    }
}

void wire_opt_bytes(struct buf *out, uint32_t field, struct str bytes)
{
    if (bytes.len) {
        wire_put_bytes(out, field, bytes);
    }
}

/* Timestamp and Duration share their shape: seconds = 1, nanos = 2. */
static void put_seconds_nanos(struct buf *out, uint32_t field, int64_t seconds, int64_t nanos)
{
    size_t mark = wire_begin(out, field);
    wire_opt_varint(out, 1, (uint64_t)seconds);
    wire_opt_varint(out, 2, (uint64_t)nanos);
    wire_end(out, mark);
}

void wire_put_timestamp(struct buf *out, uint32_t field, struct instant t)
{
    int64_t seconds = t.ns / 1000000000, nanos = t.ns % 1000000000;
    if (nanos < 0) {
        seconds--;
        nanos += 1000000000;
    }
    put_seconds_nanos(out, field, seconds, nanos);
}

void wire_put_duration(struct buf *out, uint32_t field, struct duration d)
{
    put_seconds_nanos(out, field, d.ns / 1000000000, d.ns % 1000000000);
}

size_t wire_begin(struct buf *out, uint32_t field)
{
    put_tag(out, field, WIRE_LEN);
    buf_append_byte(out, 0); /* the length goes here; made wider by wire_end if it must */
    return out->len;
}

void wire_end(struct buf *out, size_t mark)
{
    if (out->overflow) {
        return;
    }
    size_t len = out->len - mark;
    uint8_t tmp[10];
    size_t n = varint_encode(len, tmp);
    if (n > 1) {
        if (!buf_reserve(out, n - 1)) {
            return;
        }
        memmove(out->ptr + mark + n - 1, out->ptr + mark, len);
        out->len += n - 1;
    }
    memcpy(out->ptr + mark - 1, tmp, n);
}

static bool malformed(struct str *in)
{
    *in = (struct str){ NULL, 0 };
    return false;
}

static bool take_varint(struct str *in, uint64_t *ret)
{
    uint64_t v = 0;
    for (size_t i = 0; i < in->len && i < 10; i++) {
        uint8_t b = (uint8_t)in->ptr[i];
        if (i == 9 && b > 1) {
            return false;
        }
        v |= (uint64_t)(b & 0x7f) << (7 * i);
        if (!(b & 0x80)) {
            *in = str_drop(*in, i + 1);
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool take_fixed(struct str *in, size_t n, uint64_t *ret)
{
    if (in->len < n) {
        return false;
    }
    *ret = 0;
    memcpy(ret, in->ptr, n);
    *in = str_drop(*in, n);
    return true;
}

bool wire_next(struct str *in, struct wire_field *ret)
{
    uint64_t tag;
    if (in->len == 0) {
        return false;
    }
    if (!take_varint(in, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff) {
        return malformed(in);
    }
    struct wire_field f = { .number = (uint32_t)(tag >> 3), .type = (enum wire_type)(tag & 7) };
    bool ok = false;
    uint64_t len;
    switch ((unsigned)(tag & 7)) {
    case WIRE_VARINT:
        ok = take_varint(in, &f.varint);
        break;
    case WIRE_I64:
        ok = take_fixed(in, 8, &f.varint);
        break;
    case WIRE_I32:
        ok = take_fixed(in, 4, &f.varint);
        break;
    case WIRE_LEN:
        if (take_varint(in, &len) && len <= in->len) {
            f.bytes = str_of(in->ptr, (size_t)len);
            *in = str_drop(*in, (size_t)len);
            ok = true;
        }
        break;
    default: /* groups: not in proto3 */
        break;
    }
    if (!ok) {
        return malformed(in);
    }
    *ret = f;
    return true;
}

static bool seconds_nanos(struct str message, int64_t *seconds, int64_t *nanos)
{
    struct wire_field f;
    *seconds = *nanos = 0;
    while (wire_next(&message, &f)) {
        if (f.number == 1) {
            *seconds = (int64_t)f.varint;
        } else if (f.number == 2) {
            *nanos = (int32_t)f.varint;
        }
    }
    return wire_ok(message);
}

static int64_t to_ns(struct str message)
{
    int64_t seconds, nanos, ns;
    if (!message.ptr || !seconds_nanos(message, &seconds, &nanos)) {
        return 0;
    }
    if (__builtin_mul_overflow(seconds, (int64_t)1000000000, &ns)) {
        return seconds < 0 ? INT64_MIN : INT64_MAX;
    }
    return time_add_saturating(ns, nanos);
}

struct instant wire_timestamp(struct str message)
{
    return (struct instant){ to_ns(message) };
}

struct duration wire_duration(struct str message)
{
    return (struct duration){ to_ns(message) };
}

double wire_double(const struct wire_field *f)
{
    double v;
    memcpy(&v, &f->varint, sizeof(v));
    return v;
}
