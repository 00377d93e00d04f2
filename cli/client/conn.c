/* Connections: sockets and HTTP/2 by nghttp2. Relies on dial.c for opening them, on channel.c for
 * what a failed attempt means, on tls_client.c for TLS. What is queued during one turn of the loop
 * leaves in one write. */
#include "cli/client/conn_state.h"

#include <errno.h>
#include <netdb.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/client/tls_client.h"
#include "common/base/check.h"

enum {
    FLUSH_BYTES = 256 << 10, /* taken from nghttp2 at a time */
    READ_BYTES = 64 << 10,
    STREAM_WINDOW = 4 << 20,
    CONNECTION_WINDOW = 64 << 20,
    HEADERS_MAX = 64,
    PREFIX_BYTES = 5,
};

/* Whatever there is of a connection goes; what was on it fails. */
void conn_lost(struct conn *conn, const char *why)
{
    bool was_open = conn->state == CONN_OPEN || conn->state == CONN_DRAINING;
    conn->channel->lost_connections += conn->state == CONN_OPEN;
    if (conn->watch.fd >= 0) {
        close(conn->watch.fd);
        conn->watch.fd = -1;
    }
    char text[600];
    snprintf(text, sizeof(text), "%s: %s", conn->authority, why);
    nghttp2_session_del(conn->session);
    conn->session = NULL;
    tls_stream_free(conn->tls);
    conn->tls = NULL;
    buf_reset(&conn->out);
    buf_reset(&conn->plain);
    conn->state = CONN_CLOSED;
    if (!was_open && conn_try_next(conn)) {
        return;
    }
    conn->failures++;
    int64_t ms = conn->failures > 5 ? 500 : 10ll << conn->failures;
    timer_arm(conn->channel->loop, &conn->reopen, DURATION_MS(ms));
    struct list_node *node;
    while ((node = list_pop(&conn->calls))) {
        call_over(list_entry(node, struct call, link), GRPC_UNAVAILABLE, text);
    }
    if (!was_open) {
        channel_refuse(conn->channel, text);
    }
}

/* The message's prefix, then its body. */
static ssize_t on_read_body(nghttp2_session *session, int32_t stream_id, uint8_t *into, size_t n,
        uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    if (!call) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    size_t len = call->body.len, total = len + PREFIX_BYTES, done = 0;
    const uint8_t prefix[PREFIX_BYTES] = { 0, (uint8_t)(len >> 24), (uint8_t)(len >> 16),
        (uint8_t)(len >> 8), (uint8_t)len };
    while (done < n && call->sent < PREFIX_BYTES) {
        into[done++] = prefix[call->sent++];
    }
    size_t part = total - call->sent < n - done ? total - call->sent : n - done;
    if (part && call->sent >= PREFIX_BYTES) {
        memcpy(into + done, call->body.ptr + (call->sent - PREFIX_BYTES), part);
        call->sent += part;
        done += part;
    }
    if (call->sent == total) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)done;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
        size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!call) {
        return 0;
    }
    struct str n = str_of(name, name_len), v = str_of(value, value_len);
    uint64_t number;
    if (str_eq(n, STR("grpc-status"))) {
        call->status = str_to_u64(v, &number) && number < GRPC_CODES ? (int)number : GRPC_UNKNOWN;
    } else if (str_eq(n, STR("grpc-message"))) {
        buf_reset(&call->message);
        buf_append_str(&call->message, v);
    } else if (str_eq(n, STR("grpc-status-details-bin"))) {
        buf_reset(&call->details);
        buf_append_str(&call->details, v);
    } else if (str_eq(n, STR(":status")) && !str_eq(v, STR("200"))) {
        buf_printf(&call->message, "HTTP status " STR_FMT, STR_ARG(v));
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
        size_t len, void *user)
{
    struct call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    if (call && !buf_append(&call->response, data, len)) {
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_CANCEL);
    }
    return 0;
}

static int on_stream_close(
        nghttp2_session *session, int32_t stream_id, uint32_t error_code, void *user)
{
    struct call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    if (!call) {
        return 0;
    }
    nghttp2_session_set_stream_user_data(session, stream_id, NULL);
    list_remove(&call->link);
    if (call->response.overflow) {
        call_over(call, GRPC_INTERNAL, "a reply of more than 64 MiB");
    } else if (call->status >= 0) {
        call_over(call, call->status, "");
    } else if (error_code == NGHTTP2_REFUSED_STREAM) {
        call_untouched(call);
    } else {
        char why[64];
        snprintf(why, sizeof(why), "stream reset: %s", nghttp2_http2_strerror(error_code));
        call_over(call, GRPC_UNAVAILABLE, why);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct conn *conn = user;
    if (frame->hd.type == NGHTTP2_GOAWAY && conn->state == CONN_OPEN) {
        conn->state = CONN_DRAINING;
    }
    return 0;
}

void conn_session_start(struct conn *conn)
{
    nghttp2_session_callbacks *callbacks;
    check(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    check(nghttp2_session_client_new(&conn->session, callbacks, conn) == 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW },
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
    };
    check(nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, settings, 2) == 0);
    nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
}

/* False: the connection is lost. */
static bool conn_write(struct conn *conn)
{
    while (conn->out.len) {
        ssize_t n = send(conn->watch.fd, conn->out.ptr, conn->out.len, MSG_NOSIGNAL);
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        buf_consume(&conn->out, (size_t)n);
    }
    return true;
}

/* Takes what nghttp2 and TLS have to say; false: the connection is lost. */
static bool conn_fill(struct conn *conn)
{
    const uint8_t *data;
    ssize_t n = 0;
    bool may_write = !conn->tls || tls_stream_is_ready(conn->tls);
    while (may_write && conn->out.len < FLUSH_BYTES &&
            (n = nghttp2_session_mem_send(conn->session, &data)) > 0) {
        if (!conn->tls) {
            buf_append(&conn->out, data, (size_t)n);
        } else if (!tls_stream_write(conn->tls, str_of(data, (size_t)n))) {
            return false;
        } else {
            tls_stream_pull(conn->tls, &conn->out);
        }
    }
    if (conn->tls) {
        tls_stream_pull(conn->tls, &conn->out);
    }
    return n >= 0;
}

static void conn_flush(struct conn *conn)
{
    if (conn->state != CONN_OPEN && conn->state != CONN_DRAINING) {
        return;
    }
    bool may_write;
    do {
        if (!conn_fill(conn) || !conn_write(conn)) {
            conn_lost(conn,
                    conn->tls ? tls_stream_error(conn->tls) : "the connection broke while writing");
            return;
        }
        may_write = !conn->tls || tls_stream_is_ready(conn->tls);
    } while (conn->out.len == 0 && may_write && nghttp2_session_want_write(conn->session));
    bool wants_write = conn->out.len > 0;
    if (wants_write != conn->wants_write) {
        conn->wants_write = wants_write;
        watch_change(conn->channel->loop, &conn->watch, wants_write);
    }
    if (!nghttp2_session_want_read(conn->session) && !nghttp2_session_want_write(conn->session)) {
        conn_lost(conn, "the server closed the connection");
    } else if (conn->state == CONN_DRAINING && list_empty(&conn->calls)) {
        conn_lost(conn, "drained");
    }
}

void conns_flush(void *owner)
{
    struct channel *channel = owner;
    for (size_t i = 0; i < channel->conn_count; i++) {
        conn_flush(&channel->conns[i]);
    }
}

/* False: the connection is lost. */
static bool conn_take(struct conn *conn, const uint8_t *bytes, size_t n)
{
    struct str plain = str_of(bytes, n);
    if (conn->tls) {
        buf_reset(&conn->plain);
        if (!tls_stream_feed(conn->tls, plain, &conn->plain)) {
            conn_lost(conn, tls_stream_error(conn->tls));
            return false;
        }
        plain = buf_str(&conn->plain);
    }
    if (nghttp2_session_mem_recv(conn->session, (const uint8_t *)plain.ptr, plain.len) < 0) {
        conn_lost(conn, "malformed HTTP/2 from the server");
        return false;
    }
    return true;
}

static void conn_read(struct conn *conn)
{
    static uint8_t bytes[READ_BYTES];
    for (int turns = 0; turns < 16; turns++) {
        ssize_t n = recv(conn->watch.fd, bytes, sizeof(bytes), 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n <= 0) {
            conn_lost(conn, n ? "the connection broke" : "the server closed the connection");
            return;
        }
        if (!conn_take(conn, bytes, (size_t)n) || (size_t)n < sizeof(bytes)) {
            return;
        }
    }
}

void conn_ready(struct watch *watch, bool readable, bool writable)
{
    struct conn *conn = container_of(watch, struct conn, watch);
    if (conn->state == CONN_CONNECTING) {
        int error = 0;
        socklen_t len = sizeof(error);
        getsockopt(conn->watch.fd, SOL_SOCKET, SO_ERROR, &error, &len);
        if (error) {
            conn_lost(conn, strerror(error));
            return;
        }
        conn->state = CONN_OPEN;
        conn->failures = 0;
        conn->wants_write = true;
        if (conn->channel->options.tls) {
            conn->tls = tls_stream_new(conn->channel->options.tls, conn->host);
        }
        channel_dispatch(conn->channel);
    }
    if (conn->state != CONN_CLOSED && readable) {
        conn_read(conn);
    }
}

void conns_close(struct channel *channel)
{
    for (size_t i = 0; i < channel->conn_count; i++) {
        struct conn *conn = &channel->conns[i];
        if (conn->state != CONN_CLOSED) {
            close(conn->watch.fd);
            nghttp2_session_del(conn->session);
            tls_stream_free(conn->tls);
        }
        if (conn->addresses) {
            freeaddrinfo(conn->addresses);
        }
        buf_deinit(&conn->out);
        buf_deinit(&conn->plain);
    }
}

static nghttp2_nv header(struct str name, struct str value)
{
    return (nghttp2_nv){ (uint8_t *)(uintptr_t)name.ptr, (uint8_t *)(uintptr_t)value.ptr, name.len,
        value.len, NGHTTP2_NV_FLAG_NONE };
}

bool conn_send(struct channel *channel, struct call *call)
{
    struct conn *conn = NULL;
    for (size_t i = 0; i < channel->conn_count && !conn; i++) {
        struct conn *c = &channel->conns[channel->next_conn++ % channel->conn_count];
        conn = c->state == CONN_OPEN ? c : NULL;
    }
    if (!conn) {
        return false;
    }
    const struct channel_options *options = &channel->options;
    char timeout[24];
    snprintf(timeout, sizeof(timeout), "%lldm", (long long)duration_ms(call->timeout));
    nghttp2_nv headers[HEADERS_MAX] = {
        header(STR(":method"), STR("POST")),
        header(STR(":scheme"), options->tls ? STR("https") : STR("http")),
        header(STR(":path"), str_from_cstr(call->path)),
        header(STR(":authority"),
                options->authority.len ? options->authority : str_from_cstr(conn->authority)),
        header(STR("te"), STR("trailers")),
        header(STR("content-type"), STR("application/grpc")),
        header(STR("user-agent"), str_from_cstr(options->user_agent)),
        header(STR("grpc-timeout"), str_from_cstr(timeout)),
    };
    size_t count = 8;
    for (size_t i = 0; i < options->header_count && count < HEADERS_MAX; i++) {
        headers[count++] = header(options->headers[i].name, options->headers[i].value);
    }
    nghttp2_data_provider body = { .read_callback = on_read_body };
    int32_t id = nghttp2_submit_request(conn->session, NULL, headers, count, &body, call);
    if (id < 0) { /* stream ids used up, or a GOAWAY not yet handled */
        conn->state = CONN_DRAINING;
        return false;
    }
    call->conn = conn;
    call->stream_id = id;
    list_append(&conn->calls, &call->link);
    return true;
}

void conn_abandon(struct call *call)
{
    list_remove(&call->link);
    nghttp2_session_set_stream_user_data(call->conn->session, call->stream_id, NULL);
    nghttp2_submit_rst_stream(
            call->conn->session, NGHTTP2_FLAG_NONE, call->stream_id, NGHTTP2_CANCEL);
}
