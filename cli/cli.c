/* From a command line to a command that runs: finds it, parses its options, prints its failure. */
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Words until the first flag. */
static int leading_words(int argc, char **argv)
{
    int n = 0;
    while (n < argc && argv[n][0] != '-' && argv[n][0]) {
        n++;
    }
    return n;
}

const struct command *command_find(int argc, char **argv, int *used)
{
    const struct command *best = NULL;
    int words = leading_words(argc, argv);
    *used = 0;
    for (size_t i = 0; i < command_count; i++) {
        struct str rest = str_from_cstr(commands[i].path);
        int n = 0;
        bool matches = true;
        while (rest.len && matches) {
            struct str word = str_split(rest, ' ', &rest);
            matches = n < words && str_eq(word, str_from_cstr(argv[n]));
            n++;
        }
        if (matches && n > *used) {
            best = &commands[i];
            *used = n;
        }
    }
    return best;
}

/* "unknown command 'workflow strat'; did you mean 'workflow start'?" */
static int complain_about_command(int argc, char **argv, int used)
{
    struct arena arena = { 0 };
    struct str path = { "", 0 }, group = { "", 0 }, last = { "", 0 };
    int words = leading_words(argc, argv);
    for (int i = 0; i < words && i <= used; i++) {
        group = i < used ? str_printf(&arena, STR_FMT "%s ", STR_ARG(group), argv[i]) : group;
        path = str_printf(&arena, STR_FMT "%s%s", STR_ARG(path), i ? " " : "", argv[i]);
        last = str_from_cstr(argv[i]);
    }
    const char **names = NEW(&arena, const char *, command_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < command_count; i++) {
        struct str candidate = str_from_cstr(commands[i].path);
        bool is_in_group =
                str_starts_with(candidate, group) &&
                str_find(str_drop(candidate, group.len), ' ') == candidate.len - group.len;
        if (is_in_group) {
            names[count++] = commands[i].path + group.len;
        }
    }
    /* Words alone are compared: within a group every path begins alike. */
    const char *nearest = args_nearest(last, names, count);
    fprintf(stderr, "perdure: unknown command '%s'", path.ptr);
    fprintf(stderr, nearest ? "; did you mean '" STR_FMT "%s'?\n" : "\n", STR_ARG(group), nearest);
    fprintf(stderr, "'perdure %s%s--help' lists what there is.\n", group.ptr, "");
    arena_deinit(&arena);
    return 2;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--"); i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            return true;
        }
    }
    return false;
}

/* Colours on a terminal that shows them, unless somebody objects. */
static bool has_color(const struct cli *cli)
{
    struct str wish = cli_text(cli, "color");
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (!str_eq(wish, STR("auto"))) {
        return str_eq(wish, STR("always"));
    }
    return isatty(STDOUT_FILENO) && !(no_color && *no_color) && !(term && !strcmp(term, "dumb"));
}

static void set_up_output(struct cli *cli)
{
    struct str form = cli_text(cli, "output"), times = cli_text(cli, "time-format");
    cli->out.form = str_eq(form, STR("json"))    ? OUT_JSON
                    : str_eq(form, STR("jsonl")) ? OUT_JSONL
                    : str_eq(form, STR("none"))  ? OUT_NONE
                                                 : OUT_TEXT;
    cli->out.times = str_eq(times, STR("iso"))   ? TIMES_ISO
                     : str_eq(times, STR("raw")) ? TIMES_RAW
                                                 : TIMES_RELATIVE;
    cli->out.has_color = has_color(cli);
    cli->out.shorthand = !cli_switch(cli, "no-json-shorthand-payloads");
}

static void print_failure(const struct cli *cli, const struct fail *f)
{
    bool red = cli->out.has_color && isatty(STDERR_FILENO);
    struct str text = fail_text_of(f);
    fprintf(stderr, "%sperdure: " STR_FMT "%s\n", red ? "\033[31m" : "", STR_ARG(text),
            red ? "\033[0m" : "");
    if (cli->is_usage) {
        fprintf(stderr, "'perdure %s --help' lists the options.\n", cli->command->path);
    }
}

static int run(struct cli *cli, int argc, char **argv)
{
    struct fail f = { 0 };
    enum err err = options_parse(cli, argc, argv, &f);
    if (!err) {
        bool is_client = cli->value_count > 0;
        if (is_client) {
            set_up_output(cli);
        }
        err = cli->command->run(cli, &f);
    }
    out_flush(&cli->out);
    if (err) {
        print_failure(cli, &f);
    }
    cli_disconnect(cli);
    return !err ? 0 : cli->is_usage ? 2 : 1;
}

int cli_main(int argc, char **argv)
{
    int used;
    const struct command *command = command_find(argc, argv, &used);
    bool is_help = argc > 0 && !strcmp(argv[0], "help");
    if (argc > 1 && !strcmp(argv[0], "complete") && !strcmp(argv[1], "--")) {
        return help_complete_main(argc - 2, argv + 2);
    }
    if (argc == 1 && !strcmp(argv[0], "manual")) {
        return manual_main();
    }
    if (is_help) {
        command = command_find(argc - 1, argv + 1, &used);
        help_print(stdout, command ? command->path : "");
        return 0;
    }
    bool is_group = command && !command->run && !command->is_server;
    int more = leading_words(argc, argv) - used;
    if ((!command && argc > 0 && argv[0][0] != '-') || (is_group && more > 0)) {
        return complain_about_command(argc, argv, used);
    }
    if (wants_help(argc, argv) || !command || !command->run) {
        bool is_asked = wants_help(argc, argv);
        help_print(is_asked ? stdout : stderr, command ? command->path : "");
        return is_asked ? 0 : 2;
    }
    signal(SIGPIPE, SIG_IGN);
    struct arena arena = { 0 };
    struct cli cli = { .arena = &arena, .command = command };
    out_init(&cli.out, &arena);
    int status = run(&cli, argc - used, argv + used);
    out_deinit(&cli.out);
    arena_deinit(&arena);
    return status;
}
