/* The durable state as bytes and back: field tables over the structs, so that nothing is named twice. What is
 * volatile is left out; what can be derived is derived. The bytes are stable: equal states, equal bytes. */
#include "common/model/wire.h"
#include "history/engine/apply.h"
#include "history/engine/step.h"
#include "history/engine/tally.h"

enum { SNAPSHOT_VERSION = 1 };

enum part { /* fields of a snapshot; numbers are stored */
    PART_VERSION = 1,
    PART_RUN = 2,
    PART_START = 3,
    PART_ACTIVITY = 4,
    PART_TIMER = 5,
    PART_REQUEST_ID = 6,
    PART_BUFFERED = 7,
    PART_OUTBOX = 8,
    PART_TASK = 9,
    PART_CHILD = 10,
    PART_UPDATE = 20, /* those that an event speaks of */
    PART_CALLBACK = 30,
    PART_ATTACHED = 31,
};

#define RUN(number, kind, member)                               \
    {                                                           \
        number, FIELD_##kind, offsetof(struct workflow, member) \
    }
static const struct field run_fields[] = {
    RUN(1, I32, status),
    RUN(2, UUID, namespace_id),
    RUN(3, UUID, run_id),
    RUN(4, STR, namespace_name),
    RUN(5, STR, start_request_id),
    RUN(6, NS, start_time),
    RUN(7, NS, run_deadline),
    RUN(8, NS, expiration),
    RUN(9, NS, first_task_at),
    RUN(10, I64, next_event_id),
    RUN(11, I64, history_size),
    RUN(12, NS, last_event_time),
    RUN(13, I32, next_attempt),
    RUN(14, I64, previous_started_event_id),
    RUN(15, I64, last_completed_event_id),
    RUN(16, STR, sticky_queue),
    RUN(17, NS, sticky_schedule_to_start),
    RUN(18, BOOL, close_attempted),
    RUN(19, BOOL, cancel_requested),
    RUN(20, I32, signal_count),
    RUN(21, STR, close_event),
    RUN(22, I32, failed_tasks),
    RUN(60, STR, memo),
    RUN(61, BOOL, has_own_memo),
    RUN(62, STR, search_attributes),
    RUN(63, BOOL, has_own_search_attributes),
    RUN(64, STR, problems),
    RUN(65, STR, reset_points),
    RUN(66, STR, versioning_override),
    RUN(50, UUID, base_run_id),
    RUN(51, UUID, reset_run_id),
    RUN(52, STR, reset_request_id),
    RUN(53, BOOL, is_reset_away),
    RUN(54, BOOL, is_deleted),
    RUN(55, I64, copied_until),
};

#define TASK(number, kind, member)                                   \
    {                                                                \
        number, FIELD_##kind, offsetof(struct workflow_task, member) \
    }
static const struct field task_fields[] = {
    TASK(1, I64, scheduled_event_id),
    TASK(2, BOOL, is_transient),
    TASK(3, BOOL, is_sticky),
    TASK(4, I32, attempt),
    TASK(5, NS, scheduled_time),
    TASK(6, NS, original_scheduled_time),
    TASK(7, NS, start_to_close),
    TASK(8, NS, schedule_to_start),
};

#define ACT(number, kind, member)                               \
    {                                                           \
        number, FIELD_##kind, offsetof(struct activity, member) \
    }
static const struct field activity_fields[] = {
    ACT(1, I64, scheduled_event_id),
    ACT(2, STR, activity_id),
    ACT(3, STR, activity_type),
    ACT(4, STR, task_queue.name),
    ACT(5, NS, schedule_to_close),
    ACT(6, NS, schedule_to_start),
    ACT(7, NS, start_to_close),
    ACT(8, NS, heartbeat),
    ACT(9, RETRY, retry),
    ACT(10, STR, scheduled_event),
    ACT(11, I32, attempt),
    ACT(12, I32, stamp),
    ACT(13, NS, scheduled_time),
    ACT(14, NS, attempt_scheduled_time),
    ACT(15, STR, last_identity),
    ACT(16, STR, heartbeat_details),
    ACT(17, STR, last_failure),
    ACT(18, I64, cancel_requested_event_id),
    ACT(22, NS, last_heartbeat),
    ACT(60, NS, last_complete),
    ACT(61, STR, priority),
};
static const struct field activity_started_fields[] = {
    /* only when the start is stored */
    ACT(20, I32, state),
    ACT(21, NS, started_time),
    ACT(23, STR, identity),
    ACT(24, STR, request_id),
};
_Static_assert(sizeof(enum activity_state) == 4, "written as I32");

#define TIMER(number, kind, member)                               \
    {                                                             \
        number, FIELD_##kind, offsetof(struct user_timer, member) \
    }
static const struct field timer_fields[] = {
    TIMER(1, STR, timer_id),
    TIMER(2, I64, started_event_id),
    TIMER(3, NS, fire_at),
};

#define CHILD(number, kind, member)                          \
    {                                                        \
        number, FIELD_##kind, offsetof(struct child, member) \
    }
static const struct field child_fields[] = {
    CHILD(1, I32, stage),
    CHILD(2, I64, initiated_event_id),
    CHILD(3, I64, started_event_id),
    CHILD(4, I64, completed_event_id),
    CHILD(5, I32, parent_close_policy),
    CHILD(6, STR, namespace_name),
    CHILD(7, STR, workflow_id),
    CHILD(8, STR, workflow_type),
    CHILD(9, STR, control),
    CHILD(10, STR, initiated),
    CHILD(11, UUID, run_id),
};
_Static_assert(sizeof(enum child_stage) == 4, "written as I32");

#define UPDATE(number, kind, member)                          \
    {                                                         \
        number, FIELD_##kind, offsetof(struct update, member) \
    }
static const struct field update_fields[] = {
    UPDATE(1, STR, update_id),
    UPDATE(2, I64, admitted_event_id),
    UPDATE(3, I64, accepted_event_id),
    UPDATE(4, I64, completed_event_id),
};

#define CALLBACK(number, kind, member)                          \
    {                                                           \
        number, FIELD_##kind, offsetof(struct callback, member) \
    }
static const struct field callback_fields[] = {
    CALLBACK(1, STR, callback),
    CALLBACK(2, STR, request_id),
    CALLBACK(3, NS, registered),
    CALLBACK(4, STR, update_id),
};

#define ATTACHED(number, kind, member)                             \
    {                                                              \
        number, FIELD_##kind, offsetof(struct attached_id, member) \
    }
static const struct field attached_fields[] = {
    ATTACHED(1, STR, node.key),
    ATTACHED(2, I64, event_id),
    ATTACHED(3, I32, type),
};

#define BUFFERED(number, kind, member)                                \
    {                                                                 \
        number, FIELD_##kind, offsetof(struct buffered_event, member) \
    }
static const struct field buffered_fields[] = {
    BUFFERED(1, I32, type),
    BUFFERED(2, NS, time),
    BUFFERED(3, STR, attributes),
    BUFFERED(4, STR, links),
    BUFFERED(5, I64, scheduled_event_id),
};

#define PUT(out, part, table, object)                             \
    do {                                                          \
        size_t mark_ = wire_begin((out), (part));                 \
        fields_write((out), (table), ARRAY_LEN(table), (object)); \
        wire_end((out), mark_);                                   \
    } while (0)

static void encode_event(
        struct buf *out, enum part part, const struct history_event *he, int64_t id)
{
    struct history_event copy = *he;
    copy.event_id = id;
    size_t mark = wire_begin(out, part);
    history_event_write(out, &copy);
    wire_end(out, mark);
}

static void encode_activity(struct buf *out, const struct activity *a)
{
    size_t mark = wire_begin(out, PART_ACTIVITY);
    fields_write(out, activity_fields, ARRAY_LEN(activity_fields), a);
    if (a->state == ACTIVITY_STARTED && !a->is_start_volatile) {
        fields_write(out, activity_started_fields, ARRAY_LEN(activity_started_fields), a);
    }
    wire_end(out, mark);
}

/* First those that have been accepted, in that order, then those that history has only admitted. */
static void encode_updates(struct buf *out, const struct workflow *wf)
{
    map_each(&wf->updates->by_id, n)
    {
        const struct update *u = map_entry(n, struct update, by_id);
        if (u->accepted_event_id) {
            PUT(out, PART_UPDATE, update_fields, u);
        }
    }
    list_each(&wf->updates->pending, n)
    {
        const struct update *u = list_entry(n, struct update, pending);
        if (u->admitted_event_id) {
            PUT(out, PART_UPDATE, update_fields, u);
        }
    }
}

void workflow_encode(const struct workflow *wf, struct buf *out)
{
    wire_put_varint(out, PART_VERSION, SNAPSHOT_VERSION);
    PUT(out, PART_RUN, run_fields, wf);
    if (wf->status) {
        encode_event(out, PART_START, &wf->start, 1);
    }
    if (wf->task.state != WORKFLOW_TASK_NONE && !wf->task.is_speculative) {
        PUT(out, PART_TASK, task_fields, &wf->task);
    }
    activity_each(wf, a)
    {
        encode_activity(out, a);
    }
    map_each(&wf->timers, n)
    {
        PUT(out, PART_TIMER, timer_fields, timer_of(n));
    }
    map_each(&wf->request_ids, n)
    {
        wire_put_bytes(out, PART_REQUEST_ID, n->key);
    }
    list_each(&wf->buffered, n)
    {
        PUT(out, PART_BUFFERED, buffered_fields, list_entry(n, struct buffered_event, node));
    }
    map_each(&wf->outbox, n)
    {
        const struct outbox_entry *e = map_entry(n, struct outbox_entry, by_id);
        encode_event(out, PART_OUTBOX, &e->initiated, e->id);
    }
    map_each(&wf->children, n)
    {
        PUT(out, PART_CHILD, child_fields, child_of(n));
    }
    if (wf->updates) {
        encode_updates(out, wf);
    }
    list_each(&wf->callbacks, n)
    {
        PUT(out, PART_CALLBACK, callback_fields, list_entry(n, struct callback, node));
    }
    map_each(&wf->attached, n)
    {
        PUT(out, PART_ATTACHED, attached_fields, map_entry(n, struct attached_id, node));
    }
}

/* --- decoding: everything borrows from one copy of the bytes ----------------------------------------- */

static bool decode_activity(struct workflow *wf, struct str body)
{
    struct activity *a = NEW(wf->arena, struct activity, 1);
    if (!fields_read(body, activity_fields, ARRAY_LEN(activity_fields), wf->arena, a) ||
            !fields_read(body, activity_started_fields, ARRAY_LEN(activity_started_fields),
                    wf->arena, a) ||
            str_empty(a->activity_id) || map_get(&wf->activities_by_id, a->activity_id) ||
            workflow_activity(wf, a->scheduled_event_id)) {
        return false;
    }
    map_put(&wf->activities_by_id, &a->by_id, a->activity_id);
    map_put(&wf->activities_by_event, &a->by_event,
            str_of(&a->scheduled_event_id, sizeof(int64_t)));
    tally_activity_enter(wf, a);
    return true;
}

static bool decode_timer(struct workflow *wf, struct str body)
{
    struct user_timer *t = NEW(wf->arena, struct user_timer, 1);
    if (!fields_read(body, timer_fields, ARRAY_LEN(timer_fields), wf->arena, t) ||
            workflow_timer(wf, t->timer_id)) {
        return false;
    }
    map_put(&wf->timers, &t->by_id, t->timer_id);
    tally_timer_enter(wf, t);
    return true;
}

static bool decode_request_id(struct workflow *wf, struct str id)
{
    struct request_id *r = NEW(wf->arena, struct request_id, 1);
    if (map_get(&wf->request_ids, id)) {
        return false;
    }
    map_put(&wf->request_ids, &r->node, id);
    tally_request_id_enter(wf, id);
    return true;
}

static bool decode_buffered(struct workflow *wf, struct str body)
{
    struct buffered_event *b = NEW(wf->arena, struct buffered_event, 1);
    if (!fields_read(body, buffered_fields, ARRAY_LEN(buffered_fields), wf->arena, b)) {
        return false;
    }
    list_append(&wf->buffered, &b->node);
    wf->buffered_count++;
    wf->buffered_bytes += b->attributes.len + b->links.len;
    return true;
}

static bool decode_outbox(struct workflow *wf, struct str body)
{
    struct outbox_entry *e = NEW(wf->arena, struct outbox_entry, 1);
    if (!history_event_read(body, wf->arena, &e->initiated)) {
        return false;
    }
    e->id = e->initiated.event_id;
    if (map_get(&wf->outbox, str_of(&e->id, sizeof(e->id)))) {
        return false;
    }
    map_put(&wf->outbox, &e->by_id, str_of(&e->id, sizeof(e->id)));
    tally_outbox_enter(wf, e);
    return true;
}

static bool decode_child(struct workflow *wf, struct str body)
{
    struct child *c = NEW(wf->arena, struct child, 1);
    if (!fields_read(body, child_fields, ARRAY_LEN(child_fields), wf->arena, c) ||
            workflow_child(wf, c->initiated_event_id)) {
        return false;
    }
    map_put(&wf->children, &c->by_event, str_of(&c->initiated_event_id, sizeof(int64_t)));
    tally_child_enter(wf, c);
    return true;
}

static bool decode_update(struct workflow *wf, struct str body)
{
    struct update u = { 0 };
    return fields_read(body, update_fields, ARRAY_LEN(update_fields), wf->arena, &u) &&
           state_update_restore(wf, &u);
}

static bool decode_callback(struct workflow *wf, struct str body)
{
    struct callback *c = NEW(wf->arena, struct callback, 1);
    if (!fields_read(body, callback_fields, ARRAY_LEN(callback_fields), wf->arena, c)) {
        return false;
    }
    state_callback_put(wf, c);
    return true;
}

static bool decode_attached(struct workflow *wf, struct str body)
{
    struct attached_id *a = NEW(wf->arena, struct attached_id, 1);
    if (!fields_read(body, attached_fields, ARRAY_LEN(attached_fields), wf->arena, a) ||
            map_get(&wf->attached, a->node.key)) {
        return false;
    }
    struct str key = a->node.key;
    a->node.key = (struct str){ 0 };
    state_attached_put(wf, a, key);
    return true;
}

static bool decode_part(struct workflow *wf, const struct wire_field *f)
{
    switch (f->number) {
    case PART_VERSION:
        return f->varint == SNAPSHOT_VERSION;
    case PART_RUN:
        return fields_read(f->bytes, run_fields, ARRAY_LEN(run_fields), wf->arena, wf);
    case PART_START:
        return history_event_read(f->bytes, wf->arena, &wf->start);
    case PART_TASK:
        wf->task.state = WORKFLOW_TASK_SCHEDULED;
        return fields_read(f->bytes, task_fields, ARRAY_LEN(task_fields), wf->arena, &wf->task);
    case PART_ACTIVITY:
        return decode_activity(wf, f->bytes);
    case PART_TIMER:
        return decode_timer(wf, f->bytes);
    case PART_REQUEST_ID:
        return decode_request_id(wf, f->bytes);
    case PART_BUFFERED:
        return decode_buffered(wf, f->bytes);
    case PART_OUTBOX:
        return decode_outbox(wf, f->bytes);
    case PART_CHILD:
        return decode_child(wf, f->bytes);
    case PART_UPDATE:
        return decode_update(wf, f->bytes);
    case PART_CALLBACK:
        return decode_callback(wf, f->bytes);
    case PART_ATTACHED:
        return decode_attached(wf, f->bytes);
    default:
        return false;
    }
}

enum err workflow_decode(struct workflow *wf, struct str bytes, struct fail *f)
{
    struct str in = str_dup(wf->arena, bytes);
    struct wire_field field;
    check(wf->status == 0 && wf->next_event_id == 1);
    while (wire_next(&in, &field)) {
        bool is_varint = field.type == WIRE_VARINT;
        if (is_varint != (field.number == PART_VERSION) || (!is_varint && field.type != WIRE_LEN) ||
                !decode_part(wf, &field)) {
            return fail(f, ERR_CORRUPT, "malformed or unknown part %u of a snapshot",
                    (unsigned)field.number);
        }
    }
    if (!wire_ok(in)) {
        return fail(f, ERR_CORRUPT, "malformed snapshot");
    }
    workflow_forget_volatile(wf);
    return ERR_NONE;
}
