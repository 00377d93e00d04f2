/* contract BACKEND [CASE]: runs the contract suite, or the cases whose name contains CASE. */
#include <string.h>

#include "common/obs/log.h"
#include "tests/store/harness.h"

const struct backend *backend;

static int run_cases(const struct test_case *cases, const char *filter)
{
    int count = 0;
    for (const struct test_case *c = cases; c->name; c++) {
        if (!filter || strstr(c->name, filter)) {
            printf("%s/%s\n", backend->name, c->name);
            fflush(stdout);
            harness_case(c);
            count++;
        }
    }
    return count;
}

int main(int argc, char **argv)
{
    static const struct backend *const backends[] = { &backend_memory, &backend_file,
        &backend_postgres, &backend_sim };
    for (size_t i = 0; i < ARRAY_LEN(backends); i++) {
        if (argc > 1 && strcmp(argv[1], backends[i]->name) == 0) {
            backend = backends[i];
        }
    }
    if (!backend) {
        fprintf(stderr, "usage: contract memory|file|postgres|sim [CASE]\n");
        return 2;
    }
    if (!getenv("VERBOSE")) {
        log_set(LOG_NEVER, LOG_FORMAT_TEXT);
    }
    const char *filter = argc > 2 ? argv[2] : NULL;
    int count = run_cases(cases_runs, filter) + run_cases(cases_commit, filter) +
                run_cases(cases_delete, filter) + run_cases(cases_cluster, filter) +
                run_cases(cases_lists, filter);
    if (backend->own_cases) {
        count += run_cases(backend->own_cases, filter);
    }
    if (backend->cleanup) {
        backend->cleanup();
    }
    printf("%s: %d cases passed\n", backend->name, count);
    return count ? 0 : 2;
}
