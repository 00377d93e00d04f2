/* The frontend service of one lane: terminates the public API, resolves namespaces, validates, and
 * routes calls to the owners of workflows and task queues. Keeps no state of its own. */
#pragma once

#include "common/cluster/cluster.h"
#include "common/cluster/namespaces.h"
#include "common/config/config.h"
#include "common/obs/metrics.h"
#include "common/rpc/rpc.h"
#include "common/store/store.h"
#include "frontend/grpc/grpc.h"

struct frontend;
struct quotas;

/* What all lanes of a process share; immutable. */
struct frontend_shared {
    const struct config *config;
    const char *store_name; /* "postgresql", "sqlite" */
    struct quotas *quotas;  /* NULL: nothing is limited */
};

struct frontend_stats {
    uint64_t calls, failed;   /* answered in all, and with an error */
    uint64_t history_retries; /* calls sent again to an owner */
    uint64_t polls_empty, polls_matched, claims_obsolete, tasks_returned;
};

struct frontend *frontend_new(struct lane *lane, struct rpc_lane *rl, struct store_lane *sl,
        struct cluster_lane *cl, struct namespaces_lane *namespaces, struct grpc_server *grpc,
        const struct frontend_shared *shared);
void frontend_free(struct frontend *fe);

/* True once the namespaces are known: calls before that are held for a moment, then answered
 * UNAVAILABLE. */
bool frontend_is_ready(const struct frontend *fe);
/* From now on calls are taken; before, all of them are answered UNAVAILABLE: whoever is answered finds the whole
 * service, the namespaces of its start included. */
void frontend_serve(struct frontend *fe);
struct frontend_stats frontend_stats(const struct frontend *fe);
/* The methods by the numbers that their metrics have; returns how many. */
size_t frontend_method_names(const char *names[METRIC_METHODS]);

/* What a process wants to be there before it is ready. */
struct frontend_start {
    const struct str *namespaces;
    size_t namespace_count;
    const struct search_attribute *attributes; /* in each of them */
    size_t attribute_count;
};
/* Creates what does not exist yet; done(arg) when it is usable on this lane. */
void frontend_ensure_namespaces(struct frontend *fe, const struct frontend_start *start,
        void (*done)(void *arg), void *arg);
