/* Two lanes pass messages to and fro; timers fire in order, never early; hooks see the end of each
 * turn; what was posted before the stop still runs. */
#include <stdatomic.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/io/lane_uv.h"

enum { ROUNDS = 20000, TIMERS = 200 };

struct ball {
    struct lane_task task;
    int passes;
};

static struct lane *lanes[2];
static struct ball ball;
static struct lane_timer timers[TIMERS];
static int64_t due[TIMERS];
static int64_t last_due;
static int fired, hook_runs, defer_level;
static bool zero_timer_fired;
static struct lane_hook hook;
static struct lane_timer zero;
static struct lane_task deferred;
static _Atomic int finished;
static char *scratch_text;

static void finish_one(void)
{
    if (atomic_fetch_add(&finished, 1) == 1) {
        lane_stop(lanes[0]);
        lane_stop(lanes[1]);
    }
}

static void pass(struct lane_task *task)
{
    struct ball *b = container_of(task, struct ball, task);
    if (++b->passes == ROUNDS) {
        finish_one();
        return;
    }
    lane_post(lanes[b->passes & 1], &b->task);
}

static void timer_fired(struct lane_timer *timer)
{
    int64_t now = lane_monotonic(lanes[0]).ns;
    int64_t mine = due[timer - timers];
    check(!lane_timer_running(timer));
    check(now >= mine && mine >= last_due);
    last_due = mine;
    if (++fired == TIMERS - 1) {
        finish_one();
    }
}

static void on_turn_end(struct lane_hook *h)
{
    (void)h;
    hook_runs++;
}

static void on_zero(struct lane_timer *timer)
{
    /* Restarting with no delay must leave the lane its turns: else the hooks never run. */
    zero_timer_fired = true;
    if (hook_runs < 50) {
        lane_timer_start(lanes[0], timer, (struct duration){ 0 }, on_zero);
    }
}

static void on_deferred(struct lane_task *task)
{
    check(memcmp(scratch_text, "text", 5) == 0 || defer_level > 0);
    if (++defer_level < 3) {
        lane_defer(lanes[0], task);
    }
}

static void start_first(struct lane *lane, void *arg)
{
    (void)arg;
    check(lane_index(lane) == 0);
    check(instant_is_set(lane_now(lane)));
    scratch_text = arena_alloc(lane_scratch(lane), 5, 1);
    memcpy(scratch_text, "text", 5);
    deferred.run = on_deferred;
    lane_defer(lane, &deferred);
    lane_on_turn_end(lane, &hook);
    for (int i = 0; i < TIMERS; i++) {
        int64_t after = (int64_t)rand_below(lane_rand(lane), 40) * 1000000 + i;
        due[i] = lane_monotonic(lane).ns + after;
        lane_timer_start(lane, &timers[i], DURATION_SECONDS(1000), timer_fired);
        lane_timer_start(lane, &timers[i], (struct duration){ after }, timer_fired);
    }
    lane_timer_stop(lane, &timers[7]);
    lane_timer_start(lane, &zero, (struct duration){ 0 }, on_zero);
    lane_post(lanes[1], &ball.task);
}

static void start_second(struct lane *lane, void *arg)
{
    (void)arg;
    check(lane_index(lane) == 1);
}

static _Atomic int late_runs;

static void late(struct lane_task *task)
{
    free(task);
    atomic_fetch_add(&late_runs, 1);
}

static void start_nothing(struct lane *lane, void *arg)
{
    (void)lane;
    (void)arg;
}

int main(void)
{
    hook.run = on_turn_end;
    ball.task.run = pass;
    lanes[0] = lane_new(0, "first");
    lanes[1] = lane_new(1, "second");
    lane_run_thread(lanes[0], start_first, NULL);
    lane_run_thread(lanes[1], start_second, NULL);
    lane_join(lanes[0]);
    lane_join(lanes[1]);
    check(ball.passes == ROUNDS && fired == TIMERS - 1 && defer_level == 3);
    check(zero_timer_fired && hook_runs >= 50);
    lane_free(lanes[0]);
    lane_free(lanes[1]);

    /* What is posted before lane_stop runs before the lane ends, even if it had no chance before.
     */
    struct lane *third = lane_new(2, "third");
    for (int i = 0; i < 1000; i++) {
        struct lane_task *task = calloc(1, sizeof(*task));
        check(task);
        task->run = late;
        lane_post(third, task);
    }
    lane_run_thread(third, start_nothing, NULL);
    lane_stop(third);
    lane_join(third);
    lane_free(third);
    check(atomic_load(&late_runs) == 1000);
    return 0;
}
