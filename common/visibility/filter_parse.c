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
    size_t n = t->text.len < 60 ? t->text.len : 60;
    if (t->kind == TOKEN_BAD) {
        return REFUSE(p, "malformed SQL query: syntax error at position %zu: %s", t->at + 1,
                p->lexer.why);
    }
    if (t->kind == TOKEN_END) {
        return REFUSE(p,
                "malformed SQL query: syntax error at position %zu: it ends where %s is "
                "expected",
                t->at + 1, wanted);
    }
    return REFUSE(p,
            "malformed SQL query: syntax error at position %zu near '%.*s': %s is expected",
            t->at + 1, (int)n, t->text.ptr, wanted);
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
    enum search_attribute_type type;
    if (p->names && p->names->find(p->names->ctx, name, &type)) {
        *ret = (struct attribute){ name, type, SOURCE_DOCUMENT };
        return true;
    }
    return attribute_find_built_in(name, ret);
}

/* Reads one literal into the values of f. */
static bool literal(struct parser *p, const struct filter *f, struct filter_value *ret)
{
    const struct token *t = &p->token;
    struct str why;
    size_t n = t->text.len < 60 ? t->text.len : 60;
    bool is_truth = token_is_word(t, "true") || token_is_word(t, "false");
    if (t->kind == TOKEN_NAME && !is_truth) {
        REFUSE(p,
                "operation is not supported: column name on the right side of comparison "
                "expression (did you forget to quote \"%.*s\"?)",
                (int)n, t->text.ptr);
        return false;
    }
    if (t->kind != TOKEN_STRING && t->kind != TOKEN_NUMBER && !is_truth) {
        (void)unexpected(p, "a value");
        return false;
    }
    if (++p->values > FILTER_VALUES_MAX) {
        REFUSE(p, "more than %d values", FILTER_VALUES_MAX);
        return false;
    }
    if (!filter_value_of(p->arena, &f->attribute, t, ret, &why)) {
        REFUSE(p, "invalid expression: " STR_FMT, STR_ARG(why));
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

static const struct filter *not_supported(
        struct parser *p, const struct attribute *a, const char *sign)
{
    return REFUSE(p,
            "operation is not supported: operator '%s' not supported for %s type search attribute "
            "'" STR_FMT "'",
            sign, search_attribute_type_name(a->type), STR_ARG(a->name));
}

/* The operator; NOT in front of it, and != as the negation of =. */
static bool take_operator(
        struct parser *p, const struct attribute *a, enum filter_kind *kind, bool *negated)
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
        return take_word(p, "NULL") ||
               REFUSE(p, "invalid expression: 'IS' operator can only be used as 'IS NULL' or 'IS "
                         "NOT NULL'");
    }
    *negated = take_word(p, "NOT");
    *kind = take_word(p, "IN")            ? FILTER_IN
            : take_word(p, "BETWEEN")     ? FILTER_BETWEEN
            : take_word(p, "STARTS_WITH") ? FILTER_STARTS_WITH
                                          : FILTER_AND;
    if (*kind == FILTER_AND && token_is_word(&p->token, "LIKE")) {
        (void)not_supported(p, a, *negated ? "NOT LIKE" : "LIKE");
    } else if (*kind == FILTER_AND) {
        (void)unexpected(p, "an operator");
    }
    return *kind != FILTER_AND;
}

/* As queries write it. */
static const char *operator_name(enum filter_kind kind, bool negated)
{
    static const char *const names[][2] = {
        [FILTER_EQ] = { "=", "!=" },
        [FILTER_LT] = { "<", "<" },
        [FILTER_LE] = { "<=", "<=" },
        [FILTER_GT] = { ">", ">" },
        [FILTER_GE] = { ">=", ">=" },
        [FILTER_IN] = { "IN", "NOT IN" },
        [FILTER_STARTS_WITH] = { "STARTS_WITH", "NOT STARTS_WITH" },
    };
    return names[kind][negated];
}

static const struct filter *refuse_operator(
        struct parser *p, const struct attribute *a, enum filter_kind kind, bool negated)
{
    if (kind == FILTER_BETWEEN) {
        return REFUSE(p,
                "invalid expression: cannot do range condition on search attribute '" STR_FMT
                "' of type %s",
                STR_ARG(a->name), search_attribute_type_name(a->type));
    }
    return not_supported(p, a, operator_name(kind, negated));
}

static const struct filter *unknown_name(struct parser *p, struct str name)
{
    size_t n = name.len < 100 ? name.len : 100;
    return REFUSE(p, "invalid expression: column name '%.*s' is not a valid search attribute",
            (int)n, name.ptr);
}

static const struct filter *parse_comparison(struct parser *p)
{
    struct filter *f = node(p, FILTER_EQ);
    if (p->token.kind != TOKEN_NAME) {
        return unexpected(p, "the name of a search attribute");
    }
    struct str name = p->token.text;
    if (!resolve(p, name, &f->attribute)) {
        advance(p);
        return token_is_sign(&p->token, "(")
                       ? REFUSE(p, "operation is not supported: function expression")
                       : unknown_name(p, name);
    }
    if (++p->conditions > FILTER_CONDITIONS_MAX) {
        return REFUSE(p, "more than %d conditions", FILTER_CONDITIONS_MAX);
    }
    p->names_division |= str_eq(f->attribute.name, STR("TemporalNamespaceDivision"));
    advance(p);
    bool negated;
    if (p->token.kind == TOKEN_END || token_is_sign(&p->token, ")")) {
        return REFUSE(p, "invalid expression: incomplete expression");
    }
    if (!take_operator(p, &f->attribute, &f->kind, &negated)) {
        return NULL;
    }
    if (!filter_allows(&f->attribute, f->kind)) {
        return refuse_operator(p, &f->attribute, f->kind, negated);
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

static void parse_group(struct parser *p, bool may_group, struct filter_query *ret)
{
    struct attribute a;
    advance(p);
    if (!expect_word(p, "BY")) {
        return;
    }
    if (p->token.kind != TOKEN_NAME) {
        (void)unexpected(p, "the name of a search attribute");
    } else if (!resolve(p, p->token.text, &a)) {
        unknown_name(p, p->token.text);
    } else if (!may_group) {
        REFUSE(p, "operation is not supported: 'GROUP BY' clause is for counts only");
    } else if (a.source != SOURCE_STATUS) {
        REFUSE(p,
                "operation is not supported: 'GROUP BY' clause is not supported for search "
                "attribute " STR_FMT,
                STR_ARG(p->token.text));
    }
    advance(p);
    if (token_is_sign(&p->token, ",")) {
        REFUSE(p, "operation is not supported: 'GROUP BY' clause supports only a single field");
    }
    ret->group_by_status = true;
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
    if (p.token.kind != TOKEN_END && !token_is_word(&p.token, "GROUP") &&
            !token_is_word(&p.token, "ORDER")) {
        query.filter = parse_or(&p);
    }
    if (failed.err == ERR_NONE && token_is_word(&p.token, "GROUP")) {
        parse_group(&p, may_group, &query);
    }
    if (failed.err == ERR_NONE && token_is_word(&p.token, "ORDER")) {
        REFUSE(&p, "operation is not supported: 'ORDER BY' clause");
    }
    if (failed.err == ERR_NONE && token_is_word(&p.token, "LIMIT")) {
        REFUSE(&p, "operation is not supported: 'LIMIT' clause");
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
