/* Memo and search attributes: maps from names to payloads, which a run shows of itself. They begin with what event 1
 * has; upserts are merged in, name by name, and a payload without a value takes its name away. Successors begin anew,
 * with what event 1 or the command says. Which names and types are good is for the edge to judge. */
#include "common/model/wire.h"
#include "history/engine/apply.h"

enum { SIZE_MAX_ENCODED = 64 * 1024 * 1024 };

struct entry {
    struct str key, payload, bytes; /* bytes: the whole entry */
};

static bool entry_read(struct str bytes, struct entry *ret)
{
    struct wire_field f;
    *ret = (struct entry){ .bytes = bytes };
    while (wire_next(&bytes, &f)) {
        if (f.number == 1 && f.type == WIRE_LEN) {
            ret->key = f.bytes;
        } else if (f.number == 2 && f.type == WIRE_LEN) {
            ret->payload = f.bytes;
        }
    }
    return wire_ok(bytes);
}

/* The next entry; false at the end. */
static bool entry_next(struct str *properties, struct entry *ret)
{
    struct wire_field f;
    while (properties->len && wire_next(properties, &f)) {
        if (f.number == 1 && f.type == WIRE_LEN && entry_read(f.bytes, ret)) {
            return true;
        }
    }
    return false;
}

/* No data, or an empty list. */
static bool is_null(struct str payload)
{
    struct wire_field f;
    struct str data = { 0 };
    while (payload.len && wire_next(&payload, &f)) {
        if (f.number == 2 && f.type == WIRE_LEN) {
            data = f.bytes;
        }
    }
    return !data.len || str_eq(data, STR("[]"));
}

struct named {
    struct map_node by_key;
    struct entry entry;
};

/* By name; the last entry of a name counts, as in any protobuf map. */
static void index_entries(struct arena *arena, struct str properties, struct map *ret)
{
    struct entry e;
    map_init(ret, arena);
    while (entry_next(&properties, &e)) {
        struct map_node *n = map_get(ret, e.key);
        struct named *named = n ? map_entry(n, struct named, by_key) : NEW(arena, struct named, 1);
        named->entry = e;
        if (!n) {
            map_put(ret, &named->by_key, e.key);
        }
    }
}

struct str properties_merge(struct arena *arena, struct str base, struct str change)
{
    struct entry e;
    struct map changes;
    struct buf out;
    index_entries(arena, change, &changes);
    buf_init_arena(&out, arena, SIZE_MAX_ENCODED);
    while (entry_next(&base, &e)) {
        if (!map_get(&changes, e.key)) {
            wire_put_bytes(&out, 1, e.bytes);
        }
    }
    map_each(&changes, n)
    {
        const struct entry *changed = &map_entry(n, struct named, by_key)->entry;
        if (!is_null(changed->payload)) {
            wire_put_bytes(&out, 1, changed->bytes);
        }
    }
    return buf_str(&out);
}

struct str properties_without_nulls(struct arena *arena, struct str properties)
{
    struct entry e;
    for (struct str rest = properties; entry_next(&rest, &e);) {
        if (is_null(e.payload)) {
            return properties_merge(arena, (struct str){ 0 }, properties);
        }
    }
    return properties;
}

bool properties_fit(
        struct arena *arena, struct str *merged, struct str base, struct str change, size_t max)
{
    struct entry e;
    size_t size = 0;
    *merged = properties_merge(arena, merged->ptr ? *merged : base, change);
    merged->ptr = merged->ptr ? merged->ptr : "";
    for (struct str rest = *merged; entry_next(&rest, &e);) {
        size += e.key.len + e.payload.len;
    }
    return size <= max;
}

void state_upsert(struct workflow *wf, struct str *to, struct str base, struct str change)
{
    *to = properties_merge(wf->arena, base, change);
}

void properties_change(struct step *st, const struct command *cmd)
{
    struct history_event he = { .type = HISTORY_UPSERT_SEARCH_ATTRIBUTES };
    if (cmd->type == COMMAND_MODIFY_WORKFLOW_PROPERTIES) {
        he.type = HISTORY_WORKFLOW_PROPERTIES_MODIFIED;
        he.memo = cmd->modify_properties.upserted_memo;
    } else {
        he.search_attributes = cmd->upsert.search_attributes;
    }
    step_command_event(st, cmd, &he);
}

struct str properties_keywords(struct arena *arena, struct str name, struct str value)
{
    struct buf b;
    buf_init_arena(&b, arena, SIZE_MAX_ENCODED);
    size_t entry = wire_begin(&b, 1);
    wire_put_bytes(&b, 1, name);
    size_t payload = wire_begin(&b, 2);
    static const char *const metadata[][2] = { { "encoding", "json/plain" },
        { "type", "KeywordList" } };
    for (size_t i = 0; value.len && i < ARRAY_LEN(metadata); i++) {
        size_t m = wire_begin(&b, 1);
        wire_put_bytes(&b, 1, str_from_cstr(metadata[i][0]));
        wire_put_bytes(&b, 2, str_from_cstr(metadata[i][1]));
        wire_end(&b, m);
    }
    wire_opt_bytes(&b, 2, value);
    wire_end(&b, payload);
    wire_end(&b, entry);
    return buf_str(&b);
}
