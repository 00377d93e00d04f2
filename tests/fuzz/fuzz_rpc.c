/* Fuzzes what another process's bytes meet: the splitting into frames, the frames themselves, and the
 * msgpack reader that all bodies go through. A frame that decodes must encode and decode to itself. The first
 * byte selects: even, a stream of frames; odd, msgpack values. */
#include "tests/fuzz/fuzz.h"

#include "common/base/check.h"
#include "common/rpc/mp.h"
#include "common/rpc/rpc_frame.h"

enum { FRAME_MAX = 1 << 20 };

static void same_again(const struct rpc_frame *f)
{
    struct buf out;
    struct rpc_frame again;
    struct str bytes, in;
    buf_init(&out, 2 * FRAME_MAX);
    check(rpc_frame_put(&out, f));
    check(out.len <= RPC_FRAME_HEAD + rpc_frame_size_max(f));
    in = buf_str(&out);
    check(rpc_frame_split(&in, 2 * FRAME_MAX, &bytes) == RPC_SPLIT_FRAME && in.len == 0);
    check(rpc_frame_get(bytes, &again));
    check(again.type == f->type && again.id == f->id && again.method == f->method);
    check(again.key == f->key && again.timeout_ms == f->timeout_ms && again.err == f->err);
    check(str_eq(again.body, f->body) && str_eq(again.text, f->text));
    check(str_eq(again.detail, f->detail) && str_eq(again.detail_type, f->detail_type));
    check(uuid_eq(again.hello.member_id, f->hello.member_id) &&
            uuid_eq(again.hello.cluster_id, f->hello.cluster_id) &&
            str_eq(again.hello.role, f->hello.role) && again.hello.version == f->hello.version);
    buf_deinit(&out);
}

static void frames(struct str in)
{
    struct str bytes;
    struct rpc_frame f;
    while (rpc_frame_split(&in, FRAME_MAX, &bytes) == RPC_SPLIT_FRAME) {
        if (rpc_frame_get(bytes, &f)) {
            same_again(&f);
        }
    }
}

/* Values one after the other, by whatever getter the input asks for. */
static void values(struct str in)
{
    struct mp_reader r = mp_reader(in);
    for (size_t i = 0; !mp_failed(&r) && mp_left(&r) > 0; i++) {
        size_t left = mp_left(&r);
        switch ((uint8_t)in.ptr[i % in.len] % 7) {
        case 0:
            check(mp_get_uint(&r, 1000) <= 1000);
            break;
        case 1: {
            int64_t v = mp_get_int(&r, -5, 5);
            check(v >= -5 && v <= 5);
            break;
        }
        case 2:
            (void)mp_get_bool(&r);
            break;
        case 3:
            (void)mp_get_double(&r);
            break;
        case 4:
            check(mp_get_bin(&r).len < left);
            break;
        case 5:
            check(mp_get_array(&r) <= left);
            break;
        default:
            mp_skip(&r);
        }
        check(mp_failed(&r) || mp_left(&r) < left); /* progress */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct str rest = str_of(data + 1, size - 1);
    if (data[0] % 2) {
        values(rest);
    } else {
        frames(rest);
    }
    return 0;
}
