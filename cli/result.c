/* How a workflow ended, as people and programs read it: status, result, failures with their causes. */
#include <stdio.h>

#include "cli/workflow.h"
#include "common/apijson/json_text.h"

enum { CAUSES_MAX = 50 };

static const struct {
    const char *event;
    struct str status;
    enum out_color color;
} endings[] = {
    { "WorkflowExecutionCompleted", STR_INIT("COMPLETED"), COLOR_GOOD },
    { "WorkflowExecutionFailed", STR_INIT("FAILED"), COLOR_BAD },
    { "WorkflowExecutionTimedOut", STR_INIT("TIMEOUT"), COLOR_BAD },
    { "WorkflowExecutionCanceled", STR_INIT("CANCELED"), COLOR_BAD },
    { "WorkflowExecutionTerminated", STR_INIT("TERMINATED"), COLOR_BAD },
    { "WorkflowExecutionContinuedAsNew", STR_INIT("CONTINUED_AS_NEW"), COLOR_PLAIN },
};

static size_t ending_of(struct message_ref closing)
{
    size_t i = 0;
    while (i < ARRAY_LEN(endings) && !event_is(closing, endings[i].event)) {
        i++;
    }
    return i;
}

struct str result_status(struct message_ref closing)
{
    size_t i = ending_of(closing);
    return i < ARRAY_LEN(endings) ? endings[i].status : STR("<unknown>");
}

struct str result_value(struct cli *cli, struct message_ref payloads, int indent)
{
    struct message_iter iter = message_each(payloads, "payloads");
    struct message_value v, first = { 0 };
    size_t count = 0;
    while (message_next(&iter, &v)) {
        first = count++ ? first : v;
    }
    return count == 0   ? (struct str){ "", 0 }
           : count == 1 ? out_json_of(&cli->out, message_of(&first), true, indent)
                        : out_json_of(&cli->out, payloads, true, indent);
}

/* Line by line, with spaces before each. */
static void put_indented(struct buf *to, struct str text, int spaces)
{
    while (text.len) {
        struct str line = str_split(text, '\n', &text);
        buf_printf(to, "\n%*s", spaces, "");
        buf_append_str(to, line);
    }
}

struct str failure_text(struct cli *cli, struct message_ref failure)
{
    struct buf text;
    int spaces = 4;
    buf_init_arena(&text, cli->arena, 1 << 20);
    for (int i = 0; i < CAUSES_MAX; i++, spaces += 4) {
        struct str stack = message_text(failure, "stack_trace"),
                   type = message_text(failure, "application_failure_info.type");
        put_indented(&text,
                str_printf(
                        cli->arena, "Message: " STR_FMT, STR_ARG(message_text(failure, "message"))),
                spaces);
        if (type.len) {
            buf_printf(&text, "\n%*sType: " STR_FMT, spaces, "", STR_ARG(type));
        }
        if (stack.len) {
            buf_printf(&text, "\n%*sStackTrace:", spaces, "");
            put_indented(&text, stack, spaces + 4);
        }
        if (!message_has(failure, "cause")) {
            break;
        }
        buf_printf(&text, "\n%*sCause:", spaces, "");
        failure = message_sub(failure, "cause");
    }
    return text.overflow ? STR("(too long)") : buf_str(&text);
}

struct str failure_line(struct cli *cli, struct message_ref failure)
{
    struct str type = message_text(failure, "application_failure_info.type");
    struct str message = message_text(failure, "message");
    if (message_has(failure, "application_failure_info") && type.len) {
        bool again = !message_int(failure, "application_failure_info.non_retryable");
        return str_printf(cli->arena, STR_FMT " (type: " STR_FMT ", retryable: %s)",
                STR_ARG(message), STR_ARG(type), again ? "true" : "false");
    }
    return message;
}

static struct message_ref result_of(struct message_ref closing)
{
    return message_sub(closing, "workflow_execution_completed_event_attributes.result");
}

void result_text(struct cli *cli, struct message_ref closing, struct duration took)
{
    struct card card;
    size_t i = ending_of(closing);
    if (!closing.type) {
        return;
    }
    out_heading(&cli->out, "Results:");
    card_begin(&card, &cli->out);
    if (took.ns > 0) {
        took.ns -= took.ns % 10000000;
        card_text(&card, "RunTime", out_duration(&cli->out, took));
    }
    card_text(&card, "Status",
            out_colored(&cli->out, i < ARRAY_LEN(endings) ? endings[i].color : COLOR_PLAIN,
                    result_status(closing)));
    if (event_is(closing, "WorkflowExecutionCompleted")) {
        struct message_iter iter = message_each(result_of(closing), "payloads");
        struct message_value v;
        card_opt(&card, "Result", result_value(cli, result_of(closing), -1));
        if (message_next(&iter, &v)) {
            struct message_iter entries = message_each(message_of(&v), "metadata");
            while (message_next(&entries, &v)) {
                if (str_eq(message_text(message_of(&v), "key"), STR("encoding"))) {
                    card_opt(&card, "ResultEncoding", message_text(message_of(&v), "value"));
                }
            }
        }
    } else if (event_is(closing, "WorkflowExecutionFailed")) {
        card_text(&card, "Failure",
                failure_text(cli, message_sub(closing,
                                          "workflow_execution_failed_event_attributes.failure")));
    } else if (event_is(closing, "WorkflowExecutionTerminated")) {
        card_opt(&card, "Reason", message_text(event_attributes(closing), "reason"));
    }
    card_print(&card);
}

enum err result_outcome(struct message_ref closing, struct fail *f)
{
    struct str status = result_status(closing);
    if (str_eq(status, STR("COMPLETED"))) {
        return ERR_NONE;
    }
    return fail(f, ERR_FAILED_PRECONDITION, "the workflow did not complete (" STR_FMT ")",
            STR_ARG(status));
}

void result_members(struct cli *cli, struct object *object, struct message_ref closing)
{
    int indent = cli->out.form == OUT_JSON ? 1 : -1;
    object_text(object, "status", result_status(closing));
    object_message(object, "closeEvent", closing, cli->out.shorthand);
    if (event_is(closing, "WorkflowExecutionCompleted")) {
        struct str value = result_value(cli, result_of(closing), indent);
        if (value.len) {
            object_json(object, "result", value);
        }
    }
}
