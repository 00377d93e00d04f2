/* What helps at the command line: the help texts and the completion of shells, both made from the table of commands. */
#include <stdio.h>

#include "cli/cli.h"

/* The command's own word, when it stands directly under the group; NULL otherwise. */
static const char *child_of(const struct command *command, const char *group)
{
    size_t n = strlen(group);
    if (n && (strncmp(command->path, group, n) || command->path[n] != ' ')) {
        return NULL;
    }
    const char *word = command->path + (n ? n + 1 : 0);
    return *word && !strchr(word, ' ') ? word : NULL;
}

static void print_children(FILE *out, const char *group)
{
    size_t width = 0;
    for (size_t i = 0; i < command_count; i++) {
        const char *word = child_of(&commands[i], group);
        size_t n = word ? strlen(word) : 0;
        width = n > width ? n : width;
    }
    if (width) {
        fprintf(out, "\nCommands:\n");
    }
    for (size_t i = 0; i < command_count; i++) {
        const char *word = child_of(&commands[i], group);
        if (word) {
            fprintf(out, "  %-*s  %s\n", (int)width, word, commands[i].doc);
        }
    }
}

static void print_option(FILE *out, const struct option *o)
{
    char head[96], letter[8] = "    ";
    if (!o->doc) {
        return;
    }
    if (o->letter) {
        snprintf(letter, sizeof(letter), "-%c, ", o->letter);
    }
    snprintf(head, sizeof(head), "%s--%s%s%s", letter, o->name, o->value_name ? " " : "",
            o->value_name ? o->value_name : "");
    fprintf(out, "  %-44s %s", head, o->doc);
    if (o->choices) {
        fprintf(out, " [%s]", o->choices);
    }
    if (o->fallback && *o->fallback) {
        fprintf(out, " (%s)", o->fallback);
    }
    if (o->kind == FLAG_LIST) {
        fprintf(out, "; repeatable");
    }
    if (o->is_required) {
        fprintf(out, "; needed");
    }
    if (o->env) {
        fprintf(out, " [%s]", o->env);
    }
    fprintf(out, "\n");
}

static void print_options(FILE *out, const struct command *command)
{
    for (size_t s = 0; s < OPTION_SETS_MAX && command->sets[s]; s++) {
        const struct option_set *set = command->sets[s];
        fprintf(out, "\n%s:\n", set->title ? set->title : "Options");
        for (size_t i = 0; i < set->count; i++) {
            print_option(out, &set->options[i]);
        }
    }
}

void help_print(FILE *out, const char *path)
{
    const struct command *command = NULL;
    for (size_t i = 0; i < command_count; i++) {
        command = !strcmp(commands[i].path, path) ? &commands[i] : command;
    }
    if (!command) {
        fprintf(out,
                "Perdure %s: durable execution, and the command line for it.\n\n"
                "usage: perdure COMMAND [options]\n",
                PERDURE_VERSION);
        print_children(out, "");
        fprintf(out, "\n'perdure COMMAND --help' says more about each; see also perdure(1).\n");
        return;
    }
    bool is_group = !command->run && !command->is_server;
    fprintf(out, "%s\n\nusage: perdure %s%s%s\n", command->doc, path, is_group ? " COMMAND" : "",
            command->takes_word ? " [NAME] [options]" : " [options]");
    print_children(out, path);
    print_options(out, command);
}

/* Both scripts ask the executable itself, so that they never grow stale. */
static const char bash_script[] = "_perdure() {\n"
                                  "    local IFS=$'\\n'\n"
                                  "    COMPREPLY=($(\"${COMP_WORDS[0]}\" complete -- "
                                  "\"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null))\n"
                                  "}\n"
                                  "complete -o default -F _perdure perdure\n";
static const char zsh_script[] =
        "#compdef perdure\n"
        "_perdure() {\n"
        "    local -a answers\n"
        "    answers=(${(f)\"$(${words[1]} complete -- ${words[2,CURRENT]} 2>/dev/null)\"})\n"
        "    if (( ${#answers} )); then compadd -a answers; else _files; fi\n"
        "}\n"
        "compdef _perdure perdure\n";
static const char fish_script[] = "complete -c perdure -f -a '(perdure complete -- (commandline "
                                  "-opc)[2..-1] (commandline -ct) 2>/dev/null)'\n";

enum err help_completion(struct cli *cli, struct fail *f)
{
    const struct {
        const char *shell, *script;
    } scripts[] = { { "bash", bash_script }, { "zsh", zsh_script }, { "fish", fish_script } };
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        if (str_eq(cli->word, str_from_cstr(scripts[i].shell))) {
            fputs(scripts[i].script, stdout);
            return ERR_NONE;
        }
    }
    return cli_usage(cli, f, "completion is there for bash, zsh and fish; name one of them");
}

static void complete_choices(const struct option *o, struct str begun)
{
    struct str rest = str_from_cstr(o->choices);
    while (rest.len) {
        struct str choice = str_split(rest, '|', &rest);
        if (str_starts_with(choice, begun)) {
            printf(STR_FMT "\n", STR_ARG(choice));
        }
    }
}

static void complete_flags(const struct command *command, struct str before, struct str begun)
{
    for (size_t s = 0; s < OPTION_SETS_MAX && command->sets[s]; s++) {
        for (size_t i = 0; i < command->sets[s]->count; i++) {
            const struct option *o = &command->sets[s]->options[i];
            struct str name = str_from_cstr(o->name);
            bool is_value = (before.len == 2 && o->letter && before.ptr[1] == o->letter) ||
                            (before.len > 2 && str_eq(str_drop(before, 2), name));
            if (is_value && before.ptr[0] == '-' && o->choices) {
                complete_choices(o, begun);
            } else if (o->doc && begun.len >= 2 && str_starts_with(name, str_drop(begun, 2))) {
                printf("--%s\n", o->name);
            }
        }
    }
}

/* The last word is the one that is being written. */
static void complete_words(int argc, char **argv)
{
    int used;
    struct str begun = str_from_cstr(argc ? argv[argc - 1] : "");
    const struct command *command = command_find(argc ? argc - 1 : 0, argv, &used);
    const char *group = command ? command->path : "";
    bool only_words = used == argc - 1 || argc == 0;
    if (only_words && !(begun.len && begun.ptr[0] == '-')) {
        for (size_t i = 0; i < command_count; i++) {
            const char *word = child_of(&commands[i], group);
            if (word && str_starts_with(str_from_cstr(word), begun)) {
                printf("%s\n", word);
            }
        }
    }
    if (command) {
        struct str before = str_from_cstr(argc >= 2 ? argv[argc - 2] : "");
        complete_flags(command, before, begun);
    }
}

int help_complete_main(int argc, char **argv)
{
    complete_words(argc, argv);
    return 0;
}
