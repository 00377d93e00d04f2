/* Hashing. hash_bytes is stable across versions and machines: shards and task queues are placed by
 * it, so it must never change. */
#pragma once

#include <stdint.h>

#include "common/base/str.h"

uint64_t hash_bytes(struct str s, uint64_t seed);

/* A bijective mixer (finaliser of splitmix64): spreads small integers over 64 bits. */
static inline uint64_t hash_u64(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}
