/* Commands about what is set for a task queue: its rates, and the weights of fairness keys. */
#include <stdlib.h>

#include "cli/admin.h"

static int64_t type_of(struct cli *cli)
{
    struct str type = cli_text(cli, "task-queue-type");
    return str_eq(type, STR("workflow")) ? 1 : str_eq(type, STR("activity")) ? 2 : 3;
}

static enum err read_config(struct cli *cli, struct message_ref *reply, struct fail *f)
{
    struct message *m = cli_request(cli, "DescribeTaskQueue");
    message_put_text(m, "task_queue.name", cli_text(cli, "task-queue"));
    message_put_int(m, "task_queue.kind", 1);
    message_put_int(m, "task_queue_type", type_of(cli));
    message_put_int(m, "report_config", 1);
    return cli_call(cli, "DescribeTaskQueue", m, (struct duration){ 0 }, reply, f);
}

static void print_config(struct cli *cli, struct message_ref config)
{
    out_line(&cli->out, STR_FMT, STR_ARG(out_json_of(&cli->out, config, true, 0)));
    out_message(&cli->out, config);
}

enum err task_queue_config_get_run(struct cli *cli, struct fail *f)
{
    struct message_ref reply;
    enum err err = read_config(cli, &reply, f);
    if (!err && message_has(reply, "config")) {
        print_config(cli, message_sub(reply, "config"));
    } else if (!err) {
        out_line(&cli->out, "No configuration found for task queue");
    }
    return err;
}

/* A number of 0 and more; false: it is none. */
static bool number_of(struct cli *cli, struct str text, double *ret)
{
    char *end;
    const char *copy = str_cstr(cli->arena, text);
    *ret = strtod(copy, &end);
    return text.len && !*end && *ret >= 0 && *ret <= 1e9;
}

/* A rate, or "default" to take it away. */
static enum err put_rate(struct cli *cli, struct message *m, const char *path, const char *flag,
        const char *reason, struct fail *f)
{
    struct str rate = cli_text(cli, flag);
    double n;
    if (!rate.len) {
        return cli_text(cli, reason).len ? cli_usage(cli, f, "--%s needs --%s", reason, flag)
                                         : ERR_NONE;
    }
    struct message *limit = message_at(m, path);
    if (!str_eq_nocase(rate, STR("default"))) {
        if (!number_of(cli, rate, &n)) {
            return cli_usage(cli, f, "--%s: '" STR_FMT "' is neither a rate nor 'default'", flag,
                    STR_ARG(rate));
        }
        message_put_double(limit, "rate_limit.requests_per_second", n);
    }
    message_opt_text(limit, "reason", cli_text(cli, reason));
    return ERR_NONE;
}

static enum err put_weights(struct cli *cli, struct message *m, struct fail *f)
{
    const struct flag_list *list = cli_list(cli, "fairness-key-weight");
    for (size_t i = 0; i < list->items.len; i++) {
        struct str value, key = str_split(list->items.ptr[i], '=', &value);
        double n;
        if (key.len && str_eq_nocase(value, STR("default"))) {
            message_put_text(m, "unset_fairness_weight_overrides", key);
        } else if (!key.len || !number_of(cli, value, &n)) {
            return cli_usage(cli, f,
                    "--fairness-key-weight: '" STR_FMT "' is not KEY=WEIGHT or KEY=default",
                    STR_ARG(list->items.ptr[i]));
        } else {
            struct message *entry = message_add(m, "set_fairness_weight_overrides");
            message_put_text(entry, "key", key);
            message_put_double(entry, "value", n);
        }
    }
    return ERR_NONE;
}

/* All the weights that there are, taken away one by one. */
static enum err put_no_weights(struct cli *cli, struct message *m, struct fail *f)
{
    struct message_ref reply;
    struct message_value v;
    enum err err = read_config(cli, &reply, f);
    if (!err && message_has(reply, "config")) {
        struct message_iter iter = message_each(reply, "config.fairness_weight_overrides");
        while (message_next(&iter, &v)) {
            message_put_text(
                    m, "unset_fairness_weight_overrides", message_text(message_of(&v), "key"));
        }
    }
    return err;
}

enum err task_queue_config_set_run(struct cli *cli, struct fail *f)
{
    struct message *m = cli_request(cli, "UpdateTaskQueueConfig");
    struct message_ref reply;
    bool clears = cli_switch(cli, "fairness-key-weight-clear-all");
    message_put_text(m, "identity", cli_identity(cli));
    message_put_text(m, "task_queue", cli_text(cli, "task-queue"));
    message_put_int(m, "task_queue_type", type_of(cli));
    if (clears && cli_list(cli, "fairness-key-weight")->items.len) {
        return cli_usage(cli, f,
                "--fairness-key-weight and --fairness-key-weight-clear-all exclude each other");
    }
    enum err err = put_rate(
            cli, m, "update_queue_rate_limit", "queue-rps-limit", "queue-rps-limit-reason", f);
    err = err ? err
              : put_rate(cli, m, "update_fairness_key_rate_limit_default",
                        "fairness-key-rps-limit-default", "fairness-key-rps-limit-reason", f);
    err = err ? err : put_weights(cli, m, f);
    err = err || !clears ? err : put_no_weights(cli, m, f);
    err = err ? err : cli_call(cli, "UpdateTaskQueueConfig", m, (struct duration){ 0 }, &reply, f);
    if (!err) {
        out_done(&cli->out, "Successfully updated task queue configuration");
        print_config(cli, message_sub(reply, "config"));
    }
    return err;
}
