/* A pool of threads with one locked queue, for work that blocks. Results go back through the
 * mailbox. */
#include "common/io/offload.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "common/base/check.h"

struct offload {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct lane_task *first, **end; /* of offload_job.task, oldest first */
    bool closing;
    unsigned thread_count;
    const char *name;
    pthread_t threads[];
};

static void run_done(struct lane_task *task)
{
    struct offload_job *job = container_of(task, struct offload_job, task);
    job->done(job);
}

static struct offload_job *next_job(struct offload *offload)
{
    pthread_mutex_lock(&offload->lock);
    while (!offload->first && !offload->closing) {
        pthread_cond_wait(&offload->more, &offload->lock);
    }
    struct lane_task *task = offload->first;
    if (task) {
        offload->first = task->next;
        if (!offload->first) {
            offload->end = &offload->first;
        }
    }
    pthread_mutex_unlock(&offload->lock);
    return task ? container_of(task, struct offload_job, task) : NULL;
}

static void *thread_main(void *arg)
{
    struct offload *offload = arg;
    struct offload_job *job;
    pthread_setname_np(pthread_self(), offload->name);
    while ((job = next_job(offload))) {
        job->work(job);
        job->task.run = run_done;
        lane_post(job->lane, &job->task);
    }
    return NULL;
}

struct offload *offload_new(unsigned threads, const char *name)
{
    struct offload *offload = calloc(1, sizeof(*offload) + threads * sizeof(pthread_t));
    check(offload);
    offload->end = &offload->first;
    offload->name = name;
    offload->thread_count = threads;
    pthread_mutex_init(&offload->lock, NULL);
    pthread_cond_init(&offload->more, NULL);
    sigset_t all, old; /* signals are for the main thread */
    sigfillset(&all);
    check(pthread_sigmask(SIG_BLOCK, &all, &old) == 0);
    for (unsigned i = 0; i < threads; i++) {
        check(pthread_create(&offload->threads[i], NULL, thread_main, offload) == 0);
    }
    check(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    return offload;
}

void offload_submit(struct offload *offload, struct lane *from, struct offload_job *job)
{
    job->lane = from;
    job->task.next = NULL;
    pthread_mutex_lock(&offload->lock);
    *offload->end = &job->task;
    offload->end = &job->task.next;
    pthread_cond_signal(&offload->more);
    pthread_mutex_unlock(&offload->lock);
}

void offload_free(struct offload *offload)
{
    pthread_mutex_lock(&offload->lock);
    offload->closing = true;
    pthread_cond_broadcast(&offload->more);
    pthread_mutex_unlock(&offload->lock);
    for (unsigned i = 0; i < offload->thread_count; i++) {
        pthread_join(offload->threads[i], NULL);
    }
    pthread_cond_destroy(&offload->more);
    pthread_mutex_destroy(&offload->lock);
    free(offload);
}
