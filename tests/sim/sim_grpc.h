/* The public API without sockets: the doors of frontend/grpc, and the client's end of a call. A call
 * goes to a frontend that serves, over a connection that may break at any moment. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "tests/sim/world.h"

struct sim_call;

/* A call as its maker sees it; embedded in its owner. */
struct api_call {
    /* Exactly once. err is the nearest of our own codes to the status (UNAVAILABLE, NOT_FOUND,
     * ...); body borrowed. unsure: the call may have been executed all the same. */
    void (*done)(struct api_call *call, enum err err, struct str body, const char *text);
    bool pending;
    struct sim_call *server;
    struct sim_event timer; /* deadline, or the answer */
    enum err err;
    struct str detail_type;
    struct buf body;
    char text[160];
};

void api_call_start(struct api_call *call, const char *method, const ProtobufCMessage *request,
        struct duration timeout);
/* The caller falls dead: done() will not run. */
void api_call_abandon(struct api_call *call);
/* Connections of random calls break. */
void sim_grpc_break_some(void);
void sim_grpc_host_died(struct host *host);
uint64_t sim_grpc_calls(void);
