/* Calls over an HTTP/2 client in memory, on a lane driven by hand. */
#include <stdlib.h>

#include "frontend/grpc/gzip.h"
#include "tests/unit/frontend/grpc_world.h"

Test(grpc_calls, a_unary_call)
{
    open_world(&grpc_plain);
    int a = h2_client_unary(w.client, "/t.S/Echo", STR("hello"));
    int b = h2_client_unary(w.client, "/t.S/Echo", STR(""));
    exchange();
    cr_assert(str_eq(body(a), STR("\0\0\0\0\5hello")));
    cr_assert(str_eq(body(b), STR("\0\0\0\0\0")));
    expect_status(a, "0", "");
    cr_assert(h2_client_has(w.client, a, ":status: 200"));
    cr_assert(h2_client_has(w.client, a, "content-type: application/grpc"));
    close_world();
}

Test(grpc_calls, an_error_with_details_is_headers_only)
{
    open_world(&grpc_plain);
    int a = h2_client_unary(w.client, "/t.S/Fail", STR("100%"));
    exchange();
    expect_status(a, "5", "caf%C3%A9 100%25");
    cr_assert_eq(body(a).len, 0);
    cr_assert(strstr(h2_client_get(w.client, a)->headers, "grpc-status-details-bin: CAUS"));
    close_world();
}

/* The failure of a query may be larger than headers may be: its type is what clients go by. */
Test(grpc_calls, a_large_detail_leaves_its_type)
{
    static char large[30000];
    open_world(&grpc_plain);
    int a = h2_client_unary(w.client, "/t.S/Park", STR(""));
    exchange();
    struct fail f;
    fail(&f, ERR_INVALID_ARGUMENT, "no");
    fail_set_detail(&f, STR("QueryFailedFailure"), str_of(large, sizeof(large)));
    grpc_call_fail(w.parked, &f);
    exchange();
    expect_status(a, "3", "no");
    const char *headers = h2_client_get(w.client, a)->headers;
    struct str at = str_from_cstr(strstr(headers, "grpc-status-details-bin: "));
    cr_assert(at.len > 100 && at.len < 300);
    close_world();
}

Test(grpc_calls, unknown_methods_and_services)
{
    open_world(&grpc_plain);
    int a = h2_client_unary(w.client, "/t.S/Nope", STR(""));
    int b = h2_client_unary(w.client, "/t.T/Nope", STR(""));
    int c = h2_client_unary(w.client, "/nope", STR(""));
    exchange();
    expect_status(a, "12", "unknown method Nope for service t.S");
    expect_status(b, "12", "unknown service t.T");
    expect_status(c, "12", "malformed method name: \"/nope\"");
    close_world();
}

Test(grpc_calls, what_is_not_grpc_gets_415)
{
    open_world(&grpc_plain);
    static const char *const json[] = { "content-type: application/json", NULL };
    int a = h2_client_call(w.client, "/t.S/Echo", STR("{}"), true, json);
    exchange();
    cr_assert(h2_client_has(w.client, a, ":status: 415"));
    cr_assert(h2_client_get(w.client, a)->is_closed);
    cr_assert_eq(w.echoed, 0);
    close_world();
}

Test(grpc_calls, metadata_can_be_looked_up)
{
    open_world(&grpc_plain);
    static const char *const extra[] = { "temporal-namespace: default", "x-long: 0123456789",
        NULL };
    int a = h2_client_call(w.client, "/t.S/Metadata", STR("\0\0\0\0\0"), true, extra);
    exchange();
    cr_assert(str_eq(body(a), STR("\0\0\0\0\7default")));
    close_world();
}

Test(grpc_calls, a_message_above_the_maximum_is_refused_before_it_is_read)
{
    open_world(&(struct grpc_config){ .message_max = 10 });
    int a = h2_client_unary(w.client, "/t.S/Echo", STR("0123456789"));
    int b = h2_client_unary(w.client, "/t.S/Echo", STR("0123456789x"));
    int c = h2_client_call(w.client, "/t.S/Echo", STR("\0\xff\xff\xff\xff"), false, NULL);
    exchange();
    expect_status(a, "0", "");
    expect_status(b, "8", "grpc: received message larger than max (11 vs. 10)");
    expect_status(c, "8", "grpc: received message larger than max (4294967295 vs. 10)");
    cr_assert_eq(h2_client_get(w.client, c)->reset_code, 0); /* NO_ERROR: do not send the rest */
    cr_assert_eq(w.echoed, 1);
    close_world();
}

Test(grpc_calls, malformed_requests_get_an_error_and_harm_nobody)
{
    open_world(&grpc_plain);
    static const char *const timeout[] = { "grpc-timeout: 10s", NULL };
    static const char *const zstd[] = { "grpc-encoding: zstd", NULL };
    struct str one = STR("\0\0\0\0\1x");
    int a = h2_client_call(w.client, "/t.S/Echo", STR(""), true, NULL);
    int b = h2_client_call(w.client, "/t.S/Echo", STR("\0\0\0\0\5he"), true, NULL);
    int c = h2_client_call(w.client, "/t.S/Echo", STR("\0\0\0\0\1x\0\0\0\0\1y"), true, NULL);
    int d = h2_client_call(w.client, "/t.S/Echo", STR("\7\0\0\0\1x"), true, NULL);
    int e = h2_client_call(w.client, "/t.S/Echo", STR("\1\0\0\0\1x"), true, NULL);
    int f = h2_client_call(w.client, "/t.S/Echo", one, true, timeout);
    int g = h2_client_call(w.client, "/t.S/Echo", one, true, zstd);
    int h = h2_client_unary(w.client, "/t.S/Echo", STR("fine"));
    exchange();
    expect_status(a, "13", "the request has no message");
    expect_status(b, "13", "the request ends within a message");
    expect_status(c, "13", "more than one message for a unary method");
    expect_status(d, "13", "grpc: received unexpected payload format 7");
    expect_status(e, "13", "grpc: compressed flag set with identity or empty encoding");
    expect_status(f, "13", "malformed grpc-timeout");
    expect_status(g, "12", "grpc: Decompressor is not installed for grpc-encoding \"zstd\"");
    cr_assert(h2_client_has(w.client, g, "grpc-accept-encoding: identity,gzip"));
    expect_status(h, "0", "");
    cr_assert_eq(w.echoed, 1);
    close_world();
}

static struct buf gzipped(struct str message)
{
    struct gzip *g = gzip_new();
    struct buf packed, b;
    buf_init(&packed, 1 << 20);
    buf_init(&b, 1 << 20);
    cr_assert(gzip_deflate(g, message, &packed));
    const uint8_t prefix[5] = { 1, (uint8_t)(packed.len >> 24), (uint8_t)(packed.len >> 16),
        (uint8_t)(packed.len >> 8), (uint8_t)packed.len };
    buf_append(&b, prefix, 5);
    buf_append_str(&b, buf_str(&packed));
    buf_deinit(&packed);
    gzip_free(g);
    return b;
}

static const char *const gzip_headers[] = { "grpc-encoding: gzip",
    "grpc-accept-encoding: identity,deflate,gzip", NULL };

Test(grpc_calls, gzip_both_ways_in_pieces)
{
    char text[5000];
    memset(text, 'a', sizeof(text));
    open_world(&(struct grpc_config){ .gzip_min = 1000 });
    struct buf in = gzipped(str_of(text, sizeof(text))), small = gzipped(STR("small"));
    int a = h2_client_call(w.client, "/t.S/Echo", str_of(in.ptr, 3), false, gzip_headers);
    exchange();
    for (size_t i = 3; i < in.len; i++) { /* a DATA frame for every byte */
        h2_client_send(w.client, a, str_of(in.ptr + i, 1), i + 1 == in.len);
        exchange();
    }
    int b = h2_client_call(w.client, "/t.S/Echo", buf_str(&small), true, gzip_headers);
    exchange();
    expect_status(a, "0", "");
    cr_assert(h2_client_has(w.client, a, "grpc-encoding: gzip"));
    struct gzip *g = gzip_new();
    struct buf out;
    buf_init(&out, sizeof(text));
    cr_assert_eq(body(a).ptr[0], 1);
    cr_assert_eq(gzip_inflate(g, str_drop(body(a), 5), &out), GZIP_OK);
    cr_assert(str_eq(buf_str(&out), str_of(text, sizeof(text))));
    cr_assert(str_eq(body(b), STR("\0\0\0\0\5small"))); /* below gzip_min: plain */
    cr_assert_not(h2_client_has(w.client, b, "grpc-encoding: gzip"));
    buf_deinit(&out);
    gzip_free(g);
    buf_deinit(&in);
    buf_deinit(&small);
    close_world();
}

Test(grpc_calls, gzip_bombs_and_refused_gzip)
{
    char *zeros = calloc(1, 100000);
    struct buf bomb = gzipped(str_of(zeros, 100000));
    free(zeros);
    open_world(&(struct grpc_config){ .message_max = 50000 });
    int a = h2_client_call(w.client, "/t.S/Echo", buf_str(&bomb), true, gzip_headers);
    int b = h2_client_call(w.client, "/t.S/Echo", STR("\1\0\0\0\1x"), true, gzip_headers);
    exchange();
    expect_status(a, "8", "grpc: received message after decompression larger than max 50000");
    expect_status(b, "13", "grpc: failed to decompress the received message");
    close_world();
    open_world(&(struct grpc_config){ .refuse_gzip = true });
    a = h2_client_call(w.client, "/t.S/Echo", buf_str(&bomb), true, gzip_headers);
    exchange();
    expect_status(a, "12", "grpc: Decompressor is not installed for grpc-encoding \"gzip\"");
    close_world();
    buf_deinit(&bomb);
}

Test(grpc_calls, a_parked_call_is_answered_later)
{
    open_world(&grpc_plain);
    int a = h2_client_unary(w.client, "/t.S/Park", STR("x"));
    exchange();
    cr_assert(w.parked && grpc_call_is_live(w.parked));
    uint64_t id = w.parked->id;
    cr_assert_eq(grpc_call_find(w.server, id), w.parked);
    cr_assert_eq(w.parked->deadline.ns, INSTANT_NEVER.ns);
    cr_assert_not(h2_session_wants_write(w.session));
    unsigned wakes = w.wakes;
    grpc_call_reply(w.parked, STR("later"));
    cr_assert_gt(w.wakes, wakes);
    cr_assert_null(grpc_call_find(w.server, id));
    exchange();
    expect_status(a, "0", "");
    cr_assert(str_eq(body(a), STR("\0\0\0\0\5later")));
    cr_assert_eq(w.undelivered, 0);
    cr_assert_null(grpc_call_find(w.server, id));
    close_world();
}

Test(grpc_calls, a_cancelled_call_lives_until_it_is_answered)
{
    open_world(&grpc_plain);
    int a = h2_client_unary(w.client, "/t.S/Park", STR("x"));
    exchange();
    struct grpc_call *call = w.parked;
    uint64_t id = call->id;
    h2_client_reset(w.client, a);
    exchange();
    cr_assert_eq(w.cancelled, 1);
    cr_assert_eq(w.why, GRPC_CANCEL_CLIENT);
    cr_assert_not(grpc_call_is_live(call));
    cr_assert_null(grpc_call_find(w.server, id));
    cr_assert_eq(grpc_server_calls(w.server), 1);
    grpc_call_reply(call, STR("too late"));
    cr_assert_eq(w.undelivered, 1);
    cr_assert_eq(grpc_server_calls(w.server), 0);
    int b = h2_client_unary(w.client, "/t.S/Echo", STR("next"));
    exchange();
    expect_status(b, "0", "");
    close_world();
}

Test(grpc_calls, a_lost_connection_cancels)
{
    open_world(&grpc_plain);
    h2_client_unary(w.client, "/t.S/Park", STR("x"));
    exchange();
    lose_connection();
    cr_assert_eq(w.cancelled, 1);
    struct fail f;
    fail(&f, ERR_UNAVAILABLE, "late");
    grpc_call_fail(w.parked, &f);
    cr_assert_eq(w.undelivered, 0); /* an error is not a delivery */
    close_world();
}

Test(grpc_calls, a_reply_that_never_reached_the_socket_is_reported)
{
    open_world(&grpc_plain);
    /* Answered, but the cancellation is read before the answer is pulled. */
    int a = h2_client_unary(w.client, "/t.S/Park", STR("x"));
    exchange();
    h2_client_reset(w.client, a);
    grpc_call_reply(w.parked, STR("reply"));
    exchange();
    cr_assert_eq(w.undelivered, 1);
    /* Pulled, but the socket took nothing of it before the connection was lost. */
    h2_client_unary(w.client, "/t.S/Park", STR("x"));
    exchange();
    grpc_call_reply(w.parked, STR("reply"));
    h2_client_pull_and_lose(w.client);
    cr_assert_eq(w.undelivered, 1);
    lose_connection();
    cr_assert_eq(w.undelivered, 2);
    close_world();
}

Test(grpc_calls, a_reply_that_was_sent_is_not_reported)
{
    open_world(&grpc_plain);
    h2_client_unary(w.client, "/t.S/Park", STR("x"));
    exchange();
    grpc_call_reply(w.parked, STR("reply"));
    h2_client_pull_and_lose(w.client);
    h2_session_sent(w.session);
    lose_connection();
    cr_assert_eq(w.undelivered, 0);
    close_world();
}

Test(grpc_calls, deadlines)
{
    open_world(&grpc_plain);
    static const char *const timeout[] = { "grpc-timeout: 2S", NULL };
    static const char *const none[] = { "grpc-timeout: 0m", NULL };
    int a = h2_client_call(w.client, "/t.S/Park", STR("\0\0\0\0\0"), true, timeout);
    int b = h2_client_call(w.client, "/t.S/Echo", STR("\0\0\0\0\0"), true, none);
    int c = h2_client_call(w.client, "/t.S/Echo", STR("\0\0\0\0\5he"), false, timeout);
    exchange();
    expect_status(b, "4", "the deadline passed");
    lane_manual_advance(w.lane, DURATION_MS(1999));
    exchange();
    cr_assert_eq(w.cancelled, 0);
    cr_assert_not(h2_client_get(w.client, a)->is_closed);
    lane_manual_advance(w.lane, DURATION_MS(2));
    exchange();
    expect_status(a, "4", "the deadline passed");
    expect_status(c, "4", "the deadline passed"); /* an upload that never ends */
    cr_assert_eq(w.cancelled, 1);
    cr_assert_eq(w.why, GRPC_CANCEL_DEADLINE);
    grpc_call_reply(w.parked, STR("late"));
    cr_assert_eq(w.undelivered, 1);
    close_world();
}
