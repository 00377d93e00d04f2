/* Cron schedules and time zone files: what is accepted gives a next time that lies ahead, in whole seconds, and is the
 * same when asked again from just before it. Input: the schedule, a NUL, the zone's bytes. */
#include "tests/fuzz/fuzz.h"

#include "common/base/check.h"
#include "history/engine/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str zone, schedule = str_split(str_of(data, size), '\0', &zone);
    struct instant now = { 1700000000123456789 };
    struct duration d, again;
    if (cron_problem(schedule, zone, now) || !cron_backoff(schedule, zone, now, now, &d)) {
        return 0;
    }
    check(d.ns > 0 && d.ns % 1000000000 == 0);
    struct instant later = { now.ns + d.ns - 1000000000 }; /* within the second before */
    check(cron_backoff(schedule, zone, now, later, &again) && again.ns == 1000000000);
    (void)cron_zone_name(schedule);
    return 0;
}
