/* The receiving half of a link: splits what arrived into frames, answers the link's own (HELLO,
 * PING), and hands the others to their lanes, one batch per lane and read. Runs in nng's callback,
 * one at a time per link. All of it is foreign input: whatever does not fit the moment ends the
 * link, and only the link. */
#include "common/obs/log.h"
#include "common/rpc/rpc_stream.h"

/* ---- HELLO ---- */

static const char *check_hello(const struct rpc_stream *s, const struct rpc_hello *h)
{
    const struct rpc_config *c = &s->base.rpc->config;
    const struct rpc_peer *peer = s->base.peer;
    if (h->version != RPC_PROTOCOL_VERSION) {
        return "another protocol version";
    }
    if (!uuid_eq(h->cluster_id, c->cluster_id)) {
        return "another cluster";
    }
    if (peer && !uuid_is_zero(peer->member) && !uuid_eq(h->member_id, peer->member)) {
        return "another member at this address";
    }
    if (s->tls && !rpc_tls_session_peer_is(s->tls, h->role)) {
        return "a role that its certificate does not name";
    }
    if (h->max_frame < 2 * RPC_FRAME_OVERHEAD) {
        return "unusable limits";
    }
    return NULL;
}

static const char *take_hello(struct rpc_stream *s, const struct rpc_hello *h)
{
    struct rpc_peer *peer = s->base.peer;
    const char *why = check_hello(s, h);
    if (why) {
        log_warn("rpc_hello_refused", LOG_CSTR("why", why), LOG_UUID("member", h->member_id),
                LOG_STR("role", h->role), LOG_CSTR("url", peer ? peer->url : ""));
        return why;
    }
    pthread_mutex_lock(&s->lock);
    bool is_first = s->state == RPC_HELLO;
    if (is_first) {
        s->base.remote = h->member_id;
        s->state = RPC_UP;
        rpc_stream_submit(s);
    }
    pthread_mutex_unlock(&s->lock);
    if (!is_first) {
        return "HELLO out of place";
    }
    s->is_known = true;
    if (peer) {
        pthread_mutex_lock(&peer->lock);
        peer->attempts = 0;
        pthread_mutex_unlock(&peer->lock);
    } else {
        atomic_fetch_sub(&s->base.rpc->half_open, 1);
    }
    rpc_link_tell_lanes(&s->base, true, true, 0);
    log_info("rpc_link_up", LOG_UUID("member", h->member_id), LOG_STR("role", h->role));
    rpc_kick_manager(s->base.rpc);
    return NULL;
}

/* ---- frames for lanes ---- */

static void batch_frame(struct rpc_stream *s, struct rpc_lane *rl, struct str bytes)
{
    struct rpc_batch *batch = s->batches[rl->index];
    if (!batch) {
        batch = s->batches[rl->index] = rpc_batch_new(&s->base, rl);
        s->batched[s->batched_count++] = rl->index;
    }
    rpc_batch_add(batch, bytes);
    atomic_fetch_add(&s->unconsumed, bytes.len);
}

static void post_batches(struct rpc_stream *s)
{
    for (unsigned i = 0; i < s->batched_count; i++) {
        struct rpc_batch **batch = &s->batches[s->batched[i]];
        rpc_batch_post(*batch);
        *batch = NULL;
    }
    s->batched_count = 0;
}

static const char *take_for_lane(
        struct rpc_stream *s, const struct rpc_frame *frame, struct str bytes, bool is_call)
{
    bool is_dialled = s->base.peer != NULL;
    if (is_call == is_dialled) { /* calls come from the side that dialled */
        return "frame in the wrong direction";
    }
    struct rpc_lane *rl = rpc_frame_lane(s->base.rpc, frame);
    if (rl) {
        batch_frame(s, rl, bytes);
    } else if (frame->type == RPC_FRAME_REQUEST) {
        struct rpc_frame refusal = rpc_frame_unserved(frame);
        uint64_t at;
        (void)s->base.ops->send(&s->base, NULL, &refusal, &at);
    }
    return NULL;
}

static const char *take_frame(struct rpc_stream *s, struct str bytes)
{
    struct rpc_frame frame;
    if (!rpc_frame_get(bytes, &frame)) {
        return "malformed frame";
    }
    if (frame.type == RPC_FRAME_HELLO) {
        return take_hello(s, &frame.hello);
    }
    if (!s->is_known) {
        return "frame before HELLO";
    }
    switch (frame.type) {
    case RPC_FRAME_REQUEST:
    case RPC_FRAME_CANCEL:
    case RPC_FRAME_NOTIFY:
        return take_for_lane(s, &frame, bytes, true);
    case RPC_FRAME_RESPONSE:
    case RPC_FRAME_ERROR:
    case RPC_FRAME_BUSY:
        return take_for_lane(s, &frame, bytes, false);
    case RPC_FRAME_PING:
        pthread_mutex_lock(&s->lock);
        if (s->state != RPC_DEAD) {
            rpc_stream_put_control(s, &(struct rpc_frame){ .type = RPC_FRAME_PONG });
        }
        pthread_mutex_unlock(&s->lock);
        return NULL;
    case RPC_FRAME_PONG:
        return NULL; /* that something came was the message */
    case RPC_FRAME_GOAWAY:
        atomic_store(&s->base.draining, true);
        rpc_kick_manager(s->base.rpc);
        return NULL;
    case RPC_FRAME_HELLO:
        break;
    }
    return "malformed frame";
}

const char *rpc_stream_take_frames(struct rpc_stream *s)
{
    struct str in = buf_str(&s->rx), frame;
    size_t max = s->base.rpc->config.max_frame;
    const char *bad = NULL;
    enum rpc_split split;
    while (!bad && (split = rpc_frame_split(&in, max, &frame)) != RPC_SPLIT_MORE) {
        bad = split == RPC_SPLIT_BAD ? "bad length" : take_frame(s, frame);
    }
    post_batches(s);
    buf_consume(&s->rx, s->rx.len - in.len);
    if (s->rx.len == 0 && s->rx.cap > RPC_KEEP_MAX) {
        buf_deinit(&s->rx);
    }
    return bad;
}
