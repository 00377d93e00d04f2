/* One process of Perdure: which services it runs, and how it lives and ends. */
#pragma once

#include "common/base/err.h"
#include "common/base/vec.h"
#include "common/cluster/cluster.h"
#include "common/config/config.h"
#include "frontend/frontend.h"

struct process_options;
struct process_options {
    unsigned roles; /* of enum cluster_role */
    struct config config;
    bool in_memory;                    /* SQLite without a file */
    const char *const *sqlite_pragmas; /* NULL-terminated, or NULL */
    struct frontend_start start;       /* made at start, besides what exists */
    /* Told once the process serves, with the ports for browsers and for operators (0: none). May be NULL. */
    void (*banner)(
            const struct process_options *options, uint16_t http_port, uint16_t metrics_port);
};

/* Runs until SIGINT or SIGTERM. Errors that stop it before it
 * listens are returned, with the key of the setting where there is one. */
enum err process_run(const struct process_options *options, struct fail *f) MUST_USE;
/* What the process ends with after that error: 2 for what the operator wrote, 1 for the world. */
int process_exit_status(enum err err);
