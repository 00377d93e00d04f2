/* The grammar of visibility queries, by recursive descent:
 *
 *     query      = [ or ] [ GROUP BY name ]
 *     or         = and { OR and }              and = not { AND not }        not = NOT not | primary
 *     primary    = "(" or ")" | name comparison
 *     comparison = op literal | [NOT] IN "(" literal { "," literal } ")" | [NOT] BETWEEN literal AND literal
 *                | [NOT] STARTS_WITH literal | IS [NOT] NULL
 *
 * Depth is bounded, so the stack is. Relies on the lexer for tokens and on filter_value.c for literals. */
#include "common/base/vec.h"
#include "common/visibility/filter_value.h"

struct parser {
    struct lexer lexer;
    struct token token; /* the one being looked at */
    struct arena *arena;
    const struct filter_names *names;
    struct fail *fail;
    unsigned depth;
    size_t values, conditions;
    bool names_division;
};

static const struct filter *parse_or(struct parser *p);

static void advance(struct parser *p)
{
    p->token = lexer_next(&p->lexer);
}

#define REFUSE(p, ...) refuse((p), str_printf((p)->arena, __VA_ARGS__))

static const struct filter *refuse(struct parser *p, struct str why)
{
    if (p->fail->err == ERR_NONE) {
        (void)fail(p->fail, ERR_INVALID_ARGUMENT, "invalid query: " STR_FMT, STR_ARG(why));
    }
    return NULL;
}

static const struct filter *unexpected(struct parser *p, const char *wanted)
{
    const struct token *t = &p->token;
    if (t->kind == TOKEN_BAD) {
        return REFUSE(p, "%s, at position %zu", p->lexer.why, t->at + 1);
    }
    if (t->kind == TOKEN_END) {
        return REFUSE(p, "it ends where %s is expected", wanted);
    }
    size_t n = t->text.len < 60 ? t->text.len : 60;
    return REFUSE(p, "'%.*s' at position %zu where %s is expected", (int)n, t->text.ptr, t->at + 1,
            wanted);
}

static struct filter *node(struct parser *p, enum filter_kind kind)
{
    struct filter *f = NEW(p->arena, struct filter, 1);
    f->kind = kind;
    return f;
}

static const struct filter *negate(struct parser *p, const struct filter *of)
{
    if (!of) {
        return NULL;
    }
    struct filter *f = node(p, FILTER_NOT);
    f->left = of;
    return f;
}

static bool resolve(struct parser *p, struct str name, struct attribute *ret)
{
    enum attribute_type type;
    if (p->names && p->names->find(p->names->ctx, name, &type)) {
        *ret = (struct attribute){ name, type, SOURCE_DOCUMENT };
        return true;
    }
    if (str_eq(name, STR("ScheduleId"))) {
        *ret = (struct attribute){ name, ATTRIBUTE_KEYWORD, SOURCE_WORKFLOW_ID };
        return true;
    }
    return attribute_find_built_in(name, ret);
}

/* Reads one literal into the values of f. */
static bool literal(struct parser *p, const struct filter *f, struct filter_value *ret)
{
    const struct token *t = &p->token;
    bool is_word = token_is_word(t, "true") || token_is_word(t, "false");
    if (t->kind != TOKEN_STRING && t->kind != TOKEN_NUMBER && !is_word) {
        (void)unexpected(p, "a value");
        return false;
    }
    if (++p->values > FILTER_VALUES_MAX) {
        REFUSE(p, "more than %d values", FILTER_VALUES_MAX);
        return false;
    }
    if (!filter_value_of(p->arena, &f->attribute, t, ret)) {
        size_t n = t->text.len < 60 ? t->text.len : 60;
        struct str type = f->attribute.source == SOURCE_STATUS
                                  ? STR("execution status")
                                  : attribute_type_name(f->attribute.type);
        REFUSE(p, "value '%.*s' of '" STR_FMT "' is not of type " STR_FMT, (int)n, t->text.ptr,
                STR_ARG(f->attribute.name), STR_ARG(type));
        return false;
    }
    advance(p);
    return true;
}

static bool expect_sign(struct parser *p, const char *sign, const char *wanted)
{
    if (!token_is_sign(&p->token, sign)) {
        (void)unexpected(p, wanted);
        return false;
    }
    advance(p);
    return true;
}

static bool expect_word(struct parser *p, const char *word)
{
    if (!token_is_word(&p->token, word)) {
        (void)unexpected(p, word);
        return false;
    }
    advance(p);
    return true;
}

static bool take_word(struct parser *p, const char *word)
{
    bool is_it = token_is_word(&p->token, word);
    if (is_it) {
        advance(p);
    }
    return is_it;
}

static const struct filter *values_one(struct parser *p, struct filter *f)
{
    struct filter_value *v = NEW(p->arena, struct filter_value, 1);
    if (!literal(p, f, v)) {
        return NULL;
    }
    f->values = v;
    f->value_count = 1;
    return f;
}

static const struct filter *values_between(struct parser *p, struct filter *f)
{
    struct filter_value *v = NEW(p->arena, struct filter_value, 2);
    if (!literal(p, f, &v[0]) || !expect_word(p, "AND") || !literal(p, f, &v[1])) {
        return NULL;
    }
    f->values = v;
    f->value_count = 2;
    return f;
}

static const struct filter *values_list(struct parser *p, struct filter *f)
{
    VEC(struct filter_value) list = { 0 };
    if (!expect_sign(p, "(", "a list in parentheses")) {
        return NULL;
    }
    do {
        struct filter_value v;
        if (list.len) {
            advance(p);
        }
        if (!literal(p, f, &v)) {
            return NULL;
        }
        vec_push(p->arena, &list, v);
    } while (token_is_sign(&p->token, ","));
    f->values = list.ptr;
    f->value_count = list.len;
    return expect_sign(p, ")", "',' or ')'") ? f : NULL;
}

/* The operator; NOT in front of it, and != as the negation of =. */
static bool take_operator(struct parser *p, enum filter_kind *kind, bool *negated)
{
    static const struct {
        const char *sign;
        enum filter_kind kind;
        bool negated;
    } signs[] = {
        { "=", FILTER_EQ, false },
        { "!=", FILTER_EQ, true },
        { "<>", FILTER_EQ, true },
        { "<=", FILTER_LE, false },
        { ">=", FILTER_GE, false },
        { "<", FILTER_LT, false },
        { ">", FILTER_GT, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
        if (token_is_sign(&p->token, signs[i].sign)) {
            *kind = signs[i].kind;
            *negated = signs[i].negated;
            advance(p);
            return true;
        }
    }
    if (take_word(p, "IS")) {
        *negated = take_word(p, "NOT");
        *kind = FILTER_IS_NULL;
        return expect_word(p, "NULL");
    }
    *negated = take_word(p, "NOT");
    *kind = take_word(p, "IN")            ? FILTER_IN
            : take_word(p, "BETWEEN")     ? FILTER_BETWEEN
            : take_word(p, "STARTS_WITH") ? FILTER_STARTS_WITH
                                          : FILTER_AND;
    if (*kind == FILTER_AND) {
        (void)unexpected(p, "an operator");
        return false;
    }
    return true;
}

static const struct filter *parse_comparison(struct parser *p)
{
    struct filter *f = node(p, FILTER_EQ);
    if (p->token.kind != TOKEN_NAME) {
        return unexpected(p, "the name of a search attribute");
    }
    if (!resolve(p, p->token.text, &f->attribute)) {
        size_t n = p->token.text.len < 100 ? p->token.text.len : 100;
        return REFUSE(p, "unknown search attribute '%.*s'", (int)n, p->token.text.ptr);
    }
    if (++p->conditions > FILTER_CONDITIONS_MAX) {
        return REFUSE(p, "more than %d conditions", FILTER_CONDITIONS_MAX);
    }
    p->names_division |= str_eq(f->attribute.name, STR("TemporalNamespaceDivision"));
    advance(p);
    bool negated;
    if (!take_operator(p, &f->kind, &negated)) {
        return NULL;
    }
    if (!filter_allows(&f->attribute, f->kind)) {
        return REFUSE(p, "this operator is not supported for '" STR_FMT "' of type " STR_FMT,
                STR_ARG(f->attribute.name), STR_ARG(attribute_type_name(f->attribute.type)));
    }
    const struct filter *done = f->kind == FILTER_IS_NULL   ? f
                                : f->kind == FILTER_IN      ? values_list(p, f)
                                : f->kind == FILTER_BETWEEN ? values_between(p, f)
                                                            : values_one(p, f);
    return negated ? negate(p, done) : done;
}

static const struct filter *parse_not(struct parser *p)
{
    const struct filter *f;
    if (++p->depth > FILTER_DEPTH_MAX) {
        return REFUSE(p, "it is nested deeper than %d", FILTER_DEPTH_MAX);
    }
    if (take_word(p, "NOT")) {
        f = negate(p, parse_not(p));
    } else if (token_is_sign(&p->token, "(")) {
        advance(p);
        f = parse_or(p);
        f = f && expect_sign(p, ")", "')'") ? f : NULL;
    } else {
        f = parse_comparison(p);
    }
    p->depth--;
    return f;
}

static const struct filter *joined(struct parser *p, enum filter_kind kind,
        const struct filter *left, const struct filter *right)
{
    if (!left || !right) {
        return NULL;
    }
    struct filter *f = node(p, kind);
    f->left = left;
    f->right = right;
    return f;
}

static const struct filter *parse_and(struct parser *p)
{
    const struct filter *f = parse_not(p);
    while (f && take_word(p, "AND")) {
        f = joined(p, FILTER_AND, f, parse_not(p));
    }
    return f;
}

static const struct filter *parse_or(struct parser *p)
{
    const struct filter *f = parse_and(p);
    while (f && take_word(p, "OR")) {
        f = joined(p, FILTER_OR, f, parse_and(p));
    }
    return f;
}

static bool parse_group(struct parser *p, bool may_group, struct filter_query *ret)
{
    struct attribute a;
    if (!may_group) {
        REFUSE(p, "GROUP BY is only supported in counts");
        return false;
    }
    advance(p);
    if (!expect_word(p, "BY")) {
        return false;
    }
    if (p->token.kind != TOKEN_NAME || !resolve(p, p->token.text, &a) ||
            a.source != SOURCE_STATUS) {
        REFUSE(p, "GROUP BY is only supported for ExecutionStatus");
        return false;
    }
    advance(p);
    ret->group_by_status = true;
    return true;
}

static const struct filter *without_division(struct parser *p, const struct filter *f)
{
    struct filter *is_null = node(p, FILTER_IS_NULL);
    check(attribute_find_built_in(STR("TemporalNamespaceDivision"), &is_null->attribute));
    return f ? joined(p, FILTER_AND, f, is_null) : is_null;
}

enum err filter_parse(struct arena *arena, struct str text, const struct filter_names *names,
        bool may_group, struct filter_query *ret, struct fail *f)
{
    struct fail failed = { 0 };
    struct parser p = { .arena = arena, .names = names, .fail = &failed };
    struct filter_query query = { 0 };
    if (text.len > FILTER_TEXT_MAX) {
        return fail(
                f, ERR_INVALID_ARGUMENT, "invalid query: longer than %d bytes", FILTER_TEXT_MAX);
    }
    p.lexer = (struct lexer){ .arena = arena, .all = text };
    advance(&p);
    if (p.token.kind != TOKEN_END && !token_is_word(&p.token, "GROUP")) {
        query.filter = parse_or(&p);
    }
    if (failed.err == ERR_NONE && token_is_word(&p.token, "GROUP")) {
        parse_group(&p, may_group, &query);
    }
    if (failed.err == ERR_NONE && token_is_word(&p.token, "ORDER")) {
        REFUSE(&p, "ORDER BY is not supported");
    }
    if (failed.err == ERR_NONE && p.token.kind != TOKEN_END) {
        (void)unexpected(&p, "AND, OR or the end");
    }
    if (failed.err) {
        *f = failed;
        return failed.err;
    }
    if (!p.names_division) {
        query.filter = without_division(&p, query.filter);
    }
    *ret = query;
    return ERR_NONE;
}
