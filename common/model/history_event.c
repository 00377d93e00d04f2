/* Writes and reads history events from the rows of history_event.def: one table of fields, and for each event
 * type its range in it. Leaves it to the callers which attributes an event must have. */
#include "common/model/history_event.h"

#include "common/model/wire.h"

/* One table per event would need a list per event; one table for all, and a walk that picks an event's rows at
 * its boundaries, needs one list. The ranges are found once per type by their constant order. */
struct attribute {
    enum event_type type;
    struct field field;
};

static const struct attribute attributes[] = {
#define EVENT_TYPE(number, name, attributes, text)
#define ATTRIBUTE(event, number, kind, member) \
    { HISTORY_##event, { number, FIELD_##kind, offsetof(struct history_event, member) } },
#include "common/model/history_event.def"
#undef EVENT_TYPE
#undef ATTRIBUTE
};

/* Field lists per event: an enum value per row gives every row its index, and so each event its first row. */
enum row {
#define EVENT_TYPE(number, name, attributes, text) ROW_##name, ROW_##name##_back = ROW_##name - 1,
#define ATTRIBUTE(event, number, kind, member)     ROW_##event##_##member,
#include "common/model/history_event.def"
#undef EVENT_TYPE
#undef ATTRIBUTE
    ROW_COUNT
};

static const struct {
    uint32_t attributes; /* field of the oneof; 0: not known */
    uint32_t first_row;
    const char *text;
} types[HISTORY_EVENT_TYPE_COUNT] = {
#define EVENT_TYPE(number, name, attributes, text) [number] = { attributes, ROW_##name, text },
#define ATTRIBUTE(event, number, kind, member)
#include "common/model/history_event.def"
#undef EVENT_TYPE
#undef ATTRIBUTE
};

_Static_assert(
        ROW_COUNT == sizeof(attributes) / sizeof(attributes[0]), "rows and attributes agree");

static bool is_known(enum event_type type)
{
    return (unsigned)type < HISTORY_EVENT_TYPE_COUNT && types[type].attributes != 0;
}

/* The rows of one type, as a plain list of fields. */
struct field_list {
    struct field fields[40];
    size_t count;
};

void history_event_write_attributes(struct buf *out, const struct history_event *he)
{
    check(is_known(he->type));
    for (size_t i = types[he->type].first_row; i < ROW_COUNT && attributes[i].type == he->type;
            i++) {
        fields_write(out, &attributes[i].field, 1, he);
    }
}

void history_event_write(struct buf *out, const struct history_event *he)
{
    wire_opt_varint(out, 1, (uint64_t)he->event_id);
    wire_put_timestamp(out, 2, he->time);
    wire_put_varint(out, 3, (uint64_t)he->type);
    wire_opt_varint(out, 5, (uint64_t)he->event_id); /* task_id: increasing is all that is asked */
    size_t mark = wire_begin(out, types[he->type].attributes);
    history_event_write_attributes(out, he);
    wire_end(out, mark);
    wire_opt_bytes(out, HISTORY_FIELD_USER_METADATA, he->user_metadata);
    buf_append_str(out, he->links);
    buf_append_str(out, he->group_markers);
}

void history_event_append(struct buf *out, const struct history_event *he)
{
    size_t mark = wire_begin(out, 1);
    history_event_write(out, he);
    wire_end(out, mark);
}

bool history_event_read_attributes(
        struct str message, enum event_type type, struct arena *arena, struct history_event *he)
{
    struct field_list list = { .count = 0 };
    if (!is_known(type)) {
        return true;
    }
    for (size_t i = types[type].first_row; i < ROW_COUNT && attributes[i].type == type; i++) {
        check(list.count < ARRAY_LEN(list.fields));
        list.fields[list.count++] = attributes[i].field;
    }
    he->type = type;
    return fields_read(message, list.fields, list.count, arena, he);
}

/* Repeated fields as they were, tags included: we write those of a kind in a row. */
static void take_repeated(struct str *list, const char *start, struct str rest)
{
    if (str_empty(*list)) {
        list->ptr = start;
    }
    list->len = (size_t)(rest.ptr - list->ptr);
}

bool history_event_read(struct str message, struct arena *arena, struct history_event *ret)
{
    struct history_event he = { 0 };
    struct str body = { 0 };
    uint32_t body_field = 0;
    struct wire_field f;
    const char *start = message.ptr;
    while (wire_next(&message, &f)) {
        if (f.number == 1) {
            he.event_id = (int64_t)f.varint;
        } else if (f.number == 2) {
            he.time = wire_timestamp(f.bytes);
        } else if (f.number == 3) {
            he.type = (enum event_type)f.varint;
        } else if (f.number == HISTORY_FIELD_USER_METADATA) {
            he.user_metadata = f.bytes;
        } else if (f.number == HISTORY_FIELD_LINKS) {
            take_repeated(&he.links, start, message);
        } else if (f.number == HISTORY_FIELD_GROUP_MARKERS) {
            take_repeated(&he.group_markers, start, message);
        } else if (f.number >= 6 && f.number < 300 && f.type == WIRE_LEN) {
            body = f.bytes;
            body_field = f.number;
        }
        start = message.ptr;
    }
    if (!wire_ok(message)) {
        return false;
    }
    if (is_known(he.type) && (body_field != types[he.type].attributes ||
                                     !history_event_read_attributes(body, he.type, arena, &he))) {
        return false;
    }
    *ret = he;
    return true;
}

bool history_next(struct str *events, struct str *ret_event)
{
    struct wire_field f;
    if (!wire_next(events, &f)) {
        return false;
    }
    if (f.number != 1 || f.type != WIRE_LEN) {
        events->ptr = NULL;
        return false;
    }
    *ret_event = f.bytes;
    return true;
}

bool history_is_close(enum event_type type)
{
    return type == HISTORY_WORKFLOW_EXECUTION_COMPLETED ||
           type == HISTORY_WORKFLOW_EXECUTION_FAILED ||
           type == HISTORY_WORKFLOW_EXECUTION_TIMED_OUT ||
           type == HISTORY_WORKFLOW_EXECUTION_CANCELED ||
           type == HISTORY_WORKFLOW_EXECUTION_TERMINATED ||
           type == HISTORY_WORKFLOW_EXECUTION_CONTINUED_AS_NEW;
}

const char *event_type_name(enum event_type type)
{
    return is_known(type) ? types[type].text : "Unknown";
}
