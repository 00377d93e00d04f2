/* One epoll loop with timers, for clients (the command line, the load generator): a single thread does everything. */
#pragma once

#include "common/base/heap.h"
#include "common/base/list.h"
#include "common/base/time.h"

/* Embedded by its owner; a zeroed timer is not armed. */
struct timer {
    struct heap_node node;
    void (*fire)(struct timer *self);
};

/* A watched socket. */
struct watch {
    int fd;
    void (*ready)(struct watch *self, bool readable, bool writable);
};

struct loop {
    int epoll_fd;
    struct heap timers;
    /* Called once per turn, before the loop waits: what was queued meanwhile is sent in one go. */
    void (*before_wait)(void *owner);
    void *owner;
    bool is_stopping;
};

void loop_init(struct loop *loop);
/* Runs until loop->is_stopping. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Monotonic. */
struct instant loop_now(void);

/* Arms, or moves when it is armed already. */
void timer_arm(struct loop *loop, struct timer *timer, struct duration after);
void timer_cancel(struct loop *loop, struct timer *timer);

/* Read interest always, write interest as asked. */
void watch_add(struct loop *loop, struct watch *watch, bool wants_write);
void watch_change(struct loop *loop, struct watch *watch, bool wants_write);
