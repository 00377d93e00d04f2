/* Lanes, mailboxes and offload under real threads: a plain program, so that ThreadSanitizer can run
 * it. Two lanes play ping-pong, four threads post to one lane in order, timers fire in order and
 * never early, blocking jobs come back to their lane. Exits 0 when all of it happened. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/io/lane_uv.h"
#include "common/io/offload.h"

enum { ROUNDS = 20000, POSTERS = 4, POSTS = 5000, TIMERS = 50, JOBS = 200 };

static struct lane *lanes[2];
static atomic_int finished;

static void part_done(const char *what)
{
    printf("%s\n", what);
    if (atomic_fetch_add(&finished, 1) == 3) {
        lane_stop(lanes[0]);
        lane_stop(lanes[1]);
    }
}

struct ball {
    struct lane_task task;
    int hits;
};

static void hit(struct lane_task *task)
{
    struct ball *b = container_of(task, struct ball, task);
    if (++b->hits == ROUNDS) {
        part_done("ping-pong");
        return;
    }
    lane_post(lanes[b->hits % 2], task);
}

struct numbered {
    struct lane_task task;
    int poster, number;
};
static int next_number[POSTERS], received;

static void receive(struct lane_task *task)
{
    struct numbered *n = container_of(task, struct numbered, task);
    check(next_number[n->poster]++ == n->number);
    free(n);
    if (++received == POSTERS * POSTS) {
        part_done("posts in order");
    }
}

static void *poster_main(void *arg)
{
    int poster = (int)(intptr_t)arg;
    for (int i = 0; i < POSTS; i++) {
        struct numbered *n = calloc(1, sizeof(*n));
        n->task.run = receive;
        n->poster = poster;
        n->number = i;
        lane_post(lanes[0], &n->task);
    }
    return NULL;
}

struct alarm {
    struct lane_timer timer;
    struct instant due;
};
static struct alarm alarms[TIMERS];
static struct instant last_due;
static int fired;

static void on_alarm(struct lane_timer *timer)
{
    struct alarm *a = container_of(timer, struct alarm, timer);
    check(lane_monotonic(lanes[0]).ns >= a->due.ns);
    check(a->due.ns >= last_due.ns);
    last_due = a->due;
    if (++fired == TIMERS) {
        part_done("timers");
    }
}

struct job {
    struct offload_job job;
    int number;
    bool worked;
};
static struct job jobs[JOBS];
static int done_jobs;

static void work(struct offload_job *job)
{
    container_of(job, struct job, job)->worked = true;
}

static void job_done(struct offload_job *job)
{
    struct job *j = container_of(job, struct job, job);
    check(j->worked && j->number == done_jobs); /* one thread: FIFO */
    if (++done_jobs == JOBS) {
        part_done("offload");
    }
}

static struct ball ball = { .task = { .run = hit } };

static void start(struct lane *lane, void *arg)
{
    if (lane != lanes[0]) {
        return;
    }
    for (int i = 0; i < TIMERS; i++) {
        struct duration after = DURATION_MS((i * 7) % 50);
        alarms[i].due = instant_add(lane_monotonic(lane), after);
        lane_timer_start(lane, &alarms[i].timer, after, on_alarm);
    }
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){ .job = { .work = work, .done = job_done }, .number = i };
        offload_submit(arg, lane, &jobs[i].job);
    }
    lane_post(lanes[1], &ball.task);
}

int main(void)
{
    struct offload *offload = offload_new(1, "offload");
    pthread_t posters[POSTERS];
    for (unsigned i = 0; i < 2; i++) {
        lanes[i] = lane_new(i, "lane");
    }
    for (unsigned i = 0; i < 2; i++) {
        lane_run_thread(lanes[i], start, offload);
    }
    for (intptr_t i = 0; i < POSTERS; i++) {
        check(pthread_create(&posters[i], NULL, poster_main, (void *)i) == 0);
    }
    for (int i = 0; i < POSTERS; i++) {
        pthread_join(posters[i], NULL);
    }
    for (unsigned i = 0; i < 2; i++) {
        lane_join(lanes[i]);
    }
    offload_free(offload);
    for (unsigned i = 0; i < 2; i++) {
        lane_free(lanes[i]);
    }
    return 0;
}
