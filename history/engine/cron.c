/* Parses cron schedules and computes their times. The grammar is that of the cron library of the Go server, its
 * generosities included; times are found by walking the calendar inside of stretches of constant offset, so that
 * changes of the clock need no special case. */
#include "history/engine/cron.h"

#include "history/engine/zone.h"

enum { DAY = 86400, YEARS_MAX = 5 };

struct cron {
    int64_t every; /* seconds; 0: the fields count */
    uint64_t minutes, hours, days, months, weekdays;
    bool any_day, any_weekday; /* "*" without a step */
    struct zone zone;
};

static const char invalid[] = "invalid CronSchedule.";

/* --- fields ------------------------------------------------------------------------------------------- */

struct bounds {
    int64_t min, max;
    const char *names; /* three letters each, for min, min + 1 ... */
};
static const struct bounds minute_bounds = { 0, 59, "" }, hour_bounds = { 0, 23, "" },
                           day_bounds = { 1, 31, "" },
                           month_bounds = { 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec" },
                           weekday_bounds = { 0, 6, "sunmontuewedthufrisat" };

static bool value_of(struct str text, const struct bounds *b, int64_t *ret)
{
    for (int64_t i = 0; text.len == 3 && b->names[3 * i]; i++) {
        if (str_eq_nocase(text, str_of(b->names + 3 * i, 3))) {
            *ret = b->min + i;
            return true;
        }
    }
    return str_to_i64(text, ret) && *ret >= 0;
}

/* "*", "?", "5", "1-5", each perhaps with "/step"; "5/step" goes up to the end. */
static bool parse_range(struct str text, const struct bounds *b, uint64_t *bits, bool *any)
{
    struct str step_text, high_text;
    struct str range = str_split(text, '/', &step_text);
    bool has_step = range.len < text.len;
    struct str low_text = str_split(range, '-', &high_text);
    bool is_single = low_text.len == range.len;
    bool is_any = str_eq(low_text, STR("*")) || str_eq(low_text, STR("?"));
    int64_t low = b->min, high = b->max, step = 1;
    if (!is_any) {
        if (!value_of(low_text, b, &low)) {
            return false;
        }
        high = low;
        if (!is_single && !value_of(high_text, b, &high)) {
            return false;
        }
        high = is_single && has_step ? b->max : high;
    }
    if (has_step && (!str_to_i64(step_text, &step) || step < 1)) {
        return false;
    }
    if (low < b->min || high > b->max || low > high) {
        return false;
    }
    *any |= is_any && step == 1;
    for (int64_t i = low; i <= high; i += step) {
        *bits |= UINT64_C(1) << i;
    }
    return true;
}

static bool parse_field(struct str text, const struct bounds *b, uint64_t *bits, bool *any)
{
    bool is_any = false;
    while (text.len) {
        struct str part = str_split(text, ',', &text);
        if (part.len && !parse_range(part, b, bits, &is_any)) {
            return false;
        }
    }
    if (any) {
        *any = is_any;
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct str next_word(struct str *text)
{
    size_t from = 0, to;
    while (from < text->len && is_blank(text->ptr[from])) {
        from++;
    }
    for (to = from; to < text->len && !is_blank(text->ptr[to]); to++) {
    }
    struct str word = str_of(text->ptr + from, to - from);
    *text = str_drop(*text, to);
    return word;
}

static bool parse_fields(struct str text, struct cron *c)
{
    struct str words[5];
    for (int i = 0; i < 5; i++) {
        words[i] = next_word(&text);
        if (!words[i].len) {
            return false;
        }
    }
    return !next_word(&text).len && parse_field(words[0], &minute_bounds, &c->minutes, NULL) &&
           parse_field(words[1], &hour_bounds, &c->hours, NULL) &&
           parse_field(words[2], &day_bounds, &c->days, &c->any_day) &&
           parse_field(words[3], &month_bounds, &c->months, NULL) &&
           parse_field(words[4], &weekday_bounds, &c->weekdays, &c->any_weekday);
}

/* --- descriptors -------------------------------------------------------------------------------------- */

/* The length of one part of a Go duration, "1.5h"; 0: malformed. */
static size_t span_part(struct str text, double *ret)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = { { "ns", 1e-9 }, { "us", 1e-6 }, { "\xC2\xB5s", 1e-6 }, { "\xCE\xBCs", 1e-6 },
        { "ms", 1e-3 }, { "s", 1 }, { "m", 60 }, { "h", 3600 } };
    double n = 0, fraction = 1;
    size_t i = 0, digits = 0;
    bool after_point = false;
    for (; i < text.len && ((text.ptr[i] >= '0' && text.ptr[i] <= '9') || text.ptr[i] == '.');
            i++) {
        if (text.ptr[i] == '.') {
            if (after_point) {
                return 0;
            }
            after_point = true;
            continue;
        }
        digits++;
        fraction = after_point ? fraction / 10 : 1;
        n = after_point ? n + (text.ptr[i] - '0') * fraction : n * 10 + (text.ptr[i] - '0');
    }
    struct str rest = str_drop(text, i);
    for (size_t u = 0; digits && u < sizeof(units) / sizeof(units[0]); u++) {
        struct str unit = str_from_cstr(units[u].unit);
        struct str after = str_drop(rest, unit.len);
        bool ends =
                !after.len || after.ptr[0] == '.' || (after.ptr[0] >= '0' && after.ptr[0] <= '9');
        if (str_starts_with(rest, unit) && ends) {
            *ret = n * units[u].seconds;
            return i + unit.len;
        }
    }
    return 0;
}

/* Whole seconds, at least one. */
static bool parse_every(struct str text, int64_t *ret)
{
    double total = 0, part = 0;
    bool negative = text.len && text.ptr[0] == '-';
    text = str_drop(text, text.len && (negative || text.ptr[0] == '+') ? 1 : 0);
    if (str_eq(text, STR("0"))) {
        *ret = 1;
        return true;
    }
    if (!text.len) {
        return false;
    }
    while (text.len) {
        size_t n = span_part(text, &part);
        if (!n) {
            return false;
        }
        total += part;
        text = str_drop(text, n);
    }
    if (total > 9e9) { /* 292 years, in nanoseconds, is the most that a duration may be */
        return false;
    }
    *ret = negative || total < 1 ? 1 : (int64_t)(total + 1e-6);
    return true;
}

static bool parse_descriptor(struct str text, struct cron *c)
{
    static const struct {
        const char *word, *fields;
    } words[] = { { "@yearly", "0 0 1 1 *" }, { "@annually", "0 0 1 1 *" },
        { "@monthly", "0 0 1 * *" }, { "@weekly", "0 0 * * 0" }, { "@daily", "0 0 * * *" },
        { "@midnight", "0 0 * * *" }, { "@hourly", "0 * * * *" } };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_eq(text, str_from_cstr(words[i].word))) {
            return parse_fields(str_from_cstr(words[i].fields), c);
        }
    }
    return str_starts_with(text, STR("@every ")) && parse_every(str_drop(text, 7), &c->every);
}

/* --- the whole ---------------------------------------------------------------------------------------- */

/* Takes the prefix off; *name is what it names. False: there is none. */
static bool take_zone(struct str *schedule, struct str *name)
{
    if (!str_starts_with(*schedule, STR("TZ=")) && !str_starts_with(*schedule, STR("CRON_TZ="))) {
        return false;
    }
    struct str rest;
    struct str prefix = str_split(*schedule, ' ', &rest);
    (void)str_split(prefix, '=', name);
    *schedule = str_trim(rest);
    return true;
}

static bool needs_data(struct str name)
{
    return name.len && !str_eq(name, STR("UTC")) && !str_eq(name, STR("Local"));
}

struct str cron_zone_name(struct str schedule)
{
    struct str name = STR("");
    return take_zone(&schedule, &name) && needs_data(name) ? name : STR("");
}

/* A zone that cannot be read is wrong in a request. Later it means that the machine has lost its data: UTC is better
 * than the end of the chain then. */
static bool parse(struct str schedule, struct str zone, bool must_read, struct cron *ret)
{
    struct cron c = { 0 };
    struct str name = STR("");
    (void)take_zone(&schedule, &name);
    if (needs_data(name) && !zone_parse(zone, &c.zone) && must_read) {
        return false;
    }
    bool ok = schedule.len && schedule.ptr[0] == '@' ? parse_descriptor(schedule, &c)
                                                     : parse_fields(schedule, &c);
    *ret = c;
    return ok;
}

/* --- times -------------------------------------------------------------------------------------------- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return (a - (a < 0 ? b - 1 : 0)) / b;
}

static bool day_matches(const struct cron *c, int64_t days, int32_t month, int32_t day)
{
    bool by_day = c->days >> day & 1, by_weekday = c->weekdays >> civil_weekday(days) & 1;
    bool either = !c->any_day && !c->any_weekday;
    return c->months >> month & 1 && (either ? by_day || by_weekday : by_day && by_weekday);
}

/* The first matching local minute at or after `local`, up to the end of year_max. */
static bool next_local(const struct cron *c, int64_t local, int64_t year_max, int64_t *ret)
{
    int64_t days = floor_div(local, DAY), minute = (local - days * DAY) / 60;
    for (;; days++, minute = 0) {
        int64_t year;
        int32_t month, day;
        civil_date(days, &year, &month, &day);
        if (year > year_max) {
            return false;
        }
        for (; day_matches(c, days, month, day) && minute < 1440; minute++) {
            if (!(c->hours >> (minute / 60) & 1)) {
                minute += 59 - minute % 60;
            } else if (c->minutes >> (minute % 60) & 1) {
                *ret = days * DAY + minute * 60;
                return true;
            }
        }
    }
}

/* The first time at or after `at`, in seconds. */
static bool next_time(const struct cron *c, int64_t at, int64_t *ret)
{
    int64_t year, end, local;
    int32_t month, day;
    civil_date(floor_div(at, DAY), &year, &month, &day);
    for (;; at = end) {
        int32_t offset = zone_offset(&c->zone, at, &end);
        int64_t minute = floor_div(at + offset + 59, 60) * 60;
        if (!next_local(c, minute, year + YEARS_MAX, &local)) {
            return false;
        }
        if (local - offset < end) {
            *ret = local - offset;
            return true;
        }
    }
}

enum { NS = 1000000000 };

/* Whole seconds from now to the first time after `scheduled` that is not past. */
static bool next_after(
        const struct cron *c, struct instant scheduled, struct instant now, int64_t *ret)
{
    int64_t after = floor_div(scheduled.ns, NS), present = floor_div(now.ns + NS - 1, NS);
    if (c->every) {
        int64_t steps = present > after ? (present - after + c->every - 1) / c->every : 1;
        *ret = after + (steps > 1 ? steps : 1) * c->every;
        return true;
    }
    return next_time(c, present > after + 1 ? present : after + 1, ret);
}

const char *cron_problem(struct str schedule, struct str zone, struct instant now)
{
    struct cron c;
    int64_t next;
    if (!schedule.len) {
        return NULL;
    }
    if (!parse(schedule, zone, true, &c)) {
        return invalid;
    }
    return next_after(&c, now, now, &next)
                   ? NULL
                   : "invalid CronSchedule, no time can be found to satisfy the schedule";
}

bool cron_backoff(struct str schedule, struct str zone, struct instant scheduled,
        struct instant now, struct duration *ret)
{
    struct cron c;
    int64_t next = 0;
    if (!schedule.len || !parse(schedule, zone, false, &c)) {
        return false;
    }
    if (now.ns < scheduled.ns) { /* ended before it was due: that time is still to come */
        next = floor_div(scheduled.ns + NS - 1, NS);
    } else if (!next_after(&c, scheduled, now, &next)) {
        return false;
    }
    int64_t ns = 0;
    if (__builtin_mul_overflow(next, (int64_t)NS, &ns)) {
        return false;
    }
    *ret = DURATION_SECONDS((ns - now.ns + NS - 1) / NS);
    return true;
}
