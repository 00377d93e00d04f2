/* The API's messages as JSON, as its users know it: protobuf's mapping (lowerCamelCase, enums by full name, 64-bit
 * integers as texts, RFC 3339, "3.500s", base64), and the shorthand in which payloads are shown as the values that they
 * hold. Both ways; recursion is bounded by JSON_DEPTH_MAX. */
#pragma once

#include "common/apijson/message.h"
#include "common/base/err.h"

struct json_style {
    int indent;     /* level of the outer braces; < 0: on one line */
    bool shorthand; /* payloads as values, where every one of a list can be */
};

/* False: the bytes are malformed, or nested too deeply. What was written until then stays in *out. */
bool api_json_print(struct buf *out, struct message_ref message, const struct json_style *style);

/* The message's bytes are appended to *out. Unknown fields are skipped; enums may have their short names. */
enum err api_json_parse(struct arena *arena, struct str text, const struct api_type *type,
        struct buf *out, struct fail *f) MUST_USE;
