/* Borrowed bytes: pointer and length by value. Never owned, never assumed NUL-terminated. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct arena;

struct str {
    const char *ptr;
    size_t len;
};

/* A literal as str; the macro only accepts string literals. */
#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_INIT(literal)               \
    {                                   \
        "" literal, sizeof(literal) - 1 \
    }
/* For printf: "%.*s", STR_ARG(s) */
#define STR_FMT    "%.*s"
#define STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct str str_of(const void *ptr, size_t len)
{
    return (struct str){ (const char *)ptr, len };
}

/* Borrow a NUL-terminated string; NULL gives the empty string. */
static inline struct str str_from_cstr(const char *s)
{
    return (struct str){ s ? s : "", s ? strlen(s) : 0 };
}

static inline bool str_empty(struct str s)
{
    return s.len == 0;
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Bytewise order; a prefix sorts before its extensions. */
static inline int str_cmp(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

static inline bool str_starts_with(struct str s, struct str prefix)
{
    return s.len >= prefix.len && memcmp(s.ptr, prefix.ptr, prefix.len) == 0;
}

static inline struct str str_drop(struct str s, size_t n)
{
    return n >= s.len ? (struct str){ s.ptr + s.len, 0 } : (struct str){ s.ptr + n, s.len - n };
}

/* Position of the first c, or s.len. */
size_t str_find(struct str s, char c);
/* Splits at the first c: returns what is before it, *rest gets what is after (empty if none). */
struct str str_split(struct str s, char c, struct str *rest);
struct str str_trim(struct str s);
bool str_eq_nocase(struct str a, struct str b);

/* Copies into the arena. The copy has a NUL behind it (not counted). */
struct str str_dup(struct arena *arena, struct str s);
const char *str_cstr(struct arena *arena, struct str s);
struct str str_printf(struct arena *arena, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));

/* Decimal numbers; the whole string must be the number. False on overflow, sign misuse or trailing
 * bytes; *ret is untouched then. */
bool str_to_i64(struct str s, int64_t *ret);
bool str_to_u64(struct str s, uint64_t *ret);

/* Strict UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). */
bool str_is_utf8(struct str s);
