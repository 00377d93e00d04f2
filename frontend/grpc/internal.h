/* What the files of this folder share; nobody else includes it. */
#pragma once

#include "common/base/map.h"
#include "frontend/grpc/frame.h"
#include "frontend/grpc/grpc.h"
#include "frontend/grpc/gzip.h"
#include "frontend/grpc/text.h"
#include "frontend/grpc/web.h"

/* The life of a call. The client's side (stream) and the handler's side end independently; the memory goes
 * when both have ended.
 *
 *   RECEIVING --complete--> READY --handler runs--> OWNED --reply, fail--> ANSWERED --stream closed--> freed
 *       |                     |                       |
 *       +---closed: freed-----+                       +--closed or deadline--> ABANDONED --answer--> freed *
 *
 *   * once the stream is closed too
 *
 * RECEIVING, READY and an OWNED streaming call hold request bytes. OWNED and ABANDONED calls belong to a
 * handler. A call refused while RECEIVING goes straight to ANSWERED. */
enum call_state { CALL_RECEIVING, CALL_READY, CALL_OWNED, CALL_ABANDONED, CALL_ANSWERED };

enum call_encoding { ENCODING_IDENTITY, ENCODING_GZIP, ENCODING_UNKNOWN };

struct call {
    struct grpc_call pub;
    struct h2_stream stream;
    struct grpc_conn *conn; /* NULL once the stream is closed */
    struct list_node in_ready;
    struct lane_timer timer;
    struct frame_reader reader;
    void *ctx;
    char *meta; /* entries: u16 name length, u16 value length, name, value */
    uint32_t meta_len, meta_cap;
    uint32_t accounted; /* bytes of reader and metadata in the accounts of connection and server */
    uint32_t unsent;    /* bytes of the reply, in the server's account until the stream is closed */
    uint32_t header_bytes; /* as HTTP/2 counts: 32 more for each */
    struct duration timeout;
    enum call_state state : 8;
    enum call_encoding encoding : 8;
    enum grpc_wire wire : 8;
    struct web_text text; /* of a request in the text form */
    bool has_timeout : 1;
    bool is_post : 1;
    bool is_http : 1;    /* goes to the config's http handler: no message, no status */
    bool needs_cors : 1; /* the page's origin is named in the answer */
    bool accepts_gzip : 1;
    bool is_timeout_bad : 1;
    bool is_reply : 1;    /* answered OK: may turn out undelivered */
    bool has_headers : 1; /* streaming: response headers are sent */
    struct h2_header status_trailer[3];
};

/* One HTTP/2 connection. */
struct grpc_conn {
    struct grpc_server *server;
    struct h2_session *session;
    const struct h2_peer *peer;
    struct list ready; /* call.in_ready: complete requests of this feed */
    struct list begun; /* call.in_ready: of this feed, too: requests that are not complete yet */
    size_t received;   /* bytes held for requests: unfinished messages, metadata */
};

static inline bool call_is_web(const struct call *c)
{
    return c->wire == GRPC_WIRE_WEB || c->wire == GRPC_WIRE_WEB_TEXT;
}

struct method_entry {
    struct map_node node;
    const struct grpc_method *method;
    void *ctx;
};

struct service_entry {
    struct map_node node;
};

struct slot {
    struct call *call; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct grpc_server {
    struct lane *lane;
    struct grpc_config config;
    struct grpc_method http; /* of calls that are plain HTTP */
    struct map methods, services;
    struct arena arena; /* the entries */
    struct slot *slots;
    uint32_t slot_count, slot_free; /* slot_free: index + 1, 0: none */
    unsigned call_count;
    size_t received, unsent; /* bytes of all connections */
    bool is_draining;
    struct gzip *gzip;
    struct buf inflated, deflated;
};

/* call.c */
struct call *callee_new(struct grpc_conn *conn);
void callee_free(struct call *call);
void callee_refused(struct call *call);
void callee_run(struct call *call);
void callee_drain(struct call *call);
/* What the call holds has changed: the accounts follow. */
void callee_account(struct call *call);
void callee_closed(struct call *call);
enum err callee_decompress(struct call *call, struct str *message, struct fail *f) MUST_USE;
void callee_start_timer(struct call *call);
/* What is missing of the request must come in a bounded time. */
void callee_await_rest(struct call *call);
void callee_drop_request(struct call *call);

/* http.c: plain requests on the ports of browsers and operators */
/* False: this is a gRPC-web call. Otherwise the call is answered, or with its handler. */
bool http_take(struct call *call);
/* Fills in the headers that let a page read the answer; returns how many, at most HTTP_CORS_HEADERS. */
enum { HTTP_CORS_HEADERS = 3 };
size_t http_cors_headers(const struct call *call, struct h2_header to[HTTP_CORS_HEADERS]);

/* answer.c */
/* The handler's side of an answered call ends. */
void callee_answered(struct call *call);
/* Ends a call for what its client did or let pass; a handler that holds it is told. */
void callee_break(struct call *call, const struct fail *f, enum grpc_cancel why);
void callee_fail(struct call *call, const struct fail *f);
void callee_send_fail(struct call *call, const struct fail *f);
void callee_undelivered(struct call *call);

/* request.c: the events of streams */
void request_header(struct h2_stream *stream, struct str name, struct str value);
void request_headers_done(struct h2_stream *stream, bool is_end);
void request_data(struct h2_stream *stream, struct str bytes);
void request_ended(struct h2_stream *stream);
