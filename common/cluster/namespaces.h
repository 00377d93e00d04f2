/* The namespaces as this process knows them: one copy of the store's table, read by lane 0 once a second and whenever
 * a lane asks for a fresh reading, and published to all lanes. What one process registers or changes is known to every
 * other within a second, and at once to whoever asks for a fresh reading.
 *
 * A published set is immutable and shared; each lane holds on to the one it reads. */
#pragma once

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/config/config.h"
#include "common/model/search_attributes.h"
#include "common/rpc/rpc.h"
#include "common/store/store.h"

struct namespaces;      /* one per process; lives on lane 0 */
struct namespaces_lane; /* one per lane */

enum namespace_state { NAMESPACE_REGISTERED = 1, NAMESPACE_DEPRECATED = 2, NAMESPACE_DELETED = 3 };

struct namespace_entry {
    struct map_node by_name, by_id;
    struct uuid id;
    struct str name;
    enum namespace_state state;
    struct str data;        /* encoded DescribeNamespaceResponse */
    struct str task_queues; /* what is set for them: common/model/queue_configs.h */
    int64_t version;
    /* what the data says */
    struct duration retention;
    struct search_attributes search_attributes; /* the registered ones, by slot */
    const struct str *bad_binaries;             /* checksums of workers that are refused */
    size_t bad_binary_count;
    const struct config *config; /* the process's, or a copy with what is set for this namespace */
};

/* On lane 0, after its store lane is open. The config lives as long. */
struct namespaces *namespaces_new(
        struct lane *lane, struct store_lane *sl, const struct config *config);
/* On that lane (lane 0 included), any time after namespaces_new. */
struct namespaces_lane *namespaces_lane_new(struct namespaces *ns, struct lane *lane);
/* On lane 0: answers other processes that have changed a namespace (RPC_CLUSTER_NAMESPACES). */
void namespaces_serve(struct namespaces_lane *nl, struct rpc_lane *rl);
/* Lane 0's ends the reading; before its store lane is closed. */
void namespaces_lane_free(struct namespaces_lane *nl);
void namespaces_free(struct namespaces *ns); /* after all lanes have ended */

/* ---- reading (each lane) ----------------------------------------------------------------------- */

bool namespaces_ready(const struct namespaces_lane *nl);
/* Grows with every change of the set; -1: not ready. */
int64_t namespaces_version(const struct namespaces_lane *nl);
/* NULL: not known here (yet). Valid until the lane's next turn. Deleted ones are found, too, under the name they got
 * then. */
const struct namespace_entry *namespaces_by_name(const struct namespaces_lane *nl, struct str name);
const struct namespace_entry *namespaces_by_id(const struct namespaces_lane *nl, struct uuid id);
/* In order of name. */
const struct namespace_entry *const *namespaces_all(
        const struct namespaces_lane *nl, struct arena *arena, size_t *count);

/* Told on this lane whenever the set has changed. */
struct namespaces_watch {
    struct list_node node;
    void (*changed)(struct namespaces_watch *watch);
};
void namespaces_watch(struct namespaces_lane *nl, struct namespaces_watch *watch);
/* One that never watched is fine. */
void namespaces_unwatch(struct namespaces_watch *watch);

/* Somebody who waits for a fresh reading of the table. */
struct namespace_wait {
    struct list_node node;
    uint64_t ticket;
    void (*done)(struct namespace_wait *wait, enum err err);
};
/* Runs done() after a reading that began after this call, with what it found published here; ERR_UNAVAILABLE when the
 * store is away. */
void namespaces_refresh(struct namespaces_lane *nl, struct namespace_wait *wait);
void namespace_wait_cancel(struct namespace_wait *wait);
