/* Cron schedules and time zones: the grammar, the calendar, changes of the clock; and every offset of many zones
 * against the C library, which reads the same files. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/arena.h"
#include "history/engine/cron.h"
#include "history/engine/zone.h"

static struct arena arena;

static struct str zone_file(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", name);
    FILE *in = fopen(path, "rb");
    cr_assert(in, "%s", path);
    char *bytes = NEW(&arena, char, 64 * 1024);
    size_t n = fread(bytes, 1, 64 * 1024, in);
    fclose(in);
    return str_of(bytes, n);
}

static struct instant at(int64_t year, int month, int day, int hour, int minute, int second)
{
    return (struct instant){
        ((civil_days(year, month, day) * 24 + hour) * 3600 + minute * 60 + second) * 1000000000
    };
}

/* The next time after `from`, as "2023-11-05 01:30:00" in UTC. */
static const char *next(const char *schedule, struct instant from)
{
    static char text[64];
    struct str s = str_from_cstr(schedule), name = cron_zone_name(s);
    struct duration d = { 0 };
    struct str zone = name.len ? zone_file(str_cstr(&arena, name)) : STR("");
    if (cron_problem(s, zone, from) || !cron_backoff(s, zone, from, from, &d)) {
        return "none";
    }
    time_t t = (time_t)((from.ns + d.ns) / 1000000000);
    struct tm tm;
    strftime(text, sizeof(text), "%F %T", gmtime_r(&t, &tm));
    return text;
}

#define NEXT(schedule, from, expected) cr_assert_str_eq(next(schedule, from), expected)

Test(cron, fields)
{
    struct instant t = at(2023, 11, 14, 22, 13, 20); /* a Tuesday */
    NEXT("* * * * *", t, "2023-11-14 22:14:00");
    NEXT("*/15 * * * *", t, "2023-11-14 22:15:00");
    NEXT("5/20 * * * *", t, "2023-11-14 22:25:00");
    NEXT("0 9-17/4 * * *", t, "2023-11-15 09:00:00");
    NEXT("0,13,14 22 * * *", t, "2023-11-14 22:14:00");
    NEXT("0 0 1 * *", t, "2023-12-01 00:00:00");
    NEXT("0 0 * jan,Mar *", t, "2024-01-01 00:00:00");
    NEXT("0 0 * * sun", t, "2023-11-19 00:00:00");
    NEXT("0 0 * * mon-wed", t, "2023-11-15 00:00:00");
    NEXT("0 0 29 2 *", t, "2024-02-29 00:00:00");
    NEXT("  0   0 ? *\t?  ", t, "2023-11-15 00:00:00");
    NEXT(",5 * * * *", t, "2023-11-14 23:05:00"); /* empty parts of a list are nothing */
}

Test(cron, either_day_is_enough_when_both_are_restricted)
{
    struct instant t = at(2023, 11, 14, 22, 13, 20);
    NEXT("0 0 20 * fri", t, "2023-11-17 00:00:00");
    NEXT("0 0 15 * fri", t, "2023-11-15 00:00:00");
    NEXT("0 0 * * fri", t, "2023-11-17 00:00:00");
    NEXT("0 0 */2 * fri", t, "2023-11-15 00:00:00"); /* a step is a restriction */
    NEXT("0 0 13 * */1", t, "2023-12-13 00:00:00");
}

Test(cron, descriptors)
{
    struct instant t = at(2023, 11, 14, 22, 13, 20);
    NEXT("@hourly", t, "2023-11-14 23:00:00");
    NEXT("@daily", t, "2023-11-15 00:00:00");
    NEXT("@midnight", t, "2023-11-15 00:00:00");
    NEXT("@weekly", t, "2023-11-19 00:00:00");
    NEXT("@monthly", t, "2023-12-01 00:00:00");
    NEXT("@yearly", t, "2024-01-01 00:00:00");
    NEXT("@annually", t, "2024-01-01 00:00:00");
    NEXT("@every 90s", t, "2023-11-14 22:14:50");
    NEXT("@every 1h30m", t, "2023-11-14 23:43:20");
    NEXT("@every 1.5h", t, "2023-11-14 23:43:20");
    NEXT("@every 1500ms", t, "2023-11-14 22:13:21");
    NEXT("@every 10ms", t, "2023-11-14 22:13:21"); /* a second at least */
    NEXT("@every -5m", t, "2023-11-14 22:13:21");
}

Test(cron, bad_schedules)
{
    static const char *const bad[] = { " ", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *",
        "* * 0 * *", "* * * 13 *", "* * * * 7", "5-1 * * * *", "*/0 * * * *", "a * * * *",
        "1-2-3 * * * *", "1/2/3 * * * *", "-1 * * * *", "1- * * * *", "@often", "@every", "@every ",
        "@every 5", "@every 1x", "@every 1h2", "@every 1.2.3s", "@every 99999999h", "@hourly ",
        "TZ=Europe/Nowhere * * * * *", "TZ=UTC", "CRON_TZ= ", "TZ=UTC * * * *" };
    struct instant t = at(2023, 11, 14, 22, 13, 20);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *why = cron_problem(str_from_cstr(bad[i]), STR(""), t);
        cr_assert(why, "%s", bad[i]);
        cr_assert_str_eq(why, "invalid CronSchedule.", "%s", bad[i]);
    }
    cr_assert_str_eq(cron_problem(STR("0 0 31 2 *"), STR(""), t),
            "invalid CronSchedule, no time can be found to satisfy the schedule");
    cr_assert_str_eq(cron_problem(STR(", * * * *"), STR(""), t),
            "invalid CronSchedule, no time can be found to satisfy the schedule");
    cr_assert_null(cron_problem(STR(""), STR(""), t));
    cr_assert_null(cron_problem(STR("TZ=UTC * * * * *"), STR(""), t));
}

Test(cron, zones)
{
    struct instant t = at(2023, 11, 14, 22, 13, 20);
    cr_assert(str_eq(cron_zone_name(STR("CRON_TZ=Asia/Kolkata 0 9 * * *")), STR("Asia/Kolkata")));
    cr_assert(str_empty(cron_zone_name(STR("TZ=UTC 0 9 * * *"))));
    cr_assert(str_empty(cron_zone_name(STR("0 9 * * *"))));
    NEXT("TZ=UTC 0 9 * * *", t, "2023-11-15 09:00:00");
    NEXT("CRON_TZ=Europe/Berlin 0 9 * * *", t, "2023-11-15 08:00:00");
    NEXT("TZ=America/New_York 0 18 * * *", t, "2023-11-14 23:00:00");
    NEXT("TZ=Asia/Kolkata 0 9 * * *", t, "2023-11-15 03:30:00");    /* +5:30 */
    NEXT("TZ=Asia/Kathmandu 15 4 * * *", t, "2023-11-14 22:30:00"); /* +5:45 */
    NEXT("TZ=Europe/Berlin @daily", t, "2023-11-14 23:00:00");
    NEXT("TZ=Europe/Berlin 0 12 1 7 *", at(2060, 1, 1, 0, 0, 0), "2060-07-01 10:00:00");
}

Test(cron, skipped_hour)
{
    /* Berlin, 26 March 2023: 02:00 becomes 03:00 at 01:00 UTC. */
    NEXT("TZ=Europe/Berlin 30 2 * * *", at(2023, 3, 25, 12, 0, 0), "2023-03-27 00:30:00");
    NEXT("TZ=Europe/Berlin 30 * * * *", at(2023, 3, 26, 0, 30, 0), "2023-03-26 01:30:00");
    NEXT("TZ=Europe/Berlin 0 3 * * *", at(2023, 3, 26, 0, 0, 0), "2023-03-26 01:00:00");
    /* Santiago changes at midnight: that day begins at one o'clock. */
    NEXT("TZ=America/Santiago 0 0 * * *", at(2023, 9, 3, 0, 0, 0), "2023-09-04 03:00:00");
}

Test(cron, repeated_hour)
{
    /* New York, 5 November 2023: 01:30 comes at 05:30 and at 06:30 UTC. */
    NEXT("TZ=America/New_York 30 1 * * *", at(2023, 11, 5, 0, 0, 0), "2023-11-05 05:30:00");
    NEXT("TZ=America/New_York 30 1 * * *", at(2023, 11, 5, 5, 30, 0), "2023-11-05 06:30:00");
    NEXT("TZ=America/New_York 30 1 * * *", at(2023, 11, 5, 6, 30, 0), "2023-11-06 06:30:00");
}

Test(cron, missed_times_are_skipped)
{
    struct duration d;
    struct instant executed = at(2023, 11, 14, 22, 0, 0);
    cr_assert(
            cron_backoff(STR("*/10 * * * *"), STR(""), executed, at(2023, 11, 14, 22, 25, 1), &d));
    cr_assert_eq(d.ns, DURATION_SECONDS(4 * 60 + 59).ns);
    cr_assert(
            cron_backoff(STR("*/10 * * * *"), STR(""), executed, at(2023, 11, 14, 22, 30, 0), &d));
    cr_assert_eq(d.ns, 0);
    cr_assert(cron_backoff(STR("@every 1s"), STR(""), (struct instant){ 0 }, executed, &d));
    cr_assert_eq(d.ns, 0);
    /* ended before it was due: its own time is the next one */
    cr_assert(cron_backoff(STR("@hourly"), STR(""), executed, at(2023, 11, 14, 21, 59, 30), &d));
    cr_assert_eq(d.ns, DURATION_SECONDS(30).ns);
    cr_assert_not(cron_backoff(STR(""), STR(""), executed, executed, &d));
}

Test(cron, a_lost_zone_does_not_end_a_chain)
{
    struct duration d;
    struct instant t = at(2023, 11, 14, 22, 0, 0);
    cr_assert(cron_problem(STR("TZ=Europe/Berlin 0 9 * * *"), STR(""), t));
    cr_assert(cron_backoff(STR("TZ=Europe/Berlin 0 9 * * *"), STR(""), t, t, &d));
    cr_assert_eq(d.ns, DURATION_SECONDS(11 * 3600).ns);
}

Test(zone, offsets_are_those_of_the_c_library)
{
    static const char *const names[] = { "Europe/Berlin", "Europe/London", "Europe/Dublin",
        "America/New_York", "America/Sao_Paulo", "America/Santiago", "America/St_Johns",
        "America/Caracas", "Africa/Casablanca", "Africa/Cairo", "Asia/Kolkata", "Asia/Kathmandu",
        "Asia/Tehran", "Asia/Gaza", "Asia/Tokyo", "Asia/Pyongyang", "Australia/Lord_Howe",
        "Australia/Sydney", "Pacific/Apia", "Pacific/Chatham", "Pacific/Kiritimati",
        "Antarctica/Troll", "America/Scoresbysund", "UTC", "Etc/GMT+5", "EST5EDT" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct zone z;
        int64_t end;
        cr_assert(zone_parse(zone_file(names[i]), &z), "%s", names[i]);
        setenv("TZ", names[i], 1);
        tzset();
        for (int64_t t = -2000000000; t < 4200000000; t += 86399 * 3) {
            struct tm tm;
            time_t sec = (time_t)t;
            localtime_r(&sec, &tm);
            cr_assert_eq(
                    zone_offset(&z, t, &end), tm.tm_gmtoff, "%s at %lld", names[i], (long long)t);
            cr_assert_gt(end, t);
            int64_t after;
            cr_assert(end == INT64_MAX || zone_offset(&z, end - 1, &after) == tm.tm_gmtoff,
                    "%s at %lld", names[i], (long long)t);
        }
    }
}

Test(zone, damaged_bytes_are_refused_or_harmless)
{
    struct str good = zone_file("Europe/Berlin");
    for (size_t i = 0; i < good.len; i++) {
        struct zone z;
        int64_t end;
        char *copy = NEW(&arena, char, good.len);
        memcpy(copy, good.ptr, good.len);
        copy[i] = (char)(copy[i] ^ 0x55);
        if (zone_parse(str_of(copy, good.len), &z)) {
            (void)zone_offset(&z, 4000000000, &end);
        }
        cr_assert_not(zone_parse(str_of(good.ptr, i), &z), "cut at %zu", i);
        if (i % 64 == 0) {
            arena_reset(&arena);
            good = zone_file("Europe/Berlin");
        }
    }
}

Test(zone, calendar)
{
    for (int64_t d = -800000; d < 800000; d += 37) {
        int64_t year;
        int32_t month, day;
        civil_date(d, &year, &month, &day);
        cr_assert_eq(civil_days(year, month, day), d);
    }
    cr_assert_eq(civil_days(1970, 1, 1), 0);
    cr_assert_eq(civil_weekday(0), 4);
    cr_assert_eq(civil_weekday(-5), 6);
}
