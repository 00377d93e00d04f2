/* Parses and writes header values of gRPC. Knows the protocol's text, nothing of streams. */
#include "frontend/grpc/text.h"

#include "common/model/wire.h"

bool grpc_content_type_ok(struct str value)
{
    struct str base = STR("application/grpc");
    if (value.len < base.len || !str_eq_nocase(str_of(value.ptr, base.len), base)) {
        return false;
    }
    return value.len == base.len || value.ptr[base.len] == '+' || value.ptr[base.len] == ';';
}

bool grpc_timeout_parse(struct str value, struct duration *ret)
{
    enum { DIGITS_MAX = 8 };
    if (value.len < 2 || value.len > DIGITS_MAX + 1) {
        return false;
    }
    int64_t n = 0, unit;
    for (size_t i = 0; i + 1 < value.len; i++) {
        char c = value.ptr[i];
        if (c < '0' || c > '9') {
            return false;
        }
        n = n * 10 + (c - '0');
    }
    switch (value.ptr[value.len - 1]) {
    case 'H':
        unit = 3600LL * 1000000000;
        break;
    case 'M':
        unit = 60LL * 1000000000;
        break;
    case 'S':
        unit = 1000000000;
        break;
    case 'm':
        unit = 1000000;
        break;
    case 'u':
        unit = 1000;
        break;
    case 'n':
        unit = 1;
        break;
    default:
        return false;
    }
    if (__builtin_mul_overflow(n, unit, &n)) {
        n = INT64_MAX;
    }
    ret->ns = n;
    return true;
}

bool grpc_path_split(struct str path, struct str *service, struct str *method)
{
    if (path.len < 2 || path.ptr[0] != '/') {
        return false;
    }
    struct str rest = str_drop(path, 1);
    size_t slash = rest.len;
    while (slash > 0 && rest.ptr[slash - 1] != '/') {
        slash--;
    }
    if (slash < 2 || slash == rest.len) {
        return false;
    }
    *service = str_of(rest.ptr, slash - 1);
    *method = str_drop(rest, slash);
    return true;
}

bool grpc_accepts(struct str list, struct str coding)
{
    while (list.len) {
        struct str item = str_split(list, ',', &list);
        if (str_eq_nocase(str_trim(item), coding)) {
            return true;
        }
    }
    return false;
}

struct str grpc_percent_encode(struct arena *arena, struct str text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = arena_alloc(arena, arena_mul(3, text.len), 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= 0x20 && c <= 0x7e && c != '%') {
            out[n++] = (char)c;
        } else {
            out[n++] = '%';
            out[n++] = hex[c >> 4];
            out[n++] = hex[c & 15];
        }
    }
    return str_of(out, n);
}

struct str grpc_status_details(struct arena *arena, const struct fail *f)
{
    if (str_empty(f->detail_type)) {
        return (struct str){ 0 };
    }
    struct buf b;
    buf_init_arena(&b, arena, f->detail.len + FAIL_TEXT_MAX + 4096);
    wire_put_varint(&b, 1, (uint64_t)err_grpc_status(f->err));
    wire_put_bytes(&b, 2, fail_text_of(f));
    size_t any = wire_begin(&b, 3);
    wire_put_bytes(&b, 1,
            str_printf(arena, "type.googleapis.com/temporal.api.errordetails.v1." STR_FMT,
                    STR_ARG(f->detail_type)));
    wire_put_bytes(&b, 2, f->detail);
    wire_end(&b, any);
    return b.overflow ? (struct str){ 0 } : buf_str(&b);
}
