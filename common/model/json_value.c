/* Scanning one JSON value: see the header. */
#include "common/model/json_value.h"

static size_t skip_space(struct str in)
{
    size_t n = 0;
    while (n < in.len &&
            (in.ptr[n] == ' ' || in.ptr[n] == '\t' || in.ptr[n] == '\n' || in.ptr[n] == '\r')) {
        n++;
    }
    return n;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Length of the string at the front with its quotes; 0: none. */
static size_t scan_string(struct str in)
{
    size_t i = 1;
    if (!in.len || in.ptr[0] != '"') {
        return 0;
    }
    while (i < in.len && in.ptr[i] != '"') {
        unsigned char c = (unsigned char)in.ptr[i];
        if (c < ' ') {
            return 0;
        }
        if (c != '\\') {
            i++;
            continue;
        }
        if (i + 1 >= in.len || !memchr("\"\\/bfnrtu", in.ptr[i + 1], 9)) {
            return 0;
        }
        if (in.ptr[i + 1] == 'u') {
            for (size_t k = 2; k < 6; k++) {
                if (i + k >= in.len || !is_hex(in.ptr[i + k])) {
                    return 0;
                }
            }
            i += 4;
        }
        i += 2;
    }
    return i < in.len && str_is_utf8(str_of(in.ptr, i)) ? i + 1 : 0;
}

static size_t scan_digits(struct str in, size_t at)
{
    size_t n = 0;
    while (at + n < in.len && is_digit(in.ptr[at + n])) {
        n++;
    }
    return n;
}

static size_t scan_number(struct str in)
{
    size_t i = in.len && in.ptr[0] == '-', digits = scan_digits(in, i);
    if (!digits || (digits > 1 && in.ptr[i] == '0')) {
        return 0;
    }
    i += digits;
    if (i < in.len && in.ptr[i] == '.') {
        digits = scan_digits(in, i + 1);
        if (!digits) {
            return 0;
        }
        i += 1 + digits;
    }
    if (i < in.len && (in.ptr[i] == 'e' || in.ptr[i] == 'E')) {
        size_t sign = i + 1 < in.len && (in.ptr[i + 1] == '+' || in.ptr[i + 1] == '-');
        digits = scan_digits(in, i + 1 + sign);
        if (!digits) {
            return 0;
        }
        i += 1 + sign + digits;
    }
    return i;
}

/* To the bracket that closes the one at the front. */
static size_t scan_nested(struct str in)
{
    size_t depth = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '"') {
            size_t n = scan_string(str_drop(in, i));
            if (!n) {
                return 0;
            }
            i += n - 1;
        } else if (c == '[' || c == '{') {
            depth++;
        } else if ((c == ']' || c == '}') && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

static size_t scan_word(struct str in, struct json_value *ret)
{
    static const struct {
        struct str word;
        enum json_kind kind;
    } words[] = { { STR_INIT("null"), JSON_NULL }, { STR_INIT("true"), JSON_BOOL },
        { STR_INIT("false"), JSON_BOOL } };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_starts_with(in, words[i].word)) {
            *ret = (struct json_value){ words[i].kind, words[i].word };
            return words[i].word.len;
        }
    }
    return 0;
}

/* The value at the front; 0: none. */
static size_t scan_value(struct str in, struct json_value *ret)
{
    char c = in.len ? in.ptr[0] : 0;
    size_t n;
    if (c == '"') {
        n = scan_string(in);
        *ret = (struct json_value){ JSON_STRING, str_of(in.ptr + 1, n ? n - 2 : 0) };
    } else if (c == '[' || c == '{') {
        n = scan_nested(in);
        *ret = (struct json_value){ c == '[' ? JSON_ARRAY : JSON_OBJECT,
            str_of(in.ptr + 1, n ? n - 2 : 0) };
    } else if (c == '-' || is_digit(c)) {
        n = scan_number(in);
        *ret = (struct json_value){ JSON_NUMBER, str_of(in.ptr, n) };
    } else {
        n = scan_word(in, ret);
    }
    return n;
}

/* Items and commas in turn. */
static bool is_list(struct str in)
{
    struct json_value item;
    in = str_drop(in, skip_space(in));
    while (in.len) {
        size_t n = scan_value(in, &item);
        if (!n) {
            return false;
        }
        in = str_drop(in, n);
        in = str_drop(in, skip_space(in));
        if (!in.len) {
            return true;
        }
        if (in.ptr[0] != ',') {
            return false;
        }
        in = str_drop(in, 1);
        in = str_drop(in, skip_space(in));
        if (!in.len) {
            return false;
        }
    }
    return true;
}

bool json_parse(struct str text, struct json_value *ret)
{
    struct json_value v;
    text = str_drop(text, skip_space(text));
    size_t n = scan_value(text, &v);
    struct str rest = str_drop(text, n);
    if (!n || skip_space(rest) != rest.len || (v.kind == JSON_ARRAY && !is_list(v.text))) {
        return false;
    }
    *ret = v;
    return true;
}

bool json_next(struct str *list, struct json_value *ret)
{
    struct str in = str_drop(*list, skip_space(*list));
    size_t n = in.len ? scan_value(in, ret) : 0;
    if (!n) {
        return false;
    }
    in = str_drop(in, n);
    in = str_drop(in, skip_space(in));
    *list = in.len ? str_drop(in, 1) : in; /* the comma */
    return true;
}

bool json_is_int64(struct str number)
{
    int64_t n;
    return str_to_i64(number, &n);
}

static bool number_at(struct str text, size_t at, size_t digits, int min, int max)
{
    int n = 0;
    for (size_t i = 0; i < digits; i++) {
        if (at + i >= text.len || !is_digit(text.ptr[at + i])) {
            return false;
        }
        n = n * 10 + (text.ptr[at + i] - '0');
    }
    return n >= min && n <= max;
}

static bool char_at(struct str text, size_t at, char c)
{
    return at < text.len && text.ptr[at] == c;
}

bool json_is_time(struct str t)
{
    bool ok = number_at(t, 0, 4, 0, 9999) && char_at(t, 4, '-') && number_at(t, 5, 2, 1, 12) &&
              char_at(t, 7, '-') && number_at(t, 8, 2, 1, 31) && char_at(t, 10, 'T') &&
              number_at(t, 11, 2, 0, 23) && char_at(t, 13, ':') && number_at(t, 14, 2, 0, 59) &&
              char_at(t, 16, ':') && number_at(t, 17, 2, 0, 59);
    size_t at = 19;
    if (ok && char_at(t, at, '.')) {
        size_t digits = scan_digits(t, at + 1);
        ok = digits > 0;
        at += 1 + digits;
    }
    bool is_utc = char_at(t, at, 'Z') && at + 1 == t.len;
    bool has_offset = (char_at(t, at, '+') || char_at(t, at, '-')) && at + 6 == t.len &&
                      number_at(t, at + 1, 2, 0, 23) && char_at(t, at + 3, ':') &&
                      number_at(t, at + 4, 2, 0, 59);
    return ok && (is_utc || has_offset);
}
