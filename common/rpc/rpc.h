/* Calls between processes (and, through the same door, between services inside one process).
 *
 * A call names a peer, a method and a key (shard number or task-queue hash) that picks the lane at
 * the callee. It is answered exactly once, on the lane that issued it: with a body, with an error
 * of the callee, or with a failure of the transport. The transport never resends. Bodies are
 * msgpack, packed and unpacked by the caller (common/rpc/messages.h); the transport does not look
 * into them.
 *
 * Everything that a turn of a lane sends to one peer leaves in one write at the end of the turn.
 *
 * All functions are for the lane that owns the rpc_lane, unless they say otherwise. */
#pragma once

#include "common/base/err.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/time.h"
#include "common/base/uuid.h"
#include "common/io/lane.h"

struct rpc;      /* one per process */
struct rpc_lane; /* one per lane: its calls, its inbound calls */
struct rpc_link;
struct rpc_tls;
struct rpc_peer; /* another process, or this one; shared by all lanes */

enum rpc_result {
    RPC_OK,
    RPC_APP_ERROR, /* the callee answered with an error: see fail */
    RPC_TIMEOUT,   /* the deadline passed; the callee may still act */
    RPC_CANCELLED, /* by rpc_cancel */
    RPC_NOT_SENT,  /* surely not executed: retry anywhere */
    RPC_UNKNOWN,   /* the link died after sending: it may or may not have been executed */
    RPC_BUSY,      /* transmit buffer or inbound limit full: not executed */
};
/* How an rpc_result other than OK and APP_ERROR looks to a client: Unavailable, or
 * DeadlineExceeded. */
enum err rpc_result_err(enum rpc_result result);

struct rpc_config {
    struct uuid
            member_id; /* this process; a new one at every start, so it is the incarnation too */
    struct uuid cluster_id; /* peers of another cluster are refused at HELLO */
    struct str role;        /* "frontend", ... for logs */
    size_t max_frame;       /* bytes; default 4 MiB + 64 KiB */
    size_t transmit_soft;   /* bytes queued to one peer before new calls get RPC_BUSY; default 8 MiB
                             */
    unsigned inbound_max;   /* parked inbound calls per link; default 100000 */
    struct duration ping_after, dead_after; /* default 1 s, 3 s */
    struct rpc_tls *tls; /* struct rpc_tls of common/rpc/rpc_tls.h, or NULL: plain */
};

struct rpc *rpc_new(const struct rpc_config *config);
/* Makes the rpc side of a lane; called on that lane. lanes are numbered by lane_index. */
struct rpc_lane *rpc_lane_new(struct rpc *rpc, struct lane *lane);
/* "tcp://127.0.0.1:0" or "ipc:///path"; *port gets the real port. Any thread, once. */
enum err rpc_listen(struct rpc *rpc, struct str url, uint16_t *port, struct fail *f) MUST_USE;
/* Stops listening and asks callers to make their new calls elsewhere; calls that are here may
 * finish. Any thread. */
void rpc_drain(struct rpc *rpc);
/* Closes the network: listener and links, for good. Outstanding calls to other processes fail on
 * their lanes, so the lanes must still run. When it returns the network posts nothing any more. Any
 * thread but a lane's. */
void rpc_close(struct rpc *rpc);
/* After rpc_close and after the lanes have been joined, before they are freed. What is still parked
 * is forgotten: no done(), no gone(). */
void rpc_free(struct rpc *rpc);

/* A peer by address. `member` is who we expect there (a HELLO by anybody else closes the link and
 * fails the calls with NOT_SENT). Links are dialled when first used and redialled with back-off
 * while somebody holds the peer; during the back-off calls fail with NOT_SENT. A zero member takes
 * whoever answers. Our own member id is this process, whatever the address: no sockets. Any thread;
 * reference-counted, a pending call counts too. */
struct rpc_peer *rpc_peer_get(struct rpc *rpc, struct str url, struct uuid member);
struct rpc_peer *rpc_peer_ref(struct rpc_peer *peer);
void rpc_peer_put(struct rpc_peer *peer);
struct rpc_peer *rpc_peer_local(struct rpc *rpc);
struct uuid rpc_peer_member(const struct rpc_peer *peer);

/* --- calling --- */
struct rpc_call {
    /* set by the caller */
    void (*done)(struct rpc_call *call, enum rpc_result result, struct str body,
            const struct fail *fail);
    /* private; zeroed before the first use */
    uint64_t id;
    struct rpc_lane *lane;
    struct rpc_peer *peer; /* counted while the call is pending */
    struct rpc_link *link;
    uint64_t at; /* place in the link's stream */
    uint64_t key;
    struct lane_timer timer;
    struct list_node in_list;
    struct map_node by_id;
    enum err local_err; /* refused on this side */
    uint16_t method;
    uint8_t state, result;
};
/* The call struct is embedded in its owner and must live until done() has run (or rpc_cancel was
 * called). body is copied. body and fail given to done() are borrowed for the duration of the
 * callback. done() never runs inside rpc_call. */
void rpc_call(struct rpc_lane *rl, struct rpc_peer *peer, uint16_t method, uint64_t key,
        struct str body, struct duration timeout, struct rpc_call *call);
/* done() will not run; the callee is told, best effort. Nothing if the call is already done. */
void rpc_cancel(struct rpc_call *call);
static inline bool rpc_call_pending(const struct rpc_call *call)
{
    return call->state != 0;
}
/* One way, at most once, no answer. Lost only with its link (rpc_watch_links tells), or when there is none. */
void rpc_notify(
        struct rpc_lane *rl, struct rpc_peer *peer, uint16_t method, uint64_t key, struct str body);

/* --- serving --- */
/* An inbound call; it may stay parked as long as its deadline. Answer exactly once, on the same
 * lane. After gone() has run the call is dead: do not answer. */
struct rpc_in {
    void (*gone)(struct rpc_in
                    *in); /* set by the handler that parks: caller cancelled, link lost, deadline */
    void *owner;          /* free for the handler */
    struct rpc_lane *lane;
    uint16_t method;
    uint64_t key;
    struct instant deadline; /* on lane_monotonic's axis */
    struct uuid from;        /* the calling member */
    /* the transport's own fields follow in its implementation */
};
typedef void (*rpc_handler)(void *ctx, struct rpc_in *in, struct str body);
/* body is borrowed for the duration of the handler. For a notify, `in` is NULL. */
typedef void (*rpc_notify_handler)(void *ctx, struct uuid from, uint64_t key, struct str body);

void rpc_reply(struct rpc_in *in, struct str body);
void rpc_reply_fail(struct rpc_in *in, const struct fail *fail);

/* Which lane serves a key; the same function for all methods of a service. */
typedef unsigned (*rpc_route)(void *ctx, uint64_t key);
/* Methods first .. last are routed by route. Before rpc_listen. */
void rpc_route_methods(struct rpc *rpc, uint16_t first, uint16_t last, rpc_route route, void *ctx);
/* On each lane that serves the method. */
void rpc_serve(struct rpc_lane *rl, uint16_t method, rpc_handler handler, void *ctx);
void rpc_serve_notify(struct rpc_lane *rl, uint16_t method, rpc_notify_handler handler, void *ctx);

/* Told on this lane when the link to a peer is lost or comes up; with inbound_too also the one from it. The two ends
 * see a loss at different times, and what the other side sent in between is lost too: only when its next link is up
 * nothing of the old one is under way any more. */
struct rpc_watch {
    struct list_node node;
    void (*changed)(struct rpc_watch *watch, struct uuid member, bool up);
    bool inbound_too;
};
void rpc_watch_links(struct rpc_lane *rl, struct rpc_watch *watch);
