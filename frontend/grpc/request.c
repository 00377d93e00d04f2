/* From stream events to a request that can be handled: headers, checks, messages, limits. Every refusal that
 * gRPC itself makes is made here. Leaves the life of the call to call.c. */
#include <stdlib.h>

#include "frontend/grpc/internal.h"

static struct call *call_of(struct h2_stream *stream)
{
    return container_of(stream, struct call, stream);
}

static void store_metadata(struct call *c, struct str name, struct str value)
{
    uint32_t need = (uint32_t)(4 + name.len + value.len);
    if (c->meta_len + need > c->meta_cap) {
        uint32_t cap = c->meta_cap ? c->meta_cap * 2 : 256;
        c->meta_cap = cap < c->meta_len + need ? c->meta_len + need : cap;
        c->meta = realloc(c->meta, c->meta_cap);
        check(c->meta);
        callee_account(c);
    }
    char *to = c->meta + c->meta_len;
    uint16_t lens[2] = { (uint16_t)name.len, (uint16_t)value.len };
    memcpy(to, lens, 4);
    memcpy(to + 4, name.ptr, name.len);
    if (value.len) {
        memcpy(to + 4 + name.len, value.ptr, value.len);
    }
    c->meta_len += need;
}

void request_header(struct h2_stream *stream, struct str name, struct str value)
{
    struct call *c = call_of(stream);
    if (c->header_bytes > c->conn->server->config.header_max) {
        return;
    }
    c->header_bytes += (uint32_t)(32 + name.len + value.len);
    if (c->header_bytes > c->conn->server->config.header_max) {
        return; /* refused when the headers are done */
    }
    if (str_eq(name, STR(":method"))) {
        c->is_post = str_eq(value, STR("POST"));
        if (c->conn->peer->port != H2_PORT_GRPC) {
            store_metadata(c, name, value);
        }
    } else if (str_eq(name, STR("content-type"))) {
        c->wire = grpc_wire_of(value);
    } else if (str_eq(name, STR("grpc-timeout"))) {
        c->has_timeout = grpc_timeout_parse(value, &c->timeout);
        c->is_timeout_bad = !c->has_timeout;
    } else if (str_eq(name, STR("grpc-encoding"))) {
        c->encoding = str_eq(value, STR("identity")) ? ENCODING_IDENTITY
                      : str_eq(value, STR("gzip"))   ? ENCODING_GZIP
                                                     : ENCODING_UNKNOWN;
        if (c->encoding == ENCODING_UNKNOWN) {
            store_metadata(c, name, value);
        }
    } else if (str_eq(name, STR("grpc-accept-encoding"))) {
        c->accepts_gzip = grpc_accepts(value, STR("gzip"));
    } else if (!str_eq(name, STR("te")) && !str_eq(name, STR(":scheme"))) {
        store_metadata(c, name, value);
    }
}

static enum err find_method(struct call *c, struct fail *f)
{
    struct grpc_server *s = c->conn->server;
    struct str path = grpc_call_metadata(&c->pub, STR(":path"));
    struct map_node *n = map_get(&s->methods, path);
    if (n) {
        struct method_entry *e = map_entry(n, struct method_entry, node);
        c->pub.method = e->method;
        c->ctx = e->ctx;
        return ERR_NONE;
    }
    struct str service, method;
    if (!grpc_path_split(path, &service, &method)) {
        return fail(f, ERR_UNIMPLEMENTED, "malformed method name: \"" STR_FMT "\"", STR_ARG(path));
    }
    if (!map_get(&s->services, service)) {
        return fail(f, ERR_UNIMPLEMENTED, "unknown service " STR_FMT, STR_ARG(service));
    }
    return fail(f, ERR_UNIMPLEMENTED, "unknown method " STR_FMT " for service " STR_FMT,
            STR_ARG(method), STR_ARG(service));
}

static enum err check_received(struct call *c, struct fail *f)
{
    struct grpc_server *s = c->conn->server;
    if (c->conn->received > s->config.received_max || s->received > s->config.received_max_lane) {
        return fail(f, ERR_RESOURCE_EXHAUSTED, "too many request bytes are under way");
    }
    return ERR_NONE;
}

static enum err check_headers(struct call *c, struct fail *f)
{
    struct grpc_server *s = c->conn->server;
    if (c->header_bytes > s->config.header_max) {
        return fail(f, ERR_RESOURCE_EXHAUSTED, "request headers are larger than %u bytes",
                s->config.header_max);
    }
    if (s->call_count > s->config.calls_max) {
        return fail(f, ERR_RESOURCE_EXHAUSTED, "too many open calls");
    }
    if (check_received(c, f)) {
        return f->err;
    }
    if (c->is_timeout_bad) {
        return fail(f, ERR_PROTOCOL, "malformed grpc-timeout");
    }
    if (c->encoding == ENCODING_UNKNOWN ||
            (c->encoding == ENCODING_GZIP && s->config.refuse_gzip)) {
        struct str name = c->encoding == ENCODING_GZIP
                                  ? STR("gzip")
                                  : grpc_call_metadata(&c->pub, STR("grpc-encoding"));
        return fail(f, ERR_UNIMPLEMENTED,
                "grpc: Decompressor is not installed for grpc-encoding \"" STR_FMT "\"",
                STR_ARG(name));
    }
    return find_method(c, f);
}

void request_headers_done(struct h2_stream *stream, bool is_end)
{
    struct call *c = call_of(stream);
    struct fail f;
    bool fits = c->header_bytes <= c->conn->server->config.header_max;
    if (c->conn->peer->port != H2_PORT_GRPC) {
        if (http_take(c)) {
            return;
        }
    } else if (fits && (c->wire != GRPC_WIRE_PLAIN || !c->is_post)) {
        /* Not gRPC: answered in HTTP's own terms. */
        const struct h2_header status = { STR(":status"), c->is_post ? STR("415") : STR("405") };
        callee_refused(c);
        h2_stream_respond(stream, &status, 1, true);
        return;
    }
    if (check_headers(c, &f)) {
        callee_fail(c, &f);
        return;
    }
    if (c->has_timeout) {
        c->pub.deadline = instant_add(lane_monotonic(c->pub.lane), c->timeout);
    }
    if (c->pub.method->is_streaming) {
        callee_run(c);
    } else if (!is_end) {
        list_append(&c->conn->begun, &c->in_ready);
    }
}

/* A complete message of a streaming call. */
static bool deliver(struct call *c)
{
    struct str message = frame_message(&c->reader);
    struct fail f;
    if (callee_decompress(c, &message, &f)) {
        callee_break(c, &f, GRPC_CANCEL_REQUEST);
        return false;
    }
    if (c->pub.on_message) {
        c->pub.on_message(&c->pub, message);
    }
    frame_next(&c->reader);
    return c->state == CALL_OWNED;
}

static enum err take(struct call *c, struct str *bytes, struct fail *f)
{
    uint32_t max = c->conn->server->config.message_max;
    enum frame_result result = frame_feed(&c->reader, bytes, max);
    callee_account(c);
    switch (result) {
    case FRAME_MESSAGE:
    case FRAME_MORE:
        return check_received(c, f);
    case FRAME_TOO_LARGE:
        return fail(f, ERR_RESOURCE_EXHAUSTED, "grpc: received message larger than max (%u vs. %u)",
                c->reader.size, max);
    case FRAME_BAD:
        return fail(f, ERR_PROTOCOL, "grpc: received unexpected payload format %u",
                c->reader.prefix[0]);
    }
    unreachable_state(result);
}

static void take_data(struct call *c, struct str bytes)
{
    struct fail f;
    while (bytes.len && (c->state == CALL_RECEIVING ||
                                (c->state == CALL_OWNED && c->pub.method->is_streaming))) {
        bool was_complete = frame_is_complete(&c->reader);
        enum err err = was_complete
                               ? fail(&f, ERR_PROTOCOL, "more than one message for a unary method")
                               : take(c, &bytes, &f);
        if (err) {
            callee_break(c, &f, GRPC_CANCEL_REQUEST);
            return;
        }
        if (c->pub.method->is_streaming && frame_is_complete(&c->reader) && !deliver(c)) {
            return;
        }
    }
}

void request_data(struct h2_stream *stream, struct str bytes)
{
    struct call *c = call_of(stream);
    if (c->is_http) {
        return; /* nobody reads it */
    }
    if (c->wire != GRPC_WIRE_WEB_TEXT) {
        take_data(c, bytes);
        return;
    }
    while (bytes.len && (c->state == CALL_RECEIVING || c->state == CALL_OWNED)) {
        char piece[WEB_TEXT_PIECE];
        int n = web_text_decode(&c->text, &bytes, piece);
        if (n < 0) {
            struct fail f;
            fail(&f, ERR_PROTOCOL, "the request is not base64");
            callee_break(c, &f, GRPC_CANCEL_REQUEST);
            return;
        }
        take_data(c, str_of(piece, (size_t)n));
    }
}

void request_ended(struct h2_stream *stream)
{
    struct call *c = call_of(stream);
    struct fail f;
    if (c->is_http) {
        return;
    }
    if (c->state == CALL_OWNED && c->pub.method->is_streaming) {
        if (c->reader.prefix_len) {
            fail(&f, ERR_PROTOCOL, "the request ends within a message");
            callee_break(c, &f, GRPC_CANCEL_REQUEST);
        } else if (c->pub.on_half_close) {
            c->pub.on_half_close(&c->pub);
        }
        return;
    }
    if (c->state != CALL_RECEIVING) {
        return;
    }
    if (!frame_is_complete(&c->reader)) {
        fail(&f, ERR_PROTOCOL,
                c->reader.prefix_len ? "the request ends within a message"
                                     : "the request has no message");
        callee_break(c, &f, GRPC_CANCEL_REQUEST);
        return;
    }
    c->state = CALL_READY;
    list_remove(&c->in_ready);
    list_append(&c->conn->ready, &c->in_ready);
}
