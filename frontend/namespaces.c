/* Keeps the lane's copy of the namespaces. Each reading replaces the copy when the set's version
 * has changed; the entries of one reading live in one arena. Relies on the store for the truth;
 * what a namespace's data means is left to namespace_api.c. */
#include "frontend/namespaces.h"

#include <stdlib.h>

#include "common/base/check.h"
#include "common/obs/log.h"

struct namespaces {
    struct lane *lane;
    struct store_lane *sl;
    struct arena arena;
    struct map by_name, by_id;
    int64_t version; /* of the set; -1: never read */
    bool reading;
    struct store_list_namespaces op;
    struct list current, next; /* waiters of the reading under way, and of the one after it */
    struct lane_timer timer;
};

static void start_reading(struct namespaces *ns);

static void finish_waiters(struct namespaces *ns, enum err err)
{
    struct list done;
    list_init(&done);
    for (struct list_node *n; (n = list_pop(&ns->current));) {
        list_append(&done, n);
    }
    for (struct list_node *n; (n = list_pop(&done));) {
        struct namespace_wait *w = list_entry(n, struct namespace_wait, node);
        w->done(w, err);
    }
}

static void add(struct namespaces *ns, const struct store_namespace *row)
{
    struct namespace_entry *e = NEW(&ns->arena, struct namespace_entry, 1);
    e->id = row->id;
    e->name = str_dup(&ns->arena, row->name);
    e->state = (enum namespace_state)row->state;
    e->data = str_dup(&ns->arena, row->data);
    e->version = row->version;
    map_put(&ns->by_id, &e->by_id, uuid_bytes(&e->id));
    if (e->state != NAMESPACE_DELETED) {
        map_put(&ns->by_name, &e->by_name, e->name);
    }
}

static void on_read(struct store_op *base, enum err err, const struct fail *f)
{
    struct store_list_namespaces *op = container_of(base, struct store_list_namespaces, op);
    struct namespaces *ns = container_of(op, struct namespaces, op);
    ns->reading = false;
    if (!err && op->version != ns->version) {
        map_deinit(&ns->by_name);
        map_deinit(&ns->by_id);
        arena_reset(&ns->arena);
        for (size_t i = 0; i < op->row_count; i++) {
            add(ns, &op->rows[i]);
        }
        ns->version = op->version;
    } else if (err && err != ERR_UNAVAILABLE) {
        log_error("namespaces_not_read", LOG_FAIL(f));
    }
    finish_waiters(ns, err);
    for (struct list_node *n; (n = list_pop(&ns->next));) {
        list_append(&ns->current, n);
    }
    if (!list_empty(&ns->current) && !ns->reading) {
        start_reading(ns);
    }
}

static void start_reading(struct namespaces *ns)
{
    ns->reading = true;
    ns->op = (struct store_list_namespaces){ .op = { .done = on_read }, .since = ns->version };
    store_list_namespaces(ns->sl, &ns->op);
}

static void on_second(struct lane_timer *timer)
{
    struct namespaces *ns = container_of(timer, struct namespaces, timer);
    struct duration pause = namespaces_ready(ns) ? DURATION_SECONDS(1) : DURATION_MS(100);
    if (!ns->reading) {
        start_reading(ns);
    }
    lane_timer_start(ns->lane, &ns->timer, pause, on_second);
}

struct namespaces *namespaces_new(struct lane *lane, struct store_lane *sl)
{
    struct namespaces *ns = calloc(1, sizeof(*ns));
    check(ns);
    ns->lane = lane;
    ns->sl = sl;
    ns->version = -1;
    map_init(&ns->by_name, NULL);
    map_init(&ns->by_id, NULL);
    list_init(&ns->current);
    list_init(&ns->next);
    lane_timer_start(lane, &ns->timer, DURATION_MS(0), on_second);
    return ns;
}

void namespaces_free(struct namespaces *ns)
{
    if (!ns) {
        return;
    }
    lane_timer_stop(ns->lane, &ns->timer);
    map_deinit(&ns->by_name);
    map_deinit(&ns->by_id);
    arena_deinit(&ns->arena);
    free(ns);
}

bool namespaces_ready(const struct namespaces *ns)
{
    return ns->version >= 0;
}

const struct namespace_entry *namespaces_by_name(const struct namespaces *ns, struct str name)
{
    struct map_node *n = map_get(&ns->by_name, name);
    return n ? map_entry(n, struct namespace_entry, by_name) : NULL;
}

const struct namespace_entry *namespaces_by_id(const struct namespaces *ns, struct uuid id)
{
    struct map_node *n = map_get(&ns->by_id, uuid_bytes(&id));
    return n ? map_entry(n, struct namespace_entry, by_id) : NULL;
}

static int by_name_order(const void *a, const void *b)
{
    const struct namespace_entry *const *x = a, *const *y = b;
    return str_cmp((*x)->name, (*y)->name);
}

const struct namespace_entry *const *namespaces_all(
        const struct namespaces *ns, struct arena *arena, size_t *count)
{
    const struct namespace_entry **all =
            NEW(arena, const struct namespace_entry *, ns->by_name.len + 1);
    size_t n = 0;
    map_each(&ns->by_name, node)
    {
        all[n++] = map_entry(node, struct namespace_entry, by_name);
    }
    qsort(all, n, sizeof(*all), by_name_order);
    *count = n;
    return all;
}

void namespaces_refresh(struct namespaces *ns, struct namespace_wait *wait)
{
    if (ns->reading) {
        list_append(&ns->next, &wait->node);
        return;
    }
    list_append(&ns->current, &wait->node);
    start_reading(ns);
}

void namespace_wait_cancel(struct namespace_wait *wait)
{
    list_remove(&wait->node);
}
