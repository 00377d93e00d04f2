/* One pass over the wire form, guided by the descriptors: well-formed tags and lengths, declared
 * wire types, text in UTF-8, and an estimate of what decoding will take. protobuf-c checks neither
 * UTF-8 nor memory, says nothing about the place of an error, and would cut text at a NUL
 * character. The walk recurses as deep as the view nests; the view has no recursive message
 * (tests/proto proves it). */
#include "common/api/check.h"

#include "common/api/codec.h"

enum {
    SCAN_COST = 96,  /* per field: protobuf-c's note of it (in slabs that double), and rounding */
    KEEP_COST = 48,  /* per unknown field, which protobuf-c keeps */
    ALLOC_COST = 16, /* rounding of one allocation */
    PATH_MAX_LEN = 200,
    SEEN_WORDS = 2,  /* of 64 fields; the widest message has 70 */
    TAG_LEN_MAX = 5, /* also of lengths; longer ones are padded, which protobuf-c does not take */
};

/* Where the walk is, for the text of an error. */
struct place {
    const struct place *parent;
    const char *name; /* of the message at the root, then of fields */
};

struct walk {
    size_t memory; /* estimate so far */
    struct fail *f;
};

static void place_print(const struct place *place, struct buf *out)
{
    if (place->parent) {
        place_print(place->parent, out);
    }
    buf_printf(out, "%s%s", place->parent ? "." : "", place->name);
}

static enum err refuse(struct walk *walk, const struct place *place, const char *what)
{
    struct buf path;
    buf_init(&path, PATH_MAX_LEN);
    place_print(place, &path);
    enum err err =
            fail(walk->f, ERR_INVALID_ARGUMENT, STR_FMT ": %s", STR_ARG(buf_str(&path)), what);
    buf_deinit(&path);
    return err;
}

/* Takes a varint off the front; false when it is cut off or longer than 64 bits. */
static bool take_varint(struct str *in, uint64_t *ret)
{
    if (in->len && !(in->ptr[0] & 0x80)) {
        *ret = (uint8_t)in->ptr[0];
        *in = str_drop(*in, 1);
        return true;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < in->len && i < 10; i++) {
        uint8_t b = (uint8_t)in->ptr[i];
        v |= (uint64_t)(b & 0x7f) << (7 * i);
        if (!(b & 0x80)) {
            if (i == 9 && b > 1) {
                return false;
            }
            *in = str_drop(*in, i + 1);
            *ret = v;
            return true;
        }
    }
    return false;
}

struct field {
    uint32_t number;
    unsigned wire_type;
    struct str bytes; /* of a length-delimited one */
};

/* NULL, or what is wrong. */
static const char *take_field(struct str *in, struct field *ret)
{
    uint64_t tag, v;
    struct str at = *in;
    if (!take_varint(in, &tag) || tag > UINT32_MAX || in->ptr - at.ptr > TAG_LEN_MAX) {
        return "malformed field tag";
    }
    *ret = (struct field){ .number = (uint32_t)(tag >> 3), .wire_type = (unsigned)(tag & 7) };
    if (ret->number == 0) {
        return "field number 0";
    }
    size_t fixed = 0;
    switch (ret->wire_type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        return take_varint(in, &v) ? NULL : "malformed varint";
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        fixed = 8;
        break;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        fixed = 4;
        break;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        at = *in;
        if (!take_varint(in, &v) || in->ptr - at.ptr > TAG_LEN_MAX) {
            return "malformed length";
        }
        if (v > in->len) {
            return "length exceeds the message";
        }
        ret->bytes = str_of(in->ptr, (size_t)v);
        fixed = (size_t)v;
        break;
    default:
        return "unsupported wire type";
    }
    if (fixed > in->len) {
        return "cut off";
    }
    *in = str_drop(*in, fixed);
    return NULL;
}

static unsigned declared_wire_type(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return PROTOBUF_C_WIRE_TYPE_32BIT;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return PROTOBUF_C_WIRE_TYPE_64BIT;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    default:
        return PROTOBUF_C_WIRE_TYPE_VARINT;
    }
}

/* Many numbers in one length-delimited field. */
static enum err check_packed(struct walk *walk, const ProtobufCFieldDescriptor *d, struct str bytes,
        const struct place *at)
{
    walk->memory += bytes.len * 8 + ALLOC_COST;
    unsigned wire_type = declared_wire_type(d->type);
    if (wire_type == PROTOBUF_C_WIRE_TYPE_32BIT || wire_type == PROTOBUF_C_WIRE_TYPE_64BIT) {
        bool whole = bytes.len % (wire_type == PROTOBUF_C_WIRE_TYPE_32BIT ? 4 : 8) == 0;
        return whole ? ERR_NONE : refuse(walk, at, "packed numbers are cut off");
    }
    while (bytes.len) {
        uint64_t v;
        if (!take_varint(&bytes, &v)) {
            return refuse(walk, at, "malformed varint");
        }
    }
    return ERR_NONE;
}

static enum err check_message(struct walk *walk, const ProtobufCMessageDescriptor *type,
        struct str bytes, const struct place *at);

static enum err check_declared(struct walk *walk, const ProtobufCFieldDescriptor *d,
        const struct field *field, const struct place *at)
{
    unsigned wire_type = declared_wire_type(d->type);
    if (field->wire_type != wire_type) {
        bool packed = d->label == PROTOBUF_C_LABEL_REPEATED &&
                      field->wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
        return packed ? check_packed(walk, d, field->bytes, at)
                      : refuse(walk, at, "wrong wire type");
    }
    walk->memory += field->bytes.len + ALLOC_COST + 1;
    if (d->type == PROTOBUF_C_TYPE_MESSAGE) {
        return check_message(walk, d->descriptor, field->bytes, at);
    }
    if (d->type == PROTOBUF_C_TYPE_STRING) {
        if (!str_is_utf8(field->bytes)) {
            return refuse(walk, at, "not valid UTF-8");
        }
        if (field->bytes.len && memchr(field->bytes.ptr, 0, field->bytes.len)) {
            return refuse(walk, at, "contains a NUL character");
        }
    }
    return ERR_NONE;
}

/* Encoders write fields in the order of their numbers, which is the descriptor's: so the field is
 * mostly the hint, the one found last, or the one behind it. */
static const ProtobufCFieldDescriptor *find_field(
        const ProtobufCMessageDescriptor *type, uint32_t number, size_t hint)
{
    for (size_t i = hint; i < type->n_fields && i < hint + 2; i++) {
        if (type->fields[i].id == number) {
            return &type->fields[i];
        }
    }
    return protobuf_c_message_descriptor_get_field(type, number);
}

/* Protobuf would merge a single sub-message that comes in two parts. No encoder writes that,
 * protobuf-c refuses some forms of it, and a carried one could not be merged at all. */
static bool seen_twice(uint64_t seen[SEEN_WORDS], const ProtobufCMessageDescriptor *type,
        const ProtobufCFieldDescriptor *d)
{
    if (d->type != PROTOBUF_C_TYPE_MESSAGE || d->label == PROTOBUF_C_LABEL_REPEATED) {
        return false;
    }
    size_t i = (size_t)(d - type->fields);
    uint64_t bit = (uint64_t)1 << (i % 64);
    bool is_twice = seen[i / 64] & bit;
    seen[i / 64] |= bit;
    return is_twice;
}

static enum err check_message(struct walk *walk, const ProtobufCMessageDescriptor *type,
        struct str bytes, const struct place *at)
{
    uint64_t seen[SEEN_WORDS] = { 0 };
    check(type->n_fields <= SEEN_WORDS * 64);
    walk->memory += type->sizeof_message + ALLOC_COST;
    size_t hint = 0;
    while (bytes.len) {
        struct field field;
        const char *wrong = take_field(&bytes, &field);
        if (wrong) {
            return refuse(walk, at, wrong);
        }
        const ProtobufCFieldDescriptor *d = find_field(type, field.number, hint);
        walk->memory += SCAN_COST;
        if (d) {
            hint = (size_t)(d - type->fields);
            const struct place inner = { at, d->name };
            if (seen_twice(seen, type, d)) {
                return refuse(walk, &inner, "occurs twice");
            }
            enum err err = check_declared(walk, d, &field, &inner);
            if (err) {
                return err;
            }
        } else {
            walk->memory += KEEP_COST + field.bytes.len;
        }
        if (walk->memory > API_DECODE_MEMORY_MAX) {
            return refuse(walk, at, "too many parts");
        }
    }
    return ERR_NONE;
}

enum err api_check(const ProtobufCMessageDescriptor *type, struct str bytes, struct fail *f)
{
    struct walk walk = { .f = f };
    const struct place root = { NULL, type->short_name };
    return check_message(&walk, type, bytes, &root);
}
