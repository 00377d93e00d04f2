/* The sending half and the life of a link over a byte stream (states: rpc_stream.h).
 *
 * Everything that lanes send gathers in `out`; at the end of a lane's turn, or when the send before
 * has completed, all of it moves to `flight` and leaves in one write. How much has ever moved is
 * `handed`: when the link dies, a frame behind that place was surely not executed.
 *
 * Lock order: the link's lock is the last. rpc_stream_die takes it and afterwards the process's, so
 * it is never called under either. */
#include "common/rpc/rpc_stream.h"

#include <stdlib.h>

#include "common/obs/log.h"

/* ---- sending; under lock ---- */

static void give_back(struct buf *buf)
{
    buf_reset(buf);
    if (buf->cap > RPC_KEEP_MAX) {
        buf_deinit(buf);
    }
}

/* What may leave now: control frames before others, calls only when up. */
static struct buf *next_to_send(struct rpc_stream *s)
{
    if (s->control.len) {
        return &s->control;
    }
    return s->state == RPC_UP && s->out.len ? &s->out : NULL;
}

static void fill_flight(struct rpc_stream *s)
{
    struct buf *from = next_to_send(s);
    if (s->tls) {
        from = rpc_tls_session_ready(s->tls) ? from : NULL;
        rpc_tls_session_write(s->tls, from ? buf_str(from) : STR(""));
        rpc_tls_session_take(s->tls, &s->flight); /* and what the handshake has to say */
    }
    if (!from) {
        return;
    }
    if (from == &s->out) {
        s->handed += from->len;
    }
    if (s->tls) {
        give_back(from);
    } else {
        struct buf empty = s->flight;
        s->flight = *from;
        *from = empty;
        from->max = s->flight.max;
    }
}

void rpc_stream_submit(struct rpc_stream *s)
{
    if (s->sending || s->state < RPC_HELLO || s->state == RPC_DEAD) {
        return;
    }
    for (;;) {
        if (s->flight_sent == s->flight.len) {
            give_back(&s->flight);
            s->flight_sent = 0;
            fill_flight(s);
        }
        if (s->flight.len == 0) {
            return;
        }
        size_t n = rpc_conn_send(
                s->conn, s->flight.ptr + s->flight_sent, s->flight.len - s->flight_sent);
        if (n == 0) {
            s->sending = true;
            return;
        }
        s->flight_sent += n;
    }
}

void rpc_stream_put_control(struct rpc_stream *s, const struct rpc_frame *frame)
{
    /* A peer that floods us with pings and reads nothing fills this; the ping then finds it silent.
     */
    (void)rpc_frame_put(&s->control, frame);
    rpc_stream_submit(s);
}

static void post_recv(struct rpc_stream *s)
{
    size_t room = s->rx_room == RPC_READ_MAX ? RPC_READ_MAX : RPC_READ_MIN;
    char *at = buf_reserve(s->tls ? &s->raw : &s->rx, room);
    check(at);
    s->rx_room = room;
    rpc_conn_recv(s->conn, at, room);
}

static enum rpc_send stream_send(
        struct rpc_link *link, struct rpc_lane *rl, const struct rpc_frame *frame, uint64_t *at)
{
    struct rpc_stream *s = rpc_stream_of(link);
    bool is_new = frame->type == RPC_FRAME_REQUEST;
    enum rpc_send result = RPC_SEND_OK;
    (void)rl;
    pthread_mutex_lock(&s->lock);
    if (s->state == RPC_DEAD) {
        result = RPC_SEND_DEAD;
    } else if (is_new &&
               s->out.len + (s->flight.len - s->flight_sent) > s->base.rpc->config.transmit_soft) {
        result = RPC_SEND_FULL;
    } else {
        *at = s->handed + s->out.len;
        if (!rpc_frame_put(&s->out, frame)) {
            result = is_new ? RPC_SEND_FULL : RPC_SEND_DEAD;
        }
    }
    bool overflow = result == RPC_SEND_DEAD && s->state != RPC_DEAD;
    pthread_mutex_unlock(&s->lock);
    if (overflow) { /* it does not take its answers and notices: better lose the link than memory */
        rpc_stream_die(s, "transmit buffer full");
    }
    return result;
}

static void stream_flush(struct rpc_link *link)
{
    struct rpc_stream *s = rpc_stream_of(link);
    pthread_mutex_lock(&s->lock);
    rpc_stream_submit(s);
    pthread_mutex_unlock(&s->lock);
}

/* ---- completions ---- */

void rpc_stream_on_sent(struct rpc_stream *s, int64_t n)
{
    bool failed = n <= 0;
    pthread_mutex_lock(&s->lock);
    s->sending = false;
    if (!failed && s->state != RPC_DEAD) {
        s->flight_sent += (size_t)n;
        rpc_stream_submit(s);
    }
    pthread_mutex_unlock(&s->lock);
    if (failed) {
        rpc_stream_die(s, "send failed");
    }
}

static void put_hello(struct rpc_stream *s)
{
    const struct rpc_config *c = &s->base.rpc->config;
    rpc_stream_put_control(s, &(struct rpc_frame){ .type = RPC_FRAME_HELLO,
                                      .hello = { .version = RPC_PROTOCOL_VERSION,
                                              .cluster_id = c->cluster_id,
                                              .member_id = c->member_id,
                                              .role = c->role,
                                              .max_frame = c->max_frame,
                                              .inbound_max = c->inbound_max } });
}

/* Under lock. The stream is there: say hello, listen. */
static void begin_hello(struct rpc_stream *s)
{
    struct rpc_tls *tls = s->base.rpc->config.tls;
    s->state = RPC_HELLO;
    s->deadline = rpc_clock() + (int64_t)RPC_HELLO_SECONDS * 1000000000;
    s->tls = tls ? rpc_tls_session_new(tls, s->base.peer == NULL) : NULL;
    atomic_store(&s->last_heard, rpc_clock());
    put_hello(s);
    post_recv(s);
}

void rpc_stream_on_connected(struct rpc_stream *s, bool ok)
{
    if (!ok) {
        rpc_stream_die(s, "dial failed");
        return;
    }
    pthread_mutex_lock(&s->lock);
    if (s->state != RPC_DEAD) {
        rpc_conn_attach(s->conn);
        begin_hello(s);
    }
    pthread_mutex_unlock(&s->lock);
    rpc_kick_manager(s->base.rpc);
}

/* What was received becomes rx. */
static bool take_bytes(struct rpc_stream *s, size_t n)
{
    if (!s->tls) {
        s->rx.len += n;
        return true;
    }
    pthread_mutex_lock(&s->lock);
    bool ok = rpc_tls_session_read(s->tls, str_of(s->raw.ptr, n), &s->rx);
    pthread_mutex_unlock(&s->lock);
    return ok;
}

void rpc_stream_on_received(struct rpc_stream *s, int64_t n)
{
    if (n <= 0) {
        rpc_stream_die(s, "closed by the other side");
        return;
    }
    atomic_store(&s->last_heard, rpc_clock());
    s->rx_room = (size_t)n == s->rx_room ? RPC_READ_MAX : 0;
    const char *bad = take_bytes(s, (size_t)n) ? rpc_stream_take_frames(s) : "TLS failed";
    if (bad) {
        rpc_stream_die(s, bad);
        return;
    }
    pthread_mutex_lock(&s->lock);
    rpc_stream_submit(s); /* what the frames made us answer */
    if (s->state != RPC_DEAD) {
        s->rx_paused = atomic_load(&s->unconsumed) > RPC_UNCONSUMED_MAX;
        if (!s->rx_paused) {
            post_recv(s);
        }
    }
    pthread_mutex_unlock(&s->lock);
}

static void stream_consumed(struct rpc_link *link, size_t n)
{
    struct rpc_stream *s = rpc_stream_of(link);
    size_t left = atomic_fetch_sub(&s->unconsumed, n) - n;
    if (left > RPC_UNCONSUMED_MAX / 2) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    if (s->rx_paused && s->state != RPC_DEAD) {
        s->rx_paused = false;
        atomic_store(&s->last_heard, rpc_clock()); /* we did not listen: no sign of silence */
        post_recv(s);
    }
    pthread_mutex_unlock(&s->lock);
}

void rpc_stream_on_accepted(struct rpc *rpc, struct rpc_conn *conn)
{
    struct rpc_stream *s = rpc_stream_new(rpc, NULL);
    rpc_conn_own(conn, s);
    s->conn = conn;
    rpc_link_ref(&s->base); /* ours, while the manager may already take it down */
    pthread_mutex_lock(&rpc->lock);
    list_append(&rpc->links, &s->node);
    bool too_many = ++rpc->accepted > RPC_LINKS_MAX || rpc->closing;
    too_many |= atomic_fetch_add(&rpc->half_open, 1) >= RPC_HALF_OPEN_MAX;
    pthread_mutex_unlock(&rpc->lock);
    pthread_mutex_lock(&s->lock);
    if (s->state != RPC_DEAD) {
        begin_hello(s);
    }
    pthread_mutex_unlock(&s->lock);
    if (too_many) {
        rpc_stream_die(s, "too many connections");
    }
    rpc_kick_manager(rpc);
    rpc_link_unref(&s->base);
}

/* ---- life ---- */

void rpc_stream_die(struct rpc_stream *s, const char *why)
{
    pthread_mutex_lock(&s->lock);
    if (s->state == RPC_DEAD) {
        pthread_mutex_unlock(&s->lock);
        return;
    }
    bool was_up = s->state == RPC_UP;
    uint64_t handed = s->handed;
    rpc_link_ref(&s->base); /* the manager may take it down before we are done */
    s->state = RPC_DEAD;
    if (s->conn) {
        rpc_conn_close(s->conn);
    }
    pthread_mutex_unlock(&s->lock);
    if (!was_up && !s->base.peer) {
        atomic_fetch_sub(&s->base.rpc->half_open, 1);
    }
    if (was_up) {
        log_info("rpc_link_down", LOG_UUID("member", s->base.remote), LOG_CSTR("why", why));
    } else {
        log_debug("rpc_link_failed", LOG_CSTR("url", s->base.peer ? s->base.peer->url : ""),
                LOG_CSTR("why", why));
    }
    /* From here on the manager may free the peer, and no lane parks anything on the link. */
    atomic_store_explicit(&s->base.dead, true, memory_order_release);
    rpc_link_tell_lanes(&s->base, false, was_up, handed);
    rpc_kick_manager(s->base.rpc);
    rpc_link_unref(&s->base);
}

/* Under lock. */
static const char *start_dial(struct rpc_stream *s, int64_t now)
{
    s->conn = rpc_conn_new();
    rpc_conn_own(s->conn, s);
    s->deadline = now + (int64_t)RPC_DIAL_SECONDS * 1000000000;
    return rpc_conn_dial(s->conn, s->base.peer->url) ? NULL : "unusable address";
}

/* Under lock. What is due of an UP link; *next: when to come again. */
static const char *watch_silence(struct rpc_stream *s, int64_t now, int64_t *next)
{
    const struct rpc_config *c = &s->base.rpc->config;
    int64_t heard = s->rx_paused ? now : atomic_load(&s->last_heard);
    if (now - heard >= c->dead_after.ns) {
        return "silent";
    }
    int64_t since = heard > s->last_ping ? heard : s->last_ping;
    if (now - since >= c->ping_after.ns) {
        s->last_ping = since = now;
        rpc_stream_put_control(s, &(struct rpc_frame){ .type = RPC_FRAME_PING });
    }
    int64_t ping_at = since + c->ping_after.ns, dead_at = heard + c->dead_after.ns;
    *next = ping_at < dead_at ? ping_at : dead_at;
    return NULL;
}

int64_t rpc_stream_tick(struct rpc_stream *s, int64_t now)
{
    const char *why = NULL;
    int64_t next = INT64_MAX;
    pthread_mutex_lock(&s->lock);
    switch (s->state) {
    case RPC_DIALING:
        why = s->conn ? NULL : start_dial(s, now);
        /* fall through */
    case RPC_HELLO:
        next = s->deadline;
        why = !why && now >= next ? "no HELLO in time" : why;
        break;
    case RPC_UP:
        why = watch_silence(s, now, &next);
        break;
    case RPC_DEAD:
        break;
    }
    pthread_mutex_unlock(&s->lock);
    if (why) {
        rpc_stream_die(s, why);
        return INT64_MAX; /* the death has kicked us */
    }
    return next;
}

void rpc_stream_take_down(struct rpc_stream *s)
{
    rpc_conn_free(s->conn);
    s->conn = NULL;
    rpc_link_unref(&s->base);
}

static void stream_free(struct rpc_link *link)
{
    struct rpc_stream *s = rpc_stream_of(link);
    check(!s->conn);
    buf_deinit(&s->control);
    buf_deinit(&s->out);
    buf_deinit(&s->flight);
    buf_deinit(&s->rx);
    buf_deinit(&s->raw);
    rpc_tls_session_free(s->tls);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static const struct rpc_link_ops stream_ops = {
    .send = stream_send, .flush = stream_flush, .consumed = stream_consumed, .free = stream_free
};

struct rpc_stream *rpc_stream_new(struct rpc *rpc, struct rpc_peer *peer)
{
    struct rpc_stream *s = calloc(1, sizeof(*s));
    check(s);
    rpc_link_init(&s->base, rpc, &stream_ops);
    s->base.peer = peer;
    s->base.remote = peer ? peer->member : (struct uuid){ { 0 } };
    s->state = peer ? RPC_DIALING : RPC_HELLO;
    s->deadline = rpc_clock() + (int64_t)RPC_HELLO_SECONDS * 1000000000;
    pthread_mutex_init(&s->lock, NULL);
    size_t hard = 4 * rpc->config.transmit_soft + rpc->config.max_frame;
    buf_init(&s->control, 64 * 1024);
    buf_init(&s->out, hard);
    buf_init(&s->flight, hard + hard / 64 + RPC_READ_MIN); /* TLS adds 22 bytes to 16 KiB */
    buf_init(&s->raw, RPC_READ_MAX);
    buf_init(&s->rx, RPC_FRAME_HEAD + rpc->config.max_frame + 2 * RPC_READ_MAX);
    return s;
}
