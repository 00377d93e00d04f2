/* The text side of JSON. Leaves what values mean to its callers. */
#include "common/apijson/json_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t digits_at(struct str s, size_t at)
{
    size_t n = 0;
    while (at + n < s.len && is_digit(s.ptr[at + n])) {
        n++;
    }
    return n;
}

/* The length of the number at the front; 0: none. */
static size_t number_len(struct str s)
{
    size_t at = s.len && s.ptr[0] == '-';
    size_t n = digits_at(s, at);
    if (!n || (n > 1 && s.ptr[at] == '0')) {
        return 0;
    }
    at += n;
    if (at < s.len && s.ptr[at] == '.') {
        n = digits_at(s, at + 1);
        if (!n) {
            return 0;
        }
        at += 1 + n;
    }
    if (at < s.len && (s.ptr[at] == 'e' || s.ptr[at] == 'E')) {
        at += 1 + (at + 1 < s.len && (s.ptr[at + 1] == '+' || s.ptr[at + 1] == '-'));
        n = digits_at(s, at);
        if (!n) {
            return 0;
        }
        at += n;
    }
    return at;
}

static int hex_value(char c)
{
    return is_digit(c)            ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Four hexadecimal digits; -1: not there. */
static int hex4(struct str s, size_t at)
{
    int v = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = at + i < s.len ? hex_value(s.ptr[at + i]) : -1;
        if (digit < 0) {
            return -1;
        }
        v = v << 4 | digit;
    }
    return v;
}

/* The length of the string at the front, quotes included; 0: not well-formed. */
static size_t quoted_len(struct str s)
{
    for (size_t i = 1; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"') {
            return str_is_utf8(str_of(s.ptr, i)) ? i + 1 : 0;
        }
        if (c < 0x20) {
            return 0;
        }
        if (c == '\\') {
            i++;
            char e = i < s.len ? s.ptr[i] : 0;
            if (e == 'u' ? hex4(s, i + 1) < 0 : !e || !strchr("\"\\/bfnrt", e)) {
                return 0;
            }
        }
    }
    return 0;
}

static size_t token_len(struct str s, enum json_token_kind *kind)
{
    static const struct {
        struct str text;
        enum json_token_kind kind;
    } words[] = {
        { STR_INIT("{"), JSON_OPEN_OBJECT },
        { STR_INIT("}"), JSON_CLOSE_OBJECT },
        { STR_INIT("["), JSON_OPEN_LIST },
        { STR_INIT("]"), JSON_CLOSE_LIST },
        { STR_INIT(":"), JSON_COLON },
        { STR_INIT(","), JSON_COMMA },
        { STR_INIT("true"), JSON_TRUE },
        { STR_INIT("false"), JSON_FALSE },
        { STR_INIT("null"), JSON_NIL },
    };
    if (s.ptr[0] == '"') {
        *kind = JSON_TEXT;
        return quoted_len(s);
    }
    if (s.ptr[0] == '-' || is_digit(s.ptr[0])) {
        *kind = JSON_DIGITS;
        return number_len(s);
    }
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_starts_with(s, words[i].text)) {
            *kind = words[i].kind;
            return words[i].text.len;
        }
    }
    return 0;
}

struct json_token json_token_next(struct str *in)
{
    while (in->len &&
            (in->ptr[0] == ' ' || in->ptr[0] == '\t' || in->ptr[0] == '\n' || in->ptr[0] == '\r')) {
        *in = str_drop(*in, 1);
    }
    if (!in->len) {
        return (struct json_token){ JSON_END, *in };
    }
    struct json_token token = { JSON_BAD, *in };
    size_t n = token_len(*in, &token.kind);
    if (!n) {
        return (struct json_token){ JSON_BAD, *in };
    }
    token.text.len = n;
    *in = str_drop(*in, n);
    return token;
}

/* What may come next in a value: a small automaton over tokens, with one bit per open bracket. */
enum json_want {
    WANT_VALUE,
    WANT_VALUE_OR_CLOSE,
    WANT_KEY,
    WANT_KEY_OR_CLOSE,
    WANT_COLON,
    WANT_COMMA_OR_CLOSE
};

bool json_take_value(struct str *in, struct str *value)
{
    bool is_object[JSON_DEPTH_MAX];
    size_t depth = 0;
    enum json_want want = WANT_VALUE;
    struct str rest = *in;
    const char *begin = NULL;
    do {
        struct json_token t = json_token_next(&rest);
        begin = begin ? begin : t.text.ptr;
        bool opens = t.kind == JSON_OPEN_OBJECT || t.kind == JSON_OPEN_LIST;
        bool closes =
                depth && t.kind == (is_object[depth - 1] ? JSON_CLOSE_OBJECT : JSON_CLOSE_LIST);
        if (want == WANT_COLON || (want == WANT_COMMA_OR_CLOSE && t.kind == JSON_COMMA)) {
            if (want == WANT_COLON && t.kind != JSON_COLON) {
                return false;
            }
            want = want == WANT_COLON || !is_object[depth - 1] ? WANT_VALUE : WANT_KEY;
        } else if (closes && want != WANT_VALUE && want != WANT_KEY) {
            depth--;
            want = WANT_COMMA_OR_CLOSE;
        } else if (want == WANT_KEY || want == WANT_KEY_OR_CLOSE) {
            if (t.kind != JSON_TEXT) {
                return false;
            }
            want = WANT_COLON;
        } else if (want == WANT_COMMA_OR_CLOSE) {
            return false;
        } else if (opens && depth < JSON_DEPTH_MAX) {
            is_object[depth++] = t.kind == JSON_OPEN_OBJECT;
            want = t.kind == JSON_OPEN_OBJECT ? WANT_KEY_OR_CLOSE : WANT_VALUE_OR_CLOSE;
        } else if (t.kind >= JSON_TEXT) {
            want = WANT_COMMA_OR_CLOSE;
        } else {
            return false;
        }
    } while (depth);
    *value = str_of(begin, (size_t)(rest.ptr - begin));
    *in = rest;
    return true;
}

bool json_is_valid(struct str text)
{
    struct str value;
    return json_take_value(&text, &value) && json_token_next(&text).kind == JSON_END;
}

static size_t put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6) {
        to[i] = (char)(0x80 | (c & 0x3f));
    }
    to[0] = (char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
    return n;
}

/* The character of the "\uXXXX" whose digits begin at *i, which moves to its last one. */
static uint32_t escaped_char(struct str s, size_t *i)
{
    uint32_t c = (uint32_t)hex4(s, *i);
    *i += 3;
    bool is_high = c >= 0xd800 && c < 0xdc00;
    if (is_high && *i + 2 < s.len && s.ptr[*i + 1] == '\\' && s.ptr[*i + 2] == 'u') {
        int low = hex4(s, *i + 3);
        if (low >= 0xdc00 && low < 0xe000) {
            *i += 6;
            return 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
        }
    }
    return c >= 0xd800 && c < 0xe000 ? 0xfffd : c;
}

struct str json_unquote(struct arena *arena, struct str s)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    char *out = arena_alloc(arena, s.len + 1, 1);
    size_t n = 0;
    for (size_t i = 1; i + 1 < s.len; i++) {
        if (s.ptr[i] != '\\') {
            out[n++] = s.ptr[i];
            continue;
        }
        i++;
        const char *letter = strchr(letters, s.ptr[i]);
        if (s.ptr[i] == 'u') {
            i++;
            n += put_utf8(out + n, escaped_char(s, &i));
        } else {
            out[n++] = letter ? meanings[letter - letters] : s.ptr[i];
        }
    }
    return str_of(out, n);
}

/* The length of the UTF-8 sequence at the front; 0: not one. */
static size_t sequence_len(struct str s)
{
    for (size_t n = 1; n <= 4 && n <= s.len; n++) {
        if (str_is_utf8(str_of(s.ptr, n))) {
            return n;
        }
    }
    return 0;
}

void json_quote(struct buf *out, struct str text)
{
    static const char letters[] = "\"\\bfnrt", meanings[] = "\"\\\b\f\n\r\t";
    buf_append_byte(out, '"');
    while (text.len) {
        unsigned char c = (unsigned char)text.ptr[0];
        size_t n = c >= 0x80 ? sequence_len(text) : 1;
        const char *meaning = c && c < 0x80 ? strchr(meanings, c) : NULL;
        if (meaning) {
            buf_append_byte(out, '\\');
            buf_append_byte(out, (uint8_t)letters[meaning - meanings]);
        } else if (c < 0x20 || c == 0x7f) {
            buf_printf(out, "\\u%04x", c);
        } else if (n) {
            buf_append(out, text.ptr, n);
        } else {
            buf_append_str(out, STR("\xef\xbf\xbd"));
        }
        text = str_drop(text, n ? n : 1);
    }
    buf_append_byte(out, '"');
}

void json_number(struct buf *out, double value)
{
    if (isnan(value) || isinf(value)) {
        buf_append_str(out, isnan(value) ? STR("\"NaN\"")
                            : value > 0  ? STR("\"Infinity\"")
                                         : STR("\"-Infinity\""));
        return;
    }
    char text[40];
    if (value == trunc(value) && fabs(value) < 1e17) {
        snprintf(text, sizeof(text), "%.0f", value);
    } else {
        for (int precision = 1; precision <= 17; precision++) {
            snprintf(text, sizeof(text), "%.*g", precision, value);
            if (strtod(text, NULL) == value) {
                break;
            }
        }
    }
    buf_append_str(out, str_from_cstr(text));
}

void json_break(struct buf *out, int indent)
{
    if (indent < 0) {
        return;
    }
    buf_append_byte(out, '\n');
    for (int i = 0; i < indent; i++) {
        buf_append_str(out, STR("  "));
    }
}

void json_layout(struct buf *out, struct str value, int indent)
{
    struct json_token before = { JSON_END, { 0 } };
    int level = indent;
    for (struct json_token t = json_token_next(&value); t.kind > JSON_BAD;
            t = json_token_next(&value)) {
        bool closes = t.kind == JSON_CLOSE_OBJECT || t.kind == JSON_CLOSE_LIST;
        bool after_open = before.kind == JSON_OPEN_OBJECT || before.kind == JSON_OPEN_LIST;
        level -= closes && indent >= 0;
        if (closes ? !after_open : after_open || before.kind == JSON_COMMA) {
            json_break(out, level);
        }
        buf_append_str(out, t.text);
        if (t.kind == JSON_COLON && indent >= 0) {
            buf_append_byte(out, ' ');
        }
        level += (t.kind == JSON_OPEN_OBJECT || t.kind == JSON_OPEN_LIST) && indent >= 0;
        before = t;
    }
}
