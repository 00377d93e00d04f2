/* Command-line flags from a table: --name value, --name=value, -n value; switches take no value. A name that is not in
 * the table is answered with the one that it looks like. */
#pragma once

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/time.h"
#include "common/base/vec.h"

enum flag_kind {
    FLAG_STR,      /* struct str */
    FLAG_INT,      /* int64_t, within min..max */
    FLAG_SWITCH,   /* bool; --name, --name=false */
    FLAG_LIST,     /* struct flag_list: repeatable */
    FLAG_DURATION, /* struct duration, as Go writes it; 0 and more */
    FLAG_DOUBLE,
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
    const char *alias;            /* a second name; NULL: none */
    const char *choices;          /* of a text: "a|b|c", letters of either case; NULL: anything */
    bool *is_given;               /* may be NULL */
};

/* Values borrow argv. Words that are not flags go to `words`; NULL: they are errors. "--" ends the
 * flags. */
enum err args_parse(int argc, char **argv, const struct flag *flags, size_t flag_count,
        struct arena *arena, struct flag_list *words, struct fail *f) MUST_USE;
void args_print_help(const struct flag *flags, size_t flag_count);
/* Of the words, the one that was probably meant; NULL: none is near. */
const char *args_nearest(struct str word, const char *const *words, size_t count);
/* Sets the flag as if the command line had said so. */
enum err args_set(
        const struct flag *flag, struct arena *arena, struct str value, struct fail *f) MUST_USE;
