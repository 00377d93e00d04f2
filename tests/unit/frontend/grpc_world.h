/* A server, one connection to it and a client in memory, on a lane driven by hand. */
#pragma once

#include <criterion/criterion.h>

#include "frontend/grpc/grpc.h"
#include "frontend/grpc/health.h"
#include "frontend/grpc/reflection.h"
#include "tests/support/h2_client.h"
#include "tests/support/lane_manual.h"

/* /t.S/Echo; Park: the call is in w.parked; Poll: parks, ends by itself when cancelled or
 * drained; Fail: NOT_FOUND; Metadata: of temporal-namespace. */
struct world {
    struct lane *lane;
    struct grpc_server *server;
    struct health *health;
    struct reflection *reflection;
    struct h2_session *session;
    struct h2_client *client;
    struct grpc_call *parked;
    unsigned cancelled, undelivered, wakes, echoed, polls;
    enum grpc_cancel why;
};
extern struct world w;

static const struct grpc_config grpc_plain = { 0 };

void open_world(const struct grpc_config *config);
/* Fails the test when calls leak. */
void close_world(void);
void lose_connection(void);
/* Carries bytes both ways until all is quiet, then ends the lane's turn. */
void exchange(void);
struct str body(int call);
/* The call has ended with this grpc-status and (unless empty) this grpc-message. */
void expect_status(int call, const char *status, const char *message);
