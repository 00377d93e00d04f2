/* Points and spans of time as users write and read them. No time zones but offsets. */
#include "common/model/time_text.h"

#include <stdio.h>

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

/* The date of a number of days since 1970-01-01. */
static void date_of(int64_t days, int64_t *y, int64_t *m, int64_t *d)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    *d = day_of_year - (153 * month + 2) / 5 + 1;
    *m = month + (month < 10 ? 3 : -9);
    *y = year_of_era + era * 400 + (*m <= 2);
}

bool time_format_rfc3339(int64_t seconds, int32_t nanos, char text[TIME_TEXT_BYTES])
{
    enum { DAY = 86400 };
    const int64_t first = -62135596800, last = 253402300799; /* the years 0001 and 9999 */
    if (seconds < first || seconds > last || nanos < 0 || nanos > 999999999) {
        return false;
    }
    int64_t y, m, d;
    int64_t days = (seconds - (seconds < 0 ? DAY - 1 : 0)) / DAY;
    int64_t rest = seconds - days * DAY;
    date_of(days, &y, &m, &d);
    char fraction[16] = "";
    if (nanos) {
        int digits = nanos % 1000000 == 0 ? 3 : nanos % 1000 == 0 ? 6 : 9;
        snprintf(fraction, sizeof(fraction), ".%09d", nanos);
        fraction[digits + 1] = 0;
    }
    snprintf(text, TIME_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", (int)y, (int)m, (int)d,
            (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60), fraction);
    return true;
}

/* n units of 10^-digits, without the zeros at its end. */
static void decimal(
        char *text, size_t size, uint64_t whole, uint64_t part, int digits, const char *unit)
{
    char fraction[16] = "";
    if (part) {
        size_t n = (size_t)snprintf(
                fraction, sizeof(fraction), ".%0*llu", digits, (unsigned long long)part);
        while (n && fraction[n - 1] == '0') {
            fraction[--n] = 0;
        }
    }
    snprintf(text, size, "%llu%s%s", (unsigned long long)whole, fraction, unit);
}

void duration_format(struct duration d, char text[TIME_TEXT_BYTES])
{
    uint64_t ns = d.ns < 0 ? 0 - (uint64_t)d.ns : (uint64_t)d.ns;
    char *to = text;
    if (d.ns < 0) {
        *to++ = '-';
    }
    size_t size = TIME_TEXT_BYTES - (size_t)(to - text);
    if (ns == 0) {
        snprintf(to, size, "0s");
    } else if (ns < 1000) {
        decimal(to, size, ns, 0, 0, "ns");
    } else if (ns < 1000000) {
        decimal(to, size, ns / 1000, ns % 1000, 3, "\xc2\xb5s");
    } else if (ns < 1000000000) {
        decimal(to, size, ns / 1000000, ns % 1000000, 6, "ms");
    } else {
        uint64_t minutes = ns / 60000000000ull, rest = ns % 60000000000ull;
        int n = minutes >= 60 ? snprintf(to, size, "%lluh%llum", (unsigned long long)(minutes / 60),
                                        (unsigned long long)(minutes % 60))
                : minutes     ? snprintf(to, size, "%llum", (unsigned long long)minutes)
                              : 0;
        decimal(to + n, size - (size_t)n, rest / 1000000000, rest % 1000000000, 9, "s");
    }
}
