/* The time zones of cron schedules: TZif files of the system (Debian's tzdata), read when a schedule first names them
 * and kept for the life of the lane. The engine gets the bytes; a zone's data is the same for every event that way. */
#pragma once

#include "common/base/arena.h"
#include "common/base/map.h"

struct zones {
    struct arena arena;
    struct map by_name;
    const char *directory;
};

/* directory: NULL means /usr/share/zoneinfo. It is borrowed. */
void zones_init(struct zones *zones, const char *directory);
void zones_deinit(struct zones *zones);
/* The file's bytes, which stay; empty for the empty name and when there is no such zone. Reads a file of a few
 * kilobytes, once a zone. */
struct str zones_get(struct zones *zones, struct str name);
/* The zone that a cron schedule names. */
struct str zones_of_schedule(struct zones *zones, struct str schedule);
