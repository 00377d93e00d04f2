/* Messages of the view between wire form and C structs. Everything decoded or encoded lives in the
 * given arena; the input may go away after the call. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/time.h"
#include "proto/google.pb-c.h"

/* What one decode may take from the arena: a message of many tiny parts grows when it is decoded.
 * The caller bounds the size of the bytes themselves. */
enum { API_DECODE_MEMORY_MAX = 64 * 1024 * 1024 };

/* The decoded message, or NULL with ERR_INVALID_ARGUMENT and the path of the offending field in f
 * (may be NULL). Stricter than protobuf: text must be UTF-8 without NUL characters, a declared
 * field must have its declared wire type, and a single sub-message may not come in two parts.
 * Unknown fields are accepted. Bytes fields, carried messages among them, are not looked into. */
void *api_decode(const ProtobufCMessageDescriptor *type, struct arena *arena, struct str bytes,
        struct fail *f) __attribute__((warn_unused_result));

/* The wire form; empty for a message without content. */
struct str api_encode(struct arena *arena, const ProtobufCMessage *message);
/* Appends the wire form; false when the buffer's maximum does not allow it (nothing is written
 * then). */
bool api_encode_to(struct buf *out, const ProtobufCMessage *message);

/* A fresh message with default values. */
void *api_new(struct arena *arena, const ProtobufCMessageDescriptor *type);

/* Bytes fields and text fields as str and back. A str that becomes text is copied for its NUL. */
static inline struct str api_bytes(ProtobufCBinaryData data)
{
    return str_of(data.len ? (const char *)data.data : "", data.len);
}

static inline ProtobufCBinaryData api_data(struct str s)
{
    return (ProtobufCBinaryData){ s.len, (uint8_t *)(uintptr_t)s.ptr };
}

/* {0} for an absent one; out of range values go to the nearest instant that can be told. */
struct instant api_instant(const Api__Timestamp *timestamp);
/* NULL for an instant that is not set. */
Api__Timestamp *api_timestamp(struct arena *arena, struct instant t);

/* Absent is zero. Spans beyond 292 years saturate. ERR_INVALID_ARGUMENT naming the field when
 * seconds or nanos are out of protobuf's range or of different sign; negative spans are the
 * caller's to judge. */
enum err api_span(const Api__Duration *duration, const char *field, struct duration *ret,
        struct fail *f) __attribute__((warn_unused_result));
/* Never NULL: several fields must be present even when zero. */
Api__Duration *api_duration(struct arena *arena, struct duration d);
