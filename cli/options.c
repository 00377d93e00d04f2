/* A command's options: from its sets to flags, their defaults, and what the environment says. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"

const struct option_value *cli_option(const struct cli *cli, const char *name)
{
    for (size_t i = 0; i < cli->value_count; i++) {
        if (!strcmp(cli->values[i].option->name, name)) {
            return &cli->values[i];
        }
    }
    fprintf(stderr, "perdure %s has no option %s\n", cli->command->path, name);
    abort();
}

struct str cli_text(const struct cli *cli, const char *name)
{
    return cli_option(cli, name)->text;
}

int64_t cli_number(const struct cli *cli, const char *name)
{
    return cli_option(cli, name)->number;
}

bool cli_switch(const struct cli *cli, const char *name)
{
    return cli_option(cli, name)->on;
}

bool cli_given(const struct cli *cli, const char *name)
{
    return cli_option(cli, name)->is_given;
}

const struct flag_list *cli_list(const struct cli *cli, const char *name)
{
    return &cli_option(cli, name)->list;
}

enum err cli_usage(struct cli *cli, struct fail *f, const char *fmt, ...)
{
    char text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    cli->is_usage = true;
    return fail(f, ERR_INVALID_ARGUMENT, "%s", text);
}

static void *target_of(struct option_value *value)
{
    switch (value->option->kind) {
    case FLAG_STR:
        return &value->text;
    case FLAG_INT:
        return &value->number;
    case FLAG_SWITCH:
        return &value->on;
    case FLAG_LIST:
        return &value->list;
    case FLAG_DURATION:
        return &value->span;
    case FLAG_DOUBLE:
        return &value->real;
    }
    return NULL;
}

static size_t count_options(const struct command *command)
{
    size_t count = 0;
    for (size_t s = 0; s < OPTION_SETS_MAX && command->sets[s]; s++) {
        count += command->sets[s]->count;
    }
    return count;
}

static struct flag *make_flags(struct cli *cli)
{
    cli->value_count = count_options(cli->command);
    cli->values = NEW(cli->arena, struct option_value, cli->value_count + 1);
    struct flag *flags = NEW(cli->arena, struct flag, cli->value_count + 1);
    size_t n = 0;
    for (size_t s = 0; s < OPTION_SETS_MAX && cli->command->sets[s]; s++) {
        for (size_t i = 0; i < cli->command->sets[s]->count; i++, n++) {
            const struct option *o = &cli->command->sets[s]->options[i];
            struct option_value *v = &cli->values[n];
            v->option = o;
            v->text = (struct str){ "", 0 };
            flags[n] = (struct flag){ .name = o->name,
                .letter = o->letter,
                .kind = o->kind,
                .target = target_of(v),
                .min = 0,
                .max = INT32_MAX,
                .value_name = o->value_name,
                .doc = o->doc,
                .alias = o->alias,
                .choices = o->choices,
                .is_given = &v->is_given };
        }
    }
    return flags;
}

/* Where the command line is silent: the environment, then the default. */
static enum err fill_in(struct cli *cli, const struct flag *flags, struct fail *f)
{
    for (size_t i = 0; i < cli->value_count; i++) {
        struct option_value *v = &cli->values[i];
        const char *said = !v->is_given && v->option->env ? getenv(v->option->env) : NULL;
        struct fail inner = { 0 };
        if (said && *said) {
            if (args_set(&flags[i], cli->arena, str_from_cstr(said), &inner)) {
                return cli_usage(
                        cli, f, "%s in the environment: %s", v->option->env, inner.message);
            }
        } else if (!v->is_given && v->option->fallback) {
            if (args_set(&flags[i], cli->arena, str_from_cstr(v->option->fallback), f)) {
                return f->err;
            }
            v->is_given = false;
        }
    }
    return ERR_NONE;
}

static enum err check_required(struct cli *cli, struct fail *f)
{
    for (size_t i = 0; i < cli->value_count; i++) {
        const struct option_value *v = &cli->values[i];
        bool is_empty = v->option->kind == FLAG_STR ? !v->text.len : !v->is_given;
        if (v->option->is_required && is_empty) {
            return cli_usage(cli, f, "--%s is needed", v->option->name);
        }
    }
    return ERR_NONE;
}

enum err options_parse(struct cli *cli, int argc, char **argv, struct fail *f)
{
    struct flag *flags = make_flags(cli);
    struct flag_list words = { 0 };
    cli->is_usage = true;
    enum err err = args_parse(argc, argv, flags, cli->value_count, cli->arena,
            cli->command->takes_word ? &words : NULL, f);
    if (!err && words.items.len > 1) {
        err = fail(f, ERR_INVALID_ARGUMENT, "unexpected argument '" STR_FMT "'",
                STR_ARG(words.items.ptr[1]));
    }
    if (!err) {
        err = fill_in(cli, flags, f);
    }
    if (!err) {
        err = check_required(cli, f);
    }
    if (!err) {
        cli->is_usage = false;
        cli->word = words.items.len ? words.items.ptr[0] : (struct str){ "", 0 };
    }
    return err;
}
