/* gRPC calls on top of HTTP/2 streams, without I/O. One grpc_server per lane; it is the h2_app of that lane's
 * transport. Methods are rows of tables; a handler answers at once or parks the call and answers later, on the
 * same lane.
 *
 * The one rule: a handler that was given a call answers it EXACTLY ONCE, with grpc_call_reply, grpc_call_fail
 * or grpc_call_finish - even when on_cancel has run, for then the answer is dropped and only gives the call's
 * memory back. After answering, the handler does not touch the call (except in on_undelivered). */
#pragma once

#include "common/base/arena.h"
#include "common/base/err.h"
#include "common/base/time.h"
#include "common/io/lane.h"
#include "frontend/transport/http2.h"

struct grpc_server;
struct grpc_call;

typedef void (*grpc_handler)(void *ctx, struct grpc_call *call);

struct grpc_method {
    struct str path; /* "/package.Service/Method" */
    grpc_handler handler;
    const void *row;   /* free for the handler's table */
    bool is_streaming; /* the handler runs when the headers are there; see on_message */
};

enum grpc_cancel {
    GRPC_CANCEL_CLIENT,   /* reset by the client, or its connection was lost */
    GRPC_CANCEL_DEADLINE, /* the client has been told DEADLINE_EXCEEDED */
    GRPC_CANCEL_REQUEST, /* a later message of a streaming call was refused; the client has been told why */
};

struct grpc_call {
    /* set by the server */
    const struct grpc_method *method;
    struct lane *lane;
    struct grpc_server *server;
    uint64_t id;        /* unique within the server's life; see grpc_call_find */
    struct str message; /* the request, decompressed; unary: valid only while the handler runs */
    struct instant deadline; /* on lane_monotonic's axis; INSTANT_NEVER: the client set none */
    struct arena arena;      /* freed with the call; takes 2 KiB at its first use */
    /* set by the handler */
    void *owner;
    /* Nobody waits for the answer any more. Typical: cancel what is in flight, then grpc_call_fail. */
    void (*on_cancel)(struct grpc_call *call, enum grpc_cancel why);
    /* After grpc_call_reply: provably not one byte of the reply was given to the socket. Runs once, perhaps
     * within grpc_call_reply; the call (arena, owner) lives until it returns. */
    void (*on_undelivered)(struct grpc_call *call);
    /* The server is draining: a parked poll answers empty now. Runs at once for a call that a handler parks
     * while draining. */
    void (*on_drain)(struct grpc_call *call);
    /* Streaming methods: a message of the client (borrowed for the callback); no more will come. */
    void (*on_message)(struct grpc_call *call, struct str message);
    void (*on_half_close)(struct grpc_call *call);
};

/* Copied into the answer. */
void grpc_call_reply(struct grpc_call *call, struct str bytes);
/* The fail's status, message and detail, encoded before this returns. */
void grpc_call_fail(struct grpc_call *call, const struct fail *f);
/* Streaming: one message (copied); then grpc_call_finish ends with OK, grpc_call_fail with an error. */
void grpc_call_send(struct grpc_call *call, struct str bytes);
void grpc_call_finish(struct grpc_call *call);

/* Is the client still waiting? */
bool grpc_call_is_live(const struct grpc_call *call);
/* Request metadata by lower-case name, not decoded; the first value if there are several; empty if absent.
 * Lives as long as the call. */
struct str grpc_call_metadata(const struct grpc_call *call, struct str name);
bool grpc_call_has_metadata(const struct grpc_call *call, struct str name);
/* Copy the strings when they must outlive the connection. */
const struct h2_peer *grpc_call_peer(const struct grpc_call *call);
/* The call with this id if it still awaits its answer and its client still waits, else NULL. */
struct grpc_call *grpc_call_find(struct grpc_server *server, uint64_t id);

/* On the ports for browsers and operators: a request that is no gRPC-web call goes to the config's `http` handler when
 * its headers are there; its body is not read. The handler answers exactly once, at once or later, with this (or with
 * grpc_call_fail when nobody waits any more). grpc_call_metadata has ":method" and ":path". Everything is copied. */
struct http_answer {
    unsigned status;         /* 200, 404, ... */
    struct str content_type; /* empty: text/plain */
    struct str body;
};
void grpc_call_http(struct grpc_call *call, const struct http_answer *answer);

struct grpc_config {
    uint32_t message_max; /* bytes of a request message, before and after decompression; 0: 4 MiB */
    uint32_t
            header_max; /* bytes of request headers as HTTP/2 counts them; 0: 32 KiB, at most 60 KiB */
    uint32_t gzip_min;   /* replies from this size are gzipped if the client accepts it; 0: never */
    bool refuse_gzip;    /* answer gzipped requests with UNIMPLEMENTED: clients then send plain */
    size_t received_max; /* bytes of unfinished requests and metadata per connection; 0: 64 MiB,
                             * or twice message_max if that is more */
    size_t received_max_lane; /* ... and for all connections of the lane; 0: 512 MiB */
    size_t unsent_max;        /* bytes of replies that a connection does not take; 0: 256 MiB */
    size_t unsent_max_lane;   /* ... and all connections of the lane; 0: 1 GiB */
    unsigned calls_max;       /* open calls of the lane, parked ones included; 0: 200000 */
    struct str
            web_origins; /* comma list of the origins whose pages may call gRPC-web, besides our own; borrowed */
    grpc_handler http; /* NULL: requests that are not gRPC are refused */
    void *http_ctx;
};

/* Rows must live as long as the server. */
struct grpc_server *grpc_server_new(struct lane *lane, const struct grpc_config *config);
/* After all sessions are gone and all calls are answered. */
void grpc_server_free(struct grpc_server *server);
/* Adds rows; a path must be new. ctx is given to their handlers. */
void grpc_server_add(
        struct grpc_server *server, const struct grpc_method *methods, size_t count, void *ctx);
/* For the transport, together with the server as its context. */
const struct h2_app *grpc_app(void);
/* Calls on_drain of every parked call that has one, and from now on of every call that parks. */
void grpc_server_drain(struct grpc_server *server);
unsigned grpc_server_calls(const struct grpc_server *server);
/* The names of all services with a method here, in the order of grpc_server_add. */
void grpc_server_services(
        const struct grpc_server *server, void (*each)(void *arg, struct str name), void *arg);
