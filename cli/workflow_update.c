/* Commands about updates: start one, wait for it, look at it. */
#include <stdio.h>

#include "cli/client/channel.h"
#include "cli/workflow.h"

enum { STAGE_ACCEPTED = 2, STAGE_COMPLETED = 3 };

static const struct duration long_poll = DURATION_SECONDS(75);

enum err update_outcome(struct cli *cli, struct message_ref outcome, struct fail *f)
{
    if (!outcome.type || !message_has(outcome, "failure")) {
        return ERR_NONE;
    }
    struct str line = failure_line(cli, message_sub(outcome, "failure"));
    return fail_text(f, ERR_FAILED_PRECONDITION,
            str_printf(cli->arena, "unable to update workflow: " STR_FMT, STR_ARG(line)));
}

/* One poll; wait 0: what is known now. */
static enum err poll_update(struct cli *cli, struct str workflow_id, struct str run_id,
        struct str update_id, int64_t wait, struct message_ref *reply, struct fail *f)
{
    struct message *m = cli_request(cli, "PollWorkflowExecutionUpdate");
    message_put_text(m, "update_ref.workflow_execution.workflow_id", workflow_id);
    message_opt_text(m, "update_ref.workflow_execution.run_id", run_id);
    message_put_text(m, "update_ref.update_id", update_id);
    message_put_text(m, "identity", cli_identity(cli));
    if (wait) {
        message_put_int(m, "wait_policy.lifecycle_stage", wait);
    }
    return cli_call(cli, "PollWorkflowExecutionUpdate", m, long_poll, reply, f);
}

static enum err poll_until_completed(struct cli *cli, struct str workflow_id, struct str run_id,
        struct str update_id, struct message_ref *outcome, struct fail *f)
{
    struct message_ref reply;
    for (;;) {
        enum err err = poll_update(cli, workflow_id, run_id, update_id, STAGE_COMPLETED, &reply, f);
        if (err && !cli_call_was(cli, GRPC_DEADLINE_EXCEEDED)) {
            return err;
        }
        if (!err && message_has(reply, "outcome")) {
            *outcome = message_sub(reply, "outcome");
            return ERR_NONE;
        }
    }
}

enum err update_settle(struct cli *cli, struct message_ref reply, struct str workflow_id,
        struct str update_id, bool completed, struct message_ref *outcome, struct fail *f)
{
    struct str run_id = message_text(reply, "update_ref.workflow_execution.run_id");
    *outcome = message_sub(reply, "outcome");
    if (message_has(reply, "outcome")) {
        return ERR_NONE;
    }
    if (completed) {
        return poll_until_completed(cli, workflow_id, run_id, update_id, outcome, f);
    }
    return ERR_NONE;
}

static struct message *update_request(
        struct cli *cli, struct str update_id, bool completed, struct fail *f, enum err *err)
{
    struct message *m = cli_request(cli, "UpdateWorkflowExecution");
    struct str input = { 0 };
    *err = input_payloads(cli, &input_flags_usual, &input, f);
    message_put_text(m, "workflow_execution.workflow_id", cli_text(cli, "workflow-id"));
    message_opt_text(m, "workflow_execution.run_id", cli_text(cli, "run-id"));
    message_opt_text(m, "first_execution_run_id", cli_text(cli, "first-execution-run-id"));
    message_put_int(m, "wait_policy.lifecycle_stage", completed ? STAGE_COMPLETED : STAGE_ACCEPTED);
    message_put_text(m, "request.meta.update_id", update_id);
    message_put_text(m, "request.meta.identity", cli_identity(cli));
    message_put_text(m, "request.input.name", cli_text(cli, "name"));
    message_put_encoded(m, "request.input.args", input);
    if (!*err && cli_list(cli, "headers")->items.len) {
        *err = input_json_map(cli, "headers", message_at(m, "request.input.header"), "fields", f);
    }
    return m;
}

static enum err send_update(struct cli *cli, bool completed, struct fail *f)
{
    struct str update_id =
            cli_text(cli, "update-id").len ? cli_text(cli, "update-id") : cli_new_id(cli);
    struct message_ref reply, outcome;
    enum err err;
    struct message *m = update_request(cli, update_id, completed, f, &err);
    do { /* the server may answer before the stage is reached: asked again, it finds the update by its id */
        err = err ? err : cli_call(cli, "UpdateWorkflowExecution", m, long_poll, &reply, f);
        if (err) {
            return err;
        }
    } while (message_int(reply, "stage") < STAGE_ACCEPTED && !message_has(reply, "outcome"));
    err = update_settle(
            cli, reply, cli_text(cli, "workflow-id"), update_id, completed, &outcome, f);
    err = err ? err : update_outcome(cli, outcome, f);
    if (err) {
        return err;
    }
    struct str result =
            completed ? result_value(cli, message_sub(outcome, "success"), -1) : STR("");
    result = completed && !result.len ? STR("null") : result;
    struct card card;
    struct object o;
    card_begin(&card, &cli->out);
    card_text(&card, "Name", cli_text(cli, "name"));
    card_text(&card, "UpdateID", update_id);
    card_opt(&card, "Result", result);
    card_print(&card);
    object_begin(&o, &cli->out);
    object_text(&o, "name", cli_text(cli, "name"));
    object_text(&o, "updateId", update_id);
    if (result.len) {
        object_json(&o, "result", result);
    }
    object_print(&o);
    return ERR_NONE;
}

enum err workflow_update_start_run(struct cli *cli, struct fail *f)
{
    return send_update(cli, false, f);
}

enum err workflow_update_execute_run(struct cli *cli, struct fail *f)
{
    return send_update(cli, true, f);
}

static void print_update(struct cli *cli, struct message_ref outcome, struct str stage)
{
    struct card card;
    struct object o;
    struct str id = cli_text(cli, "update-id"), result = { "", 0 }, failure = { "", 0 };
    if (outcome.type && message_has(outcome, "success")) {
        result = result_value(cli, message_sub(outcome, "success"), -1);
        result = result.len ? result : STR("null");
    } else if (outcome.type && message_has(outcome, "failure")) {
        failure = failure_line(cli, message_sub(outcome, "failure"));
    }
    card_begin(&card, &cli->out);
    card_text(&card, "UpdateID", id);
    card_opt(&card, "Result", result);
    card_opt(&card, "Failure", failure);
    card_opt(&card, "Stage", stage);
    card_print(&card);
    object_begin(&o, &cli->out);
    object_text(&o, "updateId", id);
    if (result.len) {
        object_json(&o, "result", result);
    }
    if (failure.len) {
        object_message(&o, "failure", message_sub(outcome, "failure"), cli->out.shorthand);
    }
    object_opt(&o, "stage", stage);
    object_print(&o);
}

enum err workflow_update_result_run(struct cli *cli, struct fail *f)
{
    struct message_ref outcome;
    enum err err = poll_until_completed(cli, cli_text(cli, "workflow-id"), cli_text(cli, "run-id"),
            cli_text(cli, "update-id"), &outcome, f);
    if (err) {
        return err;
    }
    print_update(cli, outcome, STR(""));
    return message_has(outcome, "failure") ? fail(f, ERR_FAILED_PRECONDITION, "the update failed")
                                           : ERR_NONE;
}

enum err workflow_update_describe_run(struct cli *cli, struct fail *f)
{
    struct message_ref reply;
    struct message_value v = { 0 };
    enum err err = poll_update(cli, cli_text(cli, "workflow-id"), cli_text(cli, "run-id"),
            cli_text(cli, "update-id"), 0, &reply, f);
    if (err) {
        return err;
    }
    bool has_stage = message_get(reply, "stage", &v);
    print_update(cli, message_sub(reply, "outcome"),
            has_stage ? api_enum_short(cli->arena, v.field->target, (int32_t)v.number)
                      : STR("Unspecified"));
    return ERR_NONE;
}
