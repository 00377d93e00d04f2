/* Wall-clock timers of one lane: each loaded run has one node, and so has each run that will be due soon but is
 * not loaded. Never fires early; a step of the clock correction is noticed within WHEEL_RECHECK. */
#pragma once

#include "common/io/lane.h"

struct wheel {
    struct lane *lane;
    struct heap heap;
    struct lane_timer timer;
    int64_t armed_for; /* wall-clock ns; INT64_MAX: not armed */
};

struct wheel_node {
    struct heap_node node;                 /* key: wall-clock ns */
    void (*fire)(struct wheel_node *node); /* runs with the node stopped */
};

void wheel_init(struct wheel *wheel, struct lane *lane);
void wheel_deinit(struct wheel *wheel);
/* Moves the node to that time; INSTANT_NEVER stops it. Times in the past fire in a later turn. */
void wheel_set(struct wheel *wheel, struct wheel_node *node, struct instant at);
void wheel_stop(struct wheel *wheel, struct wheel_node *node);
