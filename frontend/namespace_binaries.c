/* The checksums of workers that a namespace calls broken: UpdateNamespace adds to the list or takes one off it. What
 * follows from the list is for poll.c and the history service. */
#include "common/api/codec.h"
#include "frontend/namespace_change.h"

typedef Api__BadBinaries__BinariesEntry entry;

static size_t find(entry *const *all, size_t count, const char *checksum)
{
    size_t at = 0;
    while (at < count && strcmp(all[at]->key, checksum)) {
        at++;
    }
    return at;
}

/* A list that may be changed, with room for `more`. */
static Api__BadBinaries *own_list(
        struct namespace_change *c, struct namespace_draft *draft, size_t more)
{
    const Api__BadBinaries *old = draft->row->config->bad_binaries;
    Api__BadBinaries *list = api_new(c->arena, &api__bad_binaries__descriptor);
    size_t count = old ? old->n_binaries : 0;
    list->binaries = NEW(c->arena, entry *, count + more + 1);
    if (count) {
        memcpy(list->binaries, old->binaries, count * sizeof(*list->binaries));
    }
    list->n_binaries = count;
    draft->row->config->bad_binaries = list;
    return list;
}

enum err namespace_add_binaries(
        struct namespace_change *c, struct namespace_draft *draft, const Api__BadBinaries *update)
{
    size_t max =
            (size_t)(draft->old ? draft->old->config : c->fe->shared->config)->limit_bad_binaries;
    Api__BadBinaries *list = own_list(c, draft, update->n_binaries);
    for (size_t i = 0; i < update->n_binaries; i++) {
        entry *e = update->binaries[i];
        size_t at = find(list->binaries, list->n_binaries, e->key);
        if (!e->value) {
            e->value = api_new(c->arena, &api__bad_binary_info__descriptor);
        }
        e->value->create_time = api_timestamp(c->arena, lane_now(c->fe->lane));
        list->binaries[at] = e;
        list->n_binaries += at == list->n_binaries;
    }
    if (list->n_binaries > max) {
        return fail(&c->fail, ERR_INVALID_ARGUMENT,
                "Total resetBinaries cannot exceed the max limit: %zu", max);
    }
    draft->changed = true;
    return ERR_NONE;
}

enum err namespace_drop_binary(
        struct namespace_change *c, struct namespace_draft *draft, const char *checksum)
{
    Api__BadBinaries *list = own_list(c, draft, 0);
    size_t at = find(list->binaries, list->n_binaries, checksum);
    if (at == list->n_binaries) {
        return fail(
                &c->fail, ERR_INVALID_ARGUMENT, "Bad binary checksum %s doesn't exists.", checksum);
    }
    memmove(&list->binaries[at], &list->binaries[at + 1],
            (list->n_binaries - at - 1) * sizeof(*list->binaries));
    list->n_binaries--;
    draft->changed = true;
    return ERR_NONE;
}
