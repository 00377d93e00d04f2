/* One HTTP server connection without any I/O: bytes in, bytes out, streams as events. HTTP/2, after which things
 * are named; a port may allow HTTP/1.1 too, where each request is a stream.
 *
 * The transport feeds what it read and pulls what to write; the application above (frontend/grpc) is told of
 * streams through struct h2_app and answers them with headers, body blocks and trailers. Everything happens
 * on one lane. Callbacks of the application run inside h2_session_feed, h2_session_pull, h2_session_sent
 * and h2_session_free; it may answer streams there, never free the session. */
#pragma once

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/base/str.h"

struct h2_session;

struct h2_header {
    struct str name, value; /* name in lower case */
};

/* Bytes of a response body, made with h2_block_new; the session owns them from h2_stream_send on. */
struct h2_block {
    struct h2_block *next;
    size_t len;
    char bytes[];
};
struct h2_block *h2_block_new(size_t len);
void h2_block_free(struct h2_block *block);

/* Embedded in the application's object for a stream. Zeroed by the application, filled in by the session. */
struct h2_stream {
    struct h2_session *session;
    struct list_node in_open, in_unsent;
    struct h2_block *out_first, *out_last;
    size_t out_off; /* bytes of out_first already taken */
    const struct h2_header *trailers;
    int32_t id;
    uint8_t trailer_count;
    bool is_open : 1; /* until the peer reset it, the connection died or the answer was taken */
    bool is_answering : 1;  /* response headers were submitted */
    bool is_finished : 1;   /* nothing can be added to the answer */
    bool is_body_taken : 1; /* the first body byte went into the output */
    bool may_be_sent : 1;   /* ... and a byte of that output was accepted by the socket */
    bool is_deferred : 1;   /* nghttp2 waits for more body */
    bool is_end_received : 1;
    bool is_closed : 1; /* by nghttp2; the application hears of it when the output has been handed over */
};

/* What a port is for: the application answers each on its own terms. */
enum h2_port {
    H2_PORT_GRPC,
    H2_PORT_WEB,      /* browsers: gRPC-web, pages */
    H2_PORT_OPERATOR, /* metrics and probes */
    H2_PORT_COUNT,
};

/* Who is at the other end; the strings live as long as the session. */
struct h2_peer {
    struct str address;     /* "127.0.0.1:1234" */
    struct str certificate; /* common name of the verified client certificate, or empty */
    bool is_tls;
    enum h2_port port;
};

struct h2_app {
    /* A connection; the result is `conn` below. */
    void *(*connected)(void *app, struct h2_session *session, const struct h2_peer *peer);
    /* After the last `closed` of its streams. */
    void (*disconnected)(void *conn);
    /* A new stream: the application's object, or NULL to refuse it (the client may retry it safely). */
    struct h2_stream *(*opened)(void *conn);
    void (*header)(struct h2_stream *stream, struct str name, struct str value);
    void (*headers_done)(struct h2_stream *stream, bool is_end);
    void (*data)(struct h2_stream *stream, struct str bytes);
    void (*ended)(struct h2_stream *stream); /* the request is complete */
    /* The last event of a stream; its memory is the application's again. stream->may_be_sent is false when
     * provably no byte of the response body reached the socket. */
    void (*closed)(struct h2_stream *stream);
    /* A chunk of input has been taken completely. */
    void (*fed)(void *conn);
};

struct h2_config {
    uint32_t stream_window;     /* bytes; 0: 1 MiB */
    uint32_t connection_window; /* bytes; 0: 8 MiB */
    uint32_t streams_max;       /* 0: 100000 */
    uint32_t header_list_max;   /* bytes, announced; the application enforces; 0: 64 KiB */
    uint64_t reset_burst;       /* client resets before the rapid-reset defence; 0: 100000 */
    uint64_t reset_rate;        /* ... refilled per second; 0: 10000 */
    bool allows_http1;          /* else a client that speaks it is told off */
};

/* wake(arg) is called when output appears outside of feed. The config is only read here. */
struct h2_session *h2_session_new(const struct h2_config *config, const struct h2_app *app,
        void *app_ctx, const struct h2_peer *peer, void (*wake)(void *arg), void *arg);
/* Closes all streams, then disconnected(). */
void h2_session_free(struct h2_session *session);

/* False when the connection is beyond repair: flush what there is to pull, then close. */
bool h2_session_feed(struct h2_session *session, struct str bytes);
/* Appends output until there is none or out->len >= limit. Returns false on a fatal error. */
bool h2_session_pull(struct h2_session *session, struct buf *out, size_t limit);
bool h2_session_wants_write(const struct h2_session *session);
/* The socket accepted at least one byte of what was pulled last. */
void h2_session_sent(struct h2_session *session);
/* True when nothing will be read or written any more: close. */
bool h2_session_is_done(const struct h2_session *session);

/* True once the client's preface, or its first HTTP/1.1 request, has been seen. */
bool h2_session_is_ready(const struct h2_session *session);
size_t h2_session_streams(const struct h2_session *session);
/* Response body bytes waiting to be taken. */
size_t h2_session_queued(const struct h2_session *session);

/* Can a client that has nothing to say be asked for a sign of life? Not over HTTP/1.1. */
bool h2_session_can_ping(const struct h2_session *session);
/* Asks the peer for a sign of life (any input is one). */
void h2_session_ping(struct h2_session *session);
/* Graceful end: a shutdown notice now, and after one round trip (or h2_session_drain_now) a GOAWAY that
 * names the last stream that will be answered. Open streams go on. */
void h2_session_drain(struct h2_session *session);
void h2_session_drain_now(struct h2_session *session);
bool h2_session_is_draining(const struct h2_session *session);

/* --- answering; all do nothing on a stream that is no longer open --- */
/* Headers are copied. With is_last the answer consists of them alone. */
void h2_stream_respond(
        struct h2_stream *stream, const struct h2_header *headers, size_t count, bool is_last);
/* Takes the block. */
void h2_stream_send(struct h2_stream *stream, struct h2_block *block);
/* Ends the answer after the blocks sent. Trailers are borrowed until `closed`. At most 255. */
void h2_stream_finish(struct h2_stream *stream, const struct h2_header *trailers, size_t count);
/* RST_STREAM with this HTTP/2 error code. */
void h2_stream_reset(struct h2_stream *stream, uint32_t code);
