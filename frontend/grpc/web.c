/* The forms of gRPC-web: content types, base64, the trailers frame, origins. Knows text and bytes, nothing of calls. */
#include "frontend/grpc/web.h"

#include "common/base/base64.h"
#include "frontend/grpc/frame.h"
#include "frontend/grpc/text.h"

enum { TRAILERS_FLAG = 0x80 };

enum grpc_wire grpc_wire_of(struct str content_type)
{
    struct str rest, web = STR("application/grpc-web");
    if (grpc_content_type_ok(content_type)) {
        return GRPC_WIRE_PLAIN;
    }
    struct str type = str_trim(str_split(content_type, ';', &rest));
    if (type.len < web.len || !str_eq_nocase(str_of(type.ptr, web.len), web)) {
        return GRPC_WIRE_NONE;
    }
    struct str suffix = str_drop(type, web.len);
    if (str_empty(suffix) || str_eq_nocase(suffix, STR("+proto"))) {
        return GRPC_WIRE_WEB;
    }
    bool is_text = str_eq_nocase(suffix, STR("-text")) || str_eq_nocase(suffix, STR("-text+proto"));
    return is_text ? GRPC_WIRE_WEB_TEXT : GRPC_WIRE_NONE;
}

struct str grpc_wire_content_type(enum grpc_wire wire)
{
    switch (wire) {
    case GRPC_WIRE_NONE:
    case GRPC_WIRE_PLAIN:
        return STR("application/grpc");
    case GRPC_WIRE_WEB:
        return STR("application/grpc-web+proto");
    case GRPC_WIRE_WEB_TEXT:
        return STR("application/grpc-web-text+proto");
    }
    unreachable_state(wire);
}

/* ---- base64 ---- */

static int digit_of(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* A group of four is complete: one to three bytes. */
static int emit(struct web_text *t, char *to)
{
    int n = 3 - t->padding;
    for (int i = 0; i < n; i++) {
        to[i] = (char)(t->bits >> (16 - 8 * i));
    }
    *t = (struct web_text){ 0 };
    return n;
}

int web_text_decode(struct web_text *text, struct str *in, char to[WEB_TEXT_PIECE])
{
    int n = 0;
    while (in->len && n + 3 <= WEB_TEXT_PIECE) {
        char c = in->ptr[0];
        int digit = digit_of(c);
        bool is_padding = c == '=' && text->digits >= 2;
        if (!is_padding && (digit < 0 || text->padding)) {
            return -1;
        }
        text->padding = (uint8_t)(text->padding + is_padding);
        text->bits = text->bits << 6 | (is_padding ? 0 : (uint32_t)digit);
        text->digits++;
        *in = str_drop(*in, 1);
        if (text->digits == 4) {
            n += emit(text, to + n);
        }
    }
    return n;
}

struct h2_block *web_text_encode(struct h2_block *block)
{
    struct h2_block *text = h2_block_new((block->len + 2) / 3 * 4);
    size_t n = base64_encode_to(text->bytes, str_of(block->bytes, block->len), true);
    check(n == text->len);
    h2_block_free(block);
    return text;
}

/* ---- trailers ---- */

struct h2_block *web_trailers(const struct h2_header *headers, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        len += headers[i].name.len + headers[i].value.len + 3;
    }
    struct h2_block *b = h2_block_new(FRAME_PREFIX + len);
    frame_write_prefix(b->bytes, false, (uint32_t)len);
    b->bytes[0] = (char)TRAILERS_FLAG;
    char *to = b->bytes + FRAME_PREFIX;
    for (size_t i = 0; i < count; i++) {
        memcpy(to, headers[i].name.ptr, headers[i].name.len);
        to += headers[i].name.len;
        *to++ = ':';
        memcpy(to, headers[i].value.ptr, headers[i].value.len);
        to += headers[i].value.len;
        memcpy(to, "\r\n", 2);
        to += 2;
    }
    return b;
}

/* ---- origins ---- */

/* An address, or a name that is this machine's in every browser: any other name can be made to lead here by whoever
 * owns it, and then his pages look like the host's own. */
static bool is_sure(struct str authority)
{
    struct str rest, name = str_split(authority, ':', &rest), local = STR("localhost");
    if (authority.len && authority.ptr[0] == '[') {
        return true;
    }
    size_t i = 0;
    while (i < name.len && ((name.ptr[i] >= '0' && name.ptr[i] <= '9') || name.ptr[i] == '.')) {
        i++;
    }
    return (name.len && i == name.len) || str_eq_nocase(name, local);
}

bool web_origin_ok(struct str allowed, struct str origin, struct str authority, bool *needs_cors)
{
    *needs_cors = false;
    if (str_empty(origin)) {
        return true; /* no browser, or a page of ours that reads */
    }
    struct str http = STR("http://"), https = STR("https://");
    struct str host = str_starts_with(origin, https)  ? str_drop(origin, https.len)
                      : str_starts_with(origin, http) ? str_drop(origin, http.len)
                                                      : STR("");
    if (host.len && str_eq_nocase(host, authority) && is_sure(authority)) {
        return true;
    }
    *needs_cors = true;
    while (allowed.len) {
        struct str one = str_trim(str_split(allowed, ',', &allowed));
        if (str_eq(one, STR("*")) || (one.len && str_eq_nocase(one, origin))) {
            return true;
        }
    }
    return false;
}
