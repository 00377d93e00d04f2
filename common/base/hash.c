/* A stable 64-bit hash: eight bytes at a time through a multiply-fold, finished by the mixer. Byte
 * order is fixed to little endian. */
#include "common/base/hash.h"

static uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t m = (__uint128_t)(a ^ 0xa0761d6478bd642fu) * (b ^ 0xe7037ed1a0b428dbu);
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t load_le(const char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v |= (uint64_t)(unsigned char)p[i] << (8 * i);
    }
    return v;
}

uint64_t hash_bytes(struct str s, uint64_t seed)
{
    uint64_t h = hash_u64(seed ^ (uint64_t)s.len);
    while (s.len >= 8) {
        h = fold(h, load_le(s.ptr, 8));
        s = str_drop(s, 8);
    }
    if (s.len) {
        h = fold(h, load_le(s.ptr, s.len) ^ 0x8ebc6af09c88c6e3u);
    }
    return hash_u64(h);
}
