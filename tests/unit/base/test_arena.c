#include <criterion/criterion.h>

#include "common/base/arena.h"
#include "common/base/vec.h"

Test(arena, memory_is_aligned_and_distinct)
{
    struct arena a = { 0 };
    char *one = arena_alloc(&a, 1, 1);
    double *two = arena_alloc(&a, sizeof(double), alignof(double));
    cr_assert_eq((uintptr_t)two % alignof(double), 0);
    cr_assert_neq((void *)one, (void *)two);
    arena_deinit(&a);
}

Test(arena, new_is_zeroed_after_reset)
{
    struct arena a = { 0 };
    memset(arena_alloc(&a, 4096, 1), 0xff, 4096);
    arena_reset(&a);
    int *n = NEW(&a, int, 100);
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(n[i], 0);
    }
    arena_deinit(&a);
}

Test(arena, vec_keeps_what_was_pushed)
{
    struct arena a = { 0 };
    VEC(int) v = { 0 };
    for (int i = 0; i < 1000; i++) {
        vec_push(&a, &v, i);
    }
    cr_assert_eq(v.len, 1000);
    for (int i = 0; i < 1000; i++) {
        cr_assert_eq(v.ptr[i], i);
    }
    arena_deinit(&a);
}
