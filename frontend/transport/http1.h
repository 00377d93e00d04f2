/* A session whose client turned out to speak HTTP/1.1: the other half of http2.h behind the same functions. One
 * request at a time is a stream; the application does not see a difference, except that trailers are not sent
 * (gRPC-web puts them into the body). Only http2.c and http2_answer.c include this. */
#pragma once

#include "common/base/buf.h"
#include "frontend/transport/http2.h"

struct h1;

struct h1 *h1_new(struct h2_session *session);
void h1_free(struct h1 *h1);

/* False when the connection ends once its output is flushed. */
bool h1_feed(struct h1 *h1, struct str bytes);
void h1_pull(struct h1 *h1, struct buf *out, size_t limit);
bool h1_wants_write(const struct h1 *h1);
bool h1_is_done(const struct h1 *h1);
/* A first request has come. */
bool h1_is_ready(const struct h1 *h1);
/* The connection ends after the request under way. */
void h1_drain(struct h1 *h1);

void h1_respond(struct h1 *h1, struct h2_stream *stream, const struct h2_header *headers,
        size_t count, bool is_last);
void h1_reset(struct h1 *h1);
