/* Finds and keeps the files of time zones. A name comes from a client: only what can be a zone's name is looked for.
 * Misses are not remembered, so that the table is bounded by the files that there are. */
#include "history/zones.h"

#include <stdio.h>
#include <unistd.h>

#include "common/obs/log.h"

#include "history/engine/cron.h"

enum { NAME_MAX_BYTES = 64, FILE_MAX_BYTES = 256 * 1024 };

struct zone_file {
    struct map_node by_name;
    struct str bytes;
};

void zones_init(struct zones *zones, const char *directory)
{
    *zones = (struct zones){ .directory = directory ? directory : "/usr/share/zoneinfo" };
    map_init(&zones->by_name, NULL);
    if (access(zones->directory, R_OK)) {
        log_warn("no_time_zones", LOG_CSTR("directory", zones->directory),
                LOG_CSTR("effect", "cron schedules that name a zone are refused"));
    }
}

void zones_deinit(struct zones *zones)
{
    map_deinit(&zones->by_name);
    arena_deinit(&zones->arena);
}

static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && !(i && (is_digit || c == '/' || c == '_' || c == '-' || c == '+'))) {
            return false;
        }
    }
    return name.len > 0 && name.len <= NAME_MAX_BYTES;
}

static struct str read_file(struct arena *arena, const char *path)
{
    FILE *in = fopen(path, "rb");
    if (!in) {
        return STR("");
    }
    struct arena scratch = { 0 };
    char *bytes = NEW(&scratch, char, FILE_MAX_BYTES);
    size_t n = fread(bytes, 1, FILE_MAX_BYTES, in);
    bool whole = !ferror(in) && feof(in);
    fclose(in);
    struct str ret = whole && n ? str_dup(arena, str_of(bytes, n)) : STR("");
    arena_deinit(&scratch);
    return ret;
}

struct str zones_get(struct zones *zones, struct str name)
{
    char path[512];
    if (!is_name(name)) {
        return STR("");
    }
    struct map_node *n = map_get(&zones->by_name, name);
    if (n) {
        return map_entry(n, struct zone_file, by_name)->bytes;
    }
    int len = snprintf(path, sizeof(path), "%s/" STR_FMT, zones->directory, STR_ARG(name));
    struct str bytes =
            len > 0 && (size_t)len < sizeof(path) ? read_file(&zones->arena, path) : STR("");
    if (bytes.len) {
        struct zone_file *file = NEW(&zones->arena, struct zone_file, 1);
        file->bytes = bytes;
        map_put(&zones->by_name, &file->by_name, str_dup(&zones->arena, name));
    }
    return bytes;
}

struct str zones_of_schedule(struct zones *zones, struct str schedule)
{
    return schedule.len ? zones_get(zones, cron_zone_name(schedule)) : STR("");
}
