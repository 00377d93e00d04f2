/* From the Go server's dynamic configuration to our settings. dynamic_config.def names those that have a counterpart; the
 * rest is sorted by what somebody who sets it wants: a feature on (it is), a figure that we have no need of, or something
 * that we cannot do, which is said. */
#include "deploy/dynamic_config.h"

#include "common/obs/log.h"

static const struct {
    const char *name, *key;
} dynamic_keys[] = {
#define DYNAMIC(name, key) { name, key },
#include "deploy/dynamic_config.def"
#undef DYNAMIC
};

/* Nothing to warn of: warnings and logging limits, quotas of a database that we talk to otherwise, caches that we do not
 * have, sizes of queues that we do not have. */
static const struct str without_counterpart[] = {
    STR_INIT("limit.blobSize.warn"),
    STR_INIT("limit.memoSize.warn"),
    STR_INIT("limit.historySize.warn"),
    STR_INIT("limit.historyCount.warn"),
    STR_INIT("limit.mutableStateSize.warn"),
    STR_INIT("system.forceSearchAttributesCacheRefreshOnRead"),
    STR_INIT("system.forceNexusEndpointRefreshOnRead"),
    STR_INIT("system.refreshNexusEndpointsMinWait"),
    STR_INIT("matching.numTaskqueueReadPartitions"),
    STR_INIT("matching.numTaskqueueWritePartitions"),
    STR_INIT("matching.useNewMatcher"),
    STR_INIT("frontend.enableServerVersionCheck"),
    STR_INIT("history.hostLevelCacheMaxSize"),
};

/* Features are on where they exist: their switches ask for what is. */
static const struct str switches[] = {
    STR_INIT("frontend.enable"),
    STR_INIT("system.enable"),
    STR_INIT("history.enable"),
    STR_INIT("activity.enable"),
    STR_INIT("matching.enable"),
    STR_INIT("frontend.workerVersioning"),
    STR_INIT("frontend.activityAPIsEnabled"),
};

static bool starts_with_nocase(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq_nocase(str_of(s.ptr, prefix.len), prefix);
}

static bool is_one_of(struct str name, const struct str *list, size_t count, bool by_prefix)
{
    for (size_t i = 0; i < count; i++) {
        if (by_prefix ? starts_with_nocase(name, list[i]) : str_eq_nocase(name, list[i])) {
            return true;
        }
    }
    return false;
}

static bool has_no_counterpart(struct str name)
{
    struct str qps = STR(".persistenceMaxQPS");
    bool is_qps = name.len > qps.len && str_eq_nocase(str_drop(name, name.len - qps.len), qps);
    return is_qps || is_one_of(name, without_counterpart, ARRAY_LEN(without_counterpart), false);
}

static struct str unquote(struct str json)
{
    bool quoted = json.len >= 2 && json.ptr[0] == '"' && json.ptr[json.len - 1] == '"';
    return quoted ? str_of(json.ptr + 1, json.len - 2) : json;
}

/* A number with a fraction, times the unit; no sign, no exponent. Takes what it reads off the front. */
static bool take_decimal(struct str *text, double *ret)
{
    double value = 0, place = 0;
    size_t n = 0;
    for (; n < text->len; n++) {
        char c = text->ptr[n];
        if (c == '.' && place == 0) {
            place = 1;
        } else if (c >= '0' && c <= '9') {
            value = value * 10 + (c - '0');
            place *= 10;
        } else {
            break;
        }
    }
    *text = str_drop(*text, n);
    *ret = place > 1 ? value / place : value;
    return n > 0;
}

static bool take_unit(struct str *text, double *ms)
{
    static const struct {
        struct str name;
        double ms;
    } units[] = {
        { STR_INIT("ns"), 1e-6 },
        { STR_INIT("us"), 1e-3 },
        { STR_INIT("ms"), 1 },
        { STR_INIT("s"), 1000 },
        { STR_INIT("m"), 60000 },
        { STR_INIT("h"), 3600000 },
        { STR_INIT("d"), 86400000 },
    };
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (str_starts_with(*text, units[i].name)) {
            *text = str_drop(*text, units[i].name.len);
            *ms = units[i].ms;
            return true;
        }
    }
    *ms = 1000; /* the reference counts bare numbers in seconds */
    return str_empty(*text);
}

/* "1h30m", "2.5s", "500ms", 20 (seconds) as our settings have them. Anything else stays as it is, and is refused with its
 * setting. */
static struct str as_time(struct str text, struct arena *arena)
{
    double total = 0, number, unit;
    struct str rest = text;
    while (rest.len) {
        if (!take_decimal(&rest, &number) || !take_unit(&rest, &unit)) {
            return text;
        }
        total += number * unit;
    }
    return total < 1e12 ? str_printf(arena, "%.0fms", total) : text;
}

static enum err set_known(struct config *config, struct arena *arena, const char *key,
        struct str value, struct fail *f)
{
    struct str text = config_is_time(str_from_cstr(key)) ? as_time(value, arena) : value;
    return config_set(config, arena, str_printf(arena, "%s=" STR_FMT, key, STR_ARG(text)), f);
}

enum err dynamic_config_set(
        struct config *config, struct arena *arena, struct str assignment, struct fail *f)
{
    struct str value;
    struct str name = str_split(assignment, '=', &value);
    value = str_trim(value);
    if (!name.len || !value.len) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "--dynamic-config-value: '" STR_FMT "' is not of the form KEY=JSON",
                STR_ARG(assignment));
    }
    value = unquote(value);
    for (size_t i = 0; i < ARRAY_LEN(dynamic_keys); i++) {
        if (str_eq_nocase(name, str_from_cstr(dynamic_keys[i].name))) {
            return set_known(config, arena, dynamic_keys[i].key, value, f);
        }
    }
    bool is_switch = is_one_of(name, switches, ARRAY_LEN(switches), true);
    if (has_no_counterpart(name) || (is_switch && str_eq(value, STR("true")))) {
        log_debug("dynamic_config_without_effect", LOG_STR("key", name));
    } else if (is_switch) {
        log_warn("dynamic_config_ignored", LOG_STR("key", name),
                LOG_CSTR("why", "this feature cannot be switched off"));
    } else {
        log_warn("dynamic_config_ignored", LOG_STR("key", name), LOG_CSTR("why", "unknown"));
    }
    return ERR_NONE;
}
