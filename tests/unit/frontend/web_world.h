/* A connection to the port for browsers (or operators), by its bytes: /t.S/Echo, Fail (NOT_FOUND), Park (parked in
 * web.parked), and pages: /hello, /later (parked), everything else 404. */
#pragma once

#include <criterion/criterion.h>

#include "frontend/grpc/grpc.h"
#include "tests/support/lane_manual.h"

struct web_world {
    struct lane *lane;
    struct grpc_server *server;
    struct h2_session *session;
    struct grpc_call *parked;
    unsigned cancelled, undelivered, wakes, echoed;
    bool is_alive; /* the session has not asked for the end of the connection */
    struct buf out;
};
extern struct web_world web;

void web_open(enum h2_port port, const char *origins);
/* Fails the test when calls leak. */
void web_close(void);
void web_lose_connection(void);
/* Feeds the bytes and returns all that the server says, NUL-terminated. */
const char *web_say_bytes(struct str bytes);
const char *web_say(const char *text);
/* What the server has to say by now. */
const char *web_hear(void);
