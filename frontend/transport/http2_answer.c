/* Answers on streams: headers, body blocks, trailers. Responsible for the body's way from the application's
 * blocks into nghttp2's frames. Leaves the life of streams to http2.c. */
#include <stdlib.h>

#include "frontend/transport/http2_internal.h"

enum { RESPONSE_HEADERS_MAX = 64 }; /* headers or trailers of one answer */

struct h2_block *h2_block_new(size_t len)
{
    struct h2_block *b = malloc(sizeof(*b) + len);
    check(b);
    b->next = NULL;
    b->len = len;
    return b;
}

void h2_block_free(struct h2_block *block)
{
    free(block);
}

static size_t fill_headers(const struct h2_header *headers, size_t count, nghttp2_nv *nv)
{
    check(count <= RESPONSE_HEADERS_MAX);
    for (size_t i = 0; i < count; i++) {
        nv[i] = (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)headers[i].name.ptr,
            .namelen = headers[i].name.len,
            .value = (uint8_t *)(uintptr_t)headers[i].value.ptr,
            .valuelen = headers[i].value.len };
    }
    return count;
}

/* nghttp2 asks for the next piece of a response body. */
static ssize_t on_body(nghttp2_session *ng, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
        nghttp2_data_source *source, void *arg)
{
    struct h2_stream *st = source->ptr;
    size_t got = 0;
    while (st->out_first && got < room) {
        struct h2_block *b = st->out_first;
        size_t n = b->len - st->out_off < room - got ? b->len - st->out_off : room - got;
        memcpy(to + got, b->bytes + st->out_off, n);
        got += n;
        h2_stream_took(st, n);
    }
    if (!st->out_first && st->is_finished) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (!st->trailer_count) {
            return (ssize_t)got;
        }
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_nv nv[RESPONSE_HEADERS_MAX];
        size_t count = fill_headers(st->trailers, st->trailer_count, nv);
        if (nghttp2_submit_trailer(ng, id, nv, count) != 0) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    } else if (!got) {
        st->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)got;
}

void h2_stream_respond(
        struct h2_stream *stream, const struct h2_header *headers, size_t count, bool is_last)
{
    if (!stream->is_open || stream->is_answering) {
        return;
    }
    if (stream->session->h1) {
        stream->is_answering = true;
        stream->is_finished = is_last;
        h1_respond(stream->session->h1, stream, headers, count, is_last);
        h2_session_wake(stream->session);
        return;
    }
    nghttp2_nv nv[RESPONSE_HEADERS_MAX];
    fill_headers(headers, count, nv);
    nghttp2_data_provider body = { .source.ptr = stream, .read_callback = on_body };
    stream->is_answering = true;
    stream->is_finished = is_last;
    if (nghttp2_submit_response(
                stream->session->ng, stream->id, nv, count, is_last ? NULL : &body) != 0) {
        h2_stream_reset(stream, NGHTTP2_INTERNAL_ERROR);
    }
    h2_session_wake(stream->session);
}

static void stream_resume(struct h2_stream *st)
{
    if (st->session->h1) {
        h2_session_wake(st->session);
    } else if (st->is_deferred) {
        st->is_deferred = false;
        nghttp2_session_resume_data(st->session->ng, st->id);
        h2_session_wake(st->session);
    }
}

void h2_stream_send(struct h2_stream *stream, struct h2_block *block)
{
    if (!stream->is_open || !stream->is_answering || stream->is_finished || block->len == 0) {
        h2_block_free(block);
        return;
    }
    if (stream->out_last) {
        stream->out_last->next = block;
    } else {
        stream->out_first = block;
    }
    stream->out_last = block;
    stream->session->queued += block->len;
    stream_resume(stream);
}

void h2_stream_finish(struct h2_stream *stream, const struct h2_header *trailers, size_t count)
{
    if (!stream->is_open || !stream->is_answering || stream->is_finished) {
        return;
    }
    check(count <= UINT8_MAX);
    stream->trailers = trailers;
    stream->trailer_count = (uint8_t)count;
    stream->is_finished = true;
    stream_resume(stream);
}

void h2_stream_reset(struct h2_stream *stream, uint32_t code)
{
    if (stream->is_open) {
        stream->is_finished = true;
        if (stream->session->h1) {
            h1_reset(stream->session->h1);
            h2_session_wake(stream->session);
            return;
        }
        nghttp2_submit_rst_stream(stream->session->ng, NGHTTP2_FLAG_NONE, stream->id, code);
        h2_session_wake(stream->session);
    }
}
