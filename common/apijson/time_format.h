/* Points and spans of time as text, as common/model/time_text.h reads them. */
#pragma once

#include "common/base/time.h"

enum { TIME_TEXT_BYTES = 48 };

/* "2026-01-02T03:04:05.123Z": in UTC, with 0, 3, 6 or 9 digits behind the point. Seconds and nanoseconds as a
 * message has them, since its years 0001 to 9999 are more than an instant holds; false outside of them. */
bool time_format_rfc3339(int64_t seconds, int32_t nanos, char text[TIME_TEXT_BYTES]);
/* "1h5m0s", "1.5s", "300ms", "0s". */
void duration_format(struct duration d, char text[TIME_TEXT_BYTES]);
