/* Reads JSON into a message's bytes. Relies on json_text.c, which finds the whole text well-formed and bounded in depth
 * first; so recursion here is bounded too. */
#include "common/apijson/json_parse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "common/base/base64.h"
#include "common/model/wire.h"

enum err json_misfit(struct json_parser *p, struct str value, const char *wanted)
{
    struct str shown = value.len > 60 ? str_of(value.ptr, 60) : value;
    while (!str_is_utf8(shown)) {
        shown.len--;
    }
    return fail(p->f, ERR_INVALID_ARGUMENT, "%s: " STR_FMT "%s is not %s",
            *p->path ? p->path : "the document", STR_ARG(shown), shown.len < value.len ? "..." : "",
            wanted);
}

bool json_next_item(struct str *rest, struct str *value)
{
    struct str before = *rest;
    struct json_token t = json_token_next(rest);
    if (t.kind == JSON_CLOSE_LIST || t.kind == JSON_CLOSE_OBJECT || t.kind == JSON_END ||
            t.kind == JSON_BAD) {
        return false;
    }
    if (t.kind != JSON_COMMA && t.kind != JSON_COLON) {
        *rest = before;
    }
    return json_take_value(rest, value);
}

bool json_next_member(struct json_parser *p, struct str *rest, struct str *key, struct str *value)
{
    struct str quoted;
    if (!json_next_item(rest, &quoted)) {
        return false;
    }
    *key = json_unquote(p->arena, quoted);
    return json_next_item(rest, value);
}

static bool is_text(struct str value)
{
    return value.ptr[0] == '"';
}

/* A number, or a text that holds one; "1e3" and "5.0" are whole numbers too. */
static bool whole_number(struct json_parser *p, struct str value, bool is_signed, uint64_t *ret)
{
    struct str text = is_text(value) ? json_unquote(p->arena, value) : value;
    int64_t n;
    if (str_to_i64(text, &n)) {
        *ret = (uint64_t)n;
        return is_signed || n >= 0;
    }
    if (!is_signed && str_to_u64(text, ret)) {
        return true;
    }
    struct str copy = text;
    if (json_token_next(&copy).kind != JSON_DIGITS || copy.len) {
        return false;
    }
    double d = strtod(str_cstr(p->arena, text), NULL);
    if (d != trunc(d) || fabs(d) > 9007199254740992.0 || (!is_signed && d < 0)) {
        return false;
    }
    *ret = (uint64_t)(int64_t)d;
    return true;
}

static enum err put_whole(struct json_parser *p, const struct api_field *field, struct str value)
{
    enum api_kind kind = field->kind;
    bool is_signed = kind == API_KIND_INT64 || kind == API_KIND_INT32 || kind == API_KIND_SINT32 ||
                     kind == API_KIND_SINT64;
    bool is_short = kind == API_KIND_INT32 || kind == API_KIND_UINT32 || kind == API_KIND_SINT32 ||
                    kind == API_KIND_FIXED32;
    uint64_t n;
    if (!whole_number(p, value, is_signed, &n) ||
            (is_short && (is_signed ? (int64_t)n != (int32_t)n : n > UINT32_MAX))) {
        return json_misfit(
                p, value, is_short ? "a whole number of 32 bits" : "a whole number of 64 bits");
    }
    if (kind == API_KIND_SINT32 || kind == API_KIND_SINT64) {
        n = n << 1 ^ (uint64_t)((int64_t)n >> 63);
    }
    if (kind == API_KIND_FIXED32) {
        wire_put_fixed32(p->out, field->number, (uint32_t)n);
    } else if (kind == API_KIND_FIXED64) {
        double bits;
        memcpy(&bits, &n, sizeof(bits));
        wire_put_double(p->out, field->number, bits);
    } else {
        wire_put_varint(p->out, field->number, n);
    }
    return ERR_NONE;
}

static enum err put_floating(struct json_parser *p, const struct api_field *field, struct str value)
{
    struct str text = is_text(value) ? json_unquote(p->arena, value) : value, copy = text;
    bool is_word = str_eq(text, STR("NaN")) || str_eq(text, STR("Infinity")) ||
                   str_eq(text, STR("-Infinity"));
    if (!is_word && (json_token_next(&copy).kind != JSON_DIGITS || copy.len)) {
        return json_misfit(p, value, "a number");
    }
    double d = strtod(str_cstr(p->arena, text), NULL);
    if (field->kind == API_KIND_DOUBLE) {
        wire_put_double(p->out, field->number, d);
    } else {
        float narrow = (float)d;
        uint32_t bits;
        memcpy(&bits, &narrow, sizeof(bits));
        wire_put_fixed32(p->out, field->number, bits);
    }
    return ERR_NONE;
}

static enum err put_text(struct json_parser *p, const struct api_field *field, struct str value)
{
    struct str text;
    if (!is_text(value)) {
        return json_misfit(p, value, "a text");
    }
    text = json_unquote(p->arena, value);
    if (field->kind == API_KIND_BYTES && !base64_decode(p->arena, text, &text)) {
        return json_misfit(p, value, "base64");
    }
    wire_put_bytes(p->out, field->number, text);
    return ERR_NONE;
}

static enum err put_enum(struct json_parser *p, const struct api_field *field, struct str value)
{
    int32_t number;
    struct str text = is_text(value) ? json_unquote(p->arena, value) : value;
    if (!api_enum_parse(field->target, text, &number)) {
        const char *full = api_name(api_enums[field->target].name), *dot = strrchr(full, '.');
        struct str wanted = str_printf(p->arena, "a value of %s", dot ? dot + 1 : full);
        return json_misfit(p, value, wanted.ptr);
    }
    wire_put_varint(p->out, field->number, (uint64_t)(int64_t)number);
    return ERR_NONE;
}

static enum err put_value(struct json_parser *p, const struct api_field *field, struct str value)
{
    switch ((enum api_kind)field->kind) {
    case API_KIND_MESSAGE: {
        size_t mark = wire_begin(p->out, field->number);
        enum err err = json_parse_message(p, api_field_type(field), value);
        wire_end(p->out, mark);
        return err;
    }
    case API_KIND_STRING:
    case API_KIND_BYTES:
        return put_text(p, field, value);
    case API_KIND_ENUM:
        return put_enum(p, field, value);
    case API_KIND_DOUBLE:
    case API_KIND_FLOAT:
        return put_floating(p, field, value);
    case API_KIND_BOOL:
        if (!str_eq(value, STR("true")) && !str_eq(value, STR("false"))) {
            return json_misfit(p, value, "true or false");
        }
        wire_put_varint(p->out, field->number, value.ptr[0] == 't');
        return ERR_NONE;
    default:
        return put_whole(p, field, value);
    }
}

static enum err put_map(struct json_parser *p, const struct api_field *field, struct str value)
{
    const struct api_type *entry = api_field_type(field);
    const struct api_field *key_field = api_field_numbered(entry, 1),
                           *value_field = api_field_numbered(entry, 2);
    struct str rest = value, key, item;
    if (value.ptr[0] != '{') {
        return json_misfit(p, value, "an object");
    }
    rest = str_drop(rest, 1);
    enum err err = ERR_NONE;
    while (!err && json_next_member(p, &rest, &key, &item)) {
        size_t mark = wire_begin(p->out, field->number);
        int64_t number;
        if (key_field->kind == API_KIND_STRING) {
            wire_put_bytes(p->out, 1, key);
        } else if (str_to_i64(key, &number)) {
            wire_put_varint(p->out, 1, (uint64_t)number);
        } else {
            err = json_misfit(p, key, "a whole number");
        }
        err = err ? err : put_value(p, value_field, item);
        wire_end(p->out, mark);
    }
    return err;
}

static enum err put_list(struct json_parser *p, const struct api_field *field, struct str value)
{
    struct str rest = value, item;
    if (value.ptr[0] != '[') {
        return json_misfit(p, value, "a list");
    }
    rest = str_drop(rest, 1);
    enum err err = ERR_NONE;
    while (!err && json_next_item(&rest, &item)) {
        err = put_value(p, field, item);
    }
    return err;
}

enum err json_parse_message(struct json_parser *p, const struct api_type *type, struct str value)
{
    if (type->special != API_PLAIN) {
        return json_parse_special(p, type, value);
    }
    if (value.ptr[0] != '{') {
        return json_misfit(p, value, "an object");
    }
    struct str rest = str_drop(value, 1), key, item;
    const char *path = p->path;
    enum err err = ERR_NONE;
    while (!err && json_next_member(p, &rest, &key, &item)) {
        const struct api_field *field = api_field_named(type, key);
        bool is_null =
                str_eq(item, STR("null")) && !(field && field->kind == API_KIND_MESSAGE &&
                                                     api_field_type(field)->special >= API_PAYLOAD);
        if (!field || is_null) {
            continue;
        }
        p->path = str_printf(p->arena, "%s%s" STR_FMT, path, *path ? "." : "", STR_ARG(key)).ptr;
        err = field->label & API_MAP        ? put_map(p, field, item)
              : field->label & API_REPEATED ? put_list(p, field, item)
                                            : put_value(p, field, item);
        p->path = err ? p->path : path;
    }
    return err;
}

enum err api_json_parse(struct arena *arena, struct str text, const struct api_type *type,
        struct buf *out, struct fail *f)
{
    struct json_parser p = { arena, out, f, "" };
    struct str value, rest = text;
    if (!json_take_value(&rest, &value) || json_token_next(&rest).kind != JSON_END) {
        return fail(f, ERR_INVALID_ARGUMENT, "not well-formed JSON");
    }
    enum err err = json_parse_message(&p, type, value);
    if (!err && out->overflow) {
        return fail(f, ERR_RESOURCE_EXHAUSTED, "the message is larger than %zu bytes", out->max);
    }
    return err;
}
