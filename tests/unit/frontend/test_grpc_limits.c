/* What a peer can make us hold, and the orderly and disorderly ends of a connection. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/frontend/grpc_world.h"

Test(grpc_limits, headers)
{
    open_world(&(struct grpc_config){ .header_max = 1000 });
    char large[900] = "x-large: ";
    memset(large + 9, 'x', sizeof(large) - 10);
    const char *const extra[] = { large, NULL };
    int a = h2_client_call(w.client, "/t.S/Echo", STR("\0\0\0\0\0"), true, extra);
    int b = h2_client_unary(w.client, "/t.S/Echo", STR(""));
    exchange();
    expect_status(a, "8", "request headers are larger than 1000 bytes");
    expect_status(b, "0", "");
    close_world();
}

Test(grpc_limits, open_calls)
{
    open_world(&(struct grpc_config){ .calls_max = 3 });
    for (int i = 0; i < 3; i++) {
        h2_client_unary(w.client, "/t.S/Poll", STR(""));
    }
    exchange();
    int a = h2_client_unary(w.client, "/t.S/Poll", STR(""));
    exchange();
    expect_status(a, "8", "too many open calls");
    cr_assert_eq(w.polls, 3);
    grpc_server_drain(w.server);
    int b = h2_client_unary(w.client, "/t.S/Echo", STR(""));
    exchange();
    expect_status(b, "8", "too many open calls"); /* the answers were still on their way */
    int c = h2_client_unary(w.client, "/t.S/Echo", STR(""));
    exchange();
    expect_status(c, "0", "");
    close_world();
}

/* Many uploads that never end: those that would go over the bound are refused, the others may finish. */
Test(grpc_limits, unfinished_requests_of_a_connection)
{
    enum { UPLOADS = 10, SIZE = 2000 };
    char bytes[5 + SIZE] = { 0, 0, 0, (char)(SIZE >> 8), (char)(SIZE & 0xff) };
    int calls[UPLOADS];
    open_world(&(struct grpc_config){ .received_max = 13000 });
    for (int i = 0; i < UPLOADS; i++) {
        calls[i] = h2_client_call(w.client, "/t.S/Echo", str_of(bytes, 5 + SIZE - 1), false, NULL);
    }
    exchange();
    int refused = 0, finished = 0;
    for (int i = 0; i < UPLOADS; i++) {
        if (h2_client_get(w.client, calls[i])->is_closed) {
            expect_status(calls[i], "8", "too many request bytes are under way");
            refused++;
        } else {
            h2_client_send(w.client, calls[i], STR("x"), true);
            exchange();
            expect_status(calls[i], "0", "");
            finished++;
        }
    }
    cr_assert_eq(refused, 5);
    cr_assert_eq(finished, 5);
    close_world();
}

/* Without a deadline of its own, too: what is open and unfinished counts against all other clients. */
Test(grpc_limits, requests_that_never_end)
{
    open_world(&grpc_plain);
    int head = h2_client_call(w.client, "/t.S/Echo", STR(""), false, NULL);
    int part = h2_client_call(w.client, "/t.S/Echo", str_of("\0\0\0\0\5he", 7), false, NULL);
    int late = h2_client_call(w.client, "/t.S/Echo", str_of("\0\0\0\0\2h", 6), false, NULL);
    int wait = h2_client_unary(w.client, "/t.S/Park", STR("")); /* this one has come */
    exchange();
    lane_manual_advance(w.lane, DURATION_SECONDS(119));
    exchange();
    cr_assert(!h2_client_get(w.client, head)->is_closed);
    h2_client_send(w.client, late, STR("i"), true);
    exchange();
    expect_status(late, "0", "");
    lane_manual_advance(w.lane, DURATION_SECONDS(1));
    exchange();
    expect_status(head, "4", "the request did not come in time");
    expect_status(part, "4", "the request did not come in time");
    cr_assert_eq(grpc_server_calls(w.server), 1);
    lane_manual_advance(w.lane, DURATION_SECONDS(1000));
    grpc_call_reply(w.parked, STR(""));
    exchange();
    expect_status(wait, "0", "");
    close_world();
}

static void replies_that_nobody_takes(const struct grpc_config *config)
{
    open_world(config);
    static char bytes[900];
    int a = h2_client_unary(w.client, "/t.S/Park", STR(""));
    exchange();
    struct grpc_call *first = w.parked;
    int b = h2_client_unary(w.client, "/t.S/Park", STR(""));
    exchange();
    grpc_call_reply(first, str_of(bytes, sizeof(bytes)));
    grpc_call_reply(w.parked, str_of(bytes, sizeof(bytes)));
    exchange();
    expect_status(a, "0", "");
    expect_status(b, "8", "the client does not take its replies");
    cr_assert_eq(w.undelivered, 1);
    int c = h2_client_unary(w.client, "/t.S/Echo", str_of(bytes, sizeof(bytes)));
    exchange();
    expect_status(c, "0", ""); /* taken replies do not count any more */
    close_world();
}

Test(grpc_limits, replies_that_a_connection_does_not_take)
{
    replies_that_nobody_takes(&(struct grpc_config){ .unsent_max = 1000 });
}

Test(grpc_limits, replies_that_no_connection_takes)
{
    replies_that_nobody_takes(&(struct grpc_config){ .unsent_max_lane = 1000 });
}

Test(grpc_limits, thousands_of_cancelled_polls_keep_the_connection)
{
    enum { POLLS = 2000 };
    open_world(&grpc_plain);
    for (int i = 0; i < POLLS; i++) {
        h2_client_unary(w.client, "/t.S/Poll", STR(""));
    }
    exchange();
    cr_assert_eq(w.polls, POLLS);
    for (int i = 0; i < POLLS; i++) {
        h2_client_reset(w.client, i);
    }
    exchange();
    cr_assert_eq(w.cancelled, POLLS);
    cr_assert_eq(grpc_server_calls(w.server), 0);
    int a = h2_client_unary(w.client, "/t.S/Echo", STR("next"));
    exchange();
    expect_status(a, "0", "");
    close_world();
}

Test(grpc_limits, a_drained_connection_finishes_its_calls)
{
    open_world(&grpc_plain);
    int poll = h2_client_unary(w.client, "/t.S/Poll", STR(""));
    exchange();
    cr_assert_eq(h2_client_goaway(w.client), -1);
    h2_session_drain(w.session);
    exchange(); /* notice, round trip, GOAWAY */
    cr_assert_eq(h2_client_goaway(w.client), h2_client_get(w.client, poll)->id);
    cr_assert_not(h2_client_get(w.client, poll)->is_closed);
    cr_assert_not(h2_session_is_done(w.session));
    grpc_server_drain(w.server);
    exchange();
    expect_status(poll, "0", "");
    cr_assert(h2_session_is_done(w.session));
    close_world();
}

Test(grpc_limits, a_poll_that_comes_while_draining_ends_at_once)
{
    open_world(&grpc_plain);
    grpc_server_drain(w.server);
    int poll = h2_client_unary(w.client, "/t.S/Poll", STR(""));
    exchange();
    expect_status(poll, "0", "");
    close_world();
}

Test(grpc_limits, calls_between_notice_and_goaway_are_served)
{
    open_world(&grpc_plain);
    exchange();
    h2_session_drain(w.session);
    int a = h2_client_unary(w.client, "/t.S/Echo", STR("just in time"));
    h2_client_push(w.client); /* it has not seen the notice yet */
    exchange();
    expect_status(a, "0", "");
    cr_assert(h2_session_is_done(w.session));
    close_world();
}

static void on_wake(void *arg)
{
}

/* What a fresh session says to these bytes before it gives up. */
static struct str say(struct str bytes, struct buf *out)
{
    static const struct h2_peer peer = { STR_INIT(""), STR_INIT(""), false };
    static const struct h2_config config = { 0 };
    struct h2_session *s = h2_session_new(&config, grpc_app(), w.server, &peer, on_wake, NULL);
    buf_reset(out);
    cr_assert_not(h2_session_feed(s, bytes));
    cr_assert(h2_session_pull(s, out, 1000));
    cr_assert(h2_session_is_done(s));
    cr_assert_not(h2_session_feed(s, STR("more")));
    h2_session_free(s);
    return buf_str(out);
}

Test(grpc_limits, other_protocols_are_told_or_dropped)
{
    struct buf out;
    buf_init(&out, 10000);
    open_world(&grpc_plain);
    cr_assert(str_starts_with(say(STR("GET / HTTP/1.1\r\n"), &out), STR("HTTP/1.1 505 ")));
    cr_assert(str_starts_with(say(STR("PRI * HTTP/1.1\r\n"), &out), STR("HTTP/1.1 505 ")));
    cr_assert_eq(say(STR("\x16\x03\x01\x02"), &out).len, 0);
    close_world();
    buf_deinit(&out);
}
