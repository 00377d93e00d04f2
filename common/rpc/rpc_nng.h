/* The door to nng: byte streams over tcp and ipc, nothing else of it. Completions arrive on nng's
 * threads, at most one receive and one send at a time per connection, and call the rpc_stream_on_*
 * functions of rpc_stream.h. Errors are negative numbers there. */
#pragma once

#include "common/base/err.h"
#include "common/base/str.h"

struct rpc;
struct rpc_stream;
struct rpc_conn;
struct rpc_listener;

/* A connection to be dialled for a stream. */
struct rpc_conn *rpc_conn_new(void);
void rpc_conn_own(struct rpc_conn *conn, struct rpc_stream *owner);
/* Under the owner's lock, as attach, recv, send and close. False: the address is unusable, nothing
 * will complete. */
bool rpc_conn_dial(struct rpc_conn *conn, const char *url) MUST_USE;
/* After on_connected(true): the connection is usable from here on. */
void rpc_conn_attach(struct rpc_conn *conn);
void rpc_conn_recv(struct rpc_conn *conn, void *bytes, size_t n);
/* Returns how many bytes have left already, and nothing is posted; or 0: a completion will come, and
 * the bytes must stay until then. */
size_t rpc_conn_send(struct rpc_conn *conn, const void *bytes, size_t n) MUST_USE;
/* What is pending completes with an error; nothing may be posted afterwards. */
void rpc_conn_close(struct rpc_conn *conn);
/* Waits for the callbacks: never in a callback, never under a lock that they take. Closed before.
 */
void rpc_conn_free(struct rpc_conn *conn);

/* Accepts until closed; new connections go to rpc_stream_on_accepted. *port: 0 for ipc. */
enum err rpc_listener_new(struct rpc *rpc, struct str url, struct rpc_listener **ret,
        uint16_t *port, struct fail *f) MUST_USE;
/* After an error of accept (no more files): tries again, when it is time. Returns when to be called
 * again (monotonic ns), INT64_MAX if all is well. */
int64_t rpc_listener_tick(struct rpc_listener *listener, int64_t now);
void rpc_listener_free(struct rpc_listener *listener);
