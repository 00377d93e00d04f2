/* The door of a lane: may this call be taken now? */
#pragma once

#include "common/base/err.h"
#include "history/pressure.h"

struct history;

/* ERR_RESOURCE_EXHAUSTED with the API's detail: the lane is behind. ERR_UNAVAILABLE: the database is away. Counts what
 * it refuses. */
enum err history_admit(struct history *h, enum pressure_class asks, struct fail *f) MUST_USE;
