/* Base64 both ways. Pure. */
#include "common/base/base64.h"

size_t base64_encode_to(char *out, struct str bytes, bool padded)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    size_t i = 0;
    for (; i + 2 < bytes.len; i += 3) {
        unsigned v = (unsigned)p[i] << 16 | (unsigned)p[i + 1] << 8 | p[i + 2];
        out[n++] = digits[v >> 18];
        out[n++] = digits[v >> 12 & 63];
        out[n++] = digits[v >> 6 & 63];
        out[n++] = digits[v & 63];
    }
    if (i < bytes.len) {
        bool two = bytes.len - i == 2;
        unsigned v = (unsigned)p[i] << 16 | (two ? (unsigned)p[i + 1] << 8 : 0);
        out[n++] = digits[v >> 18];
        out[n++] = digits[v >> 12 & 63];
        if (two) {
            out[n++] = digits[v >> 6 & 63];
        } else if (padded) {
            out[n++] = '=';
        }
        if (padded) {
            out[n++] = '=';
        }
    }
    return n;
}

struct str base64_encode(struct arena *arena, struct str bytes, bool padded)
{
    char *out = arena_alloc(arena, arena_mul(4, bytes.len / 3 + 1), 1);
    return str_of(out, base64_encode_to(out, bytes, padded));
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

bool base64_decode(struct arena *arena, struct str text, struct str *ret)
{
    for (int padding = 0; padding < 2 && text.len && text.len % 4 == (size_t)(-padding & 3) &&
                          text.ptr[text.len - 1] == '=';
            padding++) {
        text.len--;
    }
    if (text.len % 4 == 1) {
        return false;
    }
    char *out = arena_alloc(arena, text.len / 4 * 3 + 3, 1);
    size_t n = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        int v = digit_value(text.ptr[i]);
        if (v < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)v;
        if (i % 4) {
            out[n++] = (char)(bits >> (6 - 2 * (i % 4)));
        }
    }
    *ret = str_of(out, n);
    return true;
}
