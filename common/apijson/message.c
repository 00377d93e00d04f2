/* Reads and builds messages by path. Relies on common/model/wire for the bytes and on the tables for names. */
#include "common/apijson/message.h"

#include "common/base/check.h"
#include "common/model/wire.h"

/* The field of the path's first name; *path moves behind it. */
static const struct api_field *step(const struct api_type *type, const char **path)
{
    const char *dot = strchr(*path, '.');
    struct str name = dot ? str_of(*path, (size_t)(dot - *path)) : str_from_cstr(*path);
    const struct api_field *field = api_field_named(type, name);
    check(field);
    *path = dot ? dot + 1 : "";
    return field;
}

static bool find_last(struct str bytes, const struct api_field *field, struct message_value *ret)
{
    struct message_iter iter = { bytes, field };
    bool found = false;
    while (message_next(&iter, ret)) {
        found = true;
    }
    return found;
}

bool message_get(struct message_ref m, const char *path, struct message_value *ret)
{
    for (;;) {
        const struct api_field *field = step(m.type, &path);
        struct message_value value = { 0 };
        if (!find_last(m.bytes, field, &value)) {
            return false;
        }
        if (!*path) {
            *ret = value;
            return true;
        }
        m = message_of(&value);
    }
}

struct str message_text(struct message_ref message, const char *path)
{
    struct message_value v = { 0 };
    return message_get(message, path, &v) ? v.bytes : (struct str){ "", 0 };
}

int64_t message_int(struct message_ref message, const char *path)
{
    struct message_value v = { 0 };
    return message_get(message, path, &v) ? (int64_t)v.number : 0;
}

double message_double(struct message_ref message, const char *path)
{
    struct message_value v = { 0 };
    if (!message_get(message, path, &v)) {
        return 0;
    }
    if (v.field->kind == API_KIND_FLOAT) {
        float f;
        uint32_t bits = (uint32_t)v.number;
        memcpy(&f, &bits, sizeof(f));
        return (double)f;
    }
    double d;
    memcpy(&d, &v.number, sizeof(d));
    return d;
}

struct instant message_time(struct message_ref message, const char *path)
{
    struct message_value v = { 0 };
    return message_get(message, path, &v) ? wire_timestamp(v.bytes) : (struct instant){ 0 };
}

struct duration message_duration(struct message_ref message, const char *path)
{
    struct message_value v = { 0 };
    return message_get(message, path, &v) ? wire_duration(v.bytes) : (struct duration){ 0 };
}

struct message_ref message_sub(struct message_ref message, const char *path)
{
    while (*path) {
        const struct api_field *field = step(message.type, &path);
        struct message_value v = { .field = field, .bytes = { "", 0 } };
        (void)find_last(message.bytes, field, &v);
        message = message_of(&v);
    }
    return message;
}

bool message_has(struct message_ref message, const char *path)
{
    struct message_value v = { 0 };
    return message_get(message, path, &v);
}

struct message_iter message_each(struct message_ref message, const char *path)
{
    const struct api_field *field = step(message.type, &path);
    while (*path) {
        struct message_value v = { .field = field, .bytes = { "", 0 } };
        (void)find_last(message.bytes, field, &v);
        message = message_of(&v);
        field = step(message.type, &path);
    }
    return (struct message_iter){ message.bytes, field };
}

bool message_next(struct message_iter *iter, struct message_value *ret)
{
    struct wire_field wire;
    while (iter->rest.ptr && wire_next(&iter->rest, &wire)) {
        bool is_bytes = iter->field->kind >= API_KIND_STRING;
        if (wire.number == iter->field->number && (wire.type == WIRE_LEN) == is_bytes) {
            *ret = (struct message_value){ iter->field, wire.varint,
                is_bytes ? wire.bytes : (struct str){ "", 0 } };
            return true;
        }
    }
    return false;
}

struct message_ref message_of(const struct message_value *value)
{
    const struct api_type *type = api_field_type(value->field);
    check(type);
    return (struct message_ref){ type, value->bytes };
}

struct message *message_new(struct arena *arena, const struct api_type *type)
{
    check(type);
    struct message *m = NEW(arena, struct message, 1);
    m->type = type;
    m->arena = arena;
    return m;
}

static struct message *embed(struct message *m, const struct api_field *field)
{
    struct message_part part = { .field = field };
    part.message = message_new(m->arena, api_field_type(field));
    vec_push(m->arena, &m->parts, part);
    return part.message;
}

struct message *message_at(struct message *m, const char *path)
{
    while (*path) {
        const struct api_field *field = step(m->type, &path);
        struct message *found = NULL;
        for (size_t i = 0; i < m->parts.len; i++) {
            found = m->parts.ptr[i].field == field ? m->parts.ptr[i].message : found;
        }
        m = found ? found : embed(m, field);
    }
    return m;
}

struct message *message_add(struct message *m, const char *field)
{
    return embed(m, step(m->type, &field));
}

/* Goes to the message that holds the path's last field, and puts a value there. */
static void put(struct message *m, const char *path, struct message_part part)
{
    const char *dot = strrchr(path, '.');
    if (dot) {
        m = message_at(m, str_cstr(m->arena, str_of(path, (size_t)(dot - path))));
        path = dot + 1;
    }
    part.field = step(m->type, &path);
    vec_push(m->arena, &m->parts, part);
}

void message_put_text(struct message *m, const char *path, struct str text)
{
    put(m, path, (struct message_part){ .bytes = text });
}

void message_opt_text(struct message *m, const char *path, struct str text)
{
    if (text.len) {
        message_put_text(m, path, text);
    }
}

void message_put_int(struct message *m, const char *path, int64_t value)
{
    put(m, path, (struct message_part){ .number = (uint64_t)value });
}

void message_put_double(struct message *m, const char *path, double value)
{
    struct message_part part = { 0 };
    memcpy(&part.number, &value, sizeof(value));
    put(m, path, part);
}

void message_put_duration(struct message *m, const char *path, struct duration d)
{
    struct message *sub = message_at(m, path);
    if (d.ns / 1000000000) {
        message_put_int(sub, "seconds", d.ns / 1000000000);
    }
    if (d.ns % 1000000000) {
        message_put_int(sub, "nanos", d.ns % 1000000000);
    }
}

void message_put_encoded(struct message *m, const char *path, struct str bytes)
{
    put(m, path, (struct message_part){ .bytes = bytes });
}

void message_put_entry(struct message *m, const char *field, struct str key, struct str value)
{
    struct message *entry = message_add(m, field);
    message_put_text(entry, "key", key);
    message_put_text(entry, "value", value);
}

static void encode_part(const struct message_part *p, struct buf *out)
{
    uint32_t number = p->field->number;
    switch ((enum api_kind)p->field->kind) {
    case API_KIND_MESSAGE:
        if (p->message) {
            size_t mark = wire_begin(out, number);
            message_encode(p->message, out);
            wire_end(out, mark);
            return;
        }
        wire_put_bytes(out, number, p->bytes);
        return;
    case API_KIND_STRING:
    case API_KIND_BYTES:
        wire_put_bytes(out, number, p->bytes);
        return;
    case API_KIND_DOUBLE:
    case API_KIND_FLOAT: {
        double d;
        memcpy(&d, &p->number, sizeof(d));
        if (p->field->kind == API_KIND_DOUBLE) {
            wire_put_double(out, number, d);
        } else {
            float f = (float)d;
            uint32_t bits;
            memcpy(&bits, &f, sizeof(bits));
            wire_put_fixed32(out, number, bits);
        }
        return;
    }
    default: /* the API has neither zigzag nor fixed integers in what is built here */
        wire_put_varint(out, number, p->number);
    }
}

void message_encode(const struct message *m, struct buf *out)
{
    for (size_t i = 0; i < m->parts.len; i++) {
        encode_part(&m->parts.ptr[i], out);
    }
}
