/* The store's door for namespaces: a few rows that every process knows by heart (common/cluster/namespaces.h). One of the
 * operations of store.h: what is said there of them all holds here. */
#pragma once

#include "common/store/store.h"

struct store_namespace {
    struct uuid id;
    struct str name;
    int state;              /* temporal.api.enums.v1.NamespaceState */
    struct str data;        /* encoded description, owned by the namespace code */
    struct str task_queues; /* what is set for its task queues: common/model/queue_configs.h */
    int64_t version;        /* of the row: compare-and-set */
};
/* All namespaces, with the version of the whole set (grows with every change). */
struct store_list_namespaces {
    struct store_op op;
    int64_t since;   /* when the set's version is still this, rows stay empty */
    int64_t version; /* out */
    const struct store_namespace *rows;
    size_t row_count;
};
void store_list_namespaces(struct store_lane *sl, struct store_list_namespaces *op);
/* version 0: insert (ERR_ALREADY_EXISTS on a name or id that exists); else replace that version
 * (ERR_ABORTED when it has changed, ERR_NOT_FOUND when it is gone). ERR_UNAVAILABLE leaves the
 * outcome open, as for every cluster operation. */
struct store_put_namespace {
    struct store_op op;
    struct store_namespace row; /* out: version becomes the new one */
};
void store_put_namespace(struct store_lane *sl, struct store_put_namespace *op);

/* Removes a namespace's row and its counters, if it is in the given state and nothing is stored of any run of it. */
struct store_remove_namespace {
    struct store_op op;
    struct uuid id;
    int state;
    bool removed; /* out; false: somebody has done it, or a run is left, or its state is another */
};
void store_remove_namespace(struct store_lane *sl, struct store_remove_namespace *op);
