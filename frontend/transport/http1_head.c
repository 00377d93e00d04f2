/* Parsing of HTTP/1.1 requests. Responsible for what is a request and where it ends; leaves connections to http1.c.
 * Refused although some servers take it: bare line feeds, folded lines, white space before the colon, a length
 * together with a transfer coding, lengths that differ, more than one host. */
#include "frontend/transport/http1_head.h"

enum { BAD_REQUEST = 400, NOT_IMPLEMENTED = 501, OTHER_VERSION = 505 };

static bool is_token_char(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c > ' ' && c < 0x7f && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_token_char((unsigned char)s.ptr[i])) {
            return false;
        }
    }
    return s.len > 0;
}

/* The next line without its CR LF. False when there is none, or a CR or LF stands alone. */
static bool take_line(struct str *rest, struct str *line)
{
    for (size_t i = 0; i < rest->len; i++) {
        unsigned char c = (unsigned char)rest->ptr[i];
        if (c == '\r') {
            if (i + 1 >= rest->len || rest->ptr[i + 1] != '\n') {
                return false;
            }
            *line = str_of(rest->ptr, i);
            *rest = str_drop(*rest, i + 2);
            return true;
        }
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return false;
}

static struct str trim_blanks(struct str s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s = str_drop(s, 1);
    }
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

/* Is `word` an element of a comma list? */
static bool list_has(struct str list, struct str word)
{
    while (list.len) {
        if (str_eq_nocase(trim_blanks(str_split(list, ',', &list)), word)) {
            return true;
        }
    }
    return false;
}

static int parse_request_line(struct str line, struct http1_head *h)
{
    struct str rest;
    h->method = str_split(line, ' ', &rest);
    h->target = str_split(rest, ' ', &rest);
    if (!is_token(h->method) || !h->target.len || memchr(h->target.ptr, '\t', h->target.len)) {
        return BAD_REQUEST;
    }
    bool is_form = h->target.ptr[0] == '/' || str_eq(h->target, STR("*"));
    if (str_eq(rest, STR("HTTP/1.1")) || str_eq(rest, STR("HTTP/1.0"))) {
        h->is_old = rest.ptr[7] == '0';
        h->is_close = h->is_old;
        return is_form ? 0 : BAD_REQUEST;
    }
    bool is_version = rest.len == 8 && str_starts_with(rest, STR("HTTP/")) && rest.ptr[6] == '.';
    return is_version ? OTHER_VERSION : BAD_REQUEST;
}

struct seen {
    bool host, length, coding;
};

static int take_length(struct http1_head *h, struct seen *seen, struct str value)
{
    uint64_t n;
    bool digits = value.len > 0 && value.len <= 18;
    for (size_t i = 0; digits && i < value.len; i++) {
        digits = value.ptr[i] >= '0' && value.ptr[i] <= '9';
    }
    if (!digits || !str_to_u64(value, &n) || (seen->length && n != h->length)) {
        return BAD_REQUEST;
    }
    seen->length = true;
    h->length = n;
    return 0;
}

static int take_field(struct http1_head *h, struct seen *seen, struct str name, struct str value)
{
    if (str_eq(name, STR("host"))) {
        bool again = seen->host;
        seen->host = true;
        h->host = value;
        return again ? BAD_REQUEST : 0;
    }
    if (str_eq(name, STR("content-length"))) {
        return take_length(h, seen, value);
    }
    if (str_eq(name, STR("transfer-encoding"))) {
        bool again = seen->coding;
        seen->coding = h->is_chunked = true;
        return again || h->is_old                     ? BAD_REQUEST
               : str_eq_nocase(value, STR("chunked")) ? 0
                                                      : NOT_IMPLEMENTED;
    }
    if (str_eq(name, STR("connection"))) {
        h->is_close = list_has(value, STR("close")) ||
                      (h->is_close && !list_has(value, STR("keep-alive")));
    }
    if (str_eq(name, STR("expect"))) {
        h->expects_continue = str_eq_nocase(value, STR("100-continue")) && !h->is_old;
    }
    return 0;
}

static bool split_field(struct str line, struct str *name, struct str *value)
{
    *name = str_split(line, ':', value);
    *value = trim_blanks(*value);
    return name->len < line.len && is_token(*name);
}

int http1_head_parse(char *bytes, size_t len, struct http1_head *ret)
{
    struct http1_head h = { 0 };
    struct seen seen = { 0 };
    struct str rest = str_of(bytes, len), line, name, value;
    if (!take_line(&rest, &line)) {
        return BAD_REQUEST;
    }
    int status = parse_request_line(line, &h);
    if (status) {
        return status;
    }
    h.fields = rest;
    while (take_line(&rest, &line) && line.len) {
        if (!split_field(line, &name, &value)) {
            return BAD_REQUEST;
        }
        for (char *c = bytes + (name.ptr - bytes); c < name.ptr + name.len; c++) {
            *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + ('a' - 'A')) : *c;
        }
        status = take_field(&h, &seen, name, value);
        if (status) {
            return status;
        }
    }
    /* The loop must have ended with the empty line, and it with the input. */
    bool complete = rest.len == 0 && len >= 4 && memcmp(bytes + len - 4, "\r\n\r\n", 4) == 0;
    if (!complete || (seen.length && seen.coding) || (!seen.host && !h.is_old)) {
        return BAD_REQUEST;
    }
    *ret = h;
    return 0;
}

bool http1_field(struct str *fields, struct str *name, struct str *value)
{
    struct str line;
    return take_line(fields, &line) && line.len && split_field(line, name, value);
}

/* ---- chunks ---- */

/* SIZE -> (EXTENSION) -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE ...; a chunk of nothing leads to the trailer
 * section, which is read line by line until an empty one, and forgotten. */
enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, TRAILER_LF, END };
enum { LINE_MAX_BYTES = 256, TRAILER_MAX = 8 << 10, DIGITS_MAX = 12 };

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool take_size_char(struct http1_chunks *c, char byte)
{
    int digit = hex_digit(byte);
    if (digit >= 0) {
        c->left = c->left * 16 + (uint64_t)digit;
        return ++c->line <= DIGITS_MAX;
    }
    if (c->line == 0 || (byte != '\r' && byte != ';' && byte != ' ' && byte != '\t')) {
        return false;
    }
    c->state = byte == '\r' ? SIZE_LF : EXTENSION;
    c->line = 0;
    return true;
}

static bool take_trailer_char(struct http1_chunks *c, char byte)
{
    if (c->state == TRAILER_LF) {
        c->state = c->line ? TRAILER : END;
        c->line = 0;
        return byte == '\n';
    }
    if (byte == '\r') {
        c->state = TRAILER_LF;
        return true;
    }
    c->line++;
    return byte != '\n' && ++c->trailer <= TRAILER_MAX;
}

static bool take_char(struct http1_chunks *c, char byte)
{
    switch (c->state) {
    case SIZE:
        return take_size_char(c, byte);
    case EXTENSION:
        if (byte == '\r') {
            c->state = SIZE_LF;
            return true;
        }
        return byte != '\n' && ++c->line <= LINE_MAX_BYTES;
    case SIZE_LF:
        c->state = c->left ? DATA : TRAILER;
        c->line = 0;
        return byte == '\n';
    case DATA_CR:
        c->state = DATA_LF;
        return byte == '\r';
    case DATA_LF:
        c->state = SIZE;
        return byte == '\n';
    default:
        return take_trailer_char(c, byte);
    }
}

enum http1_chunk http1_chunks_feed(struct http1_chunks *chunks, struct str *in, struct str *data)
{
    while (in->len && chunks->state != END) {
        if (chunks->state == DATA) {
            size_t n = in->len < chunks->left ? in->len : (size_t)chunks->left;
            *data = str_of(in->ptr, n);
            *in = str_drop(*in, n);
            chunks->left -= n;
            chunks->state = chunks->left ? DATA : DATA_CR;
            return HTTP1_CHUNK_DATA;
        }
        if (!take_char(chunks, in->ptr[0])) {
            return HTTP1_CHUNK_BAD;
        }
        *in = str_drop(*in, 1);
    }
    return chunks->state == END ? HTTP1_CHUNK_END : HTTP1_CHUNK_MORE;
}
