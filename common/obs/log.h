/* Structured log lines: time, level, a stable event id, key=value. One write per line, lossless, to
 * stderr. log_warn("shard_lost", LOG_U64("shard", id), LOG_STR("owner", owner)); No sentences with
 * numbers inside, no line per request at info. Levels: error = someone must act; warn = degraded
 * but handled; info = the process's own life; debug. */
#pragma once

#include <stdint.h>

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/base/uuid.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_NEVER };
/* PRETTY is text for people who watch: a short time, and colours if it is a terminal. */
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT_PRETTY };

struct log_field {
    const char *key;
    enum { LOG_FIELD_STR, LOG_FIELD_I64, LOG_FIELD_U64, LOG_FIELD_UUID } type;
    struct str s;
    int64_t i;
    struct uuid id;
};

#define LOG_STR(k, v) ((struct log_field){ .key = (k), .type = LOG_FIELD_STR, .s = (v) })
#define LOG_CSTR(k, v) \
    ((struct log_field){ .key = (k), .type = LOG_FIELD_STR, .s = str_from_cstr(v) })
#define LOG_I64(k, v)  ((struct log_field){ .key = (k), .type = LOG_FIELD_I64, .i = (int64_t)(v) })
#define LOG_U64(k, v)  ((struct log_field){ .key = (k), .type = LOG_FIELD_U64, .i = (int64_t)(v) })
#define LOG_UUID(k, v) ((struct log_field){ .key = (k), .type = LOG_FIELD_UUID, .id = (v) })
/* Error name, text and place of a struct fail, as three fields. */
#define LOG_FAIL(f)                                                        \
    LOG_CSTR("error", err_name((f)->err)), LOG_CSTR("text", (f)->message), \
            LOG_CSTR("at", (f)->file), LOG_I64("line", (f)->line)

#define log_at(level, event, ...)                                                       \
    log_write((level), (event), (const struct log_field[]){ { 0 }, ##__VA_ARGS__ } + 1, \
            sizeof((const struct log_field[]){ { 0 }, ##__VA_ARGS__ }) /                \
                            sizeof(struct log_field) -                                  \
                    1)
#define log_debug(event, ...) log_at(LOG_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...)  log_at(LOG_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...)  log_at(LOG_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) log_at(LOG_ERROR, event, ##__VA_ARGS__)

void log_write(
        enum log_level level, const char *event, const struct log_field *fields, size_t count);
void log_set(enum log_level level, enum log_format format);
