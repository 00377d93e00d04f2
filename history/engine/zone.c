/* Reads TZif bytes: the table of transitions, and behind it the rule of the POSIX TZ string in the footer. Bounds are
 * checked once, at the parse. Knows nothing of files, names or the present. */
#include "history/engine/zone.h"

enum { DAY = 86400, HEADER = 44, OFFSET_MAX = 26 * 3600 };

/* --- the calendar ------------------------------------------------------------------------------------- */

/* Eras of 400 years, each beginning on the first of March: the leap day comes last. */
int64_t civil_days(int64_t year, int32_t month, int32_t day)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

void civil_date(int64_t days, int64_t *year, int32_t *month, int32_t *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t of_era = z - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;
    *day = (int32_t)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int32_t)(m < 10 ? m + 3 : m - 9);
    *year = y + era * 400 + (*month <= 2);
}

int32_t civil_weekday(int64_t days)
{
    int64_t w = (days + 4) % 7;
    return (int32_t)(w < 0 ? w + 7 : w);
}

/* --- bytes -------------------------------------------------------------------------------------------- */

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const uint8_t *p)
{
    return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

struct counts {
    uint32_t isut, isstd, leap, time, type, chars;
};

static bool take_header(struct str *in, struct counts *c)
{
    const uint8_t *p = (const uint8_t *)in->ptr;
    if (in->len < HEADER || !str_starts_with(*in, STR("TZif")) || p[4] < '2') {
        return false;
    }
    *c = (struct counts){ be32(p + 20), be32(p + 24), be32(p + 28), be32(p + 32), be32(p + 36),
        be32(p + 40) };
    *in = str_drop(*in, HEADER);
    return true;
}

static uint64_t block_size(const struct counts *c, uint64_t time_size)
{
    return c->time * (time_size + 1) + c->type * UINT64_C(6) + c->chars +
           c->leap * (time_size + 4) + c->isstd + (uint64_t)c->isut;
}

static bool tables_are_sound(const struct zone *z)
{
    for (uint32_t i = 0; i < z->time_count; i++) {
        if (z->indexes[i] >= z->type_count ||
                (i > 0 && be64(z->times + 8 * i) <= be64(z->times + 8 * (i - 1)))) {
            return false;
        }
    }
    for (uint32_t i = 0; i < z->type_count; i++) {
        int32_t offset = (int32_t)be32(z->types + 6 * i);
        if (offset < -OFFSET_MAX || offset > OFFSET_MAX) {
            return false;
        }
    }
    return z->type_count > 0;
}

/* --- the footer: "CET-1CEST,M3.5.0,M10.5.0/3" ---------------------------------------------------------- */

static bool take_char(struct str *in, char c)
{
    if (!in->len || in->ptr[0] != c) {
        return false;
    }
    *in = str_drop(*in, 1);
    return true;
}

static bool take_number(struct str *in, int64_t max, int64_t *ret)
{
    int64_t n = 0;
    size_t digits = 0;
    while (digits < in->len && in->ptr[digits] >= '0' && in->ptr[digits] <= '9' && n <= max) {
        n = n * 10 + (in->ptr[digits++] - '0');
    }
    if (!digits || n > max) {
        return false;
    }
    *in = str_drop(*in, digits);
    *ret = n;
    return true;
}

static bool take_name(struct str *in)
{
    size_t n = 0;
    if (take_char(in, '<')) {
        n = str_find(*in, '>');
        *in = str_drop(*in, n + 1);
        return n > 0;
    }
    while (n < in->len && ((in->ptr[n] >= 'a' && in->ptr[n] <= 'z') ||
                                  (in->ptr[n] >= 'A' && in->ptr[n] <= 'Z'))) {
        n++;
    }
    *in = str_drop(*in, n);
    return n >= 3;
}

/* [+-]hh[:mm[:ss]] in seconds */
static bool take_time(struct str *in, int64_t *ret)
{
    int64_t h = 0, m = 0, s = 0;
    bool negative = take_char(in, '-');
    (void)(!negative && take_char(in, '+'));
    if (!take_number(in, 167, &h) || (take_char(in, ':') && !take_number(in, 59, &m))) {
        return false;
    }
    if (take_char(in, ':') && !take_number(in, 59, &s)) {
        return false;
    }
    int64_t total = h * 3600 + m * 60 + s;
    *ret = negative ? -total : total;
    return true;
}

static bool take_rule(struct str *in, struct zone_rule *r)
{
    int64_t a = 0, b = 0, c = 0;
    if (!take_char(in, ',')) {
        return false;
    }
    if (take_char(in, 'M')) {
        r->kind = ZONE_RULE_WEEKDAY;
        if (!take_number(in, 12, &a) || !take_char(in, '.') || !take_number(in, 5, &b) ||
                !take_char(in, '.') || !take_number(in, 6, &c) || !a || !b) {
            return false;
        }
    } else {
        r->kind = take_char(in, 'J') ? ZONE_RULE_JULIAN : ZONE_RULE_DAY;
        if (!take_number(in, 365, &c) || (r->kind == ZONE_RULE_JULIAN && !c)) {
            return false;
        }
    }
    r->month = (int32_t)a;
    r->week = (int32_t)b;
    r->day = (int32_t)c;
    r->time = 2 * 3600;
    return !take_char(in, '/') || take_time(in, &r->time);
}

static bool take_footer(struct str in, struct zone *z)
{
    int64_t west = 0;
    if (!take_name(&in) || !take_time(&in, &west)) {
        return false;
    }
    z->has_footer = true;
    z->std_offset = (int32_t)-west;
    if (!in.len) {
        return true;
    }
    west -= 3600;
    if (!take_name(&in) || (in.len && in.ptr[0] != ',' && !take_time(&in, &west))) {
        return false;
    }
    z->has_dst = true;
    z->dst_offset = (int32_t)-west;
    return take_rule(&in, &z->dst_start) && take_rule(&in, &z->dst_end) && !in.len;
}

bool zone_parse(struct str in, struct zone *ret)
{
    struct zone z = { 0 };
    struct counts c;
    if (!take_header(&in, &c) || block_size(&c, 4) > in.len) {
        return false;
    }
    in = str_drop(in, (size_t)block_size(&c, 4));
    if (!take_header(&in, &c) || block_size(&c, 8) > in.len) {
        return false;
    }
    z.time_count = c.time;
    z.type_count = c.type;
    z.times = (const uint8_t *)in.ptr;
    z.indexes = z.times + (size_t)8 * c.time;
    z.types = z.indexes + c.time;
    in = str_drop(in, (size_t)block_size(&c, 8));
    if (!tables_are_sound(&z) || !take_char(&in, '\n')) {
        return false;
    }
    size_t footer = str_find(in, '\n');
    if (footer == in.len || (footer && !take_footer(str_of(in.ptr, footer), &z))) {
        return false;
    }
    *ret = z;
    return true;
}

/* --- offsets ------------------------------------------------------------------------------------------ */

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* The local second at which the rule takes effect in that year, as if it were UTC. */
static int64_t rule_time(const struct zone_rule *r, int64_t year)
{
    int64_t day = civil_days(year, 1, 1) + r->day;
    if (r->kind == ZONE_RULE_JULIAN) {
        day += r->day >= 60 && is_leap(year) ? 0 : -1;
    } else if (r->kind == ZONE_RULE_WEEKDAY) {
        int64_t first = civil_days(year, r->month, 1);
        int64_t next_month =
                r->month == 12 ? civil_days(year + 1, 1, 1) : civil_days(year, r->month + 1, 1);
        day = first + (r->day - civil_weekday(first) + 7) % 7 + INT64_C(7) * (r->week - 1);
        while (day >= next_month) {
            day -= 7;
        }
    }
    return day * DAY + r->time;
}

static int32_t footer_offset(const struct zone *z, int64_t at, int64_t *end)
{
    *end = INT64_MAX;
    if (!z->has_dst) {
        return z->std_offset;
    }
    int64_t year;
    int32_t month, day, offset = z->std_offset;
    int64_t last = INT64_MIN;
    civil_date((at - (at < 0 ? DAY - 1 : 0)) / DAY, &year, &month, &day);
    for (int64_t y = year - 1; y <= year + 1; y++) {
        const struct {
            int64_t at;
            int32_t offset;
        } changes[2] = { { rule_time(&z->dst_start, y) - z->std_offset, z->dst_offset },
            { rule_time(&z->dst_end, y) - z->dst_offset, z->std_offset } };
        for (int i = 0; i < 2; i++) {
            if (changes[i].at <= at && changes[i].at > last) {
                last = changes[i].at;
                offset = changes[i].offset;
            } else if (changes[i].at > at && changes[i].at < *end) {
                *end = changes[i].at;
            }
        }
    }
    return offset;
}

int32_t zone_offset(const struct zone *z, int64_t at, int64_t *end)
{
    if (!z->type_count) {
        *end = INT64_MAX;
        return 0;
    }
    uint32_t low = 0, high = z->time_count; /* the number of transitions that are past */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (be64(z->times + (size_t)8 * middle) <= at) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == z->time_count && z->has_footer) {
        return footer_offset(z, at, end);
    }
    *end = low < z->time_count ? be64(z->times + (size_t)8 * low) : INT64_MAX;
    uint32_t type = low ? z->indexes[low - 1] : 0;
    return (int32_t)be32(z->types + (size_t)6 * type);
}
