/* What is left to do for a deleted namespace: its open runs are deleted like by a client, a page at a time; retention.c
 * lets the closed ones go; when nothing is stored any more, the namespace's row goes, too. All of it begins anew after a
 * crash: what is still there is what is still to be done. */
#pragma once

#include "common/base/arena.h"
#include "common/io/lane.h"
#include "common/store/store_lists.h"
#include "common/store/store_namespaces.h"

struct history;

struct erase {
    struct history *history;
    struct arena arena; /* of the pass: the place between two pages */
    struct store_list_runs list;
    struct store_remove_namespace remove;
    struct lane_timer timer;
    size_t under_way; /* deletions of this page */
    bool reading;     /* the store has one of the two */
    uint64_t found;   /* open runs of the lane's shards, in this pass */
    void (*done)(struct erase *erase);
    struct uuid
            empty; /* the namespace of which nothing was left lately; since when, and last time */
    struct instant empty_since, empty_seen;
};

void erase_init(struct erase *erase, struct history *h);
void erase_deinit(struct erase *erase);
/* Deletes the open runs of the namespace on the lane's shards; done() when each has been asked to go. */
void erase_open_runs(
        struct erase *erase, struct uuid namespace_id, void (*done)(struct erase *erase));
/* Nothing of the namespace was found on this lane: if that stays so for a while, its row is removed, once nothing is
 * found anywhere. done() as above. */
void erase_row(struct erase *erase, struct uuid namespace_id, void (*done)(struct erase *erase));
