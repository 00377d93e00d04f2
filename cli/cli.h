/* The command line's client side: a table of commands with their options, and what a running command works with.
 * cli_main is called by deploy/main.c for every command that is not the server's own. */
#pragma once

#include <stdio.h>

#include "cli/args.h"
#include "cli/out.h"
#include "common/apijson/message.h"

struct option {
    const char *name;
    char letter;
    enum flag_kind kind;
    const char *value_name, *doc; /* doc NULL: accepted, not shown */
    const char *fallback;         /* the value when nothing is given; NULL: zero */
    const char *choices, *alias;
    const char *env;  /* the variable that speaks when the command line does not */
    bool is_required; /* an empty text counts as missing */
};

struct option_set {
    const char *title; /* in the help text; NULL: the command's own */
    const struct option *options;
    size_t count;
};

#define OPTIONS(list) (list), ARRAY_LEN(list)

enum { OPTION_SETS_MAX = 8 };

struct cli;

struct command {
    const char *path; /* "workflow start" */
    const char *doc;
    /* ERR_NONE, or *f says what went wrong. NULL: a group, or the server's own, which others run. */
    enum err (*run)(struct cli *cli, struct fail *f);
    const struct option_set *sets[OPTION_SETS_MAX];
    bool takes_word; /* one word behind the flags, cli->word */
    bool is_server;  /* run by deploy/main.c, listed in help and completion only */
};

extern const struct command commands[];
extern const size_t command_count;

struct option_value {
    const struct option *option;
    bool is_given; /* by flag or environment */
    struct str text;
    int64_t number;
    bool on;
    struct duration span;
    double real;
    struct flag_list list;
};

struct cli {
    struct arena *arena;
    const struct command *command;
    struct option_value *values;
    size_t value_count;
    struct str word;
    struct out out;
    struct connection *connection; /* made by the first call */
    bool is_usage;                 /* the failure is the caller's: exit 2 instead of 1 */
};

/* argv without the executable's name. The exit status: 0, 1 for a failure, 2 for a wrong command line. */
int cli_main(int argc, char **argv);

/* Every option that a command has, given or not. A name that it does not have is our mistake. */
const struct option_value *cli_option(const struct cli *cli, const char *name);
struct str cli_text(const struct cli *cli, const char *name);
int64_t cli_number(const struct cli *cli, const char *name);
bool cli_switch(const struct cli *cli, const char *name);
bool cli_given(const struct cli *cli, const char *name);
const struct flag_list *cli_list(const struct cli *cli, const char *name);

/* A mistake on the command line: returns ERR_INVALID_ARGUMENT and makes the exit status 2. */
enum err cli_usage(struct cli *cli, struct fail *f, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

/* Parses a command's flags and the environment into cli->values. */
enum err options_parse(struct cli *cli, int argc, char **argv, struct fail *f) MUST_USE;

/* help.c: of one command or group ("" for all of it); the completion script of a shell; the list that scripts complete
 * from. */
void help_print(FILE *out, const char *path);
enum err help_completion(struct cli *cli, struct fail *f);
int help_complete_main(int argc, char **argv);
/* manual.c: perdure(1) on standard output. */
int manual_main(void);
/* The best command for these words; *used says how many of them name it. NULL: none. */
const struct command *command_find(int argc, char **argv, int *used);

/* call.c: one call of a method by its name. Calls that fail because a server is going away are tried again for a while.
 * The reply lives in the arena. `wait` is how long an answer may take; {0}: the usual time. */
enum err cli_call(struct cli *cli, const char *method, const struct message *request,
        struct duration wait, struct message_ref *reply, struct fail *f) MUST_USE;
/* An empty request of that method, its namespace filled in when it has one. */
struct message *cli_request(struct cli *cli, const char *method);
void cli_disconnect(struct cli *cli);
struct str cli_identity(struct cli *cli);
struct str cli_new_id(struct cli *cli);
/* Is it the outcome of the last call? (A gRPC code.) */
bool cli_call_was(const struct cli *cli, int status);
/* The last call's grpc-status-details-bin, base64. */
struct str cli_call_details(const struct cli *cli);
enum err cli_health(struct cli *cli, struct str *status, struct fail *f) MUST_USE;

/* input.c: payloads from flags, encoded messages in the arena. */
struct input_flags {
    const char *text, *file, *meta, *base64; /* names of the options */
};
extern const struct input_flags input_flags_usual;
enum err input_payloads(
        struct cli *cli, const struct input_flags *flags, struct str *ret, struct fail *f) MUST_USE;
/* A whole file; "-" is standard input. */
enum err input_file(struct cli *cli, struct str path, struct str *ret, struct fail *f) MUST_USE;
/* KEY=JSON pairs of a list flag as entries of a map of payloads. */
enum err input_json_map(struct cli *cli, const char *flag, struct message *message,
        const char *field, struct fail *f) MUST_USE;
/* KEY=VALUE pairs; values as they stand. */
enum err input_header(struct cli *cli, struct message *message, struct fail *f) MUST_USE;
struct str input_json_payload(struct cli *cli, struct str json);
enum err input_not_json(struct cli *cli, struct fail *f, struct str what, struct str value);
/* Asks on the terminal; true with --yes. On no terminal without --yes: an error. */
enum err input_confirm(
        struct cli *cli, const char *question, const char *answer, struct fail *f) MUST_USE;
