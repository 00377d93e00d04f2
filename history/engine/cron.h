/* Cron schedules: "30 9 * * mon-fri", "@hourly", "@every 90s", with "CRON_TZ=Europe/Berlin " or "TZ=..." before it.
 *
 * Five fields (minute, hour, day of month, month, day of week) with lists, ranges, steps and English names; when both
 * days are restricted, either one is enough. Local times that a clock change skips are skipped, those that it repeats
 * come twice. Pure: the zone's data comes as the bytes of its TZif file. */
#pragma once

#include "common/base/str.h"
#include "common/base/time.h"

/* The zone that a schedule names; empty: none, or one that needs no data (UTC). */
struct str cron_zone_name(struct str schedule);

/* Why a schedule is refused; NULL: it is none, or a good one. zone: the TZif bytes of cron_zone_name. */
const char *cron_problem(struct str schedule, struct str zone, struct instant now);

/* How long the next run waits. `scheduled` is when this one was to run: the next time is the first one after it that
 * is not past; whole seconds, rounded up. False: there is no schedule or no next time. */
bool cron_backoff(struct str schedule, struct str zone, struct instant scheduled,
        struct instant now, struct duration *ret);
