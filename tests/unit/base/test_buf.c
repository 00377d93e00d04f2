#include <criterion/criterion.h>

#include "common/base/arena.h"
#include "common/base/buf.h"

static void check_growth(struct buf *b)
{
    for (int i = 0; i < 1000; i++) {
        cr_assert(buf_printf(b, "%d,", i));
    }
    cr_assert(str_starts_with(buf_str(b), STR("0,1,2,")));
    size_t len = b->len;
    buf_consume(b, 2);
    cr_assert_eq(b->len, len - 2);
    cr_assert(str_starts_with(buf_str(b), STR("1,2,")));
}

Test(buf, grows_on_the_heap_and_in_an_arena)
{
    struct buf b;
    struct arena a = { 0 };
    buf_init(&b, 1 << 20);
    check_growth(&b);
    buf_deinit(&b);
    buf_init_arena(&b, &a, 1 << 20);
    check_growth(&b);
    buf_deinit(&b);
    arena_deinit(&a);
}

Test(buf, refuses_past_its_maximum_and_says_so)
{
    struct buf b;
    buf_init(&b, 10);
    cr_assert(buf_append(&b, "0123456789", 10));
    cr_assert_not(buf_append(&b, "x", 1));
    cr_assert(b.overflow);
    cr_assert(str_eq(buf_str(&b), STR("0123456789")));
    buf_deinit(&b);
}
