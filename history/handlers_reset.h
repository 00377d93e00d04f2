/* What others ask of resets that are in progress. */
#pragma once

#include "history/history.h"

/* A doomed row that a reset of this lane has staged: its run is still being made. */
bool reset_is_staging(const struct history *h, run_key key);
