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

void rate_limit_set(struct rate_limit *limit, double per_second, struct instant now)
{
    if (per_second != per_second) { /* not a number */
        return;
    }
    double before = limit->per_second;
    limit->is_set = true;
    limit->per_second = per_second <= 0     ? 0
                        : per_second < 1e-6 ? 1e-6
                        : per_second > 1e9  ? 1e9
                                            : per_second;
    if (limit->per_second > 0 && limit->per_second != before) {
        int64_t last = time_add_saturating(now.ns, slack_ns(limit) + (int64_t)interval_ns(limit));
        limit->empty_at = limit->empty_at < last ? limit->empty_at : last;
    }
}

void rate_limit_lift(struct rate_limit *limit)
{
    *limit = (struct rate_limit){ 0 };
}

struct instant rate_limit_next(const struct rate_limit *limit, struct instant now)
{
    if (!limit->is_set) {
        return now;
    }
    if (!(limit->per_second > 0)) {
        return INSTANT_NEVER;
    }
    struct instant at = { time_add_saturating(limit->empty_at, -slack_ns(limit)) };
    return instant_max(at, now);
}

bool rate_limit_take(struct rate_limit *limit, struct instant now)
{
    if (!limit->is_set) {
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
        *rate = (struct rate_count){ .began = rate->began, .slot = slot };
    }
    while (rate->slot < slot) {
        rate->slot++;
        rate->count[rate->slot % RATE_SLOTS] = 0;
    }
}

void rate_count_begin(struct rate_count *rate, struct instant now)
{
    *rate = (struct rate_count){ .began = now, .slot = slot_of(now) };
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

struct rate_count rate_count_without(
        const struct rate_count *from, const struct rate_count *other, struct instant now)
{
    struct rate_count a = *from, b = *other;
    forget_old(&a, slot_of(now));
    forget_old(&b, slot_of(now));
    for (int i = 0; i < RATE_SLOTS; i++) {
        a.count[i] -= b.count[i] < a.count[i] ? b.count[i] : a.count[i];
    }
    return a;
}

double rate_count_per_second(const struct rate_count *rate, struct instant now)
{
    struct rate_count copy = *rate;
    forget_old(&copy, slot_of(now));
    uint64_t sum = 0;
    for (int i = 0; i < RATE_SLOTS; i++) {
        sum += copy.count[i];
    }
    int64_t first = (copy.slot - RATE_SLOTS + 1) * RATE_SLOT_SECONDS * INT64_C(1000000000);
    int64_t from = rate->began.ns > first ? rate->began.ns : first;
    double seconds = (double)(now.ns - from) / 1e9;
    return (double)sum / (seconds > 1 ? seconds : 1);
}
