/* perdure-bench: drives any server that speaks the API with workflows of its own, client and worker
 * in one process. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/args.h"
#include "common/base/check.h"
#include "tests/bench/bench.h"

static struct check_result result;
static int64_t check_sample;

static void all_over(struct bench *bench)
{
    loop_stop(bench->loop);
}

static void load_over(struct bench *bench)
{
    if (check_sample) {
        check_start(bench, (uint32_t)check_sample, &result, all_over);
    } else {
        loop_stop(bench->loop);
    }
}

static const struct scenario *scenario_find(struct str name)
{
    for (size_t i = 0; i < scenario_count; i++) {
        if (str_eq(name, str_from_cstr(scenarios[i].name))) {
            return &scenarios[i];
        }
    }
    return NULL;
}

static void name_things(struct bench *bench, struct str prefix)
{
    uint32_t unique = (uint32_t)rand_u64(bench->rand);
    bench->tag = str_printf(bench->arena, STR_FMT "-%08x", STR_ARG(prefix), unique);
    bench->api.task_queue = bench->tag;
    bench->api.sticky_queue = str_printf(bench->arena, STR_FMT "-sticky", STR_ARG(bench->tag));
    bench->api.identity = str_printf(bench->arena, "%d@bench", getpid());
}

static _Noreturn void usage(const struct flag *flags, size_t count, const char *problem)
{
    if (problem) {
        fprintf(stderr, "perdure-bench: %s\n", problem);
        exit(2);
    }
    printf("perdure-bench drives a server with workflows and reports how it did.\n\n");
    args_print_help(flags, count);
    printf("\nScenarios:\n");
    for (size_t i = 0; i < scenario_count; i++) {
        printf("  %-16s %s\n", scenarios[i].name, scenarios[i].doc);
    }
    exit(0);
}

int main(int argc, char **argv)
{
    struct arena arena = { 0 };
    struct rand rand;
    struct loop loop;
    rand_seed_from_os(&rand);
    struct str addresses = STR("127.0.0.1:7233"), namespace = STR("default");
    struct str scenario = STR("one_activity"), prefix = STR("bench"), rate = STR("");
    int64_t workflows = 1000, in_flight = 100, pollers = 16, connections = 2, timeout = 300;
    int64_t payload = 64, task_timeout = 10, activity_timeout = 10, evict = 0;
    bool check_histories = false, await_result = false, json = false, help = false;
    const struct flag flags[] = {
        { "address", 'a', FLAG_STR, &addresses, 0, 0, "HOST:PORT,...",
                "frontends (127.0.0.1:7233)" },
        { "namespace", 'n', FLAG_STR, &namespace, 0, 0, "NAME", "namespace (default)" },
        { "scenario", 's', FLAG_STR, &scenario, 0, 0, "NAME",
                "what a workflow does (one_activity)" },
        { "workflows", 'w', FLAG_INT, &workflows, 1, 10000000, "N", "how many (1000)" },
        { "in-flight", 'f', FLAG_INT, &in_flight, 1, 1000000, "N",
                "closed loop: open at a time (100)" },
        { "rate", 'r', FLAG_STR, &rate, 0, 0, "R", "fixed rate: starts per second, instead" },
        { "pollers", 'p', FLAG_INT, &pollers, 1, 10000, "N",
                "polls parked of each of 3 kinds (16)" },
        { "connections", 'c', FLAG_INT, &connections, 1, 1000, "N", "to each address (2)" },
        { "timeout", 't', FLAG_INT, &timeout, 1, 86400, "SECONDS", "give up after (300)" },
        { "payload", 0, FLAG_INT, &payload, 0, 1000000, "BYTES", "size of each payload (64)" },
        { "workflow-task-timeout", 0, FLAG_INT, &task_timeout, 1, 3600, "SECONDS", "(10)" },
        { "activity-timeout", 0, FLAG_INT, &activity_timeout, 1, 3600, "SECONDS",
                "start to close (10)" },
        { "evict", 0, FLAG_INT, &evict, 0, 100, "PERCENT",
                "of tasks decided from the whole history (0)" },
        { "await-result", 0, FLAG_SWITCH, &await_result, 0, 0, NULL,
                "a client waits for each result" },
        { "check-histories", 0, FLAG_SWITCH, &check_histories, 0, 0, NULL,
                "read all back and check" },
        { "check-sample", 0, FLAG_INT, &check_sample, 1, 10000000, "N", "check only so many" },
        { "task-queue-prefix", 0, FLAG_STR, &prefix, 0, 0, "TEXT", "of queues and ids (bench)" },
        { "json", 'j', FLAG_SWITCH, &json, 0, 0, NULL, "report as JSON" },
        { "help", 'h', FLAG_SWITCH, &help, 0, 0, NULL, "this text" },
    };
    size_t flag_count = sizeof(flags) / sizeof(flags[0]);
    struct fail f = { 0 };
    if (args_parse(argc - 1, argv + 1, flags, flag_count, &arena, NULL, &f)) {
        usage(flags, flag_count, f.message);
    }
    if (help) {
        usage(flags, flag_count, NULL);
    }
    double starts = rate.len ? strtod(str_cstr(&arena, rate), NULL) : 0;
    const struct scenario *chosen = scenario_find(scenario);
    if (!chosen || (rate.len && !(starts > 0)) || prefix.len > 40) {
        usage(flags, flag_count,
                !chosen ? "no such scenario; see --help" : "not a rate, or the prefix is long");
    }
    check_sample = check_sample ? check_sample : check_histories ? workflows : 0;
    signal(SIGPIPE, SIG_IGN);
    loop_init(&loop);
    char *data = NEW(&arena, char, payload + 1);
    memset(data, 'x', (size_t)payload);
    struct bench bench = {
        .loop = &loop,
        .arena = &arena,
        .rand = &rand,
        .scenario = chosen,
        .api = { .namespace = namespace,
                .payload = str_of(data, (size_t)payload),
                .task_timeout = DURATION_SECONDS(task_timeout),
                .activity_timeout = DURATION_SECONDS(activity_timeout) },
        .count = (uint32_t)workflows,
        .in_flight = (uint32_t)in_flight,
        .rate = starts,
        .pollers = pollers,
        .evict_percent = evict,
        .await_result = await_result,
        .limit = DURATION_SECONDS(timeout),
        .finished = load_over,
    };
    name_things(&bench, prefix);
    buf_init(&bench.scratch, 64 << 20);
    rpc_init(&bench.rpc, &loop, &arena, &rand, addresses, (size_t)connections);
    worker_start(&bench);
    load_start(&bench);
    loop_run(&loop);
    (json ? report_json : report_text)(&bench, &result);
    rpc_close(&bench.rpc);
    return bench.done == bench.count && result.wrong == 0 ? 0 : 1;
}
