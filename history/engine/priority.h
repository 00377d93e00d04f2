/* The public message Priority: key, fairness key, fairness weight. */
#pragma once

#include "common/base/arena.h"
#include "common/base/str.h"

/* What is wrong with it; NULL: nothing. */
const char *priority_problem(struct str priority);
/* Field by field: what `over` does not say is as in `base`. */
struct str priority_merge(struct arena *arena, struct str base, struct str over);
