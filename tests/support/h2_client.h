/* An HTTP/2 client in memory, talking to one h2_session without sockets: what it sends is fed when
 * h2_client_exchange is called, and what the session says comes back. */
#pragma once

#include "frontend/transport/http2.h"

enum { H2_CLIENT_STREAMS = 2048, H2_CLIENT_HEADERS = 2048 };

struct h2_client_stream {
    int32_t id;
    char headers[H2_CLIENT_HEADERS]; /* "name: value\n" of headers and trailers */
    struct buf body;
    bool is_closed;
    uint32_t reset_code;
};

struct h2_client;

struct h2_client *h2_client_new(struct h2_session *session);
/* The session is freed first, by the caller or by h2_client_lose. */
void h2_client_free(struct h2_client *client);

/* Opens a gRPC call; body is sent as it is (with its prefix) when `ends`, else the stream stays open and the
 * body follows with h2_client_send. Returns an index. extra: "name: value" pairs, NULL-terminated. */
int h2_client_call(struct h2_client *client, const char *path, struct str body, bool ends,
        const char *const *extra);
/* One message, framed and sent. */
int h2_client_unary(struct h2_client *client, const char *path, struct str message);
void h2_client_send(struct h2_client *client, int call, struct str bytes, bool ends);
void h2_client_reset(struct h2_client *client, int call);
/* Carries bytes both ways until nobody has more to say. False when the session broke. */
bool h2_client_exchange(struct h2_client *client);
/* Only from client to session; the session's output is not pulled. */
void h2_client_push(struct h2_client *client);
/* Pulls the session's output and drops it, as a socket that fails would. */
void h2_client_pull_and_lose(struct h2_client *client);

struct h2_client_stream *h2_client_get(struct h2_client *client, int call);
bool h2_client_has(struct h2_client *client, int call, const char *header_line);
/* The last GOAWAY: -1 for none, else the last stream it names. */
int32_t h2_client_goaway(const struct h2_client *client);
