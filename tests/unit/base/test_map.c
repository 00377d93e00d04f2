#include <criterion/criterion.h>

#include "common/base/arena.h"
#include "common/base/map.h"

struct item {
    int number;
    struct map_node node;
};

static void fill_and_check(struct map *m)
{
    enum { N = 1000 };
    static struct item items[N];
    for (int i = 0; i < N; i++) {
        items[i] = (struct item){ .number = i };
        map_put(m, &items[i].node, str_of(&items[i].number, sizeof(int)));
    }
    for (int i = 0; i < N; i += 2) {
        map_remove(m, &items[i].node);
    }
    for (int i = 0; i < N; i++) {
        struct map_node *n = map_get(m, str_of(&i, sizeof(i)));
        cr_assert_eq(n != NULL, i % 2 == 1);
        cr_assert(!n || map_entry(n, struct item, node)->number == i);
    }
    int expect = 1;
    map_each(m, n)
    {
        cr_assert_eq(map_entry(n, struct item, node)->number, expect);
        expect += 2;
    }
    cr_assert_eq(m->len, N / 2);
}

Test(map, finds_what_was_put_and_iterates_in_insertion_order)
{
    struct map m;
    struct arena a = { 0 };
    map_init(&m, NULL);
    fill_and_check(&m);
    map_deinit(&m);
    map_init(&m, &a);
    fill_and_check(&m);
    map_deinit(&m);
    arena_deinit(&a);
}
