/* What the databases share about a batch: which groups it has, which of its rows to apply, what a
 * loaded run must look like. Pure; the rows stay borrowed from the owner of the batch. */
#include "common/base/map.h"
#include "common/store/store_ops.h"

struct seen {
    struct map_node node;
    uint64_t number;
    struct uuid id;
};

bool store_text_ok(struct str s)
{
    return str_find(s, '\0') == s.len && str_is_utf8(s);
}

static void groups_add(struct map *map, struct arena *arena, uint64_t group)
{
    struct str key = str_of(&group, sizeof(group));
    if (!map_get(map, key)) {
        struct seen *s = NEW(arena, struct seen, 1);
        s->number = group;
        map_put(map, &s->node, str_of(&s->number, sizeof(s->number)));
    }
}

size_t store_batch_groups(const struct store_batch *batch, struct arena *arena, uint64_t **ret)
{
    struct map map;
    map_init(&map, arena);
#define ADD(list)                                          \
    for (size_t i = 0; i < batch->list.len; i++) {         \
        groups_add(&map, arena, batch->list.ptr[i].group); \
    }
    ADD(log)
    ADD(run_inserts)
    ADD(run_updates)
    ADD(views)
    ADD(currents)
    ADD(snapshots)
    ADD(deletes)
#undef ADD
    size_t count = 0;
    *ret = NEW(arena, uint64_t, map.len);
    map_each(&map, n)
    {
        (*ret)[count++] = map_entry(n, struct seen, node)->number;
    }
    return count;
}

/* True the first time that (prefix, text) is met; used from the end of a list, so the last row
 * wins. */
static bool first_time(struct map *map, struct arena *arena, struct str prefix, struct str text)
{
    char *key = arena_alloc(arena, prefix.len + text.len, 1);
    memcpy(key, prefix.ptr, prefix.len);
    if (text.len) {
        memcpy(key + prefix.len, text.ptr, text.len);
    }
    struct str k = str_of(key, prefix.len + text.len);
    if (map_get(map, k)) {
        return false;
    }
    map_put(map, &NEW(arena, struct seen, 1)->node, k);
    return true;
}

#define SELECT(list, replaced)                                                                  \
    do {                                                                                        \
        size_t n = batch->list.len, at = n;                                                     \
        struct map map;                                                                         \
        map_init(&map, arena);                                                                  \
        ret->list.ptr =                                                                         \
                arena_alloc(arena, arena_mul(sizeof(*ret->list.ptr), n), alignof(max_align_t)); \
        for (size_t i = n; i-- > 0;) {                                                          \
            if (keep && !keep(arg, batch->list.ptr[i].group)) {                                 \
                continue;                                                                       \
            }                                                                                   \
            if (last && n > 1 && (replaced)) {                                                  \
                continue;                                                                       \
            }                                                                                   \
            ret->list.ptr[--at] = batch->list.ptr[i];                                           \
        }                                                                                       \
        ret->list.ptr += at;                                                                    \
        ret->list.len = ret->list.cap = n - at;                                                 \
    } while (0)

#define KEY_OF(list) str_of(&batch->list.ptr[i].key, sizeof(run_key))

void store_batch_select(const struct store_batch *batch, struct arena *arena, bool last,
        bool (*keep)(void *arg, uint64_t group), void *arg, struct store_batch *ret)
{
    *ret = (struct store_batch){ .last_run_key = batch->last_run_key };
    SELECT(log, false);
    SELECT(run_inserts, false);
    SELECT(run_updates, !first_time(&map, arena, KEY_OF(run_updates), (struct str){ 0 }));
    SELECT(views, !first_time(&map, arena, KEY_OF(views), (struct str){ 0 }));
    SELECT(currents, !first_time(&map, arena, uuid_bytes(&batch->currents.ptr[i].namespace_id),
                             batch->currents.ptr[i].workflow_id));
    SELECT(snapshots, !first_time(&map, arena, KEY_OF(snapshots), (struct str){ 0 }));
    SELECT(deletes, false);
}

enum err store_load_check(const struct store_load *op, struct fail *f)
{
    int32_t seq = op->snapshot.seq;
    for (size_t i = 0; i < op->tail_count; i++) {
        if (op->tail[i].seq != seq + 1) {
            return fail(f, ERR_CORRUPT, "run %lld: log row %d follows %d", (long long)op->run.key,
                    op->tail[i].seq, seq);
        }
        seq = op->tail[i].seq;
    }
    return ERR_NONE;
}
