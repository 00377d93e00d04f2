/* Building, copying and asking a view. */
#include "common/cluster/view.h"

#include <stdlib.h>

#include "common/cluster/ring.h"

static const struct {
    enum cluster_role role;
    const char *name;
} role_names[] = {
    { CLUSTER_FRONTEND, "frontend" },
    { CLUSTER_HISTORY, "history" },
    { CLUSTER_MATCHING, "matching" },
    { CLUSTER_WORKER, "worker" },
};

unsigned view_parse_roles(struct str text)
{
    unsigned roles = 0;
    while (text.len) {
        struct str name = str_split(text, ',', &text);
        for (size_t i = 0; i < ARRAY_LEN(role_names); i++) {
            roles |= str_eq(name, str_from_cstr(role_names[i].name)) ? role_names[i].role : 0;
        }
    }
    return roles;
}

struct str view_format_roles(struct arena *arena, unsigned roles)
{
    struct str text = STR("");
    for (size_t i = 0; i < ARRAY_LEN(role_names); i++) {
        if (roles & role_names[i].role) {
            text = str_printf(
                    arena, STR_FMT "%s%s", STR_ARG(text), text.len ? "," : "", role_names[i].name);
        }
    }
    return text;
}

static void index_matching(struct view *v)
{
    v->matching = NEW(&v->arena, struct uuid, v->member_count + 1);
    v->matching_at = NEW(&v->arena, size_t, v->member_count + 1);
    for (size_t i = 0; i < v->member_count; i++) {
        const struct view_member *m = &v->members[i];
        if (m->alive && !m->draining && (m->roles & CLUSTER_MATCHING)) {
            v->matching[v->matching_count] = m->id;
            v->matching_at[v->matching_count++] = i;
        }
    }
}

static size_t find_index(const struct view *v, struct uuid id)
{
    size_t low = 0, high = v->member_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = memcmp(v->members[mid].id.b, id.b, sizeof(id.b));
        if (c == 0) {
            return mid;
        }
        if (c < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return OWNER_NONE;
}

static int by_id(const void *a, const void *b)
{
    const struct view_member *x = a, *y = b;
    return memcmp(x->id.b, y->id.b, sizeof(x->id.b));
}

static struct view *empty_view(size_t member_count)
{
    struct view *v = calloc(1, sizeof(*v));
    check(v && member_count < OWNER_NONE);
    v->members = NEW(&v->arena, struct view_member, member_count + 1);
    v->member_count = member_count;
    return v;
}

struct view *view_new(const struct view_input *in, struct rpc *rpc)
{
    struct view *v = empty_view(in->member_count);
    v->cluster_id = in->cluster_id;
    for (size_t i = 0; i < in->member_count; i++) {
        v->members[i] = in->members[i];
        v->members[i].address = str_dup(&v->arena, in->members[i].address);
    }
    qsort(v->members, v->member_count, sizeof(*v->members), by_id);
    for (size_t i = 0; i < v->member_count; i++) {
        struct view_member *m = &v->members[i];
        m->peer = uuid_eq(m->id, in->self) ? rpc_peer_ref(rpc_peer_local(rpc))
                                           : rpc_peer_get(rpc, m->address, m->id);
    }
    size_t last = OWNER_NONE; /* neighbours often have the same owner */
    for (uint32_t s = 0; s < SHARD_COUNT; s++) {
        struct uuid owner = in->owners[s];
        if (uuid_is_zero(owner)) {
            v->owner_of[s] = OWNER_NONE;
            continue;
        }
        if (last == OWNER_NONE || !uuid_eq(v->members[last].id, owner)) {
            last = find_index(v, owner);
        }
        v->owner_of[s] = (uint16_t)last;
    }
    index_matching(v);
    return v;
}

struct view *view_copy(const struct view *view)
{
    struct view *v = empty_view(view->member_count);
    v->cluster_id = view->cluster_id;
    for (size_t i = 0; i < view->member_count; i++) {
        v->members[i] = view->members[i];
        v->members[i].address = str_dup(&v->arena, view->members[i].address);
        rpc_peer_ref(v->members[i].peer);
    }
    memcpy(v->owner_of, view->owner_of, sizeof(v->owner_of));
    index_matching(v);
    return v;
}

void view_free(struct view *view)
{
    if (!view) {
        return;
    }
    for (size_t i = 0; i < view->member_count; i++) {
        rpc_peer_put(view->members[i].peer);
    }
    arena_deinit(&view->arena);
    free(view);
}

const struct view_member *view_find(const struct view *view, struct uuid id)
{
    size_t at = find_index(view, id);
    return at == OWNER_NONE ? NULL : &view->members[at];
}

const struct view_member *view_owner(const struct view *view, uint32_t shard)
{
    uint16_t at = view->owner_of[shard];
    return at == OWNER_NONE ? NULL : &view->members[at];
}

bool view_is_complete(const struct view *view)
{
    for (uint32_t s = 0; s < SHARD_COUNT; s++) {
        const struct view_member *owner = view_owner(view, s);
        if (!owner || !owner->alive) {
            return false;
        }
    }
    return view->matching_count > 0;
}
