/* Message framing: a 5-byte prefix (compressed flag, length) and the message, cut anywhere into pieces. */
#pragma once

#include "common/base/str.h"

struct frame_reader {
    char *body; /* heap; grows with what arrives, never with what was announced */
    uint32_t len, cap, size;
    uint8_t prefix[5], prefix_len;
};

enum frame_result {
    FRAME_MORE,      /* all input taken */
    FRAME_MESSAGE,   /* a message is complete; input may be left; frame_next goes on */
    FRAME_TOO_LARGE, /* the announced size (reader->size) is above the maximum */
    FRAME_BAD,       /* unknown flag */
};

/* Takes bytes off the front of *in. */
enum frame_result frame_feed(struct frame_reader *reader, struct str *in, uint32_t max);
static inline struct str frame_message(const struct frame_reader *reader)
{
    return str_of(reader->body ? reader->body : "", reader->len);
}
static inline bool frame_is_compressed(const struct frame_reader *reader)
{
    return reader->prefix[0] == 1;
}
static inline bool frame_is_complete(const struct frame_reader *reader)
{
    return reader->prefix_len == 5 && reader->len == reader->size;
}
/* Ready for the next message, memory kept. */
void frame_next(struct frame_reader *reader);
void frame_free(struct frame_reader *reader);

enum { FRAME_PREFIX = 5 };
void frame_write_prefix(char to[FRAME_PREFIX], bool is_compressed, uint32_t len);
