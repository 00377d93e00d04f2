#include <criterion/criterion.h>

#include "common/base/heap.h"
#include "common/base/rand.h"

Test(heap, gives_keys_in_order_and_equal_keys_in_insertion_order)
{
    enum { N = 2000 };
    static struct heap_node nodes[N];
    struct heap h = { 0 };
    struct rand r = { 7 };
    for (int i = 0; i < N; i++) {
        heap_insert(&h, &nodes[i], (int64_t)rand_below(&r, 50));
    }
    for (int i = 0; i < N; i += 3) {
        heap_remove(&h, &nodes[i]);
        heap_remove(&h, &nodes[i]);
    }
    int64_t key = -1;
    uint64_t seq = 0;
    size_t seen = 0;
    while (h.root) {
        struct heap_node *n = heap_min(&h);
        cr_assert(n->key > key || (n->key == key && n->seq > seq));
        key = n->key;
        seq = n->seq;
        heap_remove(&h, n);
        seen++;
    }
    cr_assert_eq(seen, N - (N + 2) / 3);
    cr_assert_eq(h.len, 0);
}
