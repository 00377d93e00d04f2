/* What http2.c, http2_answer.c and http1.c share; nobody else includes it, nobody else sees nghttp2. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "frontend/transport/http1.h"
#include "frontend/transport/http2.h"

struct h2_session {
    nghttp2_session *ng;
    struct h1 *h1; /* the client speaks HTTP/1.1: everything goes there */
    const struct h2_app *app;
    void *conn;
    void (*wake)(void *arg);
    void *wake_arg;
    struct list open;   /* h2_stream.in_open */
    struct list unsent; /* h2_stream.in_unsent: body taken, not yet accepted by the socket */
    size_t stream_count, queued;
    size_t preface_seen; /* bytes of the preface that matched so far */
    bool allows_http1;
    bool is_ready, is_broken, is_http1, is_feeding, is_drain_noticed, is_drain_final;
};

/* The stream is over; the application gets its object back when its output has been handed over. */
void h2_session_stream_closed(struct h2_stream *stream);
/* n bytes of the first block went into the output. */
void h2_stream_took(struct h2_stream *stream, size_t n);

/* Output has appeared; nobody is told while the session is being fed or pulled. */
static inline void h2_session_wake(struct h2_session *session)
{
    if (!session->is_feeding) {
        session->wake(session->wake_arg);
    }
}
