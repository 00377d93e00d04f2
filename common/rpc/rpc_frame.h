/* Frames between processes: four bytes of length (little endian, without themselves), then a
 * msgpack array whose first element is the type. Pure: bytes in, struct out. The body is one bin
 * that nobody here looks into. A newer sender may append fields; they are ignored. */
#pragma once

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/uuid.h"

enum { RPC_PROTOCOL_VERSION = 1, RPC_FRAME_HEAD = 4, RPC_FRAME_OVERHEAD = 1024 };

enum rpc_frame_type {
    RPC_FRAME_HELLO = 1, /* version, cluster, member, role, max_frame, inbound_max */
    RPC_FRAME_REQUEST,   /* id, method, key, timeout_ms, body */
    RPC_FRAME_RESPONSE,  /* id, body */
    RPC_FRAME_ERROR,     /* id, error name, text, detail type, detail */
    RPC_FRAME_BUSY,      /* id: not executed, the callee is at its bound */
    RPC_FRAME_CANCEL,    /* id, method, key */
    RPC_FRAME_NOTIFY,    /* method, key, body */
    RPC_FRAME_PING,
    RPC_FRAME_PONG,
    RPC_FRAME_GOAWAY, /* text: no new calls, please */
};

struct rpc_hello {
    uint32_t version;
    struct uuid cluster_id, member_id;
    struct str role;
    uint64_t max_frame, inbound_max;
};

/* One struct for all types; a type uses the fields that its line above names. */
struct rpc_frame {
    enum rpc_frame_type type;
    uint64_t id;
    uint16_t method;
    uint64_t key;
    uint64_t timeout_ms; /* 0: none */
    struct str body;
    enum err err; /* travels by name: numbers may differ between versions */
    struct str text, detail_type, detail;
    struct rpc_hello hello;
};

/* Appends the frame with its length; false and nothing appended when the buf is full. */
bool rpc_frame_put(struct buf *out, const struct rpc_frame *frame);
/* Bytes that the frame takes at most. */
size_t rpc_frame_size_max(const struct rpc_frame *frame);

enum rpc_split { RPC_SPLIT_MORE, RPC_SPLIT_FRAME, RPC_SPLIT_BAD };
/* Takes one frame (without its length) off the front of *in; MORE: bytes are missing; BAD: the
 * length is 0 or above max, nothing after it can be trusted. */
enum rpc_split rpc_frame_split(struct str *in, size_t max, struct str *frame);
/* Strings in *ret are borrowed from bytes. False: malformed. */
bool rpc_frame_get(struct str bytes, struct rpc_frame *ret) MUST_USE;
