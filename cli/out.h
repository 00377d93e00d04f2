/* What commands print: headings, cards, tables and JSON, in the form and colours that were asked for. Everything goes
 * to standard output through one buffer. */
#pragma once

#include "common/apijson/api_json.h"
#include "common/base/vec.h"

enum out_form { OUT_TEXT, OUT_JSON, OUT_JSONL, OUT_NONE };
enum out_times { TIMES_RELATIVE, TIMES_ISO, TIMES_RAW };
enum out_color {
    COLOR_PLAIN,
    COLOR_HEADING,
    COLOR_GOOD,
    COLOR_BAD,
    COLOR_WARN,
    COLOR_START,
    COLOR_DIM
};

struct out {
    struct arena *arena;
    struct buf text; /* not yet written */
    enum out_form form;
    enum out_times times;
    bool has_color, shorthand;
    bool in_list;
    size_t listed; /* values printed in the list */
};

void out_init(struct out *out, struct arena *arena);
/* Writes what there is. A reader that has gone away ends the process quietly. */
void out_flush(struct out *out);
void out_deinit(struct out *out);

static inline bool out_is_json(const struct out *out)
{
    return out->form == OUT_JSON || out->form == OUT_JSONL;
}

/* Only as text. */
void out_line(struct out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out_heading(struct out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out_done(struct out *out, const char *fmt, ...)
        __attribute__((format(printf, 2, 3))); /* in green */
struct str out_colored(struct out *out, enum out_color color, struct str text);
struct str out_time(struct out *out, struct instant t);
struct str out_duration(struct out *out, struct duration d);

/* A card: names and values one below the other. */
struct card {
    struct out *out;
    struct card_row {
        const char *name;
        struct str value;
    } rows[48];
    size_t count;
};

void card_begin(struct card *card, struct out *out);
void card_text(struct card *card, const char *name, struct str value);
void card_int(struct card *card, const char *name, int64_t value);
void card_bool(struct card *card, const char *name, bool value);
/* Left out when empty, absent or zero. */
void card_opt(struct card *card, const char *name, struct str value);
void card_opt_time(struct card *card, const char *name, struct instant t);
void card_print(struct card *card);

/* A table: column names, then cells row by row. A name that ends in '#' is a column of numbers. */
struct table {
    struct out *out;
    const char *const *names;
    size_t columns;
    VEC(struct str) cells;
};

void table_begin(struct table *table, struct out *out, const char *const *names, size_t columns);
void table_cell(struct table *table, struct str value);
void table_print(struct table *table, bool with_names);

/* JSON: a list of values, each printed on its own ("[", commas and "]" only in the form with indents). */
void out_list_begin(struct out *out);
void out_list_end(struct out *out);
/* A message as it is. */
void out_message(struct out *out, struct message_ref message);
/* As text of one line. */
struct str out_json_of(struct out *out, struct message_ref message, bool shorthand, int indent);

/* An object of our own: members in turn. */
struct object {
    struct out *out;
    struct buf text;
    size_t count;
};

void object_begin(struct object *object, struct out *out);
void object_text(struct object *object, const char *name, struct str value);
void object_opt(struct object *object, const char *name, struct str value);
void object_int(struct object *object, const char *name, int64_t value);
/* A message, its inner lines indented for this place. */
void object_message(
        struct object *object, const char *name, struct message_ref message, bool shorthand);
void object_json(struct object *object, const char *name, struct str json);
void object_print(struct object *object);
