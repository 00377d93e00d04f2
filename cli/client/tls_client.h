/* TLS of a client's connections over memory buffers: OpenSSL's door on this side. */
#pragma once

#include "common/base/buf.h"
#include "common/base/err.h"

struct tls_client; /* what all connections share */
struct tls_stream; /* one connection */

/* Each as a file's path or as its text (PEM); empty ones are left out. */
struct tls_client_options {
    struct str certificate_file, certificate, key_file, key, ca_file, ca;
    struct str server_name; /* instead of the host of the address; empty: not */
    bool trust_anybody;     /* neither the certificate nor its name is checked */
};

enum err tls_client_new(const struct tls_client_options *options, struct arena *arena,
        struct tls_client **ret, struct fail *f) MUST_USE;
void tls_client_free(struct tls_client *client);

/* name: whom the certificate must name (and the server is asked for); a host or an IP address. */
struct tls_stream *tls_stream_new(struct tls_client *client, const char *name);
void tls_stream_free(struct tls_stream *stream);
/* Takes what came from the socket; appends what it said to *plain. False: the connection is of no use any more. */
bool tls_stream_feed(struct tls_stream *stream, struct str cipher, struct buf *plain);
/* May plain bytes be written yet? */
bool tls_stream_is_ready(const struct tls_stream *stream);
bool tls_stream_write(struct tls_stream *stream, struct str plain);
/* Appends what has to go to the socket. */
void tls_stream_pull(struct tls_stream *stream, struct buf *cipher);
const char *tls_stream_error(const struct tls_stream *stream);
