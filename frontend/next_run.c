/* The link from a closed run to the next one of its chain, for clients that know only continue-as-new as such a link
 * (the Java SDK): whoever waits for the close event and does not name the feature "follows-next-run-id" gets the event
 * of a run that completed, failed or timed out with a next run in the form of a WorkflowExecutionContinuedAsNew. The
 * stored history is not touched; relies on history having put nothing but that event into the response. */
#include "frontend/next_run.h"

#include "common/model/wire.h"

enum {
    RESPONSE_HISTORY = 1,
    HISTORY_EVENT = 1,
    EVENT_TYPE_FIELD = 3,
    EVENT_TASK_ID = 5,
    EVENT_CONTINUED_AS_NEW = 33,
    TYPE_CONTINUED_AS_NEW = 28,
    NEW_RUN_ID = 1,
    NEW_FAILURE = 10,
    NEW_LAST_RESULT = 11,
};

/* The closing events that can have a next run: where it is, and what is told of the run that was. */
static const struct closing {
    uint32_t field;
    uint32_t next_run_id;
    uint32_t outcome, outcome_to; /* 0: nothing is told */
} closings[] = {
    { 7, 3, 1, NEW_LAST_RESULT }, /* WorkflowExecutionCompleted */
    { 8, 4, 1, NEW_FAILURE },     /* WorkflowExecutionFailed */
    { 9, 2, 0, 0 },               /* WorkflowExecutionTimedOut */
};

bool next_run_is_followed(struct str features)
{
    while (features.len) {
        if (str_eq(str_trim(str_split(features, ',', &features)), STR("follows-next-run-id"))) {
            return true;
        }
    }
    return false;
}

static struct str field_bytes(struct str message, uint32_t number)
{
    struct wire_field f;
    struct str found = STR("");
    while (number && wire_next(&message, &f)) {
        if (f.number == number && f.type == WIRE_LEN) {
            found = f.bytes;
        }
    }
    return found;
}

static const struct closing *find_closing(struct str event, struct str *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(closings); i++) {
        struct str attributes = field_bytes(event, closings[i].field);
        if (field_bytes(attributes, closings[i].next_run_id).len) {
            *ret = attributes;
            return &closings[i];
        }
    }
    return NULL;
}

/* Id, time, version and task id stay; type and attributes change. */
static void put_event(
        struct buf *out, struct str event, const struct closing *c, struct str attributes)
{
    struct wire_field f;
    size_t mark = wire_begin(out, HISTORY_EVENT);
    while (wire_next(&event, &f)) {
        if (f.number > EVENT_TASK_ID || f.number == EVENT_TYPE_FIELD) {
            continue;
        }
        if (f.type == WIRE_LEN) {
            wire_put_bytes(out, f.number, f.bytes);
        } else {
            wire_put_varint(out, f.number, f.varint);
        }
    }
    wire_put_varint(out, EVENT_TYPE_FIELD, TYPE_CONTINUED_AS_NEW);
    size_t inner = wire_begin(out, EVENT_CONTINUED_AS_NEW);
    wire_put_bytes(out, NEW_RUN_ID, field_bytes(attributes, c->next_run_id));
    wire_opt_bytes(out, c->outcome_to, field_bytes(attributes, c->outcome));
    wire_end(out, inner);
    wire_end(out, mark);
}

struct str next_run_as_continued(struct arena *arena, struct str response)
{
    struct str event = field_bytes(field_bytes(response, RESPONSE_HISTORY), HISTORY_EVENT);
    struct str attributes;
    const struct closing *c = find_closing(event, &attributes);
    if (!c) {
        return response;
    }
    struct buf out;
    buf_init_arena(&out, arena, response.len + 64);
    size_t mark = wire_begin(&out, RESPONSE_HISTORY);
    put_event(&out, event, c, attributes);
    wire_end(&out, mark);
    check(!out.overflow);
    return buf_str(&out); /* the close event is all that there is: no token */
}
