/* --dynamic-config-value KEY=JSON, with the names that the Go server's dynamic configuration has. */
#pragma once

#include "common/config/config.h"

/* Sets what the key means for us. What changes nothing here is accepted: silently where our behaviour is what the value asks
 * for or the figure has no counterpart, with a warning where it is not. Only text that is not KEY=JSON, or a value that the
 * setting cannot have, is an error. */
enum err dynamic_config_set(
        struct config *config, struct arena *arena, struct str assignment, struct fail *f) MUST_USE;
