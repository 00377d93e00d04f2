/* Between conn.c (what goes over a connection) and dial.c (how one is made). */
#pragma once

#include "cli/client/conn.h"

enum { ADDRESS_BYTES = 256 };

struct addrinfo;
struct nghttp2_session;
struct tls_stream;

/*   CLOSED --conn_open--> CONNECTING --conn_ready--> OPEN --on_frame(GOAWAY)--> DRAINING
 *     ^                        |                      |                            |
 *     +------------------------+---- conn_lost -------+----------------------------+     */
enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_OPEN, CONN_DRAINING };

struct conn {
    struct watch watch;
    struct timer reopen;
    struct channel *channel;
    enum conn_state state;
    unsigned failures; /* in a row */
    bool wants_write;
    struct nghttp2_session *session;
    struct tls_stream *tls;                    /* NULL: none */
    struct addrinfo *addresses, *next_address; /* that are left to try */
    struct buf out, plain;
    struct list calls; /* with a stream on this connection */
    char host[ADDRESS_BYTES], port[16], authority[ADDRESS_BYTES + 16];
};

/* In dial.c. */
void conn_open(struct conn *conn);
/* The next address of the name; false: none is left. */
bool conn_try_next(struct conn *conn);

/* In conn.c. */
void conn_session_start(struct conn *conn);
void conn_lost(struct conn *conn, const char *why);
void conn_ready(struct watch *watch, bool readable, bool writable);
