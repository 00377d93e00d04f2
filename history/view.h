/* A run as lists show it: rows of the store made from the engine's state. */
#pragma once

#include "history/execution.h"

/* For the run's insert; in the arena. */
const struct store_view *view_of_start(const struct workflow *wf, struct arena *arena);
/* The same of a run that is being copied and will begin then. */
const struct store_view *view_of_staged(
        const struct workflow *wf, struct instant begins, struct arena *arena);
/* What the run has changed of it. */
void view_put(const struct execution *ex, struct batch *b);
/* For an update of a closed run: the figures. */
const struct store_view *view_of_end(const struct execution *ex, struct arena *arena);
/* A run that ends in the batch of its start: both in one row. end NULL: only the start. */
const struct store_view *view_join(
        const struct store_view *start, const struct store_view *end, struct arena *arena);
