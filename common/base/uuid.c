/* Making, printing and parsing UUIDs (RFC 9562). */
#include "common/base/uuid.h"

#include "common/base/arena.h"

static struct uuid random_bits(struct rand *r, uint8_t version)
{
    struct uuid id;
    uint64_t halves[2] = { rand_u64(r), rand_u64(r) };
    memcpy(id.b, halves, sizeof(id.b));
    id.b[6] = (uint8_t)((id.b[6] & 0x0f) | (version << 4));
    id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
    return id;
}

struct uuid uuid_v4(struct rand *r)
{
    return random_bits(r, 4);
}

struct uuid uuid_v7(struct instant now, struct rand *r)
{
    struct uuid id = random_bits(r, 7);
    uint64_t ms = (uint64_t)(now.ns / 1000000);
    for (int i = 0; i < 6; i++) {
        id.b[i] = (uint8_t)(ms >> (40 - 8 * i));
    }
    return id;
}

static bool hyphen_at(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

struct uuid_text uuid_format(struct uuid id)
{
    static const char digits[] = "0123456789abcdef";
    struct uuid_text text = { { 0 } };
    size_t nibble = 0;
    for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
        if (hyphen_at(i)) {
            text.s[i] = '-';
            continue;
        }
        uint8_t byte = id.b[nibble / 2];
        text.s[i] = digits[nibble % 2 ? byte & 15 : byte >> 4];
        nibble++;
    }
    return text;
}

struct str uuid_dup(struct arena *arena, struct uuid id)
{
    struct uuid_text text = uuid_format(id);
    return str_dup(arena, str_of(text.s, UUID_TEXT_LEN));
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uuid_parse(struct str text, struct uuid *ret)
{
    struct uuid id = { { 0 } };
    if (text.len != UUID_TEXT_LEN) {
        return false;
    }
    size_t nibble = 0;
    for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
        if (hyphen_at(i)) {
            if (text.ptr[i] != '-') {
                return false;
            }
            continue;
        }
        int v = hex_value(text.ptr[i]);
        if (v < 0) {
            return false;
        }
        id.b[nibble / 2] = (uint8_t)(id.b[nibble / 2] | (nibble % 2 ? v : v << 4));
        nibble++;
    }
    *ret = id;
    return true;
}
