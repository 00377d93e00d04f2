/* Looks things up in the tables of the client view. Relies on proto/client_view.py, which sorts types by name. */
#include "common/apijson/api_type.h"

#include "common/base/check.h"

#include "proto/client_view.inc"

const struct api_type *api_type_named(struct str name)
{
    size_t low = 0, high = api_type_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int c = str_cmp(name, str_from_cstr(api_name(api_types[middle].name)));
        if (c == 0) {
            return &api_types[middle];
        }
        if (c < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

const struct api_field *api_field_numbered(const struct api_type *type, uint32_t number)
{
    const struct api_field *fields = api_type_fields(type);
    for (size_t i = 0; i < type->field_count; i++) {
        if (fields[i].number == number) {
            return &fields[i];
        }
    }
    return NULL;
}

/* Are they the same when each "_x" of the first is read as "X"? */
static bool is_json_name(const char *name, struct str json)
{
    size_t at = 0;
    for (; *name; name++) {
        bool up = *name == '_';
        name += up;
        char c = up && *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name;
        if (at == json.len || json.ptr[at++] != c || !*name) {
            return false;
        }
    }
    return at == json.len;
}

const struct api_field *api_field_named(const struct api_type *type, struct str name)
{
    const struct api_field *fields = api_type_fields(type);
    for (size_t i = 0; i < type->field_count; i++) {
        const char *declared = api_name(fields[i].name);
        if (str_eq(name, str_from_cstr(declared)) || is_json_name(declared, name)) {
            return &fields[i];
        }
    }
    return NULL;
}

const struct api_method *api_method_named(const char *name)
{
    for (size_t i = 0; i < api_method_count; i++) {
        const char *slash = strchr(api_name(api_methods[i].name), '/');
        if (slash && !strcmp(slash + 1, name)) {
            return &api_methods[i];
        }
    }
    return NULL;
}

struct str api_json_name(struct arena *arena, const struct api_field *field)
{
    const char *name = api_name(field->name);
    char *out = arena_alloc(arena, strlen(name) + 1, 1);
    size_t n = 0;
    for (; *name; name++) {
        bool up = *name == '_' && name[1];
        name += up;
        out[n++] = up && *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name;
    }
    return str_of(out, n);
}

struct str api_enum_text(uint16_t target, int32_t number)
{
    const struct api_enum *e = &api_enums[target];
    for (size_t i = 0; i < e->value_count; i++) {
        const struct api_enum_value *v = &api_values[e->first_value + i];
        if (v->number == number) {
            return str_from_cstr(api_name(v->name));
        }
    }
    return (struct str){ "", 0 };
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* The length of the prefix that all values share: the enum's own name in capitals and an underscore. */
static size_t prefix_len(const struct api_enum *e)
{
    const char *full = api_name(e->name), *dot = strrchr(full, '.');
    const char *name = dot ? dot + 1 : full;
    size_t n = 1;
    for (const char *p = name; *p; p++) {
        n += 1 + (p > name && is_upper(*p) && !is_upper(p[-1]));
    }
    return n;
}

static struct str short_of(struct arena *arena, const struct api_enum *e, struct str full)
{
    struct str rest = str_drop(full, prefix_len(e));
    char *out = arena_alloc(arena, rest.len + 1, 1);
    size_t n = 0;
    for (size_t i = 0; i < rest.len; i++) {
        char c = rest.ptr[i];
        if (c != '_') {
            bool first = i == 0 || rest.ptr[i - 1] == '_';
            out[n++] = is_upper(c) && !first ? (char)(c - 'A' + 'a') : c;
        }
    }
    return str_of(out, n);
}

struct str api_enum_short(struct arena *arena, uint16_t target, int32_t number)
{
    struct str full = api_enum_text(target, number);
    return full.len ? short_of(arena, &api_enums[target], full) : str_printf(arena, "%d", number);
}

bool api_enum_parse(uint16_t target, struct str text, int32_t *ret)
{
    const struct api_enum *e = &api_enums[target];
    struct arena arena = { 0 };
    int64_t number;
    bool found = str_to_i64(text, &number) && number >= INT32_MIN && number <= INT32_MAX;
    if (found) {
        *ret = (int32_t)number;
    }
    for (size_t i = 0; i < e->value_count && !found; i++) {
        const struct api_enum_value *v = &api_values[e->first_value + i];
        struct str full = str_from_cstr(api_name(v->name));
        if (str_eq_nocase(text, full) || str_eq_nocase(text, short_of(&arena, e, full))) {
            *ret = v->number;
            found = true;
        }
    }
    arena_deinit(&arena);
    return found;
}
