/* TLS 1.3 with certificates on both sides, between our frames and the byte stream. Sessions live in memory only: bytes
 * in, bytes out. A peer is whoever its certificate says: the role that it claims in HELLO must be among the
 * certificate's DNS names. */
#pragma once

#include "common/base/buf.h"
#include "common/base/err.h"

struct rpc_tls; /* certificate, key and trusted authority; for many links, any thread */
struct rpc_tls_session;

struct rpc_tls_config {
    struct str ca_file;   /* PEM: who signs the cluster's certificates */
    struct str cert_file; /* PEM: ours, with the chain; usable as client and as server */
    struct str key_file;  /* PEM */
};

enum err rpc_tls_new(
        const struct rpc_tls_config *config, struct rpc_tls **ret, struct fail *f) MUST_USE;
/* After the rpc that uses it. */
void rpc_tls_free(struct rpc_tls *tls);

/* --- for links; not thread-safe: under the link's lock --- */
struct rpc_tls_session *rpc_tls_session_new(struct rpc_tls *tls, bool is_server);
void rpc_tls_session_free(struct rpc_tls_session *session);
/* Takes bytes from the stream and appends what they contain to plain. False: the session is broken, or ended. */
bool rpc_tls_session_read(
        struct rpc_tls_session *session, struct str bytes, struct buf *plain) MUST_USE;
/* The handshake is done: the other side's certificate is good, and we may write. */
bool rpc_tls_session_ready(const struct rpc_tls_session *session);
/* Encrypts; only when ready. The bytes come out of rpc_tls_session_take. */
void rpc_tls_session_write(struct rpc_tls_session *session, struct str plain);
/* Appends to wire what must be sent (handshake or data). */
void rpc_tls_session_take(struct rpc_tls_session *session, struct buf *wire);
/* Whether the other side's certificate names it so. */
bool rpc_tls_session_peer_is(const struct rpc_tls_session *session, struct str name);
