/* Commands that ask a workflow's code: queries, its stack, what it offers. */
#include <stdio.h>

#include "cli/workflow.h"
#include "common/apijson/json_text.h"

static enum err query(struct cli *cli, struct str name, struct message *m,
        struct message_ref *reply, struct fail *f)
{
    struct str condition = cli_text(cli, "reject-condition");
    message_put_text(m, "execution.workflow_id", cli_text(cli, "workflow-id"));
    message_opt_text(m, "execution.run_id", cli_text(cli, "run-id"));
    message_put_text(m, "query.query_type", name);
    if (condition.len) {
        put_enum(m, "query_reject_condition",
                str_eq(condition, STR("not_open")) ? STR("NotOpen") : STR("NotCompletedCleanly"));
    }
    enum err err = cli_call(cli, "QueryWorkflow", m, DURATION_SECONDS(30), reply, f);
    struct message_value v = { 0 };
    if (!err && message_has(*reply, "query_rejected")) {
        bool has_status = message_get(*reply, "query_rejected.status", &v);
        struct str status = has_status
                                    ? api_enum_short(cli->arena, v.field->target, (int32_t)v.number)
                                    : STR("unknown");
        return fail(f, ERR_FAILED_PRECONDITION, "query was rejected, workflow has status: " STR_FMT,
                STR_ARG(status));
    }
    return err;
}

static void print_answer(struct cli *cli, struct message_ref reply)
{
    struct card card;
    out_heading(&cli->out, "Query result:");
    card_begin(&card, &cli->out);
    card_opt(&card, "QueryResult", result_value(cli, message_sub(reply, "query_result"), -1));
    card_print(&card);
    out_message(&cli->out, reply);
}

enum err workflow_query_run(struct cli *cli, struct fail *f)
{
    struct message *m = cli_request(cli, "QueryWorkflow");
    struct message_ref reply;
    struct str input = { 0 };
    enum err err = input_payloads(cli, &input_flags_usual, &input, f);
    if (!err && cli_list(cli, "headers")->items.len) {
        err = input_json_map(cli, "headers", message_at(m, "query.header"), "fields", f);
    }
    if (err) {
        return err;
    }
    message_put_encoded(m, "query.query_args", input);
    err = query(cli, cli_text(cli, "name"), m, &reply, f);
    if (!err) {
        print_answer(cli, reply);
    }
    return err;
}

/* The first payload's bytes. */
static struct str first_data(struct message_ref reply)
{
    struct message_iter iter = message_each(reply, "query_result.payloads");
    struct message_value v;
    return message_next(&iter, &v) ? message_text(message_of(&v), "data") : STR("");
}

enum err workflow_stack_run(struct cli *cli, struct fail *f)
{
    struct message_ref reply;
    enum err err = query(cli, STR("__stack_trace"), cli_request(cli, "QueryWorkflow"), &reply, f);
    if (err) {
        return err;
    }
    struct str text = str_trim(first_data(reply));
    bool is_text = text.len && text.ptr[0] == '"' && json_is_valid(text);
    if (cli->out.form != OUT_TEXT || !is_text) {
        print_answer(cli, reply);
        return ERR_NONE;
    }
    out_heading(&cli->out, "Query result:");
    buf_append_str(&cli->out.text, json_unquote(cli->arena, text));
    buf_append_byte(&cli->out.text, '\n');
    return ERR_NONE;
}

static bool member(struct cli *cli, struct str object, const char *name, struct str *ret)
{
    struct str rest = str_drop(object, 1), value;
    while (object.len && object.ptr[0] == '{') {
        struct json_token t = json_token_next(&rest);
        t = t.kind == JSON_COMMA ? json_token_next(&rest) : t;
        if (t.kind != JSON_TEXT || json_token_next(&rest).kind != JSON_COLON ||
                !json_take_value(&rest, &value)) {
            return false;
        }
        if (str_eq(json_unquote(cli->arena, t.text), str_from_cstr(name))) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static struct str text_member(struct cli *cli, struct str object, const char *name)
{
    struct str value;
    bool found = member(cli, object, name, &value) && value.ptr[0] == '"';
    return found ? json_unquote(cli->arena, value) : STR("");
}

/* Handlers of one kind, by name. */
static void print_handlers(
        struct cli *cli, struct str definition, const char *name, const char *title)
{
    struct str list, item;
    if (!member(cli, definition, name, &list) || list.ptr[0] != '[') {
        return;
    }
    out_heading(&cli->out, "  %s:", title);
    struct str rest = str_drop(list, 1);
    for (;;) {
        struct str before = rest;
        struct json_token t = json_token_next(&rest);
        rest = t.kind == JSON_COMMA ? rest : before;
        if (t.kind == JSON_CLOSE_LIST || !json_take_value(&rest, &item)) {
            return;
        }
        struct str what = text_member(cli, item, "description"),
                   handler = text_member(cli, item, "name");
        out_line(&cli->out, "    " STR_FMT "%s" STR_FMT, STR_ARG(handler), what.len ? "  " : "",
                STR_ARG(what));
    }
}

enum err workflow_metadata_run(struct cli *cli, struct fail *f)
{
    struct message *m = cli_request(cli, "QueryWorkflow");
    struct message_ref reply;
    struct str definition;
    enum err err = query(cli, STR("__temporal_workflow_metadata"), m, &reply, f);
    if (err) {
        return err;
    }
    struct str text = str_trim(first_data(reply));
    if (!json_is_valid(text) || cli->out.form != OUT_TEXT) {
        print_answer(cli, reply);
        return ERR_NONE;
    }
    out_heading(&cli->out, "Metadata:");
    if (member(cli, text, "definition", &definition)) {
        print_handlers(cli, definition, "queryDefinitions", "Query Definitions");
        print_handlers(cli, definition, "signalDefinitions", "Signal Definitions");
        print_handlers(cli, definition, "updateDefinitions", "Update Definitions");
    }
    struct str details = text_member(cli, text, "currentDetails");
    if (details.len) {
        out_heading(&cli->out, "  Current Details:");
        out_line(&cli->out, "    " STR_FMT, STR_ARG(details));
    }
    return ERR_NONE;
}
