/* The JSON forms of the output: lists, messages, and objects that the command line makes itself. */
#include <stdio.h>

#include "cli/out.h"
#include "common/apijson/json_text.h"

enum { VALUE_BYTES_MAX = 256 << 20, FLUSH_BYTES = 64 << 10 };

static int indent_of(const struct out *out)
{
    return out->form == OUT_JSON ? 0 : -1;
}

void out_list_begin(struct out *out)
{
    out->in_list = true;
    out->listed = 0;
    if (out->form == OUT_JSON) {
        buf_append_byte(&out->text, '[');
    }
}

void out_list_end(struct out *out)
{
    out->in_list = false;
    if (out->form == OUT_JSON) {
        buf_append_str(&out->text, STR("\n]\n"));
    }
}

static void put_value(struct out *out, struct str json)
{
    if (!out_is_json(out)) {
        return;
    }
    bool is_item = out->in_list && out->form == OUT_JSON;
    if (is_item) {
        buf_append_str(&out->text, out->listed++ ? STR(",\n") : STR("\n"));
    }
    buf_append_str(&out->text, json);
    if (!is_item) {
        buf_append_byte(&out->text, '\n');
    }
    if (out->text.len > FLUSH_BYTES) {
        out_flush(out);
    }
}

struct str out_json_of(struct out *out, struct message_ref message, bool shorthand, int indent)
{
    struct buf text;
    buf_init_arena(&text, out->arena, VALUE_BYTES_MAX);
    struct json_style style = { .indent = indent, .shorthand = shorthand };
    return api_json_print(&text, message, &style) ? buf_str(&text) : STR("\"<malformed>\"");
}

void out_message(struct out *out, struct message_ref message)
{
    if (out_is_json(out)) {
        put_value(out, out_json_of(out, message, out->shorthand, indent_of(out)));
    }
}

void object_begin(struct object *object, struct out *out)
{
    *object = (struct object){ .out = out };
    buf_init_arena(&object->text, out->arena, VALUE_BYTES_MAX);
    buf_append_byte(&object->text, '{');
}

static void put_name(struct object *object, const char *name)
{
    bool is_indented = object->out->form == OUT_JSON;
    if (object->count++) {
        buf_append_byte(&object->text, ',');
    }
    json_break(&object->text, is_indented ? 1 : -1);
    json_quote(&object->text, str_from_cstr(name));
    buf_append_str(&object->text, is_indented ? STR(": ") : STR(":"));
}

void object_text(struct object *object, const char *name, struct str value)
{
    put_name(object, name);
    json_quote(&object->text, value);
}

void object_opt(struct object *object, const char *name, struct str value)
{
    if (value.len) {
        object_text(object, name, value);
    }
}

void object_int(struct object *object, const char *name, int64_t value)
{
    put_name(object, name);
    buf_printf(&object->text, "%lld", (long long)value);
}

void object_message(
        struct object *object, const char *name, struct message_ref message, bool shorthand)
{
    put_name(object, name);
    int indent = object->out->form == OUT_JSON ? 1 : -1;
    buf_append_str(&object->text, out_json_of(object->out, message, shorthand, indent));
}

void object_json(struct object *object, const char *name, struct str json)
{
    put_name(object, name);
    json_layout(&object->text, json, object->out->form == OUT_JSON ? 1 : -1);
}

void object_print(struct object *object)
{
    if (object->count) {
        json_break(&object->text, indent_of(object->out));
    }
    buf_append_byte(&object->text, '}');
    put_value(object->out, buf_str(&object->text));
}
