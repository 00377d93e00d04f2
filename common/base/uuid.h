/* 128-bit ids and their text form (lower case, hyphens). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/rand.h"
#include "common/base/str.h"
#include "common/base/time.h"

struct uuid {
    uint8_t b[16];
};

enum { UUID_TEXT_LEN = 36 };

struct uuid_text {
    char s[UUID_TEXT_LEN + 1];
};

/* Version 7: time-ordered by the millisecond of now. */
struct uuid uuid_v7(struct instant now, struct rand *r);
struct uuid uuid_v4(struct rand *r);
struct uuid_text uuid_format(struct uuid id);
struct str uuid_dup(struct arena *arena, struct uuid id);
/* Accepts upper and lower case; false if the text is not a UUID. */
bool uuid_parse(struct str text, struct uuid *ret);

static inline bool uuid_eq(struct uuid a, struct uuid b)
{
    return memcmp(a.b, b.b, sizeof(a.b)) == 0;
}

static inline bool uuid_is_zero(struct uuid id)
{
    return uuid_eq(id, (struct uuid){ { 0 } });
}

static inline struct str uuid_bytes(const struct uuid *id)
{
    return str_of(id->b, sizeof(id->b));
}
