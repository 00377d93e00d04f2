/* The executable's entry: picks the command and hands over. Services are composed in process.c; what is no server's
 * command is the client's (cli/). */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "deploy/process.h"
#include "deploy/schema_command.h"
#include "deploy/start_dev.h"

static const char usage[] =
        "usage: perdure server frontend|history|matching|worker --config FILE\n"
        "\n"
        "One service of a cluster.\n"
        "\n"
        "  --config FILE      the settings\n"
        "  --set KEY=VALUE    one setting, over the file's; repeatable\n"
        "  --print-config     show all settings with their meaning\n"
        "\n"
        "Exit status: 0 after SIGINT or SIGTERM, 2 for wrong flags or settings, 1 for the rest.\n";

static const struct {
    const char *name;
    enum cluster_role role;
} roles[] = {
    { "frontend", CLUSTER_FRONTEND },
    { "history", CLUSTER_HISTORY },
    { "matching", CLUSTER_MATCHING },
    { "worker", CLUSTER_WORKER },
};

enum err service_config(int argc, char **argv, struct arena *arena, struct config *config,
        struct flag_list *words, bool *print, struct fail *f)
{
    struct str file = { 0 };
    struct flag_list settings = { 0 };
    const struct flag flags[] = {
        { .name = "config", .kind = FLAG_STR, .target = &file },
        { .name = "set", .kind = FLAG_LIST, .target = &settings },
        { .name = "print-config", .kind = FLAG_SWITCH, .target = print },
    };
    struct fail inner = { 0 };
    enum err err = args_parse(argc, argv, flags, ARRAY_LEN(flags), arena, words, &inner);
    if (err) {
        return fail(f, err, "%s (see --help)", inner.message);
    }
    config_init(config);
    if (!err && file.len) {
        err = config_read_file(config, arena, str_cstr(arena, file), f);
    }
    for (size_t i = 0; !err && i < settings.items.len; i++) {
        err = config_set(config, arena, settings.items.ptr[i], f);
    }
    return err;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            return true;
        }
    }
    return false;
}

static int run_service(enum cluster_role role, int argc, char **argv, struct arena *arena)
{
    struct fail f = { 0 };
    struct process_options options = { .roles = role };
    bool print = false;
    if (asks_for_help(argc, argv)) {
        fputs(usage, stdout);
        return 0;
    }
    if (service_config(argc, argv, arena, &options.config, NULL, &print, &f)) {
        fprintf(stderr, "perdure: %s\n", f.message);
        return 2;
    }
    if (print) {
        config_print(&options.config, stdout);
        return 0;
    }
    if (process_run(&options, &f)) {
        fprintf(stderr, "perdure: %s\n", f.message);
        return process_exit_status(f.err);
    }
    return 0;
}

static int service_main(enum cluster_role role, int argc, char **argv)
{
    struct arena arena = { 0 };
    int status = run_service(role, argc, argv, &arena);
    arena_deinit(&arena);
    return status;
}

/* "perdure frontend", and "perdure server frontend". */
static bool find_role(const char *name, enum cluster_role *role)
{
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        if (!strcmp(name, roles[i].name)) {
            *role = roles[i].role;
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    const char *sub = argc > 2 ? argv[2] : "";
    bool is_server = !strcmp(command, "server");
    enum cluster_role role;
    if (is_server && !strcmp(sub, "start-dev")) {
        return start_dev_main(argc - 3, argv + 3);
    }
    if (find_role(is_server ? sub : command, &role)) {
        int words = is_server ? 3 : 2;
        return service_main(role, argc - words, argv + words);
    }
    if (!strcmp(command, "version") || !strcmp(command, "--version")) {
        printf("perdure %s\n", PERDURE_VERSION);
        return 0;
    }
    bool is_schema =
            !strcmp(command, "schema") && (!strcmp(sub, "migrate") || !strcmp(sub, "status"));
    if (is_schema && !asks_for_help(argc, argv)) {
        return schema_main(argc - 2, argv + 2);
    }
    return cli_main(argc - 1, argv + 1); /* a client: nothing of the servers is started */
}
