/* What the public message Priority says about the order of tasks: five levels, the first one first; within a level the
 * keys of fairness share by weight. */
#pragma once

#include "common/base/buf.h"
#include "common/base/str.h"

enum {
    PRIORITY_LEVELS = 5,
    PRIORITY_NORMAL = 3,    /* what no priority means */
    FAIRNESS_KEY_MAX = 64,  /* bytes */
    PRIORITY_BYTES_MAX = 96 /* of an encoded message without anything unknown */
};
#define FAIRNESS_WEIGHT_MIN 0.001f
#define FAIRNESS_WEIGHT_MAX 1000.0f

/* As the message has it: zero where it says nothing. */
struct priority {
    int32_t key;
    struct str fairness_key; /* borrowed from the message */
    float weight;
};

/* Unknown fields and malformed bytes say nothing. */
struct priority priority_read(struct str message);
void priority_write(struct buf *out, const struct priority *p);

/* What it means: a level of 1..PRIORITY_LEVELS, a key that is not too long, a weight within its bounds. */
struct priority priority_meaning(struct str message);
float fairness_weight(float weight);
