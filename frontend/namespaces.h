/* The namespaces as this lane knows them: a copy of the store's table, read again each second and
 * whenever a name is not found, so that what one process registers is usable at once through
 * another. */
#pragma once

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/store/store.h"

struct namespaces;

enum namespace_state { NAMESPACE_REGISTERED = 1, NAMESPACE_DEPRECATED = 2, NAMESPACE_DELETED = 3 };

struct namespace_entry {
    struct map_node by_name, by_id;
    struct uuid id;
    struct str name;
    enum namespace_state state;
    struct str data; /* encoded DescribeNamespaceResponse */
    int64_t version;
};

struct namespaces *namespaces_new(struct lane *lane, struct store_lane *sl);
void namespaces_free(struct namespaces *ns);
bool namespaces_ready(const struct namespaces *ns);

/* NULL when this lane does not know it (yet). Valid until the lane's next turn. */
const struct namespace_entry *namespaces_by_name(const struct namespaces *ns, struct str name);
const struct namespace_entry *namespaces_by_id(const struct namespaces *ns, struct uuid id);
/* In order of name. */
const struct namespace_entry *const *namespaces_all(
        const struct namespaces *ns, struct arena *arena, size_t *count);

/* Somebody who waits for a fresh reading of the table. */
struct namespace_wait {
    struct list_node node;
    void (*done)(struct namespace_wait *wait, enum err err);
};
/* Runs done() after a reading that began after this call; ERR_UNAVAILABLE when the store is away.
 */
void namespaces_refresh(struct namespaces *ns, struct namespace_wait *wait);
void namespace_wait_cancel(struct namespace_wait *wait);
