/* A seeded generator, passed explicitly: whoever holds it decides what is random. */
#pragma once

#include <stdint.h>

#include "common/base/hash.h"

struct rand {
    uint64_t state;
};

static inline uint64_t rand_u64(struct rand *r)
{
    r->state += 0x9e3779b97f4a7c15u;
    return hash_u64(r->state);
}

/* Uniform in [0, n); n > 0. */
static inline uint64_t rand_below(struct rand *r, uint64_t n)
{
    return (uint64_t)(((__uint128_t)rand_u64(r) * n) >> 64);
}

/* Seeds from the operating system; aborts when it has no randomness. */
void rand_seed_from_os(struct rand *r);
