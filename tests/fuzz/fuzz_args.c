/* Command lines, one word a line, against a table with a flag of every kind. The first byte says what words
 * beside the flags are: 0 bit clear: errors. What is accepted means the same when written out in full. */
#include "tests/fuzz/fuzz.h"

#include "cli/args.h"

enum { WORDS_MAX = 256 };

struct values {
    struct str text, other;
    int64_t number, small;
    bool on, off;
    struct flag_list list, words;
};

enum { FLAG_COUNT = 7 };

static void make_flags(struct values *v, struct flag *flags)
{
    const struct flag rows[FLAG_COUNT] = {
        { "text", 't', FLAG_STR, &v->text, 0, 0, "TEXT", "a text" },
        { "text-other", 0, FLAG_STR, &v->other, 0, 0, "TEXT", "a text without a letter" },
        { "number", 'n', FLAG_INT, &v->number, INT64_MIN, INT64_MAX, "N", "any number" },
        { "small", 0, FLAG_INT, &v->small, 1, 65535, "N", "a bounded number" },
        { "on", 'o', FLAG_SWITCH, &v->on, 0, 0, NULL, "a switch" },
        { "off", 'x', FLAG_SWITCH, &v->off, 0, 0, NULL, "a switch that is on" },
        { "list", 'l', FLAG_LIST, &v->list, 0, 0, "ITEM", "repeatable" },
    };
    memcpy(flags, rows, sizeof(rows));
}

static enum err parse(
        struct values *v, int argc, char **argv, bool words, struct arena *arena, struct fail *f)
{
    struct flag flags[FLAG_COUNT];
    *v = (struct values){ .small = 1, .off = true };
    make_flags(v, flags);
    return args_parse(argc, argv, flags, FLAG_COUNT, arena, words ? &v->words : NULL, f);
}

static void check_same_list(const struct flag_list *a, const struct flag_list *b)
{
    check(a->items.len == b->items.len);
    for (size_t i = 0; i < a->items.len; i++) {
        check(str_eq(a->items.ptr[i], b->items.ptr[i]));
    }
}

static char *word_of(struct arena *arena, const char *flag, struct str value)
{
    return (char *)str_printf(arena, "--%s=" STR_FMT, flag, STR_ARG(value)).ptr;
}

/* The same values as one canonical command line. */
static int write_out(const struct values *v, struct arena *arena, char **argv)
{
    int n = 0;
    argv[n++] = word_of(arena, "text", v->text);
    argv[n++] = word_of(arena, "text-other", v->other);
    argv[n++] = word_of(arena, "number", str_printf(arena, "%lld", (long long)v->number));
    argv[n++] = word_of(arena, "small", str_printf(arena, "%lld", (long long)v->small));
    argv[n++] = word_of(arena, "on", v->on ? STR("true") : STR("false"));
    argv[n++] = word_of(arena, "off", v->off ? STR("true") : STR("false"));
    for (size_t i = 0; i < v->list.items.len; i++) {
        argv[n++] = word_of(arena, "list", v->list.items.ptr[i]);
    }
    argv[n++] = (char *)"--";
    for (size_t i = 0; i < v->words.items.len; i++) {
        argv[n++] = (char *)str_cstr(arena, v->words.items.ptr[i]);
    }
    return n;
}

static void check_written_out(const struct values *v, bool words, struct arena *arena)
{
    char *argv[WORDS_MAX + FLAG_COUNT + 2];
    struct values again;
    struct fail f = { 0 };
    int argc = write_out(v, arena, argv);
    check(parse(&again, argc, argv, words, arena, &f) == ERR_NONE);
    check(str_eq(v->text, again.text) && str_eq(v->other, again.other));
    check(v->number == again.number && v->small == again.small);
    check(v->on == again.on && v->off == again.off);
    check_same_list(&v->list, &again.list);
    check_same_list(&v->words, &again.words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = { 0 };
    struct values v;
    struct fail f = { 0 };
    char *argv[WORDS_MAX];
    int argc = 0;
    if (size == 0) {
        return 0;
    }
    bool words = data[0] & 1;
    struct str rest = str_of(data + 1, size - 1);
    while (rest.len && argc < WORDS_MAX) {
        argv[argc++] = (char *)str_cstr(&arena, str_split(rest, '\n', &rest));
    }
    if (parse(&v, argc, argv, words, &arena, &f)) {
        check(f.err == ERR_INVALID_ARGUMENT && f.message[0]);
    } else {
        check(v.small >= 1 && v.small <= 65535);
        check_written_out(&v, words, &arena);
    }
    arena_deinit(&arena);
    return 0;
}
