/* HTTP/1.1 by its bytes: requests, answers, the end of connections. */
#include "frontend/transport/http1_head.h"
#include "tests/unit/frontend/web_world.h"

static void assert_says(const char *said, const char *what)
{
    cr_assert(strstr(said, what), "no '%s' in '%s'", what, said);
}

static int parse(const char *text, struct http1_head *head)
{
    static char bytes[2048];
    size_t n = strlen(text);
    memcpy(bytes, text, n);
    return http1_head_parse(bytes, n, head);
}

Test(http1_head, what_is_a_request)
{
    struct http1_head h;
    cr_assert_eq(parse("GET /x?y HTTP/1.1\r\nHost: a\r\nX-A:  b c \r\n\r\n", &h), 0);
    cr_assert(str_eq(h.method, STR("GET")) && str_eq(h.target, STR("/x?y")));
    cr_assert(str_eq(h.host, STR("a")) && !h.is_close && !h.is_old);
    struct str name, value;
    cr_assert(http1_field(&h.fields, &name, &value) && str_eq(name, STR("host")));
    cr_assert(http1_field(&h.fields, &name, &value) && str_eq(value, STR("b c")));
    cr_assert(!http1_field(&h.fields, &name, &value));
    cr_assert_eq(parse("POST / HTTP/1.0\r\ncontent-length: 12\r\n\r\n", &h), 0);
    cr_assert(h.is_old && h.is_close && h.length == 12);
    cr_assert_eq(parse("POST / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", &h), 0);
    cr_assert(!h.is_close);
    cr_assert_eq(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n", &h), 0);
    cr_assert(h.is_close);
    cr_assert_eq(parse("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", &h), 0);
    cr_assert(h.is_chunked);
}

Test(http1_head, what_is_ambiguous_is_refused)
{
    static const struct {
        int status;
        const char *text;
    } all[] = {
        { 400, "GET / HTTP/1.1\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n" },
        { 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 400, "GET /\tx HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 400, "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n" },
        { 400, "GET / HTTP/1.1\nHost: a\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: "
               "chunked\r\n\r\n" },
        { 400, "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" },
        { 501, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" },
        { 505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n" },
        { 400, "GET / HTTP/1.12\r\nHost: a\r\n\r\n" },
        { 400, "\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\nHost: a\r\n\r\nmore" },
    };
    struct http1_head h;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        cr_expect_eq(parse(all[i].text, &h), all[i].status, "%s", all[i].text);
    }
}

static const char chunked[] = "POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";

Test(http1, chunks_cut_anywhere_are_a_body)
{
    static const char text[] =
            "5;ext=1\r\nhello\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nt: x\r\n\r\n";
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        struct http1_chunks c = { 0 };
        char body[64];
        size_t got = 0;
        enum http1_chunk r = HTTP1_CHUNK_MORE;
        for (size_t at = 0; at < sizeof(text) - 1; at += piece) {
            size_t n = sizeof(text) - 1 - at;
            struct str in = str_of(text + at, n < piece ? n : piece), data;
            while ((r = http1_chunks_feed(&c, &in, &data)) == HTTP1_CHUNK_DATA) {
                memcpy(body + got, data.ptr, data.len);
                got += data.len;
            }
        }
        cr_assert_eq(r, HTTP1_CHUNK_END);
        cr_assert(got == 31 && !memcmp(body, "helloabcdefghijklmnopqrstuvwxyz", 31));
    }
}

Test(http1, wrong_chunks_are_refused)
{
    static const char *const all[] = { "x\r\n", "\r\n", "1\n", "1\r\nab", "1\r\na\rb", ";\r\n",
        "1234567890123\r\n", "0\r\n\n", "-1\r\n" };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct http1_chunks c = { 0 };
        struct str in = str_from_cstr(all[i]), data;
        enum http1_chunk r;
        while ((r = http1_chunks_feed(&c, &in, &data)) == HTTP1_CHUNK_DATA) {
        }
        cr_expect_eq(r, HTTP1_CHUNK_BAD, "%s", all[i]);
    }
}

Test(http1, a_connection_serves_one_request_after_the_other)
{
    web_open(H2_PORT_OPERATOR, "");
    for (int i = 0; i < 3; i++) {
        const char *said = web_say("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_says(said, "HTTP/1.1 200 OK\r\n");
        assert_says(said, "content-length: 6\r\n");
        assert_says(said, "\r\n\r\nhello\n");
        cr_assert(web.is_alive && !strstr(said, "connection:"));
    }
    assert_says(web_say("GET /none HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 404 Not Found\r\n");
    const char *said = web_say("HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_says(said, "content-length: 6\r\n");
    cr_assert(!strstr(said, "hello"));
    said = web_say("GET /hello HTTP/1.1\r\nHost: a\r\nconnection: close\r\n\r\n");
    assert_says(said, "connection: close\r\n");
    cr_assert(!web.is_alive);
    web_close();
}

Test(http1, bytes_may_arrive_one_by_one)
{
    web_open(H2_PORT_OPERATOR, "");
    const char text[] = "PUT /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                        "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    unsigned answers = 0;
    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        answers += strstr(web_say_bytes(str_of(text + i, 1)), "200 OK") != NULL;
    }
    /* the first is answered before its body has come, which ends the connection */
    cr_assert(answers == 1 && !web.is_alive);
    web_close();
    web_open(H2_PORT_OPERATOR, "");
    const char *said = web_say(text); /* here it has come */
    assert_says(said, "hello");
    web_close();
    web_open(H2_PORT_OPERATOR, "");
    answers = 0;
    for (size_t i = 54; i + 1 < sizeof(text); i++) { /* the second alone */
        answers += strstr(web_say_bytes(str_of(text + i, 1)), "200 OK") != NULL;
    }
    cr_assert(answers == 1 && web.is_alive);
    web_close();
}

Test(http1, old_clients_get_what_they_understand)
{
    web_open(H2_PORT_OPERATOR, "");
    const char *said = web_say("GET /hello HTTP/1.0\r\n\r\n");
    assert_says(said, "connection: close\r\n");
    cr_assert(!strstr(said, "chunked") && !web.is_alive);
    web_close();
}

Test(http1, malformed_requests_get_an_answer_and_the_end)
{
    web_open(H2_PORT_OPERATOR, "");
    assert_says(web_say("GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 Bad Request\r\nconnection: close");
    assert_says(web_say("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), ""); /* not heard any more */
    cr_assert_eq(web.out.len, 1);
    web_close();
    web_open(H2_PORT_OPERATOR, "");
    static char large[HTTP1_HEAD_MAX + 100];
    memset(large, 'x', sizeof(large) - 1);
    memcpy(large, "GET /", 5);
    assert_says(web_say(large), "HTTP/1.1 431");
    web_close();
}

Test(http1, a_body_whose_end_cannot_be_found_cancels_the_call)
{
    web_open(H2_PORT_WEB, "");
    web_say("POST /t.S/Echo HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc-web\r\n"
            "transfer-encoding: chunked\r\n\r\nxx\r\n");
    cr_assert(!web.is_alive && web.echoed == 0);
    web_close();
}

Test(http1, an_answer_may_come_later_and_its_client_may_have_gone)
{
    web_open(H2_PORT_OPERATOR, "");
    cr_assert_str_empty(web_say("GET /later HTTP/1.1\r\nHost: a\r\n\r\n"));
    grpc_call_http(web.parked, &(struct http_answer){ .status = 503, .body = STR("no\n") });
    cr_assert(web.wakes > 0);
    assert_says(web_hear(), "HTTP/1.1 503 Service Unavailable\r\n");
    web_say("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    web_lose_connection();
    cr_assert_eq(web.cancelled, 1);
    grpc_call_http(web.parked, &(struct http_answer){ .status = 200 });
    web_close();
}

Test(http1, who_does_not_wait_for_answers_is_heard_once)
{
    web_open(H2_PORT_OPERATOR, "");
    web_say("GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    grpc_call_http(web.parked, &(struct http_answer){ .status = 200, .body = STR("late\n") });
    const char *said = web_hear();
    assert_says(said, "late\n");
    assert_says(said, "connection: close\r\n");
    cr_assert(!strstr(said, "hello") && !web.is_alive);
    web_close();
}

Test(http1, draining_ends_idle_connections_and_lets_requests_finish)
{
    web_open(H2_PORT_OPERATOR, "");
    web_say("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    web_say("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    h2_session_drain(web.session);
    web_hear();
    cr_assert(web.is_alive);
    grpc_call_http(web.parked, &(struct http_answer){ .status = 200, .body = STR("late\n") });
    assert_says(web_hear(), "late\n");
    cr_assert(!web.is_alive);
    web_close();
    web_open(H2_PORT_OPERATOR, "");
    web_say("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    h2_session_drain(web.session);
    web_hear();
    cr_assert(!web.is_alive);
    web_close();
}

Test(http1, a_client_that_asks_first_is_told_to_continue)
{
    web_open(H2_PORT_WEB, "");
    const char *said =
            web_say("POST /t.S/Echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n"
                    "content-type: application/grpc-web+proto\r\ncontent-length: 5\r\n\r\n");
    cr_assert_str_eq(said, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_says(web_say_bytes(STR("\0\0\0\0\0")), "200 OK");
    cr_assert_eq(web.echoed, 1);
    web_close();
}

Test(http1, the_grpc_port_tells_clients_of_http1_so)
{
    static const struct h2_peer peer = { STR_INIT("test"), STR_INIT(""), false, H2_PORT_GRPC };
    static const struct h2_config h2 = { 0 };
    web_open(H2_PORT_WEB, "");
    web_lose_connection();
    web.session = h2_session_new(&h2, grpc_app(), web.server, &peer, NULL, NULL);
    assert_says(web_say(chunked), "505 HTTP Version Not Supported");
    web_close();
}
