/* Walks field tables in both directions. Knows the shapes that history events and records are made of, and
 * nothing of their meaning. Relies on wire.h; leaves it to the tables' owners what is mandatory. */
#include "common/model/fields.h"

#include "common/base/uuid.h"
#include "common/base/vec.h"
#include "common/model/wire.h"

enum { QUEUE_NORMAL = 1, QUEUE_STICKY = 2 };

void retry_policy_write(struct buf *out, uint32_t number, const struct retry_policy *policy)
{
    if (!policy->is_set) {
        return;
    }
    size_t mark = wire_begin(out, number);
    wire_put_duration(out, 1, policy->initial_interval);
    if (policy->backoff_coefficient > 0) {
        wire_put_double(out, 2, policy->backoff_coefficient);
    }
    wire_put_duration(out, 3, policy->maximum_interval);
    wire_opt_varint(out, 4, (uint64_t)policy->maximum_attempts);
    for (size_t i = 0; i < policy->non_retryable_count; i++) {
        wire_put_bytes(out, 5, policy->non_retryable_types[i]);
    }
    wire_end(out, mark);
}

bool retry_policy_read(struct str message, struct arena *arena, struct retry_policy *ret)
{
    struct retry_policy p = { .is_set = true };
    VEC(struct str) types = { 0 };
    struct wire_field f;
    while (wire_next(&message, &f)) {
        switch (f.number) {
        case 1:
            p.initial_interval = wire_duration(f.bytes);
            break;
        case 2:
            p.backoff_coefficient = wire_double(&f);
            break;
        case 3:
            p.maximum_interval = wire_duration(f.bytes);
            break;
        case 4:
            p.maximum_attempts = (int32_t)f.varint;
            break;
        case 5:
            vec_push(arena, &types, f.bytes);
            break;
        default:
            break;
        }
    }
    if (!wire_ok(message)) {
        return false;
    }
    p.non_retryable_types = types.ptr;
    p.non_retryable_count = types.len;
    *ret = p;
    return true;
}

static void queue_write(struct buf *out, uint32_t number, const struct queue_ref *queue)
{
    if (str_empty(queue->name)) {
        return;
    }
    size_t mark = wire_begin(out, number);
    wire_put_bytes(out, 1, queue->name);
    wire_put_varint(out, 2, str_empty(queue->normal_name) ? QUEUE_NORMAL : QUEUE_STICKY);
    wire_opt_bytes(out, 3, queue->normal_name);
    wire_end(out, mark);
}

static void execution_write(struct buf *out, uint32_t number, const struct execution_ref *ref)
{
    if (str_empty(ref->workflow_id) && str_empty(ref->run_id)) {
        return;
    }
    size_t mark = wire_begin(out, number);
    wire_opt_bytes(out, 1, ref->workflow_id);
    wire_opt_bytes(out, 2, ref->run_id);
    wire_end(out, mark);
}

static void name_write(struct buf *out, uint32_t number, struct str name)
{
    if (!str_empty(name)) {
        size_t mark = wire_begin(out, number);
        wire_put_bytes(out, 1, name);
        wire_end(out, mark);
    }
}

static void uuid_write(struct buf *out, uint32_t number, const struct uuid *id)
{
    if (!uuid_is_zero(*id)) {
        wire_put_bytes(out, number, uuid_bytes(id));
    }
}

static void field_write(struct buf *out, const struct field *field, const char *at)
{
    uint32_t n = field->number;
    const void *p = at;
    switch (field->kind) {
    case FIELD_I64:
    case FIELD_NS:
        wire_opt_varint(out, n, (uint64_t) * (const int64_t *)p);
        return;
    case FIELD_I32:
        wire_opt_varint(out, n, (uint64_t) * (const int32_t *)p);
        return;
    case FIELD_BOOL:
        wire_opt_varint(out, n, *(const bool *)p);
        return;
    case FIELD_STR:
        wire_opt_bytes(out, n, *(const struct str *)p);
        return;
    case FIELD_NAME:
        name_write(out, n, *(const struct str *)p);
        return;
    case FIELD_QUEUE:
        queue_write(out, n, p);
        return;
    case FIELD_EXECUTION:
        execution_write(out, n, p);
        return;
    case FIELD_DURATION:
        wire_put_duration(out, n, *(const struct duration *)p);
        return;
    case FIELD_DURATION_OPT:
        if (((const struct duration *)p)->ns) {
            wire_put_duration(out, n, *(const struct duration *)p);
        }
        return;
    case FIELD_TIME:
        if (((const struct instant *)p)->ns) {
            wire_put_timestamp(out, n, *(const struct instant *)p);
        }
        return;
    case FIELD_RETRY:
        retry_policy_write(out, n, p);
        return;
    case FIELD_UUID:
        uuid_write(out, n, p);
        return;
    case FIELD_RAW:
    case FIELD_LIST:
        buf_append_str(out, *(const struct str *)p);
        return;
    }
    unreachable_state(field->kind);
}

void fields_write(struct buf *out, const struct field *fields, size_t count, const void *object)
{
    for (size_t i = 0; i < count; i++) {
        field_write(out, &fields[i], (const char *)object + fields[i].offset);
    }
}

/* A message of up to three string fields. */
static bool strings_read(struct str message, struct str *out[3])
{
    struct wire_field f;
    while (wire_next(&message, &f)) {
        if (f.type == WIRE_LEN && f.number >= 1 && f.number <= 3 && out[f.number - 1]) {
            *out[f.number - 1] = f.bytes;
        }
    }
    return wire_ok(message);
}

static bool queue_read(struct str message, struct queue_ref *queue)
{
    *queue = (struct queue_ref){ 0 };
    return strings_read(message, (struct str *[3]){ &queue->name, NULL, &queue->normal_name });
}

static bool execution_read(struct str message, struct execution_ref *ref)
{
    *ref = (struct execution_ref){ 0 };
    return strings_read(message, (struct str *[3]){ &ref->workflow_id, &ref->run_id, NULL });
}

static bool is_varint_kind(enum field_kind kind)
{
    return kind == FIELD_I64 || kind == FIELD_NS || kind == FIELD_I32 || kind == FIELD_BOOL;
}

static bool field_read_varint(const struct field *field, uint64_t v, void *p)
{
    if (field->kind == FIELD_BOOL) {
        *(bool *)p = v != 0;
    } else if (field->kind == FIELD_I32) {
        *(int32_t *)p = (int32_t)v;
    } else {
        *(int64_t *)p = (int64_t)v;
    }
    return true;
}

static bool field_read(
        const struct field *field, const struct wire_field *f, struct arena *arena, void *p)
{
    if (is_varint_kind(field->kind)) {
        return f->type == WIRE_VARINT && field_read_varint(field, f->varint, p);
    }
    if (field->kind == FIELD_RAW) {
        return true;
    }
    if (f->type != WIRE_LEN) {
        return false;
    }
    switch (field->kind) {
    case FIELD_STR:
        *(struct str *)p = f->bytes;
        return true;
    case FIELD_NAME:
        return strings_read(f->bytes, (struct str *[3]){ p, NULL, NULL });
    case FIELD_QUEUE:
        return queue_read(f->bytes, p);
    case FIELD_EXECUTION:
        return execution_read(f->bytes, p);
    case FIELD_DURATION:
    case FIELD_DURATION_OPT:
        *(struct duration *)p = wire_duration(f->bytes);
        return true;
    case FIELD_TIME:
        *(struct instant *)p = wire_timestamp(f->bytes);
        return true;
    case FIELD_RETRY:
        return retry_policy_read(f->bytes, arena, p);
    case FIELD_UUID:
        if (f->bytes.len != sizeof(struct uuid)) {
            return false;
        }
        memcpy(p, f->bytes.ptr, sizeof(struct uuid));
        return true;
    default:
        return false;
    }
}

/* One more element, which is right behind those before it. */
static void list_read(const char *from, const char *to, struct str *list)
{
    list->ptr = list->len ? list->ptr : from;
    list->len = (size_t)(to - list->ptr);
}

bool fields_read(struct str message, const struct field *fields, size_t count, struct arena *arena,
        void *object)
{
    struct wire_field f;
    if (!message.len) { /* an empty message may have no pointer */
        return true;
    }
    const char *from = message.ptr;
    size_t guess = 0; /* fields come in the table's order when we have written them */
    for (; wire_next(&message, &f); from = message.ptr) {
        size_t i = guess;
        while (i < count && fields[i].number != f.number) {
            i++;
        }
        for (i = i < count ? i : 0; i < count && fields[i].number != f.number; i++) {
        }
        if (i == count) {
            continue;
        }
        guess = i;
        if (fields[i].kind == FIELD_LIST && f.type == WIRE_LEN) {
            list_read(from, message.ptr, (struct str *)((char *)object + fields[i].offset));
            continue;
        }
        if (!field_read(&fields[i], &f, arena, (char *)object + fields[i].offset)) {
            return false;
        }
    }
    return wire_ok(message);
}
