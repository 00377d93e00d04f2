/* OpenSSL's door for client connections: contexts from files, and connections over memory buffers. Leaves
 * sockets to server.c and what a certificate's owner may do to authorisation. */
#include "frontend/transport/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>

struct tls_conn {
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    char error[120];
};

static enum err fail_openssl(struct fail *f, const char *what, const char *file)
{
    char text[160] = "unknown error";
    unsigned long e = ERR_peek_last_error();
    if (e) {
        ERR_error_string_n(e, text, sizeof(text));
    }
    ERR_clear_error();
    return fail(f, ERR_INVALID_ARGUMENT, "TLS %s %s: %s", what, file ? file : "", text);
}

/* "h2" or nothing: gRPC has no other protocol. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
        const unsigned char *in, unsigned in_len, void *arg)
{
    for (unsigned i = 0; i < in_len; i += in[i] + 1u) {
        if (in[i] == 2 && i + 2 < in_len && in[i + 1] == 'h' && in[i + 2] == '2') {
            *out = in + i + 1;
            *out_len = 2;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static enum err load_files(SSL_CTX *ctx, const struct tls_files *files, struct fail *f)
{
    if (!files->certificate || SSL_CTX_use_certificate_chain_file(ctx, files->certificate) != 1) {
        return fail_openssl(f, "certificate", files->certificate);
    }
    if (!files->key || SSL_CTX_use_PrivateKey_file(ctx, files->key, SSL_FILETYPE_PEM) != 1 ||
            SSL_CTX_check_private_key(ctx) != 1) {
        return fail_openssl(f, "key", files->key);
    }
    if (files->client_ca) {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(files->client_ca);
        if (!names || SSL_CTX_load_verify_locations(ctx, files->client_ca, NULL) != 1) {
            sk_X509_NAME_pop_free(names, X509_NAME_free);
            return fail_openssl(f, "client CA", files->client_ca);
        }
        SSL_CTX_set_client_CA_list(ctx, names);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return ERR_NONE;
}

enum err tls_config_new(const struct tls_files *files, struct tls_config **ret, struct fail *f)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    check(ctx);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(
            ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"perdure", 7);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    enum err err = load_files(ctx, files, f);
    if (err) {
        SSL_CTX_free(ctx);
        return err;
    }
    *ret = (struct tls_config *)ctx;
    return ERR_NONE;
}

void tls_config_free(struct tls_config *config)
{
    SSL_CTX_free((SSL_CTX *)config);
}

struct tls_conn *tls_conn_new(const struct tls_config *config)
{
    struct tls_conn *t = calloc(1, sizeof(*t));
    check(t);
    t->ssl = SSL_new((SSL_CTX *)(uintptr_t)config);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    check(t->ssl && t->in && t->out);
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_accept_state(t->ssl);
    return t;
}

void tls_conn_free(struct tls_conn *tls)
{
    if (tls) {
        SSL_free(tls->ssl);
        free(tls);
    }
}

static bool conn_failed(struct tls_conn *t)
{
    unsigned long e = ERR_peek_last_error();
    if (e) {
        ERR_error_string_n(e, t->error, sizeof(t->error));
    }
    ERR_clear_error();
    return false;
}

bool tls_conn_feed(struct tls_conn *tls, struct str cipher, struct buf *plain)
{
    check(cipher.len <= INT32_MAX);
    if (BIO_write(tls->in, cipher.ptr, (int)cipher.len) != (int)cipher.len) {
        return conn_failed(tls);
    }
    for (;;) {
        char *to = buf_reserve(plain, 16 << 10); /* a record's worth */
        if (!to) {
            return conn_failed(tls);
        }
        int n = SSL_read(tls->ssl, to, 16 << 10);
        if (n <= 0) {
            bool waits = SSL_get_error(tls->ssl, n) == SSL_ERROR_WANT_READ;
            return waits ? true : conn_failed(tls);
        }
        const unsigned char *protocol;
        unsigned protocol_len;
        SSL_get0_alpn_selected(tls->ssl, &protocol, &protocol_len);
        if (protocol_len == 0) {
            return conn_failed(tls);
        }
        plain->len += (size_t)n;
    }
}

bool tls_conn_is_ready(const struct tls_conn *tls)
{
    return SSL_is_init_finished(tls->ssl);
}

bool tls_conn_write(struct tls_conn *tls, struct str plain)
{
    if (plain.len == 0) {
        return true;
    }
    check(plain.len <= INT32_MAX);
    return SSL_write(tls->ssl, plain.ptr, (int)plain.len) == (int)plain.len || conn_failed(tls);
}

void tls_conn_pull(struct tls_conn *tls, struct buf *cipher)
{
    size_t n = BIO_ctrl_pending(tls->out);
    char *to = n ? buf_reserve(cipher, n) : NULL;
    if (to && BIO_read(tls->out, to, (int)n) == (int)n) {
        cipher->len += n;
    }
}

bool tls_conn_wants_write(const struct tls_conn *tls)
{
    return BIO_ctrl_pending(tls->out) > 0;
}

void tls_conn_shutdown(struct tls_conn *tls)
{
    if (SSL_is_init_finished(tls->ssl)) {
        SSL_shutdown(tls->ssl);
    }
    ERR_clear_error();
}

void tls_conn_peer_name(const struct tls_conn *tls, char *name, size_t size)
{
    name[0] = 0;
    X509 *cert = SSL_get0_peer_certificate(tls->ssl);
    if (cert && SSL_get_verify_result(tls->ssl) == X509_V_OK &&
            X509_NAME_get_text_by_NID(
                    X509_get_subject_name(cert), NID_commonName, name, (int)size) < 0) {
        name[0] = 0;
    }
}

const char *tls_conn_error(const struct tls_conn *tls)
{
    return tls->error[0] ? tls->error : "closed by the peer";
}
