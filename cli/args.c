/* Parses command lines by a table of flags. Knows nothing of what the flags mean. */
#include "cli/args.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/model/time_text.h"

static const struct flag *find_long(const struct flag *flags, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(name, str_from_cstr(flags[i].name)) ||
                (flags[i].alias && str_eq(name, str_from_cstr(flags[i].alias)))) {
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

static enum err set_switch(const struct flag *flag, struct str value, struct fail *f)
{
    bool on = str_eq(value, STR("true")) || str_eq(value, STR("1"));
    if (!on && !str_eq(value, STR("false")) && !str_eq(value, STR("0"))) {
        return fail(f, ERR_INVALID_ARGUMENT, "--%s: '" STR_FMT "' is not true or false", flag->name,
                STR_ARG(value));
    }
    *(bool *)flag->target = on;
    return ERR_NONE;
}

/* The choice as the table writes it. */
static enum err set_choice(
        const struct flag *flag, struct arena *arena, struct str value, struct fail *f)
{
    struct str rest = str_from_cstr(flag->choices);
    while (rest.len) {
        struct str choice = str_split(rest, '|', &rest);
        if (str_eq_nocase(choice, value)) {
            *(struct str *)flag->target = choice;
            return ERR_NONE;
        }
    }
    char *list = (char *)(uintptr_t)str_cstr(arena, str_from_cstr(flag->choices));
    for (char *c = list; *c; c++) {
        *c = *c == '|' ? ' ' : *c;
    }
    return fail(f, ERR_INVALID_ARGUMENT, "--%s: '" STR_FMT "' is none of: %s", flag->name,
            STR_ARG(value), list);
}

static enum err set_span(const struct flag *flag, struct str value, struct fail *f)
{
    struct duration d;
    if (!duration_parse(value, &d) || d.ns < 0) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "--%s: '" STR_FMT "' is not a duration (300ms, 10s, 1h30m)", flag->name,
                STR_ARG(value));
    }
    *(struct duration *)flag->target = d;
    return ERR_NONE;
}

static enum err set_double(
        const struct flag *flag, struct arena *arena, struct str value, struct fail *f)
{
    char *end;
    const char *text = str_cstr(arena, value);
    double d = strtod(text, &end);
    if (end == text || *end || d != d) {
        return fail(f, ERR_INVALID_ARGUMENT, "--%s: '" STR_FMT "' is not a number", flag->name,
                STR_ARG(value));
    }
    *(double *)flag->target = d;
    return ERR_NONE;
}

enum err args_set(const struct flag *flag, struct arena *arena, struct str value, struct fail *f)
{
    struct flag_list *list = flag->target;
    if (flag->is_given) {
        *flag->is_given = true;
    }
    switch (flag->kind) {
    case FLAG_STR:
        if (flag->choices) {
            return set_choice(flag, arena, value, f);
        }
        *(struct str *)flag->target = value;
        return ERR_NONE;
    case FLAG_INT:
        return set_int(flag, value, f);
    case FLAG_LIST:
        vec_push(arena, &list->items, value);
        return ERR_NONE;
    case FLAG_SWITCH:
        return set_switch(flag, value, f);
    case FLAG_DURATION:
        return set_span(flag, value, f);
    case FLAG_DOUBLE:
        return set_double(flag, arena, value, f);
    }
    return ERR_NONE;
}

enum { WORD_BYTES_MAX = 64 };

/* How many letters have to be put in, left out or changed (Levenshtein). */
static size_t distance(struct str a, struct str b)
{
    size_t row[WORD_BYTES_MAX + 1];
    for (size_t i = 0; i <= b.len; i++) {
        row[i] = i;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t k = 1; k <= b.len; k++) {
            size_t best = corner + (a.ptr[i - 1] != b.ptr[k - 1]);
            best = row[k] + 1 < best ? row[k] + 1 : best;
            best = row[k - 1] + 1 < best ? row[k - 1] + 1 : best;
            corner = row[k];
            row[k] = best;
        }
    }
    return row[b.len];
}

const char *args_nearest(struct str word, const char *const *words, size_t count)
{
    const char *best = NULL;
    size_t best_distance = word.len / 3 + 2;
    for (size_t i = 0; i < count && word.len <= WORD_BYTES_MAX; i++) {
        struct str candidate = str_from_cstr(words[i]);
        bool is_beginning = word.len >= 3 && str_starts_with(candidate, word);
        size_t d = candidate.len > WORD_BYTES_MAX ? WORD_BYTES_MAX : distance(word, candidate);
        d = is_beginning ? 1 : d;
        if (d < best_distance) {
            best_distance = d;
            best = words[i];
        }
    }
    return best;
}

static enum err unknown_flag(const char *word, const struct flag *flags, size_t count,
        struct arena *arena, struct fail *f)
{
    struct str value, name = str_split(str_from_cstr(word), '=', &value);
    const char **names = NEW(arena, const char *, count + 1);
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        names[i] = flags[i].name;
    }
    if (str_starts_with(name, STR("--"))) {
        nearest = args_nearest(str_drop(name, 2), names, count);
    }
    return fail(f, ERR_INVALID_ARGUMENT,
            nearest ? "unknown flag '%s'; did you mean --%s?" : "unknown flag '%s'", word, nearest);
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
            return unknown_flag(argv[i], flags, flag_count, arena, f);
        }
        if (flag->kind == FLAG_SWITCH) {
            if (args_set(flag, arena, has_value ? value : STR("true"), f)) {
                return ERR_INVALID_ARGUMENT;
            }
            continue;
        }
        if (!has_value && i + 1 == argc) {
            return fail(f, ERR_INVALID_ARGUMENT, "--%s needs a value", flag->name);
        }
        value = has_value ? value : str_from_cstr(argv[++i]);
        if (args_set(flag, arena, value, f)) {
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
