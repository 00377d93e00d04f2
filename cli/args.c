/* Parses command lines by a table of flags. Knows nothing of what the flags mean. */
#include "cli/args.h"

#include <stdio.h>

static const struct flag *find_long(const struct flag *flags, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(name, str_from_cstr(flags[i].name))) {
            return &flags[i];
        }
    }
    return NULL;
}

static const struct flag *find_letter(const struct flag *flags, size_t count, char letter)
{
    for (size_t i = 0; i < count; i++) {
        if (flags[i].letter && flags[i].letter == letter) {
            return &flags[i];
        }
    }
    return NULL;
}

static enum err set_int(const struct flag *flag, struct str value, struct fail *f)
{
    int64_t n;
    if (!str_to_i64(value, &n) || n < flag->min || n > flag->max) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "--%s: '" STR_FMT "' is not a whole number from %lld to %lld", flag->name,
                STR_ARG(value), (long long)flag->min, (long long)flag->max);
    }
    *(int64_t *)flag->target = n;
    return ERR_NONE;
}

static enum err set_switch(
        const struct flag *flag, bool has_value, struct str value, struct fail *f)
{
    bool on = !has_value || str_eq(value, STR("true"));
    if (has_value && !on && !str_eq(value, STR("false"))) {
        return fail(f, ERR_INVALID_ARGUMENT, "--%s: '" STR_FMT "' is not true or false", flag->name,
                STR_ARG(value));
    }
    *(bool *)flag->target = on;
    return ERR_NONE;
}

static enum err set_flag(
        const struct flag *flag, struct arena *arena, struct str value, struct fail *f)
{
    struct flag_list *list = flag->target;
    switch (flag->kind) {
    case FLAG_STR:
        *(struct str *)flag->target = value;
        return ERR_NONE;
    case FLAG_INT:
        return set_int(flag, value, f);
    case FLAG_LIST:
        vec_push(arena, &list->items, value);
        return ERR_NONE;
    case FLAG_SWITCH:
        return set_switch(flag, true, value, f);
    }
    return ERR_NONE;
}

/* The flag that a word names; *value gets what stands behind "=". */
static const struct flag *match(
        const struct flag *flags, size_t count, struct str word, struct str *value, bool *has_value)
{
    if (str_starts_with(word, STR("--"))) {
        struct str name = str_split(str_drop(word, 2), '=', value);
        *has_value = name.len + 2 < word.len;
        return find_long(flags, count, name);
    }
    *has_value = word.len > 2;
    *value = str_drop(word, word.len > 2 && word.ptr[2] == '=' ? 3 : 2);
    return find_letter(flags, count, word.ptr[1]);
}

enum err args_parse(int argc, char **argv, const struct flag *flags, size_t flag_count,
        struct arena *arena, struct flag_list *words, struct fail *f)
{
    bool flags_ended = false;
    for (int i = 0; i < argc; i++) {
        struct str word = str_from_cstr(argv[i]), value;
        bool has_value;
        if (!flags_ended && str_eq(word, STR("--"))) {
            flags_ended = true;
            continue;
        }
        if (flags_ended || word.len < 2 || word.ptr[0] != '-') {
            if (!words) {
                return fail(f, ERR_INVALID_ARGUMENT, "unexpected argument '%s'", argv[i]);
            }
            vec_push(arena, &words->items, word);
            continue;
        }
        const struct flag *flag = match(flags, flag_count, word, &value, &has_value);
        if (!flag) {
            return fail(f, ERR_INVALID_ARGUMENT, "unknown flag '%s'", argv[i]);
        }
        if (flag->kind == FLAG_SWITCH) {
            if (set_switch(flag, has_value, value, f)) {
                return ERR_INVALID_ARGUMENT;
            }
            continue;
        }
        if (!has_value && i + 1 == argc) {
            return fail(f, ERR_INVALID_ARGUMENT, "--%s needs a value", flag->name);
        }
        value = has_value ? value : str_from_cstr(argv[++i]);
        if (set_flag(flag, arena, value, f)) {
            return ERR_INVALID_ARGUMENT;
        }
    }
    return ERR_NONE;
}

void args_print_help(const struct flag *flags, size_t flag_count)
{
    for (size_t i = 0; i < flag_count; i++) {
        if (!flags[i].doc) {
            continue;
        }
        char head[80];
        char letter[8] = "    ";
        if (flags[i].letter) {
            snprintf(letter, sizeof(letter), "-%c, ", flags[i].letter);
        }
        snprintf(head, sizeof(head), "%s--%s%s%s", letter, flags[i].name,
                flags[i].value_name ? " " : "", flags[i].value_name ? flags[i].value_name : "");
        printf("  %-42s %s\n", head, flags[i].doc);
    }
}
