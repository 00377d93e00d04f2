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
