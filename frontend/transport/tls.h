/* TLS for the server side of a connection, without I/O: ciphertext in, plaintext out, and back. At least
 * TLS 1.2; only HTTP/2 is agreed upon (ALPN "h2"); no renegotiation. */
#pragma once

#include "common/base/buf.h"
#include "common/base/err.h"

struct tls_config; /* certificates; shared by all lanes, reference-counted */
struct tls_conn;   /* one connection; one lane */

struct tls_files {
    const char *certificate; /* PEM chain, the server's certificate first */
    const char *key;         /* PEM */
    const char *client_ca;   /* PEM; not NULL: clients must present a certificate that it signed */
};
enum err tls_config_new(
        const struct tls_files *files, struct tls_config **ret, struct fail *f) MUST_USE;
/* Any thread. Connections keep what they need. NULL does nothing. */
void tls_config_free(struct tls_config *config);

struct tls_conn *tls_conn_new(const struct tls_config *config);
void tls_conn_free(struct tls_conn *tls);
/* Takes ciphertext and appends the plaintext that became complete. False: the peer broke the protocol, was
 * refused or said goodbye; pull once more (an alert may wait) and close. */
bool tls_conn_feed(struct tls_conn *tls, struct str cipher, struct buf *plain);
bool tls_conn_is_ready(const struct tls_conn *tls); /* handshake done */
/* Only after the handshake. */
bool tls_conn_write(struct tls_conn *tls, struct str plain);
/* Appends the ciphertext that waits to be sent. */
void tls_conn_pull(struct tls_conn *tls, struct buf *cipher);
bool tls_conn_wants_write(const struct tls_conn *tls);
/* Queues the closing alert. */
void tls_conn_shutdown(struct tls_conn *tls);
/* Common name of the verified client certificate, NUL-terminated and cut to fit; empty without one. */
void tls_conn_peer_name(const struct tls_conn *tls, char *name, size_t size);
/* Why the connection broke, for the log; a static or thread-local text. */
const char *tls_conn_error(const struct tls_conn *tls);
