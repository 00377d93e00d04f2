/* Assertions for our own mistakes. They stay on in release: a crashed process is what the system is
 * built to survive, a wrong history is not. */
#pragma once

#include <stdbool.h>

#define check(cond)                                  \
    do {                                             \
        if (__builtin_expect(!(cond), 0)) {          \
            check_failed(#cond, __FILE__, __LINE__); \
        }                                            \
    } while (0)

#define implies(a, b) (!(a) || (b))
/* After a switch over one of our enums: all names were handled, the value is none of them. */
#define unreachable_state(x) check_unreachable(#x, (long)(x), __FILE__, __LINE__)

_Noreturn void check_failed(const char *cond, const char *file, int line);
_Noreturn void check_unreachable(const char *what, long value, const char *file, int line);
/* Called once before abort, to dump what helps (the recorder). NULL for none. */
void check_set_hook(void (*hook)(void));

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define MUST_USE                        __attribute__((warn_unused_result))
