/* One process of Perdure: which services it runs, and how it lives and ends. */
#pragma once

#include "common/base/err.h"
#include "common/base/vec.h"
#include "common/cluster/cluster.h"
#include "common/config/config.h"
#include "frontend/frontend.h"

struct process_options {
    unsigned roles; /* of enum cluster_role */
    struct config config;
    bool in_memory;                    /* SQLite without a file */
    const char *const *sqlite_pragmas; /* NULL-terminated, or NULL */
    struct frontend_start start;       /* made at start, besides what exists */
    const char *banner;                /* printed to stdout once the process serves; NULL: none */
};

/* Runs until SIGINT or SIGTERM. Errors that stop it before it
 * listens are returned, with the key of the setting where there is one. */
enum err process_run(const struct process_options *options, struct fail *f) MUST_USE;
/* What the process ends with after that error: 2 for what the operator wrote, 1 for the world. */
int process_exit_status(enum err err);
