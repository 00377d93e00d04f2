/* A filter, evaluated on one run in the plainest way: what the databases' answers are compared with, and how the
 * simulated store lists. Knows nothing of SQL. */
#pragma once

#include "common/store/store_lists.h"
#include "common/visibility/filter.h"

/* True for what is true; unknown is not. filter NULL: true. */
bool filter_eval(const struct filter *filter, const struct store_listed *run, struct arena *arena);
