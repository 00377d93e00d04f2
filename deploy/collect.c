/* Metrics that are read rather than counted: services keep their own figures, the kernel knows the process's. Relies
 * on the services' stats functions; leaves to pages.c when somebody wants to know. */
#include "deploy/collect.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "common/obs/metrics.h"
#include "deploy/process_lane.h"

static void collect_frontend(const struct process_lane *pl, struct metrics *m)
{
    struct frontend_stats s = frontend_stats(pl->frontend);
    metric_set(m, METRIC_FRONTEND_RETRIES, s.history_retries);
    metric_set(m, METRIC_FRONTEND_POLLS_MATCHED, s.polls_matched);
    metric_set(m, METRIC_FRONTEND_POLLS_EMPTY, s.polls_empty);
    metric_set(m, METRIC_FRONTEND_CLAIMS_OBSOLETE, s.claims_obsolete);
    metric_set(m, METRIC_FRONTEND_TASKS_RETURNED, s.tasks_returned);
    metric_set(m, METRIC_RPC_OPEN, grpc_server_calls(pl->grpc));
}

static void collect_history(const struct process_lane *pl, struct metrics *m)
{
    struct history_stats s = history_stats(pl->history);
    const struct {
        enum metric metric;
        uint64_t value;
    } rows[] = {
        { METRIC_HISTORY_CALLS, s.calls },
        { METRIC_HISTORY_STARTED, s.started },
        { METRIC_HISTORY_CLOSED, s.closed },
        { METRIC_HISTORY_STEPS, s.steps },
        { METRIC_HISTORY_TIMERS, s.timers_fired },
        { METRIC_HISTORY_UPDATES, s.updates },
        { METRIC_HISTORY_COMMITS, s.commits },
        { METRIC_HISTORY_ROWS, s.committed_rows },
        { METRIC_HISTORY_LEAD, s.uncommitted_bytes },
        { METRIC_HISTORY_SHED, s.shed },
        { METRIC_HISTORY_SHED_STARTS, s.shed_starts },
        { METRIC_HISTORY_POISONED, s.poisoned_groups },
        { METRIC_HISTORY_LOADS, s.loads },
        { METRIC_HISTORY_EVICTIONS, s.evictions },
        { METRIC_HISTORY_SNAPSHOTS, s.snapshots },
        { METRIC_HISTORY_CHECKPOINTS, s.checkpoints },
        { METRIC_HISTORY_RUNS, s.cached_runs },
        { METRIC_HISTORY_CACHE, s.cached_bytes },
        { METRIC_HISTORY_REQUESTS, s.open_requests },
        { METRIC_HISTORY_SHARDS, s.shards },
        { METRIC_HISTORY_STUCK, s.stuck_runs },
        { METRIC_HISTORY_CORRUPT, s.corrupt_runs },
        { METRIC_HISTORY_AUDITED, s.audited_runs },
        { METRIC_HISTORY_AUDIT_MISMATCHES, s.audit_mismatches },
        { METRIC_HISTORY_AUDIT_HEALED, s.audit_healed },
        { METRIC_HISTORY_STICKY_FALLBACKS, s.sticky_fallbacks },
        { METRIC_HISTORY_OFFERS, s.offers_sent },
        { METRIC_HISTORY_REOFFERS, s.reoffers },
        { METRIC_HISTORY_REREAD, s.lent_reread },
        { METRIC_HISTORY_CLAIMS, s.claims },
        { METRIC_HISTORY_CLAIMS_OBSOLETE, s.obsolete_claims },
        { METRIC_HISTORY_READS, s.history_reads },
        { METRIC_HISTORY_MESSAGES_OUT, s.messages_sent },
        { METRIC_HISTORY_MESSAGES_IN, s.messages_received },
        { METRIC_HISTORY_RESETS, s.resets },
        { METRIC_HISTORY_DELETES, s.deletes },
        { METRIC_HISTORY_EXPIRED, s.expired_runs },
        { METRIC_HISTORY_REAPED_RUNS, s.reaped_runs },
        { METRIC_HISTORY_REAPED_ROWS, s.reaped_rows },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        metric_set(m, rows[i].metric, rows[i].value);
    }
}

static void collect_matching(const struct process_lane *pl, struct metrics *m)
{
    struct matching_stats s = matching_stats(pl->matching);
    metric_set(m, METRIC_MATCHING_QUEUES, s.engine.queues);
    metric_set(m, METRIC_MATCHING_POLLS, s.engine.polls);
    metric_set(m, METRIC_MATCHING_OFFERS, s.engine.offers);
    metric_set(m, METRIC_MATCHING_BACKLOG, s.engine.backlog);
    metric_set(m, METRIC_MATCHING_HANDED, s.engine.handed);
    metric_set(m, METRIC_MATCHING_EMPTY, s.engine.answered_empty);
    metric_set(m, METRIC_MATCHING_REFUSED, s.engine.refused);
    metric_set(m, METRIC_MATCHING_EXPIRED, s.engine.expired);
    metric_set(m, METRIC_MATCHING_POLLS_TAKEN, s.polls_received);
    metric_set(m, METRIC_MATCHING_POLLS_GONE, s.polls_gone);
    metric_set(m, METRIC_MATCHING_DEMANDS, s.demands_sent);
}

void collect_lane(struct process_lane *pl)
{
    struct metrics *m = lane_metrics(pl->lane);
    if (pl->frontend) {
        collect_frontend(pl, m);
    }
    if (pl->history) {
        collect_history(pl, m);
    }
    if (pl->matching) {
        collect_matching(pl, m);
    }
    unsigned connections = 0;
    for (size_t i = 0; i < ARRAY_LEN(pl->transports); i++) {
        connections += pl->transports[i] ? transport_connections(pl->transports[i]) : 0;
    }
    metric_set(m, METRIC_CONNECTIONS, connections);
    metric_set(m, METRIC_LANES, 1);
}

static uint64_t resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        if (fscanf(f, "%*u %lu", &pages) != 1) {
            pages = 0;
        }
        fclose(f);
    }
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t open_files(void)
{
    uint64_t count = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d)) {
        count++;
    }
    if (d) {
        closedir(d);
    }
    return count > 3 ? count - 3 : 0; /* ".", ".." and the directory itself */
}

static uint64_t cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

void collect_process(struct process_lane *pl)
{
    struct process *p = pl->process;
    struct metrics *m = lane_metrics(pl->lane);
    size_t members = 0;
    cluster_members(pl->cl, lane_scratch(pl->lane), &members);
    metric_set(m, METRIC_CLUSTER_MEMBERS, members);
    metric_set(m, METRIC_READY, atomic_load(&p->is_ready));
    metric_set(m, METRIC_PROCESS_CPU, cpu_ns());
    metric_set(m, METRIC_PROCESS_RSS, resident_bytes());
    metric_set(m, METRIC_PROCESS_FDS, open_files());
    metric_set(m, METRIC_PROCESS_START, p->started_at);
}
