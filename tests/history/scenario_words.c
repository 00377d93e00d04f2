/* Words, durations and small messages of the scenario language. */
#include <stdio.h>

#include "common/model/priority.h"
#include "common/model/wire.h"
#include "history/engine/cron.h"
#include "tests/history/scenario.h"

const struct instant scenario_epoch = { 1700000000000000000 };

struct words words_split(struct str line)
{
    struct words w = { .count = 0 };
    while (line.len && w.count < ARRAY_LEN(w.word)) {
        struct str word = str_split(line, ' ', &line);
        if (word.len) {
            w.word[w.count++] = word;
        }
    }
    return w;
}

struct str words_get(struct words *w, const char *key)
{
    struct str k = str_from_cstr(key);
    for (size_t i = 0; i < w->count; i++) {
        struct str rest, name = str_split(w->word[i], '=', &rest);
        if (str_eq(name, k) && name.len < w->word[i].len) {
            w->used[i] = true;
            return rest;
        }
    }
    return (struct str){ 0 };
}

bool words_has(struct words *w, const char *flag)
{
    for (size_t i = 0; i < w->count; i++) {
        if (str_eq(w->word[i], str_from_cstr(flag))) {
            w->used[i] = true;
            return true;
        }
    }
    return false;
}

struct str words_next(struct words *w)
{
    for (size_t i = 0; i < w->count; i++) {
        if (!w->used[i] && str_find(w->word[i], '=') == w->word[i].len) {
            w->used[i] = true;
            return w->word[i];
        }
    }
    return (struct str){ 0 };
}

bool duration_parse(struct str text, struct duration *ret)
{
    static const struct {
        const char *unit;
        int64_t ns;
    } units[] = { { "ms", 1000000 }, { "s", 1000000000 }, { "m", 60000000000 },
        { "h", 3600000000000 }, { "d", 86400000000000 } };
    bool negative = text.len && text.ptr[0] == '-';
    size_t n = negative ? 1 : 0, start = n;
    int64_t value;
    while (n < text.len && text.ptr[n] >= '0' && text.ptr[n] <= '9') {
        n++;
    }
    if (!str_to_i64(str_of(text.ptr + start, n - start), &value)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (str_eq(str_drop(text, n), str_from_cstr(units[i].unit))) {
            ret->ns = (negative ? -value : value) * units[i].ns;
            return true;
        }
    }
    return false;
}

struct duration words_duration(struct words *w, const char *key)
{
    struct duration d = { 0 };
    struct str text = words_get(w, key);
    check(!text.len || duration_parse(text, &d));
    return d;
}

int64_t words_number(struct words *w, const char *key, int64_t otherwise)
{
    int64_t n = otherwise;
    struct str text = words_get(w, key);
    check(!text.len || str_to_i64(text, &n));
    return n;
}

struct str payloads_of(struct arena *arena, struct str text)
{
    struct buf b;
    if (!text.len) {
        return (struct str){ 0 };
    }
    buf_init_arena(&b, arena, 16 * 1024 * 1024);
    size_t mark = wire_begin(&b, 1);
    wire_put_bytes(&b, 2, text);
    wire_end(&b, mark);
    return buf_str(&b);
}

struct str words_large(struct arena *arena, struct words *w, const char *key)
{
    int64_t n = words_number(w, key, 0);
    char *p = NEW(arena, char, (size_t)n + 1);
    memset(p, 'x', (size_t)n);
    return str_of(p, (size_t)n);
}

/* type=..., non_retryable, next=5s, size=N; "kind=canceled|timeout|server|activity" instead of an application's; "nothing" */
struct str failure_of_text(struct arena *arena, struct words *w, struct str message)
{
    struct buf b;
    struct str kind = words_get(w, "kind"), large = words_large(arena, w, "size");
    if (words_has(w, "nothing")) {
        return (struct str){ 0 };
    }
    buf_init_arena(&b, arena, 16 * 1024 * 1024);
    wire_opt_bytes(&b, 1, large.len ? large : message);
    uint32_t field = str_eq(kind, STR("timeout"))    ? 6
                     : str_eq(kind, STR("canceled")) ? 7
                     : str_eq(kind, STR("server"))   ? 9
                     : str_eq(kind, STR("activity")) ? 12
                                                     : 5;
    size_t mark = wire_begin(&b, field);
    if (field != 5) {
        wire_end(&b, mark);
        return buf_str(&b);
    }
    wire_opt_bytes(&b, 1, words_get(w, "type"));
    wire_opt_varint(&b, 2, words_has(w, "non_retryable"));
    struct str next = words_get(w, "next");
    struct duration delay = { 0 };
    if (next.len) {
        check(duration_parse(next, &delay));
        wire_put_duration(&b, 4, delay);
    }
    wire_end(&b, mark);
    return buf_str(&b);
}

/* retry=initial/coefficient/maximum/attempts, each may be "-"; non_retryable_type=Name */
struct str words_priority(struct scenario *s, struct words *w)
{
    struct str text = words_get(w, "priority");
    struct str level = str_split(text, '/', &text), key = str_split(text, '/', &text);
    struct priority p = { .fairness_key = key };
    struct buf out;
    int64_t n;
    p.key = str_to_i64(level, &n) ? (int32_t)n : 0;
    p.weight = str_to_i64(text, &n) ? (float)n : 0;
    buf_init_arena(&out, &s->h.arena, PRIORITY_BYTES_MAX + key.len);
    priority_write(&out, &p);
    return buf_str(&out);
}

struct retry_policy words_retry(struct scenario *s, struct words *w)
{
    struct retry_policy p = { 0 };
    struct str text = words_get(w, "retry"), type = words_get(w, "non_retryable_type");
    struct str initial = str_split(text, '/', &text), coefficient = str_split(text, '/', &text),
               maximum = str_split(text, '/', &text);
    int64_t n;
    p.is_set = initial.len || type.len;
    (void)duration_parse(initial, &p.initial_interval);
    (void)duration_parse(maximum, &p.maximum_interval);
    p.backoff_coefficient = str_to_i64(coefficient, &n) ? (double)n : 0;
    p.maximum_attempts = str_to_i64(text, &n) ? (int32_t)n : 0;
    if (type.len) {
        struct str *types = NEW(&s->h.arena, struct str, 1);
        types[0] = str_dup(&s->h.arena, type);
        p.non_retryable_types = types;
        p.non_retryable_count = 1;
    }
    return p;
}

struct str scenario_update(struct arena *arena, struct str update_id)
{
    struct buf b;
    buf_init_arena(&b, arena, 64 * 1024);
    size_t mark = wire_begin(&b, 1);
    wire_put_bytes(&b, 1, update_id);
    wire_end(&b, mark);
    mark = wire_begin(&b, 2);
    wire_put_bytes(&b, 2, STR("change"));
    wire_end(&b, mark);
    return buf_str(&b);
}

struct str scenario_outcome(struct arena *arena, uint32_t field, struct str message)
{
    struct buf b;
    buf_init_arena(&b, arena, 64 * 1024);
    wire_put_bytes(&b, field, message);
    return buf_str(&b);
}

static struct str properties(struct arena *arena, struct str text, bool is_json)
{
    struct buf b;
    if (!text.len) {
        return (struct str){ 0 };
    }
    buf_init_arena(&b, arena, 1024 * 1024);
    while (text.len) {
        struct str value, part = str_split(text, ',', &text);
        struct str key = str_split(part, '/', &value);
        bool is_alone = key.len == part.len;
        size_t entry = wire_begin(&b, 1);
        wire_put_bytes(&b, 1, is_alone ? STR("it") : key);
        size_t payload = wire_begin(&b, 2);
        if (is_json) {
            size_t metadata = wire_begin(&b, 1);
            wire_put_bytes(&b, 1, STR("encoding"));
            wire_put_bytes(&b, 2, STR("json/plain"));
            wire_end(&b, metadata);
        }
        wire_opt_bytes(&b, 2, is_alone ? key : value);
        wire_end(&b, payload);
        wire_end(&b, entry);
    }
    return buf_str(&b);
}

struct str properties_of(struct arena *arena, struct str text)
{
    return properties(arena, text, false);
}

struct str attributes_of(struct scenario *s, struct str text)
{
    return properties(&s->h.arena, text, s->limits.search_attributes != NULL);
}

struct str schedule_of(struct arena *arena, struct str text)
{
    char *p = NEW(arena, char, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        p[i] = text.ptr[i] == '~' ? ' ' : text.ptr[i];
    }
    return str_of(p, text.len);
}

struct str zone_of_schedule(struct scenario *s, struct str schedule)
{
    char path[256];
    struct str name = cron_zone_name(schedule);
    if (!name.len) {
        return name;
    }
    snprintf(path, sizeof(path), "/usr/share/zoneinfo/" STR_FMT, STR_ARG(name));
    FILE *in = fopen(path, "rb");
    char *bytes = NEW(&s->h.arena, char, 64 * 1024);
    size_t n = in ? fread(bytes, 1, 64 * 1024, in) : 0;
    if (in) {
        fclose(in);
    }
    return str_of(bytes, n);
}

const struct str *callbacks_of(struct arena *arena, int64_t n)
{
    struct str *callbacks = NEW(arena, struct str, n);
    for (int64_t i = 0; i < n; i++) {
        struct buf b;
        buf_init_arena(&b, arena, 1024);
        size_t nexus = wire_begin(&b, 2);
        wire_put_bytes(&b, 1, str_printf(arena, "http://there/%lld", (long long)i));
        wire_end(&b, nexus);
        callbacks[i] = buf_str(&b);
    }
    return callbacks;
}
