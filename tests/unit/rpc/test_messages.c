/* The internal messages: each survives a round trip, any cut is refused, forged counts cost no memory. */
#include <criterion/criterion.h>

#include "common/base/arena.h"
#include "common/rpc/messages.h"

static struct arena arena;
static struct buf wire;

static void setup(void)
{
    arena_init(&arena, 1 << 20);
    buf_init(&wire, 1 << 20);
}

static void teardown(void)
{
    buf_deinit(&wire);
    arena_deinit(&arena);
}

TestSuite(messages, .init = setup, .fini = teardown);

static struct uuid id_of(uint8_t n)
{
    struct uuid id = { { 0 } };
    memset(id.b, n, sizeof(id.b));
    return id;
}

static struct task_ref ref_of(uint8_t n)
{
    return (struct task_ref){ id_of(n), STR("order-17"), id_of((uint8_t)(n + 1)), 90000000000 + n,
        TASK_QUEUE_ACTIVITY, 300 + n, 2, -1 };
}

/* The bytes must come back as a message that gives the same bytes; every shorter prefix, and one byte too
 * many, must be refused and leave the result alone. */
#define check_round_trip(name, m, ret)                                                             \
    do {                                                                                           \
        name##_encode(&(m), &wire);                                                                \
        cr_assert(!wire.overflow);                                                                 \
        struct str all = buf_str(&wire);                                                           \
        struct fail f = { 0 };                                                                     \
        cr_assert_eq(name##_decode(all, &arena, &(ret), &f), ERR_NONE, "%s", f.message);           \
        struct buf again;                                                                          \
        buf_init(&again, 1 << 20);                                                                 \
        name##_encode(&(ret), &again);                                                             \
        cr_assert(str_eq(buf_str(&again), all));                                                   \
        buf_deinit(&again);                                                                        \
        for (size_t cut = 0; cut < all.len; cut++) {                                               \
            char *exact = malloc(cut + 1);                                                         \
            memcpy(exact, all.ptr, cut);                                                           \
            struct name untouched, before;                                                         \
            memset(&untouched, 0x5a, sizeof(untouched));                                           \
            memcpy(&before, &untouched, sizeof(before));                                           \
            char *tight = realloc(exact, cut ? cut : 1);                                           \
            cr_assert_eq(name##_decode(str_of(tight, cut), &arena, &untouched, &f), ERR_PROTOCOL); \
            cr_assert_eq(memcmp(&untouched, &before, sizeof(before)), 0);                          \
            free(tight);                                                                           \
        }                                                                                          \
        buf_append_byte(&wire, 0);                                                                 \
        cr_assert_eq(name##_decode(buf_str(&wire), &arena, &(ret), &f), ERR_PROTOCOL);             \
        wire.len--;                                                                                \
        cr_assert_eq(name##_decode(buf_str(&wire), &arena, &(ret), &f), ERR_NONE);                 \
    } while (0)

static void assert_ref_eq(const struct task_ref *a, const struct task_ref *b)
{
    cr_assert(uuid_eq(a->namespace_id, b->namespace_id));
    cr_assert(str_eq(a->workflow_id, b->workflow_id));
    cr_assert(uuid_eq(a->run_id, b->run_id));
    cr_assert_eq(a->key, b->key);
    cr_assert_eq(a->type, b->type);
    cr_assert_eq(a->scheduled_event_id, b->scheduled_event_id);
    cr_assert_eq(a->attempt, b->attempt);
    cr_assert_eq(a->stamp, b->stamp);
}

Test(messages, api_request)
{
    struct msg_api_request m = { 7, id_of(1), STR("default"), STR("order-17"), STR("\0\1raw\xff"),
        true };
    struct msg_api_request r;
    check_round_trip(msg_api_request, m, r);
    cr_assert_eq(r.method, 7);
    cr_assert(str_eq(r.request, m.request));
    cr_assert(r.from_worker);
}

Test(messages, claim)
{
    struct msg_claim m = { ref_of(1), STR("default"), STR("queue"), STR("poll-1"), STR("request") };
    struct msg_claim r;
    check_round_trip(msg_claim, m, r);
    assert_ref_eq(&m.task, &r.task);
    cr_assert(str_eq(r.poll_request, m.poll_request));
}

Test(messages, poll)
{
    struct msg_poll m = { id_of(9), STR("host:abc"), TASK_QUEUE_WORKFLOW, true, STR("normal"),
        STR("p"), STR("me@host"), 12.5 };
    struct msg_poll r;
    check_round_trip(msg_poll, m, r);
    cr_assert(r.is_sticky);
    cr_assert(str_eq(r.normal_name, STR("normal")));
    cr_assert_float_eq(r.max_tasks_per_second, 12.5, 0.0);
}

Test(messages, poll_answer_with_a_task)
{
    struct msg_poll_answer m = { true, false, ref_of(3), 99 };
    struct msg_poll_answer r;
    check_round_trip(msg_poll_answer, m, r);
    cr_assert_eq(r.backlog_hint, 99);
    assert_ref_eq(&m.task, &r.task);
}

Test(messages, poll_answer_without_a_task)
{
    struct msg_poll_answer m = { false };
    struct msg_poll_answer r;
    check_round_trip(msg_poll_answer, m, r);
    cr_assert(!r.has_task);
    cr_assert_leq(wire.len, 4);
}

Test(messages, advertise)
{
    struct msg_offer offers[] = { { ref_of(1), { 1700000000000000000 }, DURATION_SECONDS(5) },
        { ref_of(5), { 5 }, { 0 } } };
    struct msg_advertised_queue queues[] = {
        { id_of(1), STR("q"), TASK_QUEUE_ACTIVITY, false, UINT64_MAX, { 17 }, offers, 2 },
        { id_of(2), STR(""), TASK_QUEUE_WORKFLOW, true, 0, { 0 }, NULL, 0 },
    };
    struct msg_advertise m = { 3, 1ull << 63, queues, 2 };
    struct msg_advertise r;
    check_round_trip(msg_advertise, m, r);
    cr_assert_eq(r.queue_count, 2);
    cr_assert_eq(r.incarnation, 1ull << 63);
    cr_assert_eq(r.queues[0].backlog, UINT64_MAX);
    cr_assert_eq(r.queues[0].oldest.ns, 17);
    cr_assert_eq(r.queues[0].offer_count, 2);
    assert_ref_eq(&r.queues[0].offers[1].task, &offers[1].task);
    cr_assert_eq(r.queues[0].offers[0].sticky_schedule_to_start.ns, 5000000000);
    cr_assert(r.queues[1].is_sticky);
    cr_assert_eq(r.queues[1].offer_count, 0);
}

Test(messages, demand)
{
    struct task_ref gone[] = { ref_of(1), ref_of(2), ref_of(3) }, refused[] = { ref_of(9) };
    struct msg_demanded_queue queues[] = { { id_of(1), STR("q"), TASK_QUEUE_ACTIVITY, 16, gone, 3,
            refused, 1 } };
    struct msg_demand m = { 12, queues, 1 };
    struct msg_demand r;
    check_round_trip(msg_demand, m, r);
    cr_assert_eq(r.queues[0].more, 16);
    cr_assert_eq(r.queues[0].gone_count, 3);
    assert_ref_eq(&r.queues[0].gone[2], &gone[2]);
    assert_ref_eq(&r.queues[0].refused[0], &refused[0]);
}

Test(messages, describe)
{
    struct msg_describe_queue q = { id_of(4), STR("q"), TASK_QUEUE_WORKFLOW };
    struct msg_describe_queue qr;
    check_round_trip(msg_describe_queue, q, qr);
    cr_assert_eq(qr.type, TASK_QUEUE_WORKFLOW);
    buf_reset(&wire);
    struct msg_poller pollers[] = { { STR("me@host"), { 42 }, 0.25, STR("details") } };
    struct msg_describe_queue_answer m = { pollers, 1, 5, { 6 }, 1.5, -2.0, 3.0, true };
    struct msg_describe_queue_answer r;
    check_round_trip(msg_describe_queue_answer, m, r);
    cr_assert_eq(r.poller_count, 1);
    cr_assert(str_eq(r.pollers[0].identity, STR("me@host")));
    cr_assert_float_eq(r.pollers[0].rate_per_second, 0.25, 0.0);
    cr_assert_float_eq(r.dispatch_rate, -2.0, 0.0);
}

Test(messages, shutdown_outbox_give)
{
    struct msg_shutdown_worker s = { id_of(4), STR("sticky"), STR("q"), TASK_QUEUE_ACTIVITY,
        STR("key") };
    struct msg_shutdown_worker sr;
    check_round_trip(msg_shutdown_worker, s, sr);
    buf_reset(&wire);
    struct msg_outbox o = { id_of(1), id_of(2), STR("a"), INT64_MIN, 2, 3, id_of(3), STR("b"),
        STR("body") };
    struct msg_outbox outbox;
    check_round_trip(msg_outbox, o, outbox);
    cr_assert(outbox.id == INT64_MIN && outbox.kind == 2 && outbox.flags == 3);
    buf_reset(&wire);
    uint32_t shards[] = { 0, 127, 128, 16383 };
    struct msg_shard_give g = { id_of(1), shards, 4 };
    struct msg_shard_give gr;
    check_round_trip(msg_shard_give, g, gr);
    cr_assert_eq(gr.shards[2], 128);
    cr_assert_eq(gr.shards[3], 16383);
}

/* A count of four thousand million shards in a message of thirty bytes must be refused before memory is
 * taken: the arena's cap would abort. */
Test(messages, forged_count)
{
    struct msg_shard_give g = { id_of(1), NULL, 0 };
    msg_shard_give_encode(&g, &wire);
    wire.len--; /* the empty list */
    buf_append(&wire, "\xdd\xff\xff\xff\xff\x01\x02", 7);
    struct msg_shard_give r;
    cr_assert_eq(msg_shard_give_decode(buf_str(&wire), &arena, &r, NULL), ERR_PROTOCOL);
}

/* A newer sender may append fields. */
Test(messages, more_fields_than_known_are_ignored)
{
    struct msg_shutdown_worker s = { id_of(4), STR("sticky"), STR(""), TASK_QUEUE_WORKFLOW }, r;
    msg_shutdown_worker_encode(&s, &wire);
    wire.ptr[0]++;                              /* an array of one more */
    buf_append(&wire, "\x92\xa1x\xc4\x01y", 6); /* ["x", bin "y"] */
    cr_assert_eq(msg_shutdown_worker_decode(buf_str(&wire), &arena, &r, NULL), ERR_NONE);
    cr_assert(str_eq(r.sticky_task_queue, STR("sticky")));
}

Test(messages, values_out_of_range)
{
    struct msg_describe_queue q = { id_of(4), STR("q"), (enum task_queue_type)3 }, r;
    msg_describe_queue_encode(&q, &wire);
    cr_assert_eq(msg_describe_queue_decode(buf_str(&wire), &arena, &r, NULL), ERR_PROTOCOL);
    wire.ptr[wire.len - 1] = 0;
    cr_assert_eq(msg_describe_queue_decode(buf_str(&wire), &arena, &r, NULL), ERR_PROTOCOL);
    wire.ptr[wire.len - 1] = (char)0xff; /* -1 */
    cr_assert_eq(msg_describe_queue_decode(buf_str(&wire), &arena, &r, NULL), ERR_PROTOCOL);
}

/* Random damage of a valid message: an answer or ERR_PROTOCOL, nothing else (the sanitizers watch). */
Test(messages, random_damage)
{
    struct msg_offer offers[] = { { ref_of(1), { 17 }, DURATION_SECONDS(5) } };
    struct msg_advertised_queue queues[] = {
        { id_of(1), STR("q"), TASK_QUEUE_ACTIVITY, false, 3, { 17 }, offers, 1 },
    };
    struct msg_advertise m = { 3, 8, queues, 1 };
    msg_advertise_encode(&m, &wire);
    struct rand rnd = { 42 };
    for (int i = 0; i < 100000; i++) {
        char copy[256];
        cr_assert_leq(wire.len, sizeof(copy));
        memcpy(copy, wire.ptr, wire.len);
        for (uint64_t n = 1 + rand_below(&rnd, 4); n > 0; n--) {
            copy[rand_below(&rnd, wire.len)] = (char)rand_u64(&rnd);
        }
        struct msg_advertise r;
        enum err err = msg_advertise_decode(str_of(copy, wire.len), &arena, &r, NULL);
        cr_assert(err == ERR_NONE || err == ERR_PROTOCOL);
        arena_reset(&arena);
    }
}
