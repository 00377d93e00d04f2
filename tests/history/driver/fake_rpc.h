/* The inside of the stand-in for the transport. */
#pragma once

#include "tests/history/driver/world.h"

struct served {
    rpc_handler handler;
    rpc_notify_handler notify;
    void *ctx;
};

struct rpc_lane {
    struct world *world;
    struct served handlers[256];
    struct list watches;
};

struct pending *fake_rpc_deliver(struct world *w, uint16_t method, uint64_t key, struct str body,
        struct rpc_call *caller, struct duration timeout);
