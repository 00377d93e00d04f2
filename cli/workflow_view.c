/* Commands that look at workflows: list, count, show, result. */
#include <stdio.h>
#include <unistd.h>

#include "cli/client/channel.h"
#include "cli/workflow.h"

static const char *const list_columns[] = { "Status", "WorkflowId", "Type", "StartTime" };

static void list_row(struct cli *cli, struct table *table, struct message_ref info)
{
    const struct api_field *field = api_field_named(info.type, STR("status"));
    int32_t status = (int32_t)message_int(info, "status");
    enum out_color color = status == 2   ? COLOR_GOOD
                           : status == 1 ? COLOR_START
                           : status == 6 ? COLOR_PLAIN
                                         : COLOR_BAD;
    table_cell(table,
            out_colored(&cli->out, color, api_enum_short(cli->arena, field->target, status)));
    table_cell(table, message_text(info, "execution.workflow_id"));
    table_cell(table, message_text(info, "type.name"));
    table_cell(table, out_time(&cli->out, message_time(info, "start_time")));
}

enum err workflow_list_run(struct cli *cli, struct fail *f)
{
    int64_t limit = cli_number(cli, "limit"), page_size = cli_number(cli, "page-size"), shown = 0;
    struct str token = { "", 0 };
    enum err err = ERR_NONE;
    if (cli_switch(cli, "archived")) {
        return cli_usage(cli, f, "--archived: there is no archive yet");
    }
    page_size = limit && (!page_size || limit < page_size) ? limit : page_size;
    out_list_begin(&cli->out);
    for (bool is_first = true; !err && (is_first || (token.len && (!limit || shown < limit)));
            is_first = false) {
        struct message *m = cli_request(cli, "ListWorkflowExecutions");
        struct message_ref reply;
        struct table table;
        struct message_value v;
        message_opt_text(m, "query", cli_text(cli, "query"));
        message_opt_text(m, "next_page_token", token);
        message_put_int(m, "page_size", page_size);
        err = cli_call(cli, "ListWorkflowExecutions", m, DURATION_SECONDS(30), &reply, f);
        if (err) {
            break;
        }
        table_begin(&table, &cli->out, list_columns, ARRAY_LEN(list_columns));
        struct message_iter iter = message_each(reply, "executions");
        while ((!limit || shown < limit) && message_next(&iter, &v)) {
            list_row(cli, &table, message_of(&v));
            out_message(&cli->out, message_of(&v));
            shown++;
        }
        if (table.cells.len) {
            table_print(&table, is_first);
        }
        token = message_text(reply, "next_page_token");
    }
    out_list_end(&cli->out);
    return err;
}

/* A group's values without the type that they carry as search attributes. */
static struct str group_values(struct cli *cli, struct message_ref group, int indent)
{
    struct message *payloads =
            message_new(cli->arena, api_type_named(STR("temporal.api.common.v1.Payloads")));
    struct message_iter iter = message_each(group, "group_values");
    struct message_value v;
    struct buf bytes;
    while (message_next(&iter, &v)) {
        message_put_encoded(payloads, "payloads",
                input_json_payload(cli, message_text(message_of(&v), "data")));
    }
    buf_init_arena(&bytes, cli->arena, 1 << 20);
    message_encode(payloads, &bytes);
    return out_json_of(
            &cli->out, (struct message_ref){ payloads->type, buf_str(&bytes) }, true, indent);
}

static void count_as_json(struct cli *cli, struct message_ref reply)
{
    struct object o;
    struct buf groups;
    struct message_value v;
    struct message_iter iter = message_each(reply, "groups");
    size_t count = 0;
    buf_init_arena(&groups, cli->arena, 1 << 20);
    buf_append_byte(&groups, '[');
    while (message_next(&iter, &v)) {
        buf_printf(&groups, "%s{\"groupValues\":", count++ ? "," : "");
        buf_append_str(&groups, group_values(cli, message_of(&v), -1));
        buf_printf(
                &groups, ",\"count\":\"%lld\"}", (long long)message_int(message_of(&v), "count"));
    }
    buf_append_byte(&groups, ']');
    object_begin(&o, &cli->out);
    if (message_int(reply, "count")) {
        object_text(&o, "count",
                str_printf(cli->arena, "%lld", (long long)message_int(reply, "count")));
    }
    if (count) {
        object_json(&o, "groups", buf_str(&groups));
    }
    object_print(&o);
}

enum err workflow_count_run(struct cli *cli, struct fail *f)
{
    struct message *m = cli_request(cli, "CountWorkflowExecutions");
    struct message_ref reply;
    struct message_value v;
    message_opt_text(m, "query", cli_text(cli, "query"));
    enum err err = cli_call(cli, "CountWorkflowExecutions", m, DURATION_SECONDS(30), &reply, f);
    if (err) {
        return err;
    }
    out_line(&cli->out, "Total: %lld", (long long)message_int(reply, "count"));
    struct message_iter iter = message_each(reply, "groups");
    while (message_next(&iter, &v)) {
        struct buf values;
        struct message_value value;
        struct message_iter inner = message_each(message_of(&v), "group_values");
        buf_init_arena(&values, cli->arena, 1 << 16);
        while (message_next(&inner, &value)) {
            struct str text = str_trim(message_text(message_of(&value), "data"));
            bool is_quoted = text.len >= 2 && text.ptr[0] == '"';
            buf_append_str(&values, values.len ? STR(", ") : STR(""));
            buf_append_str(&values, is_quoted ? str_of(text.ptr + 1, text.len - 2) : text);
        }
        out_line(&cli->out, "Group total: %lld, values: " STR_FMT,
                (long long)message_int(message_of(&v), "count"), STR_ARG(buf_str(&values)));
    }
    if (out_is_json(&cli->out)) {
        count_as_json(cli, reply);
    }
    return ERR_NONE;
}

enum err workflow_show_run(struct cli *cli, struct fail *f)
{
    struct history_reader r = { .cli = cli,
        .workflow_id = cli_text(cli, "workflow-id"),
        .run_id = cli_text(cli, "run-id"),
        .is_reverse = cli_switch(cli, "reverse"),
        .wait = cli_switch(cli, "follow") };
    struct message_ref closing;
    if (r.is_reverse && r.wait) {
        return cli_usage(cli, f, "--reverse and --follow exclude each other");
    }
    if (out_is_json(&cli->out)) {
        enum err err = history_json(&r, &cli->out.text, cli->out.form == OUT_JSON ? 0 : -1, f);
        buf_append_byte(&cli->out.text, '\n');
        return err;
    }
    enum err err = history_show(&r, cli_switch(cli, "detailed"), &closing, f);
    if (!err && closing.type) {
        out_line(&cli->out, "%s", "");
        result_text(cli, closing, (struct duration){ 0 });
    }
    return err;
}

enum err workflow_result_run(struct cli *cli, struct fail *f)
{
    struct str workflow_id = cli_text(cli, "workflow-id"), run_id = cli_text(cli, "run-id"),
               last_run = run_id;
    struct message_ref closing;
    if (cli->out.form == OUT_TEXT && isatty(STDERR_FILENO)) {
        fprintf(stderr, "Waiting for " STR_FMT " to close ...\r", STR_ARG(workflow_id));
    }
    enum err err = history_close_event(cli, workflow_id, &last_run, &closing, f);
    if (cli->out.form == OUT_TEXT && isatty(STDERR_FILENO)) {
        fprintf(stderr, "\033[K");
    }
    if (err) {
        return err;
    }
    result_text(cli, closing, (struct duration){ 0 });
    struct object o;
    object_begin(&o, &cli->out);
    object_text(&o, "workflowId", workflow_id);
    object_text(&o, "runId", run_id);
    object_text(&o, "namespace", cli_text(cli, "namespace"));
    result_members(cli, &o, closing);
    object_print(&o);
    return result_outcome(closing, f);
}
