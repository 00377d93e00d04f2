/* Text of a configuration file, or with a leading '=' one override per line. What is refused is refused
 * with a place; what is accepted is within its bounds and reads back from its print. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#include "common/config/config.h"

static bool same_STR(struct str a, struct str b)
{
    return str_eq(a, b);
}

static bool same_INT(int64_t a, int64_t b)
{
    return a == b;
}

static bool same_BOOL(bool a, bool b)
{
    return a == b;
}

static bool same_SIZE(int64_t a, int64_t b)
{
    return a == b;
}

static bool same_TIME(struct duration a, struct duration b)
{
    return a.ns == b.ns;
}

static void check_same(const struct config *a, const struct config *b)
{
#define CONFIG(field, key, type, def, min, max, doc) check(same_##type(a->field, b->field));
#include "common/config/config.def"
#undef CONFIG
}

static int64_t amount_STR(struct str v)
{
    return 0;
}

static int64_t amount_BOOL(bool v)
{
    return 0;
}

static int64_t amount_INT(int64_t v)
{
    return v;
}

static int64_t amount_SIZE(int64_t v)
{
    return v;
}

static int64_t amount_TIME(struct duration v)
{
    return duration_ms(v);
}

static void check_bounds(const struct config *c)
{
#define CONFIG(field, key, type, def, min, max, doc) \
    check(amount_##type(c->field) >= (min) && amount_##type(c->field) <= (max));
#include "common/config/config.def"
#undef CONFIG
}

static void check_reads_back(const struct config *config)
{
    struct arena arena = { 0 };
    struct config back;
    struct fail f = { 0 };
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    check(out);
    config_print(config, out);
    fclose(out);
    config_init(&back);
    check(config_parse(&back, &arena, STR("print"), str_of(text, len), &f) == ERR_NONE);
    check_same(config, &back);
    free(text);
    arena_deinit(&arena);
}

/* "fuzz.yaml: line L, column C: ..." with a place that the text has, or one of the two without. */
static void check_message(const char *message, struct str text)
{
    size_t lines = 1;
    unsigned line, column;
    for (size_t i = 0; i < text.len; i++) {
        lines += text.ptr[i] == '\n' || text.ptr[i] == '\r' || (unsigned char)text.ptr[i] >= 0x80;
    }
    if (sscanf(message, "fuzz.yaml: line %u, column %u: ", &line, &column) == 2) {
        check(line >= 1 && line <= lines + 1 && column >= 1 && column <= text.len + 1);
        return;
    }
    check(sscanf(message, "fuzz.yaml: byte %u: ", &column) == 1 ||
            !strcmp(message, "fuzz.yaml: larger than 1 MiB"));
}

static void set_each(struct config *config, struct arena *arena, struct str lines)
{
    while (lines.len) {
        struct fail f = { 0 };
        struct str line = str_split(lines, '\n', &lines);
        if (config_set(config, arena, line, &f)) {
            check(f.err == ERR_INVALID_ARGUMENT && f.message[0]);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = { 0 };
    struct config config;
    struct fail f = { 0 };
    struct str text = str_of(data, size);
    arena_init(&arena, (size_t)64 << 20);
    config_init(&config);
    enum err err = ERR_NONE;
    if (size && data[0] == '=') {
        set_each(&config, &arena, str_drop(text, 1));
    } else {
        err = config_parse(&config, &arena, STR("fuzz.yaml"), text, &f);
    }
    if (err) {
        check(err == ERR_INVALID_ARGUMENT && f.err == err);
        check_message(f.message, text);
    } else {
        check_bounds(&config);
        check_reads_back(&config);
    }
    arena_deinit(&arena);
    return 0;
}
