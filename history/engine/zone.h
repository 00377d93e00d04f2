/* Time zones, from the bytes of a TZif file (RFC 8536): which offset local time has at a moment, and until when. Pure:
 * who reads the file is the driver's matter (history/zones.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/str.h"

/* One end of daylight saving time, as a POSIX TZ string tells it. */
struct zone_rule {
    enum { ZONE_RULE_JULIAN, ZONE_RULE_DAY, ZONE_RULE_WEEKDAY } kind;
    int32_t month, week, day; /* day alone: of the year, from 1 without leap days, or from 0 */
    int64_t time;             /* seconds after local midnight; may be negative or beyond a day */
};

/* Borrows the bytes. {0} is UTC. */
struct zone {
    const uint8_t *times, *indexes, *types; /* of the file's 64-bit part */
    uint32_t time_count, type_count;
    /* after the last transition: the file's footer */
    bool has_footer, has_dst;
    int32_t std_offset, dst_offset;
    struct zone_rule dst_start, dst_end;
};

/* False when the bytes are no TZif file of version 2 or later. */
bool zone_parse(struct str bytes, struct zone *ret);
/* Seconds east of UTC at `at` (seconds since 1970 in UTC), which hold until *end (excluded; INT64_MAX: for ever). */
int32_t zone_offset(const struct zone *zone, int64_t at, int64_t *end);

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back. month from 1, day from 1. */
int64_t civil_days(int64_t year, int32_t month, int32_t day);
void civil_date(int64_t days, int64_t *year, int32_t *month, int32_t *day);
/* 0 is Sunday. */
int32_t civil_weekday(int64_t days);
