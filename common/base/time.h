/* Points and spans of time as different types, in nanoseconds, with saturating arithmetic. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Wall-clock time: nanoseconds since 1970-01-01T00:00:00Z. {0} means "not set", INSTANT_NEVER
 * "never". */
struct instant {
    int64_t ns;
};

struct duration {
    int64_t ns;
};

#define INSTANT_NEVER       ((struct instant){ INT64_MAX })
#define DURATION_SECONDS(n) ((struct duration){ (int64_t)(n)*1000000000 })
#define DURATION_MS(n)      ((struct duration){ (int64_t)(n)*1000000 })

static inline int64_t time_add_saturating(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum)) {
        return a < 0 ? INT64_MIN : INT64_MAX;
    }
    return sum;
}

static inline struct instant instant_add(struct instant t, struct duration d)
{
    return (struct instant){ time_add_saturating(t.ns, d.ns) };
}

static inline struct duration instant_since(struct instant later, struct instant earlier)
{
    int64_t d;
    if (__builtin_sub_overflow(later.ns, earlier.ns, &d)) {
        d = later.ns < earlier.ns ? INT64_MIN : INT64_MAX;
    }
    return (struct duration){ d };
}

static inline bool instant_before(struct instant a, struct instant b)
{
    return a.ns < b.ns;
}

static inline bool instant_is_set(struct instant t)
{
    return t.ns != 0;
}

static inline struct instant instant_min(struct instant a, struct instant b)
{
    return a.ns < b.ns ? a : b;
}

static inline struct instant instant_max(struct instant a, struct instant b)
{
    return a.ns > b.ns ? a : b;
}

static inline struct duration duration_min(struct duration a, struct duration b)
{
    return a.ns < b.ns ? a : b;
}

static inline int64_t duration_ms(struct duration d)
{
    return d.ns / 1000000;
}
