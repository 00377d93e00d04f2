/* See events.h. */
#include "tests/sim/events.h"

#include "common/base/arena.h"

bool ev_next(struct str *history, struct ev *ret, bool *bad)
{
    struct wire_field f, g;
    if (history->len == 0) {
        return false;
    }
    if (!wire_next(history, &f) || f.number != 1 || f.type != WIRE_LEN) {
        *bad = true;
        return false;
    }
    *ret = (struct ev){ .raw = f.bytes };
    struct str in = f.bytes;
    while (wire_next(&in, &g)) {
        if (g.number == 1) {
            ret->id = (int64_t)g.varint;
        } else if (g.number == 2) {
            ret->time = wire_timestamp(g.bytes);
        } else if (g.number == 3) {
            ret->type = (enum ev_type)g.varint;
        } else if (g.number >= 6 && g.number <= 65) {
            ret->attributes = g.bytes;
        }
    }
    *bad |= !wire_ok(in) || ret->type >= EV_TYPE_MAX;
    return !*bad;
}

int64_t ev_int(struct str message, uint32_t field)
{
    struct wire_field f;
    int64_t v = 0;
    while (wire_next(&message, &f)) {
        v = f.number == field && f.type == WIRE_VARINT ? (int64_t)f.varint : v;
    }
    return v;
}

struct str ev_bytes(struct str message, uint32_t field)
{
    struct wire_field f;
    struct str v = STR("");
    while (wire_next(&message, &f)) {
        v = f.number == field && f.type == WIRE_LEN ? f.bytes : v;
    }
    return v;
}

int64_t ev_beginning(const struct ev *e)
{
    static const uint8_t field[EV_TYPE_MAX] = {
        [EV_TASK_STARTED] = 1,
        [EV_TASK_COMPLETED] = 1,
        [EV_TASK_TIMED_OUT] = 1,
        [EV_TASK_FAILED] = 1,
        [EV_ACTIVITY_STARTED] = 1,
        [EV_ACTIVITY_COMPLETED] = 2,
        [EV_ACTIVITY_FAILED] = 2,
        [EV_ACTIVITY_TIMED_OUT] = 2,
        [EV_ACTIVITY_CANCEL_REQUESTED] = 1,
        [EV_ACTIVITY_CANCELED] = 3,
        [EV_TIMER_FIRED] = 2,
        [EV_TIMER_CANCELED] = 2,
        [EV_UPDATE_COMPLETED] = 3,
        [EV_EXTERNAL_CANCEL_FAILED] = 5,
        [EV_EXTERNAL_CANCELED] = 1,
        [EV_CHILD_START_FAILED] = 6,
        [EV_CHILD_STARTED] = 2,
        [EV_CHILD_COMPLETED] = 5,
        [EV_CHILD_FAILED] = 5,
        [EV_CHILD_CANCELED] = 5,
        [EV_CHILD_TIMED_OUT] = 4,
        [EV_CHILD_TERMINATED] = 4,
        [EV_EXTERNAL_SIGNAL_FAILED] = 5,
        [EV_EXTERNAL_SIGNALED] = 1,
    };
    return field[e->type] ? ev_int(e->attributes, field[e->type]) : 0;
}

bool ev_closes_run(enum ev_type type)
{
    return type == EV_COMPLETED || type == EV_FAILED || type == EV_TIMED_OUT ||
           type == EV_CANCELED || type == EV_TERMINATED || type == EV_CONTINUED;
}

struct str ev_update_id(const struct ev *e)
{
    switch (e->type) {
    case EV_UPDATE_ADMITTED: /* request, meta, id */
        return ev_bytes(ev_bytes(ev_bytes(e->attributes, 1), 1), 1);
    case EV_UPDATE_ACCEPTED: /* protocol instance */
        return ev_bytes(e->attributes, 1);
    case EV_UPDATE_COMPLETED: /* meta, id */
        return ev_bytes(ev_bytes(e->attributes, 1), 1);
    default:
        return STR("");
    }
}

struct str ev_reset_run(const struct ev *e)
{
    return e->type == EV_TASK_FAILED ? ev_bytes(e->attributes, 7) : STR("");
}

struct str payloads_of(struct arena *arena, struct str text)
{
    struct buf b;
    buf_init_arena(&b, arena, (size_t)1 << 20);
    size_t mark = wire_begin(&b, 1);
    wire_put_bytes(&b, 2, text);
    wire_end(&b, mark);
    return buf_str(&b);
}

struct str payloads_text(struct str payloads)
{
    return ev_bytes(ev_bytes(payloads, 1), 2);
}
