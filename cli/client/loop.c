/* The event loop of clients. Relies on epoll; leaves sockets and their contents to conn.c. */
#include "cli/client/loop.h"

#include <sys/epoll.h>
#include <time.h>

#include "common/base/check.h"

enum { EVENTS_PER_TURN = 64 };

void loop_init(struct loop *loop)
{
    *loop = (struct loop){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
    check(loop->epoll_fd >= 0);
}

void loop_stop(struct loop *loop)
{
    loop->is_stopping = true;
}

struct instant loop_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (struct instant){ (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec };
}

void timer_arm(struct loop *loop, struct timer *timer, struct duration after)
{
    heap_remove(&loop->timers, &timer->node);
    heap_insert(&loop->timers, &timer->node, instant_add(loop_now(), after).ns);
}

void timer_cancel(struct loop *loop, struct timer *timer)
{
    heap_remove(&loop->timers, &timer->node);
}

static void watch_control(struct loop *loop, struct watch *watch, int op, bool wants_write)
{
    struct epoll_event ev = {
        .events = EPOLLIN | (wants_write ? EPOLLOUT : 0u),
        .data.ptr = watch,
    };
    check(epoll_ctl(loop->epoll_fd, op, watch->fd, &ev) == 0);
}

void watch_add(struct loop *loop, struct watch *watch, bool wants_write)
{
    watch_control(loop, watch, EPOLL_CTL_ADD, wants_write);
}

void watch_change(struct loop *loop, struct watch *watch, bool wants_write)
{
    watch_control(loop, watch, EPOLL_CTL_MOD, wants_write);
}

static void fire_due(struct loop *loop)
{
    int64_t now = loop_now().ns;
    struct heap_node *first;
    while (!loop->is_stopping && (first = heap_min(&loop->timers)) && first->key <= now) {
        heap_remove(&loop->timers, first);
        struct timer *timer = container_of(first, struct timer, node);
        timer->fire(timer);
    }
}

void loop_run(struct loop *loop)
{
    struct epoll_event events[EVENTS_PER_TURN];
    while (!loop->is_stopping) {
        fire_due(loop);
        loop->before_wait(loop->owner);
        struct heap_node *first = heap_min(&loop->timers);
        int64_t wait = first ? first->key - loop_now().ns : 1000000000;
        wait = wait < 0 ? 0 : wait > 1000000000 ? 1000000000 : wait;
        struct timespec ts = { .tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000 };
        int n = epoll_pwait2(loop->epoll_fd, events, EVENTS_PER_TURN, &ts, NULL);
        for (int i = 0; i < n && !loop->is_stopping; i++) {
            struct watch *watch = events[i].data.ptr;
            bool broken = events[i].events & (EPOLLERR | EPOLLHUP);
            watch->ready(watch, broken || (events[i].events & EPOLLIN),
                    broken || (events[i].events & EPOLLOUT));
        }
    }
}
