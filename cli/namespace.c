/* Commands about namespaces. */
#include "cli/admin.h"
#include "common/apijson/json_text.h"

/* --namespace; a word behind the command is the older way to say it. */
static enum err choose(struct cli *cli, struct str *name, struct fail *f)
{
    *name = cli_text(cli, "namespace");
    if (cli->word.len) {
        if (cli_given(cli, "namespace") && !str_eq(cli->word, *name)) {
            return cli_usage(cli, f, "two namespaces are named: '" STR_FMT "' and -n '" STR_FMT "'",
                    STR_ARG(cli->word), STR_ARG(*name));
        }
        *name = cli->word;
    }
    return ERR_NONE;
}

static enum err put_data(struct cli *cli, struct message *m, const char *path, struct fail *f)
{
    const struct flag_list *list = cli_list(cli, "data");
    for (size_t i = 0; i < list->items.len; i++) {
        struct str value, key = str_split(list->items.ptr[i], '=', &value);
        if (!key.len || key.len == list->items.ptr[i].len) {
            return cli_usage(
                    cli, f, "--data: '" STR_FMT "' is not KEY=VALUE", STR_ARG(list->items.ptr[i]));
        }
        message_put_entry(m, path, key, value);
    }
    return ERR_NONE;
}

static void put_archival(struct cli *cli, struct message *m, const char *path, const char *flag)
{
    struct str state = cli_text(cli, flag);
    if (state.len) {
        message_put_int(m, path, str_eq(state, STR("enabled")) ? 2 : 1);
    }
}

enum err namespace_create_run(struct cli *cli, struct fail *f)
{
    struct message *m = cli_request(cli, "RegisterNamespace");
    struct str name;
    if (!cli->word.len && !cli_given(cli, "namespace")) {
        return cli_usage(cli, f, "which namespace? 'operator namespace create NAME'");
    }
    enum err err = choose(cli, &name, f);
    err = err ? err : put_data(cli, m, "data", f);
    if (err) {
        return err;
    }
    message_put_text(m, "namespace", name);
    message_opt_text(m, "description", cli_text(cli, "description"));
    message_opt_text(m, "owner_email", cli_text(cli, "email"));
    message_put_duration(
            m, "workflow_execution_retention_period", cli_option(cli, "retention")->span);
    message_put_int(m, "is_global_namespace", cli_switch(cli, "global"));
    put_archival(cli, m, "history_archival_state", "history-archival-state");
    put_archival(cli, m, "visibility_archival_state", "visibility-archival-state");
    message_opt_text(m, "history_archival_uri", cli_text(cli, "history-uri"));
    message_opt_text(m, "visibility_archival_uri", cli_text(cli, "visibility-uri"));
    err = cli_call(cli, "RegisterNamespace", m, (struct duration){ 0 }, NULL, f);
    if (!err) {
        out_done(&cli->out, "Namespace " STR_FMT " successfully registered.", STR_ARG(name));
    }
    return err;
}

static struct str enum_of(struct cli *cli, struct message_ref m, const char *path)
{
    struct message_value v = { 0 };
    return message_get(m, path, &v) ? api_enum_short(cli->arena, v.field->target, (int32_t)v.number)
                                    : STR("Unspecified");
}

static struct str clusters_of(struct cli *cli, struct message_ref m)
{
    struct message_iter iter = message_each(m, "replication_config.clusters");
    struct message_value v;
    struct buf text;
    buf_init_arena(&text, cli->arena, 1 << 16);
    while (message_next(&iter, &v)) {
        buf_append_str(&text, text.len ? STR(", ") : STR(""));
        buf_append_str(&text, message_text(message_of(&v), "cluster_name"));
    }
    return buf_str(&text);
}

/* Text to text, as one JSON object; empty when there are no entries. */
static struct str map_text(struct cli *cli, struct message_ref m, const char *path)
{
    struct message_iter iter = message_each(m, path);
    struct message_value v;
    struct buf text;
    buf_init_arena(&text, cli->arena, 1 << 20);
    while (message_next(&iter, &v)) {
        buf_append_str(&text, text.len ? STR(",") : STR("{"));
        json_quote(&text, message_text(message_of(&v), "key"));
        buf_append_byte(&text, ':');
        json_quote(&text, message_text(message_of(&v), "value"));
    }
    if (text.len) {
        buf_append_byte(&text, '}');
    }
    return buf_str(&text);
}

static void print_namespace(struct cli *cli, struct message_ref d)
{
    struct card card;
    card_begin(&card, &cli->out);
    card_text(&card, "NamespaceInfo.Name", message_text(d, "namespace_info.name"));
    card_text(&card, "NamespaceInfo.Id", message_text(d, "namespace_info.id"));
    card_text(&card, "NamespaceInfo.Description", message_text(d, "namespace_info.description"));
    card_text(&card, "NamespaceInfo.OwnerEmail", message_text(d, "namespace_info.owner_email"));
    card_text(&card, "NamespaceInfo.State", enum_of(cli, d, "namespace_info.state"));
    card_text(&card, "NamespaceInfo.Data", map_text(cli, d, "namespace_info.data"));
    card_text(&card, "Config.WorkflowExecutionRetentionTtl",
            out_duration(
                    &cli->out, message_duration(d, "config.workflow_execution_retention_ttl")));
    card_text(&card, "ReplicationConfig.ActiveClusterName",
            message_text(d, "replication_config.active_cluster_name"));
    card_text(&card, "ReplicationConfig.Clusters", clusters_of(cli, d));
    card_text(&card, "ReplicationConfig.State", enum_of(cli, d, "replication_config.state"));
    card_text(
            &card, "Config.HistoryArchivalState", enum_of(cli, d, "config.history_archival_state"));
    card_text(&card, "Config.VisibilityArchivalState",
            enum_of(cli, d, "config.visibility_archival_state"));
    card_bool(&card, "IsGlobalNamespace", message_int(d, "is_global_namespace"));
    card_int(&card, "FailoverVersion", message_int(d, "failover_version"));
    card_text(&card, "Config.HistoryArchivalUri", message_text(d, "config.history_archival_uri"));
    card_text(&card, "Config.VisibilityArchivalUri",
            message_text(d, "config.visibility_archival_uri"));
    card_text(&card, "Config.CustomSearchAttributeAliases",
            map_text(cli, d, "config.custom_search_attribute_aliases"));
    card_print(&card);
}

enum err namespace_describe_run(struct cli *cli, struct fail *f)
{
    struct message *m = cli_request(cli, "DescribeNamespace");
    struct str name, id = cli_text(cli, "namespace-id");
    struct message_ref reply;
    enum err err = choose(cli, &name, f);
    if (err) {
        return err;
    }
    bool is_named = cli_given(cli, "namespace") || cli->word.len;
    if (id.len && is_named) {
        return cli_usage(cli, f, "--namespace-id and a name exclude each other");
    }
    message_put_text(m, "namespace", id.len ? STR("") : name);
    message_opt_text(m, "id", id);
    err = cli_call(cli, "DescribeNamespace", m, (struct duration){ 0 }, &reply, f);
    if (!err) {
        print_namespace(cli, reply);
        out_message(&cli->out, reply);
    }
    return err;
}

enum err namespace_list_run(struct cli *cli, struct fail *f)
{
    struct str token = { "", 0 };
    enum err err = ERR_NONE;
    size_t count = 0;
    out_list_begin(&cli->out);
    do {
        struct message *m = cli_request(cli, "ListNamespaces");
        struct message_ref reply;
        struct message_value v;
        message_put_int(m, "page_size", 100);
        message_opt_text(m, "next_page_token", token);
        err = cli_call(cli, "ListNamespaces", m, (struct duration){ 0 }, &reply, f);
        if (err) {
            break;
        }
        struct message_iter iter = message_each(reply, "namespaces");
        while (message_next(&iter, &v)) {
            if (count++) {
                out_line(&cli->out, "%s", "");
            }
            print_namespace(cli, message_of(&v));
            out_message(&cli->out, message_of(&v));
        }
        token = message_text(reply, "next_page_token");
    } while (token.len);
    out_list_end(&cli->out);
    return err;
}

/* What is not given stays as it is: the request replaces description, owner and retention together. */
static enum err fill_update(struct cli *cli, struct message *m, struct str name, struct fail *f)
{
    struct message *ask = cli_request(cli, "DescribeNamespace");
    struct message_ref now;
    message_put_text(ask, "namespace", name);
    enum err err = cli_call(cli, "DescribeNamespace", ask, (struct duration){ 0 }, &now, f);
    if (err) {
        return err;
    }
    struct str description = cli_text(cli, "description"), email = cli_text(cli, "email");
    struct duration retention = cli_option(cli, "retention")->span;
    struct message *info = message_at(m, "update_info");
    message_opt_text(info, "description",
            description.len ? description : message_text(now, "namespace_info.description"));
    message_opt_text(info, "owner_email",
            email.len ? email : message_text(now, "namespace_info.owner_email"));
    message_put_duration(m, "config.workflow_execution_retention_ttl",
            retention.ns ? retention
                         : message_duration(now, "config.workflow_execution_retention_ttl"));
    put_archival(cli, m, "config.history_archival_state", "history-archival-state");
    put_archival(cli, m, "config.visibility_archival_state", "visibility-archival-state");
    message_opt_text(m, "config.history_archival_uri", cli_text(cli, "history-uri"));
    message_opt_text(m, "config.visibility_archival_uri", cli_text(cli, "visibility-uri"));
    return put_data(cli, info, "data", f);
}

enum err namespace_update_run(struct cli *cli, struct fail *f)
{
    struct message *m = cli_request(cli, "UpdateNamespace");
    struct str name;
    struct message_ref reply;
    enum err err = choose(cli, &name, f);
    message_put_text(m, "namespace", name);
    err = err ? err : fill_update(cli, m, name, f);
    err = err ? err : cli_call(cli, "UpdateNamespace", m, (struct duration){ 0 }, &reply, f);
    if (!err) {
        out_done(&cli->out, "Namespace " STR_FMT " update succeeded.", STR_ARG(name));
        out_message(&cli->out, reply);
    }
    return err;
}

enum err namespace_delete_run(struct cli *cli, struct fail *f)
{
    struct message *m = cli_request(cli, "DeleteNamespace");
    struct str name;
    struct message_ref reply;
    enum err err = choose(cli, &name, f);
    if (!err) {
        struct str question = str_printf(cli->arena,
                "Delete namespace " STR_FMT " and everything in it? Its name, to confirm:",
                STR_ARG(name));
        err = input_confirm(cli, question.ptr, str_cstr(cli->arena, name), f);
    }
    if (err) {
        return err;
    }
    message_put_text(m, "namespace", name);
    err = cli_call(cli, "DeleteNamespace", m, (struct duration){ 0 }, &reply, f);
    if (!err) {
        out_done(&cli->out, "Namespace " STR_FMT " has been deleted.", STR_ARG(name));
        out_message(&cli->out, reply);
    }
    return err;
}
