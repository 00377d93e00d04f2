/* Polls and offers meet; advertisers get credit; nothing is kept longer than it should be. */
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

TestSuite(match, .init = setup, .fini = teardown);

Test(match, a_waiting_poll_gets_the_offer)
{
    world_poll(&w, 1, "q");
    cr_assert_eq(world_answer(&w, 1), -1);
    struct matching_offer o = world_offer(7, 10);
    world_advertise(&w, 1, 1, "q", 3, &o, 1);
    cr_assert_eq(world_answer(&w, 1), 7);
    cr_assert_eq(w.fx.answers.ptr[0].backlog, 3);
    struct matching_demanded_queue d = world_demand(&w, 1, "q");
    cr_assert_eq(d.gone.len, 1);
    cr_assert_eq(world_task_number(&d.gone.ptr[0]), 7);
    cr_assert_eq(d.more, 1);
    cr_assert_eq(world_demand(&w, 1, "q").gone.len, 0, "told once");
}

Test(match, a_waiting_offer_meets_the_poll)
{
    struct matching_offer o = world_offer(7, 10);
    world_advertise(&w, 1, 1, "q", 0, &o, 1);
    cr_assert_eq(world_demand(&w, 1, "q").more, 0, "held, so the credit is not back");
    world_poll(&w, 1, "other");
    world_poll(&w, 2, "q");
    cr_assert_eq(world_answer(&w, 1), -1);
    cr_assert_eq(world_answer(&w, 2), 7);
    cr_assert_eq(world_demand(&w, 1, "q").more, 1);
}

Test(match, queues_differ_by_type)
{
    cr_assert_eq(world_poll_by(&w, 1, "q", TASK_QUEUE_ACTIVITY, false, 0, "x"), ERR_NONE);
    struct matching_offer o = world_offer(7, 10);
    world_advertise(&w, 1, 1, "q", 0, &o, 1);
    cr_assert_eq(world_answer(&w, 1), -1);
}

Test(match, the_oldest_goes_first_whoever_has_it)
{
    struct matching_offer a[] = { world_offer(1, 10), world_offer(2, 30) };
    struct matching_offer b[] = { world_offer(3, 20), world_offer(4, 20) };
    world_advertise(&w, 1, 1, "q", 0, a, 2);
    world_advertise(&w, 2, 1, "q", 0, b, 2);
    int want[] = { 1, 3, 4, 2 };
    for (unsigned i = 0; i < 4; i++) {
        world_poll(&w, i, "q");
        cr_assert_eq(world_answer(&w, i), want[i]);
    }
}

Test(match, polls_are_served_in_order)
{
    for (unsigned i = 0; i < 3; i++) {
        world_poll(&w, i, "q");
    }
    world_cut(&w, 0);
    struct matching_offer o = world_offer(7, 10);
    world_advertise(&w, 1, 1, "q", 0, &o, 1);
    cr_assert_eq(world_answer(&w, 0), -1);
    cr_assert_eq(world_answer(&w, 1), 7);
    cr_assert_eq(world_answer(&w, 2), -1);
}

Test(match, an_expired_poll_is_answered_empty_once)
{
    world_poll(&w, 1, "q");
    world_expire(&w, 1);
    cr_assert_eq(world_answer(&w, 1), 0);
    world_expire(&w, 1);
    cr_assert_eq(world_answers(&w), 1);
}

Test(match, a_known_offer_is_ignored_and_its_credit_returned)
{
    struct matching_offer o = world_offer(7, 10);
    world_advertise(&w, 1, 1, "q", 0, &o, 1);
    world_flush(&w);
    world_advertise(&w, 1, 1, "q", 0, &o, 1);
    cr_assert_eq(matching_totals(w.engine).offers, 1);
    cr_assert_eq(matching_totals(w.engine).duplicates, 1);
    cr_assert_eq(world_demand(&w, 1, "q").more, 1);
    world_poll(&w, 1, "q");
    world_poll(&w, 2, "q");
    cr_assert_eq(world_answer(&w, 1), 7);
    cr_assert_eq(world_answer(&w, 2), -1);
    /* after it has gone it may come again: nobody claimed it */
    world_advertise(&w, 1, 1, "q", 0, &o, 1);
    cr_assert_eq(world_answer(&w, 2), 7);
}

Test(match, another_attempt_is_another_task)
{
    struct matching_offer o[] = { world_offer(7, 10), world_offer(7, 10) };
    o[1].task.attempt = 2;
    world_advertise(&w, 1, 1, "q", 0, o, 2);
    cr_assert_eq(matching_totals(w.engine).offers, 2);
}

Test(match, waiting_polls_give_credit_where_tasks_are)
{
    struct matching_offer offers[16];
    for (unsigned i = 0; i < 16; i++) {
        offers[i] = world_offer(i + 1, 10);
    }
    world_advertise(&w, 1, 1, "q", 100, offers, 16);
    world_advertise(&w, 2, 1, "q", 0, NULL, 0);
    world_flush(&w);
    cr_assert_eq(world_told(&w, 1, "q").more, 0, "sixteen are held and no poll waits");
    for (unsigned i = 0; i < 20; i++) {
        world_poll(&w, i, "q");
    }
    world_flush(&w);
    cr_assert_eq(world_told(&w, 1, "q").gone.len, 16);
    cr_assert_eq(world_told(&w, 1, "q").more, 16 + 4);
    cr_assert_eq(world_told(&w, 2, "q").more, 0, "nothing to give");
    world_poll(&w, 20, "q");
    cr_assert_eq(world_demand(&w, 1, "q").more, 1);
}

Test(match, lost_credit_is_granted_again)
{
    world_advertise(&w, 1, 1, "q", 5, NULL, 0);
    world_poll(&w, 1, "q");
    cr_assert_eq(world_demand(&w, 1, "q").more, 1);
    world_pass(&w, DURATION_MS(900));
    cr_assert_eq(world_demand(&w, 1, "q").more, 0);
    world_pass(&w, DURATION_MS(1200));
    cr_assert_eq(world_demand(&w, 1, "q").more, 17, "silent for a second while a poll waits");
}

Test(match, what_an_old_incarnation_said_too_late_is_not_heard)
{
    struct matching_offer old[] = { world_offer(1, 1), world_offer(2, 1) };
    world_advertise(&w, 1, 2, "q", 0, old, 1);
    world_advertise(&w, 1, 1, "other", 0, &old[1], 1); /* overtaken */
    world_poll(&w, 1, "other");
    cr_assert_eq(world_answer(&w, 1), -1, "it will be told again");
    world_poll(&w, 0, "q");
    cr_assert_eq(world_answer(&w, 0), 1, "the new one's offer is still here");
    world_demand(&w, 1, "q");
    cr_assert_eq(w.demands.list.ptr[0].incarnation, 2);
    world_advertise(&w, 1, 2, "other", 0, &old[1], 1);
    cr_assert_eq(world_answer(&w, 1), 2);
}

Test(match, a_new_incarnation_voids_what_the_old_one_said)
{
    struct matching_offer o[] = { world_offer(1, 10), world_offer(2, 11) };
    world_advertise(&w, 1, 1, "q", 9, o, 2);
    world_advertise(&w, 1, 2, "q", 1, &o[1], 1);
    struct matching_demanded_queue d = world_demand(&w, 1, "q");
    cr_assert_eq(d.gone.len, 0);
    cr_assert_eq(w.demands.list.len, 0, "fifteen of sixteen credits are left to it");
    world_poll(&w, 1, "q");
    world_poll(&w, 2, "q");
    cr_assert_eq(world_answer(&w, 1), 2);
    cr_assert_eq(world_answer(&w, 2), -1);
    world_flush(&w);
    cr_assert_eq(w.demands.list.ptr[0].incarnation, 2);
}

Test(match, a_lost_member_takes_its_offers_along)
{
    struct matching_offer o[] = { world_offer(1, 10), world_offer(2, 11) };
    world_advertise(&w, 1, 1, "q", 9, &o[0], 1);
    world_advertise(&w, 2, 1, "q", 4, &o[1], 1);
    world_event(&w, (struct matching_event){ .kind = MATCHING_MEMBER_GONE, .member = world_id(1) });
    cr_assert_eq(matching_totals(w.engine).advertisers, 1);
    world_poll(&w, 1, "q");
    cr_assert_eq(world_answer(&w, 1), 2);
    cr_assert_eq(w.fx.answers.ptr[0].backlog, 4);
}

Test(match, a_shard_that_moves_leaves_no_task_behind)
{
    struct matching_offer o = world_offer(1, 10);
    world_advertise(&w, 1, 1, "q", 0, &o, 1);
    world_advertise(&w, 2, 1, "q", 0, &o, 1);
    world_event(&w, (struct matching_event){ .kind = MATCHING_MEMBER_GONE, .member = world_id(1) });
    world_poll(&w, 1, "q");
    cr_assert_eq(world_answer(&w, 1), 1);
}

static bool keeps_none(void *ctx, uint64_t hash)
{
    return hash != *(uint64_t *)ctx;
}

Test(match, a_queue_that_moved_sends_its_polls_away)
{
    struct matching_offer o = world_offer(1, 10);
    uint64_t hash = task_queue_hash(world_id(1), STR("q"), TASK_QUEUE_WORKFLOW);
    world_poll(&w, 1, "q");
    world_poll(&w, 2, "stays");
    world_advertise(&w, 1, 1, "moves-too", 0, &o, 1);
    world_event(&w, (struct matching_event){
                            .kind = MATCHING_OWNERSHIP, .ownership = { keeps_none, &hash } });
    cr_assert_eq(world_answer(&w, 1), -2);
    cr_assert_eq(world_answer(&w, 2), -1);
    world_pass(&w, DURATION_SECONDS(10));
    cr_assert_eq(matching_totals(w.engine).queues, 2);
    hash = task_queue_hash(world_id(1), STR("moves-too"), TASK_QUEUE_WORKFLOW);
    world_event(&w, (struct matching_event){
                            .kind = MATCHING_OWNERSHIP, .ownership = { keeps_none, &hash } });
    world_pass(&w, DURATION_SECONDS(10));
    cr_assert_eq(matching_totals(w.engine).offers, 0);
}

Test(match, a_queue_that_is_not_ours_any_more_gives_its_offers_back)
{
    struct matching_offer o = world_offer(1, 10);
    uint64_t hash = task_queue_hash(world_id(1), STR("q"), TASK_QUEUE_WORKFLOW);
    world_advertise(&w, 1, 1, "q", 0, &o, 1);
    world_event(&w, (struct matching_event){
                            .kind = MATCHING_OWNERSHIP, .ownership = { keeps_none, &hash } });
    world_pass(&w, DURATION_SECONDS(10));
    cr_assert_eq(matching_totals(w.engine).offers, 0);
    cr_assert_eq(matching_totals(w.engine).queues, 1, "until it is told");
    struct matching_demanded_queue d = world_demand(&w, 1, "q");
    cr_assert_eq(d.gone.len, 1);
    cr_assert_eq(world_task_number(&d.gone.ptr[0]), 1);
    world_pass(&w, DURATION_SECONDS(10));
    cr_assert_eq(matching_totals(w.engine).queues, 0);
}

Test(match, who_advertises_may_know_the_owner_before_it_does)
{
    struct matching_offer o = world_offer(1, 10);
    uint64_t hash = task_queue_hash(world_id(1), STR("q"), TASK_QUEUE_WORKFLOW), none = 0;
    world_advertise(&w, 1, 1, "q", 0, &o, 1);
    world_event(&w, (struct matching_event){
                            .kind = MATCHING_OWNERSHIP, .ownership = { keeps_none, &hash } });
    world_pass(&w, DURATION_SECONDS(2));
    world_event(&w, (struct matching_event){
                            .kind = MATCHING_OWNERSHIP, .ownership = { keeps_none, &none } });
    world_pass(&w, DURATION_SECONDS(20));
    world_poll(&w, 1, "q");
    cr_assert_eq(world_answer(&w, 1), 1);
}

Test(match, the_rate_limit_is_exact)
{
    struct matching_offer offers[16];
    for (unsigned i = 0; i < 16; i++) {
        offers[i] = world_offer(i + 1, 10);
        offers[i].task.type = TASK_QUEUE_ACTIVITY;
    }
    for (unsigned i = 0; i < 16; i++) {
        cr_assert_eq(world_poll_by(&w, i, "q", TASK_QUEUE_ACTIVITY, false, 4, "x"), ERR_NONE);
    }
    world_advertise_as(&w, 1, 1, "q", TASK_QUEUE_ACTIVITY, false, 0, offers, 16);
    cr_assert_eq(world_answers(&w), 4, "one second's worth at once");
    world_pass(&w, DURATION_MS(249));
    cr_assert_eq(world_answers(&w), 4);
    world_pass(&w, DURATION_MS(1));
    cr_assert_eq(world_answers(&w), 5);
    world_pass(&w, DURATION_SECONDS(2));
    cr_assert_eq(world_answers(&w), 13);
    world_expire(&w, 15);
    cr_assert_eq(world_poll_by(&w, 20, "q", TASK_QUEUE_ACTIVITY, false, 1000, "y"), ERR_NONE);
    world_pass(&w, DURATION_MS(300));
    cr_assert_eq(world_answers(&w), 17, "the last writer wins");
}

static void poll_with(unsigned poll, double rate, const char *details, bool refund)
{
    world_event(&w, (struct matching_event){ .kind = MATCHING_POLL,
                            .poll = { &w.polls[poll], world_queue("q", TASK_QUEUE_ACTIVITY), false,
                                    STR("x"), rate, str_from_cstr(details), refund } });
}

Test(match, an_obsolete_task_costs_no_token)
{
    struct matching_offer offers[8];
    for (unsigned i = 0; i < 8; i++) {
        offers[i] = world_offer(i + 1, 10);
        offers[i].task.type = TASK_QUEUE_ACTIVITY;
    }
    poll_with(0, 1, "", false);
    world_advertise_as(&w, 1, 1, "q", TASK_QUEUE_ACTIVITY, false, 0, offers, 8);
    cr_assert_eq(world_answers(&w), 1);
    poll_with(1, 1, "", false);
    cr_assert_eq(world_answers(&w), 1, "one a second");
    poll_with(2, 1, "", true);
    cr_assert_eq(world_answers(&w), 2, "the token came back");
    struct queue_id id = world_queue("q", TASK_QUEUE_ACTIVITY);
    struct matching_queue_info info;
    matching_describe(w.engine, &id, w.now, &w.arena, &info);
    cr_assert_float_eq(info.dispatch_rate, 1, 1e-9, "a second at least");
    cr_assert_float_eq(info.rate_limit, 1, 1e-9);
    cr_assert(info.is_limited, "a poll and tasks wait side by side");
    world_pass(&w, DURATION_SECONDS(1));
    cr_assert_eq(world_answers(&w), 3);
}

Test(match, what_a_worker_tells_of_itself)
{
    struct queue_id id = world_queue("q", TASK_QUEUE_ACTIVITY);
    struct matching_queue_info info;
    char large[2050];
    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = 0;
    poll_with(0, 2.5, "build one", false);
    poll_with(1, 2.5, "build two", false);
    matching_describe(w.engine, &id, w.now, &w.arena, &info);
    cr_assert_eq(info.pollers.len, 1);
    cr_assert(str_eq(info.pollers.ptr[0].details, STR("build two")), "the latest poll counts");
    cr_assert_float_eq(info.pollers.ptr[0].rate_per_second, 2.5, 1e-9);
    cr_assert_not(info.is_limited);
    poll_with(2, 2.5, large, false);
    matching_describe(w.engine, &id, w.now, &w.arena, &info);
    cr_assert_eq(info.pollers.ptr[0].details.len, 0, "too large to be kept");
}

Test(match, describe)
{
    struct matching_offer o[] = { world_offer(1, 40), world_offer(2, 30) };
    cr_assert_eq(world_poll_by(&w, 1, "q", TASK_QUEUE_WORKFLOW, false, 0, "anna"), ERR_NONE);
    world_expire(&w, 1);
    world_pass(&w, DURATION_SECONDS(200));
    cr_assert_eq(world_poll_by(&w, 1, "q", TASK_QUEUE_WORKFLOW, false, 0, "bert"), ERR_NONE);
    cr_assert_eq(world_poll_by(&w, 2, "q", TASK_QUEUE_WORKFLOW, false, 0, "bert"), ERR_NONE);
    world_expire(&w, 1);
    world_advertise(&w, 1, 1, "q", 7, NULL, 0);
    world_advertise(&w, 1, 1, "q", 10, o, 2); /* five more: two sent, three wait */
    struct queue_id id = world_queue("q", TASK_QUEUE_WORKFLOW);
    struct matching_queue_info info;
    matching_describe(w.engine, &id, w.now, &w.arena, &info);
    cr_assert_eq(info.pollers.len, 2);
    cr_assert(str_eq(info.pollers.ptr[0].identity, STR("bert")));
    cr_assert_eq(info.backlog, 11, "ten there, one here, one handed out");
    cr_assert_eq(info.oldest.ns, 5, "of the advertiser's backlog");
    cr_assert_float_eq(
            info.add_rate, 5 / 25.0, 1e-9, "full slots, and what has passed of this one");
    cr_assert_float_eq(info.dispatch_rate, 1 / 25.0, 1e-9);
    world_pass(&w, DURATION_SECONDS(101));
    matching_describe(w.engine, &id, w.now, &w.arena, &info);
    cr_assert_eq(info.pollers.len, 1, "five minutes");
    cr_assert_float_eq(info.dispatch_rate, 0, 1e-9);
    id = world_queue("unknown", TASK_QUEUE_WORKFLOW);
    matching_describe(w.engine, &id, w.now, &w.arena, &info);
    cr_assert_eq(info.pollers.len + info.backlog, 0);
}

Test(match, idle_queues_are_forgotten)
{
    struct matching_offer o = world_offer(1, 10);
    world_poll(&w, 1, "q");
    world_advertise(&w, 1, 1, "q", 0, &o, 1);
    world_flush(&w);
    world_poll(&w, 2, "busy");
    world_pass(&w, DURATION_SECONDS(299));
    cr_assert_eq(matching_totals(w.engine).queues, 2);
    world_pass(&w, DURATION_SECONDS(2));
    cr_assert_eq(matching_totals(w.engine).queues, 1);
    cr_assert_eq(matching_next_need(w.engine).ns, INT64_MAX, "a waiting poll costs no time");
}

Test(match, nothing_unsaid_is_forgotten)
{
    struct matching_offer o = world_offer(1, 10);
    world_poll(&w, 1, "q");
    world_advertise(&w, 1, 1, "q", 0, &o, 1);
    world_pass(&w, DURATION_SECONDS(301)); /* no flush in between */
    cr_assert_eq(world_demand(&w, 1, "q").gone.len, 1);
}

Test(match, bounds)
{
    struct matching_limits limits = matching_limits_default;
    limits.queues = 2;
    limits.polls = 3;
    limits.offers_held = 2;
    limits.pollers_per_queue = 2;
    struct world small;
    world_init(&small, &limits);
    world_poll(&small, 1, "a");
    world_expire(&small, 1);
    world_poll(&small, 1, "b");
    world_poll(&small, 2, "c"); /* the idle queue makes room */
    cr_assert_eq(world_poll_by(&small, 3, "d", TASK_QUEUE_WORKFLOW, false, 0, "x"),
            ERR_RESOURCE_EXHAUSTED);
    cr_assert_eq(world_poll_by(&small, 3, "c", TASK_QUEUE_WORKFLOW, false, 0, "x"), ERR_NONE);
    cr_assert_eq(world_poll_by(&small, 4, "c", TASK_QUEUE_WORKFLOW, false, 0, "y"),
            ERR_RESOURCE_EXHAUSTED);
    cr_assert(!matching_poll_parked(&small.polls[4]));
    world_cut(&small, 2);
    cr_assert_eq(world_poll_by(&small, 4, "c", TASK_QUEUE_WORKFLOW, false, 0, "y"), ERR_NONE);
    world_cut(&small, 3);
    world_cut(&small, 4);
    struct queue_id id = world_queue("c", TASK_QUEUE_WORKFLOW);
    struct matching_queue_info info;
    matching_describe(small.engine, &id, small.now, &small.arena, &info);
    cr_assert_eq(info.pollers.len, 2, "the longest unseen is forgotten");
    struct matching_offer o[] = { world_offer(1, 10), world_offer(2, 10), world_offer(3, 10) };
    world_advertise(&small, 1, 1, "c", 0, o, 3);
    struct matching_demanded_queue d = world_demand(&small, 1, "c");
    cr_assert_eq(d.gone.len, 1);
    cr_assert_eq(world_task_number(&d.gone.ptr[0]), 3);
    world_deinit(&small);
}
