/* The rules of a VersioningOverride: which version of a worker somebody wants a run on. It is kept and shown; tasks are
 * not routed by it yet, so whether that version exists is not asked. */
#include "common/model/wire.h"
#include "history/start_check.h"

enum { BEHAVIOR_UNSPECIFIED, BEHAVIOR_PINNED, BEHAVIOR_AUTO_UPGRADE };
enum { VERSION_ID_OVERHEAD = 37 }; /* bytes of the ids that are made of the two names */

static struct str part(struct str message, uint32_t number)
{
    struct wire_field f;
    struct str found = { 0 };
    while (message.len && wire_next(&message, &f)) {
        found = f.number == number && f.type == WIRE_LEN ? f.bytes : found;
    }
    return found;
}

static uint64_t number_of(struct str message, uint32_t number)
{
    struct wire_field f;
    uint64_t found = 0;
    while (message.len && wire_next(&message, &f)) {
        found = f.number == number && f.type == WIRE_VARINT ? f.varint : found;
    }
    return found;
}

/* Also of a message that is there and empty. */
static bool has(struct str message, uint32_t number)
{
    struct wire_field f;
    bool found = false;
    while (message.len && wire_next(&message, &f)) {
        found |= f.number == number;
    }
    return found;
}

static enum err check_name(const char *what, struct str name, size_t id_max, struct fail *f)
{
    if (!name.len) {
        return fail(f, ERR_INVALID_ARGUMENT, "%s cannot be empty", what);
    }
    if (id_max < VERSION_ID_OVERHEAD || name.len > (id_max - VERSION_ID_OVERHEAD) / 2) {
        return fail(f, ERR_INVALID_ARGUMENT, "size of %s larger than the maximum allowed", what);
    }
    if (str_starts_with(name, STR("__"))) {
        return fail(f, ERR_INVALID_ARGUMENT, "%s cannot start with '__'", what);
    }
    return ERR_NONE;
}

static enum err check_version(struct str version, size_t id_max, struct fail *f)
{
    struct str name = part(version, 2);
    for (const char *c = ".:"; *c; c++) {
        if (str_find(name, *c) < name.len) {
            return fail(f, ERR_INVALID_ARGUMENT, "worker deployment name cannot contain '%c'", *c);
        }
    }
    enum err err = check_name("WorkerDeploymentName", name, id_max, f);
    return err ? err : check_name("BuildID", part(version, 1), id_max, f);
}

/* The fields of older clients. */
static enum err check_old_form(struct str override, struct fail *f)
{
    bool names_version = has(override, 2) || part(override, 9).len;
    switch (number_of(override, 1)) {
    case BEHAVIOR_UNSPECIFIED:
        return fail(f, ERR_INVALID_ARGUMENT, "override behavior is required");
    case BEHAVIOR_PINNED:
        return names_version ? ERR_NONE
                             : fail(f, ERR_INVALID_ARGUMENT,
                                       "must provide deployment (deprecated) or pinned version if "
                                       "behavior is 'PINNED'");
    case BEHAVIOR_AUTO_UPGRADE:
        return names_version
                       ? fail(f, ERR_INVALID_ARGUMENT, "only provide %s if behavior is 'PINNED'",
                                 has(override, 2) ? "deployment" : "pinned version")
                       : ERR_NONE;
    default:
        return fail(f, ERR_INVALID_ARGUMENT, "override behavior %lld not recognized",
                (long long)number_of(override, 1));
    }
}

enum err override_check(struct str override, const struct engine_limits *limits, struct fail *f)
{
    enum { PINNED = 3, AUTO_UPGRADE = 4, ONE_TIME = 5 };
    if (!override.len) {
        return ERR_NONE;
    }
    if (has(override, PINNED)) {
        struct str pinned = part(override, PINNED);
        if (!has(pinned, 2)) {
            return fail(f, ERR_INVALID_ARGUMENT, "must provide version if override is pinned.");
        }
        if (!number_of(pinned, 1)) {
            return fail(f, ERR_INVALID_ARGUMENT,
                    "must specify pinned override behavior if override is pinned.");
        }
        return check_version(part(pinned, 2), limits->id_length, f);
    }
    if (has(override, AUTO_UPGRADE)) {
        return number_of(override, AUTO_UPGRADE)
                       ? ERR_NONE
                       : fail(f, ERR_INVALID_ARGUMENT, "auto-upgrade override must be true");
    }
    if (has(override, ONE_TIME)) {
        struct str one_time = part(override, ONE_TIME);
        return has(one_time, 1)
                       ? check_version(part(one_time, 1), limits->id_length, f)
                       : fail(f, ERR_INVALID_ARGUMENT,
                                 "must provide target deployment version if override is one-time.");
    }
    return check_old_form(override, f);
}
