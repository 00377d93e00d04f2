/* A lane that a test drives by hand: time stands still until lane_manual_advance. One thread. */
#pragma once

#include "common/io/lane.h"

struct lane *lane_manual_new(void);
void lane_manual_free(struct lane *lane);
/* Runs deferred and posted tasks, then the turn-end hooks. */
void lane_manual_turn(struct lane *lane);
/* Moves the clock and fires what is due, in order; then a turn. */
void lane_manual_advance(struct lane *lane, struct duration by);
