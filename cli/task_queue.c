/* Commands about task queues: who polls, what waits, where it is. */
#include "cli/admin.h"
#include "common/apijson/json_text.h"

static const struct {
    const char *name;
    int64_t number;
} types[] = { { "workflow", 1 }, { "activity", 2 }, { "nexus", 3 } };

static struct str float_text(struct cli *cli, double value)
{
    struct buf text;
    buf_init_arena(&text, cli->arena, 64);
    json_number(&text, value);
    return buf_str(&text);
}

struct description {
    struct cli *cli;
    struct table stats, pollers;
    struct buf stats_json, pollers_json;
};

static void add_stats(
        struct description *d, struct str build, const char *type, struct message_ref stats)
{
    struct cli *cli = d->cli;
    double add = message_double(stats, "tasks_add_rate"),
           dispatch = message_double(stats, "tasks_dispatch_rate");
    struct str age = out_duration(&cli->out, message_duration(stats, "approximate_backlog_age"));
    struct str cells[] = { build, str_from_cstr(type),
        str_printf(cli->arena, "%lld", (long long)message_int(stats, "approximate_backlog_count")),
        age, float_text(cli, add - dispatch), float_text(cli, add), float_text(cli, dispatch) };
    for (size_t i = 0; i < ARRAY_LEN(cells); i++) {
        table_cell(&d->stats, cells[i]);
    }
    buf_printf(&d->stats_json, "%s{\"buildId\":", d->stats_json.len ? "," : "");
    json_quote(&d->stats_json, build);
    buf_printf(&d->stats_json,
            ",\"taskQueueType\":\"%s\",\"approximateBacklogCount\":" STR_FMT
            ",\"approximateBacklogAge\":\"" STR_FMT "\",\"backlogIncreaseRate\":" STR_FMT
            ",\"tasksAddRate\":" STR_FMT ",\"tasksDispatchRate\":" STR_FMT "}",
            type, STR_ARG(cells[2]), STR_ARG(age), STR_ARG(cells[4]), STR_ARG(cells[5]),
            STR_ARG(cells[6]));
}

static void add_poller(
        struct description *d, struct str build, const char *type, struct message_ref poller)
{
    struct cli *cli = d->cli;
    struct str rate = float_text(cli, message_double(poller, "rate_per_second"));
    struct str seen = out_json_of(&cli->out, message_sub(poller, "last_access_time"), true, -1);
    table_cell(&d->pollers, build);
    table_cell(&d->pollers, str_from_cstr(type));
    table_cell(&d->pollers, message_text(poller, "identity"));
    table_cell(&d->pollers, out_time(&cli->out, message_time(poller, "last_access_time")));
    table_cell(&d->pollers, rate);
    buf_printf(&d->pollers_json, "%s{\"buildId\":", d->pollers_json.len ? "," : "");
    json_quote(&d->pollers_json, build);
    buf_printf(&d->pollers_json, ",\"taskQueueType\":\"%s\",\"identity\":", type);
    json_quote(&d->pollers_json, message_text(poller, "identity"));
    buf_printf(&d->pollers_json, ",\"lastAccessTime\":" STR_FMT ",\"ratePerSecond\":" STR_FMT "}",
            STR_ARG(seen), STR_ARG(rate));
}

/* One version of the queue: its types, each with its pollers. */
static void add_version(struct description *d, struct message_ref entry, bool with_stats)
{
    struct str build = message_text(entry, "key");
    struct message_value v, p;
    build = build.len ? build : STR("UNVERSIONED");
    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        struct message_iter iter = message_each(entry, "value.types_info");
        while (message_next(&iter, &v)) {
            struct message_ref type = message_of(&v);
            if (message_int(type, "key") != types[t].number) {
                continue;
            }
            if (with_stats) {
                add_stats(d, build, types[t].name, message_sub(type, "value.stats"));
            }
            struct message_iter pollers = message_each(type, "value.pollers");
            while (message_next(&pollers, &p)) {
                add_poller(d, build, types[t].name, message_of(&p));
            }
        }
    }
}

static void print_description(struct description *d, bool with_stats)
{
    struct out *out = &d->cli->out;
    if (with_stats) {
        out_heading(out, "Task Queue Statistics:");
        table_print(&d->stats, true);
    }
    out_heading(out, "Pollers:");
    table_print(&d->pollers, true);
    struct object o;
    object_begin(&o, out);
    object_json(&o, "reachability", STR("null"));
    struct str pollers =
            str_printf(d->cli->arena, "[" STR_FMT "]", STR_ARG(buf_str(&d->pollers_json)));
    struct str stats = str_printf(d->cli->arena, "[" STR_FMT "]", STR_ARG(buf_str(&d->stats_json)));
    object_json(&o, "pollers", pollers);
    object_json(&o, "stats", with_stats ? stats : STR("null"));
    object_print(&o);
}

enum err task_queue_describe_run(struct cli *cli, struct fail *f)
{
    static const char *const stats[] = { "BuildID", "TaskQueueType", "ApproximateBacklogCount#",
        "ApproximateBacklogAge", "BacklogIncreaseRate#", "TasksAddRate#", "TasksDispatchRate#" };
    static const char *const pollers[] = { "BuildID", "TaskQueueType", "Identity", "LastAccessTime",
        "RatePerSecond#" };
    struct message *m = cli_request(cli, "DescribeTaskQueue");
    const struct flag_list *wanted = cli_list(cli, "task-queue-type");
    struct message_ref reply;
    struct message_value v;
    bool with_stats = !cli_switch(cli, "disable-stats");
    message_put_text(m, "task_queue.name", cli_text(cli, "task-queue"));
    message_put_int(m, "task_queue.kind", 1);
    message_put_int(m, "api_mode", 1); /* enhanced */
    message_put_int(m, "report_pollers", 1);
    message_put_int(m, "report_stats", with_stats);
    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        bool is_wanted = !wanted->items.len && t < 2;
        for (size_t i = 0; i < wanted->items.len; i++) {
            is_wanted |= str_eq_nocase(wanted->items.ptr[i], str_from_cstr(types[t].name));
        }
        if (is_wanted) {
            message_put_int(m, "task_queue_types", types[t].number);
        }
    }
    enum err err = cli_call(cli, "DescribeTaskQueue", m, (struct duration){ 0 }, &reply, f);
    if (err) {
        return err;
    }
    struct description d = { .cli = cli };
    table_begin(&d.stats, &cli->out, stats, ARRAY_LEN(stats));
    table_begin(&d.pollers, &cli->out, pollers, ARRAY_LEN(pollers));
    buf_init_arena(&d.stats_json, cli->arena, 16 << 20);
    buf_init_arena(&d.pollers_json, cli->arena, 16 << 20);
    struct message_iter iter = message_each(reply, "versions_info");
    while (message_next(&iter, &v)) {
        add_version(&d, message_of(&v), with_stats);
    }
    print_description(&d, with_stats);
    return ERR_NONE;
}

enum err task_queue_list_partition_run(struct cli *cli, struct fail *f)
{
    static const char *const columns[] = { "Key", "OwnerHostName" };
    static const struct {
        const char *path, *title;
    } kinds[] = { { "workflow_task_queue_partitions", "Workflow Task Queue Partitions" },
        { "activity_task_queue_partitions", "Activity Task Queue Partitions" } };
    struct message *m = cli_request(cli, "ListTaskQueuePartitions");
    struct message_ref reply;
    message_put_text(m, "task_queue.name", cli_text(cli, "task-queue"));
    message_put_int(m, "task_queue.kind", 1);
    enum err err = cli_call(cli, "ListTaskQueuePartitions", m, (struct duration){ 0 }, &reply, f);
    for (size_t k = 0; k < ARRAY_LEN(kinds) && !err; k++) {
        struct message_iter iter = message_each(reply, kinds[k].path);
        struct message_value v;
        struct table table;
        table_begin(&table, &cli->out, columns, ARRAY_LEN(columns));
        while (message_next(&iter, &v)) {
            table_cell(&table, message_text(message_of(&v), "key"));
            table_cell(&table, message_text(message_of(&v), "owner_host_name"));
        }
        out_heading(&cli->out, "%s%s", k ? "\n" : "", kinds[k].title);
        table_print(&table, true);
    }
    if (!err) {
        out_message(&cli->out, reply);
    }
    return err;
}
