/* nng's byte streams. What its packaged version taught (each line has cost somebody a day): one
 * dialer object per attempt; close before stop; stop and free never inside a callback; no timeouts
 * of its own; no delay must be asked for on listeners too; an accept that fails for want of files
 * fails again at once. Its sockets, its TLS and its timers are not used. Locks and states are
 * rpc_stream.c's. */
#include "common/rpc/rpc_nng.h"

#include <nng/nng.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/rpc/link.h"
#include "common/rpc/rpc_stream.h"

struct rpc_conn {
    struct rpc_stream *owner;
    nng_stream *stream; /* attached */
    nng_stream *fresh;  /* dialled, not attached yet */
    nng_stream_dialer *dialer;
    nng_aio *dial, *recv, *send;
    nng_aio *send_now; /* without a callback: see rpc_conn_send */
};

static void on_dialled(void *arg)
{
    struct rpc_conn *conn = arg;
    int rv = nng_aio_result(conn->dial);
    if (rv == 0) {
        conn->fresh = nng_aio_get_output(conn->dial, 0);
    }
    rpc_stream_on_connected(conn->owner, rv == 0);
}

/* Bytes moved, or a negative error. */
static int64_t moved(nng_aio *aio)
{
    int rv = nng_aio_result(aio);
    return rv ? -rv : (int64_t)nng_aio_count(aio);
}

static void on_received(void *arg)
{
    struct rpc_conn *conn = arg;
    rpc_stream_on_received(conn->owner, moved(conn->recv));
}

static void on_sent(void *arg)
{
    struct rpc_conn *conn = arg;
    rpc_stream_on_sent(conn->owner, moved(conn->send));
}

struct rpc_conn *rpc_conn_new(void)
{
    struct rpc_conn *conn = calloc(1, sizeof(*conn));
    check(conn);
    check(nng_aio_alloc(&conn->dial, on_dialled, conn) == 0);
    check(nng_aio_alloc(&conn->recv, on_received, conn) == 0);
    check(nng_aio_alloc(&conn->send, on_sent, conn) == 0);
    check(nng_aio_alloc(&conn->send_now, NULL, NULL) == 0);
    return conn;
}

void rpc_conn_own(struct rpc_conn *conn, struct rpc_stream *owner)
{
    conn->owner = owner;
}

bool rpc_conn_dial(struct rpc_conn *conn, const char *url)
{
    if (nng_stream_dialer_alloc(&conn->dialer, url) != 0) {
        conn->dialer = NULL;
        return false;
    }
    nng_stream_dialer_set_bool(conn->dialer, NNG_OPT_TCP_NODELAY, true); /* ipc: not supported */
    nng_stream_dialer_dial(conn->dialer, conn->dial);
    return true;
}

void rpc_conn_attach(struct rpc_conn *conn)
{
    conn->stream = conn->fresh;
    conn->fresh = NULL;
}

void rpc_conn_recv(struct rpc_conn *conn, void *bytes, size_t n)
{
    nng_iov iov = { .iov_buf = bytes, .iov_len = n };
    check(nng_aio_set_iov(conn->recv, 1, &iov) == 0);
    nng_stream_recv(conn->stream, conn->recv);
}

/* A callback costs two wake-ups of nng's task threads for a write that the kernel took at once, as it
 * nearly always does. So the first attempt has none: what is not done by then is cancelled, which
 * either finds that it has just been done or that not a byte has left, and begins again with one. Any
 * error is met again by the second attempt, whose callback tells it. */
size_t rpc_conn_send(struct rpc_conn *conn, const void *bytes, size_t n)
{
    nng_iov iov = { .iov_buf = (void *)(uintptr_t)bytes, .iov_len = n };
    check(nng_aio_set_iov(conn->send_now, 1, &iov) == 0);
    nng_stream_send(conn->stream, conn->send_now);
    nng_aio_cancel(conn->send_now);
    nng_aio_wait(conn->send_now);
    size_t sent = nng_aio_result(conn->send_now) == 0 ? nng_aio_count(conn->send_now) : 0;
    if (sent == 0) {
        check(nng_aio_set_iov(conn->send, 1, &iov) == 0);
        nng_stream_send(conn->stream, conn->send);
    }
    return sent;
}

void rpc_conn_close(struct rpc_conn *conn)
{
    if (conn->dialer) {
        nng_stream_dialer_close(conn->dialer);
    }
    if (conn->stream) {
        nng_stream_close(conn->stream);
    }
}

static void stream_drop(nng_stream *stream)
{
    if (stream) {
        nng_stream_close(stream);
        nng_stream_free(stream);
    }
}

void rpc_conn_free(struct rpc_conn *conn)
{
    if (!conn) {
        return;
    }
    nng_aio_stop(conn->dial);
    nng_aio_stop(conn->recv);
    nng_aio_stop(conn->send);
    nng_aio_stop(conn->send_now);
    nng_aio_free(conn->dial);
    nng_aio_free(conn->recv);
    nng_aio_free(conn->send);
    nng_aio_free(conn->send_now);
    stream_drop(conn->stream);
    stream_drop(conn->fresh);
    if (conn->dialer) {
        nng_stream_dialer_free(conn->dialer);
    }
    free(conn);
}

/* ---- listening ---- */

struct rpc_listener {
    struct rpc *rpc;
    nng_stream_listener *listener;
    nng_aio *accept;
    _Atomic int64_t retry_at; /* 0: an accept is posted, or the listener is closed */
};

static void on_accepted(void *arg)
{
    struct rpc_listener *l = arg;
    int rv = nng_aio_result(l->accept);
    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED) {
        return;
    }
    if (rv != 0) {
        atomic_store(&l->retry_at, rpc_clock() + 100000000);
        rpc_kick_manager(l->rpc);
        return;
    }
    struct rpc_conn *conn = rpc_conn_new();
    conn->stream = nng_aio_get_output(l->accept, 0);
    rpc_stream_on_accepted(l->rpc, conn);
    nng_stream_listener_accept(l->listener, l->accept);
}

int64_t rpc_listener_tick(struct rpc_listener *l, int64_t now)
{
    int64_t at = atomic_load(&l->retry_at);
    if (at == 0) {
        return INT64_MAX;
    }
    if (at > now) {
        return at;
    }
    atomic_store(&l->retry_at, 0);
    nng_stream_listener_accept(l->listener, l->accept);
    return INT64_MAX;
}

void rpc_listener_free(struct rpc_listener *l)
{
    if (!l) {
        return;
    }
    if (l->listener) {
        nng_stream_listener_close(l->listener);
    }
    if (l->accept) {
        nng_aio_stop(l->accept);
        nng_aio_free(l->accept);
    }
    if (l->listener) {
        nng_stream_listener_free(l->listener);
    }
    free(l);
}

enum err rpc_listener_new(
        struct rpc *rpc, struct str url, struct rpc_listener **ret, uint16_t *port, struct fail *f)
{
    struct rpc_listener *l = calloc(1, sizeof(*l));
    char *text = strndup(url.ptr, url.len);
    int bound = 0;
    check(l && text);
    l->rpc = rpc;
    check(nng_aio_alloc(&l->accept, on_accepted, l) == 0);
    int rv = nng_stream_listener_alloc(&l->listener, text);
    free(text);
    if (rv == 0) {
        nng_stream_listener_set_bool(l->listener, NNG_OPT_TCP_NODELAY, true);
        rv = nng_stream_listener_listen(l->listener);
    } else {
        l->listener = NULL;
    }
    if (rv != 0) {
        rpc_listener_free(l);
        return fail(f, ERR_UNAVAILABLE, "cannot listen on " STR_FMT ": %s", STR_ARG(url),
                nng_strerror(rv));
    }
    if (nng_stream_listener_get_int(l->listener, NNG_OPT_TCP_BOUND_PORT, &bound) != 0) {
        bound = 0;
    }
    *port = (uint16_t)bound;
    *ret = l;
    nng_stream_listener_accept(l->listener, l->accept);
    return ERR_NONE;
}
