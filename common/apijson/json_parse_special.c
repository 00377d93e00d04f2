/* Reads messages whose JSON is not an object of their fields: times, masks, payloads in short or long form. */
#include "common/apijson/json_parse.h"

#include "common/model/time_text.h"
#include "common/model/wire.h"

static enum err parse_timestamp(struct json_parser *p, struct str value)
{
    struct instant t;
    if (value.ptr[0] != '"' || !time_parse_rfc3339(json_unquote(p->arena, value), &t)) {
        return json_misfit(p, value, "a time (RFC 3339)");
    }
    int64_t seconds = t.ns / 1000000000 - (t.ns % 1000000000 < 0);
    wire_opt_varint(p->out, 1, (uint64_t)seconds);
    wire_opt_varint(p->out, 2, (uint64_t)(t.ns - seconds * 1000000000));
    return ERR_NONE;
}

/* Seconds with up to 9 digits behind the point, and "s": not what Go writes, which has hours too. */
static bool duration_of(struct str text, int64_t *seconds, int64_t *nanos)
{
    struct str fraction;
    if (text.len < 2 || text.ptr[text.len - 1] != 's') {
        return false;
    }
    text.len--;
    bool is_negative = text.ptr[0] == '-';
    struct str whole = str_split(str_drop(text, is_negative), '.', &fraction);
    bool has_point = whole.len + is_negative < text.len;
    uint64_t s, n = 0;
    if (!str_to_u64(whole, &s) || s > 315576000000 || fraction.len > 9 ||
            (has_point && !str_to_u64(fraction, &n))) {
        return false;
    }
    for (size_t i = fraction.len; i < 9; i++) {
        n *= 10;
    }
    *seconds = is_negative ? -(int64_t)s : (int64_t)s;
    *nanos = is_negative ? -(int64_t)n : (int64_t)n;
    return true;
}

static enum err parse_duration(struct json_parser *p, struct str value)
{
    int64_t seconds, nanos;
    if (value.ptr[0] != '"' || !duration_of(json_unquote(p->arena, value), &seconds, &nanos)) {
        return json_misfit(p, value, "a duration (\"3.5s\")");
    }
    wire_opt_varint(p->out, 1, (uint64_t)seconds);
    wire_opt_varint(p->out, 2, (uint64_t)nanos);
    return ERR_NONE;
}

/* "aB.c,d" as paths "a_b.c" and "d". */
static enum err parse_field_mask(struct json_parser *p, struct str value)
{
    if (value.ptr[0] != '"') {
        return json_misfit(p, value, "a list of fields in one text");
    }
    struct str rest = json_unquote(p->arena, value);
    while (rest.len) {
        struct str path = str_split(rest, ',', &rest);
        char *out = arena_alloc(p->arena, 2 * path.len + 1, 1);
        size_t n = 0;
        for (size_t i = 0; i < path.len; i++) {
            char c = path.ptr[i];
            bool up = c >= 'A' && c <= 'Z';
            if (up) {
                out[n++] = '_';
            }
            out[n++] = up ? (char)(c - 'A' + 'a') : c;
        }
        if (n) {
            wire_put_bytes(p->out, 1, str_of(out, n));
        }
    }
    return ERR_NONE;
}

static void put_metadata(struct json_parser *p, struct str key, struct str value)
{
    size_t mark = wire_begin(p->out, 1);
    wire_put_bytes(p->out, 1, key);
    wire_put_bytes(p->out, 2, value);
    wire_end(p->out, mark);
}

/* An object with nothing but the fields of a payload, "metadata" with an encoding among them. */
static bool is_longhand(struct json_parser *p, struct str value)
{
    struct str rest = str_drop(value, 1), key, item;
    bool has_encoding = false;
    while (value.ptr[0] == '{' && json_next_member(p, &rest, &key, &item)) {
        bool is_metadata = str_eq(key, STR("metadata")) && item.ptr[0] == '{';
        if (is_metadata) {
            struct str inner = str_drop(item, 1), name, text;
            while (json_next_member(p, &inner, &name, &text)) {
                has_encoding |= str_eq(name, STR("encoding")) && text.ptr[0] == '"';
                is_metadata &= text.ptr[0] == '"';
            }
        }
        if (!is_metadata && !str_eq(key, STR("data")) && !str_eq(key, STR("externalPayloads"))) {
            return false;
        }
    }
    return has_encoding;
}

/* The type that an object claims to be; empty: none. */
static struct str proto_type_of(struct json_parser *p, struct str value)
{
    struct str rest = str_drop(value, 1), key, item;
    while (value.ptr[0] == '{' && json_next_member(p, &rest, &key, &item)) {
        if (str_eq(key, STR("_protoMessageType")) && item.ptr[0] == '"') {
            return json_unquote(p->arena, item);
        }
    }
    return (struct str){ "", 0 };
}

/* The object without the member that claims a type. */
static struct str without_type(struct json_parser *p, struct str value)
{
    struct str rest = str_drop(value, 1), key, item;
    struct buf out;
    buf_init_arena(&out, p->arena, value.len + 2);
    size_t count = 0;
    buf_append_byte(&out, '{');
    while (json_next_member(p, &rest, &key, &item)) {
        if (!str_eq(key, STR("_protoMessageType"))) {
            if (count++) {
                buf_append_byte(&out, ',');
            }
            json_quote(&out, key);
            buf_append_byte(&out, ':');
            json_layout(&out, item, -1);
        }
    }
    buf_append_byte(&out, '}');
    return out.overflow ? value : buf_str(&out);
}

static enum err parse_fields(struct json_parser *p, const struct api_type *type, struct str value)
{
    struct api_type plain = *type;
    plain.special = API_PLAIN;
    return json_parse_message(p, &plain, value);
}

static enum err parse_payload(struct json_parser *p, const struct api_type *type, struct str value)
{
    if (is_longhand(p, value)) {
        return parse_fields(p, type, value);
    }
    if (str_eq(value, STR("null"))) {
        put_metadata(p, STR("encoding"), STR("binary/null"));
        return ERR_NONE;
    }
    struct str proto_type = proto_type_of(p, value), data = value;
    if (proto_type.len) {
        put_metadata(p, STR("encoding"), STR("json/protobuf"));
        put_metadata(p, STR("messageType"), proto_type);
        data = without_type(p, value);
    } else {
        put_metadata(p, STR("encoding"), STR("json/plain"));
        struct buf compact;
        buf_init_arena(&compact, p->arena, value.len + 1);
        json_layout(&compact, value, -1);
        data = buf_str(&compact);
    }
    wire_put_bytes(p->out, 2, data);
    return ERR_NONE;
}

static enum err parse_payloads(struct json_parser *p, const struct api_type *type, struct str value)
{
    struct str rest = str_drop(value, 1), item;
    if (str_eq(value, STR("null"))) {
        return ERR_NONE;
    }
    if (value.ptr[0] != '[') {
        return parse_fields(p, type, value);
    }
    enum err err = ERR_NONE;
    while (!err && json_next_item(&rest, &item)) {
        size_t mark = wire_begin(p->out, 1);
        err = parse_payload(p, api_field_type(api_field_numbered(type, 1)), item);
        wire_end(p->out, mark);
    }
    return err;
}

/* A message by its url, which has to be one of the API's; its fields stand beside "@type". */
static enum err parse_any(struct json_parser *p, struct str value)
{
    struct str rest = str_drop(value, 1), key, item, url = { "", 0 }, name;
    while (value.ptr[0] == '{' && json_next_member(p, &rest, &key, &item)) {
        url = str_eq(key, STR("@type")) && item.ptr[0] == '"' ? json_unquote(p->arena, item) : url;
    }
    (void)str_split(url, '/', &name);
    const struct api_type *type = api_type_named(name);
    if (!type || type->special != API_PLAIN) {
        return json_misfit(p, value, "an object with a known \"@type\"");
    }
    wire_put_bytes(p->out, 1, url);
    size_t mark = wire_begin(p->out, 2);
    enum err err = json_parse_message(p, type, value);
    wire_end(p->out, mark);
    return err;
}

enum err json_parse_special(struct json_parser *p, const struct api_type *type, struct str value)
{
    switch ((enum api_special)type->special) {
    case API_TIMESTAMP:
        return parse_timestamp(p, value);
    case API_DURATION:
        return parse_duration(p, value);
    case API_FIELD_MASK:
        return parse_field_mask(p, value);
    case API_WRAPPER: {
        struct str object = str_printf(p->arena, "{\"value\":" STR_FMT "}", STR_ARG(value));
        return parse_fields(p, type, object);
    }
    case API_ANY:
        return parse_any(p, value);
    case API_PAYLOAD:
        return parse_payload(p, type, value);
    case API_PAYLOADS:
        return parse_payloads(p, type, value);
    case API_PLAIN:
        break;
    }
    return json_misfit(p, value, "expected here");
}
