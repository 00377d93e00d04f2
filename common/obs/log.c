/* Formats a log line in one buffer and writes it with one write(2). The level and format are the
 * only global state, set once at start-up (level: relaxed atomic, so that it may change at run
 * time). */
#include "common/obs/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static _Atomic int current_level = LOG_INFO;
static _Atomic int current_format = LOG_FORMAT_TEXT;
static _Atomic bool is_coloured;

static const char *const level_names[] = { "debug", "info", "warn", "error", "never" };

void log_set(enum log_level level, enum log_format format)
{
    atomic_store_explicit(&current_level, (int)level, memory_order_relaxed);
    atomic_store_explicit(&current_format, (int)format, memory_order_relaxed);
    const char *refused = getenv("NO_COLOR");
    bool coloured = isatty(STDERR_FILENO) && (!refused || !*refused);
    atomic_store_explicit(&is_coloured, coloured, memory_order_relaxed);
}

struct line {
    char text[4096];
    size_t len;
};

static void put(struct line *l, const char *bytes, size_t n)
{
    size_t room = sizeof(l->text) - 2 - l->len;
    n = n < room ? n : room;
    memcpy(l->text + l->len, bytes, n);
    l->len += n;
}

static void put_cstr(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

/* Quoted with JSON escapes; used for both formats so that a line is always one line. */
static void put_quoted(struct line *l, struct str s)
{
    put(l, "\"", 1);
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        char esc[8];
        if (c == '"' || c == '\\') {
            put(l, (char[]){ '\\', c }, 2);
        } else if ((unsigned char)c < 0x20) {
            snprintf(esc, sizeof(esc), "\\u%04x", (unsigned)(unsigned char)c);
            put_cstr(l, esc);
        } else {
            put(l, &c, 1);
        }
    }
    put(l, "\"", 1);
}

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\') {
            return false;
        }
    }
    return s.len > 0;
}

static void put_value(struct line *l, const struct log_field *f, bool json)
{
    char number[32];
    switch (f->type) {
    case LOG_FIELD_STR:
        if (!json && is_plain(f->s)) {
            put(l, f->s.ptr, f->s.len);
        } else {
            put_quoted(l, f->s);
        }
        return;
    case LOG_FIELD_I64:
        snprintf(number, sizeof(number), "%lld", (long long)f->i);
        put_cstr(l, number);
        return;
    case LOG_FIELD_U64:
        snprintf(number, sizeof(number), "%llu", (unsigned long long)f->i);
        put_cstr(l, number);
        return;
    case LOG_FIELD_UUID:
        put_quoted(l, str_from_cstr(uuid_format(f->id).s));
        return;
    }
}

static void put_time(struct line *l, enum log_format format)
{
    struct timespec ts;
    struct tm tm;
    char text[40];
    bool pretty = format == LOG_FORMAT_PRETTY;
    clock_gettime(CLOCK_REALTIME, &ts);
    (void)(pretty ? localtime_r(&ts.tv_sec, &tm) : gmtime_r(&ts.tv_sec, &tm));
    size_t n = strftime(text, sizeof(text), pretty ? "%H:%M:%S" : "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof(text) - n, ".%03ld%s", ts.tv_nsec / 1000000, pretty ? "" : "Z");
    put_cstr(l, text);
}

static void put_json(struct line *l, enum log_level level, const char *event)
{
    put_cstr(l, "{\"time\":\"");
    put_time(l, LOG_FORMAT_JSON);
    put_cstr(l, "\",\"level\":\"");
    put_cstr(l, level_names[level]);
    put_cstr(l, "\",\"event\":\"");
    put_cstr(l, event);
    put_cstr(l, "\"");
}

static void put_text(struct line *l, enum log_level level, const char *event)
{
    put_time(l, LOG_FORMAT_TEXT);
    put_cstr(l, " ");
    put_cstr(l, level_names[level]);
    put_cstr(l, " ");
    put_cstr(l, event);
}

static void put_pretty(struct line *l, enum log_level level, const char *event)
{
    static const char *const words[] = { "DEBUG", "INFO ", "WARN ", "ERROR", "     " };
    static const char *const colours[] = { "\033[2m", "\033[32m", "\033[33m", "\033[31m", "" };
    bool colour = atomic_load_explicit(&is_coloured, memory_order_relaxed);
    put_time(l, LOG_FORMAT_PRETTY);
    put_cstr(l, " ");
    put_cstr(l, colour ? colours[level] : "");
    put_cstr(l, words[level]);
    put_cstr(l, colour ? "\033[0m " : " ");
    put_cstr(l, event);
    put_cstr(l, " ");
}

void log_write(
        enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
    if ((int)level < atomic_load_explicit(&current_level, memory_order_relaxed)) {
        return;
    }
    enum log_format format =
            (enum log_format)atomic_load_explicit(&current_format, memory_order_relaxed);
    bool json = format == LOG_FORMAT_JSON;
    struct line l = { .len = 0 };
    void (*const heads[])(
            struct line *, enum log_level, const char *) = { put_text, put_json, put_pretty };
    heads[format](&l, level, event);
    for (size_t i = 0; i < count; i++) {
        put_cstr(&l, json ? ",\"" : " ");
        put_cstr(&l, fields[i].key);
        put_cstr(&l, json ? "\":" : "=");
        put_value(&l, &fields[i], json);
    }
    put_cstr(&l, json ? "}" : "");
    l.text[l.len++] = '\n';
    ssize_t written = write(STDERR_FILENO, l.text, l.len);
    (void)written;
}
