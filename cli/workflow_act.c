/* Commands that act on one workflow: signal, cancel, terminate, delete, reset. Those that would act on all that match a
 * filter say that batches are not there yet. */
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/workflow.h"

/* Which flags go together, as users of the API's command line know it. */
static enum err check_target(struct cli *cli, bool may_reason, bool may_yes, struct fail *f)
{
    struct str id = cli_text(cli, "workflow-id"), query = cli_text(cli, "query");
    if (!id.len && !query.len) {
        return cli_usage(cli, f, "--workflow-id is needed");
    }
    if (query.len) {
        return cli_usage(cli, f,
                id.len ? "--workflow-id and --query exclude each other"
                       : "--query: batch operations are not there yet; name one workflow with "
                         "--workflow-id");
    }
    if (cli_given(cli, "rps") || (cli_text(cli, "reason").len && !may_reason) ||
            (cli_switch(cli, "yes") && !may_yes)) {
        return cli_usage(cli, f, "--%s is for batch operations, which are not there yet",
                cli_given(cli, "rps")                ? "rps"
                : cli_switch(cli, "yes") && !may_yes ? "yes"
                                                     : "reason");
    }
    return ERR_NONE;
}

static void put_target(struct cli *cli, struct message *m)
{
    message_put_text(m, "workflow_execution.workflow_id", cli_text(cli, "workflow-id"));
    message_opt_text(m, "workflow_execution.run_id", cli_text(cli, "run-id"));
}

static struct str user_name(struct cli *cli)
{
    struct passwd *user = getpwuid(getuid());
    return str_printf(cli->arena, "%s", user ? user->pw_name : "<unknown-user>");
}

enum err workflow_signal_run(struct cli *cli, struct fail *f)
{
    struct message *m = cli_request(cli, "SignalWorkflowExecution");
    struct str input = { 0 };
    enum err err = check_target(cli, false, false, f);
    err = err ? err : input_payloads(cli, &input_flags_usual, &input, f);
    err = err ? err : input_header(cli, m, f);
    if (err) {
        return err;
    }
    put_target(cli, m);
    message_put_text(m, "signal_name", cli_text(cli, "name"));
    message_put_encoded(m, "input", input);
    message_put_text(m, "identity", cli_identity(cli));
    message_put_text(m, "request_id", cli_new_id(cli));
    err = cli_call(cli, "SignalWorkflowExecution", m, (struct duration){ 0 }, NULL, f);
    if (!err) {
        out_line(&cli->out, "Signal workflow succeeded");
    }
    return err;
}

enum err workflow_cancel_run(struct cli *cli, struct fail *f)
{
    struct message *m = cli_request(cli, "RequestCancelWorkflowExecution");
    enum err err = check_target(cli, false, false, f);
    if (err) {
        return err;
    }
    put_target(cli, m);
    message_put_text(m, "identity", cli_identity(cli));
    message_put_text(m, "request_id", cli_new_id(cli));
    err = cli_call(cli, "RequestCancelWorkflowExecution", m, (struct duration){ 0 }, NULL, f);
    if (!err) {
        out_line(&cli->out, "Canceled workflow");
    }
    return err;
}

enum err workflow_terminate_run(struct cli *cli, struct fail *f)
{
    struct message *m = cli_request(cli, "TerminateWorkflowExecution");
    enum err err = check_target(cli, true, false, f);
    if (err) {
        return err;
    }
    struct str reason = cli_text(cli, "reason");
    put_target(cli, m);
    message_put_text(m, "identity", cli_identity(cli));
    message_put_text(m, "reason",
            reason.len ? reason
                       : str_printf(cli->arena, "Requested from CLI by " STR_FMT,
                                 STR_ARG(user_name(cli))));
    err = cli_call(cli, "TerminateWorkflowExecution", m, (struct duration){ 0 }, NULL, f);
    if (!err) {
        out_line(&cli->out, "Workflow terminated");
    }
    return err;
}

enum err workflow_delete_run(struct cli *cli, struct fail *f)
{
    struct message *m = cli_request(cli, "DeleteWorkflowExecution");
    enum err err = check_target(cli, false, true, f);
    struct str id = cli_text(cli, "workflow-id"), run = cli_text(cli, "run-id");
    if (!err) {
        struct str question =
                str_printf(cli->arena, "Delete workflow \"" STR_FMT "\"%s" STR_FMT "? y/N",
                        STR_ARG(id), run.len ? ", run " : "", STR_ARG(run));
        err = input_confirm(cli, question.ptr, "y", f);
    }
    if (err) {
        return err;
    }
    put_target(cli, m);
    err = cli_call(cli, "DeleteWorkflowExecution", m, (struct duration){ 0 }, NULL, f);
    if (!err) {
        out_line(&cli->out, "Delete workflow succeeded");
    }
    return err;
}

/* Where a kind of reset goes to: the first or the last workflow task that completed; when there is none, behind the
 * first or the last that was scheduled. */
static enum err task_of(
        struct cli *cli, struct str run_id, bool is_first, int64_t *ret, struct fail *f)
{
    struct history_reader r = {
        .cli = cli, .workflow_id = cli_text(cli, "workflow-id"), .run_id = run_id
    };
    struct message_ref event;
    int64_t completed = 0, scheduled = 0;
    enum err err;
    while (history_read(&r, &event, &err, f)) {
        int64_t id = message_int(event, "event_id");
        if (event_is(event, "WorkflowTaskCompleted") && (!completed || !is_first)) {
            completed = id;
        } else if (event_is(event, "WorkflowTaskScheduled") && (!scheduled || !is_first)) {
            scheduled = id + 1;
        }
    }
    if (!err && !completed && !scheduled) {
        return fail(f, ERR_FAILED_PRECONDITION, "the run has no workflow task to reset to");
    }
    *ret = completed ? completed : scheduled;
    return err;
}

/* The run before this one, when it continued as new. */
static enum err run_before(struct cli *cli, struct str *run_id, struct fail *f)
{
    struct history_reader r = {
        .cli = cli, .workflow_id = cli_text(cli, "workflow-id"), .run_id = *run_id
    };
    struct message_ref event;
    enum err err;
    if (!history_read(&r, &event, &err, f)) {
        return err ? err : fail(f, ERR_NOT_FOUND, "the history is empty");
    }
    *run_id = message_text(event_attributes(event), "continued_execution_run_id");
    return run_id->len
                   ? ERR_NONE
                   : fail(f, ERR_FAILED_PRECONDITION,
                             "LastContinuedAsNew: the workflow did not continue from another run");
}

static enum err put_excluded(struct cli *cli, struct message *m, struct fail *f)
{
    const struct flag_list *excluded = cli_list(cli, "reapply-exclude");
    struct str kind = cli_text(cli, "reapply-type");
    if (excluded->items.len && cli_given(cli, "reapply-type")) {
        return cli_usage(cli, f, "--reapply-type and --reapply-exclude exclude each other");
    }
    for (size_t i = 0; i < excluded->items.len; i++) {
        static const struct str names[] = { STR_INIT("Signal"), STR_INIT("Update") };
        bool is_all = str_eq_nocase(excluded->items.ptr[i], STR("All")), known = is_all;
        for (size_t k = 0; k < ARRAY_LEN(names); k++) {
            if (is_all || str_eq_nocase(excluded->items.ptr[i], names[k])) {
                put_enum(m, "reset_reapply_exclude_types", names[k]);
                known = true;
            }
        }
        if (!known) {
            return cli_usage(cli, f,
                    "--reapply-exclude: '" STR_FMT "' is none of: All Signal Update",
                    STR_ARG(excluded->items.ptr[i]));
        }
    }
    put_enum(m, "reset_reapply_type",
            str_eq(kind, STR("All")) || !kind.len ? STR("AllEligible") : kind);
    return ERR_NONE;
}

enum err workflow_reset_run(struct cli *cli, struct fail *f)
{
    struct message *m = cli_request(cli, "ResetWorkflowExecution");
    struct str run_id = cli_text(cli, "run-id"), kind = cli_text(cli, "type");
    int64_t event_id = cli_number(cli, "event-id");
    struct message_ref reply;
    enum err err = ERR_NONE;
    if (cli_text(cli, "query").len || !cli_text(cli, "workflow-id").len) {
        return cli_usage(cli, f,
                cli_text(cli, "query").len ? "--query: batch operations are not there yet"
                                           : "--workflow-id is needed");
    }
    if (!kind.len && event_id <= 0) {
        return cli_usage(cli, f, "where to? --event-id, or --type");
    }
    if (str_eq(kind, STR("LastContinuedAsNew"))) {
        err = run_before(cli, &run_id, f);
    }
    if (!err && kind.len) {
        err = task_of(cli, run_id, str_eq(kind, STR("FirstWorkflowTask")), &event_id, f);
    }
    err = err ? err : put_excluded(cli, m, f);
    if (err) {
        return err;
    }
    out_line(&cli->out, "Resetting workflow " STR_FMT " to event ID %lld",
            STR_ARG(cli_text(cli, "workflow-id")), (long long)event_id);
    message_put_text(m, "workflow_execution.workflow_id", cli_text(cli, "workflow-id"));
    message_opt_text(m, "workflow_execution.run_id", run_id);
    message_put_text(m, "reason",
            str_printf(cli->arena, STR_FMT ": " STR_FMT, STR_ARG(user_name(cli)),
                    STR_ARG(cli_text(cli, "reason"))));
    message_put_int(m, "workflow_task_finish_event_id", event_id);
    message_put_text(m, "request_id", cli_new_id(cli));
    message_put_text(m, "identity", cli_identity(cli));
    err = cli_call(cli, "ResetWorkflowExecution", m, DURATION_SECONDS(30), &reply, f);
    if (!err) {
        out_line(&cli->out, "Run ID of the new run: " STR_FMT,
                STR_ARG(message_text(reply, "run_id")));
        out_message(&cli->out, reply);
    }
    return err;
}
