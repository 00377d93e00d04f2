/* Prints messages whose JSON is a text: times, durations, masks. */
#include "common/apijson/json_print.h"
#include "common/apijson/time_format.h"
#include "common/model/wire.h"

struct span {
    int64_t seconds;
    int32_t nanos;
};

static struct span span_of(struct str bytes)
{
    struct span t = { 0 };
    struct wire_field f;
    while (bytes.ptr && wire_next(&bytes, &f)) {
        if (f.number == 1 && f.type == WIRE_VARINT) {
            t.seconds = (int64_t)f.varint;
        } else if (f.number == 2 && f.type == WIRE_VARINT) {
            t.nanos = (int32_t)f.varint;
        }
    }
    return t;
}

void json_print_timestamp(struct buf *out, struct str bytes)
{
    struct span t = span_of(bytes);
    char text[TIME_TEXT_BYTES];
    json_quote(out,
            time_format_rfc3339(t.seconds, t.nanos, text) ? str_from_cstr(text) : STR("invalid"));
}

/* Seconds with 0, 3, 6 or 9 digits behind the point. */
void json_print_duration(struct buf *out, struct str bytes)
{
    struct span t = span_of(bytes);
    bool is_negative = t.seconds < 0 || t.nanos < 0;
    uint64_t seconds = t.seconds < 0 ? 0 - (uint64_t)t.seconds : (uint64_t)t.seconds;
    uint32_t nanos = t.nanos < 0 ? 0 - (uint32_t)t.nanos : (uint32_t)t.nanos;
    char fraction[16] = "";
    if (nanos) {
        int digits = nanos % 1000000 == 0 ? 3 : nanos % 1000 == 0 ? 6 : 9;
        snprintf(fraction, sizeof(fraction), ".%09u", nanos);
        fraction[digits + 1] = 0;
    }
    buf_printf(out, "\"%s%llu%ss\"", is_negative ? "-" : "", (unsigned long long)seconds, fraction);
}

/* "a_b.c" as "aB.c", with commas between. */
void json_print_field_mask(struct json_printer *p, struct message_ref m)
{
    struct message_iter iter = message_each(m, "paths");
    struct message_value v;
    struct buf text;
    buf_init_arena(&text, p->arena, p->out->max);
    while (message_next(&iter, &v)) {
        if (text.len && v.bytes.len) {
            buf_append_byte(&text, ',');
        }
        for (size_t i = 0; i < v.bytes.len; i++) {
            char next = i + 1 < v.bytes.len ? v.bytes.ptr[i + 1] : 0;
            bool up = v.bytes.ptr[i] == '_' && next >= 'a' && next <= 'z';
            buf_append_byte(&text, (uint8_t)(up ? next - 'a' + 'A' : v.bytes.ptr[i]));
            i += up;
        }
    }
    json_quote(p->out, buf_str(&text));
}
