/* See ledger.h. */
#include "tests/sim/ledger.h"

#include <stdio.h>

struct script *scripts;
struct map ledger_tasks, ledger_activities, ledger_seen;

static struct map *ready(struct map *map)
{
    if (!map->order.head.next) {
        map_init(map, &world.arena);
    }
    return map;
}

void ledger_task(struct str run_id, int64_t started_event, Api__Command **commands, size_t count)
{
    struct acknowledged_task *t = NEW(&world.arena, struct acknowledged_task, 1);
    t->key = str_printf(&world.arena, STR_FMT "/%lld", STR_ARG(run_id), (long long)started_event);
    t->run_id = str_dup(&world.arena, run_id);
    t->started_event = started_event;
    t->count = count < ARRAY_LEN(t->types) ? count : ARRAY_LEN(t->types);
    for (size_t i = 0; i < t->count; i++) {
        t->types[i] = (int)commands[i]->command_type;
    }
    if (!map_get(ready(&ledger_tasks), t->key)) {
        map_put(&ledger_tasks, &t->node, t->key);
    }
}

struct known_activity *ledger_activity(struct str run_id, struct str activity_id)
{
    struct str key =
            str_printf(&world.arena, STR_FMT "/" STR_FMT, STR_ARG(run_id), STR_ARG(activity_id));
    struct map_node *n = map_get(ready(&ledger_activities), key);
    if (n) {
        return map_entry(n, struct known_activity, node);
    }
    struct known_activity *a = NEW(&world.arena, struct known_activity, 1);
    a->key = key;
    a->run_id = str_dup(&world.arena, run_id);
    a->activity_id = str_dup(&world.arena, activity_id);
    map_put(&ledger_activities, &a->node, a->key);
    return a;
}

struct list ledger_updates;

struct known_update *ledger_update(struct script *script)
{
    static const char kinds[] = "ffssr";
    struct known_update *u = NEW(&world.arena, struct known_update, 1);
    u->script = script;
    u->id = str_printf(&world.arena, "u" STR_FMT "-%u%c", STR_ARG(script->id), script->updates++,
            kinds[rand_below(&world.play, sizeof(kinds) - 1)]);
    if (!ledger_updates.head.next) {
        list_init(&ledger_updates);
    }
    list_append(&ledger_updates, &u->node);
    return u;
}

static void print_bytes(const char *what, struct str bytes)
{
    fprintf(stderr, "%s:", what);
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t b = (uint8_t)bytes.ptr[i];
        fprintf(stderr, b >= ' ' && b < 127 ? "%c" : "\\x%02x", b);
    }
    fprintf(stderr, "\n");
}

void ledger_saw(struct str run_id, struct str history, int64_t to)
{
    struct ev e;
    bool bad = false;
    while (ev_next(&history, &e, &bad) && e.id <= to) {
        char key[64];
        int n = snprintf(key, sizeof(key), STR_FMT "/%lld", STR_ARG(run_id), (long long)e.id);
        uint64_t hash = hash_bytes(e.raw, 1);
        struct map_node *found = map_get(ready(&ledger_seen), str_of(key, (size_t)n));
        if (found) {
            const struct seen_event *before = map_entry(found, struct seen_event, node);
            if (before->hash != hash) {
                print_bytes("before", before->raw);
                print_bytes("now", e.raw);
                violation("event %s was seen before with another content", key);
            }
            continue;
        }
        struct seen_event *s = NEW(&world.arena, struct seen_event, 1);
        memcpy(s->key, key, sizeof(key));
        s->run_id = str_of(s->key, run_id.len);
        s->id = e.id;
        s->hash = hash;
        s->raw = str_dup(&world.arena, e.raw);
        map_put(&ledger_seen, &s->node, str_of(s->key, (size_t)n));
    }
    if (bad) {
        violation("a history of run " STR_FMT " cannot be read", STR_ARG(run_id));
    }
}
