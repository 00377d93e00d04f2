/* What a worker says of itself when it completes a workflow task. */
#include <string.h>

#include "common/model/wire.h"
#include "tests/history/driver/cases.h"

/* WorkerDeploymentOptions: name, build, mode. */
#define OPTIONS_VERSIONED \
    "\x0a\x03"            \
    "llm"                 \
    "\x12\x02"            \
    "b1"                  \
    "\x18\x02"
#define OPTIONS_UNVERSIONED \
    "\x0a\x03"              \
    "llm"                   \
    "\x12\x02"              \
    "b1"                    \
    "\x18\x01"
#define DEPLOYMENT \
    "\x0a\x03"     \
    "old"          \
    "\x12\x02"     \
    "b0"

static struct pending *complete(struct world *w, const Api__PollWorkflowTaskQueueResponse *task,
        struct str deployment, struct str options, int behavior)
{
    Api__RespondWorkflowTaskCompletedRequest r = API__RESPOND_WORKFLOW_TASK_COMPLETED_REQUEST__INIT;
    Api__Command *command = complete_workflow(w);
    r.task_token = task->task_token;
    r.identity = "worker";
    r.deployment = api_data(deployment);
    r.deployment_options = api_data(options);
    r.versioning_behavior = (Api__VersioningBehavior)behavior;
    r.commands = &command;
    r.n_commands = 1;
    return call_api(w, API_RESPOND_WORKFLOW_TASK_COMPLETED, "order", &r.base);
}

/* Field of the completed event's attributes; empty: not there. A number comes as its one byte. */
static struct str completed_field(struct world *w, uint32_t number)
{
    enum { EVENT_COMPLETED = 4, FIELD_ATTRIBUTES = 12 };
    struct str events = api_bytes(history_of(w, "order", "")->history);
    struct wire_field event, f;
    for (int i = 0; i < EVENT_COMPLETED; i++) {
        expect(wire_next(&events, &event));
    }
    struct str attributes = { 0 }, in = event.bytes;
    while (wire_next(&in, &f)) {
        attributes = f.number == FIELD_ATTRIBUTES && f.type == WIRE_LEN ? f.bytes : attributes;
    }
    while (wire_next(&attributes, &f)) {
        if (f.number == number) {
            char byte = (char)f.varint;
            return f.type == WIRE_LEN ? f.bytes : str_dup(&w->arena, str_of(&byte, 1));
        }
    }
    return (struct str){ 0 };
}

void completions_name_their_deployment(void)
{
    static const struct {
        struct str deployment, options, name, version;
        int behavior;
        const char *kept;
    } rows[] = {
        { STR_INIT(""), STR_INIT(OPTIONS_VERSIONED), STR_INIT("llm"),
                STR_INIT("\x0a\x02"
                         "b1"
                         "\x12\x03"
                         "llm"),
                1, "\1" },
        { STR_INIT(""), STR_INIT(OPTIONS_UNVERSIONED), STR_INIT("llm"), STR_INIT(""), 0, "" },
        { STR_INIT(DEPLOYMENT), STR_INIT(""), STR_INIT("old"),
                STR_INIT("\x0a\x02"
                         "b0"
                         "\x12\x03"
                         "old"),
                2, "\2" },
        { STR_INIT(DEPLOYMENT), STR_INIT(OPTIONS_UNVERSIONED), STR_INIT("llm"),
                STR_INIT("\x0a\x02"
                         "b0"
                         "\x12\x03"
                         "old"),
                2, "" },
        { STR_INIT(""), STR_INIT(""), STR_INIT(""), STR_INIT(""), 0, "" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world *w = world_new();
        start(w, "order");
        Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
        answer_of(
                w, complete(w, task, rows[i].deployment, rows[i].options, rows[i].behavior), NULL);
        expect(str_eq(completed_field(w, 10), rows[i].name));
        expect(str_eq(completed_field(w, 11), rows[i].version));
        expect(str_eq(completed_field(w, 8), str_from_cstr(rows[i].kept)));
        world_free(w);
    }
}

/* A behavior without a version says nothing: the worker is wrongly set up. The task goes on to another try. */
void behaviors_need_a_version(void)
{
    struct world *w = world_new();
    start(w, "order");
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    expect(error_of(w, complete(w, task, STR(""), STR(""), 1)) == ERR_INVALID_ARGUMENT);
    expect(error_of(w, complete(w, task, STR(""), STR(OPTIONS_UNVERSIONED), 1)) ==
            ERR_INVALID_ARGUMENT);
    expect(!strcmp(history_types(w, "order"), "1 5"));
    answer_of(w, complete(w, task, STR(""), STR(OPTIONS_VERSIONED), 1), NULL);
    world_free(w);
}

/* A page taken for the whole would lose the other commands. The namespace says that it has no such thing. */
void pages_of_completions_are_refused(void)
{
    struct world *w = world_new();
    start(w, "order");
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    Api__RespondWorkflowTaskCompletedRequest r = API__RESPOND_WORKFLOW_TASK_COMPLETED_REQUEST__INIT;
    r.task_token = task->task_token;
    for (int i = 0; i < 2; i++) {
        r.intermediate_page = i == 0;
        r.page_number = i;
        struct pending *p = call_api(w, API_RESPOND_WORKFLOW_TASK_COMPLETED, "order", &r.base);
        expect(error_of(w, p) == ERR_FAILED_PRECONDITION);
    }
    expect(!strcmp(history_types(w, "order"), "1 5"));
    complete_task(w, "order", task, complete_workflow(w));
    world_free(w);
}

static Api__Command *cancel_timer(struct world *w, const char *id)
{
    Api__Command *c = command_new(w, (Api__CommandType)COMMAND_CANCEL_TIMER,
            API__COMMAND__ATTRIBUTES_CANCEL_TIMER_COMMAND_ATTRIBUTES);
    c->cancel_timer_command_attributes =
            api_new(&w->arena, &api__cancel_timer_command_attributes__descriptor);
    c->cancel_timer_command_attributes->timer_id = (char *)id;
    return c;
}

static Api__Command *cancel_activity(struct world *w, int64_t scheduled_event_id)
{
    Api__Command *c = command_new(w, (Api__CommandType)COMMAND_REQUEST_CANCEL_ACTIVITY_TASK,
            API__COMMAND__ATTRIBUTES_REQUEST_CANCEL_ACTIVITY_TASK_COMMAND_ATTRIBUTES);
    c->request_cancel_activity_task_command_attributes =
            api_new(&w->arena, &api__request_cancel_activity_task_command_attributes__descriptor);
    c->request_cancel_activity_task_command_attributes->scheduled_event_id = scheduled_event_id;
    return c;
}

/* "5 0/0 6 1/1": the numbers of the events that carry something, which summary, how many markers. */
static const char *said_of_events(struct world *w)
{
    enum { FIELD_EVENT_ID = 1, FIELD_USER_METADATA = 301, FIELD_MARKERS = 304 };
    struct str events = api_bytes(history_of(w, "order", "")->history);
    struct wire_field event, f;
    struct buf out;
    buf_init_arena(&out, &w->arena, 4096);
    while (wire_next(&events, &event)) {
        struct str in = event.bytes, summary = { 0 };
        int64_t id = 0;
        size_t markers = 0;
        while (wire_next(&in, &f)) {
            id = f.number == FIELD_EVENT_ID ? (int64_t)f.varint : id;
            summary = f.number == FIELD_USER_METADATA ? f.bytes : summary;
            if (f.number == FIELD_MARKERS) {
                char expected[] = { '\x0a', '\1', (char)('a' + markers++) };
                expect(str_eq(f.bytes, str_of(expected, sizeof(expected))));
            }
        }
        if (summary.len || markers) {
            buf_printf(&out, "%s%lld %c/%zu", out.len ? " " : "", (long long)id,
                    summary.len == 3 ? summary.ptr[2] : '-', markers);
        }
    }
    buf_append_byte(&out, 0);
    return buf_str(&out).ptr;
}

/* What a worker's user reads in the history: summaries, and the groups that an event belongs to. */
void events_carry_what_commands_say_of_them(void)
{
    struct world *w = world_new();
    start(w, "order");
    Api__PollWorkflowTaskQueueResponse *task = poll_workflow(w, "q");
    Api__Command *list[] = { schedule_activity(w, "a"), start_timer(w, 3600), cancel_timer(w, "t"),
        cancel_activity(w, 5), complete_workflow(w) };
    ProtobufCBinaryData markers[ARRAY_LEN(list)];
    for (size_t i = 0; i < ARRAY_LEN(list); i++) {
        markers[i] = api_data(str_printf(&w->arena, "\x0a\x01%c", (char)('a' + i)));
        list[i]->user_metadata = api_data(str_printf(&w->arena, "\x0a\x01%zu", i));
        list[i]->event_group_markers = markers;
        list[i]->n_event_group_markers = i;
    }
    answer_of(w, complete_task_begin(w, "order", task, list, ARRAY_LEN(list), NULL), NULL);
    expect(!strcmp(history_types(w, "order"), "1 5 6 7 10 17 19 15 2"));
    expect(!strcmp(said_of_events(w), "5 0/0 6 1/1 7 2/2 8 3/3 9 4/4"));
    world_free(w);
}
