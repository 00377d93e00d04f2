/* OpenSSL's door for clients: a context from files or texts, and streams over memory buffers. Leaves sockets to conn.c. */
#include "cli/client/tls_client.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/check.h"

struct tls_client {
    SSL_CTX *ctx;
    bool trust_anybody;
    const char *server_name; /* NULL: each connection's own */
};

struct tls_stream {
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    char error[200];
};

static const unsigned char h2[] = { 2, 'h', '2' };

static enum err fail_openssl(struct fail *f, const char *what)
{
    char text[160] = "unknown error";
    unsigned long e = ERR_peek_last_error();
    if (e) {
        ERR_error_string_n(e, text, sizeof(text));
    }
    ERR_clear_error();
    return fail(f, ERR_INVALID_ARGUMENT, "TLS: %s: %s", what, text);
}

/* The text, or the file; NULL when neither is given or the file cannot be opened. */
static BIO *open_pem(struct arena *arena, struct str text, struct str file)
{
    if (text.len) {
        return BIO_new_mem_buf(text.ptr, (int)text.len);
    }
    return BIO_new_file(str_cstr(arena, file), "r");
}

static bool load_certificate(SSL_CTX *ctx, BIO *bio)
{
    X509 *first = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    bool ok = first && SSL_CTX_use_certificate(ctx, first) == 1;
    X509_free(first);
    X509 *next;
    while (ok && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        ok = SSL_CTX_add0_chain_cert(ctx, next) == 1; /* takes it */
    }
    if (ok) {
        ERR_clear_error(); /* the end of the file */
    }
    BIO_free(bio);
    return ok;
}

static bool load_key(SSL_CTX *ctx, BIO *bio)
{
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    bool ok = key && SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    return ok;
}

static bool load_ca(SSL_CTX *ctx, BIO *bio)
{
    size_t count = 0;
    X509 *ca;
    while (bio && (ca = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        count += X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca) == 1;
        X509_free(ca);
    }
    if (count) {
        ERR_clear_error();
    }
    BIO_free(bio);
    return count > 0;
}

static enum err load(
        SSL_CTX *ctx, const struct tls_client_options *o, struct arena *arena, struct fail *f)
{
    bool has_certificate = o->certificate.len || o->certificate_file.len;
    bool has_key = o->key.len || o->key_file.len;
    if (has_certificate != has_key) {
        return fail(f, ERR_INVALID_ARGUMENT,
                "TLS: a client certificate and its key belong together; the %s is missing",
                has_key ? "certificate" : "key");
    }
    if (has_certificate &&
            !load_certificate(ctx, open_pem(arena, o->certificate, o->certificate_file))) {
        return fail_openssl(f, "cannot use the client certificate");
    }
    if (has_key && !load_key(ctx, open_pem(arena, o->key, o->key_file))) {
        return fail_openssl(f, "cannot use the client key");
    }
    if (!o->ca.len && !o->ca_file.len) {
        SSL_CTX_set_default_verify_paths(ctx);
        return ERR_NONE;
    }
    return load_ca(ctx, open_pem(arena, o->ca, o->ca_file))
                   ? ERR_NONE
                   : fail_openssl(f, "cannot use the CA certificate");
}

enum err tls_client_new(const struct tls_client_options *options, struct arena *arena,
        struct tls_client **ret, struct fail *f)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    check(ctx);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_alpn_protos(ctx, h2, sizeof(h2));
    SSL_CTX_set_verify(ctx, options->trust_anybody ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    enum err err = load(ctx, options, arena, f);
    if (err) {
        SSL_CTX_free(ctx);
        return err;
    }
    struct tls_client *client = calloc(1, sizeof(*client));
    check(client);
    *client = (struct tls_client){ ctx, options->trust_anybody,
        options->server_name.len ? str_cstr(arena, options->server_name) : NULL };
    *ret = client;
    return ERR_NONE;
}

void tls_client_free(struct tls_client *client)
{
    if (client) {
        SSL_CTX_free(client->ctx);
        free(client);
    }
}

struct tls_stream *tls_stream_new(struct tls_client *client, const char *name)
{
    struct tls_stream *s = calloc(1, sizeof(*s));
    check(s);
    s->ssl = SSL_new(client->ctx);
    s->in = BIO_new(BIO_s_mem());
    s->out = BIO_new(BIO_s_mem());
    check(s->ssl && s->in && s->out);
    SSL_set_bio(s->ssl, s->in, s->out);
    SSL_set_connect_state(s->ssl);
    name = client->server_name ? client->server_name : name;
    unsigned char address[16];
    if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1) {
        check(client->trust_anybody ||
                X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(s->ssl), name) == 1);
    } else {
        SSL_set_tlsext_host_name(s->ssl, name);
        check(client->trust_anybody || SSL_set1_host(s->ssl, name) == 1);
    }
    (void)SSL_do_handshake(s->ssl); /* writes the first message */
    return s;
}

void tls_stream_free(struct tls_stream *stream)
{
    if (stream) {
        SSL_free(stream->ssl);
        free(stream);
    }
}

static bool stream_failed(struct tls_stream *s)
{
    long verified = SSL_get_verify_result(s->ssl);
    unsigned long e = ERR_peek_last_error();
    if (verified != X509_V_OK) {
        snprintf(s->error, sizeof(s->error), "TLS: the server's certificate: %s",
                X509_verify_cert_error_string(verified));
    } else if (e) {
        char text[160];
        ERR_error_string_n(e, text, sizeof(text));
        const char *reason = ERR_reason_error_string(e);
        snprintf(s->error, sizeof(s->error), "TLS: %s", reason ? reason : text);
    }
    ERR_clear_error();
    return false;
}

bool tls_stream_feed(struct tls_stream *s, struct str cipher, struct buf *plain)
{
    check(cipher.len <= INT32_MAX);
    if (BIO_write(s->in, cipher.ptr, (int)cipher.len) != (int)cipher.len) {
        return stream_failed(s);
    }
    for (;;) {
        char *to = buf_reserve(plain, 16 << 10); /* a record's worth */
        if (!to) {
            return stream_failed(s);
        }
        int n = SSL_read(s->ssl, to, 16 << 10);
        if (n <= 0) {
            return SSL_get_error(s->ssl, n) == SSL_ERROR_WANT_READ || stream_failed(s);
        }
        plain->len += (size_t)n;
    }
}

bool tls_stream_is_ready(const struct tls_stream *s)
{
    return SSL_is_init_finished(s->ssl);
}

bool tls_stream_write(struct tls_stream *s, struct str plain)
{
    const unsigned char *protocol;
    unsigned len;
    check(plain.len <= INT32_MAX);
    SSL_get0_alpn_selected(s->ssl, &protocol, &len);
    if (len != 2) {
        snprintf(s->error, sizeof(s->error), "TLS: the server does not speak HTTP/2 there");
        return false;
    }
    return SSL_write(s->ssl, plain.ptr, (int)plain.len) == (int)plain.len || stream_failed(s);
}

void tls_stream_pull(struct tls_stream *s, struct buf *cipher)
{
    size_t n = BIO_ctrl_pending(s->out);
    char *to = n ? buf_reserve(cipher, n) : NULL;
    if (to && BIO_read(s->out, to, (int)n) == (int)n) {
        cipher->len += n;
    }
}

const char *tls_stream_error(const struct tls_stream *s)
{
    return s->error[0] ? s->error : "TLS: closed by the server";
}
