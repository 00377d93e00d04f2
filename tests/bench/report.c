/* The figures of a run, as a table or as JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"

struct figures {
    double seconds, per_second;
    double start_p50, start_p99, end_p50, end_p99, end_max; /* milliseconds */
    uint64_t errors, retries;
};

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Nearest rank; 0 when there is none. */
static double percentile_ms(const int64_t *sorted, size_t n, double p)
{
    if (!n) {
        return 0;
    }
    size_t rank = (size_t)(p * (double)n + 0.999999);
    return (double)sorted[rank ? rank - 1 : 0] / 1e6;
}

static struct figures figures_of(const struct bench *bench)
{
    struct figures f = { .seconds = (double)instant_since(bench->ended, bench->began).ns / 1e9 };
    f.per_second = f.seconds > 0 ? bench->done / f.seconds : 0;
    int64_t *ns = NEW(bench->arena, int64_t, bench->done + 1);
    size_t n = 0;
    for (uint32_t i = 0; i < bench->started; i++) {
        if (bench->workflows[i].status == WORKFLOW_DONE) {
            ns[n++] = bench->workflows[i].start_ns;
        }
    }
    qsort(ns, n, sizeof(*ns), compare);
    f.start_p50 = percentile_ms(ns, n, 0.50);
    f.start_p99 = percentile_ms(ns, n, 0.99);
    n = 0;
    for (uint32_t i = 0; i < bench->started; i++) {
        if (bench->workflows[i].status == WORKFLOW_DONE) {
            ns[n++] = bench->workflows[i].end_ns;
        }
    }
    qsort(ns, n, sizeof(*ns), compare);
    f.end_p50 = percentile_ms(ns, n, 0.50);
    f.end_p99 = percentile_ms(ns, n, 0.99);
    f.end_max = percentile_ms(ns, n, 1.0);
    for (int m = 0; m < METHOD_COUNT; m++) {
        f.retries += bench->rpc.stats.retries[m];
        for (int c = 1; c < GRPC_CODES; c++) {
            f.errors += bench->rpc.stats.errors[m][c];
        }
    }
    return f;
}

static void print_unfinished(const struct bench *bench)
{
    char id[96];
    int shown = 0;
    for (uint32_t i = 0; i < bench->started && shown < 5; i++) {
        const struct workflow *wf = &bench->workflows[i];
        if (wf->status != WORKFLOW_DONE) {
            workflow_id(wf, id);
            printf("%-22s %s run %s\n", shown++ ? "" : "not completed", id,
                    wf->run_id[0] ? wf->run_id : "unknown");
        }
    }
}

void report_text(const struct bench *bench, const struct check_result *check)
{
    struct figures f = figures_of(bench);
    const struct rpc_stats *stats = &bench->rpc.stats;
    printf("%-22s %s\n", "scenario", bench->scenario->name);
    printf("%-22s %u of %u in %.2f s%s\n", "completed", bench->done, bench->count, f.seconds,
            bench->timed_out ? " (time is up)" : "");
    if (bench->rate > 0) {
        printf("%-22s %.1f starts/s\n", "fixed rate", bench->rate);
    } else {
        printf("%-22s %u\n", "in flight", bench->in_flight);
    }
    printf("%-22s %.1f\n", "workflows/s", f.per_second);
    printf("%-22s p50 %8.2f   p99 %8.2f\n", "start, ms", f.start_p50, f.start_p99);
    printf("%-22s p50 %8.2f   p99 %8.2f   max %8.2f\n", "end to end, ms", f.end_p50, f.end_p99,
            f.end_max);
    printf("%-22s %llu\n", "whole histories read", (unsigned long long)bench->replays);
    printf("%-22s %llu\n", "connections lost",
            (unsigned long long)bench->rpc.channel.lost_connections);
    printf("%-22s %llu, retried %llu\n", "failed calls", (unsigned long long)f.errors,
            (unsigned long long)f.retries);
    for (int m = 0; m < METHOD_COUNT; m++) {
        for (int c = 1; c < GRPC_CODES; c++) {
            if (stats->errors[m][c]) {
                bool is_last = stats->last_error[m].status == c;
                printf("  %-28s %-20s %8llu  %s\n", rpc_method_name((enum method)m),
                        grpc_code_name(c), (unsigned long long)stats->errors[m][c],
                        is_last ? stats->last_error[m].text : "");
            }
        }
    }
    if (check->checked) {
        printf("%-22s %u checked, %u wrong, %llu events\n", "histories", check->checked,
                check->wrong, (unsigned long long)check->events);
    }
    if (check->wrong) {
        printf("%-22s %s\n", "first wrong", check->first);
    }
    print_unfinished(bench);
}

void report_json(const struct bench *bench, const struct check_result *check)
{
    struct figures f = figures_of(bench);
    printf("{\"scenario\":\"%s\",\"workflows\":%u,\"completed\":%u,\"refused\":%u,"
           "\"timed_out\":%s,\"seconds\":%.3f,\"workflows_per_second\":%.1f,"
           "\"start_ms\":{\"p50\":%.3f,\"p99\":%.3f},"
           "\"end_to_end_ms\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f},"
           "\"replays\":%llu,\"lost_connections\":%llu,\"failed_calls\":%llu,\"retries\":%llu,"
           "\"errors\":{",
            bench->scenario->name, bench->count, bench->done, bench->refused,
            bench->timed_out ? "true" : "false", f.seconds, f.per_second, f.start_p50, f.start_p99,
            f.end_p50, f.end_p99, f.end_max, (unsigned long long)bench->replays,
            (unsigned long long)bench->rpc.channel.lost_connections, (unsigned long long)f.errors,
            (unsigned long long)f.retries);
    const char *comma = "";
    for (int m = 0; m < METHOD_COUNT; m++) {
        for (int c = 1; c < GRPC_CODES; c++) {
            if (bench->rpc.stats.errors[m][c]) {
                printf("%s\"%s %s\":%llu", comma, rpc_method_name((enum method)m),
                        grpc_code_name(c), (unsigned long long)bench->rpc.stats.errors[m][c]);
                comma = ",";
            }
        }
    }
    printf("},\"histories\":{\"checked\":%u,\"wrong\":%u,\"events\":%llu}}\n", check->checked,
            check->wrong, (unsigned long long)check->events);
}
