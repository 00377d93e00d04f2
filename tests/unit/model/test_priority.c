/* Priorities of tasks and what is set for task queues, in their stored forms. */
#include <criterion/criterion.h>
#include <math.h>

#include "common/model/priority.h"
#include "common/model/queue_configs.h"
#include "common/model/wire.h"

static struct arena arena;

static void teardown(void)
{
    arena_deinit(&arena);
}

TestSuite(priority, .fini = teardown);

static struct str message(int32_t key, struct str fairness_key, float weight)
{
    struct priority p = { key, fairness_key, weight };
    struct buf out;
    buf_init_arena(&out, &arena, 1024);
    priority_write(&out, &p);
    return buf_str(&out);
}

Test(priority, what_is_written_is_read)
{
    struct priority p = priority_read(message(-3, STR("tenant"), 0.5f));
    cr_assert_eq(p.key, -3);
    cr_assert(str_eq(p.fairness_key, STR("tenant")));
    cr_assert_float_eq(p.weight, 0.5f, 0);
    cr_assert_eq(message(0, STR(""), 0).len, 0, "nothing said, nothing written");
}

Test(priority, what_it_means)
{
    static const struct {
        int32_t key, level;
        float weight, meant;
    } cases[] = { { 0, 3, 0, 1 }, { 1, 1, 1, 1 }, { 5, 5, 1000, 1000 }, { 6, 5, 2000, 1000 },
        { 2147483647, 5, 0.0001f, 0.001f }, { -1, 3, -5, 1 }, { 2, 2, NAN, 1 },
        { 2, 2, INFINITY, 1000 } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct priority p = priority_meaning(message(cases[i].key, STR("k"), cases[i].weight));
        cr_assert_eq(p.key, cases[i].level, "case %zu: %d", i, p.key);
        cr_assert_float_eq(p.weight, cases[i].meant, 0, "case %zu: %g", i, (double)p.weight);
    }
    struct priority none = priority_meaning(STR(""));
    cr_assert(none.key == PRIORITY_NORMAL && none.weight == 1 && !none.fairness_key.len);
    char longer[100];
    memset(longer, 'x', sizeof(longer));
    cr_assert_eq(priority_meaning(message(0, str_of(longer, 100), 0)).fairness_key.len, 64);
    cr_assert_eq(priority_meaning(STR("\xff\xff\xff")).key, PRIORITY_NORMAL, "malformed");
}

static struct str put(struct str list, const char *name, enum task_queue_type type, struct str what)
{
    struct queue_config c = { str_from_cstr(name), type, what };
    return queue_configs_put(&arena, list, &c);
}

Test(priority, a_list_of_queues)
{
    struct str list = put(STR(""), "a", TASK_QUEUE_ACTIVITY, STR("one"));
    list = put(list, "b", TASK_QUEUE_ACTIVITY, STR("two"));
    list = put(list, "a", TASK_QUEUE_WORKFLOW, STR("three"));
    list = put(list, "a", TASK_QUEUE_ACTIVITY, STR("four"));
    cr_assert(str_eq(queue_configs_find(list, STR("a"), TASK_QUEUE_ACTIVITY), STR("four")));
    cr_assert(str_eq(queue_configs_find(list, STR("a"), TASK_QUEUE_WORKFLOW), STR("three")));
    cr_assert(str_eq(queue_configs_find(list, STR("b"), TASK_QUEUE_ACTIVITY), STR("two")));
    cr_assert_eq(queue_configs_find(list, STR("c"), TASK_QUEUE_ACTIVITY).len, 0);
    struct queue_config c;
    size_t n = 0;
    while (queue_configs_next(&list, &c)) {
        n++;
    }
    cr_assert_eq(n, 3);
}

static void put_rate(struct buf *out, uint32_t number, float rate)
{
    uint32_t bits;
    memcpy(&bits, &rate, sizeof(bits));
    size_t config = wire_begin(out, number), limit = wire_begin(out, 1);
    if (rate != 0) {
        wire_put_fixed32(out, 1, bits);
    }
    wire_end(out, limit);
    wire_end(out, config);
}

static void put_weight(struct buf *out, const char *key, float weight)
{
    uint32_t bits;
    memcpy(&bits, &weight, sizeof(bits));
    size_t entry = wire_begin(out, 3);
    wire_put_bytes(out, 1, str_from_cstr(key));
    wire_put_fixed32(out, 2, bits);
    wire_end(out, entry);
}

Test(priority, what_is_set_for_a_queue)
{
    struct buf out;
    double rate;
    buf_init_arena(&out, &arena, 1024);
    put_rate(&out, 1, 2.5f);
    put_weight(&out, "a", 3);
    put_rate(&out, 2, 0);
    put_weight(&out, "b", 0.5f);
    struct str message = buf_str(&out), key;
    float weight;
    cr_assert(queue_config_rate(message, &rate) && rate == 2.5);
    cr_assert(queue_config_key_rate(message, &rate) && rate == 0, "none at all is a rate, too");
    cr_assert(queue_config_next_weight(&message, &key, &weight));
    cr_assert(str_eq(key, STR("a")) && weight == 3);
    cr_assert(queue_config_next_weight(&message, &key, &weight));
    cr_assert(str_eq(key, STR("b")) && weight == 0.5f);
    cr_assert_not(queue_config_next_weight(&message, &key, &weight));
    cr_assert_not(queue_config_rate(STR(""), &rate));
    cr_assert_not(queue_config_rate(STR("\x0a\x02\x12\x00"), &rate), "lifted: who and why alone");
}
