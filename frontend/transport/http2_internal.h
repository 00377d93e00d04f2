/* What http2.c and http2_answer.c share; nobody else includes it, nobody else sees nghttp2. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "frontend/transport/http2.h"

struct h2_session {
    nghttp2_session *ng;
    const struct h2_app *app;
    void *conn;
    void (*wake)(void *arg);
    void *wake_arg;
    struct list open;   /* h2_stream.in_open */
    struct list unsent; /* h2_stream.in_unsent: body taken, not yet accepted by the socket */
    size_t stream_count, queued;
    size_t preface_seen; /* bytes of the preface that matched so far */
    bool is_ready, is_broken, is_http1, is_feeding, is_drain_noticed, is_drain_final;
};

/* Output has appeared; nobody is told while the session is being fed or pulled. */
static inline void h2_session_wake(struct h2_session *session)
{
    if (!session->is_feeding) {
        session->wake(session->wake_arg);
    }
}
