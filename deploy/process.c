/* The composition root of one process: opens the store, makes the lanes and their services, waits
 * for the signal to end, and takes everything down in order. The only file that knows all of it
 * together with process_lane.c. */
#include "deploy/process.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/args.h"
#include "common/obs/log.h"
#include "common/rpc/methods.h"
#include "deploy/open_store.h"
#include "deploy/process_lane.h"

enum { LANES_DEFAULT_MAX = 8 };

/* ---- settings that cannot be served ------------------------------------------------------------ */

static enum err set_log(const struct config *c, struct fail *f)
{
    static const char *const levels[] = { "debug", "info", "warn", "error", "never" };
    bool json = str_eq(c->log_format, STR("json"));
    if (!json && !str_eq(c->log_format, STR("text"))) {
        return config_fail(
                c, "log.format", f, "'" STR_FMT "' is not text or json", STR_ARG(c->log_format));
    }
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        if (str_eq(c->log_level, str_from_cstr(levels[i]))) {
            log_set((enum log_level)i, json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
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
    for (size_t i = 0; i < p->options->namespace_count; i++) {
        vec_push(&p->arena, &all.items, p->options->namespaces[i]);
    }
    while (rest.len) {
        struct str name = str_trim(str_split(rest, ',', &rest));
        if (name.len) {
            vec_push(&p->arena, &all.items, name);
        }
    }
    p->namespaces = all.items.ptr;
    p->namespace_count = all.items.len;
}

static enum err read_frontend(struct process *p, struct fail *f)
{
    const struct config *c = p->config;
    if (!split_address(c->frontend_listen, &p->frontend_host, &p->frontend_port)) {
        return config_fail(c, "frontend.listen", f, "'" STR_FMT "' is not HOST:PORT",
                STR_ARG(c->frontend_listen));
    }
    if (!is_loopback(p->frontend_host) && !c->frontend_tls_client_ca.len &&
            !c->frontend_open_to_all) {
        return config_fail(c, "frontend.listen", f,
                STR_FMT " is public and callers are not authenticated; set frontend.tls.client_ca, "
                        "or frontend.open_to_all to accept that",
                STR_ARG(c->frontend_listen));
    }
    collect_namespaces(p);
    return read_frontend_tls(p, f);
}

static unsigned count_lanes(const struct config *c)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    long lanes = c->lanes ? c->lanes : cores;
    return lanes < 1                   ? 1
           : c->lanes                  ? (unsigned)lanes
           : lanes > LANES_DEFAULT_MAX ? LANES_DEFAULT_MAX
                                       : (unsigned)lanes;
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* ---- doors ------------------------------------------------------------------------------------- */

static unsigned route_by_key(void *ctx, uint64_t key)
{
    const struct process *p = ctx;
    return (unsigned)(key % p->lane_count);
}

static struct str role_names(struct arena *arena, unsigned roles)
{
    return str_printf(arena, "%s%s%s%s", roles & ROLE_FRONTEND ? "frontend," : "",
            roles & ROLE_HISTORY ? "history," : "", roles & ROLE_MATCHING ? "matching," : "",
            roles & ROLE_WORKER ? "worker," : "");
}

/* The url that others use: the listening one with the real port, and the advertised host if there
 * is one. */
static struct str advertised_url(struct process *p, uint16_t port)
{
    struct str listen = p->config->rpc_listen;
    if (!str_starts_with(listen, STR("tcp://"))) {
        return listen;
    }
    size_t colon = listen.len;
    while (listen.ptr[colon - 1] != ':') {
        colon--;
    }
    struct str host = p->config->rpc_advertise.len ? p->config->rpc_advertise
                                                   : str_of(listen.ptr + 6, colon - 7);
    return str_printf(&p->arena, "tcp://" STR_FMT ":%u", STR_ARG(host), port);
}

/* Until calls between processes can be protected, nobody may believe that they are. */
static enum err refuse_rpc_tls(const struct config *c, struct fail *f)
{
    return c->rpc_tls_ca.len     ? config_fail(c, "rpc.tls.ca", f, "not supported yet")
           : c->rpc_tls_cert.len ? config_fail(c, "rpc.tls.cert", f, "not supported yet")
           : c->rpc_tls_key.len  ? config_fail(c, "rpc.tls.key", f, "not supported yet")
           : c->rpc_tls_name.len ? config_fail(c, "rpc.tls.name", f, "not supported yet")
                                 : ERR_NONE;
}

/* "tcp://HOST:PORT" or "ipc:///PATH"; whether it can be listened on shows later. */
static enum err read_rpc(const struct config *c, struct fail *f)
{
    struct str host, url = c->rpc_listen;
    uint16_t port;
    bool ok = str_starts_with(url, STR("tcp://")) ? split_address(str_drop(url, 6), &host, &port)
                                                  : str_starts_with(url, STR("ipc:///"));
    if (!ok) {
        return config_fail(c, "rpc.listen", f,
                "'" STR_FMT "' is neither tcp://HOST:PORT nor ipc:///PATH", STR_ARG(url));
    }
    return refuse_rpc_tls(c, f);
}

static enum err open_rpc(struct process *p, struct fail *f)
{
    struct rand rand;
    uint16_t port = 0;
    rand_seed_from_os(&rand);
    struct uuid member = uuid_v4(&rand);
    struct rpc_config rpc = {
        .member_id = member,
        .role = role_names(&p->arena, p->options->roles),
    };
    p->rpc = rpc_new(&rpc);
    rpc_route_methods(p->rpc, RPC_HISTORY_API, 199, route_by_key, p);
    rpc_route_methods(p->rpc, RPC_MATCHING_POLL, 299, route_by_key, p);
    bool alone = p->config->store_sqlite.len || p->options->in_memory;
    if (!alone && rpc_listen(p->rpc, p->config->rpc_listen, &port, f)) {
        return f->err;
    }
    p->cluster_config = (struct cluster_config){
        .member_id = member,
        .roles = p->options->roles,
        .address = alone ? STR("local") : advertised_url(p, port),
        .lanes = p->lane_count,
        .is_alone = alone,
        .beat = DURATION_SECONDS(1),
        .ttl = p->config->cluster_member_ttl,
    };
    return ERR_NONE;
}

/* A database that is away is waited for while the process already answers UNAVAILABLE. */
static enum err migrate(struct process *p, bool *done, struct fail *f)
{
    *done = true;
    if (!p->config->store_migrate) {
        return ERR_NONE;
    }
    enum err err = store_migrate(p->store, f);
    if (err == ERR_UNAVAILABLE) {
        *done = false;
        return ERR_NONE;
    }
    return err;
}

static void set_history_config(struct process *p)
{
    const struct config *c = p->config;
    struct engine_limits limits = engine_limits_default;
    limits.blob_size_error = (size_t)c->limit_blob;
    limits.memo_size_error = (size_t)c->limit_memo;
    limits.id_length = (size_t)c->limit_id;
    limits.history_count_error = c->limit_history_count;
    limits.history_count_suggest = c->limit_history_count_suggest;
    limits.history_size_error = (size_t)c->limit_history_size;
    limits.history_size_suggest = (size_t)c->limit_history_size_suggest;
    limits.pending_activities = (uint32_t)c->limit_pending_activities;
    limits.signals_per_run = (uint32_t)c->limit_signals;
    p->history_config = history_config_default();
    p->history_config.limits = limits;
    p->history_config.member = p->cluster_config.member_id;
    p->history_config.lane_count = p->lane_count;
    p->history_config.cache_bytes = (size_t)c->history_cache / p->lane_count;
    p->history_config.commit_pace = c->history_commit_pace;
    p->history_config.long_poll = c->history_long_poll;
}

/* ---- life -------------------------------------------------------------------------------------- */

static void run_step(struct lane_task *task)
{
    struct process_lane *pl = container_of(task, struct process_lane, step);
    pl->run_step(pl);
}

static void step_on_lane(struct process_lane *pl, void (*step)(struct process_lane *pl))
{
    pl->run_step = step;
    pl->step.run = run_step;
    lane_post(pl->lane, &pl->step);
}

static void wait_for_lanes(struct process *p, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        while (sem_wait(&p->steps) && errno == EINTR) {
        }
    }
}

static void on_every_lane(struct process *p, void (*step)(struct process_lane *pl))
{
    for (unsigned i = 0; i < p->lane_count; i++) {
        step_on_lane(&p->lanes[i], step);
    }
    wait_for_lanes(p, p->lane_count);
}

static void on_first_lane(struct process *p, void (*step)(struct process_lane *pl))
{
    step_on_lane(&p->lanes[0], step);
    wait_for_lanes(p, 1);
}

static void lane_begins(struct lane *lane, void *arg)
{
    process_lane_start(arg);
}

/* One after the other: the first lane makes what the others need. */
static void start_lanes(struct process *p)
{
    p->lanes = NEW(&p->arena, struct process_lane, p->lane_count);
    for (unsigned i = 0; i < p->lane_count; i++) {
        struct process_lane *pl = &p->lanes[i];
        pl->process = p;
        pl->index = i;
        pl->lane = lane_new(i, "lane");
        lane_run_thread(pl->lane, lane_begins, pl);
        wait_for_lanes(p, 1);
    }
}

/* Until SIGINT or SIGTERM; meanwhile the schema of a database that was away is brought up to date.
 */
static void wait_for_end(struct process *p, bool migrated, const sigset_t *signals)
{
    const struct timespec pause = { .tv_sec = 1 };
    for (;;) {
        int signal = migrated ? sigwaitinfo(signals, NULL) : sigtimedwait(signals, NULL, &pause);
        if (signal > 0) {
            return;
        }
        struct fail f = { 0 };
        if (!migrated && migrate(p, &migrated, &f)) {
            log_error("schema_not_migrated", LOG_FAIL(&f));
        }
    }
}

static void *second_signal(void *arg)
{
    int signal;
    sigwait(arg, &signal);
    _exit(130);
}

static void stop_lanes(struct process *p)
{
    on_every_lane(p, process_lane_drain);
    on_first_lane(p, process_lane_leave);
    on_every_lane(p, process_lane_flush);
}

static void close_lanes(struct process *p)
{
    rpc_close(p->rpc);
    on_every_lane(p, process_lane_close);
    for (unsigned i = 0; i < p->lane_count; i++) {
        lane_stop(p->lanes[i].lane);
        lane_join(p->lanes[i].lane);
    }
    cluster_free(p->cluster);
    rpc_free(p->rpc);
    for (unsigned i = 0; i < p->lane_count; i++) {
        lane_free(p->lanes[i].lane);
    }
}

static enum err open_all(struct process *p, bool *migrated, struct fail *f)
{
    const struct process_options *o = p->options;
    enum err err = set_log(p->config, f);
    if (!err && (o->roles & ROLE_FRONTEND)) {
        err = read_frontend(p, f);
    }
    if (!err) {
        err = read_rpc(p->config, f);
    }
    if (!err) {
        p->lane_count = count_lanes(p->config);
        err = open_store(
                p->config, o->in_memory, o->sqlite_pragmas, p->lane_count, &p->arena, &p->store, f);
    }
    if (!err) {
        err = migrate(p, migrated, f);
    }
    if (!err) {
        err = open_rpc(p, f);
    }
    return err;
}

static void wait_and_stop(struct process *p, bool migrated, sigset_t *signals)
{
    pthread_t impatient;
    on_first_lane(p, process_lane_watch_ready);
    wait_for_end(p, migrated, signals);
    log_info("stopping");
    check(pthread_create(&impatient, NULL, second_signal, signals) == 0);
    pthread_detach(impatient);
    stop_lanes(p);
}

int process_exit_status(enum err err)
{
    return err == ERR_NONE ? 0 : err == ERR_INVALID_ARGUMENT ? 2 : 1;
}

enum err process_run(const struct process_options *options, struct fail *f)
{
    struct process p = { .options = options, .config = &options->config };
    sigset_t signals;
    bool migrated = false;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* inherited by every lane */
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    sem_init(&p.steps, 0, 0);
    enum err err = open_all(&p, &migrated, f);
    if (!err) {
        p.shared = (struct frontend_shared){
            .config = p.config,
            .store_name = p.config->store_postgres.len ? "postgresql" : "sqlite",
        };
        set_history_config(&p);
        start_lanes(&p);
        if (p.start_failed) {
            *f = p.start_failure;
            err = f->err;
        } else {
            wait_and_stop(&p, migrated, &signals);
        }
        close_lanes(&p);
    }
    tls_config_free(p.tls);
    if (p.store) {
        store_free(p.store);
    }
    arena_deinit(&p.arena);
    return err;
}
