/* The part of the engine's contract that is about what others leave with an open run. See engine.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/base/str.h"

/* A start that found the id taken and uses the run that is there may leave something with it. */
struct event_attach {
    struct str request_id, links; /* empty: not to be attached */
    const struct str *callbacks;  /* messages Callback */
    size_t callback_count;
};

/* New options for an open run. What does not change leaves no event. */
struct event_options {
    struct str identity;
    bool sets_override, sets_priority;
    struct str versioning_override, priority; /* messages; empty: none from now on */
};
