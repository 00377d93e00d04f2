/* The command that describes one run: what it is, how it ended or what it waits for. */
#include <stdio.h>

#include "cli/workflow.h"
#include "common/apijson/json_text.h"

static struct str enum_short(struct cli *cli, struct message_ref m, const char *path)
{
    struct message_value v = { 0 };
    return message_get(m, path, &v) ? api_enum_short(cli->arena, v.field->target, (int32_t)v.number)
                                    : STR("Unspecified");
}

/* A map of payloads as one JSON object on one line; empty when it has no entries. */
static struct str payload_map(struct cli *cli, struct message_ref m, const char *path)
{
    struct message_iter iter = message_each(m, path);
    struct message_value v;
    struct buf text;
    buf_init_arena(&text, cli->arena, 16 << 20);
    while (message_next(&iter, &v)) {
        struct message_ref value = message_sub(message_of(&v), "value");
        /* a search attribute's type, beside its encoding, would make it long */
        struct str data = str_trim(message_text(value, "data"));
        bool is_typed = data.len && data.ptr[0] != '{' && json_is_valid(data);
        buf_append_str(&text, text.len ? STR(",") : STR("{"));
        json_quote(&text, message_text(message_of(&v), "key"));
        buf_append_byte(&text, ':');
        buf_append_str(&text, is_typed ? data : out_json_of(&cli->out, value, true, -1));
    }
    if (text.len) {
        buf_append_byte(&text, '}');
    }
    return buf_str(&text);
}

static void print_info(struct cli *cli, struct message_ref reply)
{
    struct card card;
    struct message_ref info = message_sub(reply, "workflow_execution_info");
    out_heading(&cli->out, "Execution Info:");
    card_begin(&card, &cli->out);
    card_text(&card, "WorkflowId", message_text(info, "execution.workflow_id"));
    card_text(&card, "RunId", message_text(info, "execution.run_id"));
    card_text(&card, "Type", message_text(info, "type.name"));
    card_text(&card, "Status", enum_short(cli, info, "status"));
    card_text(&card, "Namespace", cli_text(cli, "namespace"));
    card_text(&card, "TaskQueue", message_text(info, "task_queue"));
    card_opt(&card, "AssignedBuildId", message_text(info, "assigned_build_id"));
    card_text(&card, "StartTime", out_time(&cli->out, message_time(info, "start_time")));
    card_opt_time(&card, "CloseTime", message_time(info, "close_time"));
    card_opt_time(&card, "ExecutionTime", message_time(info, "execution_time"));
    card_opt(&card, "Memo", payload_map(cli, info, "memo.fields"));
    card_opt(&card, "SearchAttributes", payload_map(cli, info, "search_attributes.indexed_fields"));
    card_int(&card, "StateTransitionCount", message_int(info, "state_transition_count"));
    card_int(&card, "HistoryLength", message_int(info, "history_length"));
    card_int(&card, "HistorySize", message_int(info, "history_size_bytes"));
    card_opt(&card, "ParentWorkflowId", message_text(info, "parent_execution.workflow_id"));
    card_opt(&card, "ParentRunId", message_text(info, "parent_execution.run_id"));
    card_opt(&card, "RootWorkflowId", message_text(info, "root_execution.workflow_id"));
    card_opt(&card, "RootRunId", message_text(info, "root_execution.run_id"));
    card_print(&card);
}

static void print_extended(struct cli *cli, struct message_ref reply)
{
    struct card card;
    struct message_ref info = message_sub(reply, "workflow_extended_info");
    struct str summary = STR("execution_config.user_metadata.summary"),
               details = STR("execution_config.user_metadata.details");
    if (message_has(reply, "workflow_extended_info")) {
        out_heading(&cli->out, "Extended Execution Info:");
        card_begin(&card, &cli->out);
        card_bool(&card, "CancelRequested", message_int(info, "cancel_requested"));
        card_opt_time(
                &card, "ExecutionExpirationTime", message_time(info, "execution_expiration_time"));
        card_opt_time(&card, "RunExpirationTime", message_time(info, "run_expiration_time"));
        card_opt_time(&card, "LastResetTime", message_time(info, "last_reset_time"));
        card_opt_time(&card, "OriginalStartTime", message_time(info, "original_start_time"));
        card_print(&card);
    }
    if (message_has(reply, summary.ptr) || message_has(reply, details.ptr)) {
        out_line(&cli->out, "%s", "");
        out_heading(&cli->out, "Metadata:");
        card_begin(&card, &cli->out);
        if (message_has(reply, summary.ptr)) {
            card_text(&card, "StaticSummary",
                    out_json_of(&cli->out, message_sub(reply, summary.ptr), true, -1));
        }
        if (message_has(reply, details.ptr)) {
            card_text(&card, "StaticDetails",
                    out_json_of(&cli->out, message_sub(reply, details.ptr), true, -1));
        }
        card_print(&card);
    }
}

static size_t count_of(struct message_ref reply, const char *path)
{
    struct message_iter iter = message_each(reply, path);
    struct message_value v;
    size_t n = 0;
    while (message_next(&iter, &v)) {
        n++;
    }
    return n;
}

static void print_activity(struct cli *cli, struct message_ref a)
{
    struct card card;
    card_begin(&card, &cli->out);
    card_text(&card, "ActivityId", message_text(a, "activity_id"));
    card_text(&card, "Type", message_text(a, "activity_type.name"));
    card_text(&card, "State", enum_short(cli, a, "state"));
    card_int(&card, "Attempt", message_int(a, "attempt"));
    card_int(&card, "MaximumAttempts", message_int(a, "maximum_attempts"));
    card_text(&card, "ScheduledTime", out_time(&cli->out, message_time(a, "scheduled_time")));
    card_opt_time(&card, "LastStartedTime", message_time(a, "last_started_time"));
    card_opt_time(&card, "LastHeartbeatTime", message_time(a, "last_heartbeat_time"));
    card_opt_time(&card, "ExpirationTime", message_time(a, "expiration_time"));
    if (message_has(a, "last_failure")) {
        card_text(&card, "LastFailure",
                out_json_of(&cli->out, message_sub(a, "last_failure"), true, -1));
    }
    card_opt(&card, "LastWorkerIdentity", message_text(a, "last_worker_identity"));
    card_opt(&card, "LastHeartbeatDetails",
            result_value(cli, message_sub(a, "heartbeat_details"), -1));
    card_print(&card);
}

static void print_pending(struct cli *cli, struct message_ref reply)
{
    static const char *const columns[] = { "WorkflowId", "RunId", "WorkflowTypeName",
        "InitiatedId#", "ParentClosePolicy" };
    struct message_iter iter = message_each(reply, "pending_activities");
    struct message_value v;
    struct table table;
    out_line(&cli->out, "%s", "");
    out_heading(&cli->out, "Pending Activities: %zu", count_of(reply, "pending_activities"));
    while (message_next(&iter, &v)) {
        out_line(&cli->out, "%s", "");
        print_activity(cli, message_of(&v));
    }
    out_heading(&cli->out, "Pending Child Workflows: %zu", count_of(reply, "pending_children"));
    table_begin(&table, &cli->out, columns, ARRAY_LEN(columns));
    iter = message_each(reply, "pending_children");
    while (message_next(&iter, &v)) {
        struct message_ref child = message_of(&v);
        table_cell(&table, message_text(child, "workflow_id"));
        table_cell(&table, message_text(child, "run_id"));
        table_cell(&table, message_text(child, "workflow_type_name"));
        table_cell(&table,
                str_printf(cli->arena, "%lld", (long long)message_int(child, "initiated_id")));
        table_cell(&table, enum_short(cli, child, "parent_close_policy"));
    }
    if (table.cells.len) {
        table_print(&table, true);
    }
    out_heading(&cli->out, "Pending Nexus Operations: %zu",
            count_of(reply, "pending_nexus_operations"));
}

static void print_callbacks(struct cli *cli, struct message_ref reply)
{
    struct message_iter iter = message_each(reply, "callbacks");
    struct message_value v;
    size_t count = count_of(reply, "callbacks");
    if (count) {
        out_line(&cli->out, "%s", "");
        out_heading(&cli->out, "Callbacks: %zu", count);
    }
    while (message_next(&iter, &v)) {
        struct card card;
        card_begin(&card, &cli->out);
        card_text(&card, "URL", message_text(message_of(&v), "callback.nexus.url"));
        card_text(&card, "State", enum_short(cli, message_of(&v), "state"));
        card_int(&card, "Attempt", message_int(message_of(&v), "attempt"));
        card_print(&card);
    }
}

/* The closing event of a closed run; none while it is open. */
static enum err read_closing(
        struct cli *cli, struct message_ref reply, struct message_ref *closing, struct fail *f)
{
    struct history_reader r = { .cli = cli,
        .workflow_id = message_text(reply, "workflow_execution_info.execution.workflow_id"),
        .run_id = message_text(reply, "workflow_execution_info.execution.run_id"),
        .close_only = true };
    enum err err = ERR_NONE;
    *closing = (struct message_ref){ 0 };
    if (message_int(reply, "workflow_execution_info.status") == 1) {
        return ERR_NONE;
    }
    while (history_read(&r, closing, &err, f)) {
    }
    return err;
}

/* The reply, with "closeEvent" and "result" behind its own members. */
static void print_json(struct cli *cli, struct message_ref reply, struct message_ref closing)
{
    struct object o;
    int indent = cli->out.form == OUT_JSON ? 1 : -1;
    struct str text = out_json_of(&cli->out, reply, cli->out.shorthand, -1),
               rest = str_drop(text, 1), key, value;
    object_begin(&o, &cli->out);
    for (;;) {
        struct json_token t = json_token_next(&rest);
        t = t.kind == JSON_COMMA ? json_token_next(&rest) : t;
        if (t.kind != JSON_TEXT) {
            break;
        }
        key = json_unquote(cli->arena, t.text);
        (void)json_token_next(&rest);
        if (!json_take_value(&rest, &value)) {
            break;
        }
        object_json(&o, str_cstr(cli->arena, key), value);
    }
    if (closing.type) {
        object_message(&o, "closeEvent", closing, cli->out.shorthand);
        struct message_ref result =
                message_sub(closing, "workflow_execution_completed_event_attributes.result");
        struct str shown = result_value(cli, result, indent);
        if (shown.len) {
            object_json(&o, "result", shown);
        }
    }
    object_print(&o);
}

static void print_reset_points(struct cli *cli, struct message_ref reply)
{
    static const char *const columns[] = { "BinaryChecksum", "CreateTime", "RunId", "EventId#" };
    const char *path = "workflow_execution_info.auto_reset_points.points";
    struct message_iter iter = message_each(reply, path);
    struct message_value v;
    struct table table;
    out_heading(&cli->out, "Auto Reset Points: %zu", count_of(reply, path));
    table_begin(&table, &cli->out, columns, ARRAY_LEN(columns));
    while (message_next(&iter, &v)) {
        struct message_ref point = message_of(&v);
        table_cell(&table, message_text(point, "binary_checksum"));
        table_cell(&table, out_time(&cli->out, message_time(point, "create_time")));
        table_cell(&table, message_text(point, "run_id"));
        table_cell(
                &table, str_printf(cli->arena, "%lld",
                                (long long)message_int(point, "first_workflow_task_completed_id")));
    }
    if (table.cells.len) {
        table_print(&table, true);
    }
    out_message(&cli->out, message_sub(reply, "workflow_execution_info.auto_reset_points"));
}

enum err workflow_describe_run(struct cli *cli, struct fail *f)
{
    struct message *m = cli_request(cli, "DescribeWorkflowExecution");
    struct message_ref reply, closing;
    message_put_text(m, "execution.workflow_id", cli_text(cli, "workflow-id"));
    message_opt_text(m, "execution.run_id", cli_text(cli, "run-id"));
    enum err err = cli_call(cli, "DescribeWorkflowExecution", m, (struct duration){ 0 }, &reply, f);
    if (!err && cli_switch(cli, "reset-points")) {
        print_reset_points(cli, reply);
        return ERR_NONE;
    }
    err = err ? err : read_closing(cli, reply, &closing, f);
    if (err) {
        return err;
    }
    if (out_is_json(&cli->out)) {
        print_json(cli, reply, closing);
        return ERR_NONE;
    }
    print_info(cli, reply);
    print_extended(cli, reply);
    print_callbacks(cli, reply);
    if (closing.type) {
        struct instant start = message_time(reply, "workflow_execution_info.start_time");
        out_line(&cli->out, "%s", "");
        result_text(cli, closing,
                instant_since(message_time(reply, "workflow_execution_info.close_time"), start));
    } else {
        print_pending(cli, reply);
    }
    return ERR_NONE;
}
