/* The dev server's command line, in the grammar of `temporal server start-dev`: flags become the
 * settings of one process with all roles. What the flags of later features ask for is accepted and
 * said to have no effect. */
#include "deploy/start_dev.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/args.h"
#include "common/obs/log.h"
#include "deploy/dynamic_config.h"
#include "deploy/process.h"
#include "deploy/settings.h"

struct start_dev_flags {
    struct str ip, db_filename, log_level, log_format;
    struct str ui_ip, ui_asset_path, ui_public_path, ui_codec_endpoint, codec_endpoint;
    int64_t port, http_port, ui_port, metrics_port;
    bool headless, help, log_config;
    struct str ignored;
    bool ignored_switch;
    struct flag_list namespaces, search_attributes, sqlite_pragmas, dynamic_config, settings;
};

enum { FLAG_COUNT_MAX = 48 };

static size_t make_flags(struct start_dev_flags *v, struct flag *flags)
{
    const struct flag rows[] = {
        { "ip", 0, FLAG_STR, &v->ip, 0, 0, "ADDRESS", "where the API listens (127.0.0.1)" },
        { "port", 'p', FLAG_INT, &v->port, 1, 65535, "PORT", "port of the gRPC API (7233)" },
        { "db-filename", 'f', FLAG_STR, &v->db_filename, 0, 0, "FILE",
                "keep everything in this file (in memory)" },
        { "namespace", 'n', FLAG_LIST, &v->namespaces, 0, 0, "NAME",
                "create this namespace; repeatable" },
        { "search-attribute", 0, FLAG_LIST, &v->search_attributes, 0, 0, "NAME=TYPE",
                "register an attribute; repeatable" },
        { "sqlite-pragma", 0, FLAG_LIST, &v->sqlite_pragmas, 0, 0, "KEY=VALUE",
                "for the file; repeatable" },
        { "dynamic-config-value", 0, FLAG_LIST, &v->dynamic_config, 0, 0, "KEY=JSON",
                "a setting by its known name; repeatable" },
        { "set", 0, FLAG_LIST, &v->settings, 0, 0, "KEY=VALUE",
                "a setting of the configuration file; repeatable" },
        { "headless", 0, FLAG_SWITCH, &v->headless, 0, 0, NULL, "no web UI (there is none yet)" },
        { "http-port", 0, FLAG_INT, &v->http_port, 0, 65535, "PORT",
                "port for gRPC-web and /healthz (a free one)" },
        { "ui-ip", 0, FLAG_STR, &v->ui_ip, 0, 0, "ADDRESS",
                "where the web UI listens (no effect yet)" },
        { "ui-port", 0, FLAG_INT, &v->ui_port, 0, 65535, "PORT",
                "port of the web UI (no effect yet)" },
        { "ui-asset-path", 0, FLAG_STR, &v->ui_asset_path, 0, 0, "DIR",
                "other assets for the web UI (no effect yet)" },
        { "ui-public-path", 0, FLAG_STR, &v->ui_public_path, 0, 0, "PATH",
                "path prefix of the web UI (no effect yet)" },
        { "ui-codec-endpoint", 0, FLAG_STR, &v->ui_codec_endpoint, 0, 0, "URL",
                "codec server for the web UI (no effect yet)" },
        { "codec-endpoint", 0, FLAG_STR, &v->codec_endpoint, 0, 0, "URL",
                "codec server (no effect yet)" },
        { "metrics-port", 0, FLAG_INT, &v->metrics_port, 0, 65535, "PORT",
                "port for Prometheus, /metrics (a free one)" },
        { "log-level", 0, FLAG_STR, &v->log_level, 0, 0, "LEVEL",
                "debug, info, warn, error, never (warn)" },
        { "log-format", 0, FLAG_STR, &v->log_format, 0, 0, "FORMAT",
                "text, json or pretty (text)" },
        { "log-config", 0, FLAG_SWITCH, &v->log_config, 0, 0, NULL,
                "print the settings to standard error" },
        { "ui-disable-news-fetch", 0, FLAG_SWITCH, &v->ignored_switch, 0, 0, NULL, NULL },
        /* of every command of the reference's command line; they say how it looks, not what is served */
        { "env", 0, FLAG_STR, &v->ignored, 0, 0, NULL, NULL },
        { "env-file", 0, FLAG_STR, &v->ignored, 0, 0, NULL, NULL },
        { "config-file", 0, FLAG_STR, &v->ignored, 0, 0, NULL, NULL },
        { "profile", 0, FLAG_STR, &v->ignored, 0, 0, NULL, NULL },
        { "disable-config-file", 0, FLAG_SWITCH, &v->ignored_switch, 0, 0, NULL, NULL },
        { "disable-config-env", 0, FLAG_SWITCH, &v->ignored_switch, 0, 0, NULL, NULL },
        { "output", 'o', FLAG_STR, &v->ignored, 0, 0, NULL, NULL },
        { "time-format", 0, FLAG_STR, &v->ignored, 0, 0, NULL, NULL },
        { "color", 0, FLAG_STR, &v->ignored, 0, 0, NULL, NULL },
        { "no-json-shorthand-payloads", 0, FLAG_SWITCH, &v->ignored_switch, 0, 0, NULL, NULL },
        { "command-timeout", 0, FLAG_STR, &v->ignored, 0, 0, NULL, NULL },
        { "client-connect-timeout", 0, FLAG_STR, &v->ignored, 0, 0, NULL, NULL },
        { "help", 'h', FLAG_SWITCH, &v->help, 0, 0, NULL, "this text" },
    };
    _Static_assert(sizeof(rows) / sizeof(rows[0]) <= FLAG_COUNT_MAX, "room for every flag");
    memcpy(flags, rows, sizeof(rows));
    return ARRAY_LEN(rows);
}

/* Flags of parts that are not there yet. */
static void warn_ignored(const struct start_dev_flags *v)
{
    const struct {
        const char *flag;
        bool is_given;
    } flags[] = {
        { "--ui-port", v->ui_port != 0 },
        { "--ui-ip", v->ui_ip.len != 0 },
        { "--codec-endpoint", v->codec_endpoint.len != 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (flags[i].is_given) {
            log_warn("flag_has_no_effect_yet", LOG_CSTR("flag", flags[i].flag));
        }
    }
}

/* NAME=TYPE, each in every namespace of the command line. */
static enum err set_attributes(const struct start_dev_flags *v, struct arena *arena,
        struct process_options *o, struct fail *f)
{
    size_t count = v->search_attributes.items.len;
    struct search_attribute *all = NEW(arena, struct search_attribute, count + 1);
    for (size_t i = 0; i < count; i++) {
        struct str type, given = v->search_attributes.items.ptr[i];
        struct str name = str_split(given, '=', &type);
        all[i] = (struct search_attribute){ name, search_attribute_type_of(str_trim(type)) };
        if (!name.len || !all[i].type) {
            return fail(f, ERR_INVALID_ARGUMENT,
                    "--search-attribute: '" STR_FMT
                    "' is not NAME=TYPE with the type Text, Keyword, Int, Double, Bool, Datetime "
                    "or KeywordList",
                    STR_ARG(given));
        }
        if (search_attribute_is_reserved(name)) {
            return fail(f, ERR_INVALID_ARGUMENT,
                    "--search-attribute: " STR_FMT " is reserved by the system", STR_ARG(name));
        }
    }
    o->start.attributes = all;
    o->start.attribute_count = count;
    return ERR_NONE;
}

static enum err apply(const struct start_dev_flags *v, struct arena *arena,
        struct process_options *o, struct fail *f)
{
    struct config *c = &o->config;
    c->frontend_listen = str_printf(arena, STR_FMT ":%lld", STR_ARG(v->ip), (long long)v->port);
    c->http_listen = str_printf(arena, STR_FMT ":%lld", STR_ARG(v->ip), (long long)v->http_port);
    c->metrics_listen =
            str_printf(arena, STR_FMT ":%lld", STR_ARG(v->ip), (long long)v->metrics_port);
    c->frontend_open_to_all = true; /* whoever passes --ip has chosen */
    c->log_level = v->log_level;
    c->log_format = v->log_format;
    c->store_sqlite = v->db_filename;
    c->lanes = 1;
    o->in_memory = str_empty(v->db_filename);
    const char **pragmas = NEW(arena, const char *, v->sqlite_pragmas.items.len + 1);
    for (size_t i = 0; i < v->sqlite_pragmas.items.len; i++) {
        pragmas[i] = str_cstr(arena, v->sqlite_pragmas.items.ptr[i]);
    }
    o->sqlite_pragmas = pragmas;
    if (settings_set_log(c, f)) {
        return f->err;
    }
    for (size_t i = 0; i < v->dynamic_config.items.len; i++) {
        enum err err = dynamic_config_set(c, arena, v->dynamic_config.items.ptr[i], f);
        if (err) {
            return err;
        }
    }
    for (size_t i = 0; i < v->settings.items.len; i++) {
        enum err err = config_set(c, arena, v->settings.items.ptr[i], f);
        if (err) {
            return err;
        }
    }
    warn_ignored(v);
    struct str *names = NEW(arena, struct str, v->namespaces.items.len + 1);
    names[0] = STR("default");
    for (size_t i = 0; i < v->namespaces.items.len; i++) {
        names[i + 1] = v->namespaces.items.ptr[i];
    }
    o->start.namespaces = names;
    o->start.namespace_count = v->namespaces.items.len + 1;
    return set_attributes(v, arena, o, f);
}

/* The host of HOST:PORT. */
static struct str host_of(struct str address)
{
    while (address.len && address.ptr[address.len - 1] != ':') {
        address.len--;
    }
    return str_of(address.ptr, address.len ? address.len - 1 : 0);
}

static void print_banner(const struct process_options *o, uint16_t http_port, uint16_t metrics_port)
{
    struct str listen = o->config.frontend_listen, host = host_of(listen);
    printf("Perdure %s\n"
           "gRPC API   " STR_FMT "\n"
           "HTTP       http://" STR_FMT ":%u (gRPC-web, /healthz, /readyz)\n"
           "metrics    http://" STR_FMT ":%u/metrics\n"
           "store      " STR_FMT "\n",
            PERDURE_VERSION, STR_ARG(listen), STR_ARG(host), http_port, STR_ARG(host), metrics_port,
            STR_ARG(o->in_memory ? STR("in memory; ends with this process")
                                 : o->config.store_sqlite));
    fflush(stdout);
}

static int run(int argc, char **argv, struct arena *arena)
{
    struct fail f = { 0 };
    struct start_dev_flags v = {
        .ip = STR("127.0.0.1"),
        .port = 7233,
        .log_level = STR("warn"),
        .log_format = STR("text"),
    };
    struct flag flags[FLAG_COUNT_MAX];
    size_t count = make_flags(&v, flags);
    struct process_options options = { .roles = CLUSTER_FRONTEND | CLUSTER_HISTORY |
                                                CLUSTER_MATCHING | CLUSTER_WORKER };
    config_init(&options.config);
    if (args_parse(argc, argv, flags, count, arena, NULL, &f)) {
        fprintf(stderr, "perdure server start-dev: %s (see --help)\n", f.message);
        return 2;
    }
    if (v.help) {
        printf("usage: perdure server start-dev [flags]\n\nAll services in one process, for "
               "development.\n\n");
        args_print_help(flags, count);
        return 0;
    }
    if (apply(&v, arena, &options, &f)) {
        fprintf(stderr, "perdure server start-dev: %s\n", f.message);
        return 2;
    }
    if (v.log_config) {
        config_print(&options.config, stderr);
    }
    options.banner = print_banner;
    if (process_run(&options, &f)) {
        fprintf(stderr, "perdure: %s\n", f.message);
        return process_exit_status(f.err);
    }
    return 0;
}

int start_dev_main(int argc, char **argv)
{
    struct arena arena = { 0 };
    int status = run(argc, argv, &arena);
    arena_deinit(&arena);
    return status;
}
