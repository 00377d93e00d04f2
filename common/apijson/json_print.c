/* Prints messages as JSON from their bytes. Relies on the tables for what fields are, on payload.c for shorthand. */
#include "common/apijson/json_print.h"

#include "common/base/base64.h"
#include "common/model/wire.h"

static bool print_at(struct json_printer *p, struct message_ref m, int indent);

static int64_t zigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static void print_floating(struct buf *out, const struct message_value *v)
{
    if (v->field->kind == API_KIND_DOUBLE) {
        double d;
        memcpy(&d, &v->number, sizeof(d));
        json_number(out, d);
        return;
    }
    float f;
    uint32_t bits = (uint32_t)v->number;
    memcpy(&f, &bits, sizeof(f));
    char text[32];
    int precision = 1;
    do { /* the shortest that reads back as the same float */
        snprintf(text, sizeof(text), "%.*g", precision, (double)f);
    } while (precision++ < 9 && strtof(text, NULL) != f);
    json_number(out, strtod(text, NULL));
}

static bool print_value(struct json_printer *p, const struct message_value *v, int indent)
{
    struct buf *out = p->out;
    switch ((enum api_kind)v->field->kind) {
    case API_KIND_DOUBLE:
    case API_KIND_FLOAT:
        print_floating(out, v);
        return true;
    case API_KIND_INT64:
        buf_printf(out, "\"%lld\"", (long long)v->number);
        return true;
    case API_KIND_SINT64:
        buf_printf(out, "\"%lld\"", (long long)zigzag(v->number));
        return true;
    case API_KIND_UINT64:
    case API_KIND_FIXED64:
        buf_printf(out, "\"%llu\"", (unsigned long long)v->number);
        return true;
    case API_KIND_INT32:
        buf_printf(out, "%d", (int32_t)v->number);
        return true;
    case API_KIND_SINT32:
        buf_printf(out, "%d", (int32_t)zigzag(v->number));
        return true;
    case API_KIND_UINT32:
    case API_KIND_FIXED32:
        buf_printf(out, "%u", (uint32_t)v->number);
        return true;
    case API_KIND_BOOL:
        buf_append_str(out, v->number ? STR("true") : STR("false"));
        return true;
    case API_KIND_ENUM: {
        struct str name = api_enum_text(v->field->target, (int32_t)v->number);
        if (name.len) {
            json_quote(out, name);
        } else {
            buf_printf(out, "%d", (int32_t)v->number);
        }
        return true;
    }
    case API_KIND_STRING:
        json_quote(out, v->bytes);
        return true;
    case API_KIND_BYTES:
        json_quote(out, base64_encode(p->arena, v->bytes, true));
        return true;
    case API_KIND_MESSAGE:
        return print_at(p, message_of(v), indent);
    }
    return false;
}

/* A wire field as a value of the declared field; false: it has another shape. */
static bool value_of(
        const struct api_field *field, const struct wire_field *wire, struct message_value *ret)
{
    enum api_kind kind = field->kind;
    enum wire_type want = kind >= API_KIND_STRING                               ? WIRE_LEN
                          : kind == API_KIND_DOUBLE || kind == API_KIND_FIXED64 ? WIRE_I64
                          : kind == API_KIND_FLOAT || kind == API_KIND_FIXED32  ? WIRE_I32
                                                                                : WIRE_VARINT;
    *ret = (struct message_value){ field, wire->varint, want == WIRE_LEN ? wire->bytes : STR("") };
    return wire->type == want;
}

/* Numbers one after the other; only varints are packed in this API. */
static bool print_packed(struct json_printer *p, const struct api_field *field, struct str packed,
        int indent, size_t *count)
{
    while (packed.len) {
        struct message_value v = { .field = field };
        unsigned shift = 0;
        uint8_t byte;
        do {
            if (!packed.len || shift > 63) {
                return false;
            }
            byte = (uint8_t)packed.ptr[0];
            v.number |= (uint64_t)(byte & 0x7f) << shift;
            shift += 7;
            packed = str_drop(packed, 1);
        } while (byte & 0x80);
        json_printer_item(p, (*count)++, indent);
        if (!print_value(p, &v, indent)) {
            return false;
        }
    }
    return true;
}

void json_printer_item(struct json_printer *p, size_t before, int indent)
{
    if (before) {
        buf_append_byte(p->out, ',');
    }
    json_break(p->out, indent);
}

void json_printer_key(struct json_printer *p, struct str key, size_t before, int indent)
{
    json_printer_item(p, before, indent);
    json_quote(p->out, key);
    buf_append_str(p->out, indent < 0 ? STR(":") : STR(": "));
}

struct wire_list {
    VEC(struct wire_field) fields;
};

static bool print_repeated(struct json_printer *p, const struct api_field *field,
        const struct wire_list *list, int indent)
{
    size_t count = 0;
    buf_append_byte(p->out, '[');
    for (size_t i = 0; i < list->fields.len; i++) {
        const struct wire_field *wire = &list->fields.ptr[i];
        struct message_value v;
        if (wire->number != field->number) {
            continue;
        }
        if (value_of(field, wire, &v)) {
            json_printer_item(p, count++, json_deeper(indent));
            if (!print_value(p, &v, json_deeper(indent))) {
                return false;
            }
        } else if (wire->type != WIRE_LEN ||
                   !print_packed(p, field, wire->bytes, json_deeper(indent), &count)) {
            return false;
        }
    }
    if (count) {
        json_break(p->out, indent);
    }
    buf_append_byte(p->out, ']');
    return true;
}

struct map_row {
    struct str key;
    struct message_value value;
};

static int map_row_cmp(const void *a, const void *b)
{
    return str_cmp(((const struct map_row *)a)->key, ((const struct map_row *)b)->key);
}

/* An entry's key as text; its value, or the zero value. */
static struct map_row map_row_of(struct json_printer *p, struct message_ref entry)
{
    struct map_row row = { .value = { .field = api_field_numbered(entry.type, 2),
                                   .bytes = { "", 0 } } };
    const struct api_field *key = api_field_numbered(entry.type, 1);
    struct wire_field wire;
    struct message_value v = { .field = key, .bytes = { "", 0 } };
    while (entry.bytes.ptr && wire_next(&entry.bytes, &wire)) {
        if (wire.number == 1) {
            (void)value_of(key, &wire, &v);
        } else if (wire.number == 2) {
            (void)value_of(row.value.field, &wire, &row.value);
        }
    }
    row.key = key->kind == API_KIND_STRING ? v.bytes
                                           : str_printf(p->arena, "%lld", (long long)v.number);
    return row;
}

static bool print_map(struct json_printer *p, const struct api_field *field,
        const struct wire_list *list, int indent)
{
    VEC(struct map_row) rows = { 0 };
    for (size_t i = 0; i < list->fields.len; i++) {
        struct message_value v;
        if (list->fields.ptr[i].number == field->number &&
                value_of(field, &list->fields.ptr[i], &v)) {
            vec_push(p->arena, &rows, map_row_of(p, message_of(&v)));
        }
    }
    qsort(rows.ptr, rows.len, sizeof(*rows.ptr), map_row_cmp);
    size_t count = 0;
    buf_append_byte(p->out, '{');
    for (size_t i = 0; i < rows.len; i++) {
        if (i + 1 < rows.len && str_eq(rows.ptr[i].key, rows.ptr[i + 1].key)) {
            continue;
        }
        json_printer_key(p, rows.ptr[i].key, count++, json_deeper(indent));
        if (!print_value(p, &rows.ptr[i].value, json_deeper(indent))) {
            return false;
        }
    }
    if (count) {
        json_break(p->out, indent);
    }
    buf_append_byte(p->out, '}');
    return true;
}

/* Of a oneof's members, the one that came last stands; all of them are at hand only here. */
static bool print_field(struct json_printer *p, const struct api_field *field,
        const struct wire_list *list, int indent, size_t *count)
{
    const struct wire_field *last = NULL;
    for (size_t i = 0; i < list->fields.len; i++) {
        last = list->fields.ptr[i].number == field->number ? &list->fields.ptr[i] : last;
    }
    if (!last) {
        return true;
    }
    bool is_many = field->label & (API_REPEATED | API_MAP);
    struct message_value v;
    if (!is_many && !value_of(field, last, &v)) {
        return false;
    }
    bool is_zero = !is_many && !v.number && !v.bytes.len;
    if (is_zero && !(field->label & (API_ONEOF | API_PRESENT)) && field->kind != API_KIND_MESSAGE) {
        return true;
    }
    json_printer_key(p, api_json_name(p->arena, field), (*count)++, indent);
    return field->label & API_MAP        ? print_map(p, field, list, indent)
           : field->label & API_REPEATED ? print_repeated(p, field, list, indent)
                                         : print_value(p, &v, indent);
}

bool json_printer_fields(struct json_printer *p, struct message_ref m, int indent, size_t *count)
{
    struct wire_list list = { 0 };
    struct wire_field wire;
    while (m.bytes.ptr && wire_next(&m.bytes, &wire)) {
        vec_push(p->arena, &list.fields, wire);
    }
    if (!wire_ok(m.bytes)) {
        return false;
    }
    const struct api_field *fields = api_type_fields(m.type);
    for (size_t i = 0; i < m.type->field_count; i++) {
        if (!print_field(p, &fields[i], &list, indent, count)) {
            return false;
        }
    }
    return true;
}

/* {"@type": ..., fields}, or the bytes of a message that we don't know. */
static bool print_any(struct json_printer *p, struct message_ref m, int indent)
{
    struct str url = message_text(m, "type_url"), name;
    size_t count = 1;
    (void)str_split(url, '/', &name);
    const struct api_type *type = api_type_named(name);
    struct str value = message_text(m, "value");
    buf_append_byte(p->out, '{');
    json_printer_key(p, STR("@type"), 0, json_deeper(indent));
    json_quote(p->out, url);
    if (type && type->special == API_PLAIN) {
        if (!json_printer_fields(
                    p, (struct message_ref){ type, value }, json_deeper(indent), &count)) {
            return false;
        }
    } else {
        json_printer_key(p, STR("value"), count, json_deeper(indent));
        json_quote(p->out, base64_encode(p->arena, value, true));
    }
    json_break(p->out, indent);
    buf_append_byte(p->out, '}');
    return true;
}

bool json_printer_object(struct json_printer *p, struct message_ref m, int indent)
{
    size_t count = 0;
    buf_append_byte(p->out, '{');
    if (!json_printer_fields(p, m, json_deeper(indent), &count)) {
        return false;
    }
    if (count) {
        json_break(p->out, indent);
    }
    buf_append_byte(p->out, '}');
    return true;
}

static bool print_special(struct json_printer *p, struct message_ref m, int indent)
{
    switch ((enum api_special)m.type->special) {
    case API_TIMESTAMP:
        json_print_timestamp(p->out, m.bytes);
        return true;
    case API_DURATION:
        json_print_duration(p->out, m.bytes);
        return true;
    case API_FIELD_MASK:
        json_print_field_mask(p, m);
        return true;
    case API_WRAPPER: {
        struct message_value v = { .field = api_field_numbered(m.type, 1), .bytes = { "", 0 } };
        (void)message_get(m, "value", &v);
        return print_value(p, &v, indent);
    }
    case API_ANY:
        return print_any(p, m, indent);
    case API_PAYLOAD:
    case API_PAYLOADS:
        return p->shorthand && json_print_shorthand(p, m, indent)
                       ? true
                       : json_printer_object(p, m, indent);
    case API_PLAIN:
        break;
    }
    return json_printer_object(p, m, indent);
}

static bool print_at(struct json_printer *p, struct message_ref m, int indent)
{
    if (p->depth == JSON_DEPTH_MAX || p->out->overflow) {
        return false;
    }
    p->depth++;
    bool ok = print_special(p, m, indent);
    p->depth--;
    return ok;
}

bool api_json_print(struct buf *out, struct message_ref message, const struct json_style *style)
{
    struct arena arena = { 0 };
    struct json_printer p = { .out = out, .arena = &arena, .shorthand = style->shorthand };
    bool ok = print_at(&p, message, style->indent);
    arena_deinit(&arena);
    return ok && !out->overflow;
}
