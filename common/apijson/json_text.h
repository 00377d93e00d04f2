/* JSON as text: a strict scanner, strings both ways, and layout. No recursion; nesting is bounded. */
#pragma once

#include "common/base/arena.h"
#include "common/base/buf.h"

enum { JSON_DEPTH_MAX = 200 };

enum json_token_kind {
    JSON_END, /* of the text */
    JSON_BAD,
    JSON_OPEN_OBJECT,
    JSON_CLOSE_OBJECT,
    JSON_OPEN_LIST,
    JSON_CLOSE_LIST,
    JSON_COLON,
    JSON_COMMA,
    JSON_TEXT, /* with its quotes */
    JSON_DIGITS,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NIL,
};

struct json_token {
    enum json_token_kind kind;
    struct str text;
};

/* Takes the next token off the front of *in. Knows what a token is, not which may follow which. */
struct json_token json_token_next(struct str *in);
/* Exactly one value and white space. */
bool json_is_valid(struct str text);
/* One value off the front of *in, delimited, white space before it left out; false: none, or not well-formed. */
bool json_take_value(struct str *in, struct str *value);

/* The text of a JSON string (with its quotes), escapes resolved; a lone surrogate becomes U+FFFD. */
struct str json_unquote(struct arena *arena, struct str quoted);
/* With quotes. Bytes that are not UTF-8 become U+FFFD. */
void json_quote(struct buf *out, struct str text);
/* A shortest number that reads back as the same; not a number and infinities as the texts "NaN", "Infinity". */
void json_number(struct buf *out, double value);

/* A line break and 2 spaces per level; indent < 0: nothing. */
void json_break(struct buf *out, int indent);
/* A well-formed value laid out anew: on one line (indent < 0), or with its inner lines at indent + 1 and deeper. */
void json_layout(struct buf *out, struct str value, int indent);
