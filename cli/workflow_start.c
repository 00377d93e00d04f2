/* Commands that start workflows: alone, with a signal or an update, or waiting for the end. */
#include <stdio.h>

#include "cli/client/channel.h"
#include "cli/workflow.h"
#include "common/apijson/json_text.h"
#include "common/base/base64.h"

void put_enum(struct message *message, const char *path, struct str name)
{
    int32_t number = 0;
    const struct api_field *field = api_field_named(message->type, str_from_cstr(path));
    check(field && api_enum_parse(field->target, name, &number));
    message_put_int(message, path, number);
}

static void opt_duration(struct cli *cli, struct message *m, const char *path, const char *option)
{
    struct duration d = cli_option(cli, option)->span;
    if (d.ns) {
        message_put_duration(m, path, d);
    }
}

static void opt_enum(struct cli *cli, struct message *m, const char *path, const char *option)
{
    struct str text = cli_text(cli, option);
    if (text.len) {
        put_enum(m, path, text);
    }
}

/* A text for people, as a payload. */
static void opt_summary(struct cli *cli, struct message *m, const char *path, const char *option)
{
    struct str text = cli_text(cli, option);
    if (text.len) {
        struct buf json;
        buf_init_arena(&json, cli->arena, 6 * text.len + 16);
        json_quote(&json, text);
        message_put_encoded(m, path, input_json_payload(cli, buf_str(&json)));
    }
}

static void fill_priority(struct cli *cli, struct message *m)
{
    if (cli_given(cli, "priority-key")) {
        message_put_int(m, "priority.priority_key", cli_number(cli, "priority-key"));
    }
    message_opt_text(m, "priority.fairness_key", cli_text(cli, "fairness-key"));
    if (cli_given(cli, "fairness-weight")) {
        message_put_double(m, "priority.fairness_weight", cli_option(cli, "fairness-weight")->real);
    }
}

/* What all three requests that start have in common, under the same names. */
static enum err fill_start(
        struct cli *cli, struct message *m, struct str workflow_id, struct fail *f)
{
    struct str input = { 0 };
    message_put_text(m, "workflow_id", workflow_id);
    message_put_text(m, "workflow_type.name", cli_text(cli, "type"));
    message_put_text(m, "task_queue.name", cli_text(cli, "task-queue"));
    message_put_int(m, "task_queue.kind", 1); /* normal */
    message_put_text(m, "identity", cli_identity(cli));
    message_put_text(m, "request_id", cli_new_id(cli));
    opt_duration(cli, m, "workflow_execution_timeout", "execution-timeout");
    opt_duration(cli, m, "workflow_run_timeout", "run-timeout");
    opt_duration(cli, m, "workflow_task_timeout", "task-timeout");
    opt_duration(cli, m, "workflow_start_delay", "start-delay");
    opt_enum(cli, m, "workflow_id_reuse_policy", "id-reuse-policy");
    opt_enum(cli, m, "workflow_id_conflict_policy", "id-conflict-policy");
    message_opt_text(m, "cron_schedule", cli_text(cli, "cron"));
    opt_summary(cli, m, "user_metadata.summary", "static-summary");
    opt_summary(cli, m, "user_metadata.details", "static-details");
    fill_priority(cli, m);
    enum err err = input_payloads(cli, &input_flags_usual, &input, f);
    if (!err && input.len) {
        message_put_encoded(m, "input", input);
    }
    if (!err && cli_list(cli, "memo")->items.len) {
        err = input_json_map(cli, "memo", message_at(m, "memo"), "fields", f);
    }
    if (!err && cli_list(cli, "search-attribute")->items.len) {
        err = input_json_map(
                cli, "search-attribute", message_at(m, "search_attributes"), "indexed_fields", f);
    }
    return err ? err : input_header(cli, m, f);
}

/* The run that has the id already, told with the refusal; empty: it was another one. */
static struct str run_of_refusal(struct cli *cli, struct str details)
{
    struct str bytes;
    struct message_value v;
    if (!base64_decode(cli->arena, details, &bytes)) {
        return (struct str){ "", 0 };
    }
    struct message_ref status = { api_type_named(STR("google.rpc.Status")), bytes };
    struct message_iter iter = message_each(status, "details");
    while (message_next(&iter, &v)) {
        struct str name, url = message_text(message_of(&v), "type_url");
        (void)str_split(url, '/', &name);
        if (str_eq(name,
                    STR("temporal.api.errordetails.v1.WorkflowExecutionAlreadyStartedFailure"))) {
            struct message_ref detail = { api_type_named(name),
                message_text(message_of(&v), "value") };
            return message_text(detail, "run_id");
        }
    }
    return (struct str){ "", 0 };
}

static enum err start(struct cli *cli, struct str *workflow_id, struct str *run_id, struct fail *f)
{
    struct message *m = cli_request(cli, "StartWorkflowExecution");
    struct message_ref reply;
    struct fail inner = { 0 };
    *workflow_id =
            cli_text(cli, "workflow-id").len ? cli_text(cli, "workflow-id") : cli_new_id(cli);
    enum err err = fill_start(cli, m, *workflow_id, f);
    if (err) {
        return err;
    }
    err = cli_call(cli, "StartWorkflowExecution", m, (struct duration){ 0 }, &reply, &inner);
    if (!err) {
        *run_id = message_text(reply, "run_id");
        return ERR_NONE;
    }
    struct str running =
            err == ERR_ALREADY_EXISTS ? run_of_refusal(cli, cli_call_details(cli)) : STR("");
    if (running.len && !cli_switch(cli, "fail-existing")) {
        *run_id = running;
        return ERR_NONE;
    }
    return fail_text(f, err,
            str_printf(cli->arena, "failed starting workflow: " STR_FMT,
                    STR_ARG(fail_text_of(&inner))));
}

struct running {
    struct str workflow_id, run_id, update_id;
    bool has_queue;
    struct str update_result; /* JSON */
};

static void print_running(struct cli *cli, const struct running *r)
{
    struct object o;
    struct card card;
    struct str update = r->update_id.len ? cli_text(cli, "update-name") : STR("");
    out_heading(&cli->out, "Running execution:");
    card_begin(&card, &cli->out);
    card_text(&card, "WorkflowId", r->workflow_id);
    card_text(&card, "RunId", r->run_id);
    card_text(&card, "Type", cli_text(cli, "type"));
    card_text(&card, "Namespace", cli_text(cli, "namespace"));
    card_opt(&card, "TaskQueue", r->has_queue ? cli_text(cli, "task-queue") : STR(""));
    card_opt(&card, "UpdateName", update);
    card_opt(&card, "UpdateID", r->update_id);
    card_opt(&card, "UpdateResult", r->update_result);
    card_print(&card);
    object_begin(&o, &cli->out);
    object_text(&o, "workflowId", r->workflow_id);
    object_text(&o, "runId", r->run_id);
    object_text(&o, "type", cli_text(cli, "type"));
    object_text(&o, "namespace", cli_text(cli, "namespace"));
    object_opt(&o, "taskQueue", r->has_queue ? cli_text(cli, "task-queue") : STR(""));
    object_opt(&o, "updateName", update);
    object_opt(&o, "updateId", r->update_id);
    if (r->update_result.len) {
        object_json(&o, "updateResult", r->update_result);
    }
    object_print(&o);
}

enum err workflow_start_run(struct cli *cli, struct fail *f)
{
    struct running r = { .has_queue = true };
    enum err err = start(cli, &r.workflow_id, &r.run_id, f);
    if (!err) {
        print_running(cli, &r);
    }
    return err;
}

static enum err execute_as_text(
        struct cli *cli, struct running *r, struct instant began, struct fail *f)
{
    struct message_ref closing;
    struct history_reader reader = {
        .cli = cli, .workflow_id = r->workflow_id, .run_id = r->run_id, .wait = true
    };
    print_running(cli, r);
    out_line(&cli->out, "%s", "");
    enum err err = history_show(&reader, cli_switch(cli, "detailed"), &closing, f);
    if (err) {
        return err;
    }
    out_line(&cli->out, "%s", "");
    if (!closing.type) {
        return fail(f, ERR_NOT_FOUND, "the history has no closing event");
    }
    result_text(cli, closing, instant_since(loop_now(), began));
    return result_outcome(closing, f);
}

static enum err execute_as_json(
        struct cli *cli, struct running *r, struct instant began, struct fail *f)
{
    struct message_ref closing;
    struct object o;
    struct str last_run = r->run_id;
    enum err err = history_close_event(cli, r->workflow_id, &last_run, &closing, f);
    if (err) {
        return err;
    }
    object_begin(&o, &cli->out);
    object_text(&o, "workflowId", r->workflow_id);
    object_text(&o, "runId", r->run_id);
    object_text(&o, "type", cli_text(cli, "type"));
    object_text(&o, "namespace", cli_text(cli, "namespace"));
    object_text(&o, "taskQueue", cli_text(cli, "task-queue"));
    object_int(&o, "durationMillis", duration_ms(instant_since(loop_now(), began)));
    result_members(cli, &o, closing);
    if (cli_switch(cli, "detailed")) {
        struct history_reader reader = {
            .cli = cli, .workflow_id = r->workflow_id, .run_id = r->run_id
        };
        struct buf history;
        buf_init_arena(&history, cli->arena, (size_t)256 << 20);
        err = history_json(&reader, &history, cli->out.form == OUT_JSON ? 1 : -1, f);
        object_json(&o, "history", buf_str(&history));
    }
    object_print(&o);
    return err ? err : result_outcome(closing, f);
}

enum err workflow_execute_run(struct cli *cli, struct fail *f)
{
    struct running r = { .has_queue = true };
    struct instant began = loop_now();
    enum err err = start(cli, &r.workflow_id, &r.run_id, f);
    if (err) {
        return err;
    }
    return cli->out.form == OUT_TEXT ? execute_as_text(cli, &r, began, f)
                                     : execute_as_json(cli, &r, began, f);
}

static enum err need_workflow_id(struct cli *cli, struct fail *f)
{
    return cli_text(cli, "workflow-id").len ? ERR_NONE
                                            : cli_usage(cli, f, "--workflow-id is needed");
}

enum err workflow_signal_with_start_run(struct cli *cli, struct fail *f)
{
    static const struct input_flags flags = { "signal-input", "signal-input-file",
        "signal-input-meta", "signal-input-base64" };
    struct message *m = cli_request(cli, "SignalWithStartWorkflowExecution");
    struct running r = { .workflow_id = cli_text(cli, "workflow-id") };
    struct message_ref reply;
    struct str input = { 0 };
    enum err err = need_workflow_id(cli, f);
    err = err ? err : fill_start(cli, m, r.workflow_id, f);
    err = err ? err : input_payloads(cli, &flags, &input, f);
    if (err) {
        return err;
    }
    message_put_text(m, "signal_name", cli_text(cli, "signal-name"));
    message_put_encoded(m, "signal_input", input);
    err = cli_call(cli, "SignalWithStartWorkflowExecution", m, (struct duration){ 0 }, &reply, f);
    if (!err) {
        r.run_id = message_text(reply, "run_id");
        print_running(cli, &r);
    }
    return err;
}

static enum err fill_update(
        struct cli *cli, struct message *m, const struct running *r, bool completed, struct fail *f)
{
    static const struct input_flags flags = { "update-input", "update-input-file",
        "update-input-meta", "update-input-base64" };
    struct str input = { 0 };
    enum err err = input_payloads(cli, &flags, &input, f);
    message_put_text(m, "namespace", cli_text(cli, "namespace"));
    message_put_text(m, "workflow_execution.workflow_id", r->workflow_id);
    message_opt_text(m, "workflow_execution.run_id", cli_text(cli, "run-id"));
    message_opt_text(m, "first_execution_run_id", cli_text(cli, "update-first-execution-run-id"));
    message_put_int(m, "wait_policy.lifecycle_stage", completed ? 3 : 2);
    message_put_text(m, "request.meta.update_id", r->update_id);
    message_put_text(m, "request.meta.identity", cli_identity(cli));
    message_put_text(m, "request.input.name", cli_text(cli, "update-name"));
    message_put_encoded(m, "request.input.args", input);
    return err;
}

static enum err update_with_start(struct cli *cli, bool completed, struct fail *f)
{
    struct message *m = cli_request(cli, "ExecuteMultiOperation");
    struct running r = { .workflow_id = cli_text(cli, "workflow-id"),
        .update_id = cli_text(cli, "update-id") };
    struct message_ref reply, outcome;
    struct message_value v;
    enum err err = need_workflow_id(cli, f);
    if (!err && !cli_text(cli, "id-conflict-policy").len) {
        err = cli_usage(cli, f, "--id-conflict-policy is needed");
    }
    r.update_id = r.update_id.len ? r.update_id : cli_new_id(cli);
    struct message *start_part = message_at(message_add(m, "operations"), "start_workflow");
    struct message *update_part = message_at(message_add(m, "operations"), "update_workflow");
    message_put_text(start_part, "namespace", cli_text(cli, "namespace"));
    err = err ? err : fill_start(cli, start_part, r.workflow_id, f);
    err = err ? err : fill_update(cli, update_part, &r, completed, f);
    err = err ? err : cli_call(cli, "ExecuteMultiOperation", m, DURATION_SECONDS(75), &reply, f);
    if (err) {
        return err;
    }
    struct message_iter iter = message_each(reply, "responses");
    struct message_ref updated = { 0 };
    while (message_next(&iter, &v)) {
        if (message_has(message_of(&v), "start_workflow")) {
            r.run_id = message_text(message_of(&v), "start_workflow.run_id");
        } else if (message_has(message_of(&v), "update_workflow")) {
            updated = message_sub(message_of(&v), "update_workflow");
        }
    }
    if (!updated.type) {
        return fail(f, ERR_PROTOCOL, "the server's answer does not speak of the update");
    }
    err = update_settle(cli, updated, r.workflow_id, r.update_id, completed, &outcome, f);
    err = err ? err : update_outcome(cli, outcome, f);
    if (!err) {
        r.update_result =
                completed ? result_value(cli, message_sub(outcome, "success"), -1) : STR("");
        r.update_result = completed && !r.update_result.len ? STR("null") : r.update_result;
        print_running(cli, &r);
    }
    return err;
}

enum err workflow_start_update_with_start_run(struct cli *cli, struct fail *f)
{
    return update_with_start(cli, false, f);
}

enum err workflow_execute_update_with_start_run(struct cli *cli, struct fail *f)
{
    return update_with_start(cli, true, f);
}
