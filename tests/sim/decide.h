/* The inside of deciding: what a workflow task's completion is made of. For decide*.c. */
#pragma once

#include "tests/sim/program.h"

struct decision {
    struct progress *p; /* a copy: what is over as soon as it is decided is marked in it */
    struct arena *arena;
    struct completion *to;
};

Api__Command *decide_add(struct decision *d, Api__CommandType type);
const char *decide_text(struct decision *d, struct str s);
/* decide_update.c: answers the updates that came with the task, and the ones whose time has come. */
void decide_updates(struct decision *d, const struct asked_update *asked, size_t count);
/* Accepted and not yet answered. */
bool progress_owes_updates(const struct progress *p);
