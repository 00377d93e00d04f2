/* One reading of the table of namespaces: immutable, shared by the lanes of a process, counted. */
#pragma once

#include "common/cluster/namespaces.h"
#include "common/store/store_namespaces.h"

struct namespace_set;

/* Copies what it keeps; the config is borrowed. One reference. */
struct namespace_set *namespace_set_new(int64_t version, const struct store_namespace *rows,
        size_t count, const struct config *config);
struct namespace_set *namespace_set_keep(struct namespace_set *set);
void namespace_set_release(struct namespace_set *set); /* NULL is fine */

int64_t namespace_set_version(const struct namespace_set *set);
const struct namespace_entry *namespace_set_by_name(
        const struct namespace_set *set, struct str name);
const struct namespace_entry *namespace_set_by_id(const struct namespace_set *set, struct uuid id);
const struct namespace_entry *const *namespace_set_all(
        const struct namespace_set *set, struct arena *arena, size_t *count);
