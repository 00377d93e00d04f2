/* gRPC calls to one or several servers that speak the public API, over HTTP/2 without TLS, with the
 * retries that an SDK makes: a call that fails with a transient status is sent again with the
 * identical bytes (and so the same request id) after a growing pause, for as long as the run lasts.
 */
#pragma once

#include "cli/client/channel.h"
#include "common/base/rand.h"

enum method {
    METHOD_START,
    METHOD_SIGNAL,
    METHOD_POLL_WORKFLOW,
    METHOD_COMPLETE_WORKFLOW_TASK,
    METHOD_POLL_ACTIVITY,
    METHOD_COMPLETE_ACTIVITY,
    METHOD_HISTORY,
    METHOD_COUNT
};

/* What came of a call. The bytes are borrowed for the time of the callback. */
struct reply {
    int status; /* gRPC code; never a transient one unless the run is over */
    struct str body;
    struct str message;
    unsigned attempts; /* 1: answered at once */
};

typedef void reply_fn(void *owner, const struct reply *reply);

struct rpc_stats {
    uint64_t calls[METHOD_COUNT];
    uint64_t errors[METHOD_COUNT][GRPC_CODES]; /* failed attempts, transient ones too */
    uint64_t retries[METHOD_COUNT];
    struct {
        int status;
        char text[160];
    } last_error[METHOD_COUNT];
};

struct rpc {
    struct channel channel;
    struct arena *arena;
    struct rand *rand;
    struct list spare; /* requests */
    struct rpc_stats stats;
};

/* addresses: "host:port,host:port"; each gets `connections`. Sets the loop's before_wait. */
void rpc_init(struct rpc *rpc, struct loop *loop, struct arena *arena, struct rand *rand,
        struct str addresses, size_t connections);
/* Closes the sockets; outstanding calls are never answered. */
void rpc_close(struct rpc *rpc);

/* The body is copied. The timeout is that of one attempt. */
void rpc_call(struct rpc *rpc, enum method method, struct str body, struct duration timeout,
        reply_fn *fn, void *owner);

const char *rpc_method_name(enum method method);
