/* The bucket is kept as one point in time (the generic cell rate algorithm): each token moves it on by the
 * interval between tokens, and it may be ahead of now by what the bucket holds. Nothing has to be refilled. */
#include "matching/engine/rate.h"

static double interval_ns(const struct rate_limit *limit)
{
    return 1e9 / limit->per_second;
}

/* How far ahead of now the point may be for one more token. */
static int64_t slack_ns(const struct rate_limit *limit)
{
    double capacity = limit->per_second < 1 ? 1 : limit->per_second;
    return (int64_t)((capacity - 1) * interval_ns(limit));
}

void rate_limit_set(struct rate_limit *limit, double per_second)
{
    if (!(per_second > 0)) { /* also not a number */
        return;
    }
    limit->per_second = per_second < 1e-6 ? 1e-6 : per_second > 1e9 ? 1e9 : per_second;
}

struct instant rate_limit_next(const struct rate_limit *limit, struct instant now)
{
    if (!(limit->per_second > 0)) {
        return now;
    }
    struct instant at = { time_add_saturating(limit->empty_at, -slack_ns(limit)) };
    return instant_max(at, now);
}

bool rate_limit_take(struct rate_limit *limit, struct instant now)
{
    if (!(limit->per_second > 0)) {
        return true;
    }
    if (instant_before(now, rate_limit_next(limit, now))) {
        return false;
    }
    int64_t from = limit->empty_at > now.ns ? limit->empty_at : now.ns;
    limit->empty_at = time_add_saturating(from, (int64_t)interval_ns(limit));
    return true;
}

void rate_limit_refund(struct rate_limit *limit)
{
    if (limit->per_second > 0) {
        limit->empty_at = time_add_saturating(limit->empty_at, -(int64_t)interval_ns(limit));
    }
}

static int64_t slot_of(struct instant now)
{
    return now.ns / (RATE_SLOT_SECONDS * INT64_C(1000000000));
}

/* Whether the count kept for slot s is of the last RATE_SLOTS slots. */
static void forget_old(struct rate_count *rate, int64_t slot)
{
    if (slot - rate->slot >= RATE_SLOTS || slot < rate->slot) {
        *rate = (struct rate_count){ .slot = slot };
    }
    while (rate->slot < slot) {
        rate->slot++;
        rate->count[rate->slot % RATE_SLOTS] = 0;
    }
}

void rate_count_add(struct rate_count *rate, struct instant now, uint64_t n)
{
    forget_old(rate, slot_of(now));
    rate->count[rate->slot % RATE_SLOTS] += n;
}

void rate_count_take_back(struct rate_count *rate, struct instant now)
{
    forget_old(rate, slot_of(now));
    for (int i = 0; i < RATE_SLOTS; i++) { /* the latest slot that has one */
        uint64_t *count = &rate->count[(rate->slot - i + RATE_SLOTS) % RATE_SLOTS];
        if (*count) {
            (*count)--;
            return;
        }
    }
}

double rate_count_per_second(const struct rate_count *rate, struct instant now)
{
    struct rate_count copy = *rate;
    forget_old(&copy, slot_of(now));
    uint64_t sum = 0;
    for (int i = 0; i < RATE_SLOTS; i++) {
        sum += copy.count[i];
    }
    return (double)sum / (RATE_SLOTS * RATE_SLOT_SECONDS);
}
