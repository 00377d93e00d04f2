/* Sticky queues hold nothing for a worker that is not there. */
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

TestSuite(sticky, .init = setup, .fini = teardown);

static void offer(unsigned task)
{
    struct matching_offer o = world_offer(task, 10);
    world_advertise_as(&w, 1, 1, "s", TASK_QUEUE_WORKFLOW, true, 0, &o, 1);
}

static void expect_told(size_t gone, size_t refused)
{
    struct matching_demanded_queue d = world_demand(&w, 1, "s");
    cr_assert_eq(d.gone.len, gone);
    cr_assert_eq(d.refused.len, refused);
}

Test(sticky, no_worker_ever_seen)
{
    offer(1);
    expect_told(0, 1);
}

Test(sticky, a_waiting_poll_takes_it)
{
    world_poll_sticky(&w, 1, "s");
    offer(1);
    cr_assert_eq(world_answer(&w, 1), 1);
    expect_told(1, 0);
}

Test(sticky, a_busy_worker_is_waited_for)
{
    world_poll_sticky(&w, 1, "s");
    offer(1);
    expect_told(1, 0);
    world_pass(&w, DURATION_SECONDS(9));
    offer(2);
    expect_told(0, 0);
    world_pass(&w, DURATION_SECONDS(4));
    world_poll_sticky(&w, 2, "s");
    cr_assert_eq(world_answer(&w, 2), 2);
}

Test(sticky, but_not_longer_than_its_schedule_to_start)
{
    world_poll_sticky(&w, 1, "s");
    offer(1);
    offer(2);
    expect_told(1, 0);
    world_pass(&w, DURATION_MS(4999));
    expect_told(0, 0);
    world_pass(&w, DURATION_MS(1));
    expect_told(1, 0);
    world_poll_sticky(&w, 2, "s");
    cr_assert_eq(world_answer(&w, 2), -1);
}

Test(sticky, silent_for_ten_seconds)
{
    world_poll_sticky(&w, 1, "s");
    world_expire(&w, 1);
    world_pass(&w, DURATION_SECONDS(10));
    offer(1);
    expect_told(0, 1);
}

Test(sticky, a_poll_that_waits_is_alive_however_long)
{
    world_poll_sticky(&w, 1, "s");
    world_pass(&w, DURATION_SECONDS(60));
    offer(1);
    cr_assert_eq(world_answer(&w, 1), 1);
}

Test(sticky, goodbye)
{
    world_poll_sticky(&w, 1, "s");
    offer(1);
    offer(2);
    world_poll_sticky(&w, 2, "other");
    expect_told(1, 0);
    world_event(&w, (struct matching_event){ .kind = MATCHING_WORKER_SHUTDOWN,
                            .shutdown = world_queue("s", TASK_QUEUE_WORKFLOW) });
    expect_told(0, 1);
    cr_assert_eq(world_answer(&w, 2), -1);
    offer(3);
    expect_told(0, 1);
    /* a poll that was still on its way gets nothing */
    world_poll_sticky(&w, 3, "s");
    offer(4);
    cr_assert_eq(world_answer(&w, 3), -1);
    expect_told(0, 1);
    /* the name is used again much later */
    world_pass(&w, DURATION_SECONDS(11));
    offer(5);
    cr_assert_eq(world_answer(&w, 3), 5);
}

Test(sticky, goodbye_ends_waiting_polls)
{
    world_poll_sticky(&w, 1, "s");
    world_poll_sticky(&w, 2, "s");
    world_event(&w, (struct matching_event){ .kind = MATCHING_WORKER_SHUTDOWN,
                            .shutdown = world_queue("s", TASK_QUEUE_WORKFLOW) });
    cr_assert_eq(world_answer(&w, 1), 0);
    cr_assert_eq(world_answer(&w, 2), 0);
}

Test(sticky, a_worker_whose_connection_died)
{
    world_poll_sticky(&w, 1, "s");
    world_cut(&w, 1);
    offer(1);
    expect_told(0, 0);
    world_pass(&w, DURATION_MS(1000));
    expect_told(0, 1);
    offer(2);
    expect_told(0, 1);
}

Test(sticky, a_worker_that_reconnects_within_a_second)
{
    world_poll_sticky(&w, 1, "s");
    world_cut(&w, 1);
    offer(1);
    world_pass(&w, DURATION_MS(500));
    world_poll_sticky(&w, 1, "s");
    cr_assert_eq(world_answer(&w, 1), 1);
    world_pass(&w, DURATION_SECONDS(8));
    offer(2);
    expect_told(1, 0);
}

Test(sticky, a_normal_queue_of_the_same_name_is_another)
{
    world_poll(&w, 1, "s");
    offer(1);
    cr_assert_eq(world_answer(&w, 1), -1);
    expect_told(0, 1);
}
