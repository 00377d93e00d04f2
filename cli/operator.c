/* Commands about search attributes and the cluster. */
#include <stdlib.h>

#include "cli/admin.h"

static const char *const types[] = { "Text", "Keyword", "Int", "Double", "Bool", "Datetime",
    "KeywordList" };

static bool type_of(struct str name, int64_t *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_eq_nocase(name, str_from_cstr(types[i]))) {
            *ret = (int64_t)i + 1; /* as IndexedValueType numbers them */
            return true;
        }
    }
    return false;
}

static enum err list_attributes(struct cli *cli, struct message_ref *reply, struct fail *f)
{
    return cli_call(cli, "ListSearchAttributes", cli_request(cli, "ListSearchAttributes"),
            (struct duration){ 0 }, reply, f);
}

/* An attribute that is there already with another type is not silently kept. */
static enum err check_type(
        struct cli *cli, struct message_ref existing, struct str name, int64_t type, struct fail *f)
{
    struct message_iter iter = message_each(existing, "custom_attributes");
    struct message_value v;
    while (message_next(&iter, &v)) {
        int64_t is = message_int(message_of(&v), "value");
        if (str_eq(message_text(message_of(&v), "key"), name) && is != type) {
            const char *shown =
                    is > 0 && is <= (int64_t)ARRAY_LEN(types) ? types[is - 1] : "unknown";
            return fail(f, ERR_ALREADY_EXISTS,
                    "search attribute " STR_FMT " exists with the type %s", STR_ARG(name), shown);
        }
    }
    return ERR_NONE;
}

enum err search_attribute_create_run(struct cli *cli, struct fail *f)
{
    const struct flag_list *names = cli_list(cli, "name"), *kinds = cli_list(cli, "type");
    struct message *m = cli_request(cli, "AddSearchAttributes");
    struct message_ref existing;
    if (names->items.len != kinds->items.len) {
        return cli_usage(cli, f, "%zu names and %zu types: each attribute needs one of both",
                names->items.len, kinds->items.len);
    }
    for (size_t i = 0; i < kinds->items.len; i++) {
        int64_t type;
        if (!type_of(kinds->items.ptr[i], &type)) {
            return cli_usage(cli, f,
                    "--type: '" STR_FMT
                    "' is none of: Text Keyword Int Double Bool Datetime KeywordList",
                    STR_ARG(kinds->items.ptr[i]));
        }
        struct message *entry = message_add(m, "search_attributes");
        message_put_text(entry, "key", names->items.ptr[i]);
        message_put_int(entry, "value", type);
    }
    enum err err = list_attributes(cli, &existing, f);
    for (size_t i = 0; i < names->items.len && !err; i++) {
        int64_t type = 0;
        (void)type_of(kinds->items.ptr[i], &type);
        err = check_type(cli, existing, names->items.ptr[i], type, f);
    }
    err = err ? err : cli_call(cli, "AddSearchAttributes", m, (struct duration){ 0 }, NULL, f);
    if (!err) {
        out_done(&cli->out, "Search attributes have been added");
    }
    return err;
}

struct attribute {
    struct str name, type;
};

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct attribute *)a)->name, ((const struct attribute *)b)->name);
}

static void add_rows(
        struct cli *cli, struct table *table, struct message_ref reply, const char *path)
{
    struct message_iter iter = message_each(reply, path);
    struct message_value v;
    VEC(struct attribute) rows = { 0 };
    while (message_next(&iter, &v)) {
        struct message_ref entry = message_of(&v);
        const struct api_field *field = api_field_named(entry.type, STR("value"));
        struct attribute row = { message_text(entry, "key"),
            api_enum_short(cli->arena, field->target, (int32_t)message_int(entry, "value")) };
        vec_push(cli->arena, &rows, row);
    }
    if (rows.len) {
        qsort(rows.ptr, rows.len, sizeof(*rows.ptr), by_name);
    }
    for (size_t i = 0; i < rows.len; i++) {
        table_cell(table, rows.ptr[i].name);
        table_cell(table, rows.ptr[i].type);
    }
}

enum err search_attribute_list_run(struct cli *cli, struct fail *f)
{
    static const char *const columns[] = { "Name", "Type" };
    struct message_ref reply;
    struct table table;
    enum err err = list_attributes(cli, &reply, f);
    if (err) {
        return err;
    }
    table_begin(&table, &cli->out, columns, ARRAY_LEN(columns));
    add_rows(cli, &table, reply, "system_attributes");
    add_rows(cli, &table, reply, "custom_attributes");
    table_print(&table, true);
    out_message(&cli->out, reply);
    return ERR_NONE;
}

enum err search_attribute_remove_run(struct cli *cli, struct fail *f)
{
    const struct flag_list *names = cli_list(cli, "name");
    struct message *m = cli_request(cli, "RemoveSearchAttributes");
    struct buf list;
    buf_init_arena(&list, cli->arena, 1 << 16);
    for (size_t i = 0; i < names->items.len; i++) {
        message_put_text(m, "search_attributes", names->items.ptr[i]);
        buf_printf(&list, " " STR_FMT, STR_ARG(names->items.ptr[i]));
    }
    struct str question = str_printf(
            cli->arena, "Remove the search attributes" STR_FMT "? y/N", STR_ARG(buf_str(&list)));
    enum err err = input_confirm(cli, question.ptr, "y", f);
    err = err ? err : cli_call(cli, "RemoveSearchAttributes", m, (struct duration){ 0 }, NULL, f);
    if (!err) {
        out_done(&cli->out, "Search attributes have been removed");
    }
    return err;
}

enum err cluster_health_run(struct cli *cli, struct fail *f)
{
    struct str status;
    struct object o;
    enum err err = cli_health(cli, &status, f);
    if (err) {
        return err;
    }
    if (!str_eq(status, STR("SERVING"))) {
        return fail(f, ERR_UNAVAILABLE, "the server says " STR_FMT, STR_ARG(status));
    }
    out_done(&cli->out, "SERVING");
    object_begin(&o, &cli->out);
    object_text(&o, "status", status);
    object_print(&o);
    return ERR_NONE;
}

/* One row of a reply's fields. */
static void print_row(struct cli *cli, struct message_ref reply, const char *const *names,
        const char *const *paths, size_t count)
{
    struct table table;
    table_begin(&table, &cli->out, names, count);
    for (size_t i = 0; i < count; i++) {
        struct message_value v = { .field = message_each(reply, paths[i]).field,
            .bytes = { "", 0 } };
        bool found = message_get(reply, paths[i], &v);
        enum api_kind kind = v.field->kind;
        table_cell(&table,
                kind == API_KIND_STRING ? v.bytes
                : kind == API_KIND_MESSAGE
                        ? (found ? out_json_of(&cli->out, message_of(&v), true, -1) : STR(""))
                : kind == API_KIND_BOOL ? (v.number ? STR("true") : STR("false"))
                                        : str_printf(cli->arena, "%lld", (long long)v.number));
    }
    table_print(&table, true);
    out_message(&cli->out, reply);
}

enum err cluster_describe_run(struct cli *cli, struct fail *f)
{
    static const char *const names[] = { "ClusterName", "PersistenceStore", "VisibilityStore",
        "HistoryShardCount", "VersionInfo" };
    static const char *const paths[] = { "cluster_name", "persistence_store", "visibility_store",
        "history_shard_count", "version_info" };
    struct message_ref reply;
    enum err err = cli_call(cli, "GetClusterInfo", cli_request(cli, "GetClusterInfo"),
            (struct duration){ 0 }, &reply, f);
    if (!err) {
        print_row(cli, reply, names, paths, cli_switch(cli, "detail") ? 5 : 3);
    }
    return err;
}

enum err cluster_system_run(struct cli *cli, struct fail *f)
{
    static const char *const names[] = { "ServerVersion", "SupportsSchedules", "UpsertMemo",
        "EagerWorkflowStart" };
    static const char *const paths[] = { "server_version", "capabilities.supports_schedules",
        "capabilities.upsert_memo", "capabilities.eager_workflow_start" };
    struct message_ref reply;
    enum err err = cli_call(cli, "GetSystemInfo", cli_request(cli, "GetSystemInfo"),
            (struct duration){ 0 }, &reply, f);
    if (!err) {
        print_row(cli, reply, names, paths, ARRAY_LEN(names));
    }
    return err;
}

static void cluster_row(struct cli *cli, struct table *table, struct message_ref c)
{
    static const char *const numbers[] = { "history_shard_count", "initial_failover_version" };
    table_cell(table, message_text(c, "cluster_name"));
    table_cell(table, message_text(c, "cluster_id"));
    table_cell(table, message_text(c, "address"));
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        table_cell(table, str_printf(cli->arena, "%lld", (long long)message_int(c, numbers[i])));
    }
    table_cell(table, message_int(c, "is_connection_enabled") ? STR("true") : STR("false"));
    table_cell(table, message_int(c, "is_replication_enabled") ? STR("true") : STR("false"));
}

enum err cluster_list_run(struct cli *cli, struct fail *f)
{
    static const char *const columns[] = { "Name", "ClusterId", "Address", "HistoryShardCount#",
        "InitialFailoverVersion#", "IsConnectionEnabled", "IsReplicationEnabled" };
    int64_t limit = cli_number(cli, "limit"), shown = 0;
    struct str token = { "", 0 };
    struct table table;
    enum err err = ERR_NONE;
    table_begin(&table, &cli->out, columns, ARRAY_LEN(columns));
    out_list_begin(&cli->out);
    do {
        struct message *m = cli_request(cli, "ListClusters");
        struct message_ref reply;
        struct message_value v;
        message_opt_text(m, "next_page_token", token);
        err = cli_call(cli, "ListClusters", m, (struct duration){ 0 }, &reply, f);
        if (err) {
            break;
        }
        struct message_iter iter = message_each(reply, "clusters");
        while ((!limit || shown < limit) && message_next(&iter, &v)) {
            cluster_row(cli, &table, message_of(&v));
            out_message(&cli->out, message_of(&v));
            shown++;
        }
        token = message_text(reply, "next_page_token");
    } while (token.len && (!limit || shown < limit));
    if (!err) {
        table_print(&table, true);
    }
    out_list_end(&cli->out);
    return err;
}
