/* The little of JSON that the server itself looks at: one value, its kind, the items of a list. Pure, borrowed bytes;
 * nested values are walked without recursion. */
#pragma once

#include "common/base/str.h"

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_value {
    enum json_kind kind;
    struct str
            text; /* a string: between its quotes, escapes as written; a list: between its brackets; else all */
};

/* False: not exactly one well-formed value (objects, and lists within lists, are only delimited). */
bool json_parse(struct str text, struct json_value *ret);
/* The next item of a list's text; false: no more. Items of a parsed list are well-formed. */
bool json_next(struct str *list, struct json_value *ret);
bool json_is_int64(struct str number);
/* RFC 3339 with a zone, as a string's text. */
bool json_is_time(struct str text);
