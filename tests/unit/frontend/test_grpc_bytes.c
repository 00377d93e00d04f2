/* Framing and gzip: bytes in pieces, and sizes that must not cost memory. */
#include <criterion/criterion.h>
#include <zlib.h>

#include "frontend/grpc/frame.h"
#include "frontend/grpc/gzip.h"

enum { MAX = 1000 };

Test(frame, a_message_in_any_pieces)
{
    struct str whole = STR("\0\0\0\0\5hello");
    for (size_t cut = 0; cut <= whole.len; cut++) {
        struct frame_reader r = { 0 };
        struct str first = str_of(whole.ptr, cut), second = str_drop(whole, cut);
        enum frame_result result = frame_feed(&r, &first, MAX);
        cr_assert_eq(result, cut == whole.len ? FRAME_MESSAGE : FRAME_MORE);
        cr_assert_eq(first.len, 0);
        cr_assert_eq(frame_feed(&r, &second, MAX), FRAME_MESSAGE);
        cr_assert(str_eq(frame_message(&r), STR("hello")));
        frame_free(&r);
    }
}

Test(frame, two_messages_and_an_empty_one)
{
    struct str in = STR("\0\0\0\0\0\1\0\0\0\2ab\0\0\0\0\1c");
    struct frame_reader r = { 0 };
    cr_assert_eq(frame_feed(&r, &in, MAX), FRAME_MESSAGE);
    cr_assert(str_empty(frame_message(&r)) && frame_is_complete(&r) && !frame_is_compressed(&r));
    frame_next(&r);
    cr_assert_not(frame_is_complete(&r));
    cr_assert_eq(frame_feed(&r, &in, MAX), FRAME_MESSAGE);
    cr_assert(str_eq(frame_message(&r), STR("ab")) && frame_is_compressed(&r));
    frame_next(&r);
    cr_assert_eq(frame_feed(&r, &in, MAX), FRAME_MESSAGE);
    cr_assert(str_eq(frame_message(&r), STR("c")) && in.len == 0);
    frame_free(&r);
}

Test(frame, an_announced_size_costs_nothing)
{
    struct frame_reader r = { 0 };
    struct str in = STR("\0\xff\xff\xff\xff");
    cr_assert_eq(frame_feed(&r, &in, MAX), FRAME_TOO_LARGE);
    cr_assert_eq(r.size, UINT32_MAX);
    cr_assert_null(r.body);
    frame_free(&r);
    in = STR("\0\0\x40\0\0x"); /* 4 MiB announced, one byte sent */
    cr_assert_eq(frame_feed(&r, &in, 4 << 20), FRAME_MORE);
    cr_assert_leq(r.cap, 4096);
    frame_free(&r);
}

Test(frame, exactly_the_maximum_is_accepted)
{
    struct frame_reader r = { 0 };
    struct str in = STR("\0\0\0\0\3abc");
    cr_assert_eq(frame_feed(&r, &in, 3), FRAME_MESSAGE);
    frame_free(&r);
    in = STR("\0\0\0\0\3abc");
    cr_assert_eq(frame_feed(&r, &in, 2), FRAME_TOO_LARGE);
    frame_free(&r);
}

Test(frame, unknown_flags_are_refused)
{
    struct frame_reader r = { 0 };
    struct str in = STR("\2\0\0\0\0");
    cr_assert_eq(frame_feed(&r, &in, MAX), FRAME_BAD);
    frame_free(&r);
}

static struct buf deflated(struct gzip *g, struct str in)
{
    struct buf b;
    buf_init(&b, 64 << 20);
    cr_assert(gzip_deflate(g, in, &b));
    return b;
}

Test(gzip, there_and_back_many_times)
{
    struct gzip *g = gzip_new();
    char text[100000];
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)("durable"[i % 7] + (i / 1000) % 3);
    }
    for (size_t len = 0; len < sizeof(text); len += 9999) {
        struct buf packed = deflated(g, str_of(text, len)), out;
        buf_init(&out, sizeof(text));
        cr_assert_eq(gzip_inflate(g, buf_str(&packed), &out), GZIP_OK);
        cr_assert(str_eq(buf_str(&out), str_of(text, len)));
        buf_deinit(&packed);
        buf_deinit(&out);
    }
    gzip_free(g);
}

Test(gzip, a_bomb_stops_at_the_maximum)
{
    struct gzip *g = gzip_new();
    size_t size = 32 << 20;
    char *zeros = calloc(1, size);
    struct buf bomb = deflated(g, str_of(zeros, size)), out;
    free(zeros);
    cr_assert_lt(bomb.len, 200000);
    buf_init(&out, 1 << 20);
    cr_assert_eq(gzip_inflate(g, buf_str(&bomb), &out), GZIP_TOO_LARGE);
    cr_assert_leq(out.cap, 1 << 20);
    buf_deinit(&out);
    buf_deinit(&bomb);
    gzip_free(g);
}

Test(gzip, exactly_the_maximum_inflates)
{
    struct gzip *g = gzip_new();
    struct buf packed = deflated(g, STR("0123456789")), out;
    buf_init(&out, 10);
    cr_assert_eq(gzip_inflate(g, buf_str(&packed), &out), GZIP_OK);
    cr_assert(str_eq(buf_str(&out), STR("0123456789")));
    buf_deinit(&out);
    buf_init(&out, 9);
    cr_assert_eq(gzip_inflate(g, buf_str(&packed), &out), GZIP_TOO_LARGE);
    buf_deinit(&out);
    buf_deinit(&packed);
    gzip_free(g);
}

Test(gzip, members_follow_each_other_and_damage_is_noticed)
{
    struct gzip *g = gzip_new();
    struct buf one = deflated(g, STR("one")), two = deflated(g, STR("two")), out;
    struct buf both;
    buf_init(&both, 1000);
    buf_append_str(&both, buf_str(&one));
    buf_append_str(&both, buf_str(&two));
    buf_init(&out, 1000);
    cr_assert_eq(gzip_inflate(g, buf_str(&both), &out), GZIP_OK);
    cr_assert(str_eq(buf_str(&out), STR("onetwo")));
    for (size_t len = 0; len < one.len; len++) {
        buf_reset(&out);
        cr_assert_eq(gzip_inflate(g, str_of(one.ptr, len), &out), GZIP_BAD);
    }
    one.ptr[one.len - 6] ^= 1; /* the checksum */
    buf_reset(&out);
    cr_assert_eq(gzip_inflate(g, buf_str(&one), &out), GZIP_BAD);
    cr_assert_eq(gzip_inflate(g, STR("not gzip at all"), &out), GZIP_BAD);
    buf_deinit(&one);
    buf_deinit(&two);
    buf_deinit(&both);
    buf_deinit(&out);
    gzip_free(g);
}
