/* Jobs leave the lane, run elsewhere, come back to the lane; one thread keeps their order; freeing
 * the pool waits for all of them. */
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "common/base/check.h"
#include "common/io/lane_uv.h"
#include "common/io/offload.h"

enum { JOBS = 5000 };

struct job {
    struct offload_job base;
    int number, result;
    pthread_t worker;
};

static struct job jobs[JOBS];
static int order[JOBS], ordered, done_count;
static struct lane *lane;
static struct offload *single, *pool;
static pthread_t lane_thread;
static sem_t submitted;

static void work(struct offload_job *base)
{
    struct job *job = container_of(base, struct job, base);
    job->result = job->number * 2;
    job->worker = pthread_self();
}

static void done(struct offload_job *base)
{
    struct job *job = container_of(base, struct job, base);
    check(pthread_equal(pthread_self(), lane_thread));
    check(!pthread_equal(job->worker, lane_thread));
    check(job->result == job->number * 2);
    done_count++;
    if (job->number % 2) {
        order[ordered++] = job->number;
    }
}

static void start(struct lane *self, void *arg)
{
    (void)arg;
    lane_thread = pthread_self();
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){ .base = { .work = work, .done = done }, .number = i };
        offload_submit(i % 2 ? single : pool, self, &jobs[i].base);
    }
    sem_post(&submitted);
}

int main(void)
{
    sem_init(&submitted, 0, 0);
    single = offload_new(1, "single");
    pool = offload_new(3, "pool");
    lane = lane_new(0, "lane");
    lane_run_thread(lane, start, NULL);
    sem_wait(&submitted);
    /* Freeing waits for the jobs; their results are posted before the stop, so the lane still takes
     * them. */
    offload_free(single);
    offload_free(pool);
    lane_stop(lane);
    lane_join(lane);
    lane_free(lane);
    check(done_count == JOBS);
    check(ordered == JOBS / 2);
    for (int i = 0; i < ordered; i++) {
        check(order[i] == 2 * i + 1);
    }
    return 0;
}
