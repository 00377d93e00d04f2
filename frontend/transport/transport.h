/* Client connections of one lane: accepts them on the lane's own listening sockets, carries TLS, feeds HTTP/2
 * sessions and writes once per turn everything that the turn produced. A connection never changes its lane.
 *
 * All functions are for the lane. */
#pragma once

#include "common/io/lane.h"
#include "frontend/transport/http2.h"
#include "frontend/transport/tls.h"

struct transport;

struct transport_config {
    const struct h2_app *app;
    void *app_ctx;
    enum h2_port port;
    struct h2_config h2;
    const struct tls_config *tls;      /* NULL: plain text; borrowed, outlives the transport */
    unsigned connections_max;          /* beyond it connections are closed at once; 0: 20000 */
    int backlog;                       /* 0: 1024 */
    struct duration handshake_timeout; /* from accept to the HTTP/2 preface; 0: 10 s */
    struct duration
            ping_after; /* silence after which the client is asked for a sign of life; 0: 30 s */
    struct duration ping_timeout;  /* ... and cut off without an answer; 0: 15 s */
    struct duration write_timeout; /* a client that takes nothing for so long is cut off; 0: 30 s */
    struct duration idle_timeout;  /* connections without streams are drained; 0: never */
    struct duration age_max;       /* older connections are drained (+-10 %); 0: never */
};

struct transport *transport_new(struct lane *lane, const struct transport_config *config);
/* See listen_sockets_open for host, port and is_first. May be called several times. */
enum err transport_listen(struct transport *transport, struct str host, bool is_first,
        uint16_t *port, struct fail *f) MUST_USE;

/* Stops accepting, tells every client to go elsewhere, lets open calls finish, and cuts off what is left after
 * patience (0: at once). done(arg) runs when all is closed; transport_free may be called when the lane has ended. */
void transport_drain(
        struct transport *transport, struct duration patience, void (*done)(void *arg), void *arg);
/* Before the first transport_listen or after done(), and when the lane does not run any more. */
void transport_free(struct transport *transport);

unsigned transport_connections(const struct transport *transport);
