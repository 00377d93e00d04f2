/* Points and spans of time as text: RFC 3339, and durations as Go writes them. Pure. */
#pragma once

#include "common/base/str.h"
#include "common/base/time.h"

/* "2026-01-02T03:04:05.123456789+02:00" as an instant. */
bool time_parse_rfc3339(struct str s, struct instant *ret);
/* "1h5m", "-1.5s", "300ms", "2d"; as Go writes durations, and days of 24 hours. */
bool duration_parse(struct str s, struct duration *ret);

enum { TIME_TEXT_BYTES = 48 };

/* "2026-01-02T03:04:05.123Z": in UTC, with 0, 3, 6 or 9 digits behind the point. Seconds and nanoseconds as a
 * message has them, since its years 0001 to 9999 are more than an instant holds; false outside of them. */
bool time_format_rfc3339(int64_t seconds, int32_t nanos, char text[TIME_TEXT_BYTES]);
/* "1h5m0s", "1.5s", "300ms", "0s". */
void duration_format(struct duration d, char text[TIME_TEXT_BYTES]);
