/* What conn.c and server.c share; nobody else includes it. */
#pragma once

#include <uv.h>

#include "common/io/lane_uv.h"
#include "frontend/transport/transport.h"

enum {
    READ_SIZE = 64 << 10,
    LISTENERS_MAX = 8,
};

struct conn {
    uv_tcp_t tcp;
    struct transport *transport;
    struct h2_session *h2; /* NULL before the TLS handshake is done, and when closing */
    struct tls_conn *tls;
    struct list_node in_all, in_dirty;
    struct lane_timer timer;
    struct instant opened, ages_from, last_read, write_started, drain_started, idle_since,
            owed_since;
    unsigned owed; /* the HTTP/1.1 request of which a part was missing at the last tick, 0: none */
    size_t write_size; /* bytes of the write in flight, 0: none */
    struct h2_peer peer;
    char address[64], certificate[128];
    struct lane_task close_task;
    const char *close_reason;
    bool is_closing, is_close_deferred, is_broken, is_pinged;
};

struct listener;

struct transport {
    struct lane *lane;
    struct transport_config config;
    struct duration tick;
    struct list all, dirty;
    struct lane_hook hook;
    struct lane_task turn; /* asks for a turn: a hook behind ours may produce output too */
    struct listener *listeners[LISTENERS_MAX];
    unsigned listener_count, open_listeners, conn_count;
    struct buf plain, out; /* scratch of the lane's connections */
    bool is_draining, is_flushing, is_turn_asked;
    struct lane_timer drain_timer;
    void (*drained)(void *arg);
    void *drained_arg;
    char input[READ_SIZE];
};

/* conn.c. A connection is made in on_connection of server.c, starts here, and frees itself when closed. */
void conn_start(struct conn *c);
void conn_flush(struct conn *c);
void conn_drain(struct conn *c, struct instant now);
void conn_close(struct conn *c, const char *reason);
/* server.c: a connection or a listener is gone. */
void transport_check_drained(struct transport *t);
