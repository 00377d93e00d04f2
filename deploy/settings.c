/* What the settings mean for a process, before it opens anything: addresses are taken apart, certificates are
 * loaded, and what cannot be served is refused with the key and its place in the file. Their syntax and bounds
 * are config.c's. */
#include "deploy/settings.h"

#include <errno.h>
#include <unistd.h>

#include "cli/args.h"
#include "common/obs/log.h"

enum err settings_set_log(const struct config *c, struct fail *f)
{
    static const char *const levels[] = { "debug", "info", "warn", "error", "never" };
    static const char *const formats[] = { "text", "json", "pretty" };
    size_t format = 0;
    while (format < ARRAY_LEN(formats) && !str_eq(c->log_format, str_from_cstr(formats[format]))) {
        format++;
    }
    if (format == ARRAY_LEN(formats)) {
        return config_fail(c, "log.format", f, "'" STR_FMT "' is not text, json or pretty",
                STR_ARG(c->log_format));
    }
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (str_eq(c->log_level, str_from_cstr(levels[i]))) {
            log_set((enum log_level)i, (enum log_format)format);
            return ERR_NONE;
        }
    }
    return config_fail(c, "log.level", f, "'" STR_FMT "' is not debug, info, warn, error or never",
            STR_ARG(c->log_level));
}

static bool is_loopback(struct str host)
{
    return str_starts_with(host, STR("127.")) || str_eq(host, STR("localhost")) ||
           str_eq(host, STR("::1")) || str_eq(host, STR("[::1]"));
}

/* "host:port"; the last colon separates, so that "[::1]:7233" works. */
static bool split_address(struct str address, struct str *host, uint16_t *port)
{
    size_t colon = address.len;
    uint64_t n;
    while (colon && address.ptr[colon - 1] != ':') {
        colon--;
    }
    if (colon < 2 || !str_to_u64(str_drop(address, colon), &n) || n > 65535) {
        return false;
    }
    *host = str_of(address.ptr, colon - 1);
    *port = (uint16_t)n;
    return true;
}

/* The file of a setting; NULL if it is not set. Failing here names the setting, OpenSSL would not. */
static enum err read_file_setting(
        struct process *p, const char *key, struct str path, const char **ret, struct fail *f)
{
    *ret = NULL;
    if (!path.len) {
        return ERR_NONE;
    }
    *ret = str_cstr(&p->arena, path);
    if (access(*ret, R_OK)) {
        return config_fail(p->config, key, f, "%s: %s", *ret, strerror(errno));
    }
    return ERR_NONE;
}

static enum err read_frontend_tls(struct process *p, struct fail *f)
{
    const struct config *c = p->config;
    struct tls_files files;
    bool cert = c->frontend_tls_cert.len > 0, key = c->frontend_tls_key.len > 0;
    if (cert != key) {
        return config_fail(c, cert ? "frontend.tls.cert" : "frontend.tls.key", f,
                "frontend.tls.cert and frontend.tls.key belong together");
    }
    if (c->frontend_tls_client_ca.len && !cert) {
        return config_fail(c, "frontend.tls.client_ca", f, "needs frontend.tls.cert");
    }
    if (!cert) {
        return ERR_NONE;
    }
    if (read_file_setting(p, "frontend.tls.cert", c->frontend_tls_cert, &files.certificate, f) ||
            read_file_setting(p, "frontend.tls.key", c->frontend_tls_key, &files.key, f) ||
            read_file_setting(
                    p, "frontend.tls.client_ca", c->frontend_tls_client_ca, &files.client_ca, f)) {
        return ERR_INVALID_ARGUMENT;
    }
    struct fail inner = { 0 };
    if (tls_config_new(&files, &p->tls, &inner)) {
        return config_fail(c, "frontend.tls.cert", f, "%s", inner.message);
    }
    return ERR_NONE;
}

/* Those of the command line and those of frontend.namespaces. */
static void collect_namespaces(struct process *p)
{
    struct str rest = p->config->frontend_namespaces;
    struct flag_list all = { 0 };
    for (size_t i = 0; i < p->options->start.namespace_count; i++) {
        vec_push(&p->arena, &all.items, p->options->start.namespaces[i]);
    }
    while (rest.len) {
        struct str name = str_trim(str_split(rest, ',', &rest));
        if (name.len) {
            vec_push(&p->arena, &all.items, name);
        }
    }
    p->start = p->options->start;
    p->start.namespaces = all.items.ptr;
    p->start.namespace_count = all.items.len;
}

/* Empty: the port is not wanted; only the API's must be there. */
static enum err read_port(
        struct process *p, enum h2_port which, const char *key, struct str address, struct fail *f)
{
    struct process_port *port = &p->ports[which];
    if (!address.len && which != H2_PORT_GRPC) {
        return ERR_NONE;
    }
    port->is_open = true;
    if (!split_address(address, &port->host, &port->number)) {
        return config_fail(p->config, key, f, "'" STR_FMT "' is not HOST:PORT", STR_ARG(address));
    }
    return ERR_NONE;
}

static enum err check_public(
        const struct process *p, enum h2_port which, const char *key, struct fail *f)
{
    const struct config *c = p->config;
    const struct process_port *port = &p->ports[which];
    if (!port->is_open || is_loopback(port->host) || c->frontend_tls_client_ca.len ||
            c->frontend_open_to_all) {
        return ERR_NONE;
    }
    return config_fail(c, key, f,
            STR_FMT ":%u is public and callers are not authenticated; set frontend.tls.client_ca, "
                    "or frontend.open_to_all to accept that",
            STR_ARG(port->host), port->number);
}

static enum err read_frontend(struct process *p, struct fail *f)
{
    const struct config *c = p->config;
    if (read_port(p, H2_PORT_GRPC, "frontend.listen", c->frontend_listen, f) ||
            check_public(p, H2_PORT_GRPC, "frontend.listen", f) ||
            read_port(p, H2_PORT_WEB, "http.listen", c->http_listen, f) ||
            check_public(p, H2_PORT_WEB, "http.listen", f)) {
        return f->err;
    }
    collect_namespaces(p);
    return read_frontend_tls(p, f);
}

/* All three or none: a process without them must not believe that it is protected. */
static enum err read_rpc_tls(struct process *p, struct fail *f)
{
    const struct config *c = p->config;
    const char *ca, *cert, *key;
    if (!c->rpc_tls_ca.len && !c->rpc_tls_cert.len && !c->rpc_tls_key.len) {
        return ERR_NONE;
    }
    if (!c->rpc_tls_ca.len || !c->rpc_tls_cert.len || !c->rpc_tls_key.len) {
        const char *given = c->rpc_tls_ca.len     ? "rpc.tls.ca"
                            : c->rpc_tls_cert.len ? "rpc.tls.cert"
                                                  : "rpc.tls.key";
        return config_fail(c, given, f, "rpc.tls.ca, rpc.tls.cert and rpc.tls.key belong together");
    }
    if (read_file_setting(p, "rpc.tls.ca", c->rpc_tls_ca, &ca, f) ||
            read_file_setting(p, "rpc.tls.cert", c->rpc_tls_cert, &cert, f) ||
            read_file_setting(p, "rpc.tls.key", c->rpc_tls_key, &key, f)) {
        return ERR_INVALID_ARGUMENT;
    }
    struct rpc_tls_config files = {
        .ca_file = c->rpc_tls_ca,
        .cert_file = c->rpc_tls_cert,
        .key_file = c->rpc_tls_key,
    };
    struct fail inner = { 0 };
    if (rpc_tls_new(&files, &p->rpc_tls, &inner)) {
        return config_fail(c, "rpc.tls.cert", f, "%s", inner.message);
    }
    return ERR_NONE;
}

/* "tcp://HOST:PORT" or "ipc:///PATH"; whether it can be listened on shows later. */
static enum err read_rpc(struct process *p, struct fail *f)
{
    const struct config *c = p->config;
    struct str host = { 0 }, url = c->rpc_listen;
    uint16_t port;
    bool ok = str_starts_with(url, STR("tcp://")) ? split_address(str_drop(url, 6), &host, &port)
                                                  : str_starts_with(url, STR("ipc:///"));
    if (!ok) {
        return config_fail(c, "rpc.listen", f,
                "'" STR_FMT "' is neither tcp://HOST:PORT nor ipc:///PATH", STR_ARG(url));
    }
    if ((str_eq(host, STR("0.0.0.0")) || str_eq(host, STR("[::]"))) && !c->rpc_advertise.len) {
        return config_fail(c, "rpc.listen", f,
                STR_FMT " is no address that others can reach; set rpc.advertise", STR_ARG(host));
    }
    return read_rpc_tls(p, f);
}

enum err settings_read(struct process *p, struct fail *f)
{
    enum err err = settings_set_log(p->config, f);
    if (!err && (p->options->roles & CLUSTER_FRONTEND)) {
        err = read_frontend(p, f);
    }
    if (!err) {
        err = read_port(p, H2_PORT_OPERATOR, "metrics.listen", p->config->metrics_listen, f);
    }
    if (!err) {
        err = read_rpc(p, f);
    }
    return err;
}
