/* gRPC calls to one or several servers over HTTP/2, with or without TLS: a channel has connections that open again by
 * themselves, and each call is one attempt with a deadline. What to try again is for the caller. One thread, one loop. */
#pragma once

#include "cli/client/loop.h"
#include "common/base/arena.h"
#include "common/base/buf.h"

enum {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16,
    GRPC_CODES = 17,
};

struct tls_client;

struct header {
    struct str name, value; /* the name in small letters */
};

struct channel_options {
    struct str addresses;   /* "host:port,host:port"; without a port: 7233 */
    size_t connections;     /* to each address */
    struct tls_client *tls; /* borrowed; NULL: none */
    struct str authority;   /* instead of the address; empty: not */
    const char *user_agent;
    const struct header *headers; /* of every call; borrowed */
    size_t header_count;
    bool fail_fast; /* a call does not wait for a connection that cannot be made */
};

struct channel {
    struct channel_options options;
    struct loop *loop;
    struct arena *arena;
    struct conn *conns;
    size_t conn_count, next_conn;
    struct list waiting;       /* calls that wait for a connection */
    struct timer again;        /* a moment after a server has refused a stream */
    uint64_t lost_connections; /* that had been open */
};

/* Opens the connections; sets the loop's before_wait. The channel must not move. */
void channel_init(struct channel *channel, struct loop *loop, struct arena *arena,
        const struct channel_options *options);
/* Closes the sockets; outstanding calls are never answered. */
void channel_close(struct channel *channel);

/* One attempt of a call; memory of its owner, used again for further ones. */
struct call {
    /* Set by the owner; the body is borrowed until the end. */
    const char *path; /* "/package.Service/Method" */
    struct str body;
    struct duration timeout;
    void (*ended)(struct call *self);

    /* The outcome, until the next attempt. */
    int status;
    bool was_sent;     /* to a connection: the server may have seen it */
    bool was_answered; /* the status is the server's own */
    struct buf response, message,
            details; /* the answer's message; grpc-message; grpc-status-details-bin, base64 */

    struct list_node link; /* in its connection, or in channel->waiting */
    struct timer timer;
    struct channel *channel;
    struct conn *conn; /* while under way */
    int32_t stream_id;
    size_t sent;
};

/* Once per struct call, and its end. */
void call_init(struct call *call);
void call_deinit(struct call *call);
void call_start(struct channel *channel, struct call *call);

const char *grpc_code_name(int code);
