/* Messages by description: read out of their bytes by path, and built field by field. For the few hundred fields that
 * the command line touches once; the server's hot paths have generated structs. A path names fields with dots between
 * them: "workflow_execution_info.execution.run_id". A name that does not exist is our own mistake and stops us. */
#pragma once

#include "common/apijson/api_type.h"
#include "common/base/buf.h"
#include "common/base/time.h"
#include "common/base/vec.h"

/* --- reading; everything borrows the bytes --- */

struct message_value {
    const struct api_field *field;
    uint64_t number;  /* varint, or the bits of a fixed one */
    struct str bytes; /* text, bytes, message */
};

struct message_ref {
    const struct api_type *type;
    struct str bytes;
};

/* The last value that the path leads to; false: absent (or malformed). Of a repeated field on the way, the last. */
bool message_get(struct message_ref message, const char *path, struct message_value *ret);
/* As above with the zero value for what is absent. */
struct str message_text(struct message_ref message, const char *path);
int64_t message_int(struct message_ref message, const char *path);
double message_double(struct message_ref message, const char *path);
/* Seconds and nanoseconds together; 0 when absent. */
struct instant message_time(struct message_ref message, const char *path);
struct duration message_duration(struct message_ref message, const char *path);
/* An empty one of the right type when absent. */
struct message_ref message_sub(struct message_ref message, const char *path);
bool message_has(struct message_ref message, const char *path);

/* The values of one repeated field, or entries of a map, in turn. */
struct message_iter {
    struct str rest;
    const struct api_field *field;
};

struct message_iter message_each(struct message_ref message, const char *path);
bool message_next(struct message_iter *iter, struct message_value *ret);
/* The embedded message of a value. */
struct message_ref message_of(const struct message_value *value);

/* --- building --- */

struct message {
    const struct api_type *type;
    struct arena *arena;
    VEC(struct message_part) parts;
};

struct message_part {
    const struct api_field *field;
    uint64_t number;
    struct str bytes;
    struct message *message; /* instead of both */
};

/* Empty. Values set in it are borrowed until it is encoded. */
struct message *message_new(struct arena *arena, const struct api_type *type);
/* The embedded message that the path leads to, made when it is not there. */
struct message *message_at(struct message *message, const char *path);
/* A further element of a repeated field (or entry of a map) of this message. */
struct message *message_add(struct message *message, const char *field);
void message_put_text(struct message *message, const char *path, struct str text); /* also bytes */
/* Nothing for an empty text. */
void message_opt_text(struct message *message, const char *path, struct str text);
/* Integers, bools, enums, doubles and floats. */
void message_put_int(struct message *message, const char *path, int64_t value);
void message_put_double(struct message *message, const char *path, double value);
void message_put_duration(struct message *message, const char *path, struct duration d);
/* An embedded message that is already encoded. */
void message_put_encoded(struct message *message, const char *path, struct str bytes);
/* An entry of a map with text, bytes or encoded messages as values. */
void message_put_entry(
        struct message *message, const char *field, struct str key, struct str value);
void message_encode(const struct message *message, struct buf *out);
