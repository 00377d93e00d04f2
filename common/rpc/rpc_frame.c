/* The codec of frames. Everything it reads comes from outside: lengths and counts are checked
 * against the bytes that are there, nothing is allocated. What a frame means at which moment is for
 * the link. */
#include "common/rpc/rpc_frame.h"

#include "common/rpc/mp.h"

static void put_uuid(struct buf *out, struct uuid id)
{
    mp_put_bin(out, uuid_bytes(&id));
}

static void put_fields(struct buf *out, const struct rpc_frame *f)
{
    switch (f->type) {
    case RPC_FRAME_HELLO:
        mp_put_array(out, 7);
        mp_put_uint(out, f->type);
        mp_put_uint(out, f->hello.version);
        put_uuid(out, f->hello.cluster_id);
        put_uuid(out, f->hello.member_id);
        mp_put_bin(out, f->hello.role);
        mp_put_uint(out, f->hello.max_frame);
        mp_put_uint(out, f->hello.inbound_max);
        return;
    case RPC_FRAME_REQUEST:
        mp_put_array(out, 6);
        mp_put_uint(out, f->type);
        mp_put_uint(out, f->id);
        mp_put_uint(out, f->method);
        mp_put_uint(out, f->key);
        mp_put_uint(out, f->timeout_ms);
        mp_put_bin(out, f->body);
        return;
    case RPC_FRAME_RESPONSE:
        mp_put_array(out, 3);
        mp_put_uint(out, f->type);
        mp_put_uint(out, f->id);
        mp_put_bin(out, f->body);
        return;
    case RPC_FRAME_ERROR:
        mp_put_array(out, 6);
        mp_put_uint(out, f->type);
        mp_put_uint(out, f->id);
        mp_put_bin(out, str_from_cstr(err_name(f->err)));
        mp_put_bin(out, f->text);
        mp_put_bin(out, f->detail_type);
        mp_put_bin(out, f->detail);
        return;
    case RPC_FRAME_BUSY:
        mp_put_array(out, 2);
        mp_put_uint(out, f->type);
        mp_put_uint(out, f->id);
        return;
    case RPC_FRAME_CANCEL:
        mp_put_array(out, 4);
        mp_put_uint(out, f->type);
        mp_put_uint(out, f->id);
        mp_put_uint(out, f->method);
        mp_put_uint(out, f->key);
        return;
    case RPC_FRAME_NOTIFY:
        mp_put_array(out, 4);
        mp_put_uint(out, f->type);
        mp_put_uint(out, f->method);
        mp_put_uint(out, f->key);
        mp_put_bin(out, f->body);
        return;
    case RPC_FRAME_PING:
    case RPC_FRAME_PONG:
        mp_put_array(out, 1);
        mp_put_uint(out, f->type);
        return;
    case RPC_FRAME_GOAWAY:
        mp_put_array(out, 2);
        mp_put_uint(out, f->type);
        mp_put_bin(out, f->text);
        return;
    }
    unreachable_state(f->type);
}

size_t rpc_frame_size_max(const struct rpc_frame *f)
{
    /* Four headers of bins of at most 5 bytes, six numbers of at most 9, two ids. */
    return 160 + f->body.len + f->text.len + f->detail_type.len + f->detail.len + f->hello.role.len;
}

bool rpc_frame_put(struct buf *out, const struct rpc_frame *f)
{
    size_t at = out->len;
    if (!buf_reserve(out, RPC_FRAME_HEAD + rpc_frame_size_max(f))) {
        return false;
    }
    out->len += RPC_FRAME_HEAD;
    put_fields(out, f);
    size_t n = out->len - at - RPC_FRAME_HEAD;
    for (unsigned i = 0; i < RPC_FRAME_HEAD; i++) {
        out->ptr[at + i] = (char)(uint8_t)(n >> (8 * i));
    }
    return true;
}

enum rpc_split rpc_frame_split(struct str *in, size_t max, struct str *frame)
{
    if (in->len < RPC_FRAME_HEAD) {
        return RPC_SPLIT_MORE;
    }
    size_t n = 0;
    for (unsigned i = 0; i < RPC_FRAME_HEAD; i++) {
        n |= (size_t)(uint8_t)in->ptr[i] << (8 * i);
    }
    if (n == 0 || n > max) {
        return RPC_SPLIT_BAD;
    }
    if (in->len - RPC_FRAME_HEAD < n) {
        return RPC_SPLIT_MORE;
    }
    *frame = str_of(in->ptr + RPC_FRAME_HEAD, n);
    *in = str_drop(*in, RPC_FRAME_HEAD + n);
    return RPC_SPLIT_FRAME;
}

static struct uuid get_uuid(struct mp_reader *r)
{
    struct uuid id = { { 0 } };
    struct str s = mp_get_bin(r);
    if (s.len != sizeof(id.b)) {
        mp_set_failed(r);
    } else {
        memcpy(id.b, s.ptr, sizeof(id.b));
    }
    return id;
}

static enum err get_err(struct mp_reader *r)
{
    struct str name = mp_get_bin(r);
    for (int err = ERR_NONE + 1; err < ERR_COUNT; err++) {
        if (str_eq(name, str_from_cstr(err_name((enum err)err)))) {
            return (enum err)err;
        }
    }
    return ERR_INTERNAL; /* a newer peer's error */
}

/* Fields after the type, by type. Returns how many were read. */
static size_t get_fields(struct mp_reader *r, struct rpc_frame *f)
{
    switch (f->type) {
    case RPC_FRAME_HELLO:
        f->hello.version = (uint32_t)mp_get_uint(r, UINT32_MAX);
        f->hello.cluster_id = get_uuid(r);
        f->hello.member_id = get_uuid(r);
        f->hello.role = mp_get_bin(r);
        f->hello.max_frame = mp_get_uint(r, UINT64_MAX);
        f->hello.inbound_max = mp_get_uint(r, UINT64_MAX);
        return 6;
    case RPC_FRAME_REQUEST:
        f->id = mp_get_uint(r, UINT64_MAX);
        f->method = (uint16_t)mp_get_uint(r, UINT16_MAX);
        f->key = mp_get_uint(r, UINT64_MAX);
        f->timeout_ms = mp_get_uint(r, INT64_MAX / 1000000);
        f->body = mp_get_bin(r);
        return 5;
    case RPC_FRAME_RESPONSE:
        f->id = mp_get_uint(r, UINT64_MAX);
        f->body = mp_get_bin(r);
        return 2;
    case RPC_FRAME_ERROR:
        f->id = mp_get_uint(r, UINT64_MAX);
        f->err = get_err(r);
        f->text = mp_get_bin(r);
        f->detail_type = mp_get_bin(r);
        f->detail = mp_get_bin(r);
        return 5;
    case RPC_FRAME_BUSY:
        f->id = mp_get_uint(r, UINT64_MAX);
        return 1;
    case RPC_FRAME_CANCEL:
        f->id = mp_get_uint(r, UINT64_MAX);
        f->method = (uint16_t)mp_get_uint(r, UINT16_MAX);
        f->key = mp_get_uint(r, UINT64_MAX);
        return 3;
    case RPC_FRAME_NOTIFY:
        f->method = (uint16_t)mp_get_uint(r, UINT16_MAX);
        f->key = mp_get_uint(r, UINT64_MAX);
        f->body = mp_get_bin(r);
        return 3;
    case RPC_FRAME_PING:
    case RPC_FRAME_PONG:
        return 0;
    case RPC_FRAME_GOAWAY:
        f->text = mp_get_bin(r);
        return 1;
    }
    mp_set_failed(r);
    return 0;
}

bool rpc_frame_get(struct str bytes, struct rpc_frame *ret)
{
    struct mp_reader r = mp_reader(bytes);
    struct rpc_frame f = { 0 };
    size_t n = mp_get_array(&r);
    f.type = (enum rpc_frame_type)mp_get_uint(&r, RPC_FRAME_GOAWAY);
    size_t known = 1 + get_fields(&r, &f);
    if (n < known) {
        return false;
    }
    for (size_t i = known; i < n && !mp_failed(&r); i++) {
        mp_skip(&r);
    }
    if (mp_failed(&r) || mp_left(&r) != 0) {
        return false;
    }
    *ret = f;
    return true;
}
