/* Requests written and replies read. Field numbers are those of temporal.api.workflowservice.v1 and
 * its imports. */
#include "tests/bench/messages.h"

#include <stdio.h>

enum {
    COMMAND_SCHEDULE_ACTIVITY = 1,
    COMMAND_START_TIMER = 3,
    COMMAND_COMPLETE_WORKFLOW = 4,
    QUEUE_NORMAL = 1,
    QUEUE_STICKY = 2,
    REUSE_REJECT_DUPLICATE = 3,
    FILTER_ALL = 1,
    FILTER_CLOSE = 2,
};

/* Where the attributes of each event type keep the ids that link events; 0: not there. */
static const struct {
    uint8_t attributes, scheduled, started, task_completed;
} event_fields[] = {
    [EVENT_COMPLETED] = { .attributes = 7, .task_completed = 2 },
    [EVENT_TASK_STARTED] = { .attributes = 11, .scheduled = 1 },
    [EVENT_TASK_COMPLETED] = { .attributes = 12, .scheduled = 1, .started = 2 },
    [EVENT_TASK_TIMED_OUT] = { .attributes = 13, .scheduled = 1, .started = 2 },
    [EVENT_TASK_FAILED] = { .attributes = 14, .scheduled = 1, .started = 2 },
    [EVENT_ACTIVITY_SCHEDULED] = { .attributes = 15, .task_completed = 11 },
    [EVENT_ACTIVITY_STARTED] = { .attributes = 16, .scheduled = 1 },
    [EVENT_ACTIVITY_COMPLETED] = { .attributes = 17, .scheduled = 2, .started = 3 },
    [EVENT_TIMER_STARTED] = { .attributes = 20, .task_completed = 3 },
    [EVENT_TIMER_FIRED] = { .attributes = 21, .started = 2 },
};

static bool read_attributes(struct str in, struct event *event)
{
    struct wire_field f;
    while (wire_next(&in, &f)) {
        if (f.type != WIRE_VARINT) {
            continue;
        }
        if (f.number == event_fields[event->type].scheduled) {
            event->scheduled_id = (int64_t)f.varint;
        } else if (f.number == event_fields[event->type].started) {
            event->started_id = (int64_t)f.varint;
        } else if (f.number == event_fields[event->type].task_completed) {
            event->task_completed_id = (int64_t)f.varint;
        }
    }
    return wire_ok(in);
}

static bool read_event(struct str message, struct event *ret)
{
    struct event event = { 0 };
    struct wire_field f;
    struct str in = message;
    while (wire_next(&in, &f)) {
        if (f.number == 1) {
            event.id = (int64_t)f.varint;
        } else if (f.number == 3) {
            event.type = (enum event_type)f.varint;
        }
    }
    if (!wire_ok(in)) {
        return false;
    }
    *ret = event;
    if ((size_t)event.type >= sizeof(event_fields) / sizeof(event_fields[0]) ||
            !event_fields[event.type].attributes) {
        return true;
    }
    in = message;
    while (wire_next(&in, &f)) {
        if (f.number == event_fields[event.type].attributes && f.type == WIRE_LEN) {
            return read_attributes(f.bytes, ret);
        }
    }
    return true;
}

bool event_next(struct str *history, struct event *ret)
{
    struct wire_field f;
    while (wire_next(history, &f)) {
        if (f.number == 1 && f.type == WIRE_LEN) {
            if (!read_event(f.bytes, ret)) {
                *history = (struct str){ NULL, 0 };
                return false;
            }
            return true;
        }
    }
    return false;
}

static bool read_execution(struct str in, struct str *workflow_id, struct str *run_id)
{
    struct wire_field f;
    while (wire_next(&in, &f)) {
        if (f.number == 1) {
            *workflow_id = f.bytes;
        } else if (f.number == 2) {
            *run_id = f.bytes;
        }
    }
    return wire_ok(in);
}

bool read_workflow_task(struct str in, struct workflow_task *ret)
{
    struct workflow_task task = { 0 };
    struct wire_field f;
    while (wire_next(&in, &f)) {
        switch (f.number) {
        case 1:
            task.token = f.bytes;
            break;
        case 2:
            if (!read_execution(f.bytes, &task.workflow_id, &task.run_id)) {
                return false;
            }
            break;
        case 4:
            task.previous_started_id = (int64_t)f.varint;
            break;
        case 5:
            task.started_id = (int64_t)f.varint;
            break;
        case 6:
            task.attempt = (int64_t)f.varint;
            break;
        case 8:
            task.history = f.bytes;
            break;
        case 9:
            task.next_page = f.bytes;
            break;
        default:
            break;
        }
    }
    *ret = task;
    return wire_ok(in);
}

bool read_completion(struct str in, struct workflow_task *ret)
{
    struct workflow_task task = { 0 };
    struct wire_field f;
    while (wire_next(&in, &f)) {
        if (f.number == 1 && !read_workflow_task(f.bytes, &task)) {
            return false;
        }
    }
    *ret = task;
    return wire_ok(in);
}

bool read_activity_task(struct str in, struct activity_task *ret)
{
    struct activity_task task = { 0 };
    struct str run_id;
    struct wire_field f;
    while (wire_next(&in, &f)) {
        if (f.number == 1) {
            task.token = f.bytes;
        } else if (f.number == 4 && !read_execution(f.bytes, &task.workflow_id, &run_id)) {
            return false;
        }
    }
    *ret = task;
    return wire_ok(in);
}

bool read_start(struct str in, struct str *run_id)
{
    struct wire_field f;
    struct str found = STR("");
    while (wire_next(&in, &f)) {
        if (f.number == 1) {
            found = f.bytes;
        }
    }
    *run_id = found;
    return wire_ok(in);
}

bool read_history(struct str in, struct str *history, struct str *next_page)
{
    struct wire_field f;
    *history = *next_page = STR("");
    while (wire_next(&in, &f)) {
        if (f.number == 1) {
            *history = f.bytes;
        } else if (f.number == 3) {
            *next_page = f.bytes;
        }
    }
    return wire_ok(in);
}

void put_payloads(struct buf *out, uint32_t field, struct str data)
{
    size_t payloads = wire_begin(out, field);
    size_t payload = wire_begin(out, 1);
    size_t entry = wire_begin(out, 1);
    wire_put_bytes(out, 1, STR("encoding"));
    wire_put_bytes(out, 2, STR("binary/plain"));
    wire_end(out, entry);
    wire_put_bytes(out, 2, data);
    wire_end(out, payload);
    wire_end(out, payloads);
}

static void put_name(struct buf *out, uint32_t field, struct str name)
{
    size_t mark = wire_begin(out, field);
    wire_put_bytes(out, 1, name);
    wire_end(out, mark);
}

static void put_queue(struct buf *out, uint32_t field, struct str name, int kind, struct str normal)
{
    size_t mark = wire_begin(out, field);
    wire_put_bytes(out, 1, name);
    wire_put_varint(out, 2, (uint64_t)kind);
    wire_opt_bytes(out, 3, normal);
    wire_end(out, mark);
}

static void put_execution(
        struct buf *out, uint32_t field, struct str workflow_id, struct str run_id)
{
    size_t mark = wire_begin(out, field);
    wire_put_bytes(out, 1, workflow_id);
    wire_opt_bytes(out, 2, run_id);
    wire_end(out, mark);
}

void write_start(struct buf *out, const struct api *api, struct str workflow_type,
        struct str workflow_id, struct str request_id)
{
    wire_put_bytes(out, 1, api->namespace);
    wire_put_bytes(out, 2, workflow_id);
    put_name(out, 3, workflow_type);
    put_queue(out, 4, api->task_queue, QUEUE_NORMAL, STR(""));
    put_payloads(out, 5, api->payload);
    wire_put_duration(out, 8, api->task_timeout);
    wire_put_bytes(out, 9, api->identity);
    wire_put_bytes(out, 10, request_id);
    wire_put_varint(out, 11, REUSE_REJECT_DUPLICATE);
}

void write_signal(struct buf *out, const struct api *api, struct str workflow_id, struct str run_id,
        struct str request_id)
{
    wire_put_bytes(out, 1, api->namespace);
    put_execution(out, 2, workflow_id, run_id);
    wire_put_bytes(out, 3, STR("bench"));
    put_payloads(out, 4, api->payload);
    wire_put_bytes(out, 5, api->identity);
    wire_put_bytes(out, 6, request_id);
}

/* Polls for workflow tasks and for activity tasks have the same first fields. */
void write_poll(struct buf *out, const struct api *api, bool is_sticky)
{
    wire_put_bytes(out, 1, api->namespace);
    if (is_sticky) {
        put_queue(out, 2, api->sticky_queue, QUEUE_STICKY, api->task_queue);
    } else {
        put_queue(out, 2, api->task_queue, QUEUE_NORMAL, STR(""));
    }
    wire_put_bytes(out, 3, api->identity);
}

void write_activity_completion(struct buf *out, const struct api *api, struct str token)
{
    wire_put_bytes(out, 1, token);
    put_payloads(out, 2, api->payload);
    wire_put_bytes(out, 3, api->identity);
    wire_put_bytes(out, 4, api->namespace);
}

void write_history(struct buf *out, const struct api *api, struct str workflow_id,
        struct str run_id, struct str page, bool close_only, bool wait)
{
    wire_put_bytes(out, 1, api->namespace);
    put_execution(out, 2, workflow_id, run_id);
    wire_opt_bytes(out, 4, page);
    wire_opt_varint(out, 5, wait);
    wire_put_varint(out, 6, close_only ? FILTER_CLOSE : FILTER_ALL);
    wire_put_varint(out, 7, 1);
}

void write_completion_begin(struct buf *out, const struct api *api, struct str token)
{
    wire_put_bytes(out, 1, token);
    wire_put_bytes(out, 3, api->identity);
    size_t sticky = wire_begin(out, 4);
    put_queue(out, 1, api->sticky_queue, QUEUE_STICKY, api->task_queue);
    wire_put_duration(out, 2, DURATION_SECONDS(10));
    wire_end(out, sticky);
    wire_put_varint(out, 5, 1);
    wire_put_bytes(out, 9, api->namespace);
}

void write_schedule_activity(struct buf *out, const struct api *api, int64_t number)
{
    char id[24];
    snprintf(id, sizeof(id), "%lld", (long long)number);
    size_t command = wire_begin(out, 2);
    wire_put_varint(out, 1, COMMAND_SCHEDULE_ACTIVITY);
    size_t attributes = wire_begin(out, 2);
    wire_put_bytes(out, 1, str_from_cstr(id));
    put_name(out, 2, STR("bench"));
    put_queue(out, 4, api->task_queue, QUEUE_NORMAL, STR(""));
    put_payloads(out, 6, api->payload);
    wire_put_duration(out, 9, api->activity_timeout);
    wire_end(out, attributes);
    wire_end(out, command);
}

void write_start_timer(struct buf *out, int64_t number, struct duration after)
{
    char id[24];
    snprintf(id, sizeof(id), "%lld", (long long)number);
    size_t command = wire_begin(out, 2);
    wire_put_varint(out, 1, COMMAND_START_TIMER);
    size_t attributes = wire_begin(out, 3);
    wire_put_bytes(out, 1, str_from_cstr(id));
    wire_put_duration(out, 2, after);
    wire_end(out, attributes);
    wire_end(out, command);
}

void write_complete_workflow(struct buf *out, const struct api *api)
{
    size_t command = wire_begin(out, 2);
    wire_put_varint(out, 1, COMMAND_COMPLETE_WORKFLOW);
    size_t attributes = wire_begin(out, 4);
    put_payloads(out, 1, api->payload);
    wire_end(out, attributes);
    wire_end(out, command);
}
