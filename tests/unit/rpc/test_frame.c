/* Frames: every type survives a round trip, any cut is "more" or refused, lengths are checked before anything else. */
#include <criterion/criterion.h>

#include "common/rpc/mp.h"
#include "common/rpc/rpc_frame.h"

static struct buf wire;

static void setup(void)
{
    buf_init(&wire, 1 << 20);
}

static void teardown(void)
{
    buf_deinit(&wire);
}

TestSuite(frame, .init = setup, .fini = teardown);

static const struct rpc_frame samples[] = {
    { .type = RPC_FRAME_HELLO,
            .hello = { .version = 1,
                    .cluster_id = { { 1, 2, 3 } },
                    .member_id = { { 4, 5, 6 } },
                    .role = STR_INIT("history"),
                    .max_frame = 4259840,
                    .inbound_max = 100000 } },
    { .type = RPC_FRAME_REQUEST,
            .id = UINT64_MAX,
            .method = 65535,
            .key = UINT64_MAX,
            .timeout_ms = 70000,
            .body = STR_INIT("body") },
    { .type = RPC_FRAME_REQUEST },
    { .type = RPC_FRAME_RESPONSE, .id = 7, .body = STR_INIT("answer") },
    { .type = RPC_FRAME_ERROR,
            .id = 8,
            .err = ERR_NOT_OWNER,
            .text = STR_INIT("text"),
            .detail_type = STR_INIT("ShardMoved"),
            .detail = STR_INIT("\0\1\2") },
    { .type = RPC_FRAME_BUSY, .id = 9 },
    { .type = RPC_FRAME_CANCEL, .id = 10, .method = 300, .key = 12 },
    { .type = RPC_FRAME_NOTIFY, .method = 180, .key = 3, .body = STR_INIT("note") },
    { .type = RPC_FRAME_PING },
    { .type = RPC_FRAME_PONG },
    { .type = RPC_FRAME_GOAWAY, .text = STR_INIT("draining") },
};

static void expect_same(const struct rpc_frame *a, const struct rpc_frame *b)
{
    cr_assert_eq(a->type, b->type);
    cr_assert_eq(a->id, b->id);
    cr_assert_eq(a->method, b->method);
    cr_assert_eq(a->key, b->key);
    cr_assert_eq(a->timeout_ms, b->timeout_ms);
    cr_assert_eq(a->err, b->err);
    cr_assert(str_eq(a->body, b->body) && str_eq(a->text, b->text));
    cr_assert(str_eq(a->detail_type, b->detail_type) && str_eq(a->detail, b->detail));
    cr_assert_eq(a->hello.version, b->hello.version);
    cr_assert(uuid_eq(a->hello.cluster_id, b->hello.cluster_id));
    cr_assert(uuid_eq(a->hello.member_id, b->hello.member_id));
    cr_assert(str_eq(a->hello.role, b->hello.role));
    cr_assert_eq(a->hello.max_frame, b->hello.max_frame);
    cr_assert_eq(a->hello.inbound_max, b->hello.inbound_max);
}

Test(frame, round_trip)
{
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        cr_assert(rpc_frame_put(&wire, &samples[i]));
    }
    struct str in = buf_str(&wire), bytes;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        struct rpc_frame got;
        cr_assert_eq(rpc_frame_split(&in, 4096, &bytes), RPC_SPLIT_FRAME);
        cr_assert(rpc_frame_get(bytes, &got));
        expect_same(&got, &samples[i]);
    }
    cr_assert_eq(in.len, 0u);
}

Test(frame, every_cut_is_noticed)
{
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        struct rpc_frame got;
        struct str bytes;
        buf_reset(&wire);
        rpc_frame_put(&wire, &samples[i]);
        for (size_t n = 0; n < wire.len; n++) {
            struct str in = str_of(wire.ptr, n);
            cr_assert_eq(rpc_frame_split(&in, 4096, &bytes), RPC_SPLIT_MORE);
            cr_assert_eq(in.len, n, "nothing is taken");
        }
        for (size_t n = RPC_FRAME_HEAD; n < wire.len; n++) {
            struct str cut = str_of(wire.ptr + RPC_FRAME_HEAD, n - RPC_FRAME_HEAD);
            cr_assert_not(rpc_frame_get(cut, &got));
        }
    }
}

Test(frame, length_is_checked_before_bytes_are_there)
{
    struct str bytes, zero = STR("\0\0\0\0"), above = STR("\x01\x10\0\0");
    cr_assert_eq(rpc_frame_split(&zero, 4096, &bytes), RPC_SPLIT_BAD);
    cr_assert_eq(rpc_frame_split(&above, 4096, &bytes), RPC_SPLIT_BAD);
    struct str at_most = STR("\x00\x10\0\0");
    cr_assert_eq(rpc_frame_split(&at_most, 4096, &bytes), RPC_SPLIT_MORE);
}

Test(frame, fields_of_a_newer_sender_are_ignored)
{
    struct rpc_frame got;
    mp_put_array(&wire, 4);
    mp_put_uint(&wire, RPC_FRAME_RESPONSE);
    mp_put_uint(&wire, 5);
    mp_put_bin(&wire, STR("answer"));
    mp_put_array(&wire, 2);
    mp_put_uint(&wire, 1);
    mp_put_bool(&wire, true);
    cr_assert(rpc_frame_get(buf_str(&wire), &got));
    cr_assert(got.id == 5 && str_eq(got.body, STR("answer")));
    mp_put_uint(&wire, 1); /* behind the array */
    cr_assert_not(rpc_frame_get(buf_str(&wire), &got));
}

Test(frame, a_newer_error_is_internal)
{
    struct rpc_frame got;
    mp_put_array(&wire, 6);
    mp_put_uint(&wire, RPC_FRAME_ERROR);
    mp_put_uint(&wire, 5);
    mp_put_bin(&wire, STR("INVENTED_LATER"));
    for (int i = 0; i < 3; i++) {
        mp_put_bin(&wire, STR(""));
    }
    cr_assert(rpc_frame_get(buf_str(&wire), &got));
    cr_assert_eq(got.err, ERR_INTERNAL);
}

Test(frame, unknown_types_and_wrong_ids_are_refused)
{
    struct rpc_frame got;
    cr_assert_not(rpc_frame_get(STR("\x91\x00"), &got));
    cr_assert_not(rpc_frame_get(STR("\x91\x0b"), &got));
    cr_assert_not(rpc_frame_get(STR("\x91\xa1x"), &got));
    cr_assert_not(rpc_frame_get(STR(""), &got));
    /* A HELLO whose cluster id is too short. */
    cr_assert_not(rpc_frame_get(STR("\x97\x01\x01\xc4\x01x\xc4\x01x\xc4\x01x\x01\x01"), &got));
}

Test(frame, full_buffer_takes_nothing)
{
    struct buf small;
    buf_init(&small, 200);
    cr_assert(rpc_frame_put(&small, &(struct rpc_frame){ .type = RPC_FRAME_PING }));
    size_t before = small.len;
    cr_assert_not(rpc_frame_put(
            &small, &(struct rpc_frame){ .type = RPC_FRAME_RESPONSE,
                            .body = STR("01234567890123456789012345678901234567890123456789") }));
    cr_assert_eq(small.len, before);
    buf_deinit(&small);
}
