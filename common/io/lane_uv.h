/* Lanes as real threads: made by the composition root, and the libuv loop for code that owns
 * sockets. */
#pragma once

#include "common/io/lane.h"

struct uv_loop_s;

/* Makes lane `index`; its thread starts with lane_run_thread. */
struct lane *lane_new(unsigned index, const char *name);
/* Runs start(arg) on the new thread as the lane's first task, then the loop until lane_stop. */
void lane_run_thread(struct lane *lane, void (*start)(struct lane *lane, void *arg), void *arg);
/* From any thread: ends the loop after the current turn; what was posted before still runs. */
void lane_stop(struct lane *lane);
void lane_join(struct lane *lane);
/* After lane_join. */
void lane_free(struct lane *lane);

/* On the lane only. Callbacks of libuv handles must begin with lane_enter(lane): it refreshes the
 * clock and marks the turn as one that did something. */
struct uv_loop_s *lane_uv_loop(struct lane *lane);
void lane_enter(struct lane *lane);
