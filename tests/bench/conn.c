/* Connections: sockets, HTTP/2 by nghttp2, reconnecting. Relies on rpc.c to decide what a failed
 * attempt means. What is queued during one turn of the loop leaves in one write. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/check.h"
#include "tests/bench/rpc_conn.h"

enum {
    OUT_BYTES_MAX = 80 << 20,
    FLUSH_BYTES = 256 << 10, /* taken from nghttp2 at a time */
    READ_BYTES = 64 << 10,
    STREAM_WINDOW = 4 << 20,
    CONNECTION_WINDOW = 64 << 20,
    ADDRESS_BYTES = 256,
};

/*   CLOSED --conn_open--> CONNECTING --conn_ready--> OPEN --on_frame(GOAWAY)--> DRAINING
 *     ^                        |                      |                            |
 *     +------------------------+---- conn_lost -------+----------------------------+     */
enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_OPEN, CONN_DRAINING };

struct conn {
    struct watch watch;
    struct timer reopen;
    struct rpc *rpc;
    enum conn_state state;
    unsigned failures; /* in a row */
    bool wants_write;
    nghttp2_session *session;
    struct buf out;
    struct list calls; /* with a stream on this connection */
    char host[ADDRESS_BYTES], port[16], authority[ADDRESS_BYTES + 16];
};

static void conn_open(struct conn *conn);

static void conn_lost(struct conn *conn, const char *why)
{
    if (conn->state == CONN_OPEN) {
        conn->rpc->stats.lost_connections++;
    }
    close(conn->watch.fd);
    nghttp2_session_del(conn->session);
    conn->session = NULL;
    buf_reset(&conn->out);
    conn->state = CONN_CLOSED;
    conn->failures++;
    int64_t ms = conn->failures > 5 ? 500 : 10ll << conn->failures;
    timer_arm(conn->rpc->loop, &conn->reopen, DURATION_MS(ms));
    struct list_node *node;
    while ((node = list_pop(&conn->calls))) {
        call_ended(list_entry(node, struct call, link), GRPC_UNAVAILABLE, why);
    }
}

static ssize_t on_read_body(nghttp2_session *session, int32_t stream_id, uint8_t *into, size_t n,
        uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    if (!call) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    size_t left = call->request.len - call->sent;
    n = n < left ? n : left;
    memcpy(into, call->request.ptr + call->sent, n);
    call->sent += n;
    if (call->sent == call->request.len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)n;
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
        call_ended(call, GRPC_INTERNAL, "a reply of more than 64 MiB");
    } else if (call->status >= 0) {
        call_ended(call, call->status, "");
    } else if (error_code == NGHTTP2_REFUSED_STREAM) {
        call_untouched(call);
    } else {
        char why[64];
        snprintf(why, sizeof(why), "stream reset: %s", nghttp2_http2_strerror(error_code));
        call_ended(call, GRPC_UNAVAILABLE, why);
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

static void session_start(struct conn *conn)
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

static void conn_flush(struct conn *conn)
{
    if (conn->state != CONN_OPEN && conn->state != CONN_DRAINING) {
        return;
    }
    do {
        const uint8_t *data;
        ssize_t n = 0;
        while (conn->out.len < FLUSH_BYTES &&
                (n = nghttp2_session_mem_send(conn->session, &data)) > 0) {
            buf_append(&conn->out, data, (size_t)n);
        }
        if (n < 0 || !conn_write(conn)) {
            conn_lost(conn, "the connection broke while writing");
            return;
        }
    } while (conn->out.len == 0 && nghttp2_session_want_write(conn->session));
    bool wants_write = conn->out.len > 0;
    if (wants_write != conn->wants_write) {
        conn->wants_write = wants_write;
        watch_change(conn->rpc->loop, &conn->watch, wants_write);
    }
    if (!nghttp2_session_want_read(conn->session) && !nghttp2_session_want_write(conn->session)) {
        conn_lost(conn, "the server closed the connection");
    } else if (conn->state == CONN_DRAINING && list_empty(&conn->calls)) {
        conn_lost(conn, "drained");
    }
}

void conns_flush(void *owner)
{
    struct rpc *rpc = owner;
    for (size_t i = 0; i < rpc->conn_count; i++) {
        conn_flush(&rpc->conns[i]);
    }
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
        if (nghttp2_session_mem_recv(conn->session, bytes, (size_t)n) < 0) {
            conn_lost(conn, "malformed HTTP/2 from the server");
            return;
        }
        if ((size_t)n < sizeof(bytes)) {
            return;
        }
    }
}

static void conn_ready(struct watch *watch, bool readable, bool writable)
{
    struct conn *conn = container_of(watch, struct conn, watch);
    if (conn->state == CONN_CONNECTING) {
        int error = 0;
        socklen_t len = sizeof(error);
        getsockopt(conn->watch.fd, SOL_SOCKET, SO_ERROR, &error, &len);
        if (error) {
            conn_lost(conn, "connection refused");
            return;
        }
        conn->state = CONN_OPEN;
        conn->failures = 0;
        conn->wants_write = true;
        rpc_dispatch_waiting(conn->rpc);
    }
    if (conn->state != CONN_CLOSED && readable) {
        conn_read(conn);
    }
}

static void conn_reopen(struct timer *timer)
{
    conn_open(container_of(timer, struct conn, reopen));
}

static void conn_open(struct conn *conn)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
    int rc = getaddrinfo(conn->host, conn->port, &hints, &found);
    if (rc) {
        fprintf(stderr, "bench: %s: %s\n", conn->authority, gai_strerror(rc));
        exit(2);
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    check(fd >= 0);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    conn->watch.fd = fd;
    conn->state = CONN_CONNECTING;
    session_start(conn);
    rc = connect(fd, found->ai_addr, found->ai_addrlen);
    int error = errno;
    freeaddrinfo(found);
    if (rc && error != EINPROGRESS) {
        conn_lost(conn, "cannot connect");
        return;
    }
    watch_add(conn->rpc->loop, &conn->watch, true);
}

void conns_init(struct rpc *rpc, struct str addresses, size_t per_address)
{
    size_t count = 1;
    for (size_t i = 0; i < addresses.len; i++) {
        count += addresses.ptr[i] == ',';
    }
    rpc->conn_count = count * per_address;
    rpc->conns = NEW(rpc->arena, struct conn, rpc->conn_count);
    struct str rest = addresses;
    for (size_t a = 0; a < count; a++) {
        struct str port, host = str_split(str_trim(str_split(rest, ',', &rest)), ':', &port);
        for (size_t i = 0; i < per_address; i++) {
            /* Neighbours go to different servers, so that a round robin spreads evenly. */
            struct conn *conn = &rpc->conns[i * count + a];
            conn->rpc = rpc;
            conn->watch.ready = conn_ready;
            conn->reopen.fire = conn_reopen;
            list_init(&conn->calls);
            buf_init(&conn->out, OUT_BYTES_MAX);
            snprintf(conn->host, sizeof(conn->host), STR_FMT, STR_ARG(host));
            snprintf(conn->port, sizeof(conn->port), STR_FMT,
                    STR_ARG(port.len ? port : STR("7233")));
            snprintf(conn->authority, sizeof(conn->authority), "%s:%s", conn->host, conn->port);
            conn_open(conn);
        }
    }
}

void conns_close(struct rpc *rpc)
{
    for (size_t i = 0; i < rpc->conn_count; i++) {
        struct conn *conn = &rpc->conns[i];
        if (conn->state != CONN_CLOSED) {
            close(conn->watch.fd);
            nghttp2_session_del(conn->session);
        }
        buf_deinit(&conn->out);
    }
}

#define HEADER(n, v)                                                                \
    (nghttp2_nv)                                                                    \
    {                                                                               \
        (uint8_t *)(uintptr_t)(n), (uint8_t *)(uintptr_t)(v), strlen(n), strlen(v), \
                NGHTTP2_NV_FLAG_NONE                                                \
    }

bool conn_send(struct rpc *rpc, struct call *call)
{
    struct conn *conn = NULL;
    for (size_t i = 0; i < rpc->conn_count && !conn; i++) {
        struct conn *c = &rpc->conns[rpc->next_conn++ % rpc->conn_count];
        conn = c->state == CONN_OPEN ? c : NULL;
    }
    if (!conn) {
        return false;
    }
    char timeout[24];
    snprintf(timeout, sizeof(timeout), "%lldm", (long long)duration_ms(call->timeout));
    nghttp2_nv headers[] = {
        HEADER(":method", "POST"),
        HEADER(":scheme", "http"),
        HEADER(":path", rpc_method_path(call->method)),
        HEADER(":authority", conn->authority),
        HEADER("te", "trailers"),
        HEADER("content-type", "application/grpc"),
        HEADER("user-agent", "perdure-bench/" PERDURE_VERSION),
        HEADER("grpc-timeout", timeout),
    };
    nghttp2_data_provider body = { .read_callback = on_read_body };
    int32_t id = nghttp2_submit_request(
            conn->session, NULL, headers, sizeof(headers) / sizeof(headers[0]), &body, call);
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
