/* The tokens of a visibility query. Private to common/visibility. */
#pragma once

#include "common/visibility/filter.h"

enum token_kind {
    TOKEN_END,
    TOKEN_BAD,
    TOKEN_NAME,   /* bare: may be a keyword; in backticks: never */
    TOKEN_STRING, /* text: without quotes and escapes */
    TOKEN_NUMBER, /* text: as written, with its sign */
    TOKEN_SIGN,   /* text: one of = != <> < <= > >= ( ) , */
};

struct token {
    enum token_kind kind;
    struct str text;
    bool is_quoted; /* a name in backticks */
    size_t at;      /* where it begins, in bytes */
};

struct lexer {
    struct arena *arena;
    struct str all;
    size_t at;
    const char *why; /* of TOKEN_BAD */
};

struct token lexer_next(struct lexer *lexer);
bool token_is_word(const struct token *token, const char *keyword); /* in any case, not quoted */
bool token_is_sign(const struct token *token, const char *sign);
