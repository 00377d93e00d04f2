/* Reading histories page by page, and showing them: rows, sections with every field, or JSON for replayers. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/client/channel.h"
#include "cli/workflow.h"
#include "common/apijson/json_text.h"

static const struct duration long_poll = DURATION_SECONDS(75);

int32_t event_type_of(const char *name)
{
    const struct api_field *field = api_field_named(
            api_type_named(STR("temporal.api.history.v1.HistoryEvent")), STR("event_type"));
    int32_t type = 0;
    check(api_enum_parse(field->target, str_from_cstr(name), &type));
    return type;
}

bool event_is(struct message_ref event, const char *name)
{
    return event_type(event) == event_type_of(name);
}

struct message_ref event_attributes(struct message_ref event)
{
    const struct api_field *fields = api_type_fields(event.type);
    for (size_t i = 0; i < event.type->field_count; i++) {
        struct message_value v = { 0 };
        if ((fields[i].label & API_ONEOF) && message_get(event, api_name(fields[i].name), &v)) {
            return message_of(&v);
        }
    }
    return (struct message_ref){ api_type_named(STR("google.protobuf.Empty")), { "", 0 } };
}

static enum err read_page(struct history_reader *r, struct fail *f)
{
    const char *method =
            r->is_reverse ? "GetWorkflowExecutionHistoryReverse" : "GetWorkflowExecutionHistory";
    struct message_ref reply;
    enum err err;
    do { /* a server that ends a long poll late is asked again */
        struct message *m = cli_request(r->cli, method);
        message_put_text(m, "execution.workflow_id", r->workflow_id);
        message_opt_text(m, "execution.run_id", r->run_id);
        message_opt_text(m, "next_page_token", r->token);
        if (r->wait) {
            message_put_int(m, "wait_new_event", 1);
        }
        if (r->close_only) {
            put_enum(m, "history_event_filter_type", STR("CloseEvent"));
        }
        err = cli_call(r->cli, method, m, r->wait ? long_poll : (struct duration){ 0 }, &reply, f);
    } while (err && r->wait && cli_call_was(r->cli, GRPC_DEADLINE_EXCEEDED));
    if (!err) {
        r->page = message_each(message_sub(reply, "history"), "events");
        r->token = message_text(reply, "next_page_token");
        r->has_begun = true;
    }
    return err;
}

bool history_read(
        struct history_reader *r, struct message_ref *event, enum err *err, struct fail *f)
{
    struct message_value v;
    *err = ERR_NONE;
    for (;;) {
        if (r->has_begun && message_next(&r->page, &v)) {
            *event = message_of(&v);
            return true;
        }
        if (r->has_begun && !r->token.len) {
            return false;
        }
        *err = read_page(r, f);
        if (*err) {
            return false;
        }
    }
}

enum err history_close_event(struct cli *cli, struct str workflow_id, struct str *run_id,
        struct message_ref *event, struct fail *f)
{
    for (;;) {
        struct history_reader r = { .cli = cli,
            .workflow_id = workflow_id,
            .run_id = *run_id,
            .wait = true,
            .close_only = true };
        enum err err;
        bool found = false;
        while (history_read(&r, event, &err, f)) {
            found = true;
        }
        if (err || !found) {
            return err ? err : fail(f, ERR_NOT_FOUND, "the history has no closing event");
        }
        struct message_ref attributes = event_attributes(*event);
        if (!event_is(*event, "WorkflowExecutionContinuedAsNew")) {
            return ERR_NONE;
        }
        *run_id = message_text(attributes, "new_execution_run_id");
    }
}

static enum out_color color_of(struct str type)
{
    static const struct {
        const char *end;
        enum out_color color;
    } rules[] = { { "Failed", COLOR_BAD }, { "TimedOut", COLOR_WARN },
        { "Canceled", COLOR_HEADING }, { "Terminated", COLOR_BAD },
        { "ExecutionCompleted", COLOR_GOOD }, { "ExecutionStarted", COLOR_START } };
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        size_t n = strlen(rules[i].end);
        if (type.len >= n && !memcmp(type.ptr + type.len - n, rules[i].end, n)) {
            return rules[i].color;
        }
    }
    return COLOR_PLAIN;
}

static struct str type_name(struct cli *cli, struct message_ref event)
{
    const struct api_field *field = api_field_named(event.type, STR("event_type"));
    return api_enum_short(cli->arena, field->target, event_type(event));
}

static void show_row(struct cli *cli, struct message_ref event)
{
    struct str type = type_name(cli, event);
    enum out_times times = cli->out.times;
    cli->out.times = TIMES_ISO; /* a list of "now" says nothing */
    struct str time = out_time(&cli->out, message_time(event, "event_time"));
    cli->out.times = times;
    type = out_colored(&cli->out, color_of(type), type);
    out_line(&cli->out, "  %3lld  %-20.*s  " STR_FMT, (long long)message_int(event, "event_id"),
            STR_ARG(time), STR_ARG(type));
}

struct flat_list {
    VEC(struct str) lines;
};

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* "a.b[0]: value" for each value within; the depth is bounded by the JSON's own. */
static void flatten(struct cli *cli, struct flat_list *list, struct str path, struct str value)
{
    struct str rest = str_drop(value, 1), key, item;
    bool is_object = value.ptr[0] == '{';
    if (!is_object && value.ptr[0] != '[') {
        struct str text = value.ptr[0] == '"' ? json_unquote(cli->arena, value) : value;
        vec_push(cli->arena, &list->lines,
                str_printf(cli->arena, STR_FMT ": " STR_FMT, STR_ARG(path), STR_ARG(text)));
        return;
    }
    for (size_t i = 0;; i++) {
        struct json_token t = json_token_next(&rest);
        if (t.kind == JSON_COMMA) {
            t = json_token_next(&rest);
        }
        if (t.kind == JSON_CLOSE_OBJECT || t.kind == JSON_CLOSE_LIST || t.kind <= JSON_BAD) {
            return;
        }
        if (is_object) {
            key = json_unquote(cli->arena, t.text);
            (void)json_token_next(&rest);
        } else {
            rest = str_of(t.text.ptr, (size_t)(rest.ptr + rest.len - t.text.ptr));
            key = str_printf(cli->arena, "[%zu]", i);
        }
        if (!json_take_value(&rest, &item)) {
            return;
        }
        flatten(cli, list,
                str_printf(cli->arena, STR_FMT "%s" STR_FMT, STR_ARG(path),
                        is_object && path.len ? "." : "", STR_ARG(key)),
                item);
    }
}

/* The event's own fields and its attributes', sorted, without what its title says already. */
static void show_section(struct cli *cli, struct message_ref event, bool is_first)
{
    struct flat_list list = { 0 };
    struct str id = str_printf(cli->arena, "%lld", (long long)message_int(event, "event_id"));
    struct str attributes = out_json_of(&cli->out, event_attributes(event), cli->out.shorthand, -1);
    flatten(cli, &list, STR(""), out_json_of(&cli->out, event, cli->out.shorthand, -1));
    size_t kept = 0;
    for (size_t i = 0; i < list.lines.len; i++) {
        struct str line = list.lines.ptr[i], name = str_of(line.ptr, str_find(line, ':'));
        size_t dot = str_find(name, '.');
        bool is_attribute =
                dot < name.len && dot > 10 && !memcmp(name.ptr + dot - 10, "Attributes", 10);
        if (!is_attribute && !str_eq(name, STR("eventId")) && !str_eq(name, STR("eventType"))) {
            list.lines.ptr[kept++] = line;
        }
    }
    list.lines.len = kept;
    flatten(cli, &list, STR(""), attributes);
    qsort(list.lines.ptr, list.lines.len, sizeof(*list.lines.ptr), by_text);
    out_line(&cli->out, "%s--------------- [" STR_FMT "] " STR_FMT " ---------------",
            is_first ? "" : "\n", STR_ARG(id), STR_ARG(type_name(cli, event)));
    for (size_t i = 0; i < list.lines.len && cli->out.form == OUT_TEXT; i++) {
        buf_append_str(&cli->out.text, list.lines.ptr[i]);
        buf_append_byte(&cli->out.text, '\n');
    }
}

static bool is_closing(struct message_ref event)
{
    static const char *const names[] = { "WorkflowExecutionCompleted", "WorkflowExecutionFailed",
        "WorkflowExecutionTimedOut", "WorkflowExecutionCanceled", "WorkflowExecutionTerminated" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (event_is(event, names[i])) {
            return true;
        }
    }
    return false;
}

static void show_heading(struct cli *cli, bool detailed)
{
    out_heading(&cli->out, "Progress:");
    if (!detailed) {
        out_line(&cli->out, "  " STR_FMT "  " STR_FMT "                  " STR_FMT,
                STR_ARG(out_colored(&cli->out, COLOR_HEADING, STR(" ID"))),
                STR_ARG(out_colored(&cli->out, COLOR_HEADING, STR("Time"))),
                STR_ARG(out_colored(&cli->out, COLOR_HEADING, STR("Type"))));
    }
}

enum err history_show(
        struct history_reader *r, bool detailed, struct message_ref *closing, struct fail *f)
{
    struct cli *cli = r->cli;
    struct message_ref event;
    enum err err;
    bool is_first = true;
    *closing = (struct message_ref){ 0 };
    while (history_read(r, &event, &err, f)) {
        if (is_first) {
            show_heading(cli, detailed);
        }
        if (detailed) {
            show_section(cli, event, is_first);
        } else {
            show_row(cli, event);
        }
        is_first = false;
        if (is_closing(event)) {
            *closing = event;
        }
        if (!r->is_reverse && event_is(event, "WorkflowExecutionContinuedAsNew")) {
            struct str next = message_text(event_attributes(event), "new_execution_run_id");
            *r = (struct history_reader){
                .cli = cli, .workflow_id = r->workflow_id, .run_id = next, .wait = r->wait
            };
        }
    }
    return err;
}

enum err history_json(struct history_reader *r, struct buf *out, int indent, struct fail *f)
{
    struct message_ref event;
    enum err err;
    size_t count = 0;
    int deeper = indent < 0 ? -1 : indent + 1, deepest = indent < 0 ? -1 : indent + 2;
    buf_append_byte(out, '{');
    json_break(out, deeper);
    buf_append_str(out, indent < 0 ? STR("\"events\":[") : STR("\"events\": ["));
    while (history_read(r, &event, &err, f)) {
        if (count++) {
            buf_append_byte(out, ',');
        }
        json_break(out, deepest);
        buf_append_str(out, out_json_of(&r->cli->out, event, false, deepest));
    }
    json_break(out, deeper);
    buf_append_byte(out, ']');
    json_break(out, indent);
    buf_append_byte(out, '}');
    return err;
}
