/* Points and spans of time as users write them. No time zones but offsets. */
#include "common/model/time_text.h"

#include "common/base/check.h"

struct cursor {
    struct str rest;
    bool bad;
};

/* Exactly n digits. */
static int64_t digits(struct cursor *c, size_t n)
{
    int64_t v = 0;
    if (c->rest.len < n) {
        c->bad = true;
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        char d = c->rest.ptr[i];
        c->bad |= d < '0' || d > '9';
        v = v * 10 + (d - '0');
    }
    c->rest = str_drop(c->rest, n);
    return v;
}

static bool take(struct cursor *c, char ch)
{
    if (c->rest.len == 0 || c->rest.ptr[0] != ch) {
        return false;
    }
    c->rest = str_drop(c->rest, 1);
    return true;
}

static void want(struct cursor *c, char ch)
{
    c->bad |= !take(c, ch);
}

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar. */
static int64_t days_of(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static int64_t days_in_month(int64_t y, int64_t m)
{
    static const int8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    return m == 2 && is_leap ? 29 : days[m - 1];
}

/* Digits after the point as nanoseconds; what is beyond them is cut off. */
static int64_t fraction(struct cursor *c)
{
    int64_t ns = 0, unit = 100000000;
    size_t n = 0;
    while (c->rest.len && c->rest.ptr[0] >= '0' && c->rest.ptr[0] <= '9') {
        ns += (c->rest.ptr[0] - '0') * unit;
        unit /= 10;
        c->rest = str_drop(c->rest, 1);
        n++;
    }
    c->bad |= n == 0;
    return ns;
}

bool time_parse_rfc3339(struct str s, struct instant *ret)
{
    struct cursor c = { s, false };
    int64_t y = digits(&c, 4);
    want(&c, '-');
    int64_t m = digits(&c, 2);
    want(&c, '-');
    int64_t d = digits(&c, 2);
    if (!take(&c, 'T')) {
        want(&c, 't');
    }
    int64_t hour = digits(&c, 2);
    want(&c, ':');
    int64_t minute = digits(&c, 2);
    want(&c, ':');
    int64_t second = digits(&c, 2);
    int64_t ns = take(&c, '.') ? fraction(&c) : 0;
    int64_t offset = 0;
    if (!take(&c, 'Z') && !take(&c, 'z')) {
        int64_t sign = take(&c, '-') ? -1 : 1;
        if (sign > 0) {
            want(&c, '+');
        }
        int64_t h = digits(&c, 2);
        want(&c, ':');
        int64_t min = digits(&c, 2);
        c.bad |= h > 23 || min > 59;
        offset = sign * (h * 3600 + min * 60);
    }
    if (c.bad || c.rest.len || m < 1 || m > 12 || d < 1 || d > days_in_month(y, m) || hour > 23 ||
            minute > 59 || second > 59) {
        return false;
    }
    int64_t seconds = days_of(y, m, d) * 86400 + hour * 3600 + minute * 60 + second - offset;
    int64_t total;
    if (__builtin_mul_overflow(seconds, 1000000000, &total) ||
            __builtin_add_overflow(total, ns, &total)) {
        return false;
    }
    *ret = (struct instant){ total };
    return true;
}

static bool take_unit(struct cursor *c, int64_t *ns)
{
    static const struct {
        struct str name;
        int64_t ns;
    } units[] = {
        { STR_INIT("ns"), 1 },
        { STR_INIT("us"), 1000 },
        { STR_INIT("\xc2\xb5s"), 1000 }, /* micro sign, and the Greek letter */
        { STR_INIT("\xce\xbcs"), 1000 },
        { STR_INIT("ms"), 1000000 },
        { STR_INIT("s"), 1000000000 },
        { STR_INIT("m"), 60 * (int64_t)1000000000 },
        { STR_INIT("h"), 3600 * (int64_t)1000000000 },
        { STR_INIT("d"), 86400 * (int64_t)1000000000 },
    };
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (str_starts_with(c->rest, units[i].name)) {
            c->rest = str_drop(c->rest, units[i].name.len);
            *ns = units[i].ns;
            return true;
        }
    }
    return false;
}

bool duration_parse(struct str s, struct duration *ret)
{
    struct cursor c = { s, false };
    bool is_negative = take(&c, '-');
    int64_t total = 0;
    if (str_empty(c.rest)) {
        return false;
    }
    while (c.rest.len) {
        int64_t whole = 0, ns, unit;
        size_t before = c.rest.len;
        while (c.rest.len && c.rest.ptr[0] >= '0' && c.rest.ptr[0] <= '9') {
            if (__builtin_mul_overflow(whole, 10, &whole) ||
                    __builtin_add_overflow(whole, c.rest.ptr[0] - '0', &whole)) {
                return false;
            }
            c.rest = str_drop(c.rest, 1);
        }
        bool has_digits = c.rest.len < before;
        int64_t part = take(&c, '.') ? fraction(&c) : 0;
        if (c.bad || (!has_digits && !part) || !take_unit(&c, &unit) ||
                __builtin_mul_overflow(whole, unit, &ns) ||
                __builtin_add_overflow(
                        ns, (int64_t)((double)part * 1e-9 * (double)unit + 0.5), &ns) ||
                __builtin_add_overflow(total, ns, &total)) {
            return false;
        }
    }
    *ret = (struct duration){ is_negative ? -total : total };
    return true;
}
