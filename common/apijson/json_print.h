/* Between json_print.c, json_print_special.c and payload.c. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "common/apijson/api_json.h"
#include "common/apijson/json_text.h"

struct json_printer {
    struct buf *out;
    struct arena *arena;
    int depth;
    bool shorthand;
};

static inline int json_deeper(int indent)
{
    return indent < 0 ? indent : indent + 1;
}

/* The comma and the line break before an item; before a key and its colon. */
void json_printer_item(struct json_printer *p, size_t before, int indent);
void json_printer_key(struct json_printer *p, struct str key, size_t before, int indent);
/* A message's fields without braces; *count is how many keys have been written already. */
bool json_printer_fields(struct json_printer *p, struct message_ref m, int indent, size_t *count);
bool json_printer_object(struct json_printer *p, struct message_ref m, int indent);
/* False: it has no short form, and nothing was written. */
bool json_print_shorthand(struct json_printer *p, struct message_ref m, int indent);
/* In json_print_special.c: a Timestamp's and a Duration's bytes, a FieldMask. */
void json_print_timestamp(struct buf *out, struct str bytes);
void json_print_duration(struct buf *out, struct str bytes);
void json_print_field_mask(struct json_printer *p, struct message_ref m);
