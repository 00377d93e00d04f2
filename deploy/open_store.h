/* From settings to a store. */
#pragma once

#include "common/config/config.h"
#include "common/store/store.h"

/* ERR_INVALID_ARGUMENT when the settings name no store, or two. Connects lazily (PostgreSQL). */
enum err open_store(const struct config *config, bool in_memory, const char *const *pragmas,
        struct uuid member, unsigned lanes, struct arena *arena, struct store **ret,
        struct fail *f) MUST_USE;
