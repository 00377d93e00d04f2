#include <criterion/criterion.h>
#include <pthread.h>

#include "frontend/quota.h"

#define RATE(n) ((struct quota_rate){ (n), 2 * (n) })

static struct instant at_ms(int64_t ms)
{
    return (struct instant){ 1000000000 + ms * 1000000 };
}

/* How many of so many calls at one moment are let in. */
static int taken(
        struct quota_bucket *b, struct quota_rate rate, unsigned priority, int tries, int64_t ms)
{
    int n = 0;
    for (int i = 0; i < tries; i++) {
        n += quota_take(b, rate, priority, at_ms(ms));
    }
    return n;
}

Test(quota, a_full_bucket_takes_a_burst_and_then_the_rate)
{
    struct quota_bucket b = { 0 };
    cr_assert_eq(taken(&b, RATE(100), 5, 1000, 0), 200);
    cr_assert_eq(taken(&b, RATE(100), 5, 1000, 10), 1);
    cr_assert_eq(
            taken(&b, RATE(100), 5, 1000, 10), 0, "a refusal costs nothing, and gives nothing");
    cr_assert_eq(taken(&b, RATE(100), 5, 1000, 1010), 100);
    cr_assert_eq(taken(&b, RATE(100), 5, 1000, 100000), 200, "it is never more than full");
}

Test(quota, the_rate_is_exact_over_time)
{
    struct quota_bucket b = { 0 };
    int n = 0;
    for (int64_t ms = 0; ms < 60000; ms++) {
        n += taken(&b, RATE(333), 1, 3, ms);
    }
    int64_t most = 60 * 333 + 2 * 333;
    cr_assert(n <= most + 1 && n >= most - 3, "%d instead of %ld", n, most);
}

Test(quota, no_rate_is_no_limit)
{
    struct quota_bucket b = { 0 };
    cr_assert_eq(taken(&b, RATE(0), 5, 10000, 0), 10000);
    cr_assert_eq(b.due[5], 0);
}

Test(quota, a_rate_of_one_lets_one_in)
{
    struct quota_bucket b = { 0 };
    cr_assert_eq(taken(&b, (struct quota_rate){ 1, 1 }, 0, 5, 0), 1, "the operator, too");
    cr_assert_eq(
            taken(&b, (struct quota_rate){ 1, 1 }, 3, 5, 0), 0, "it was taken from all behind");
    cr_assert_eq(taken(&b, (struct quota_rate){ 1, 1 }, 3, 5, 999), 0);
}

Test(quota, those_behind_get_what_is_left)
{
    struct quota_bucket b = { 0 };
    cr_assert_eq(taken(&b, RATE(100), 1, 150, 0), 150);
    cr_assert_eq(taken(&b, RATE(100), 4, 1000, 0), 50);
    cr_assert_eq(taken(&b, RATE(100), 1, 1000, 0), 50, "what is behind takes nothing from before");
    cr_assert_eq(taken(&b, RATE(100), 4, 1000, 0), 0);
}

Test(quota, polls_wait_while_starts_take_everything)
{
    struct quota_bucket b = { 0 };
    int starts = 0, polls = 0;
    for (int64_t ms = 0; ms < 10000; ms += 10) {
        starts += taken(&b, RATE(100), 1, 2, ms);
        polls += taken(&b, RATE(100), 4, 2, ms);
    }
    cr_assert_geq(starts, 1190);
    cr_assert_leq(polls, 210, "only of the burst at the beginning: %d", polls);
    int after = taken(&b, RATE(100), 4, 1000, 12000);
    cr_assert_geq(after, 99, "they owe for a second at most: %d", after);
}

Test(quota, the_operator_has_a_fifth_of_his_own)
{
    struct quota_bucket b = { 0 };
    cr_assert_eq(taken(&b, RATE(100), 1, 1000, 0), 200);
    cr_assert_eq(taken(&b, RATE(100), 0, 1000, 0), 40);
    cr_assert_eq(taken(&b, RATE(100), 0, 1000, 1000), 20);
}

Test(quota, throttling_is_told_once)
{
    struct quota_bucket b = { 0 };
    const struct duration quiet = DURATION_SECONDS(10);
    cr_assert(quota_begins(&b.refused_at, at_ms(0), quiet));
    cr_assert_not(quota_begins(&b.refused_at, at_ms(9000), quiet));
    cr_assert_not(quota_begins(&b.refused_at, at_ms(18000), quiet));
    cr_assert(quota_begins(&b.refused_at, at_ms(28001), quiet));
}

Test(quota, waiting_calls_are_counted_by_method)
{
    struct quota_namespace ns = { 0 };
    cr_assert(quota_wait(&ns, 0, 2));
    cr_assert(quota_wait(&ns, 0, 2));
    cr_assert_not(quota_wait(&ns, 0, 2));
    cr_assert(quota_wait(&ns, 1, 2), "another method");
    quota_wait_over(&ns, 0);
    cr_assert(quota_wait(&ns, 0, 2), "a refused one was not counted");
    cr_assert_not(quota_wait(&ns, 0, 2));
}

Test(quota, lanes_share_what_is_counted)
{
    struct quotas *quotas = quotas_new();
    struct quotas_lane a = { 0 }, b = { 0 };
    struct uuid one = { { 1 } }, two = { { 2 } };
    quotas_lane_init(&a, quotas);
    quotas_lane_init(&b, quotas);
    cr_assert_eq(quotas_namespace(&a, one), quotas_namespace(&b, one));
    cr_assert_eq(quotas_namespace(&a, one), quotas_namespace(&a, one));
    cr_assert_neq(quotas_namespace(&a, one), quotas_namespace(&a, two));
    cr_assert_eq(taken(&quotas_namespace(&a, one)->buckets[QUOTA_CALLS], RATE(10), 1, 100, 0), 20);
    cr_assert_eq(taken(&quotas_namespace(&b, one)->buckets[QUOTA_CALLS], RATE(10), 1, 100, 0), 0);
    quotas_lane_deinit(&a);
    quotas_lane_deinit(&b);
    quotas_free(quotas);
}

struct taker {
    struct quota_bucket *bucket;
    int taken;
};

static void *take_many(void *arg)
{
    struct taker *t = arg;
    t->taken = taken(t->bucket, RATE(10000), 1, 20000, 0);
    return NULL;
}

Test(quota, threads_take_no_token_twice)
{
    struct quota_bucket b = { 0 };
    struct taker takers[4];
    pthread_t threads[4];
    int sum = 0;
    for (int i = 0; i < 4; i++) {
        takers[i] = (struct taker){ &b, 0 };
        cr_assert_eq(pthread_create(&threads[i], NULL, take_many, &takers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        sum += takers[i].taken;
    }
    cr_assert_eq(sum, 20000);
    cr_assert_eq(b.due[1], b.due[4], "those behind saw every token go");
}
