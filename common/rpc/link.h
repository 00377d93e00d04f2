/* Inside of rpc: what a link is, and the structs that its files share. Not for services.
 *
 * A link carries frames between two sets of lanes: between processes (rpc_stream.c over rpc_nng.c)
 * or inside this one (rpc_local.c). It is a one-shot object: it comes up once, dies once, and its
 * successor starts with empty queues. Calls travel from the side that dialled; the other side
 * answers.
 *
 * When a link dies, every lane gets one link_event. Until a lane has seen that event, the link's
 * memory is there, so the calls of the lane refer to it without counting. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "common/rpc/rpc.h"
#include "common/rpc/rpc_frame.h"

enum { RPC_LANES_MAX = 256, RPC_METHODS_MAX = 1024, RPC_ROUTES_MAX = 16 };

struct rpc_link;

enum rpc_send { RPC_SEND_OK, RPC_SEND_DEAD, RPC_SEND_FULL };

struct rpc_link_ops {
    /* Queues a frame; the body is copied. *at gets its place in the link's stream of calls and
     * answers. Requests stop at the soft bound (FULL): their caller hears of it. Notices, answers and cancels,
     * whose loss nobody would notice, stop only at the hard one, which kills the link: that is seen. */
    enum rpc_send (*send)(struct rpc_link *link, struct rpc_lane *rl, const struct rpc_frame *frame,
            uint64_t *at);
    /* At the end of a lane's turn in which it sent something. NULL: nothing to do. */
    void (*flush)(struct rpc_link *link);
    /* A lane has taken n bytes that came over the link. NULL: not counted. */
    void (*consumed)(struct rpc_link *link, size_t n);
    void (*free)(struct rpc_link *link);
};

struct rpc_link {
    const struct rpc_link_ops *ops;
    struct rpc *rpc;
    uint64_t id; /* never reused within the process */
    _Atomic unsigned refs;
    atomic_bool dead;
    atomic_bool draining;     /* the other side asked for no new calls */
    _Atomic unsigned inbound; /* calls parked here by the other side */
    struct rpc_peer *peer;    /* dialled for this peer; NULL: accepted */
    struct uuid remote; /* the other side's member; fixed before the first frame reaches a lane */
    uint8_t dirty[RPC_LANES_MAX]; /* by lane: sent something in this turn; each lane touches its own
                                   */
};

void rpc_link_init(struct rpc_link *link, struct rpc *rpc, const struct rpc_link_ops *ops);
void rpc_link_ref(struct rpc_link *link);
void rpc_link_unref(struct rpc_link *link);

/* What lanes are told: a link came up, or died with `handed` bytes of its stream given to the
 * transport (frames at or behind that place were surely not executed). Any thread. */
void rpc_link_tell_lanes(struct rpc_link *link, bool up, bool was_up, uint64_t handed);

/* Frames that came in, on their way to a lane: without lengths in between, each preceded by a
 * size_t. */
struct rpc_batch {
    struct lane_task task;
    struct rpc_link *link; /* counted */
    struct rpc_lane *lane;
    size_t len, cap;
    char *data;
};
/* The lane that a frame from outside is for, or NULL (none serves it). Any thread. */
struct rpc_lane *rpc_frame_lane(struct rpc *rpc, const struct rpc_frame *frame);
/* The answer to a request that no lane serves. */
struct rpc_frame rpc_frame_unserved(const struct rpc_frame *request);
struct rpc_batch *rpc_batch_new(struct rpc_link *link, struct rpc_lane *rl);
void rpc_batch_add(struct rpc_batch *batch, struct str frame);
void rpc_batch_post(struct rpc_batch *batch);

struct rpc_peer {
    struct rpc *rpc;
    struct list_node node; /* in rpc->peers */
    char *url;             /* owned */
    struct uuid member;
    _Atomic unsigned refs; /* reaches 0 under rpc->lock only in the manager's hands */
    /* --- under lock --- */
    pthread_mutex_t lock;
    struct rpc_link *link; /* counted; NULL: not connected. The local peer's never changes */
    bool wanted;           /* was used: redial while somebody holds it */
    unsigned attempts;     /* failed in a row */
    int64_t retry_at;      /* monotonic ns */
};

struct rpc_method_entry {
    rpc_handler handler;
    rpc_notify_handler notify;
    void *ctx, *notify_ctx;
};

struct rpc_lane {
    struct rpc *rpc;
    struct lane *lane;
    unsigned index;
    uint64_t next_call;
    struct map calls;   /* waiting for an answer, by id */
    struct list failed; /* calls whose done() runs from fail_task */
    struct lane_task fail_task;
    bool fail_scheduled;
    struct map ins;      /* inbound calls by link and id */
    struct list zombies; /* inbound calls that are gone, not yet answered */
    struct list watches;
    struct lane_hook hook;
    struct rpc_link **dirty; /* sent to in this turn; counted */
    size_t dirty_len, dirty_cap;
    struct rpc_method_entry methods[RPC_METHODS_MAX];
};

struct rpc_route_entry {
    uint16_t first, last;
    rpc_route route;
    void *ctx;
};

struct rpc_listener;

struct rpc {
    struct rpc_config config;
    _Atomic(struct rpc_lane *) lanes[RPC_LANES_MAX];
    struct rpc_route_entry routes[RPC_ROUTES_MAX]; /* fixed before rpc_listen */
    unsigned route_count;
    struct rpc_peer *local;
    _Atomic uint64_t next_link;
    pthread_t manager;
    pthread_cond_t wake; /* of the manager */
    /* --- under lock; taken before any peer's or link's lock --- */
    pthread_mutex_t lock;
    struct list peers;
    struct list links; /* struct stream_link, from creation until the manager takes it down */
    unsigned accepted; /* of links: by the other side's dialling */
    _Atomic unsigned half_open; /* of those: no HELLO yet */
    struct rpc_listener *listener;
    bool closing, closed, draining;
    bool kicked; /* the manager has something to look at now */
};

/* --- rpc.c --- */
int64_t rpc_clock(void); /* monotonic ns, the axis of lane_monotonic */
void rpc_kick_manager(struct rpc *rpc);
void rpc_peer_free(struct rpc_peer *peer);

/* --- rpc_call.c, rpc_in.c: on the lane --- */
void rpc_lane_mark_dirty(struct rpc_lane *rl, struct rpc_link *link);
void rpc_calls_answered(struct rpc_lane *rl, struct rpc_link *link, const struct rpc_frame *frame);
void rpc_calls_link_died(struct rpc_lane *rl, struct rpc_link *link, uint64_t handed);
void rpc_ins_arrived(struct rpc_lane *rl, struct rpc_link *link, const struct rpc_frame *frame);
void rpc_ins_link_died(struct rpc_lane *rl, struct rpc_link *link);
void rpc_ins_drop_all(struct rpc_lane *rl);
/* A frame for this lane, over whatever link. */
void rpc_lane_take(struct rpc_lane *rl, struct rpc_link *link, const struct rpc_frame *frame);

/* --- rpc_local.c --- */
struct rpc_link *rpc_local_link_new(struct rpc *rpc);

/* --- rpc_manager.c: the thread that dials, pings and takes down --- */
void rpc_manager_start(struct rpc *rpc);
/* Closes everything; returns when no callback of the network can run any more. */
void rpc_manager_stop(struct rpc *rpc);
/* The peer's link for a call, made if there is none and the back-off is over; NULL: not now.
 * Counted. */
struct rpc_link *rpc_peer_link(struct rpc_peer *peer);
