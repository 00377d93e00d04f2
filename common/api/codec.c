/* Decodes into an arena through protobuf-c's allocator hook and encodes from it. check.c has judged
 * the bytes before protobuf-c sees them; the caller has bounded their number. */
#include "common/api/codec.h"

#include "common/api/check.h"

static void *allocate(void *data, size_t size)
{
    return arena_alloc(data, size, alignof(max_align_t));
}

static void deallocate(void *data, void *pointer)
{
    (void)data;
    (void)pointer;
}

void *api_decode(const ProtobufCMessageDescriptor *type, struct arena *arena, struct str bytes,
        struct fail *f)
{
    if (api_check(type, bytes, f)) {
        return NULL;
    }
    ProtobufCAllocator allocator = {
        .alloc = allocate, .free = deallocate, .allocator_data = arena
    };
    static const uint8_t none[1];
    const uint8_t *at = bytes.len ? (const uint8_t *)bytes.ptr : none;
    void *message = protobuf_c_message_unpack(type, &allocator, bytes.len, at);
    if (!message) {
        fail(f, ERR_INVALID_ARGUMENT, "%s: malformed message", type->short_name);
    }
    return message;
}

struct str api_encode(struct arena *arena, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *out = arena_alloc(arena, size, 1);
    check(protobuf_c_message_pack(message, out) == size);
    return str_of(out, size);
}

bool api_encode_to(struct buf *out, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *at = (uint8_t *)buf_reserve(out, size);
    if (!at) {
        return false;
    }
    check(protobuf_c_message_pack(message, at) == size);
    out->len += size;
    return true;
}

void *api_new(struct arena *arena, const ProtobufCMessageDescriptor *type)
{
    void *message = arena_alloc(arena, type->sizeof_message, alignof(max_align_t));
    protobuf_c_message_init(type, message);
    return message;
}

static int64_t saturated_ns(int64_t seconds, int32_t nanos)
{
    int64_t ns;
    if (__builtin_mul_overflow(seconds, 1000000000, &ns)) {
        return seconds < 0 ? INT64_MIN : INT64_MAX;
    }
    return time_add_saturating(ns, nanos);
}

struct instant api_instant(const Api__Timestamp *timestamp)
{
    return timestamp ? (struct instant){ saturated_ns(timestamp->seconds, timestamp->nanos) }
                     : (struct instant){ 0 };
}

Api__Timestamp *api_timestamp(struct arena *arena, struct instant t)
{
    if (!instant_is_set(t)) {
        return NULL;
    }
    Api__Timestamp *timestamp = api_new(arena, &api__timestamp__descriptor);
    timestamp->seconds = t.ns / 1000000000;
    timestamp->nanos = (int32_t)(t.ns % 1000000000);
    if (timestamp->nanos < 0) { /* the nanos of a timestamp count forward */
        timestamp->nanos += 1000000000;
        timestamp->seconds--;
    }
    return timestamp;
}

enum err api_span(
        const Api__Duration *duration, const char *field, struct duration *ret, struct fail *f)
{
    static const int64_t seconds_max = 315576000000; /* protobuf's own limit, 10,000 years */
    if (!duration) {
        *ret = (struct duration){ 0 };
        return ERR_NONE;
    }
    int64_t s = duration->seconds;
    int32_t n = duration->nanos;
    if (s < -seconds_max || s > seconds_max || n <= -1000000000 || n >= 1000000000 ||
            (s > 0 && n < 0) || (s < 0 && n > 0)) {
        return fail(f, ERR_INVALID_ARGUMENT, "%s is not a valid duration", field);
    }
    *ret = (struct duration){ saturated_ns(s, n) };
    return ERR_NONE;
}

Api__Duration *api_duration(struct arena *arena, struct duration d)
{
    Api__Duration *duration = api_new(arena, &api__duration__descriptor);
    duration->seconds = d.ns / 1000000000;
    duration->nanos = (int32_t)(d.ns % 1000000000);
    return duration;
}
