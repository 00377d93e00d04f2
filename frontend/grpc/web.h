/* gRPC-web: the same calls for browsers. Requests and replies have gRPC's frames (in the text form base64 of them), and
 * what gRPC puts into trailers is a last frame of the body. Which pages may call is decided by their origin. Pure. */
#pragma once

#include "common/base/arena.h"
#include "common/base/str.h"
#include "frontend/transport/http2.h"

enum grpc_wire { GRPC_WIRE_NONE, GRPC_WIRE_PLAIN, GRPC_WIRE_WEB, GRPC_WIRE_WEB_TEXT };

/* By content-type; NONE: not gRPC. */
enum grpc_wire grpc_wire_of(struct str content_type);
/* The content-type of an answer. */
struct str grpc_wire_content_type(enum grpc_wire wire);

/* base64 that arrives in pieces; each part of it may be padded. Zeroed: at its beginning. */
struct web_text {
    uint32_t bits;
    uint8_t digits, padding;
};
enum { WEB_TEXT_PIECE = 3072 };
/* Takes text off the front of *in, writes at most WEB_TEXT_PIECE bytes; returns how many, or -1 for what is no base64. */
int web_text_decode(struct web_text *text, struct str *in, char to[WEB_TEXT_PIECE]);

/* Headers as the last frame of a body. */
struct h2_block *web_trailers(const struct h2_header *headers, size_t count);
/* The same bytes in base64; takes the block. */
struct h2_block *web_text_encode(struct h2_block *block);

/* May a page of `origin` call the host of `authority`? Allowed are the origins of the comma list ("*": all), and
 * the host's own pages if it is called by an address or as localhost. *needs_cors: the browser wants to read it in the answer. */
bool web_origin_ok(struct str allowed, struct str origin, struct str authority, bool *needs_cors);
