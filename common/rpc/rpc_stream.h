/* The link over a byte stream: frames, HELLO, bounds, silence. Driven by three kinds of threads:
 * lanes send and flush, nng's threads deliver, the manager starts, pings and takes down. */
#pragma once

#include "common/rpc/link.h"
#include "common/rpc/rpc_nng.h"
#include "common/rpc/rpc_tls.h"

enum {
    RPC_DIAL_SECONDS = 2,
    RPC_HELLO_SECONDS = 3,
    RPC_LINKS_MAX = 4096,     /* accepted */
    RPC_HALF_OPEN_MAX = 256,  /* accepted, no HELLO yet */
    RPC_READ_MIN = 64 * 1024, /* room for one receive */
    RPC_READ_MAX = 256 * 1024,
    RPC_UNCONSUMED_MAX = 8 * 1024 * 1024, /* bytes on their way to lanes before we stop reading */
    RPC_KEEP_MAX = 1024 * 1024,           /* an emptied buffer above that is given back */
};

/*            manager dials        on_connected            HELLO of the other side
 *   (dialled) DIALING ------------> (same) -------> HELLO ----------------------> UP
 *   (accepted) ------------------------------------> HELLO        any of them ----> DEAD
 *
 * DIALING: no stream. HELLO: ours is queued, only control frames leave. UP: calls leave. DEAD: the
 * stream is closed, nothing is posted to it any more, lanes have been told; the manager will take
 * it down. */
enum rpc_stream_state { RPC_DIALING, RPC_HELLO, RPC_UP, RPC_DEAD };

struct rpc_stream {
    struct rpc_link base;
    struct list_node node; /* in rpc->links, under rpc->lock */
    pthread_mutex_t lock;
    /* --- under lock --- */
    enum rpc_stream_state state;
    struct rpc_conn *conn;       /* NULL until dialled */
    bool sending;                /* a send is posted: flight must not be touched */
    bool rx_paused;              /* no receive is posted: lanes are behind */
    struct buf control;          /* HELLO, PING, PONG, GOAWAY: before everything else */
    struct buf out;              /* calls and answers, to be sent next */
    struct buf flight;           /* being sent; with TLS: encrypted */
    struct rpc_tls_session *tls; /* NULL: plain */
    size_t flight_sent;
    uint64_t handed;  /* bytes of calls and answers that were ever moved to flight */
    int64_t deadline; /* monotonic ns: of DIALING and HELLO */
    int64_t last_ping;
    /* --- */
    _Atomic int64_t last_heard; /* monotonic ns */
    _Atomic size_t unconsumed;
    /* --- the receiving callback's, or nobody's when paused --- */
    struct buf rx;
    struct buf raw; /* with TLS: what is received, before it becomes rx */
    size_t rx_room; /* of the posted receive */
    struct rpc_batch *batches[RPC_LANES_MAX];
    unsigned batched[RPC_LANES_MAX], batched_count; /* lanes that have one */
    bool is_known;                                  /* their HELLO was accepted */
};

static inline struct rpc_stream *rpc_stream_of(struct rpc_link *link)
{
    return container_of(link, struct rpc_stream, base);
}

/* peer NULL: accepted. The caller puts it into rpc->links. */
struct rpc_stream *rpc_stream_new(struct rpc *rpc, struct rpc_peer *peer);
/* The manager: starts the dial, pings, notices silence and passed deadlines. Returns when to come
 * again. */
int64_t rpc_stream_tick(struct rpc_stream *s, int64_t now);
/* Any thread, without locks. The first call decides; `why` is for the log. */
void rpc_stream_die(struct rpc_stream *s, const char *why);
/* The manager, when dead: waits for callbacks, then gives up its reference. */
void rpc_stream_take_down(struct rpc_stream *s);

/* Control frames may be added when not dead; under lock. */
void rpc_stream_put_control(struct rpc_stream *s, const struct rpc_frame *frame);
/* Posts a send if none is posted and something may leave; under lock. */
void rpc_stream_submit(struct rpc_stream *s);

/* --- from rpc_nng.c, on its threads --- */
void rpc_stream_on_accepted(struct rpc *rpc, struct rpc_conn *conn);
void rpc_stream_on_connected(struct rpc_stream *s, bool ok);
void rpc_stream_on_received(struct rpc_stream *s, int64_t n);
void rpc_stream_on_sent(struct rpc_stream *s, int64_t n);

/* --- rpc_stream_in.c: the receiving half --- */
/* Takes the frames out of rx. Returns why the link must die, or NULL. */
const char *rpc_stream_take_frames(struct rpc_stream *s);
