/* Encodes internal records: kind, length, fields. Relies on field tables; what a record means is in apply.c. */
#include "history/engine/records.h"

#include "common/model/wire.h"

#define ROW(number, kind, member)                             \
    {                                                         \
        number, FIELD_##kind, offsetof(struct record, member) \
    }
static const struct field record_fields[] = {
    ROW(1, I64, count),
    ROW(2, I64, scheduled_event_id),
    ROW(3, I32, type),
    ROW(4, I32, attempt),
    ROW(5, NS, time),
    ROW(6, NS, original_time),
    ROW(7, NS, deadline),
    ROW(8, NS, start_to_close),
    ROW(9, NS, schedule_to_start),
    ROW(10, STR, attributes),
    ROW(11, STR, links),
    ROW(12, STR, text),
    ROW(13, STR, identity),
    ROW(14, STR, request_id),
    ROW(15, STR, failure),
    ROW(16, STR, details),
    ROW(17, UUID, namespace_id),
    ROW(18, UUID, run_id),
    ROW(19, BOOL, flag),
    ROW(20, BOOL, sticky),
    ROW(50, UUID, base_run_id),
};

void record_write(struct buf *out, const struct record *r)
{
    size_t mark = wire_begin(out, (uint32_t)r->kind);
    fields_write(out, record_fields, ARRAY_LEN(record_fields), r);
    wire_end(out, mark);
}

bool record_next(struct str *in, struct record *ret)
{
    struct wire_field f;
    struct record r = { 0 };
    if (!wire_next(in, &f)) {
        return false;
    }
    r.kind = (enum record_kind)f.number;
    if (f.type != WIRE_LEN || f.number >= RECORD_KIND_COUNT ||
            !fields_read(f.bytes, record_fields, ARRAY_LEN(record_fields), NULL, &r)) {
        in->ptr = NULL;
        return false;
    }
    *ret = r;
    return true;
}
