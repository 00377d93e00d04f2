#include <criterion/criterion.h>
#include <stdio.h>

#include "common/obs/metrics.h"

static struct metrics lane_a, lane_b;
static const char *const methods[] = { "First", "Second" };
static const struct metric_labels labels = { methods, 2 };

static const char *text(void)
{
    static struct buf out;
    const struct metrics *lanes[] = { &lane_a, &lane_b };
    buf_deinit(&out);
    buf_init(&out, 4 << 20);
    metrics_write(&out, lanes, 2, &labels);
    buf_append_byte(&out, 0);
    cr_assert(!out.overflow);
    return out.ptr;
}

static void assert_line(const char *all, const char *line)
{
    char want[256];
    snprintf(want, sizeof(want), "\n%s\n", line);
    cr_assert(strstr(all, want), "no line '%s'", line);
}

Test(metrics, lanes_are_added_up)
{
    metric_add(&lane_a, METRIC_HISTORY_COMMITS, 3);
    metric_add(&lane_b, METRIC_HISTORY_COMMITS, 4);
    metric_set(&lane_a, METRIC_HISTORY_RUNS, 10);
    metric_set(&lane_a, METRIC_HISTORY_RUNS, 5);
    metric_add(&lane_b, METRIC_HISTORY_RUNS, (uint64_t)-2); /* a gauge that each lane moves */
    const char *all = text();
    assert_line(all, "perdure_history_commits_total 7");
    assert_line(all, "perdure_history_loaded_runs 3");
    assert_line(all, "# TYPE perdure_history_commits_total counter");
    assert_line(all, "# HELP perdure_history_loaded_runs Runs in memory.");
}

Test(metrics, histograms_are_cumulative_and_bounds_belong_to_their_bucket)
{
    metric_observe_seconds(&lane_a, METRIC_HISTORY_COMMIT_SECONDS, DURATION_MS(1));
    metric_observe_seconds(&lane_b, METRIC_HISTORY_COMMIT_SECONDS, (struct duration){ 1000001 });
    metric_observe_seconds(&lane_b, METRIC_HISTORY_COMMIT_SECONDS, DURATION_SECONDS(61));
    metric_observe_seconds(&lane_b, METRIC_HISTORY_COMMIT_SECONDS, (struct duration){ -5 });
    const char *all = text();
    assert_line(all, "perdure_history_commit_seconds_bucket{le=\"0.00025\"} 1");
    assert_line(all, "perdure_history_commit_seconds_bucket{le=\"0.001\"} 2");
    assert_line(all, "perdure_history_commit_seconds_bucket{le=\"0.0025\"} 3");
    assert_line(all, "perdure_history_commit_seconds_bucket{le=\"60\"} 3");
    assert_line(all, "perdure_history_commit_seconds_bucket{le=\"+Inf\"} 4");
    assert_line(all, "perdure_history_commit_seconds_sum 61.002000001");
    assert_line(all, "perdure_history_commit_seconds_count 4");
}

Test(metrics, sizes_have_buckets_of_powers_of_two)
{
    const uint64_t sizes[] = { 0, 1, 2, 3, 4, 32768, 32769, UINT64_MAX / 2 };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        metric_observe_size(&lane_a, METRIC_HISTORY_BATCH, sizes[i]);
    }
    const char *all = text();
    assert_line(all, "perdure_history_commit_rows_bucket{le=\"1\"} 2");
    assert_line(all, "perdure_history_commit_rows_bucket{le=\"2\"} 3");
    assert_line(all, "perdure_history_commit_rows_bucket{le=\"4\"} 5");
    assert_line(all, "perdure_history_commit_rows_bucket{le=\"32768\"} 6");
    assert_line(all, "perdure_history_commit_rows_bucket{le=\"+Inf\"} 8");
}

Test(metrics, labelled_cells_appear_once_they_count)
{
    cr_assert(!strstr(text(), "perdure_rpc_requests_total{"));
    metric_count_method(&lane_a, METRIC_RPC_REQUESTS, 1, 5);
    metric_count_method(&lane_b, METRIC_RPC_REQUESTS, 1, 5);
    metric_count_method(&lane_b, METRIC_RPC_REQUESTS, 0, 99);
    metric_count_method(&lane_b, METRIC_RPC_REQUESTS, 100000, 0);
    metric_observe_method(&lane_a, METRIC_RPC_SECONDS, 1, DURATION_MS(3));
    const char *all = text();
    assert_line(all, "perdure_rpc_requests_total{method=\"Second\",code=\"NOT_FOUND\"} 2");
    assert_line(all, "perdure_rpc_requests_total{method=\"First\",code=\"UNKNOWN\"} 1");
    assert_line(all, "perdure_rpc_requests_total{method=\"other\",code=\"OK\"} 1");
    assert_line(all, "perdure_rpc_seconds_bucket{method=\"Second\",le=\"0.005\"} 1");
    assert_line(all, "perdure_rpc_seconds_sum{method=\"Second\"} 0.003000000");
    assert_line(all, "perdure_rpc_seconds_count{method=\"Second\"} 1");
}

Test(metrics, results_have_their_names)
{
    metric_count_result(&lane_a, METRIC_CALLS, 0);
    metric_count_result(&lane_b, METRIC_CALLS, 6);
    const char *all = text();
    assert_line(all, "perdure_internal_calls_total{result=\"ok\"} 1");
    assert_line(all, "perdure_internal_calls_total{result=\"busy\"} 1");
}

/* Counters end in _total, everything has a help text, no name twice. */
Test(metrics, names_follow_the_conventions)
{
    static const struct {
        const char *kind, *name, *help;
    } all[] = {
#define METRIC(kind, ID, labels, name, help) { #kind, name, help },
#include "common/obs/metrics.def"
#undef METRIC
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        size_t len = strlen(all[i].name);
        bool total = len > 6 && !strcmp(all[i].name + len - 6, "_total");
        bool counter = !strcmp(all[i].kind, "COUNTER") || !strcmp(all[i].kind, "SECONDS_TOTAL");
        cr_assert_eq(total, counter, "%s", all[i].name);
        cr_assert(strlen(all[i].help) > 8 && !strpbrk(all[i].help, "\\\n"), "%s", all[i].name);
        for (size_t k = 0; k < i; k++) {
            cr_assert_str_neq(all[i].name, all[k].name);
        }
    }
}
