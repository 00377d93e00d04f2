/* The msgpack form of the messages. Each message is described once, by the list of its fields in wire order;
 * one function writes what a list says and one reads it, so the two directions cannot disagree. The macros of
 * the list check the type of each field at compile time.
 *
 * A message or sub-message is an array of its fields. A reader accepts more fields than it knows (a newer
 * sender) and ignores them; fewer are malformed. Lists are bounded by the bytes that are there before memory
 * is taken: a forged count costs nothing. Relies on mp.h for the bytes themselves; what the values mean is
 * for the services. */
#include "common/rpc/messages.h"

#include <stddef.h>

#include "common/base/arena.h"
#include "common/rpc/mp.h"

enum field_kind {
    FIELD_U32,
    FIELD_U64,
    FIELD_I32,
    FIELD_I64,
    FIELD_BOOL,
    FIELD_DOUBLE,
    FIELD_STR,
    FIELD_UUID,
    FIELD_QUEUE_TYPE,
    FIELD_STRUCT,
    FIELD_LIST,
};

struct layout;

struct field {
    enum field_kind kind;
    size_t at;                  /* offset in the struct */
    size_t count_at;            /* lists: offset of the size_t beside the pointer */
    const struct layout *inner; /* structs and lists */
};

struct layout {
    const struct field *fields;
    size_t count;
    size_t size; /* of the C struct */
    bool bare;   /* a list of plain numbers: one field, no array around it */
};

#define HAS_TYPE(s, f, type) __builtin_types_compatible_p(__typeof__(((s *)NULL)->f), type)
#define ROW(k, s, f, type, ...)                                                              \
    {                                                                                        \
        .kind = (k), .at = offsetof(s, f) + 0 * sizeof(char[HAS_TYPE(s, f, type) ? 1 : -1]), \
        __VA_ARGS__                                                                          \
    }
#define U32(s, f)                     ROW(FIELD_U32, s, f, uint32_t)
#define U64(s, f)                     ROW(FIELD_U64, s, f, uint64_t)
#define I32(s, f)                     ROW(FIELD_I32, s, f, int32_t)
#define I64(s, f)                     ROW(FIELD_I64, s, f, int64_t)
#define BOOL(s, f)                    ROW(FIELD_BOOL, s, f, bool)
#define DOUBLE(s, f)                  ROW(FIELD_DOUBLE, s, f, double)
#define BYTES(s, f)                   ROW(FIELD_STR, s, f, struct str)
#define UUID(s, f)                    ROW(FIELD_UUID, s, f, struct uuid)
#define INSTANT(s, f)                 ROW(FIELD_I64, s, f.ns, int64_t)
#define DURATION(s, f)                ROW(FIELD_I64, s, f.ns, int64_t)
#define QUEUE_TYPE(s, f)              ROW(FIELD_QUEUE_TYPE, s, f, enum task_queue_type)
#define STRUCT(s, f, layout_of, type) ROW(FIELD_STRUCT, s, f, type, .inner = &(layout_of))
#define LIST(s, f, n, layout_of, type)                                                      \
    ROW(FIELD_LIST, s, f, const type *,                                                     \
            .count_at = offsetof(s, n) + 0 * sizeof(char[HAS_TYPE(s, n, size_t) ? 1 : -1]), \
            .inner = &(layout_of))

#define LAYOUT(name, type, ...)                                                           \
    static const struct field name##_fields[] = { __VA_ARGS__ };                          \
    static const struct layout name##_layout = { name##_fields, ARRAY_LEN(name##_fields), \
        sizeof(type), false };

/* ---- the lists --------------------------------------------------------------------------------------- */

LAYOUT(task_ref, struct task_ref, UUID(struct task_ref, namespace_id),
        BYTES(struct task_ref, workflow_id), UUID(struct task_ref, run_id),
        I64(struct task_ref, key), QUEUE_TYPE(struct task_ref, type),
        I64(struct task_ref, scheduled_event_id), I32(struct task_ref, attempt),
        I32(struct task_ref, stamp))

static const struct field number_fields[] = { { .kind = FIELD_U32 } };
static const struct layout number_layout = { number_fields, 1, sizeof(uint32_t), true };

LAYOUT(msg_api_request, struct msg_api_request, U32(struct msg_api_request, method),
        UUID(struct msg_api_request, namespace_id), BYTES(struct msg_api_request, namespace_name),
        BYTES(struct msg_api_request, workflow_id), BYTES(struct msg_api_request, request),
        BOOL(struct msg_api_request, from_worker))

LAYOUT(msg_claim, struct msg_claim,
        STRUCT(struct msg_claim, task, task_ref_layout, struct task_ref),
        BYTES(struct msg_claim, namespace_name), BYTES(struct msg_claim, task_queue),
        BYTES(struct msg_claim, poll_id), BYTES(struct msg_claim, poll_request))

LAYOUT(msg_poll, struct msg_poll, UUID(struct msg_poll, namespace_id),
        BYTES(struct msg_poll, task_queue), QUEUE_TYPE(struct msg_poll, type),
        BOOL(struct msg_poll, is_sticky), BYTES(struct msg_poll, normal_name),
        BYTES(struct msg_poll, poll_id), BYTES(struct msg_poll, identity),
        DOUBLE(struct msg_poll, max_tasks_per_second), BYTES(struct msg_poll, details),
        BYTES(struct msg_poll, worker_instance_key), BOOL(struct msg_poll, refund))

/* An answer without a task ends after its third field: most answers of idle workers. */
LAYOUT(msg_poll_empty, struct msg_poll_answer, BOOL(struct msg_poll_answer, has_task),
        I64(struct msg_poll_answer, backlog_hint), BOOL(struct msg_poll_answer, is_over))
LAYOUT(msg_poll_answer, struct msg_poll_answer, BOOL(struct msg_poll_answer, has_task),
        I64(struct msg_poll_answer, backlog_hint), BOOL(struct msg_poll_answer, is_over),
        STRUCT(struct msg_poll_answer, task, task_ref_layout, struct task_ref),
        I32(struct msg_poll_answer, scaling))

LAYOUT(msg_offer, struct msg_offer,
        STRUCT(struct msg_offer, task, task_ref_layout, struct task_ref),
        INSTANT(struct msg_offer, since), DURATION(struct msg_offer, sticky_schedule_to_start),
        BYTES(struct msg_offer, priority))
LAYOUT(msg_level, struct msg_level, U32(struct msg_level, level), U64(struct msg_level, backlog),
        INSTANT(struct msg_level, oldest))
LAYOUT(msg_advertised_queue, struct msg_advertised_queue,
        UUID(struct msg_advertised_queue, namespace_id), BYTES(struct msg_advertised_queue, name),
        QUEUE_TYPE(struct msg_advertised_queue, type), BOOL(struct msg_advertised_queue, is_sticky),
        U64(struct msg_advertised_queue, backlog), INSTANT(struct msg_advertised_queue, oldest),
        LIST(struct msg_advertised_queue, offers, offer_count, msg_offer_layout, struct msg_offer),
        LIST(struct msg_advertised_queue, levels, level_count, msg_level_layout, struct msg_level))
LAYOUT(msg_advertise, struct msg_advertise, U32(struct msg_advertise, lane),
        U64(struct msg_advertise, incarnation),
        LIST(struct msg_advertise, queues, queue_count, msg_advertised_queue_layout,
                struct msg_advertised_queue))

LAYOUT(msg_level_more, struct msg_level_more, U32(struct msg_level_more, level),
        U32(struct msg_level_more, more))
LAYOUT(msg_demanded_queue, struct msg_demanded_queue, UUID(struct msg_demanded_queue, namespace_id),
        BYTES(struct msg_demanded_queue, name), QUEUE_TYPE(struct msg_demanded_queue, type),
        U32(struct msg_demanded_queue, more),
        LIST(struct msg_demanded_queue, gone, gone_count, task_ref_layout, struct task_ref),
        LIST(struct msg_demanded_queue, refused, refused_count, task_ref_layout, struct task_ref),
        LIST(struct msg_demanded_queue, levels, level_count, msg_level_more_layout,
                struct msg_level_more))
LAYOUT(msg_demand, struct msg_demand, U64(struct msg_demand, incarnation),
        LIST(struct msg_demand, queues, queue_count, msg_demanded_queue_layout,
                struct msg_demanded_queue))

LAYOUT(msg_describe_queue, struct msg_describe_queue, UUID(struct msg_describe_queue, namespace_id),
        BYTES(struct msg_describe_queue, task_queue), QUEUE_TYPE(struct msg_describe_queue, type))
LAYOUT(msg_poller, struct msg_poller, BYTES(struct msg_poller, identity),
        INSTANT(struct msg_poller, last_access), DOUBLE(struct msg_poller, rate_per_second),
        BYTES(struct msg_poller, details))
LAYOUT(msg_level_stats, struct msg_level_stats, U32(struct msg_level_stats, level),
        U64(struct msg_level_stats, backlog), INSTANT(struct msg_level_stats, oldest),
        DOUBLE(struct msg_level_stats, add_rate), DOUBLE(struct msg_level_stats, dispatch_rate))
LAYOUT(msg_describe_queue_answer, struct msg_describe_queue_answer,
        LIST(struct msg_describe_queue_answer, pollers, poller_count, msg_poller_layout,
                struct msg_poller),
        U64(struct msg_describe_queue_answer, backlog),
        INSTANT(struct msg_describe_queue_answer, oldest),
        DOUBLE(struct msg_describe_queue_answer, add_rate),
        DOUBLE(struct msg_describe_queue_answer, dispatch_rate),
        DOUBLE(struct msg_describe_queue_answer, rate_limit),
        BOOL(struct msg_describe_queue_answer, is_limited),
        U32(struct msg_describe_queue_answer, rate_source),
        LIST(struct msg_describe_queue_answer, levels, level_count, msg_level_stats_layout,
                struct msg_level_stats))

LAYOUT(msg_shutdown_worker, struct msg_shutdown_worker,
        UUID(struct msg_shutdown_worker, namespace_id),
        BYTES(struct msg_shutdown_worker, sticky_task_queue),
        BYTES(struct msg_shutdown_worker, task_queue), QUEUE_TYPE(struct msg_shutdown_worker, type),
        BYTES(struct msg_shutdown_worker, worker_instance_key))

LAYOUT(msg_outbox, struct msg_outbox, UUID(struct msg_outbox, source_namespace_id),
        UUID(struct msg_outbox, source_run_id), BYTES(struct msg_outbox, source_workflow_id),
        I64(struct msg_outbox, id), U32(struct msg_outbox, kind),
        UUID(struct msg_outbox, target_namespace_id), BYTES(struct msg_outbox, target_workflow_id),
        BYTES(struct msg_outbox, body), U32(struct msg_outbox, flags))

LAYOUT(msg_shard_give, struct msg_shard_give, UUID(struct msg_shard_give, to),
        LIST(struct msg_shard_give, shards, shard_count, number_layout, uint32_t))

/* ---- writing ----------------------------------------------------------------------------------------- */

static void layout_write(const struct layout *layout, const char *from, struct buf *out);

static void field_write(const struct field *field, const char *from, struct buf *out)
{
    const char *p = from + field->at;
    switch (field->kind) {
    case FIELD_U32:
    case FIELD_QUEUE_TYPE:
        mp_put_uint(out, *(const uint32_t *)(const void *)p);
        return;
    case FIELD_U64:
        mp_put_uint(out, *(const uint64_t *)(const void *)p);
        return;
    case FIELD_I32:
        mp_put_int(out, *(const int32_t *)(const void *)p);
        return;
    case FIELD_I64:
        mp_put_int(out, *(const int64_t *)(const void *)p);
        return;
    case FIELD_BOOL:
        mp_put_bool(out, *(const bool *)p);
        return;
    case FIELD_DOUBLE:
        mp_put_double(out, *(const double *)(const void *)p);
        return;
    case FIELD_STR:
        mp_put_bin(out, *(const struct str *)(const void *)p);
        return;
    case FIELD_UUID:
        mp_put_bin(out, uuid_bytes((const struct uuid *)(const void *)p));
        return;
    case FIELD_STRUCT:
        layout_write(field->inner, p, out);
        return;
    case FIELD_LIST: {
        const char *items = *(const char *const *)(const void *)p;
        size_t n = *(const size_t *)(const void *)(from + field->count_at);
        mp_put_array(out, n);
        for (size_t i = 0; i < n; i++) {
            layout_write(field->inner, items + i * field->inner->size, out);
        }
        return;
    }
    }
    unreachable_state(field->kind);
}

static void layout_write(const struct layout *layout, const char *from, struct buf *out)
{
    if (!layout->bare) {
        mp_put_array(out, layout->count);
    }
    for (size_t i = 0; i < layout->count; i++) {
        field_write(&layout->fields[i], from, out);
    }
}

/* ---- reading: a malformed byte makes the reader fail for good, so that only the end is tested ---------- */

static void layout_read(
        const struct layout *layout, struct mp_reader *r, struct arena *arena, char *to);

/* What one element takes on the wire at least. */
static size_t layout_min_size(const struct layout *layout)
{
    size_t n = layout->bare ? 0 : 1;
    for (size_t i = 0; i < layout->count; i++) {
        const struct field *field = &layout->fields[i];
        n += field->kind == FIELD_STRUCT ? layout_min_size(field->inner)
             : field->kind == FIELD_UUID ? 2 + sizeof(struct uuid)
                                         : 1;
    }
    return n;
}

static void list_read(const struct field *field, struct mp_reader *r, struct arena *arena, char *to)
{
    size_t n = mp_get_array(r);
    if (n > mp_left(r) / layout_min_size(field->inner)) {
        mp_set_failed(r);
        return;
    }
    char *items =
            n == 0 ? NULL
                   : arena_zalloc(arena, arena_mul(field->inner->size, n), alignof(max_align_t));
    for (size_t i = 0; i < n && !mp_failed(r); i++) {
        layout_read(field->inner, r, arena, items + i * field->inner->size);
    }
    *(const char **)(void *)(to + field->at) = items;
    *(size_t *)(void *)(to + field->count_at) = n;
}

static void field_read(
        const struct field *field, struct mp_reader *r, struct arena *arena, char *to)
{
    void *p = to + field->at;
    switch (field->kind) {
    case FIELD_U32:
        *(uint32_t *)p = (uint32_t)mp_get_uint(r, UINT32_MAX);
        return;
    case FIELD_QUEUE_TYPE: {
        uint64_t v = mp_get_uint(r, TASK_QUEUE_ACTIVITY);
        if (v < TASK_QUEUE_WORKFLOW) {
            mp_set_failed(r);
        }
        *(enum task_queue_type *)p = (enum task_queue_type)v;
        return;
    }
    case FIELD_U64:
        *(uint64_t *)p = mp_get_uint(r, UINT64_MAX);
        return;
    case FIELD_I32:
        *(int32_t *)p = (int32_t)mp_get_int(r, INT32_MIN, INT32_MAX);
        return;
    case FIELD_I64:
        *(int64_t *)p = mp_get_int(r, INT64_MIN, INT64_MAX);
        return;
    case FIELD_BOOL:
        *(bool *)p = mp_get_bool(r);
        return;
    case FIELD_DOUBLE:
        *(double *)p = mp_get_double(r);
        return;
    case FIELD_STR:
        *(struct str *)p = mp_get_bin(r);
        return;
    case FIELD_UUID: {
        struct str s = mp_get_bin(r);
        if (s.len != sizeof(struct uuid)) {
            mp_set_failed(r);
            return;
        }
        memcpy(p, s.ptr, s.len);
        return;
    }
    case FIELD_STRUCT:
        layout_read(field->inner, r, arena, p);
        return;
    case FIELD_LIST:
        list_read(field, r, arena, to);
        return;
    }
    unreachable_state(field->kind);
}

static void layout_read(
        const struct layout *layout, struct mp_reader *r, struct arena *arena, char *to)
{
    size_t n = layout->bare ? layout->count : mp_get_array(r);
    if (n < layout->count) {
        mp_set_failed(r);
        return;
    }
    for (size_t i = 0; i < layout->count && !mp_failed(r); i++) {
        field_read(&layout->fields[i], r, arena, to);
    }
    for (size_t i = layout->count; i < n && !mp_failed(r); i++) {
        mp_skip(r);
    }
}

static enum err message_read(const struct layout *layout, struct str body, struct arena *arena,
        void *to, const char *name, struct fail *f)
{
    struct mp_reader r = mp_reader(body);
    layout_read(layout, &r, arena, to);
    if (mp_failed(&r) || mp_left(&r) != 0) {
        return fail(f, ERR_PROTOCOL, "malformed internal message %s of %zu bytes", name, body.len);
    }
    return ERR_NONE;
}

/* ---- the functions of the header ---------------------------------------------------------------------- */

#define MESSAGE(name)                                                                              \
    void name##_encode(const struct name *m, struct buf *out)                                      \
    {                                                                                              \
        layout_write(&name##_layout, (const char *)m, out);                                        \
    }                                                                                              \
    enum err name##_decode(struct str body, struct arena *arena, struct name *ret, struct fail *f) \
    {                                                                                              \
        struct name m = { 0 };                                                                     \
        enum err err = message_read(&name##_layout, body, arena, &m, #name, f);                    \
        if (!err) {                                                                                \
            *ret = m;                                                                              \
        }                                                                                          \
        return err;                                                                                \
    }
MESSAGE(msg_api_request)
MESSAGE(msg_claim)
MESSAGE(msg_poll)
MESSAGE(msg_advertise)
MESSAGE(msg_demand)
MESSAGE(msg_describe_queue)
MESSAGE(msg_describe_queue_answer)
MESSAGE(msg_shutdown_worker)
MESSAGE(msg_outbox)
MESSAGE(msg_shard_give)
#undef MESSAGE

void msg_poll_answer_encode(const struct msg_poll_answer *m, struct buf *out)
{
    layout_write(
            m->has_task ? &msg_poll_answer_layout : &msg_poll_empty_layout, (const char *)m, out);
}

enum err msg_poll_answer_decode(
        struct str body, struct arena *arena, struct msg_poll_answer *ret, struct fail *f)
{
    struct msg_poll_answer m = { 0 };
    enum err err = message_read(&msg_poll_empty_layout, body, arena, &m, "msg_poll_answer", f);
    if (!err && m.has_task) {
        err = message_read(&msg_poll_answer_layout, body, arena, &m, "msg_poll_answer", f);
    }
    if (!err) {
        *ret = m;
    }
    return err;
}
