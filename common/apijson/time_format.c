/* Times and durations for people and JSON to read. */
#include "common/apijson/time_format.h"

#include <stddef.h>
#include <stdio.h>

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
