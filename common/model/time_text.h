/* Points and spans of time from text: RFC 3339, and durations as Go writes them. Pure. */
#pragma once

#include "common/base/str.h"
#include "common/base/time.h"

/* "2026-01-02T03:04:05.123456789+02:00" as an instant. */
bool time_parse_rfc3339(struct str s, struct instant *ret);
/* "1h5m", "-1.5s", "300ms", "2d"; as Go writes durations, and days of 24 hours. */
bool duration_parse(struct str s, struct duration *ret);
