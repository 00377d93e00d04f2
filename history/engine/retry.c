/* Retry arithmetic and the reading of failures for it. Pure functions; who retries what is decided elsewhere. */
#include "history/engine/retry.h"

#include "common/model/wire.h"

const char *timeout_type_name(enum timeout_type type)
{
    static const char *const names[] = { "Unspecified", "StartToClose", "ScheduleToStart",
        "ScheduleToClose", "Heartbeat" };
    return (unsigned)type < ARRAY_LEN(names) ? names[type] : "Unspecified";
}

static void parse_application(struct str message, struct failure_info *info)
{
    struct wire_field f;
    info->kind = FAILURE_APPLICATION;
    while (wire_next(&message, &f)) {
        if (f.number == 1) {
            info->type = f.bytes;
        } else if (f.number == 2) {
            info->non_retryable = f.varint != 0;
        } else if (f.number == 4) {
            info->has_next_retry_delay = true;
            info->next_retry_delay = wire_duration(f.bytes);
        }
    }
}

static uint64_t first_varint(struct str message)
{
    struct wire_field f;
    uint64_t v = 0;
    while (wire_next(&message, &f)) {
        v = f.number == 1 ? f.varint : v;
    }
    return v;
}

struct failure_info failure_parse(struct str failure)
{
    struct failure_info info = { 0 };
    struct wire_field f;
    bool is_given = failure.len > 0;
    while (wire_next(&failure, &f)) {
        switch (f.number) {
        case 5:
            parse_application(f.bytes, &info);
            break;
        case 6:
            info.kind = FAILURE_TIMEOUT;
            info.timeout = (enum timeout_type)first_varint(f.bytes);
            break;
        case 7:
            info.kind = FAILURE_CANCELED;
            break;
        case 8:
            info.kind = FAILURE_TERMINATED;
            break;
        case 9:
            info.kind = FAILURE_SERVER;
            info.non_retryable = first_varint(f.bytes) != 0;
            break;
        default:
            break;
        }
    }
    info.is_malformed = is_given && !wire_ok(failure);
    return info;
}

static bool is_listed(const struct retry_policy *policy, struct str prefix, struct str name)
{
    for (size_t i = 0; i < policy->non_retryable_count; i++) {
        struct str t = policy->non_retryable_types[i];
        if (str_starts_with(t, prefix) && str_eq(str_drop(t, prefix.len), name)) {
            return true;
        }
    }
    return false;
}

bool failure_is_retryable(const struct failure_info *info, const struct retry_policy *policy)
{
    switch (info->kind) {
    case FAILURE_CANCELED:
    case FAILURE_TERMINATED:
        return false;
    case FAILURE_TIMEOUT:
        return (info->timeout == TIMEOUT_START_TO_CLOSE || info->timeout == TIMEOUT_HEARTBEAT) &&
               !is_listed(policy, STR("TemporalTimeout:"),
                       str_from_cstr(timeout_type_name(info->timeout)));
    case FAILURE_SERVER:
        return !info->non_retryable;
    case FAILURE_APPLICATION:
        return !info->non_retryable && !is_listed(policy, STR(""), info->type);
    case FAILURE_OTHER:
        return true;
    }
    unreachable_state(info->kind);
}

struct retry_policy retry_policy_with_defaults(struct retry_policy p)
{
    p.is_set = true;
    p.initial_interval = p.initial_interval.ns ? p.initial_interval : DURATION_SECONDS(1);
    p.backoff_coefficient = p.backoff_coefficient > 0 ? p.backoff_coefficient : 2.0;
    if (!p.maximum_interval.ns &&
            __builtin_mul_overflow(p.initial_interval.ns, (int64_t)100, &p.maximum_interval.ns)) {
        p.maximum_interval.ns = INT64_MAX;
    }
    return p;
}

/* "TemporalTimeout:" must be followed by a type of timeouts, in either of its spellings. */
static bool is_known_timeout(struct str name)
{
    static const char *const long_names[] = { "", "TIMEOUT_TYPE_START_TO_CLOSE",
        "TIMEOUT_TYPE_SCHEDULE_TO_START", "TIMEOUT_TYPE_SCHEDULE_TO_CLOSE",
        "TIMEOUT_TYPE_HEARTBEAT" };
    for (enum timeout_type t = TIMEOUT_START_TO_CLOSE; t <= TIMEOUT_HEARTBEAT; t++) {
        if (str_eq(name, str_from_cstr(timeout_type_name(t))) ||
                str_eq(name, str_from_cstr(long_names[t]))) {
            return true;
        }
    }
    return false;
}

static bool has_unknown_timeout(const struct retry_policy *p)
{
    struct str prefix = STR("TemporalTimeout:");
    for (size_t i = 0; i < p->non_retryable_count; i++) {
        struct str t = p->non_retryable_types[i];
        if (str_starts_with(t, prefix) && !is_known_timeout(str_drop(t, prefix.len))) {
            return true;
        }
    }
    return false;
}

const char *retry_policy_problem(const struct retry_policy *p)
{
    if (!p->is_set || p->maximum_attempts == 1) {
        return NULL;
    }
    if (p->initial_interval.ns < 0) {
        return "invalid InitialInterval set on retry policy: negative duration.";
    }
    if (p->backoff_coefficient != 0 && !(p->backoff_coefficient >= 1)) {
        return "BackoffCoefficient cannot be less than 1 on retry policy.";
    }
    if (p->maximum_interval.ns < 0) {
        return "invalid MaximumInterval set on retry policy: negative duration.";
    }
    if (p->maximum_interval.ns && p->maximum_interval.ns < p->initial_interval.ns) {
        return "MaximumInterval cannot be less than InitialInterval on retry policy.";
    }
    if (p->maximum_attempts < 0) {
        return "MaximumAttempts cannot be negative on retry policy.";
    }
    if (has_unknown_timeout(p)) {
        return "Invalid timeout type value among the non-retryable errors of the retry policy.";
    }
    return NULL;
}

struct duration retry_delay(const struct retry_policy *policy, int32_t attempt)
{
    const double max_ns = 9.0e18;
    double cap = policy->maximum_interval.ns > 0 ? (double)policy->maximum_interval.ns : max_ns;
    double delay = (double)policy->initial_interval.ns;
    for (int32_t n = 1; n < attempt && delay < cap && delay > 0 && policy->backoff_coefficient > 1;
            n++) {
        delay *= policy->backoff_coefficient;
    }
    if (delay >= cap) {
        return policy->maximum_interval.ns > 0 ? policy->maximum_interval
                                               : (struct duration){ (int64_t)max_ns };
    }
    return (struct duration){ (int64_t)delay };
}

struct retry_verdict retry_decide(const struct retry_policy *policy, int32_t attempt,
        struct instant now, struct instant deadline, const struct failure_info *info)
{
    struct retry_verdict v = { .state = RETRY_STATE_IN_PROGRESS };
    if (!policy->is_set) {
        v.state = RETRY_STATE_RETRY_POLICY_NOT_SET;
    } else if (!failure_is_retryable(info, policy)) {
        v.state = RETRY_STATE_NON_RETRYABLE_FAILURE;
    } else if (policy->maximum_attempts > 0 && attempt >= policy->maximum_attempts) {
        v.state = RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED;
    } else {
        v.delay =
                info->has_next_retry_delay ? info->next_retry_delay : retry_delay(policy, attempt);
        v.delay.ns = v.delay.ns > 0 ? v.delay.ns : 0;
        if (deadline.ns && instant_before(deadline, instant_add(now, v.delay))) {
            v.state = RETRY_STATE_TIMEOUT;
        }
    }
    return v;
}

struct str timeout_failure(struct arena *arena, struct str message, enum timeout_type type,
        struct str last_heartbeat_details, struct str cause)
{
    struct buf b;
    buf_init_arena(&b, arena, 16 * 1024 * 1024);
    wire_put_bytes(&b, 1, message);
    wire_put_bytes(&b, 2, STR("Server"));
    wire_opt_bytes(&b, 4, cause);
    size_t mark = wire_begin(&b, 6);
    wire_put_varint(&b, 1, (uint64_t)type);
    wire_opt_bytes(&b, 2, last_heartbeat_details);
    wire_end(&b, mark);
    return buf_str(&b);
}

struct str server_failure(struct arena *arena, struct str message, bool non_retryable)
{
    struct buf b;
    buf_init_arena(&b, arena, 64 * 1024);
    wire_opt_bytes(&b, 1, message);
    wire_put_bytes(&b, 2, STR("Server"));
    size_t mark = wire_begin(&b, 9);
    wire_opt_varint(&b, 1, non_retryable);
    wire_end(&b, mark);
    return buf_str(&b);
}

void text_payloads(struct buf *out, struct str text)
{
    size_t payload = wire_begin(out, 1);
    size_t metadata = wire_begin(out, 1);
    wire_put_bytes(out, 1, STR("encoding"));
    wire_put_bytes(out, 2, STR("json/plain"));
    wire_end(out, metadata);
    size_t data = wire_begin(out, 2);
    buf_append_byte(out, '"');
    buf_append_str(out, text);
    buf_append_byte(out, '"');
    wire_end(out, data);
    wire_end(out, payload);
}

/* --- cutting ------------------------------------------------------------------------------------------ */

enum { CUT_DEPTH = 20, OVERHEAD = 4 };

/* Writes as much of the text as there is room for. */
static void put_cut_text(struct buf *out, uint32_t field, struct str text, size_t *room)
{
    text.len = text.len < *room ? text.len : *room;
    while (text.len && !str_is_utf8(text)) {
        text.len--;
    }
    wire_opt_bytes(out, field, text);
    size_t used = text.len ? text.len + OVERHEAD : 0;
    *room -= used < *room ? used : *room;
}

/* One failure of the chain without its cause, which is returned. */
static struct str put_cut_failure(struct buf *out, struct str failure, size_t *room)
{
    struct failure_info info = failure_parse(failure);
    struct str message = { 0 }, source = { 0 }, stack = { 0 }, cause = { 0 };
    struct wire_field f;
    while (wire_next(&failure, &f)) {
        message = f.number == 1 ? f.bytes : message;
        source = f.number == 2 ? f.bytes : source;
        stack = f.number == 3 ? f.bytes : stack;
        cause = f.number == 4 ? f.bytes : cause;
    }
    if (info.kind == FAILURE_APPLICATION) {
        size_t mark = wire_begin(out, 5);
        put_cut_text(out, 1, info.type, room);
        wire_opt_varint(out, 2, info.non_retryable);
        wire_end(out, mark);
    } else if (info.kind == FAILURE_SERVER) {
        size_t mark = wire_begin(out, 9);
        wire_opt_varint(out, 1, info.non_retryable);
        wire_end(out, mark);
    }
    put_cut_text(out, 2, source, room);
    put_cut_text(out, 1, message, room);
    put_cut_text(out, 3, stack, room);
    return cause;
}

struct str failure_cut(struct arena *arena, struct str failure, bool non_retryable, size_t max)
{
    size_t marks[CUT_DEPTH], depth = 0, room = max;
    struct buf b;
    buf_init_arena(&b, arena, max + 4096);
    wire_put_bytes(&b, 1, STR("Failure exceeds size limit."));
    wire_put_bytes(&b, 2, STR("Server"));
    size_t mark = wire_begin(&b, 9);
    wire_opt_varint(&b, 1, non_retryable);
    wire_end(&b, mark);
    while (failure.len && depth < CUT_DEPTH && room > OVERHEAD) {
        marks[depth++] = wire_begin(&b, 4);
        room -= OVERHEAD;
        failure = put_cut_failure(&b, failure, &room);
    }
    while (depth) {
        wire_end(&b, marks[--depth]);
    }
    return buf_str(&b);
}
