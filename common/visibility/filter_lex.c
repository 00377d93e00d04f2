/* From the text of a query to tokens. Leaves what they mean to the parser. */
#include "common/visibility/filter_lex.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static struct token bad(struct lexer *l, size_t at, const char *why)
{
    l->why = why;
    l->at = l->all.len;
    return (struct token){ .kind = TOKEN_BAD, .at = at };
}

/* A quote is doubled or escaped by a backslash, which also writes n, t, r and itself. */
static struct token string(struct lexer *l, size_t at, char quote)
{
    char *copy = arena_alloc(l->arena, l->all.len - at, 1);
    size_t n = 0;
    for (l->at = at + 1; l->at < l->all.len; l->at++) {
        char c = l->all.ptr[l->at];
        char next = l->at + 1 < l->all.len ? l->all.ptr[l->at + 1] : 0;
        if (c == quote && next != quote) {
            l->at++;
            return (struct token){ .kind = TOKEN_STRING, .text = str_of(copy, n), .at = at };
        }
        if (c == quote) {
            l->at++;
        } else if (c == '\\' && next && quote != '`') {
            c = next == 'n' ? '\n' : next == 't' ? '\t' : next == 'r' ? '\r' : next;
            l->at++;
        }
        copy[n++] = c;
    }
    return bad(l, at, "a quote is not closed");
}

static struct token number(struct lexer *l, size_t at)
{
    size_t end = at + 1; /* a digit, a point or a sign */
    while (end < l->all.len) {
        char c = l->all.ptr[end], before = l->all.ptr[end - 1];
        bool is_exponent_sign = (c == '-' || c == '+') && (before == 'e' || before == 'E');
        if (!is_digit(c) && c != '.' && c != 'e' && c != 'E' && !is_exponent_sign) {
            break;
        }
        end++;
    }
    l->at = end;
    return (struct token){
        .kind = TOKEN_NUMBER, .text = str_of(l->all.ptr + at, end - at), .at = at
    };
}

static struct token name(struct lexer *l, size_t at)
{
    size_t end = at;
    while (end < l->all.len && (is_name_start(l->all.ptr[end]) || is_digit(l->all.ptr[end]) ||
                                       l->all.ptr[end] == '.' || l->all.ptr[end] == '$')) {
        end++;
    }
    l->at = end;
    return (struct token){
        .kind = TOKEN_NAME, .text = str_of(l->all.ptr + at, end - at), .at = at
    };
}

static struct token sign(struct lexer *l, size_t at)
{
    static const struct str signs[] = { STR_INIT("!="), STR_INIT("<>"), STR_INIT("<="),
        STR_INIT(">="), STR_INIT("="), STR_INIT("<"), STR_INIT(">"), STR_INIT("("), STR_INIT(")"),
        STR_INIT(",") };
    for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
        if (str_starts_with(str_drop(l->all, at), signs[i])) {
            l->at = at + signs[i].len;
            return (struct token){ .kind = TOKEN_SIGN, .text = signs[i], .at = at };
        }
    }
    return bad(l, at, "a character that has no place in a query");
}

struct token lexer_next(struct lexer *l)
{
    while (l->at < l->all.len && strchr(" \t\r\n", l->all.ptr[l->at]) && l->all.ptr[l->at]) {
        l->at++;
    }
    size_t at = l->at;
    if (at == l->all.len) {
        return (struct token){ .kind = TOKEN_END, .at = at };
    }
    char c = l->all.ptr[at], next = at + 1 < l->all.len ? l->all.ptr[at + 1] : 0;
    if (c == '\'' || c == '"') {
        return string(l, at, c);
    }
    if (c == '`') {
        struct token t = string(l, at, c);
        t.kind = t.kind == TOKEN_STRING ? TOKEN_NAME : t.kind;
        t.is_quoted = true;
        return t;
    }
    if (is_digit(c) || (c == '.' && is_digit(next)) ||
            ((c == '-' || c == '+') && (is_digit(next) || next == '.'))) {
        return number(l, at);
    }
    return is_name_start(c) ? name(l, at) : sign(l, at);
}

bool token_is_word(const struct token *token, const char *keyword)
{
    return token->kind == TOKEN_NAME && !token->is_quoted &&
           str_eq_nocase(token->text, str_from_cstr(keyword));
}

bool token_is_sign(const struct token *token, const char *sign)
{
    return token->kind == TOKEN_SIGN && str_eq(token->text, str_from_cstr(sign));
}
