/* The option sets that several commands share. */
#pragma once

#include "cli/cli.h"

extern const struct option_set set_common;   /* what is printed, and how */
extern const struct option_set set_client;   /* the server, and who we are to it */
extern const struct option_set set_workflow; /* --workflow-id, needed, and --run-id */
extern const struct option_set set_target;   /* --workflow-id and --run-id, or --query */
extern const struct option_set set_start, set_start_policies, set_input;
extern const struct option_set set_update_input, set_signal_input;
