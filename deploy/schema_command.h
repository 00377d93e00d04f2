/* `perdure schema migrate|status`, and the command line that it shares with the services. */
#pragma once

#include "cli/args.h"
#include "common/config/config.h"

int schema_main(int argc, char **argv);

/* --config, --set and --print-config: settings from file, then overrides. Implemented by main.c. */
enum err service_config(int argc, char **argv, struct arena *arena, struct config *config,
        struct flag_list *words, bool *print, struct fail *f) MUST_USE;
