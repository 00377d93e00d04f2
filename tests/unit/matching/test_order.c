/* Which task goes next: levels of priority, shares of fairness, rates; and what workers are told of their number. */
#include <stdio.h>

#include "tests/unit/matching/world.h"

static struct world w;

static void setup(void)
{
    world_init(&w, NULL);
}

static void teardown(void)
{
    world_deinit(&w);
}

TestSuite(order, .init = setup, .fini = teardown);

static struct matching_offer offer_of(unsigned task, int32_t level, const char *key, float weight)
{
    struct matching_offer o = world_offer(task, 10);
    o.task.type = TASK_QUEUE_ACTIVITY;
    o.priority = (struct priority){ level, str_from_cstr(key), weight };
    return o;
}

static void offer(unsigned member, const struct matching_offer *offers, size_t count)
{
    world_advertise_as(&w, member, 1, "q", TASK_QUEUE_ACTIVITY, false, 0, offers, count);
}

static int poll_rated(double rate)
{
    world_forget_answers(&w);
    memset(&w.polls[0], 0, sizeof(w.polls[0]));
    world_event(&w, (struct matching_event){ .kind = MATCHING_POLL,
                            .poll = { .poll = &w.polls[0],
                                    .queue = world_queue("q", TASK_QUEUE_ACTIVITY),
                                    .identity = STR("x"),
                                    .max_tasks_per_second = rate } });
    return world_answer(&w, 0);
}

static int poll(void)
{
    return poll_rated(MATCHING_NO_RATE);
}

/* ---- priority ------------------------------------------------------------------------------------------ */

Test(order, the_lowest_level_first_then_the_oldest_whoever_has_it)
{
    struct matching_offer a[] = { offer_of(1, 5, "", 1), offer_of(2, 3, "", 1),
        offer_of(3, 1, "", 1) };
    struct matching_offer b[] = { offer_of(4, 0, "", 0), offer_of(5, 1, "", 1),
        offer_of(6, 2, "", 1) };
    b[1].since.ns -= 1;
    offer(1, a, 3);
    offer(2, b, 3);
    int want[] = { 5, 3, 6, 2, 4, 1 };
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        cr_assert_eq(poll(), want[i], "place %zu", i);
    }
}

Test(order, an_urgent_task_overtakes_a_full_prefetch)
{
    struct matching_offer low[16], urgent = offer_of(100, 1, "", 1);
    for (unsigned i = 0; i < 16; i++) {
        low[i] = offer_of(i + 1, 4, "", 1);
    }
    offer(1, low, 16);
    struct matching_demanded_queue d = world_demand(&w, 1, "q");
    cr_assert_eq(d.more, 0, "nothing of the normal level was used");
    cr_assert_eq(d.more_at.len, 0, "sixteen are held of level 4");
    offer(1, &urgent, 1); /* its own credit: sixteen of each level from the beginning */
    cr_assert_eq(poll(), 100);
    cr_assert_eq(poll(), 1);
    d = world_demand(&w, 1, "q");
    cr_assert_eq(d.more_at.len, 2);
    cr_assert(d.more_at.ptr[0].level == 1 && d.more_at.ptr[0].more == 1);
    cr_assert(d.more_at.ptr[1].level == 4 && d.more_at.ptr[1].more == 1);
}

Test(order, figures_by_level)
{
    struct matching_offer o[] = { offer_of(1, 1, "", 1), offer_of(2, 3, "", 1) };
    struct matching_level_figures levels[] = { { 1, 4, { 3 } }, { 9, 5, { 3 } } };
    struct queue_id id = world_queue("q", TASK_QUEUE_ACTIVITY);
    struct matching_queue_info info;
    offer(1, NULL, 0);
    world_event(&w, (struct matching_event){ .kind = MATCHING_ADVERTISE,
                            .advertise = { .from = { world_id(1), 0 },
                                    .incarnation = 1,
                                    .queue = id,
                                    .backlog = 2,
                                    .oldest = { 7 },
                                    .levels = levels,
                                    .level_count = 2,
                                    .offers = o,
                                    .offer_count = 2 } });
    cr_assert_eq(poll(), 1);
    cr_assert_eq(w.fx.answers.ptr[0].backlog, 7);
    matching_describe(w.engine, &id, w.now, &w.arena, &info);
    cr_assert_eq(info.backlog, 7);
    cr_assert_eq(info.oldest.ns, 3);
    cr_assert_eq(info.levels.len, 2, "what no level is counts nowhere");
    cr_assert(info.levels.ptr[0].level == 1 && info.levels.ptr[0].backlog == 4);
    cr_assert(info.levels.ptr[1].level == 3 && info.levels.ptr[1].backlog == 3);
    cr_assert_float_eq(info.levels.ptr[0].add_rate, 5, 1e-9);
    cr_assert_float_eq(info.levels.ptr[1].add_rate, 3, 1e-9);
    cr_assert_float_eq(info.levels.ptr[0].dispatch_rate, 1, 1e-9);
    cr_assert_float_eq(info.levels.ptr[1].dispatch_rate, 0, 1e-9);
    cr_assert_float_eq(info.add_rate, 8, 1e-9);
}

Test(order, what_is_told_again_was_added_once)
{
    struct matching_offer o[] = { offer_of(1, 3, "", 1), offer_of(2, 1, "", 1),
        offer_of(3, 3, "", 1) };
    struct queue_id id = world_queue("q", TASK_QUEUE_ACTIVITY);
    struct matching_queue_info info;
    offer(1, o, 2);
    world_advertise_as(&w, 1, 2, "q", TASK_QUEUE_ACTIVITY, false, 0, o, 2);
    o[2].since = w.now;
    world_advertise_as(&w, 1, 2, "q", TASK_QUEUE_ACTIVITY, false, 0, o + 2, 1);
    matching_describe(w.engine, &id, w.now, &w.arena, &info);
    cr_assert_eq(info.backlog, 3);
    cr_assert_float_eq(info.add_rate, 3, 1e-9);
}

Test(order, a_level_whose_credit_was_lost_is_granted_again)
{
    struct matching_level_figures level = { 1, 3, { 5 } };
    struct matching_offer o = offer_of(1, 3, "", 1);
    offer(1, NULL, 0);
    world_event(&w, (struct matching_event){ .kind = MATCHING_ADVERTISE,
                            .advertise = { .from = { world_id(1), 0 },
                                    .incarnation = 1,
                                    .queue = world_queue("q", TASK_QUEUE_ACTIVITY),
                                    .levels = &level,
                                    .level_count = 1,
                                    .offers = &o,
                                    .offer_count = 1 } });
    world_flush(&w);
    world_pass(&w, DURATION_SECONDS(3));
    struct matching_demanded_queue d = world_demand(&w, 1, "q");
    cr_assert_eq(d.more_at.len, 1, "silent though it has tasks and credit");
    cr_assert(d.more_at.ptr[0].level == 1 && d.more_at.ptr[0].more == 16);
}

/* ---- fairness ------------------------------------------------------------------------------------------ */

/* Two lanes with endless tasks of the keys a, b, c: how many of n polls each key gets. */
static void share(unsigned polls, const float weights[3], unsigned got[3])
{
    static const char *const names[] = { "a", "b", "c" };
    unsigned next = 1000;
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned k = 0; k < 8; k++, next += 10) { /* a task's number ends with its key's */
            struct matching_offer o = offer_of(next + i, 3, names[i], weights[i]);
            offer(1 + k % 2, &o, 1);
        }
    }
    for (unsigned n = 0; n < polls; n++) {
        int task = poll();
        cr_assert_gt(task, 0);
        unsigned i = (unsigned)task % 10;
        got[i]++;
        struct matching_offer o = offer_of(next + i, 3, names[i], weights[i]);
        next += 10;
        offer(1 + (unsigned)task / 10 % 2, &o, 1);
    }
}

Test(order, keys_share_by_weight)
{
    unsigned got[3] = { 0 };
    share(1000, (const float[]){ 1, 3, 6 }, got);
    cr_assert(got[0] >= 99 && got[0] <= 101, "%u", got[0]);
    cr_assert(got[1] >= 299 && got[1] <= 301, "%u", got[1]);
    cr_assert(got[2] >= 599 && got[2] <= 601, "%u", got[2]);
}

Test(order, weights_are_clamped_and_one_if_not_given)
{
    unsigned got[3] = { 0 };
    share(1200, (const float[]){ 0, 5000, -1 }, got);
    cr_assert(got[0] <= 3 && got[2] <= 3 && got[0] >= 1, "%u %u", got[0], got[2]);
}

Test(order, a_small_key_is_not_behind_a_large_backlog)
{
    struct matching_offer a[15], b = offer_of(100, 3, "b", 1);
    for (unsigned i = 0; i < 15; i++) {
        a[i] = offer_of(i + 1, 3, i % 2 ? "a" : "", 1);
    }
    offer(1, a, 15);
    cr_assert_eq(poll(), 1);
    cr_assert_eq(poll(), 2);
    offer(1, &b, 1);
    int first = poll(), second = poll(), third = poll();
    cr_assert(first == 100 || second == 100 || third == 100, "one turn of each other key at most");
}

Test(order, whoever_waited_saves_no_turns)
{
    struct matching_offer o[20];
    struct matching_offer b[5];
    for (unsigned i = 0; i < 20; i++) {
        o[i] = offer_of(i + 1, 3, "a", 1);
    }
    for (unsigned i = 0; i < 5; i++) {
        b[i] = offer_of(100 + i, 3, "b", 1);
    }
    offer(1, o, 20);
    for (int i = 0; i < 10; i++) {
        cr_assert_leq(poll(), 20);
    }
    offer(1, b, 5);
    unsigned of_b = 0;
    for (int i = 0; i < 6; i++) {
        of_b += poll() >= 100;
    }
    cr_assert_eq(of_b, 3, "they alternate from now on");
}

Test(order, levels_go_before_shares)
{
    struct matching_offer o[] = { offer_of(1, 3, "a", 1), offer_of(2, 2, "b", 1),
        offer_of(3, 2, "b", 1), offer_of(4, 2, "b", 1) };
    offer(1, o, 4);
    cr_assert_eq(poll(), 2);
    cr_assert_eq(poll(), 3);
    cr_assert_eq(poll(), 4);
    cr_assert_eq(poll(), 1);
}

Test(order, any_number_of_keys_in_bounded_memory)
{
    size_t before = 0;
    for (unsigned n = 1; n <= 100000; n++) {
        char name[16];
        snprintf(name, sizeof(name), "key %u", n);
        struct matching_offer o[] = { offer_of(n, 3, name, 0.001f), offer_of(n, 3, "all", 1) };
        o[1].task.attempt = 2;
        offer(1, o, 2);
        cr_assert_gt(poll(), 0);
        cr_assert_gt(poll(), 0);
        world_flush(&w);
        if (n % 20 == 0) {
            arena_reset(&w.arena);
            w.fx = (struct matching_effects){ .arena = &w.arena };
            w.demands = (struct matching_demands){ .arena = &w.arena };
        }
        if (n == 4000) {
            before = matching_totals(w.engine).bytes;
        }
    }
    cr_assert_leq(matching_totals(w.engine).bytes, before + 65536 + 4096 * 400);
}

Test(order, a_level_with_keys_gets_more_credit)
{
    struct matching_offer o = offer_of(1, 3, "a", 1);
    offer(1, &o, 1);
    cr_assert_eq(world_demand(&w, 1, "q").more, 112);
}

/* ---- rates --------------------------------------------------------------------------------------------- */

static void fill(unsigned count, const char *key)
{
    static unsigned next = 1;
    for (unsigned i = 0; i < count; i++) {
        struct matching_offer o = offer_of(next++, 3, key, 1);
        offer(1, &o, 1);
    }
}

Test(order, a_rate_of_zero_stops_and_the_next_word_holds)
{
    fill(8, "");
    cr_assert_eq(poll_rated(0), -1);
    world_pass(&w, DURATION_SECONDS(3600));
    cr_assert_eq(world_answer(&w, 0), -1);
    world_cut(&w, 0);
    cr_assert_gt(poll_rated(2), 0);
    cr_assert_gt(poll_rated(2), 0);
    cr_assert_eq(poll_rated(2), -1, "two a second");
    world_cut(&w, 0);
    cr_assert_gt(poll(), 0, "a poll without a rate lifts it");
}

Test(order, a_low_rate_is_forgotten_when_it_is_raised)
{
    fill(8, "");
    cr_assert_gt(poll_rated(0.001), 0);
    cr_assert_eq(poll_rated(0.001), -1);
    world_cut(&w, 0);
    cr_assert_eq(poll_rated(10), -1, "the bucket is empty");
    world_pass(&w, DURATION_MS(100));
    cr_assert_gt(world_answer(&w, 0), 0);
}

static struct matching_queue_config config;

static bool look_up(void *ctx, const struct queue_id *id, struct matching_queue_config *ret)
{
    *ret = config;
    return str_eq(id->name, STR("q"));
}

static void configure(struct matching_queue_config to)
{
    config = to;
    matching_set_lookup(w.engine, look_up, NULL);
    world_event(&w, (struct matching_event){ .kind = MATCHING_CONFIG });
}

Test(order, what_is_configured_goes_before_what_polls_say)
{
    struct queue_id id = world_queue("q", TASK_QUEUE_ACTIVITY);
    struct matching_queue_info info;
    fill(8, "");
    configure((struct matching_queue_config){ .has_rate = true, .rate = 0 });
    cr_assert_eq(poll_rated(100), -1);
    matching_describe(w.engine, &id, w.now, &w.arena, &info);
    cr_assert(info.rate_source == MATCHING_RATE_CONFIG && info.rate_limit == 0 && info.is_limited);
    configure((struct matching_queue_config){ .has_rate = true, .rate = 1 });
    cr_assert_gt(world_answer(&w, 0), 0, "it waits no longer");
    cr_assert_eq(poll_rated(100), -1);
    configure((struct matching_queue_config){ 0 });
    world_pass(&w, DURATION_MS(10));
    cr_assert_gt(world_answer(&w, 0), 0, "the poll's own rate is back");
    matching_describe(w.engine, &id, w.now, &w.arena, &info);
    cr_assert(info.rate_source == MATCHING_RATE_POLL && info.rate_limit == 100);
}

Test(order, a_new_queue_is_configured_from_its_first_task_on)
{
    config = (struct matching_queue_config){ .has_rate = true, .rate = 0 };
    matching_set_lookup(w.engine, look_up, NULL);
    fill(1, "");
    cr_assert_eq(poll(), -1);
}

Test(order, each_key_has_its_rate)
{
    configure((struct matching_queue_config){ .has_key_rate = true, .key_rate = 1 });
    fill(4, "a");
    fill(1, "b");
    cr_assert_gt(poll(), 0);
    cr_assert_gt(poll(), 0);
    cr_assert_eq(poll(), -1, "a has had its one");
    world_pass(&w, DURATION_MS(999));
    cr_assert_eq(world_answer(&w, 0), -1);
    world_pass(&w, DURATION_MS(1));
    cr_assert_gt(world_answer(&w, 0), 0);
    fill(1, "c");
    cr_assert_gt(poll(), 0, "others don't wait for it");
    cr_assert_eq(poll(), -1);
    configure((struct matching_queue_config){ .has_key_rate = true, .key_rate = 0 });
    world_pass(&w, DURATION_SECONDS(100));
    cr_assert_eq(world_answer(&w, 0), -1, "none at all");
    configure((struct matching_queue_config){ 0 });
    cr_assert_gt(world_answer(&w, 0), 0);
}

Test(order, a_keys_rate_grows_with_its_weight)
{
    struct matching_weight weights[] = { { STR("a"), 4 } };
    configure((struct matching_queue_config){
            .has_key_rate = true, .key_rate = 1, .weights = weights, .weight_count = 1 });
    fill(8, "a");
    for (int i = 0; i < 4; i++) {
        cr_assert_gt(poll(), 0);
    }
    cr_assert_eq(poll(), -1);
    world_pass(&w, DURATION_MS(250));
    cr_assert_gt(world_answer(&w, 0), 0);
}

Test(order, a_weight_that_is_set_replaces_the_tasks_own)
{
    struct matching_weight weights[] = { { STR("a"), 9 } };
    unsigned got[3] = { 0 };
    configure((struct matching_queue_config){ .weights = weights, .weight_count = 1 });
    share(1100, (const float[]){ 0.001f, 1, 1 }, got);
    cr_assert(got[0] >= 898 && got[0] <= 902, "%u", got[0]);
}

/* ---- advice to workers ------------------------------------------------------------------------------------ */

static int32_t advice(void)
{
    cr_assert_eq(w.fx.answers.len, 1);
    return w.fx.answers.ptr[0].scaling;
}

static void offer_now(unsigned task)
{
    struct matching_offer o = offer_of(task, 3, "", 1);
    o.since = w.now;
    offer(1, &o, 1);
}

Test(order, a_poll_that_waited_for_long_was_one_too_many)
{
    cr_assert_eq(poll(), -1);
    world_pass(&w, DURATION_MS(999));
    offer_now(1);
    cr_assert_eq(advice(), 0);
    cr_assert_eq(poll(), -1);
    world_pass(&w, DURATION_SECONDS(1));
    offer_now(2);
    cr_assert_eq(advice(), -1);
}

Test(order, an_old_backlog_wants_more_pollers)
{
    for (unsigned i = 1; i <= 4; i++) {
        offer_now(i);
    }
    cr_assert_eq(poll(), 1);
    w.now = instant_add(w.now, DURATION_MS(300));
    cr_assert_eq(poll(), 2);
    cr_assert_eq(advice(), 1);
}

Test(order, no_pollers_are_wanted_where_a_rate_holds_tasks_back)
{
    for (unsigned i = 1; i <= 4; i++) {
        offer_now(i);
    }
    world_poll_by(&w, 5, "q", TASK_QUEUE_ACTIVITY, false, 1, "y");
    w.now = instant_add(w.now, DURATION_SECONDS(2));
    world_forget_answers(&w);
    world_poll_by(&w, 6, "q", TASK_QUEUE_ACTIVITY, false, 1, "y");
    world_poll_by(&w, 7, "q", TASK_QUEUE_ACTIVITY, false, 1, "y");
    world_forget_answers(&w);
    world_pass(&w, DURATION_SECONDS(1));
    cr_assert_eq(advice(), 0);
}
