/* From text to settings: looks keys up in the table made from config.def, checks types and bounds.
 * Relies on yaml.c for the syntax; what the settings mean is left to their users. */
#include "common/config/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include "common/config/yaml.h"

enum type { TYPE_STR, TYPE_INT, TYPE_BOOL, TYPE_SIZE, TYPE_TIME };

static const struct row {
    const char *key;
    enum type type;
    size_t offset;
    const char *def;
    int64_t min, max;
    const char *doc;
} rows[] = {
#define CONFIG(field, key, type, def, min, max, doc) \
    { key, TYPE_##type, offsetof(struct config, field), def, min, max, doc },
#include "common/config/config.def"
#undef CONFIG
};

static bool parse_scaled(struct str text, const char *const *units, const int64_t *factors,
        size_t count, int64_t *ret)
{
    size_t digits = 0;
    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9') {
        digits++;
    }
    int64_t n;
    if (!str_to_i64(str_of(text.ptr, digits), &n)) {
        return false;
    }
    struct str unit = str_drop(text, digits);
    for (size_t i = 0; i < count; i++) {
        if (str_eq(unit, str_from_cstr(units[i]))) {
            return !__builtin_mul_overflow(n, factors[i], ret);
        }
    }
    return false;
}

bool config_parse_time(struct str text, struct duration *ret)
{
    static const char *const units[] = { "ms", "s", "m", "h" };
    static const int64_t factors[] = { 1000000, 1000000000, 60000000000, 3600000000000 };
    if (str_eq(text, STR("0"))) {
        ret->ns = 0;
        return true;
    }
    return parse_scaled(text, units, factors, ARRAY_LEN(units), &ret->ns);
}

bool config_parse_size(struct str text, int64_t *ret)
{
    static const char *const units[] = { "", "k", "m", "g" };
    static const int64_t factors[] = { 1, 1 << 10, 1 << 20, 1 << 30 };
    return parse_scaled(text, units, factors, ARRAY_LEN(units), ret);
}

static enum err out_of_range(const struct row *row, struct str value, struct fail *f)
{
    return fail(f, ERR_INVALID_ARGUMENT, "%s: " STR_FMT " is not between %lld and %lld%s", row->key,
            STR_ARG(value), (long long)row->min, (long long)row->max,
            row->type == TYPE_TIME ? " ms" : "");
}

static enum err bad_value(
        const struct row *row, struct str value, const char *expected, struct fail *f)
{
    return fail(f, ERR_INVALID_ARGUMENT, "%s: '" STR_FMT "' is not %s", row->key, STR_ARG(value),
            expected);
}

static enum err set_number(const struct row *row, void *at, struct str value, struct fail *f)
{
    int64_t n;
    bool ok = row->type == TYPE_INT ? str_to_i64(value, &n) : config_parse_size(value, &n);
    if (!ok) {
        return bad_value(row, value,
                row->type == TYPE_INT ? "a whole number" : "a size such as 512k or 4m", f);
    }
    if (n < row->min || n > row->max) {
        return out_of_range(row, value, f);
    }
    memcpy(at, &n, sizeof(n));
    return ERR_NONE;
}

static enum err set_time(
        const struct row *row, struct duration *at, struct str value, struct fail *f)
{
    struct duration d;
    if (!config_parse_time(value, &d)) {
        return bad_value(row, value, "a time such as 250ms, 3s, 5m or 2h", f);
    }
    if (duration_ms(d) < row->min || duration_ms(d) > row->max) {
        return out_of_range(row, value, f);
    }
    *at = d;
    return ERR_NONE;
}

/* What a path, an address or a connection string can be: it ends up in a C string and in a log line. */
static bool is_one_line(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f) {
            return false;
        }
    }
    return str_is_utf8(text);
}

static enum err set_row(
        struct config *config, const struct row *row, struct str value, struct fail *f)
{
    void *at = (char *)config + row->offset;
    switch (row->type) {
    case TYPE_STR:
        if (!is_one_line(value)) {
            return fail(f, ERR_INVALID_ARGUMENT, "%s: not one line of UTF-8 text", row->key);
        }
        *(struct str *)at = value;
        return ERR_NONE;
    case TYPE_INT:
    case TYPE_SIZE:
        return set_number(row, at, value, f);
    case TYPE_TIME:
        return set_time(row, at, value, f);
    case TYPE_BOOL:
        if (!str_eq(value, STR("true")) && !str_eq(value, STR("false"))) {
            return bad_value(row, value, "true or false", f);
        }
        *(bool *)at = str_eq(value, STR("true"));
        return ERR_NONE;
    }
    return ERR_NONE;
}

static const struct row *find_row(struct str key)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (str_eq(key, str_from_cstr(rows[i].key))) {
            return &rows[i];
        }
    }
    return NULL;
}

bool config_is_time(struct str key)
{
    const struct row *row = find_row(key);
    return row && row->type == TYPE_TIME;
}

void config_init(struct config *config)
{
    *config = (struct config){ 0 };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        check(!set_row(config, &rows[i], str_from_cstr(rows[i].def), NULL));
    }
}

#define OVERRIDE_PREFIX "namespaces."
#define OVERRIDE_LIMITS ".limits."

/* "namespaces.NAME.limits.KEY"; names may have dots, so the last ".limits." counts. */
static const struct row *find_override(struct str key, struct str *namespace_name)
{
    size_t prefix = sizeof(OVERRIDE_PREFIX) - 1, infix = sizeof(OVERRIDE_LIMITS) - 1;
    if (!str_starts_with(key, STR(OVERRIDE_PREFIX))) {
        return NULL;
    }
    for (size_t at = key.len; at > prefix; at--) {
        struct str rest = str_drop(key, at);
        if (str_starts_with(rest, STR(OVERRIDE_LIMITS))) {
            *namespace_name = str_of(key.ptr + prefix, at - prefix);
            return rest.len > infix ? find_row(str_drop(rest, 1)) : NULL;
        }
    }
    return NULL;
}

/* The same checks as for the setting itself. */
static enum err add_override(struct config *config, struct arena *arena, const struct row *row,
        struct str namespace_name, struct str value, struct fail *f)
{
    struct config probe = *config;
    struct config_override o = { str_dup(arena, namespace_name), (int)(row - rows),
        str_dup(arena, value) };
    if (!is_one_line(namespace_name)) {
        return fail(f, ERR_INVALID_ARGUMENT, "%s: the namespace is not one line of text", row->key);
    }
    enum err err = set_row(&probe, row, o.value, f);
    if (!err) {
        vec_push(arena, &config->overrides, o);
    }
    return err;
}

const struct config *config_of_namespace(
        const struct config *config, struct str namespace_name, struct arena *arena)
{
    struct config *own = NULL;
    for (size_t i = 0; i < config->overrides.len; i++) {
        const struct config_override *o = &config->overrides.ptr[i];
        if (!str_eq(o->namespace_name, namespace_name)) {
            continue;
        }
        if (!own) {
            own = NEW(arena, struct config, 1);
            *own = *config;
        }
        check(!set_row(own, &rows[o->row], o->value, NULL)); /* was accepted once */
    }
    return own ? own : config;
}

enum err config_set(
        struct config *config, struct arena *arena, struct str assignment, struct fail *f)
{
    struct str value, namespace_name;
    struct str key = str_split(assignment, '=', &value);
    const struct row *row = find_row(key);
    const struct row *override = row ? NULL : find_override(key, &namespace_name);
    if (override) {
        return add_override(config, arena, override, namespace_name, value, f);
    }
    if (key.len == assignment.len) {
        return fail(f, ERR_INVALID_ARGUMENT, "'" STR_FMT "' is not of the form key=value",
                STR_ARG(assignment));
    }
    if (!row) {
        return fail(f, ERR_INVALID_ARGUMENT, "unknown key '" STR_FMT "'", STR_ARG(key));
    }
    enum err err = set_row(config, row, str_dup(arena, value), f);
    if (!err) {
        config->places[row - rows] = (struct config_place){ 0 };
    }
    return err;
}

enum err config_fail(
        const struct config *config, const char *key, struct fail *f, const char *fmt, ...)
{
    const struct row *row = find_row(str_from_cstr(key));
    char text[400], at[80] = "";
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    check(row);
    const struct config_place *place = &config->places[row - rows];
    if (!place->line) {
        return fail(f, ERR_INVALID_ARGUMENT, "%s: %s", key, text);
    }
    snprintf(at, sizeof(at), "line %d, column %d", place->line, place->column);
    return fail(
            f, ERR_INVALID_ARGUMENT, STR_FMT ": %s: %s: %s", STR_ARG(config->file), at, key, text);
}

static enum err place(struct str file, const struct yaml_value *v, const char *text, struct fail *f)
{
    return fail(f, ERR_INVALID_ARGUMENT, STR_FMT ": line %d, column %d: %s", STR_ARG(file), v->line,
            v->column, text);
}

static enum err parse_override(struct config *config, struct arena *arena, struct str file,
        const struct yaml_value *v, struct fail *f)
{
    struct str namespace_name;
    struct fail inner = { 0 };
    const struct row *row = find_override(v->key, &namespace_name);
    if (!row) {
        return place(
                file, v, str_printf(arena, "unknown key '" STR_FMT "'", STR_ARG(v->key)).ptr, f);
    }
    enum err err = add_override(config, arena, row, namespace_name, v->value, &inner);
    return err ? place(file, v, inner.message, f) : ERR_NONE;
}

enum err config_parse(struct config *config, struct arena *arena, struct str file_name,
        struct str text, struct fail *f)
{
    struct yaml_doc doc;
    struct fail inner = { 0 };
    config->file = str_dup(arena, file_name);
    enum err err = yaml_parse(text, arena, &doc, &inner);
    if (err) {
        return fail(f, err, STR_FMT ": %s", STR_ARG(file_name), inner.message);
    }
    for (size_t i = 0; i < doc.values.len; i++) {
        const struct yaml_value *v = &doc.values.ptr[i];
        const struct row *row = find_row(v->key);
        for (size_t j = 0; j < i; j++) {
            if (str_eq(doc.values.ptr[j].key, v->key)) {
                return place(file_name, v,
                        str_printf(arena, STR_FMT " is set twice", STR_ARG(v->key)).ptr, f);
            }
        }
        if (!row) {
            err = parse_override(config, arena, file_name, v, f);
            if (err) {
                return err;
            }
            continue;
        }
        if (set_row(config, row, v->value, &inner)) {
            return place(file_name, v, inner.message, f);
        }
        config->places[row - rows] = (struct config_place){ v->line, v->column };
    }
    return ERR_NONE;
}

enum err config_read_file(
        struct config *config, struct arena *arena, const char *path, struct fail *f)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        return fail(f, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    }
    size_t max = (1 << 20) + 1;
    char *text = arena_alloc(arena, max, 1);
    size_t n = fread(text, 1, max, file);
    bool broken = ferror(file);
    fclose(file);
    if (broken) {
        return fail(f, ERR_INVALID_ARGUMENT, "%s: cannot be read", path);
    }
    return config_parse(config, arena, str_from_cstr(path), str_of(text, n), f);
}

/* The bytes of the UTF-8 character at the front; *code gets its number. The text is valid. */
static size_t first_character(struct str text, uint32_t *code)
{
    unsigned char c = (unsigned char)text.ptr[0];
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    *code = n == 1 ? c : c & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        *code = *code << 6 | ((unsigned char)text.ptr[i] & 0x3f);
    }
    return n;
}

/* YAML folds or refuses some characters beyond ASCII when they stand for themselves. */
static void print_quoted(struct str text, FILE *out)
{
    fputc('"', out);
    while (text.len) {
        uint32_t c;
        size_t n = first_character(text, &c);
        if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", (char)c);
        } else if ((c >= 0x7f && c <= 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
                   (c & 0xfffe) == 0xfffe) {
            fprintf(out, "\\U%08X", c);
        } else {
            fwrite(text.ptr, 1, n, out);
        }
        text = str_drop(text, n);
    }
    fputc('"', out);
}

static void print_value(const struct row *row, const void *at, FILE *out)
{
    switch (row->type) {
    case TYPE_STR:
        print_quoted(*(const struct str *)at, out);
        return;
    case TYPE_INT:
    case TYPE_SIZE:
        fprintf(out, "%lld", (long long)*(const int64_t *)at);
        return;
    case TYPE_BOOL:
        fprintf(out, "%s", *(const bool *)at ? "true" : "false");
        return;
    case TYPE_TIME:
        fprintf(out, "%lldms", (long long)duration_ms(*(const struct duration *)at));
        return;
    }
}

/* Prints what differs in the path from the key before, so that the nesting comes out as YAML. */
static void print_path(const char *before, const char *key, FILE *out)
{
    size_t same = 0;
    for (size_t i = 0; key[i] && key[i] == before[i]; i++) {
        same = key[i] == '.' ? i + 1 : same;
    }
    int depth = 0;
    for (size_t i = 0; i < same; i++) {
        depth += key[i] == '.';
    }
    for (const char *rest = key + same, *dot; (dot = strchr(rest, '.')); rest = dot + 1) {
        fprintf(out, "%*s%.*s:\n", depth++ * 2, "", (int)(dot - rest), rest);
    }
}

static void print_overrides(const struct config *config, FILE *out)
{
    for (size_t i = 0; i < config->overrides.len; i++) {
        const struct config_override *o = &config->overrides.ptr[i];
        const struct row *row = &rows[o->row];
        bool is_last = true;
        for (size_t j = i + 1; j < config->overrides.len; j++) {
            const struct config_override *p = &config->overrides.ptr[j];
            is_last =
                    is_last && !(p->row == o->row && str_eq(p->namespace_name, o->namespace_name));
        }
        if (is_last) {
            fprintf(out, "\"namespaces." STR_FMT ".%s\": ", STR_ARG(o->namespace_name), row->key);
            print_quoted(o->value, out);
            fprintf(out, "\n");
        }
    }
}

void config_print(const struct config *config, FILE *out)
{
    const char *before = "";
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        int depth = 0;
        for (const char *c = row->key; *c; c++) {
            depth += *c == '.';
        }
        const char *leaf = strrchr(row->key, '.');
        print_path(before, row->key, out);
        fprintf(out, "%*s# %s\n", depth * 2, "", row->doc);
        fprintf(out, "%*s%s: ", depth * 2, "", leaf ? leaf + 1 : row->key);
        print_value(row, (const char *)config + row->offset, out);
        fprintf(out, "\n");
        before = row->key;
    }
    print_overrides(config, out);
}
