/* Command-line flags from a table: --name value, --name=value, -n value; switches take no value. */
#pragma once

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/vec.h"

enum flag_kind {
    FLAG_STR,    /* struct str */
    FLAG_INT,    /* int64_t, within min..max */
    FLAG_SWITCH, /* bool; --name, --name=false */
    FLAG_LIST,   /* struct flag_list: repeatable */
};

struct flag_list {
    VEC(struct str) items;
};

struct flag {
    const char *name; /* without dashes */
    char letter;      /* 0: none */
    enum flag_kind kind;
    void *target; /* set when the flag is given; the caller fills in defaults before */
    int64_t min, max;
    const char *value_name, *doc; /* for the help text; doc NULL: not shown there */
};

/* Values borrow argv. Words that are not flags go to `words`; NULL: they are errors. "--" ends the
 * flags. */
enum err args_parse(int argc, char **argv, const struct flag *flags, size_t flag_count,
        struct arena *arena, struct flag_list *words, struct fail *f) MUST_USE;
void args_print_help(const struct flag *flags, size_t flag_count);
