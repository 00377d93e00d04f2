/* Builds the set of one reading: takes from each row's data what the services need to know at every call. */
#include "common/cluster/namespace_set.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/model/wire.h"

struct namespace_set {
    _Atomic unsigned refs;
    int64_t version;
    struct arena arena;
    struct map by_name, by_id;
};

/* The last sub-message of that number; empty: none. */
static struct str part(struct str message, uint32_t number)
{
    struct wire_field f;
    struct str found = STR("");
    while (wire_next(&message, &f)) {
        found = f.number == number && f.type == WIRE_LEN ? f.bytes : found;
    }
    return found;
}

/* NamespaceConfig.custom_search_attribute_aliases: from a slot to the name. */
static void read_attributes(struct namespace_set *set, struct namespace_entry *e, struct str config)
{
    VEC(struct search_attribute) all = { 0 };
    struct wire_field f;
    while (wire_next(&config, &f)) {
        if (f.number != 7 || f.type != WIRE_LEN) {
            continue;
        }
        struct search_attribute a = { str_dup(&set->arena, part(f.bytes, 2)),
            search_attribute_slot_type(part(f.bytes, 1)) };
        if (a.name.len && a.type) {
            vec_push(&set->arena, &all, a);
        }
    }
    e->search_attributes = (struct search_attributes){ e->name, all.ptr, all.len };
}

/* NamespaceConfig.bad_binaries: a map by checksum. */
static void read_bad_binaries(
        struct namespace_set *set, struct namespace_entry *e, struct str config)
{
    VEC(struct str) all = { 0 };
    struct str map = part(config, 2);
    struct wire_field f;
    while (map.len && wire_next(&map, &f)) {
        if (f.number == 1 && f.type == WIRE_LEN) {
            vec_push(&set->arena, &all, str_dup(&set->arena, part(f.bytes, 1)));
        }
    }
    e->bad_binaries = all.ptr;
    e->bad_binary_count = all.len;
}

static void add(
        struct namespace_set *set, const struct store_namespace *row, const struct config *config)
{
    struct namespace_entry *e = NEW(&set->arena, struct namespace_entry, 1);
    e->id = row->id;
    e->name = str_dup(&set->arena, row->name);
    e->state = (enum namespace_state)row->state;
    e->data = str_dup(&set->arena, row->data);
    e->task_queues = str_dup(&set->arena, row->task_queues);
    e->version = row->version;
    e->config = config_of_namespace(config, e->name, &set->arena);
    struct str own = part(e->data, 2); /* DescribeNamespaceResponse.config */
    e->retention = wire_duration(part(own, 1));
    read_attributes(set, e, own);
    read_bad_binaries(set, e, own);
    map_put(&set->by_id, &e->by_id, uuid_bytes(&e->id));
    map_put(&set->by_name, &e->by_name, e->name);
}

struct namespace_set *namespace_set_new(int64_t version, const struct store_namespace *rows,
        size_t count, const struct config *config)
{
    struct namespace_set *set = calloc(1, sizeof(*set));
    check(set);
    set->refs = 1;
    set->version = version;
    map_init(&set->by_name, NULL);
    map_init(&set->by_id, NULL);
    for (size_t i = 0; i < count; i++) {
        add(set, &rows[i], config);
    }
    return set;
}

struct namespace_set *namespace_set_keep(struct namespace_set *set)
{
    atomic_fetch_add(&set->refs, 1);
    return set;
}

void namespace_set_release(struct namespace_set *set)
{
    if (!set || atomic_fetch_sub(&set->refs, 1) > 1) {
        return;
    }
    map_deinit(&set->by_name);
    map_deinit(&set->by_id);
    arena_deinit(&set->arena);
    free(set);
}

int64_t namespace_set_version(const struct namespace_set *set)
{
    return set->version;
}

const struct namespace_entry *namespace_set_by_name(
        const struct namespace_set *set, struct str name)
{
    struct map_node *n = map_get(&set->by_name, name);
    return n ? map_entry(n, struct namespace_entry, by_name) : NULL;
}

const struct namespace_entry *namespace_set_by_id(const struct namespace_set *set, struct uuid id)
{
    struct map_node *n = map_get(&set->by_id, uuid_bytes(&id));
    return n ? map_entry(n, struct namespace_entry, by_id) : NULL;
}

static int by_name_order(const void *a, const void *b)
{
    const struct namespace_entry *const *x = a, *const *y = b;
    return str_cmp((*x)->name, (*y)->name);
}

const struct namespace_entry *const *namespace_set_all(
        const struct namespace_set *set, struct arena *arena, size_t *count)
{
    const struct namespace_entry **all =
            NEW(arena, const struct namespace_entry *, set->by_name.len + 1);
    size_t n = 0;
    map_each(&set->by_name, node)
    {
        all[n++] = map_entry(node, struct namespace_entry, by_name);
    }
    qsort(all, n, sizeof(*all), by_name_order);
    *count = n;
    return all;
}
