/* The shorthand of payloads: the value that one holds instead of its encoding and bytes. For output. A list becomes a
 * list of values only when each of its payloads has a short form; otherwise it stays {"payloads": [...]}, as the
 * reference does. */
#include "common/apijson/json_print.h"

struct short_payload {
    struct str data;         /* JSON; empty for null */
    struct str message_type; /* of json/protobuf */
    bool is_null;
};

static bool short_payload_of(struct message_ref payload, struct short_payload *ret)
{
    struct str encoding = { "", 0 }, message_type = { "", 0 };
    struct message_iter iter = message_each(payload, "metadata");
    struct message_value v;
    size_t entries = 0;
    while (message_next(&iter, &v)) {
        struct str key = message_text(message_of(&v), "key"),
                   value = message_text(message_of(&v), "value");
        entries++;
        if (str_eq(key, STR("encoding"))) {
            encoding = value;
        } else if (str_eq(key, STR("messageType"))) {
            message_type = value;
        }
    }
    struct str data = message_text(payload, "data");
    *ret = (struct short_payload){ str_trim(data), message_type,
        str_eq(encoding, STR("binary/null")) };
    if (message_has(payload, "external_payloads")) {
        return false;
    }
    if (ret->is_null) {
        return entries == 1 && !data.len;
    }
    if (str_eq(encoding, STR("json/protobuf"))) {
        return entries == 2 && message_type.len && data.len && ret->data.ptr[0] == '{' &&
               json_is_valid(data);
    }
    return str_eq(encoding, STR("json/plain")) && entries == 1 && json_is_valid(data);
}

/* {"_protoMessageType": ..., then the object's own members}. */
static void print_proto(struct json_printer *p, const struct short_payload *s, int indent)
{
    struct str members = str_trim(str_of(s->data.ptr + 1, s->data.len - 2));
    buf_append_byte(p->out, '{');
    json_printer_key(p, STR("_protoMessageType"), 0, json_deeper(indent));
    json_quote(p->out, s->message_type);
    if (members.len) {
        struct buf rest;
        buf_init_arena(&rest, p->arena, p->out->max);
        json_layout(&rest, s->data, indent);
        buf_append_byte(p->out, ',');
        buf_append(p->out, rest.ptr + 1, rest.len - 1); /* without its opening brace */
        return;
    }
    json_break(p->out, indent);
    buf_append_byte(p->out, '}');
}

static void print_short(struct json_printer *p, const struct short_payload *s, int indent)
{
    if (s->is_null) { /* not null: that is the value of a JSON payload */
        buf_append_byte(p->out, '{');
        json_printer_key(p, STR("metadata"), 0, json_deeper(indent));
        buf_append_byte(p->out, '{');
        json_printer_key(p, STR("encoding"), 0, json_deeper(json_deeper(indent)));
        json_quote(p->out, STR("YmluYXJ5L251bGw=")); /* binary/null */
        json_break(p->out, json_deeper(indent));
        buf_append_byte(p->out, '}');
        json_break(p->out, indent);
        buf_append_byte(p->out, '}');
    } else if (s->message_type.len) {
        print_proto(p, s, indent);
    } else {
        json_layout(p->out, s->data, indent);
    }
}

static bool print_list(struct json_printer *p, struct message_ref payloads, int indent)
{
    VEC(struct short_payload) all = { 0 };
    struct message_iter iter = message_each(payloads, "payloads");
    struct message_value v;
    while (message_next(&iter, &v)) {
        struct short_payload s;
        if (!short_payload_of(message_of(&v), &s)) {
            return false;
        }
        vec_push(p->arena, &all, s);
    }
    buf_append_byte(p->out, '[');
    for (size_t i = 0; i < all.len; i++) {
        json_printer_item(p, i, json_deeper(indent));
        print_short(p, &all.ptr[i], json_deeper(indent));
    }
    if (all.len) {
        json_break(p->out, indent);
    }
    buf_append_byte(p->out, ']');
    return true;
}

bool json_print_shorthand(struct json_printer *p, struct message_ref m, int indent)
{
    struct short_payload s;
    if (m.type->special == API_PAYLOADS) {
        return print_list(p, m, indent);
    }
    if (!short_payload_of(m, &s)) {
        return false;
    }
    print_short(p, &s, indent);
    return true;
}
