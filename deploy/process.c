/* The composition root of one process: opens the store, makes the lanes and their services, waits
 * for the signal to end, and takes everything down in order. The only file that knows all of it
 * together with process_lane.c. */
#include "deploy/process.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "common/obs/log.h"
#include "common/rpc/methods.h"
#include "deploy/open_store.h"
#include "deploy/process_lane.h"
#include "deploy/settings.h"
#include "frontend/quota.h"

enum { LANES_DEFAULT_MAX = 8, FLUSH_SECONDS = 3 };

/* By default half of the cores: the links' threads and the database run too, and fewer lanes make larger
 * commits and larger writes. */
static unsigned count_lanes(const struct config *c)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    long lanes = c->lanes ? c->lanes : (cores + 1) / 2;
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

/* As certificates name them; a process of several roles has no peers. */
static struct str role_name(unsigned roles)
{
    return roles == CLUSTER_FRONTEND   ? STR("frontend")
           : roles == CLUSTER_HISTORY  ? STR("history")
           : roles == CLUSTER_MATCHING ? STR("matching")
           : roles == CLUSTER_WORKER   ? STR("worker")
                                       : STR("all");
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

static enum err open_rpc(struct process *p, struct fail *f)
{
    uint16_t port = 0;
    struct rpc_config rpc = {
        .member_id = p->member,
        .role = role_name(p->options->roles),
        .tls = p->rpc_tls,
    };
    p->rpc = rpc_new(&rpc);
    rpc_route_methods(p->rpc, RPC_HISTORY_API, 199, route_by_key, p);
    rpc_route_methods(p->rpc, RPC_MATCHING_POLL, 299, route_by_key, p);
    bool alone = p->config->store_sqlite.len || p->options->in_memory;
    if (!alone && rpc_listen(p->rpc, p->config->rpc_listen, &port, f)) {
        return f->err;
    }
    p->cluster_config = (struct cluster_config){
        .member_id = p->member,
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
    p->history_config = history_config_default();
    history_limits_from(c, &p->history_config.limits);
    p->history_config.buffered_queries = (uint32_t)c->limit_buffered_queries;
    p->history_config.member = p->cluster_config.member_id;
    p->history_config.lane_count = p->lane_count;
    p->history_config.namespace_delete_delay = c->namespace_delete_delay;
    p->history_config.cache_bytes = (size_t)c->history_cache / p->lane_count;
    p->history_config.commit_pace = c->history_commit_pace;
    p->history_config.shed_delay = c->history_shed_delay;
    p->history_config.long_poll = c->history_long_poll;
    p->history_config.sweep_every = c->history_sweep_every;
    p->history_config.audit_runs = (size_t)c->history_audit_runs;
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

/* One after the other: the first lane makes what the others need. After a failure lane_count is the
 * number of those that run. */
static void start_lanes(struct process *p)
{
    p->lanes = NEW(&p->arena, struct process_lane, p->lane_count);
    unsigned count = p->lane_count;
    for (unsigned i = 0; i < count && !p->start_failed; i++) {
        struct process_lane *pl = &p->lanes[i];
        pl->process = p;
        pl->index = i;
        pl->lane = lane_new(i, "lane");
        lane_run_thread(pl->lane, lane_begins, pl);
        wait_for_lanes(p, 1);
        p->lane_count = p->start_failed ? i + 1 : count;
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

/* With the database away nothing can be flushed. What is not stored was never acknowledged either:
 * to end here is as safe as being killed. */
static void flush_lanes(struct process *p)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FLUSH_SECONDS;
    for (unsigned i = 0; i < p->lane_count; i++) {
        step_on_lane(&p->lanes[i], process_lane_flush);
    }
    for (unsigned i = 0; i < p->lane_count;) {
        if (sem_timedwait(&p->steps, &until) == 0) {
            i++;
        } else if (errno == ETIMEDOUT) {
            log_warn("ended_without_flush", LOG_U64("seconds", FLUSH_SECONDS));
            _exit(EXIT_FAILURE);
        }
    }
}

static void stop_lanes(struct process *p)
{
    on_every_lane(p, process_lane_drain);
    on_first_lane(p, process_lane_leave);
    flush_lanes(p);
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
    namespaces_free(p->namespaces);
    rpc_free(p->rpc);
    for (unsigned i = 0; i < p->lane_count; i++) {
        process_lane_free(&p->lanes[i]);
    }
}

static enum err open_all(struct process *p, bool *migrated, struct fail *f)
{
    const struct process_options *o = p->options;
    struct rand rand;
    rand_seed_from_os(&rand);
    p->member = uuid_v4(&rand);
    enum err err = settings_read(p, f);
    if (!err) {
        p->lane_count = count_lanes(p->config);
        err = open_store(p->config, o->in_memory, o->sqlite_pragmas, p->member, p->lane_count,
                &p->arena, &p->store, f);
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
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct process p = {
        .options = options, .config = &options->config, .started_at = (uint64_t)now.tv_sec
    };
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
            .quotas = quotas_new(),
        };
        set_history_config(&p);
        start_lanes(&p);
        if (p.start_failed) {
            *f = p.start_failure;
            err = f->err;
            stop_lanes(&p);
        } else {
            wait_and_stop(&p, migrated, &signals);
        }
        close_lanes(&p);
    }
    quotas_free(p.shared.quotas);
    tls_config_free(p.tls);
    rpc_tls_free(p.rpc_tls);
    if (p.store) {
        store_free(p.store);
    }
    arena_deinit(&p.arena);
    return err;
}
