#include <criterion/criterion.h>

#include "common/model/wire.h"
#include "history/engine/retry.h"

static struct retry_policy policy(
        int64_t initial_s, double coefficient, int64_t max_s, int32_t attempts)
{
    return (struct retry_policy){ .is_set = true,
        .initial_interval = DURATION_SECONDS(initial_s),
        .backoff_coefficient = coefficient,
        .maximum_interval = DURATION_SECONDS(max_s),
        .maximum_attempts = attempts };
}

Test(retry, delay_grows_to_the_maximum)
{
    struct retry_policy p = policy(1, 2.0, 10, 0);
    const int64_t seconds[] = { 1, 2, 4, 8, 10, 10 };
    for (int32_t i = 0; i < 6; i++) {
        cr_assert_eq(
                retry_delay(&p, i + 1).ns, DURATION_SECONDS(seconds[i]).ns, "attempt %d", i + 1);
    }
}

Test(retry, delay_never_overflows)
{
    struct retry_policy p = policy(1, 1000.0, 0, 0);
    cr_assert_gt(retry_delay(&p, INT32_MAX).ns, 0);
    p.backoff_coefficient = 1;
    cr_assert_eq(retry_delay(&p, INT32_MAX).ns, DURATION_SECONDS(1).ns);
    p.initial_interval.ns = INT64_MAX;
    p = retry_policy_with_defaults(p);
    cr_assert_eq(p.maximum_interval.ns, INT64_MAX);
    cr_assert_gt(retry_delay(&p, 5).ns, 0);
}

Test(retry, defaults_fill_what_is_missing)
{
    struct retry_policy p = retry_policy_with_defaults((struct retry_policy){ 0 });
    cr_assert(p.is_set);
    cr_assert_eq(p.initial_interval.ns, DURATION_SECONDS(1).ns);
    cr_assert_eq(p.maximum_interval.ns, DURATION_SECONDS(100).ns);
    cr_assert_eq(p.maximum_attempts, 0);
    cr_assert_float_eq(p.backoff_coefficient, 2.0, 1e-9);
}

Test(retry, policy_problems)
{
    struct retry_policy p = policy(10, 2.0, 5, 0);
    cr_assert_not_null(retry_policy_problem(&p));
    p.maximum_attempts = 1; /* nothing is checked then */
    cr_assert_null(retry_policy_problem(&p));
    p = policy(1, 0.5, 0, 0);
    cr_assert_not_null(retry_policy_problem(&p));
    p = policy(1, 1.0, 0, -1);
    cr_assert_not_null(retry_policy_problem(&p));
    p = policy(1, 1.0, 1, 0);
    cr_assert_null(retry_policy_problem(&p));
}

Test(retry, reasons_to_stop)
{
    struct instant now = { DURATION_SECONDS(1000).ns };
    struct retry_policy p = policy(10, 2.0, 0, 3);
    struct failure_info info = { .kind = FAILURE_APPLICATION };
    cr_assert_eq(
            retry_decide(&p, 1, now, (struct instant){ 0 }, &info).state, RETRY_STATE_IN_PROGRESS);
    cr_assert_eq(retry_decide(&p, 2, now, (struct instant){ 0 }, &info).delay.ns,
            DURATION_SECONDS(20).ns);
    cr_assert_eq(retry_decide(&p, 3, now, (struct instant){ 0 }, &info).state,
            RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED);
    struct instant exact = instant_add(now, DURATION_SECONDS(10));
    cr_assert_eq(retry_decide(&p, 1, now, exact, &info).state, RETRY_STATE_IN_PROGRESS);
    exact.ns--;
    cr_assert_eq(retry_decide(&p, 1, now, exact, &info).state, RETRY_STATE_TIMEOUT);
    info.non_retryable = true;
    cr_assert_eq(retry_decide(&p, 1, now, exact, &info).state, RETRY_STATE_NON_RETRYABLE_FAILURE);
    p.is_set = false;
    cr_assert_eq(retry_decide(&p, 1, now, exact, &info).state, RETRY_STATE_RETRY_POLICY_NOT_SET);
}

Test(retry, which_failures_are_retryable)
{
    struct str listed[] = { STR("Bad"), STR("TemporalTimeout:Heartbeat") };
    struct retry_policy p = policy(1, 1, 0, 0);
    p.non_retryable_types = listed;
    p.non_retryable_count = 2;
    struct failure_info info = { .kind = FAILURE_APPLICATION, .type = STR("Bad") };
    cr_assert(!failure_is_retryable(&info, &p));
    info.type = STR("Good");
    cr_assert(failure_is_retryable(&info, &p));
    info = (struct failure_info){ .kind = FAILURE_TIMEOUT, .timeout = TIMEOUT_HEARTBEAT };
    cr_assert(!failure_is_retryable(&info, &p));
    info.timeout = TIMEOUT_START_TO_CLOSE;
    cr_assert(failure_is_retryable(&info, &p));
    info.timeout = TIMEOUT_SCHEDULE_TO_START;
    cr_assert(!failure_is_retryable(&info, &p));
    info.kind = FAILURE_CANCELED;
    cr_assert(!failure_is_retryable(&info, &p));
    info.kind = FAILURE_OTHER;
    cr_assert(failure_is_retryable(&info, &p));
}

/* The field of a message; the last one wins. */
static struct str field_of(struct str message, uint32_t number)
{
    struct wire_field f;
    struct str found = { 0 };
    while (wire_next(&message, &f)) {
        found = f.number == number ? f.bytes : found;
    }
    return found;
}

/* A chain of application failures: each has its type, a long message and a cause. */
static struct str chain_of_failures(struct arena *arena, int depth)
{
    struct str cause = { 0 };
    char text[300];
    memset(text, 'm', sizeof(text));
    for (int i = 0; i < depth; i++) {
        struct buf b;
        buf_init_arena(&b, arena, 1 << 20);
        wire_put_bytes(&b, 1, str_of(text, sizeof(text)));
        wire_put_bytes(&b, 2, STR("SomeSDK"));
        wire_opt_bytes(&b, 4, cause);
        size_t mark = wire_begin(&b, 5);
        wire_put_bytes(&b, 1, STR("MyError"));
        wire_put_varint(&b, 2, 1);
        wire_end(&b, mark);
        cause = buf_str(&b);
    }
    return cause;
}

Test(retry, a_cut_failure_keeps_types_and_what_fits_of_the_texts)
{
    struct arena arena = { 0 };
    struct str cut = failure_cut(&arena, chain_of_failures(&arena, 50), false, 4096);
    cr_assert_lt(cut.len, 4500);
    cr_assert(str_eq(field_of(cut, 1), STR("Failure exceeds size limit.")));
    struct str outermost = field_of(cut, 4);
    struct failure_info info = failure_parse(outermost);
    cr_assert_eq(info.kind, FAILURE_APPLICATION);
    cr_assert(str_eq(info.type, STR("MyError")) && info.non_retryable);
    cr_assert_eq(field_of(outermost, 1).len, 300);
    int depth = 0;
    for (struct str f = cut; f.len; f = field_of(f, 4)) {
        cr_assert_not(failure_parse(f).is_malformed);
        depth++;
    }
    cr_assert(depth > 10 && depth <= 21);
    arena_deinit(&arena);
}

Test(retry, names_of_timeouts_are_checked)
{
    struct str types[] = { STR("MyError"), STR("TemporalTimeout:StartToClose"),
        STR("TemporalTimeout:TIMEOUT_TYPE_HEARTBEAT"), STR("TemporalTimeout:Later") };
    struct retry_policy p = {
        .is_set = true, .non_retryable_types = types, .non_retryable_count = 3
    };
    cr_assert_null(retry_policy_problem(&p));
    p.non_retryable_count = 4;
    cr_assert_not_null(retry_policy_problem(&p));
}

Test(retry, failures_are_parsed_and_cut)
{
    struct arena arena = { 0 };
    struct str details = str_of(NEW(&arena, char, 9000), 9000);
    memset((char *)(uintptr_t)details.ptr, 'x', 9000);
    struct str f =
            timeout_failure(&arena, STR("late"), TIMEOUT_HEARTBEAT, details, (struct str){ 0 });
    struct failure_info info = failure_parse(f);
    cr_assert_eq(info.kind, FAILURE_TIMEOUT);
    cr_assert_eq(info.timeout, TIMEOUT_HEARTBEAT);
    struct str cut = failure_cut(&arena, f, true, 4000);
    cr_assert_lt(cut.len, 4096);
    info = failure_parse(cut);
    cr_assert_eq(info.kind, FAILURE_SERVER);
    cr_assert(info.non_retryable);
    cr_assert(failure_parse(STR("\xff\xff")).is_malformed);
    arena_deinit(&arena);
}
