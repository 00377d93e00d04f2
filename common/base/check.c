/* What happens when an assertion fails: say where, run the hook, abort. */
#include "common/base/check.h"

#include <stdio.h>
#include <stdlib.h>

static void (*check_hook)(void);

void check_set_hook(void (*hook)(void))
{
    check_hook = hook;
}

static _Noreturn void die(void)
{
    void (*hook)(void) = check_hook;
    check_hook = NULL;
    if (hook) {
        hook();
    }
    abort();
}

_Noreturn void check_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, cond);
    die();
}

_Noreturn void check_unreachable(const char *what, long value, const char *file, int line)
{
    fprintf(stderr, "%s:%d: impossible value of %s: %ld\n", file, line, what, value);
    die();
}
