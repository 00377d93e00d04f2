#include <criterion/criterion.h>

#include "matching/engine/pool.h"

Test(pool, every_size_fits_its_class_and_is_used_again)
{
    struct pool pool = { 0 };
    for (size_t size = 1; size <= POOL_SIZE_MAX; size += 7) {
        char *a = pool_alloc(&pool, size);
        memset(a, 0xee, size);
        cr_assert_geq(pool.used, size);
        cr_assert_leq(pool.used, size < 32 ? 32 : size + size / 4 + 1);
        pool_free(&pool, a, size);
        cr_assert_eq(pool.used, 0);
        char *b = pool_alloc(&pool, size);
        cr_assert_eq(a, b);
        for (size_t i = 0; i < size; i++) {
            cr_assert_eq(b[i], 0);
        }
        pool_free(&pool, b, size);
    }
    pool_deinit(&pool);
}
