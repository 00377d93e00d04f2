/* Lanes as threads with a libuv loop.
 *
 * libuv's phases are timers, prepare, poll, check. A turn of ours ends in prepare, right before the
 * loop may block: mailbox and deferred tasks are emptied, the turn-end hooks flush what the turn
 * produced, the scratch arena is reset, and one libuv timer is armed for the earliest of our own.
 * Callbacks of the poll phase begin a turn by lane_enter. Posting wakes the loop only when it
 * sleeps. */
#include "common/io/lane_uv.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "common/base/check.h"
#include "common/io/mailbox.h"
#include "common/obs/metrics.h"

struct lane {
    unsigned index;
    const char *name;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t timer;
    uv_prepare_t prepare;
    uv_check_t after_poll;
    struct mailbox mailbox;
    atomic_bool asleep, stopping;
    struct lane_task *deferred, **deferred_end; /* run in order */
    struct lane_hook *hooks, **hooks_end;
    struct heap timers;
    int64_t armed_for; /* monotonic ns that the libuv timer waits for; INT64_MAX: stopped */
    bool in_turn;
    struct instant wall, monotonic;
    struct duration clock_offset;
    struct arena scratch;
    struct rand rand;
    struct metrics metrics;
    pthread_t thread;
    struct lane_task start_task;
    void (*start)(struct lane *lane, void *arg);
    void *start_arg;
};

static int64_t clock_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void read_clocks(struct lane *lane)
{
    struct instant wall =
            instant_add((struct instant){ clock_ns(CLOCK_REALTIME) }, lane->clock_offset);
    lane->wall = instant_max(lane->wall, wall);
    lane->monotonic.ns = clock_ns(CLOCK_MONOTONIC);
}

void lane_enter(struct lane *lane)
{
    if (!lane->in_turn) {
        lane->in_turn = true;
        read_clocks(lane);
    }
}

static void run_tasks(struct lane *lane, struct lane_task *task)
{
    while (task) {
        struct lane_task *next = task->next;
        lane_enter(lane);
        task->queued = false;
        task->run(task);
        task = next;
    }
}

static bool run_pending(struct lane *lane)
{
    struct lane_task *posted = mailbox_take_all(&lane->mailbox);
    struct lane_task *deferred = lane->deferred;
    lane->deferred = NULL;
    lane->deferred_end = &lane->deferred;
    run_tasks(lane, posted);
    run_tasks(lane, deferred);
    return posted || deferred;
}

/* Only timers that were there when the pass began: one that restarts itself with no delay waits for
 * the next turn. */
static void fire_timers(struct lane *lane)
{
    uint64_t first_new = lane->timers.next_seq;
    struct heap_node *n;
    while ((n = heap_min(&lane->timers)) && n->key <= lane->monotonic.ns && n->seq < first_new) {
        struct lane_timer *timer = container_of(n, struct lane_timer, node);
        heap_remove(&lane->timers, n);
        timer->fire(timer);
    }
}

static void on_timer(uv_timer_t *handle)
{
    struct lane *lane = handle->data;
    lane->armed_for = INT64_MAX;
    lane_enter(lane);
    read_clocks(lane);
    fire_timers(lane);
}

static void arm_timer(struct lane *lane)
{
    struct heap_node *n = heap_min(&lane->timers);
    int64_t at = n ? n->key : INT64_MAX;
    if (at == lane->armed_for) {
        return;
    }
    lane->armed_for = at;
    if (!n) {
        uv_timer_stop(&lane->timer);
        return;
    }
    uv_update_time(&lane->loop);
    int64_t left = at - clock_ns(CLOCK_MONOTONIC);
    /* libuv counts whole milliseconds from its own rounded clock: one more keeps us from firing
     * early. */
    uint64_t ms = left <= 0 ? 0 : (uint64_t)(left / 1000000) + 1;
    check(uv_timer_start(&lane->timer, on_timer, ms, 0) == 0);
}

enum { ROUNDS_MAX = 64 }; /* of tasks that make tasks, before I/O gets its turn again */

static void on_prepare(uv_prepare_t *handle)
{
    struct lane *lane = handle->data;
    /* Read before the mailbox: what was posted before lane_stop still runs. */
    bool stopping = atomic_load(&lane->stopping);
    for (int round = 0; round < ROUNDS_MAX && run_pending(lane); round++) {
    }
    if (lane->in_turn) {
        for (struct lane_hook *h = lane->hooks; h; h = h->next) {
            h->run(h);
        }
        arena_reset(&lane->scratch);
        lane->in_turn = false;
    }
    if (stopping) {
        uv_stop(&lane->loop);
        return;
    }
    arm_timer(lane);
    atomic_store(&lane->asleep, true);
    if (lane->deferred || !mailbox_is_empty(&lane->mailbox)) {
        uv_async_send(&lane->wake);
    }
}

static void on_after_poll(uv_check_t *handle)
{
    struct lane *lane = handle->data;
    atomic_store(&lane->asleep, false);
}

static void on_wake(uv_async_t *handle)
{
    struct lane *lane = handle->data; /* the tasks run in the coming prepare */
    lane_enter(lane);
}

struct lane *lane_new(unsigned index, const char *name)
{
    struct lane *lane = calloc(1, sizeof(*lane));
    check(lane);
    lane->index = index;
    lane->name = name;
    lane->deferred_end = &lane->deferred;
    lane->hooks_end = &lane->hooks;
    lane->armed_for = INT64_MAX;
    rand_seed_from_os(&lane->rand);
    read_clocks(lane);
    check(uv_loop_init(&lane->loop) == 0);
    check(uv_async_init(&lane->loop, &lane->wake, on_wake) == 0);
    check(uv_timer_init(&lane->loop, &lane->timer) == 0);
    check(uv_prepare_init(&lane->loop, &lane->prepare) == 0);
    check(uv_check_init(&lane->loop, &lane->after_poll) == 0);
    lane->wake.data = lane->timer.data = lane->prepare.data = lane->after_poll.data = lane;
    check(uv_prepare_start(&lane->prepare, on_prepare) == 0);
    check(uv_check_start(&lane->after_poll, on_after_poll) == 0);
    return lane;
}

static void *thread_main(void *arg)
{
    struct lane *lane = arg;
    pthread_setname_np(pthread_self(), lane->name);
    uv_run(&lane->loop, UV_RUN_DEFAULT); /* until on_prepare has seen the stop */
    return NULL;
}

static void run_start(struct lane_task *task)
{
    struct lane *lane = container_of(task, struct lane, start_task);
    lane->start(lane, lane->start_arg);
}

/* Signals are for the main thread, SIGPIPE is for nobody; those of our own faults stay deliverable.
 */
static void block_signals(sigset_t *old)
{
    static const int own_faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGPROF };
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < ARRAY_LEN(own_faults); i++) {
        sigdelset(&set, own_faults[i]);
    }
    check(pthread_sigmask(SIG_BLOCK, &set, old) == 0);
}

void lane_run_thread(struct lane *lane, void (*start)(struct lane *lane, void *arg), void *arg)
{
    sigset_t old;
    lane->start = start;
    lane->start_arg = arg;
    lane->start_task.run = run_start;
    lane_post(lane, &lane->start_task);
    block_signals(&old);
    check(pthread_create(&lane->thread, NULL, thread_main, lane) == 0);
    check(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
}

void lane_stop(struct lane *lane)
{
    atomic_store(&lane->stopping, true);
    uv_async_send(&lane->wake);
}

void lane_join(struct lane *lane)
{
    pthread_join(lane->thread, NULL);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

void lane_free(struct lane *lane)
{
    uv_walk(&lane->loop, close_handle, NULL);
    while (uv_run(&lane->loop, UV_RUN_DEFAULT)) {
    }
    check(uv_loop_close(&lane->loop) == 0);
    arena_deinit(&lane->scratch);
    free(lane);
}

struct uv_loop_s *lane_uv_loop(struct lane *lane)
{
    return &lane->loop;
}

struct instant lane_now(const struct lane *lane)
{
    return lane->wall;
}

struct instant lane_monotonic(const struct lane *lane)
{
    return lane->monotonic;
}

void lane_set_clock_offset(struct lane *lane, struct duration offset)
{
    lane->clock_offset = offset;
}

unsigned lane_index(const struct lane *lane)
{
    return lane->index;
}

struct rand *lane_rand(struct lane *lane)
{
    return &lane->rand;
}

struct metrics *lane_metrics(struct lane *lane)
{
    return &lane->metrics;
}

struct arena *lane_scratch(struct lane *lane)
{
    return &lane->scratch;
}

void lane_timer_start(struct lane *lane, struct lane_timer *timer, struct duration after,
        void (*fire)(struct lane_timer *timer))
{
    heap_remove(&lane->timers, &timer->node);
    timer->fire = fire;
    heap_insert(&lane->timers, &timer->node, instant_add(lane->monotonic, after).ns);
}

void lane_timer_stop(struct lane *lane, struct lane_timer *timer)
{
    heap_remove(&lane->timers, &timer->node);
}

void lane_post(struct lane *lane, struct lane_task *task)
{
    check(!task->queued);
    task->queued = true;
    mailbox_push(&lane->mailbox, task);
    if (atomic_exchange(&lane->asleep, false)) {
        uv_async_send(&lane->wake);
    }
}

void lane_defer(struct lane *lane, struct lane_task *task)
{
    check(!task->queued);
    task->queued = true;
    task->next = NULL;
    *lane->deferred_end = task;
    lane->deferred_end = &task->next;
}

void lane_on_turn_end(struct lane *lane, struct lane_hook *hook)
{
    hook->next = NULL;
    *lane->hooks_end = hook;
    lane->hooks_end = &hook->next;
}
