/* Runs seeds: each in a process of its own, several side by side. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/obs/log.h"
#include "tests/sim/checks.h"
#include "tests/sim/client.h"
#include "tests/sim/faults.h"
#include "tests/sim/host.h"
#include "tests/sim/sim_grpc.h"
#include "tests/sim/worker.h"

/* Worlds are left as they are when they end. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

struct options {
    uint64_t seed, seeds, from;
    unsigned jobs;
    bool one, verbose, follow, keep_going, hash, shrink;
    struct cut cut;
};

/* ---- one world --------------------------------------------------------------------------------- */

static struct sim_event watch;
static bool all_over;

static void look(struct sim_event *event)
{
    all_over = clients_are_done() && checks_all_closed();
    checks_live();
    event_after(event, DURATION_MS(500), look);
}

static bool is_over(void)
{
    return all_over;
}

static void put_namespace_done(struct store_op *op, enum err err, const struct fail *f)
{
    check(!err);
}

static void make_namespace(void)
{
    static struct store_put_namespace put;
    struct store *store = sim_store_new(world.db);
    struct store_lane *sl = store_lane_open(store, world.database);
    put = (struct store_put_namespace){
        .op = { .done = put_namespace_done },
        .row = { .id = world.namespace_id, .name = STR("default"), .state = 1 },
    };
    store_put_namespace(sl, &put);
    world_run(DURATION_MS(100), NULL);
}

static void on_abort(int signal)
{
    record_dump(60);
    fprintf(stderr, "repeat: tests/sim/run --seed %llu\n", (unsigned long long)world.seed);
    _Exit(EXIT_FAILURE);
}

static void run_world(const struct options *o, uint64_t seed)
{
    signal(SIGTERM, SIG_DFL);
    signal(SIGABRT, on_abort);
    signal(SIGSEGV, on_abort);
    log_set(o->verbose ? LOG_DEBUG : LOG_NEVER, LOG_FORMAT_TEXT);
    record_follow(o->follow);
    world_init(seed, &o->cut);
    if (o->verbose) {
        swarm_print(&world.swarm);
    }
    sim_db_set_lane(world.db, world.database);
    make_namespace();
    checks_watch();
    hosts_start();
    faults_start();
    clients_start();
    workers_start();
    event_after(&watch, DURATION_MS(500), look);
    world_run(world.swarm.turmoil, NULL);
    faults_stop();
    world_run(DURATION_SECONDS(2400), is_over);
    if (!all_over) {
        checks_print_open();
        violation("not everything has ended forty minutes after the last fault");
    }
    world_run(DURATION_SECONDS(5), NULL);
    checks_final();
}

static void run_cut(uint64_t seed, const struct cut *cut, bool follow)
{
    struct options o = { .follow = follow, .cut = *cut };
    run_world(&o, seed);
}

/* ---- many worlds ------------------------------------------------------------------------------- */

struct result { /* of a world, through a pipe */
    uint64_t seed, hash, steps, events, calls, compared;
    int64_t simulated_ms;
    uint64_t tally[TALLY_COUNT];
};

static void child(const struct options *o, uint64_t seed, int fd)
{
    run_world(o, seed);
    struct result r = { seed, record_hash(), world.steps, checks_events(), sim_grpc_calls(),
        checks_compared(), (world.now.ns - DURATION_SECONDS(3600).ns) / 1000000 };
    memcpy(r.tally, tally, sizeof(tally));
    check(write(fd, &r, sizeof(r)) == (ssize_t)sizeof(r));
    exit(EXIT_SUCCESS);
}

enum { JOBS_MAX = 64, WORLD_SECONDS = 120 };

struct job {
    pid_t pid;
    uint64_t seed;
    int fd;
};

static struct job jobs[JOBS_MAX];
static struct result total;
static uint64_t passed, failed;

static void begin(const struct options *o, struct job *j, uint64_t seed)
{
    int fds[2];
    fflush(NULL);
    check(pipe(fds) == 0);
    pid_t pid = fork();
    check(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        alarm(WORLD_SECONDS);
        child(o, seed, fds[1]);
    }
    close(fds[1]);
    *j = (struct job){ pid, seed, fds[0] };
}

static volatile sig_atomic_t stopped;

static void on_stop(int signal)
{
    stopped = 1; /* no new worlds; what was run so far is summed up */
}

static void end(const struct options *o, pid_t pid, int status)
{
    for (unsigned i = 0; i < o->jobs; i++) {
        struct job *j = &jobs[i];
        struct result r;
        if (j->pid != pid) {
            continue;
        }
        bool ok = read(j->fd, &r, sizeof(r)) == (ssize_t)sizeof(r) && status == 0;
        close(j->fd);
        j->pid = 0;
        if (stopped && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) {
            return; /* it was told to stop as we were */
        }
        passed += ok;
        failed += !ok;
        if (!ok) {
            printf("FAILED seed %llu (%s %d)\n", (unsigned long long)j->seed,
                    WIFSIGNALED(status) ? "signal" : "status",
                    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
            fflush(stdout);
            return;
        }
        total.steps += r.steps;
        total.events += r.events;
        total.calls += r.calls;
        total.compared += r.compared;
        total.simulated_ms += r.simulated_ms;
        for (int k = 0; k < TALLY_COUNT; k++) {
            total.tally[k] += r.tally[k];
        }
        if (o->hash) {
            printf("%llu %016llx %llu steps %lld ms %llu events\n", (unsigned long long)r.seed,
                    (unsigned long long)r.hash, (unsigned long long)r.steps,
                    (long long)r.simulated_ms, (unsigned long long)r.events);
        }
    }
}

static bool goes_on(const struct options *o)
{
    return !stopped && (!failed || o->keep_going);
}

static void run_all(const struct options *o)
{
    unsigned running = 0;
    uint64_t next = o->from, last = o->from + o->seeds;
    signal(SIGTERM, on_stop);
    while (running || (next < last && goes_on(o))) {
        while (running < o->jobs && next < last && goes_on(o)) {
            for (unsigned i = 0; i < o->jobs; i++) {
                if (!jobs[i].pid) {
                    begin(o, &jobs[i], next++);
                    running++;
                    break;
                }
            }
        }
        int status;
        pid_t pid = wait(&status);
        check(pid > 0);
        end(o, pid, status);
        running--;
    }
}

static bool parse(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        bool has_value = i + 1 < argc;
        if (!strcmp(a, "-v")) {
            o->verbose = true;
        } else if (!strcmp(a, "-f")) {
            o->follow = true;
        } else if (!strcmp(a, "--hash")) {
            o->hash = true;
        } else if (!strcmp(a, "--keep-going")) {
            o->keep_going = true;
        } else if (!strcmp(a, "--seed") && has_value) {
            o->from = strtoull(argv[++i], NULL, 10);
            o->seeds = 1;
            o->hash = true;
        } else if (!strcmp(a, "--shrink") && has_value) {
            o->from = strtoull(argv[++i], NULL, 10);
            o->shrink = true;
        } else if (!strcmp(a, "--cut") && has_value) {
            if (!cut_parse(argv[++i], &o->cut)) {
                return false;
            }
        } else if (!strcmp(a, "--seeds") && has_value) {
            o->seeds = strtoull(argv[++i], NULL, 10);
        } else if (!strcmp(a, "--from") && has_value) {
            o->from = strtoull(argv[++i], NULL, 10);
        } else if (!strcmp(a, "--jobs") && has_value) {
            o->jobs = (unsigned)strtoul(argv[++i], NULL, 10);
        } else {
            return false;
        }
    }
    return o->jobs > 0 && o->jobs <= JOBS_MAX && o->seeds > 0;
}

int main(int argc, char **argv)
{
    struct options o = { .seeds = 100, .from = 1, .jobs = 2 };
    if (!parse(argc, argv, &o)) {
        fprintf(stderr, "usage: sim [--seeds N] [--from N] [--seed N] [--jobs N] [--keep-going] "
                        "[--hash] [-v] [-f] [--shrink N] [--cut CUT]\n");
        return 2;
    }
    if (o.shrink) {
        bool fails = shrink(o.from, run_cut);
        if (!fails) {
            printf("seed %llu does not fail\n", (unsigned long long)o.from);
        }
        return fails ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    run_all(&o);
    printf("%llu worlds passed, %llu failed; %.1f simulated hours; %llu events and %llu live "
           "states "
           "checked; %llu calls, %llu steps\n",
            (unsigned long long)passed, (unsigned long long)failed,
            (double)total.simulated_ms / 3.6e6, (unsigned long long)total.events,
            (unsigned long long)total.compared, (unsigned long long)total.calls,
            (unsigned long long)total.steps);
    static const char *const names[] = {
#define NAME(name) #name,
        TALLIES(NAME)
#undef NAME
    };
    for (int k = 0; k < TALLY_COUNT; k++) {
        printf("%s%llu %s", k ? ", " : "played: ", (unsigned long long)total.tally[k], names[k]);
    }
    printf("\n");
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
