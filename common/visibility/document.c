/* The search document: a run's attributes in the form that databases compare. Reads the public message and the small
 * part of JSON that attribute values are made of; anything else is left out. Pure. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "common/model/wire.h"
#include "common/visibility/filter.h"

enum { VALUES_MAX = 1000 };

void json_put_string(struct buf *out, struct str s)
{
    buf_append_byte(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"' || c == '\\') {
            buf_append_byte(out, '\\');
            buf_append_byte(out, c);
        } else if (c < 0x20) {
            buf_printf(out, "\\u%04x", c);
        } else {
            buf_append_byte(out, c);
        }
    }
    buf_append_byte(out, '"');
}

/* ---- reading JSON scalars and arrays of strings ---- */

struct json {
    struct str rest;
    bool bad;
};

static void skip_space(struct json *j)
{
    while (j->rest.len && strchr(" \t\r\n", j->rest.ptr[0])) {
        j->rest = str_drop(j->rest, 1);
    }
}

static bool take(struct json *j, struct str token)
{
    skip_space(j);
    if (!str_starts_with(j->rest, token)) {
        return false;
    }
    j->rest = str_drop(j->rest, token.len);
    return true;
}

static uint32_t hex4(struct json *j)
{
    uint32_t v = 0;
    if (j->rest.len < 4) {
        j->bad = true;
        return 0;
    }
    for (int i = 0; i < 4; i++) {
        char c = j->rest.ptr[i];
        uint32_t d = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                     : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                            : 16;
        j->bad |= d > 15;
        v = v << 4 | d;
    }
    j->rest = str_drop(j->rest, 4);
    return v;
}

static void put_utf8(struct buf *b, uint32_t c)
{
    if (c < 0x80) {
        buf_append_byte(b, (uint8_t)c);
    } else if (c < 0x800) {
        buf_append_byte(b, (uint8_t)(0xc0 | c >> 6));
        buf_append_byte(b, (uint8_t)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_append_byte(b, (uint8_t)(0xe0 | c >> 12));
        buf_append_byte(b, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
        buf_append_byte(b, (uint8_t)(0x80 | (c & 0x3f)));
    } else {
        buf_append_byte(b, (uint8_t)(0xf0 | c >> 18));
        buf_append_byte(b, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
        buf_append_byte(b, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
        buf_append_byte(b, (uint8_t)(0x80 | (c & 0x3f)));
    }
}

static void take_escape(struct json *j, struct buf *b)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (j->rest.len == 0) {
        j->bad = true;
        return;
    }
    char c = j->rest.ptr[0];
    j->rest = str_drop(j->rest, 1);
    const char *at = c ? strchr(from, c) : NULL;
    if (at) {
        buf_append_byte(b, (uint8_t)to[at - from]);
        return;
    }
    uint32_t v = c == 'u' ? hex4(j) : 0;
    if (v >= 0xd800 && v < 0xdc00 && take(j, STR("\\u"))) {
        uint32_t low = hex4(j);
        v = low >= 0xdc00 && low < 0xe000 ? 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00) : 0;
    }
    /* NUL and halves of pairs are no text that a database takes. */
    j->bad |= v == 0 || (v >= 0xd800 && v < 0xe000);
    put_utf8(b, v);
}

static struct str take_string(struct json *j, struct arena *arena)
{
    struct buf b;
    buf_init_arena(&b, arena, j->rest.len + 8);
    j->bad |= !take(j, STR("\""));
    while (!j->bad && j->rest.len && j->rest.ptr[0] != '"') {
        char c = j->rest.ptr[0];
        j->rest = str_drop(j->rest, 1);
        if (c == '\\') {
            take_escape(j, &b);
        } else {
            j->bad |= (unsigned char)c < 0x20;
            buf_append_byte(&b, (uint8_t)c);
        }
    }
    j->bad |= !take(j, STR("\"")) || b.overflow;
    return buf_str(&b);
}

static struct str take_number(struct json *j)
{
    skip_space(j);
    size_t n = 0;
    while (n < j->rest.len && j->rest.ptr[n] && strchr("+-.0123456789eE", j->rest.ptr[n])) {
        n++;
    }
    struct str text = str_of(j->rest.ptr, n);
    j->rest = str_drop(j->rest, n);
    j->bad |= n == 0 || n > 60;
    return text;
}

/* ---- one value, as its type wants it ---- */

static void put_list(struct json *j, struct arena *arena, struct buf *out, bool is_words)
{
    bool is_array = take(j, STR("["));
    size_t count = 0;
    buf_append_byte(out, '[');
    for (bool more = !is_array || !take(j, STR("]")); more && !j->bad;) {
        struct str s = take_string(j, arena), word;
        j->bad |= !str_is_utf8(s) || count >= VALUES_MAX;
        for (bool again = !j->bad; again;) {
            word = s;
            if (is_words && !text_next_word(&s, arena, &word)) {
                break;
            }
            buf_append_str(out, count++ ? STR(",") : STR(""));
            json_put_string(out, word);
            again = is_words;
        }
        more = is_array && take(j, STR(","));
        j->bad |= is_array && !more && !take(j, STR("]"));
    }
    buf_append_byte(out, ']');
}

static void put_real(struct json *j, struct buf *out)
{
    char text[64];
    struct str number = take_number(j);
    if (!j->bad) {
        memcpy(text, number.ptr, number.len);
        text[number.len] = 0;
        char *end;
        double v = strtod(text, &end);
        j->bad |= *end != 0 || !isfinite(v);
        buf_printf(out, "%.17g", v);
    }
}

static void put_scalar(
        struct json *j, enum search_attribute_type type, struct arena *arena, struct buf *out)
{
    bool is_array = take(j, STR("["));
    struct instant t = { 0 };
    int64_t n = 0;
    struct str s;
    switch (type) {
    case SEARCH_ATTRIBUTE_KEYWORD:
        s = take_string(j, arena);
        j->bad |= !str_is_utf8(s);
        json_put_string(out, s);
        break;
    case SEARCH_ATTRIBUTE_INT:
        j->bad |= !str_to_i64(take_number(j), &n);
        buf_printf(out, "%lld", (long long)n);
        break;
    case SEARCH_ATTRIBUTE_DOUBLE:
        put_real(j, out);
        break;
    case SEARCH_ATTRIBUTE_BOOL:
        n = take(j, STR("true"));
        j->bad |= !n && !take(j, STR("false"));
        buf_append_str(out, n ? STR("true") : STR("false"));
        break;
    case SEARCH_ATTRIBUTE_DATETIME:
        j->bad |= !time_parse_rfc3339(take_string(j, arena), &t);
        buf_printf(out, "%lld", (long long)t.ns);
        break;
    default:
        j->bad = true;
    }
    j->bad |= is_array && !take(j, STR("]"));
}

static bool put_value(
        struct str data, enum search_attribute_type type, struct arena *arena, struct buf *out)
{
    struct json j = { data, false };
    if (type == SEARCH_ATTRIBUTE_KEYWORD_LIST || type == SEARCH_ATTRIBUTE_TEXT) {
        put_list(&j, arena, out, type == SEARCH_ATTRIBUTE_TEXT);
    } else {
        put_scalar(&j, type, arena, out);
    }
    skip_space(&j);
    return !j.bad && j.rest.len == 0;
}

/* ---- the message ---- */

/* An entry of a map: key (1), value (2). */
static void read_entry(struct str entry, struct str *key, struct str *value)
{
    struct wire_field f;
    while (wire_next(&entry, &f)) {
        if (f.type == WIRE_LEN) {
            *(f.number == 1 ? key : value) = f.bytes;
        }
    }
}

/* Payload: metadata (1, map of string to bytes), data (2). */
static void read_payload(struct str payload, struct str *type, struct str *data)
{
    struct wire_field f;
    while (wire_next(&payload, &f)) {
        if (f.number == 2 && f.type == WIRE_LEN) {
            *data = f.bytes;
        } else if (f.number == 1 && f.type == WIRE_LEN) {
            struct str key = { "", 0 }, value = { "", 0 };
            read_entry(f.bytes, &key, &value);
            *type = str_eq(key, STR("type")) ? value : *type;
        }
    }
}

void search_document(struct buf *out, struct arena *arena, struct str message)
{
    size_t begin = out->len, count = 0;
    struct wire_field f;
    while (wire_next(&message, &f)) { /* SearchAttributes.indexed_fields = 1 */
        struct str name = { "", 0 }, payload = { "", 0 }, type_name = { "", 0 }, data = { "", 0 };
        enum search_attribute_type type;
        struct attribute known;
        if (f.type != WIRE_LEN) {
            continue;
        }
        read_entry(f.bytes, &name, &payload);
        read_payload(payload, &type_name, &data);
        if (attribute_find_built_in(name, &known)) {
            type = known.type;
        } else {
            type = search_attribute_type_of(type_name);
        }
        if (type == SEARCH_ATTRIBUTE_UNSPECIFIED) {
            continue;
        }
        size_t before = out->len;
        buf_append_str(out, count ? STR(",") : STR("{"));
        json_put_string(out, name);
        buf_append_byte(out, ':');
        if (put_value(data, type, arena, out) && str_is_utf8(name)) {
            count++;
        } else {
            out->len = before;
        }
    }
    if (count) {
        buf_append_byte(out, '}');
    } else {
        out->len = begin;
    }
}
