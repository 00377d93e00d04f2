#include <criterion/criterion.h>

#include "history/pressure.h"

static const struct pressure_bounds bounds = {
    .delay = DURATION_MS(100),
    .lead_bytes = 1000,
    .cache_bytes = 100 << 20,
};

static const struct pressure calm = { .delay = DURATION_MS(5), .waiting = 20, .lead_bytes = 200 };

Test(pressure, calm_takes_everything)
{
    cr_assert_eq(pressure_of(&calm, &bounds), PRESSURE_STARTS);
}

Test(pressure, starts_go_first_when_many_wait_for_long)
{
    struct pressure p = calm;
    p.waiting = PRESSURE_WAITING_MIN + 1;
    cr_assert_eq(pressure_of(&p, &bounds), PRESSURE_STARTS, "many, but not for long");
    p.delay = DURATION_MS(101);
    cr_assert_eq(pressure_of(&p, &bounds), PRESSURE_CLIENTS);
    p.waiting = PRESSURE_WAITING_MIN;
    cr_assert_eq(pressure_of(&p, &bounds), PRESSURE_STARTS, "one slow commit");
}

Test(pressure, runs_that_cannot_leave_keep_others_out)
{
    struct pressure p = calm;
    p.cache_bytes = 150 << 20;
    cr_assert_eq(pressure_of(&p, &bounds), PRESSURE_STARTS);
    p.cache_bytes++;
    cr_assert_eq(pressure_of(&p, &bounds), PRESSURE_CLIENTS);
    struct pressure_bounds tiny = bounds;
    tiny.cache_bytes = 1;
    p.cache_bytes = 16 << 20;
    cr_assert_eq(pressure_of(&p, &tiny), PRESSURE_STARTS, "a small cache has room for what is hot");
}

Test(pressure, bytes_refuse_clients_at_half_and_everybody_at_the_bound)
{
    struct pressure p = calm;
    p.lead_bytes = 501;
    cr_assert_eq(pressure_of(&p, &bounds), PRESSURE_WORK);
    p.lead_bytes = 1001;
    cr_assert_eq(pressure_of(&p, &bounds), PRESSURE_READS);
    p = calm;
    p.call_bytes = 500 * PRESSURE_CALLS_PER_LEAD + 1;
    cr_assert_eq(pressure_of(&p, &bounds), PRESSURE_WORK);
    p.call_bytes = 1000 * PRESSURE_CALLS_PER_LEAD + 1;
    cr_assert_eq(pressure_of(&p, &bounds), PRESSURE_READS);
}
