/* The version handshake of the API: official clients below their next major version are supported, and a client that
 * names the server versions it supports must include the API level that we tell. */
#include "frontend/client_version.h"

#include "common/api/capabilities.h"
#include "common/api/errors.h"

static const struct {
    const char *name;
    uint64_t below_major;
} official[] = {
    { "temporal-go", 2 },
    { "temporal-java", 2 },
    { "temporal-php", 2 },
    { "temporal-typescript", 2 },
    { "temporal-python", 2 },
    { "temporal-dotnet", 2 },
    { "temporal-ruby", 2 },
    { "temporal-cli", 2 },
    { "temporal-ui", 3 },
};

struct version {
    uint64_t part[3];
};

/* MAJOR.MINOR.PATCH with optional -pre and +build behind it. */
static bool parse_version(struct str text, struct version *ret)
{
    struct version v = { { 0 } };
    struct str rest;
    text = str_split(text, '+', &rest);
    text = str_split(text, '-', &rest);
    for (int i = 0; i < 3; i++) {
        if (!str_to_u64(str_split(text, '.', &text), &v.part[i])) {
            return false;
        }
    }
    if (text.len) {
        return false;
    }
    *ret = v;
    return true;
}

static int compare(const struct version *a, const struct version *b)
{
    for (int i = 0; i < 3; i++) {
        if (a->part[i] != b->part[i]) {
            return a->part[i] < b->part[i] ? -1 : 1;
        }
    }
    return 0;
}

/* One bound of a range: ">=1.0.0". What cannot be read excludes nothing. */
static bool bound_holds(struct str bound, const struct version *ours)
{
    size_t n = 0;
    while (n < bound.len && (bound.ptr[n] == '<' || bound.ptr[n] == '>' || bound.ptr[n] == '=')) {
        n++;
    }
    struct str op = str_of(bound.ptr, n);
    struct version limit;
    if (!parse_version(str_drop(bound, n), &limit)) {
        return true;
    }
    int c = compare(ours, &limit);
    if (str_eq(op, STR(">="))) {
        return c >= 0;
    }
    if (str_eq(op, STR("<="))) {
        return c <= 0;
    }
    if (str_eq(op, STR(">"))) {
        return c > 0;
    }
    return str_eq(op, STR("<")) ? c < 0 : c == 0;
}

static bool range_includes(struct str range, const struct version *ours)
{
    while (range.len) {
        struct str bound = str_trim(str_split(range, ' ', &range));
        if (bound.len && !bound_holds(bound, ours)) {
            return false;
        }
    }
    return true;
}

enum err client_version_check(struct str name, struct str version, struct str supported,
        struct arena *arena, struct fail *f)
{
    struct version client, ours;
    check(parse_version(STR(API_SERVER_VERSION), &ours));
    for (size_t i = 0; version.len && i < ARRAY_LEN(official); i++) {
        if (!str_eq(name, str_from_cstr(official[i].name))) {
            continue;
        }
        if (!parse_version(version, &client) || client.part[0] >= official[i].below_major) {
            struct str range =
                    str_printf(arena, "<%llu.0.0", (unsigned long long)official[i].below_major);
            return fail_client_version_not_supported(f, arena, version, name, range);
        }
    }
    if (!range_includes(supported, &ours)) {
        return fail_server_version_not_supported(f, arena, STR(API_SERVER_VERSION), supported);
    }
    return ERR_NONE;
}
