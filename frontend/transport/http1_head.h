/* The head of an HTTP/1.1 request, and its body in chunks: strict, bounded, without I/O or memory. What is ambiguous is
 * refused, so that nobody in between can have understood a request differently. */
#pragma once

#include "common/base/str.h"

enum {
    HTTP1_HEAD_MAX = 32 << 10, /* bytes of a head, its empty line included */
};

struct http1_head {
    struct str method, target, host;
    struct str fields; /* for http1_field */
    uint64_t length;   /* of the body, when it is not chunked */
    bool is_chunked;
    bool is_old;   /* HTTP/1.0: no chunks in the answer */
    bool is_close; /* the connection ends with this request */
    bool expects_continue;
};

/* `bytes` is the head with its last empty line; names are made lower-case in place. Returns 0, or the status of the
 * refusal: 400 malformed, 501 a transfer coding that we do not know, 505 another version. */
int http1_head_parse(char *bytes, size_t len, struct http1_head *ret);
/* Takes the next field off the front of *fields (those of a parsed head). False: no more. */
bool http1_field(struct str *fields, struct str *name, struct str *value);

/* A chunked body, fed piece by piece. Zeroed: at its beginning. */
struct http1_chunks {
    uint64_t left;    /* of the current chunk, or the size while it is being read */
    uint32_t line;    /* bytes of the current line */
    uint32_t trailer; /* bytes of the trailer section */
    uint8_t state;
};
enum http1_chunk { HTTP1_CHUNK_MORE, HTTP1_CHUNK_DATA, HTTP1_CHUNK_END, HTTP1_CHUNK_BAD };
/* Takes bytes off the front of *in. DATA: *data is a piece of the body within the input. MORE: all input is taken. */
enum http1_chunk http1_chunks_feed(struct http1_chunks *chunks, struct str *in, struct str *data);
