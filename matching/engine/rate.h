/* A token bucket and a count per second of the last half minute: exact, a few words each. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/time.h"

/* Holds at most one second's worth of tokens, at least one. Zeroed: no limit. */
struct rate_limit {
    bool is_set;
    double per_second; /* 0: never */
    int64_t empty_at; /* ns: when a bucket that now drains at the limit's pace would be full again */
};

/* Zero or less: nothing passes. Not a number: nothing changes. What was taken at another rate is forgotten as far as
 * the new one's bucket does not hold it. */
void rate_limit_set(struct rate_limit *limit, double per_second, struct instant now);
void rate_limit_lift(struct rate_limit *limit);
/* Takes one token if there is one. */
bool rate_limit_take(struct rate_limit *limit, struct instant now);
/* Gives back a token that was taken for nothing. */
void rate_limit_refund(struct rate_limit *limit);
/* When the next token is there; INSTANT_NEVER at a rate of zero. */
struct instant rate_limit_next(const struct rate_limit *limit, struct instant now);

enum { RATE_SLOTS = 6, RATE_SLOT_SECONDS = 5 };

struct rate_count {
    struct instant began;
    int64_t slot; /* number of the latest slot */
    uint64_t count[RATE_SLOTS];
};

void rate_count_begin(struct rate_count *rate, struct instant now);
void rate_count_add(struct rate_count *rate, struct instant now, uint64_t n);
/* One of those counted did not happen. */
void rate_count_take_back(struct rate_count *rate, struct instant now);
/* `from` without what `other` has counted of it. */
struct rate_count rate_count_without(
        const struct rate_count *from, const struct rate_count *other, struct instant now);
/* Over the last half minute, or what has passed of it since the beginning; a second at least. */
double rate_count_per_second(const struct rate_count *rate, struct instant now);
