/* The client half of the wire's tests, on nghttp2's client sessions. */
#include "tests/support/h2_client.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

struct outgoing {
    struct buf bytes;
    size_t at;
    bool ends, is_deferred;
};

struct h2_client {
    nghttp2_session *ng;
    struct h2_session *peer;
    struct h2_client_stream *streams[H2_CLIENT_STREAMS];
    struct outgoing *out[H2_CLIENT_STREAMS];
    int count;
    int32_t goaway;
};

static struct h2_client_stream *find(struct h2_client *c, int32_t id)
{
    for (int i = 0; i < c->count; i++) {
        if (c->streams[i]->id == id) {
            return c->streams[i];
        }
    }
    return NULL;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
        size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
    struct h2_client_stream *s = find(arg, frame->hd.stream_id);
    if (s) {
        size_t n = strlen(s->headers);
        snprintf(s->headers + n, sizeof(s->headers) - n, "%.*s: %.*s\n", (int)name_len,
                (const char *)name, (int)value_len, (const char *)value);
    }
    return 0;
}

static int on_data(
        nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *arg)
{
    struct h2_client_stream *s = find(arg, id);
    if (s) {
        check(buf_append(&s->body, data, len));
    }
    return 0;
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t code, void *arg)
{
    struct h2_client_stream *s = find(arg, id);
    if (s) {
        s->is_closed = true;
        s->reset_code = code;
    }
    return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2_client *c = arg;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        c->goaway = frame->goaway.last_stream_id;
    }
    return 0;
}

static ssize_t on_body(nghttp2_session *ng, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
        nghttp2_data_source *source, void *arg)
{
    struct outgoing *o = source->ptr;
    size_t n = o->bytes.len - o->at < room ? o->bytes.len - o->at : room;
    if (n) {
        memcpy(to, o->bytes.ptr + o->at, n);
    }
    o->at += n;
    if (o->at == o->bytes.len && o->ends) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    } else if (n == 0) {
        o->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)n;
}

struct h2_client *h2_client_new(struct h2_session *session)
{
    struct h2_client *c = calloc(1, sizeof(*c));
    nghttp2_session_callbacks *cb;
    check(c && nghttp2_session_callbacks_new(&cb) == 0);
    c->peer = session;
    c->goaway = -1;
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    check(nghttp2_session_client_new(&c->ng, cb, c) == 0);
    nghttp2_session_callbacks_del(cb);
    nghttp2_settings_entry window = { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 16 << 20 };
    check(nghttp2_submit_settings(c->ng, 0, &window, 1) == 0);
    check(nghttp2_session_set_local_window_size(c->ng, 0, 0, 64 << 20) == 0);
    return c;
}

void h2_client_free(struct h2_client *client)
{
    for (int i = 0; i < client->count; i++) {
        buf_deinit(&client->streams[i]->body);
        buf_deinit(&client->out[i]->bytes);
        free(client->streams[i]);
        free(client->out[i]);
    }
    nghttp2_session_del(client->ng);
    free(client);
}

static nghttp2_nv make_nv(struct str name, struct str value)
{
    return (nghttp2_nv){ (uint8_t *)(uintptr_t)name.ptr, (uint8_t *)(uintptr_t)value.ptr, name.len,
        value.len, 0 };
}

int h2_client_call(struct h2_client *client, const char *path, struct str body, bool ends,
        const char *const *extra)
{
    enum { HEADERS_MAX = 32 };
    check(client->count < H2_CLIENT_STREAMS);
    int i = client->count++;
    struct h2_client_stream *s = client->streams[i] = calloc(1, sizeof(*s));
    struct outgoing *o = client->out[i] = calloc(1, sizeof(*o));
    check(s && o);
    buf_init(&s->body, 64 << 20);
    buf_init(&o->bytes, 64 << 20);
    buf_append_str(&o->bytes, body);
    o->ends = ends;
    nghttp2_nv nv[HEADERS_MAX] = { make_nv(STR(":method"), STR("POST")),
        make_nv(STR(":scheme"), STR("http")), make_nv(STR(":path"), str_from_cstr(path)),
        make_nv(STR(":authority"), STR("test")), make_nv(STR("te"), STR("trailers")) };
    size_t n = 5;
    bool has_type = false;
    for (; extra && *extra && n < HEADERS_MAX - 1; extra++) {
        const char *colon = strstr(*extra, ": ");
        check(colon);
        struct str name = str_of(*extra, (size_t)(colon - *extra));
        has_type |= str_eq(name, STR("content-type"));
        nv[n++] = make_nv(name, str_from_cstr(colon + 2));
    }
    if (!has_type) {
        nv[n++] = make_nv(STR("content-type"), STR("application/grpc"));
    }
    nghttp2_data_provider provider = { .source.ptr = o, .read_callback = on_body };
    s->id = nghttp2_submit_request(client->ng, NULL, nv, n, &provider, NULL);
    check(s->id > 0);
    return i;
}

int h2_client_unary(struct h2_client *client, const char *path, struct str message)
{
    struct buf b;
    buf_init(&b, 64 << 20);
    const uint8_t prefix[5] = { 0, (uint8_t)(message.len >> 24), (uint8_t)(message.len >> 16),
        (uint8_t)(message.len >> 8), (uint8_t)message.len };
    buf_append(&b, prefix, sizeof(prefix));
    buf_append_str(&b, message);
    int i = h2_client_call(client, path, buf_str(&b), true, NULL);
    buf_deinit(&b);
    return i;
}

void h2_client_send(struct h2_client *client, int call, struct str bytes, bool ends)
{
    struct outgoing *o = client->out[call];
    check(buf_append_str(&o->bytes, bytes));
    o->ends = ends;
    if (o->is_deferred) {
        o->is_deferred = false;
        nghttp2_session_resume_data(client->ng, client->streams[call]->id);
    }
}

void h2_client_reset(struct h2_client *client, int call)
{
    nghttp2_submit_rst_stream(client->ng, 0, client->streams[call]->id, NGHTTP2_CANCEL);
}

static bool push(struct h2_client *c, bool *moved)
{
    const uint8_t *bytes;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(c->ng, &bytes)) > 0) {
        *moved = true;
        if (!h2_session_feed(c->peer, str_of(bytes, (size_t)n))) {
            return false;
        }
    }
    return true;
}

void h2_client_push(struct h2_client *client)
{
    bool moved;
    check(push(client, &moved));
}

void h2_client_pull_and_lose(struct h2_client *client)
{
    struct buf out;
    buf_init(&out, 8 << 20);
    check(h2_session_pull(client->peer, &out, 4 << 20));
    buf_deinit(&out);
}

bool h2_client_exchange(struct h2_client *client)
{
    struct buf out;
    buf_init(&out, 8 << 20);
    bool moved = true, ok = true;
    while (moved && ok) {
        moved = false;
        ok = push(client, &moved);
        buf_reset(&out);
        check(h2_session_pull(client->peer, &out, 1 << 20));
        if (out.len) {
            moved = true;
            h2_session_sent(client->peer);
            check(nghttp2_session_mem_recv(client->ng, (uint8_t *)out.ptr, out.len) ==
                    (ssize_t)out.len);
        }
    }
    buf_deinit(&out);
    return ok;
}

struct h2_client_stream *h2_client_get(struct h2_client *client, int call)
{
    return client->streams[call];
}

bool h2_client_has(struct h2_client *client, int call, const char *header_line)
{
    char line[1024];
    snprintf(line, sizeof(line), "%s\n", header_line);
    return strstr(client->streams[call]->headers, line) != NULL;
}

int32_t h2_client_goaway(const struct h2_client *client)
{
    return client->goaway;
}
