/* Commands that settle activities from outside of their worker. */
#include "cli/admin.h"
#include "common/apijson/json_text.h"

/* JSON from a flag as the one payload of a list. */
static enum err put_json(
        struct cli *cli, struct message *m, const char *path, const char *flag, struct fail *f)
{
    struct str json = cli_text(cli, flag);
    if (!json_is_valid(json)) {
        return input_not_json(cli, f, str_printf(cli->arena, "--%s", flag), json);
    }
    message_put_encoded(message_at(m, path), "payloads", input_json_payload(cli, json));
    return ERR_NONE;
}

static void put_activity(struct cli *cli, struct message *m)
{
    message_opt_text(m, "workflow_id", cli_text(cli, "workflow-id"));
    message_opt_text(m, "run_id", cli_text(cli, "run-id"));
    message_put_text(m, "activity_id", cli_text(cli, "activity-id"));
    message_put_text(m, "identity", cli_identity(cli));
}

enum err activity_complete_run(struct cli *cli, struct fail *f)
{
    struct message *m = cli_request(cli, "RespondActivityTaskCompletedById");
    enum err err = put_json(cli, m, "result", "result", f);
    put_activity(cli, m);
    err = err ? err
              : cli_call(cli, "RespondActivityTaskCompletedById", m, (struct duration){ 0 }, NULL,
                        f);
    if (!err) {
        out_line(&cli->out, "Activity completed");
    }
    return err;
}

enum err activity_fail_run(struct cli *cli, struct fail *f)
{
    struct message *m = cli_request(cli, "RespondActivityTaskFailedById");
    enum err err = ERR_NONE;
    put_activity(cli, m);
    message_opt_text(m, "failure.message", cli_text(cli, "reason"));
    message_put_text(m, "failure.source", STR("CLI"));
    message_put_int(m, "failure.application_failure_info.non_retryable", 1);
    if (cli_text(cli, "detail").len) {
        err = put_json(cli, m, "failure.application_failure_info.details", "detail", f);
    }
    err = err ? err
              : cli_call(cli, "RespondActivityTaskFailedById", m, (struct duration){ 0 }, NULL, f);
    if (!err) {
        out_line(&cli->out, "Activity failed, as asked");
    }
    return err;
}
