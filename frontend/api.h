/* What the frontend's own files share: the service of a lane, one public call under way, the table
 * of methods. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "common/api/view.h"
#include "common/rpc/messages.h"
#include "common/rpc/methods.h"
#include "frontend/frontend.h"
#include "frontend/quota.h"

enum api_flags {
    WAITS = 1,
    IDEMPOTENT = 2,
    REGISTERED = 4,
    NO_NAMESPACE = 8,
    WATCH = 16,
    LISTS = 32,
    CHANGES = 64,
    P0 = 1 << 8,
    P1 = 2 << 8,
    P2 = 3 << 8,
    P3 = 4 << 8,
    P4 = 5 << 8,
};

/* A row without one is the least. */
static inline unsigned api_priority(unsigned flags)
{
    return flags >> 8 ? (flags >> 8) - 1 : QUOTA_PRIORITIES - 1;
}

/* Where in the decoded request the routing fields are; -1: the request has none. Found once, by
 * name. */
struct api_route {
    int namespace_at, workflow_id_at, execution_at, token_at, request_id_at;
};

struct request;

struct api_row {
    const char *service, *name;
    const ProtobufCMessageDescriptor *input;
    void (*handle)(struct request *rq);
    int arg;
    unsigned flags;
    struct api_route route;
    unsigned wait; /* WAITS, WATCH: the number of its count */
};

/* One public call. Lives in the call's arena until the call is answered. */
struct request {
    struct frontend *fe;
    struct grpc_call *call;
    const struct api_row *row;
    ProtobufCMessage *message; /* the decoded view; borrows nothing from the transport's buffer */
    struct str raw; /* the request's bytes; valid only while the handler runs the first time */
    struct uuid namespace_id;
    struct str namespace_name;
    struct fail fail;
    struct instant arrived;             /* monotonic */
    struct quota_namespace *waits_in;   /* where it is counted as waiting, or NULL */
    void (*resume)(struct request *rq); /* after waiting for something */
    struct namespace_wait wait;
    struct list_node early; /* in frontend.early: came before the process was ready */
};

struct frontend {
    struct lane *lane;
    struct rpc_lane *rl;
    struct store_lane *sl;
    struct cluster_lane *cl;
    struct grpc_server *grpc;
    const struct frontend_shared *shared;
    struct namespaces_lane *namespaces;
    struct quotas_lane quotas;
    struct frontend_stats stats;
    bool is_serving;
    struct list early; /* struct request: held until the process is ready, or early_timer ends it */
    struct lane_timer early_timer;
    bool early_is_over;
};

/* Each answers the call exactly once; rq is gone afterwards. */
void request_reply(struct request *rq, const ProtobufCMessage *response);
void request_reply_bytes(struct request *rq, struct str bytes);
void request_fail(struct request *rq); /* with rq->fail */
/* Goes on with resume(rq) when the namespaces have been read anew; a call that is cancelled meanwhile, or finds the
 * database away, is answered. */
void request_await_namespaces(struct request *rq, void (*resume)(struct request *rq));
/* The settings of the call's namespace; those of the process for calls that have none. Until the next turn. */
const struct config *request_config(const struct request *rq);
/* What is left of the client's time, bounded by cap. */
struct duration request_time_left(const struct request *rq, struct duration cap);
/* Is the caller an SDK (true) or the command line or the UI (false)? */
bool request_is_from_worker(const struct request *rq);

/* Sends rq->raw to the owner of the workflow and answers with what comes back (history_call.c). */
void history_call(struct request *rq, struct str workflow_id);

/* String and message fields by the offsets of api_route; empty when the row has no such field. */
struct str request_str(const struct request *rq, int at);

/* What is set for a queue; NULL: nothing (task_queue_config.c). */
Api__TaskQueueConfig *task_queue_config(
        struct request *rq, struct str name, enum task_queue_type type);

/* Handlers named in methods.def. */
#define METHOD(service, Name, c_name, handler, arg, flags) \
    void frontend_##handler(struct request *rq);
#include "frontend/methods.def"
#undef METHOD
