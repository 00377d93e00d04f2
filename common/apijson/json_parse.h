/* Between json_parse.c and json_parse_special.c. */
#pragma once

#include "common/apijson/api_json.h"
#include "common/apijson/json_text.h"

/* The text has been found well-formed and bounded in depth; what is checked on the way is whether values fit. */
struct json_parser {
    struct arena *arena;
    struct buf *out;
    struct fail *f;
    const char *path; /* of the field that is being read, for errors */
};

/* An object's next member, its text behind its braces being *rest. */
bool json_next_member(struct json_parser *p, struct str *rest, struct str *key, struct str *value);
/* A list's next item. */
bool json_next_item(struct str *rest, struct str *value);

enum err json_misfit(struct json_parser *p, struct str value, const char *wanted) MUST_USE;
/* A message's fields, without tag and length. */
enum err json_parse_message(
        struct json_parser *p, const struct api_type *type, struct str value) MUST_USE;
enum err json_parse_special(
        struct json_parser *p, const struct api_type *type, struct str value) MUST_USE;
