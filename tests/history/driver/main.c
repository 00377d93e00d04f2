/* Runs the driver's cases: all, or the one that is named. */
#include <string.h>

#include "common/obs/log.h"
#include "tests/history/driver/cases.h"

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {
#define ROW(name) { #name, name },
        CASES(ROW)
#undef ROW
    };
    log_set(LOG_NEVER, LOG_FORMAT_TEXT);
    int ran = 0;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (argc < 2 || !strcmp(argv[1], cases[i].name)) {
            case_name = cases[i].name;
            cases[i].run();
            printf("ok %s\n", case_name);
            fflush(stdout);
            ran++;
        }
    }
    return ran ? 0 : 1;
}
