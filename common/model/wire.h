/* The protobuf wire format, pure: writing into a buf and scanning borrowed bytes, field by field.
 * For the few messages that the engine itself reads and writes (history events, failures,
 * commands); requests and responses go through the generated codec. */
#pragma once

#include "common/base/buf.h"
#include "common/base/time.h"

enum wire_type { WIRE_VARINT = 0, WIRE_I64 = 1, WIRE_LEN = 2, WIRE_I32 = 5 };

/* --- writing; errors show in buf->overflow --- */
void wire_put_varint(
        struct buf *out, uint32_t field, uint64_t v); /* also enums and bools; writes zeros too */
void wire_put_bytes(
        struct buf *out, uint32_t field, struct str bytes); /* also strings and messages */
void wire_put_double(struct buf *out, uint32_t field, double v);
void wire_put_fixed32(
        struct buf *out, uint32_t field, uint32_t bits); /* also the bits of a float */
/* proto3 presence: nothing is written for zero or empty. */
void wire_opt_varint(struct buf *out, uint32_t field, uint64_t v);
void wire_opt_bytes(struct buf *out, uint32_t field, struct str bytes);
/* google.protobuf.Timestamp and Duration. */
void wire_put_timestamp(struct buf *out, uint32_t field, struct instant t);
void wire_put_duration(struct buf *out, uint32_t field, struct duration d);

/* A sub-message written in place: begin, write its fields to the same buf, end. Nestable. */
size_t wire_begin(struct buf *out, uint32_t field);
void wire_end(struct buf *out, size_t mark);

/* --- scanning --- */
struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t varint;  /* also I64 and I32 bits */
    struct str bytes; /* LEN */
};

/* Takes the next field off the front of *in. False at the end, or when the bytes are malformed:
 * then in->ptr becomes NULL. A caller that must tell them apart tests in->ptr after the loop. */
bool wire_next(struct str *in, struct wire_field *ret);

static inline bool wire_ok(struct str in)
{
    return in.ptr != NULL;
}

struct instant wire_timestamp(struct str message); /* {0} when malformed or absent */
struct duration wire_duration(struct str message);
double wire_double(const struct wire_field *f);
