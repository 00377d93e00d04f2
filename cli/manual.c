/* The manual page, made from the table of commands: what help knows, in the form of man(7). The build runs it. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/sets.h"

/* Dashes and backslashes are special there; so is a line that begins with a dot or a quote. */
static void put(const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '-' || *c == '\\') {
            putchar('\\');
        }
        putchar(*c);
    }
}

static void print_option(const struct option *o)
{
    printf(".TP\n");
    if (o->letter) {
        printf("\\fB\\-%c\\fR, ", o->letter);
    }
    printf("\\fB\\-\\-");
    put(o->name);
    printf("\\fR");
    if (o->value_name) {
        printf(" \\fI%s\\fR", o->value_name);
    }
    printf("\n");
    put(o->doc);
    if (o->choices) {
        printf("; one of ");
        put(o->choices);
    }
    printf("%s%s", o->kind == FLAG_LIST ? "; repeatable" : "", o->is_required ? "; needed" : "");
    if (o->fallback) {
        printf(". Default: ");
        put(o->fallback);
    }
    if (o->env) {
        printf(". Environment: %s", o->env);
    }
    printf("\n");
}

static void print_set(const struct option_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->options[i].doc) {
            print_option(&set->options[i]);
        }
    }
}

static void print_command(const struct command *command)
{
    printf(".SS perdure ");
    put(command->path);
    printf("\n");
    put(command->doc);
    printf("\n");
    for (size_t s = 0; s < OPTION_SETS_MAX && command->sets[s]; s++) {
        if (command->sets[s] != &set_common && command->sets[s] != &set_client) {
            print_set(command->sets[s]);
        }
    }
}

static const char head[] =
        ".TH PERDURE 1 \"\" \"Perdure " PERDURE_VERSION "\" \"Perdure\"\n"
        ".SH NAME\nperdure \\- durable execution: the servers and the command line\n"
        ".SH SYNOPSIS\n.B perdure\n.I COMMAND\n[\\fIOPTION\\fR ...]\n"
        ".SH DESCRIPTION\n"
        "Workflows that survive any crash, because every step is recorded and replayed. The "
        "commands here start servers, "
        "and talk to any server that speaks the Temporal API: they start workflows, look at them "
        "and act on them, settle "
        "activities, and administer namespaces and search attributes.\n"
        ".PP\nValues of \\fB\\-\\-input\\fR, \\fB\\-\\-memo\\fR and the like are JSON: a text "
        "needs double quotes inside of "
        "the shell's. Durations are written as 300ms, 10s, 1h30m.\n";

static const char tail[] =
        ".SH EXIT STATUS\n0 when it was done, 1 when it failed (also when the workflow that was "
        "waited for did), 2 for a "
        "command line that makes no sense.\n"
        ".SH EXAMPLES\n.nf\nperdure server start\\-dev\n"
        "perdure workflow start \\-\\-type Order \\-\\-task\\-queue orders \\-\\-input '{\"id\": "
        "7}'\n"
        "perdure workflow list \\-\\-query 'WorkflowType = \"Order\" AND ExecutionStatus = "
        "\"Running\"'\n"
        "perdure workflow show \\-\\-workflow\\-id order\\-7 \\-\\-follow\n"
        "perdure workflow show \\-\\-workflow\\-id order\\-7 \\-o json > history.json\n"
        "source <(perdure completion bash)\n.fi\n";

int manual_main(void)
{
    fputs(head, stdout);
    printf(".SH OPTIONS OF EVERY CLIENT COMMAND\n");
    print_set(&set_client);
    print_set(&set_common);
    printf(".SH COMMANDS\n");
    for (size_t i = 0; i < command_count; i++) {
        if (commands[i].run || commands[i].is_server) {
            print_command(&commands[i]);
        }
    }
    fputs(tail, stdout);
    return 0;
}
