/* What a database must bring to stand behind store.h: one table for the process's side, one for the
 * lane's. Private to common/store and to the simulated store of the tests. */
#pragma once

#include "common/store/store_lists.h"
#include "common/store/store_namespaces.h"

enum store_kind {
    STORE_CLAIM_WRITER,
    STORE_COMMIT,
    STORE_LOAD,
    STORE_FIND_CURRENT,
    STORE_READ_HISTORY,
    STORE_SCAN_WAKES,
    STORE_SCAN_BACKLOG,
    STORE_SCAN_DOOMED,
    STORE_SCAN_RUNS,
    STORE_READ_LOG,
    STORE_SCAN_CLOSED,
    STORE_LIST_RUNS,
    STORE_COUNT_RUNS,
    STORE_BEAT,
    STORE_READ_ASSIGNMENTS,
    STORE_ASSIGN,
    STORE_FENCE_MEMBER,
    STORE_LEAVE,
    STORE_TRY_PLAN,
    STORE_LIST_NAMESPACES,
    STORE_PUT_NAMESPACE,
    STORE_REMOVE_NAMESPACE,
};

struct store_ops {
    void (*free)(struct store *store);
    struct store_lane *(*lane_open)(struct store *store, struct lane *lane);
    enum err (*migrate)(struct store *store, struct fail *f);
    enum err (*schema_version)(struct store *store, int *found, int *ours, struct fail *f);
    void (*lane_close)(struct store_lane *sl);
    /* Starts an operation; op is the first member of the kind's struct. Never calls done() from
     * inside. */
    void (*start)(struct store_lane *sl, enum store_kind kind, struct store_op *op);
    struct instant (*stalled_since)(const struct store_lane *sl);
};

/* First members of the database's own structs. */
struct store {
    const struct store_ops *ops;
};

struct store_lane {
    const struct store_ops *ops;
    struct lane *lane;
};

/* ---- shared by the databases ---- */

enum { STORE_WRITER_MAX = 1024 }; /* ten bits of the run key */

/* Text that every database must take back as it was: valid UTF-8 without NUL. */
bool store_text_ok(struct str s);
/* The distinct groups of a batch in order of first appearance, allocated in the arena. */
size_t store_batch_groups(const struct store_batch *batch, struct arena *arena, uint64_t **ret);
/* The rows of the groups that `keep` accepts. With `last` also drops rows that a later row of the
 * batch replaces (updates, currents, snapshots of the same key), for databases that apply sets and
 * not rows. */
void store_batch_select(const struct store_batch *batch, struct arena *arena, bool last,
        bool (*keep)(void *arg, uint64_t group), void *arg, struct store_batch *ret);
/* ERR_CORRUPT unless the tail continues the snapshot without a gap. */
enum err store_load_check(const struct store_load *op, struct fail *f) MUST_USE;
