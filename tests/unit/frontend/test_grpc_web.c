/* gRPC-web by its bytes: both forms, errors, long polls, origins. */
#include <stdio.h>

#include "frontend/grpc/web.h"
#include "tests/unit/frontend/web_world.h"

static void assert_says(const char *said, const char *what)
{
    cr_assert(strstr(said, what), "no '%s' in '%s'", what, said);
}

static void assert_has(struct str bytes)
{
    cr_assert(memmem(web.out.ptr, web.out.len, bytes.ptr, bytes.len), "bytes are missing in '%s'",
            web.out.ptr);
}

static const char *call_with(const char *path, const char *headers, struct str body)
{
    static char text[2048];
    int n = snprintf(text, sizeof(text),
            "POST %s HTTP/1.1\r\nHost: here:1\r\nContent-Length: %zu\r\n%s\r\n", path, body.len,
            headers);
    memcpy(text + n, body.ptr, body.len);
    return web_say_bytes(str_of(text, (size_t)n + body.len));
}

#define WEB  "content-type: application/grpc-web+proto\r\n"
#define TEXT "content-type: application/grpc-web-text\r\n"

Test(grpc_web, a_reply_and_its_trailers_are_frames_of_the_body)
{
    web_open(H2_PORT_WEB, "");
    const char *said = call_with("/t.S/Echo", WEB, STR("\0\0\0\0\3abc"));
    assert_says(said, "HTTP/1.1 200 OK\r\n");
    assert_says(said, "content-type: application/grpc-web+proto\r\n");
    assert_says(said, "transfer-encoding: chunked\r\n");
    assert_has(STR("\r\n\r\n8\r\n\0\0\0\0\3abc\r\n"));
    assert_has(STR("14\r\n\x80\0\0\0\x0fgrpc-status:0\r\n\r\n0\r\n\r\n"));
    assert_has(STR("0\r\n\r\n"));
    cr_assert(web.is_alive);
    call_with("/t.S/Echo", WEB, STR("\0\0\0\0\0"));
    cr_assert_eq(web.echoed, 2);
    web_close();
}

Test(grpc_web, the_text_form_is_base64_both_ways)
{
    web_open(H2_PORT_WEB, "");
    const char *said = call_with("/t.S/Echo", TEXT, STR("AAAAAANhYmM=")); /* 0 00000003 abc */
    assert_says(said, "content-type: application/grpc-web-text+proto\r\n");
    assert_says(said, "\r\nAAAAAANhYmM=\r\n");
    assert_says(said, "gAAAAA9ncnBjLXN0YXR1czowDQo=");
    /* each part may be padded */
    call_with("/t.S/Echo", TEXT,
            STR("AAAA"
                "AAM="
                "YQ=="
                "YmM="));
    cr_assert_eq(web.echoed, 2);
    assert_says(web.out.ptr, "AAAAAANhYmM=");
    assert_says(call_with("/t.S/Echo", TEXT, STR("AA!A")), "gAAAA"); /* trailers: an error */
    cr_assert_eq(web.echoed, 2);
    web_close();
}

Test(grpc_web, errors_have_status_message_and_details_in_the_body)
{
    web_open(H2_PORT_WEB, "");
    const char *said = call_with("/t.S/Fail", WEB, STR("\0\0\0\0\0"));
    assert_says(said, "HTTP/1.1 200 OK\r\n");
    assert_has(STR("grpc-status:5\r\ngrpc-message:no caf%C3%A9\r\ngrpc-status-details-bin:"));
    call_with("/t.S/None", WEB, STR("\0\0\0\0\0"));
    assert_has(STR("grpc-status:12\r\ngrpc-message:unknown method None for service t.S\r\n"));
    static char large[1500] = { 0, 0, 0, 5, 0 };
    call_with("/t.S/Echo", WEB, str_of(large, sizeof(large)));
    assert_has(STR("grpc-status:8\r\n"));
    cr_assert_eq(web.echoed, 0);
    web_close();
}

Test(grpc_web, a_long_poll_is_cancelled_with_its_connection)
{
    web_open(H2_PORT_WEB, "");
    cr_assert_str_empty(call_with("/t.S/Park", WEB, STR("\0\0\0\0\0")));
    web_lose_connection();
    cr_assert_eq(web.cancelled, 1);
    grpc_call_reply(web.parked, STR("late"));
    cr_assert_eq(web.undelivered, 1);
    web_close();
}

Test(grpc_web, a_deadline_is_kept)
{
    web_open(H2_PORT_WEB, "");
    call_with("/t.S/Park", WEB "grpc-timeout: 2S\r\n", STR("\0\0\0\0\0"));
    lane_manual_advance(web.lane, DURATION_SECONDS(3));
    web_hear();
    assert_has(STR("grpc-status:4\r\n"));
    cr_assert_eq(web.cancelled, 1);
    struct fail f;
    fail(&f, ERR_CANCELLED, "cancelled");
    grpc_call_fail(web.parked, &f);
    web_close();
}

Test(grpc_web, only_grpc_web_is_taken)
{
    web_open(H2_PORT_WEB, "");
    assert_says(call_with("/t.S/Echo", "content-type: application/grpc\r\n", STR("\0\0\0\0\0")),
            "HTTP/1.1 415");
    assert_says(call_with("/t.S/Echo", "content-type: application/grpc-web+json\r\n", STR("{}")),
            "HTTP/1.1 415");
    assert_says(web_say("GET /t.S/Echo HTTP/1.1\r\nhost: a\r\n\r\n"), "HTTP/1.1 404");
    web_close();
    web_open(H2_PORT_OPERATOR, "");
    assert_says(call_with("/t.S/Echo", WEB, STR("\0\0\0\0\0")), "HTTP/1.1 404");
    cr_assert_eq(web.echoed, 0);
    web_close();
}

Test(grpc_web, pages_of_other_origins_need_permission)
{
    const struct str empty = STR("\0\0\0\0\0");
    web_open(H2_PORT_WEB, "https://ui.example, http://localhost:3000");
    assert_says(
            call_with("/t.S/Echo", WEB "origin: http://evil.example\r\n", empty), "HTTP/1.1 403");
    assert_says(call_with("/t.S/Echo", WEB "origin: null\r\n", empty), "HTTP/1.1 403");
    cr_assert_eq(web.echoed, 0);
    const char *said = call_with("/t.S/Echo", WEB "origin: https://ui.example\r\n", empty);
    assert_says(said, "access-control-allow-origin: https://ui.example\r\n");
    assert_says(said, "access-control-expose-headers: grpc-status");
    assert_says(call_with("/t.S/Echo", WEB "origin: http://here:1\r\n", empty), "HTTP/1.1 403");
    cr_assert_eq(web.echoed, 1);
    web_close();
}

/* A stranger's name may lead here for a moment: only names that nobody can move are the host's own. */
Test(grpc_web, own_pages_are_those_of_an_address)
{
    static const struct {
        const char *allowed, *authority;
        bool ok, needs_cors;
    } all[] = {
        { "", "127.0.0.1:7243", true, false },
        { "", "localhost:7243", true, false },
        { "", "[::1]:7243", true, false },
        { "", "10.0.0.7", true, false },
        { "", "evil.example:7243", false, true },
        { "", "1.evil.example", false, true },
        { "", "localhost.evil.example", false, true },
        { "http://ui.example", "ui.example", true, true },
        { "*", "evil.example", true, true },
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        char origin[64];
        bool needs_cors;
        snprintf(origin, sizeof(origin), "http://%s", all[i].authority);
        bool ok = web_origin_ok(str_from_cstr(all[i].allowed), str_from_cstr(origin),
                str_from_cstr(all[i].authority), &needs_cors);
        cr_expect(ok == all[i].ok && needs_cors == all[i].needs_cors, "%s", origin);
    }
}

Test(grpc_web, preflights_are_answered_by_origin)
{
    static const char ask[] = "OPTIONS /t.S/Echo HTTP/1.1\r\nhost: a\r\norigin: %s\r\n"
                              "access-control-request-method: POST\r\n"
                              "access-control-request-headers: content-type,x-grpc-web\r\n\r\n";
    char text[512];
    web_open(H2_PORT_WEB, "https://ui.example");
    snprintf(text, sizeof(text), ask, "https://ui.example");
    const char *said = web_say(text);
    assert_says(said, "HTTP/1.1 204 No Content\r\n");
    assert_says(said, "access-control-allow-headers: content-type,x-grpc-web\r\n");
    assert_says(said, "access-control-allow-origin: https://ui.example\r\n");
    cr_assert(web.is_alive && !strstr(said, "content-length"));
    snprintf(text, sizeof(text), ask, "https://evil.example");
    assert_says(web_say(text), "HTTP/1.1 403");
    web_close();
    web_open(H2_PORT_WEB, "*");
    assert_says(web_say(text), "access-control-allow-origin: https://evil.example\r\n");
    web_close();
}

Test(grpc_web, base64_in_any_pieces)
{
    static const char text[] = "AAECAwQFBgcICQoLDA0ODw=="; /* 0 .. 15 */
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        struct web_text t = { 0 };
        char out[WEB_TEXT_PIECE];
        size_t got = 0;
        for (size_t at = 0; at < sizeof(text) - 1; at += piece) {
            size_t left = sizeof(text) - 1 - at;
            struct str in = str_of(text + at, left < piece ? left : piece);
            char now[WEB_TEXT_PIECE];
            int n = web_text_decode(&t, &in, now);
            cr_assert(n >= 0 && in.len == 0);
            memcpy(out + got, now, (size_t)n);
            got += (size_t)n;
        }
        cr_assert_eq(got, 16);
        for (int i = 0; i < 16; i++) {
            cr_assert_eq(out[i], i);
        }
    }
    static const char *const bad[] = { "=", "A=", "AA=A", "AAA=B===", "A A", "AA==\n" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct web_text t = { 0 };
        struct str in = str_from_cstr(bad[i]);
        char now[WEB_TEXT_PIECE];
        int n = 0;
        while (in.len && n >= 0) {
            n = web_text_decode(&t, &in, now);
        }
        cr_expect_eq(n, -1, "%s", bad[i]);
    }
}
