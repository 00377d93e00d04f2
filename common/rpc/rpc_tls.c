/* The door to OpenSSL for links: memory BIOs on both ends of an SSL object. Knows nothing of frames, sockets or locks.
 * nng's own TLS is not used: it cannot tell who the peer is and loses the news of its death. */
#include "common/rpc/rpc_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "common/base/arena.h"

struct rpc_tls {
    SSL_CTX *ctx;
};

struct rpc_tls_session {
    SSL *ssl; /* owns both BIOs */
    BIO *in, *out;
};

enum { RECORD_MAX = 16 * 1024 };

static const char *last_error(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return text ? text : "unknown error";
}

static enum err load(SSL_CTX *ctx, const struct rpc_tls_config *config, struct fail *f)
{
    struct arena arena = { 0 };
    const char *ca = str_cstr(&arena, config->ca_file);
    const char *cert = str_cstr(&arena, config->cert_file);
    const char *key = str_cstr(&arena, config->key_file);
    enum err err = ERR_NONE;
    ERR_clear_error();
    if (SSL_CTX_load_verify_file(ctx, ca) != 1) {
        err = fail(f, ERR_INVALID_ARGUMENT, "certificate authority %s: %s", ca, last_error());
    } else if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1) {
        err = fail(f, ERR_INVALID_ARGUMENT, "certificate %s: %s", cert, last_error());
    } else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
               SSL_CTX_check_private_key(ctx) != 1) {
        err = fail(f, ERR_INVALID_ARGUMENT, "private key %s: %s", key, last_error());
    }
    ERR_clear_error();
    arena_deinit(&arena);
    return err;
}

enum err rpc_tls_new(const struct rpc_tls_config *config, struct rpc_tls **ret, struct fail *f)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    check(ctx);
    check(SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_num_tickets(ctx, 0); /* links are long; nothing is resumed */
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    enum err err = load(ctx, config, f);
    if (err) {
        SSL_CTX_free(ctx);
        return err;
    }
    struct rpc_tls *tls = calloc(1, sizeof(*tls));
    check(tls);
    tls->ctx = ctx;
    *ret = tls;
    return ERR_NONE;
}

void rpc_tls_free(struct rpc_tls *tls)
{
    if (tls) {
        SSL_CTX_free(tls->ctx);
        free(tls);
    }
}

struct rpc_tls_session *rpc_tls_session_new(struct rpc_tls *tls, bool is_server)
{
    struct rpc_tls_session *session = calloc(1, sizeof(*session));
    check(session);
    session->ssl = SSL_new(tls->ctx);
    session->in = BIO_new(BIO_s_mem());
    session->out = BIO_new(BIO_s_mem());
    check(session->ssl && session->in && session->out);
    SSL_set_bio(session->ssl, session->in, session->out);
    if (is_server) {
        SSL_set_accept_state(session->ssl);
    } else {
        SSL_set_connect_state(session->ssl);
        ERR_clear_error();
        SSL_do_handshake(session->ssl); /* writes the first flight, then wants to read */
    }
    return session;
}

void rpc_tls_session_free(struct rpc_tls_session *session)
{
    if (session) {
        SSL_free(session->ssl);
        free(session);
    }
}

bool rpc_tls_session_read(struct rpc_tls_session *session, struct str bytes, struct buf *plain)
{
    ERR_clear_error();
    if (bytes.len) {
        check(BIO_write(session->in, bytes.ptr, (int)bytes.len) == (int)bytes.len);
    }
    for (;;) {
        char *at = buf_reserve(plain, RECORD_MAX);
        if (!at) {
            return false;
        }
        int n = SSL_read(session->ssl, at, RECORD_MAX);
        if (n <= 0) {
            bool wants_more = SSL_get_error(session->ssl, n) == SSL_ERROR_WANT_READ;
            ERR_clear_error();
            return wants_more;
        }
        plain->len += (size_t)n;
    }
}

bool rpc_tls_session_ready(const struct rpc_tls_session *session)
{
    return SSL_is_init_finished(session->ssl) == 1;
}

void rpc_tls_session_write(struct rpc_tls_session *session, struct str plain)
{
    size_t written;
    ERR_clear_error();
    if (plain.len) { /* into memory: all of it, or the session is broken, which the next read tells */
        (void)!SSL_write_ex(session->ssl, plain.ptr, plain.len, &written);
    }
    ERR_clear_error();
}

void rpc_tls_session_take(struct rpc_tls_session *session, struct buf *wire)
{
    size_t pending = BIO_ctrl_pending(session->out);
    char *at = pending ? buf_reserve(wire, pending) : NULL;
    if (at) {
        int n = BIO_read(session->out, at, (int)pending);
        wire->len += n > 0 ? (size_t)n : 0;
    }
}

bool rpc_tls_session_peer_is(const struct rpc_tls_session *session, struct str name)
{
    X509 *cert = SSL_get0_peer_certificate(session->ssl);
    unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS;
    return cert && name.len && X509_check_host(cert, name.ptr, name.len, flags, NULL) == 1;
}
