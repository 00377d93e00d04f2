/* store_measure CONNINFO POSTMASTER-PID TRANSITIONS BATCH...: what a transition costs PostgreSQL.
 *
 * Runs of seven transitions (start, five in the middle, close), 400 bytes of events and 100 of records each; a
 * batch holds one transition of each of BATCH runs, at different points of their lives. Prints the server's CPU
 * and its write-ahead log per transition, and the mean time of a commit. */
#include <dirent.h>
#include <libpq-fe.h>
#include <string.h>
#include <time.h>

#include "tests/store/harness.h"

enum { LIFE = 7, BATCH_MAX = 1000 };

static struct store *none(void)
{
    return NULL;
}

static const struct backend measured = { .name = "measure", .fresh = none };
const struct backend *backend = &measured;

static const char *conninfo;
static int postmaster;
static long transitions, batch_size;

/* Clock ticks of the server's processes that are alive. */
static long server_ticks(void)
{
    long total = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *e; proc && (e = readdir(proc));) {
        char path[300], text[1024];
        int pid = atoi(e->d_name), parent;
        long user, system;
        snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
        FILE *f = pid > 0 ? fopen(path, "r") : NULL;
        size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
        text[n] = 0;
        if (f) {
            fclose(f);
        }
        const char *after = strrchr(text, ')');
        if (after &&
                sscanf(after, ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &parent,
                        &user, &system) == 3 &&
                (pid == postmaster || parent == postmaster)) {
            total += user + system;
        }
    }
    closedir(proc);
    return total;
}

static double number(PGconn *pg, const char *sql)
{
    PGresult *r = PQexec(pg, sql);
    expect(PQresultStatus(r) == PGRES_TUPLES_OK);
    double n = strtod(PQgetvalue(r, 0, 0), NULL);
    PQclear(r);
    return n;
}

struct life {
    run_key key;
    char workflow_id[40];
    int step;
};

static void add_transition(struct fill *fill, struct life *life, struct str events, run_key *next)
{
    if (life->step == 0) {
        life->key = (*next)++;
        snprintf(life->workflow_id, sizeof(life->workflow_id), "order-%lld", (long long)life->key);
        fill_start(fill, life->key, life->workflow_id);
        fill->batch.log.len--;
    }
    struct store_log_row row = log_of(life->key, life->step + 1, 2 * life->step + 1, 2, events);
    row.records = str_of(events.ptr, 100);
    vec_push(&fill->arena, &fill->batch.log, row);
    if (++life->step == LIFE) {
        struct store_run_row run = run_of(life->key, life->workflow_id);
        run.status = WORKFLOW_COMPLETED;
        run.wake_at = INSTANT_NEVER;
        run.close_time.ns = 1;
        vec_push(&fill->arena, &fill->batch.run_updates, run);
        life->step = 0;
    }
}

static void commits(
        struct writer *w, struct life *lives, struct str events, run_key *next, long count)
{
    struct fill fill = { 0 };
    for (long done = 0; done < count; done += batch_size) {
        fill_reset(&fill);
        for (long i = 0; i < batch_size; i++) {
            add_transition(&fill, &lives[i], events, next);
        }
        expect_ok(commit(w, &fill));
    }
    fill_reset(&fill);
}

static void measure(void)
{
    struct store_pg_config config = { .conninfo = conninfo, .lane_count = 1 };
    struct store *store = store_pg_new(&config);
    struct fail f;
    expect(store_migrate(store, &f) == ERR_NONE);
    PGconn *pg = PQconnectdb(conninfo);
    expect(PQstatus(pg) == CONNECTION_OK);
    struct writer w = writer_open(store, (uint64_t)time(NULL) * 1000 + (uint64_t)batch_size);
    static struct life lives[BATCH_MAX];
    memset(lives, 0, sizeof(lives));
    struct arena arena = { 0 };
    struct str events = bytes_of(&arena, 400, 1);
    run_key next = key_of(w.claim.writer, 0);
    next = w.claim.last_run_key >= next ? w.claim.last_run_key + 1 : next;
    for (long i = 0; i < batch_size; i++) { /* different ages */
        long mine = batch_size;
        batch_size = 1;
        commits(&w, &lives[i], events, &next, i % LIFE + 1);
        batch_size = mine;
    }
    commits(&w, lives, events, &next, batch_size * 20);
    PQclear(PQexec(pg, "CHECKPOINT"));
    double lsn = number(pg, "SELECT pg_current_wal_lsn() - '0/0'");
    long ticks = server_ticks();
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    commits(&w, lives, events, &next, transitions);
    clock_gettime(CLOCK_MONOTONIC, &b);
    double cpu = (double)(server_ticks() - ticks) / (double)sysconf(_SC_CLK_TCK) * 1e6;
    double wal = number(pg, "SELECT pg_current_wal_lsn() - '0/0'") - lsn;
    double us = (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
    double n = (double)transitions;
    printf("batch %ld: %.1f us of CPU and %.0f bytes of log per transition, %.0f us per commit\n",
            batch_size, cpu / n, wal / n, us / n * (double)batch_size);
    fflush(stdout);
    PQfinish(pg);
    close_lane(w.sl);
    arena_deinit(&arena);
    store_free(store);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: store_measure CONNINFO POSTMASTER-PID TRANSITIONS BATCH...\n");
        return 2;
    }
    conninfo = argv[1];
    postmaster = atoi(argv[2]);
    for (int i = 4; i < argc; i++) {
        batch_size = atol(argv[i]);
        transitions = atol(argv[3]) / batch_size * batch_size;
        expect(batch_size > 0 && batch_size <= BATCH_MAX && transitions > 0);
        harness_case(&(struct test_case){ "measure", measure });
    }
    return 0;
}
