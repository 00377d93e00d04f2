/* Plain HTTP on the ports of browsers and operators: which requests are gRPC-web calls, who may make them, and answers in
 * HTTP's own terms. Leaves what there is to see to the config's handler, gRPC-web calls to request.c. */
#include <stdio.h>

#include "frontend/grpc/internal.h"

enum { FORBIDDEN = 403, NOT_FOUND = 404, UNSUPPORTED = 415, TOO_LARGE = 431 };

static void respond(struct call *c, const struct http_answer *answer)
{
    char status[8], length[24];
    snprintf(status, sizeof(status), "%u", answer->status);
    snprintf(length, sizeof(length), "%zu", answer->body.len);
    struct str type = answer->content_type;
    const struct h2_header headers[] = {
        { STR(":status"), str_from_cstr(status) },
        { STR("content-type"), type.len ? type : STR("text/plain; charset=utf-8") },
        { STR("content-length"), str_from_cstr(length) },
        { STR("cache-control"), STR("no-store") },
        { STR("x-content-type-options"), STR("nosniff") },
    };
    bool is_head = str_eq(grpc_call_metadata(&c->pub, STR(":method")), STR("HEAD"));
    bool is_bare = is_head || !answer->body.len;
    h2_stream_respond(&c->stream, headers, ARRAY_LEN(headers), is_bare);
    c->has_headers = true;
    if (!is_bare) {
        struct h2_block *b = h2_block_new(answer->body.len);
        memcpy(b->bytes, answer->body.ptr, answer->body.len);
        h2_stream_send(&c->stream, b);
        h2_stream_finish(&c->stream, NULL, 0);
    }
}

void grpc_call_http(struct grpc_call *call, const struct http_answer *answer)
{
    struct call *c = container_of(call, struct call, pub);
    check(c->is_http && (c->state == CALL_OWNED || c->state == CALL_ABANDONED));
    if (c->state == CALL_OWNED) {
        respond(c, answer);
    }
    callee_answered(c);
}

static void refuse(struct call *c, unsigned status, struct str text)
{
    const struct http_answer answer = { .status = status, .body = text };
    c->is_http = true;
    respond(c, &answer);
    callee_refused(c);
}

size_t http_cors_headers(const struct call *call, struct h2_header to[HTTP_CORS_HEADERS])
{
    if (!call->needs_cors) {
        return 0;
    }
    to[0] = (struct h2_header){ STR("access-control-allow-origin"),
        grpc_call_metadata(&call->pub, STR("origin")) };
    to[1] = (struct h2_header){ STR("access-control-expose-headers"),
        STR("grpc-status,grpc-message,grpc-status-details-bin,grpc-encoding") };
    to[2] = (struct h2_header){ STR("vary"), STR("origin") };
    return HTTP_CORS_HEADERS;
}

/* A browser asks before it lets a page call. What a page may send is its own matter: it has been let in. */
static void answer_preflight(struct call *c)
{
    struct str asked = grpc_call_metadata(&c->pub, STR("access-control-request-headers"));
    struct h2_header headers[4 + HTTP_CORS_HEADERS] = {
        { STR(":status"), STR("204") },
        { STR("access-control-allow-methods"), STR("POST") },
        { STR("access-control-allow-headers"), asked },
        { STR("access-control-max-age"), STR("7200") },
    };
    size_t n = 4 + http_cors_headers(c, headers + 4);
    h2_stream_respond(&c->stream, headers, n, true);
    callee_refused(c);
}

/* Pages of strangers get nothing: not even what needs no permission in their browser is done for them. */
static bool is_welcome(struct call *c)
{
    struct str origin = grpc_call_metadata(&c->pub, STR("origin"));
    struct str authority = grpc_call_metadata(&c->pub, STR(":authority"));
    bool needs_cors;
    bool ok = web_origin_ok(c->conn->server->config.web_origins, origin, authority, &needs_cors);
    c->needs_cors = ok && needs_cors;
    return ok;
}

static void hand_over(struct call *c)
{
    struct grpc_server *s = c->conn->server;
    if (!s->config.http) {
        refuse(c, NOT_FOUND, STR("not found\n"));
        return;
    }
    c->is_http = true;
    c->pub.method = &s->http;
    c->ctx = s->config.http_ctx;
    callee_run(c);
}

bool http_take(struct call *call)
{
    struct call *c = call;
    bool is_web_port = c->conn->peer->port == H2_PORT_WEB;
    bool is_preflight = str_eq(grpc_call_metadata(&c->pub, STR(":method")), STR("OPTIONS")) &&
                        grpc_call_has_metadata(&c->pub, STR("access-control-request-method"));
    if (c->header_bytes > c->conn->server->config.header_max) {
        refuse(c, TOO_LARGE, STR("the request's headers are too large\n"));
        return true;
    }
    if (!is_welcome(c)) {
        refuse(c, FORBIDDEN,
                STR("pages of this origin may not call here (setting http.origins)\n"));
        return true;
    }
    if (is_web_port && is_preflight) {
        answer_preflight(c);
        return true;
    }
    if (!c->is_post || !is_web_port) {
        hand_over(c);
        return true;
    }
    if (c->wire != GRPC_WIRE_WEB && c->wire != GRPC_WIRE_WEB_TEXT) {
        refuse(c, UNSUPPORTED, STR("this port speaks gRPC-web\n"));
        return true;
    }
    return false;
}
