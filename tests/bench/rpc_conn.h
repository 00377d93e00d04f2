/* Between rpc.c (calls and retries) and conn.c (sockets and HTTP/2). */
#pragma once

#include "tests/bench/rpc.h"

struct call {
    struct list_node link; /* in its connection, in rpc->waiting or in rpc->spare */
    struct timer timer;    /* the attempt's deadline, or the pause before the next attempt */
    struct rpc *rpc;
    struct conn *conn; /* while the attempt is under way */
    int32_t stream_id;
    enum method method;
    struct duration timeout;
    struct buf request; /* with the message prefix */
    size_t sent;
    struct buf response;
    struct buf message;
    int status; /* -1: not told yet */
    unsigned attempts;
    bool is_pausing;
    reply_fn *fn;
    void *owner;
};

/* In conn.c. */
void conns_init(struct rpc *rpc, struct str addresses, size_t per_address);
void conns_flush(void *rpc);
void conns_close(struct rpc *rpc);
/* False when no connection is open. */
bool conn_send(struct rpc *rpc, struct call *call);
/* The attempt is given up; its stream is reset and the call is in no list any more. */
void conn_abandon(struct call *call);

/* In rpc.c, called by conn.c: the attempt is over; call->status tells how, or status < 0: it broke.
 */
void call_ended(struct call *call, int status, const char *why);
/* The server has provably not acted on it: sent again at once. */
void call_untouched(struct call *call);
/* A connection has opened. */
void rpc_dispatch_waiting(struct rpc *rpc);
const char *rpc_method_path(enum method method);
