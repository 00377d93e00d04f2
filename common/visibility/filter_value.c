/* What a literal means for the attribute that it is compared with. */
#include "common/visibility/filter_value.h"

#include <math.h>
#include <stdlib.h>

#include "common/model/policies.h"

/* By the public enum WorkflowExecutionStatus; names as users write them, and as the enum has them. */
static const struct {
    struct str name, enum_name;
    int64_t number;
} statuses[] = {
    { STR_INIT("Running"), STR_INIT("WORKFLOW_EXECUTION_STATUS_RUNNING"), 1 },
    { STR_INIT("Completed"), STR_INIT("WORKFLOW_EXECUTION_STATUS_COMPLETED"), 2 },
    { STR_INIT("Failed"), STR_INIT("WORKFLOW_EXECUTION_STATUS_FAILED"), 3 },
    { STR_INIT("Canceled"), STR_INIT("WORKFLOW_EXECUTION_STATUS_CANCELED"), 4 },
    { STR_INIT("Terminated"), STR_INIT("WORKFLOW_EXECUTION_STATUS_TERMINATED"), 5 },
    { STR_INIT("ContinuedAsNew"), STR_INIT("WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW"), 6 },
    { STR_INIT("TimedOut"), STR_INIT("WORKFLOW_EXECUTION_STATUS_TIMED_OUT"), 7 },
    { STR_INIT("Paused"), STR_INIT("WORKFLOW_EXECUTION_STATUS_PAUSED"), 8 },
};

struct str filter_status_name(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        if (statuses[i].number == status) {
            return statuses[i].name;
        }
    }
    return STR("");
}

enum { SHOWN_MAX = 60 };

/* "abc" (type: string), 5 (type: int64): as the API's texts show a literal. */
static struct str shown(struct arena *arena, const struct token *t)
{
    int64_t n;
    int len = (int)(t->text.len < SHOWN_MAX ? t->text.len : SHOWN_MAX);
    bool is_int = t->kind == TOKEN_NUMBER && str_to_i64(t->text, &n);
    return t->kind == TOKEN_STRING ? str_printf(arena, "\"%.*s\" (type: string)", len, t->text.ptr)
                                   : str_printf(arena, "%.*s (type: %s)", len, t->text.ptr,
                                             t->kind == TOKEN_NAME ? "bool"
                                             : is_int              ? "int64"
                                                                   : "float64");
}

static bool status_number(int64_t n)
{
    return n == 0 || !str_empty(filter_status_name((int)n));
}

static bool status_value(
        struct arena *arena, const struct token *t, struct filter_value *v, struct str *why)
{
    int len = (int)(t->text.len < SHOWN_MAX ? t->text.len : SHOWN_MAX);
    const char *quote = t->kind == TOKEN_STRING ? "'" : "";
    if (t->kind == TOKEN_NUMBER && str_to_i64(t->text, &v->number) && v->number >= 0 &&
            v->number <= INT16_MAX && status_number(v->number)) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(statuses) && t->kind == TOKEN_STRING; i++) {
        if (str_eq(statuses[i].name, t->text) || str_eq(statuses[i].enum_name, t->text)) {
            v->number = statuses[i].number;
            return true;
        }
    }
    *why = str_printf(
            arena, "invalid ExecutionStatus value %s%.*s%s", quote, len, t->text.ptr, quote);
    return false;
}

/* hh:mm:ss */
static bool clock_value(struct str s, int64_t *ns)
{
    int64_t part[3];
    struct str rest = s, piece;
    for (int i = 0; i < 3; i++) {
        piece = i < 2 ? str_split(rest, ':', &rest) : rest;
        if (str_empty(piece) || piece.len > 6 || !str_to_i64(piece, &part[i]) || part[i] < 0) {
            return false;
        }
    }
    *ns = (part[0] * 3600 + part[1] * 60 + part[2]) * 1000000000;
    return part[1] < 60 && part[2] < 60;
}

static bool duration_value(
        struct arena *arena, const struct token *t, struct filter_value *v, struct str *why)
{
    struct duration d;
    if (t->kind == TOKEN_STRING && duration_parse(t->text, &d)) {
        v->number = d.ns;
        return true;
    }
    if (t->kind != TOKEN_NAME &&
            (str_to_i64(t->text, &v->number) ||
                    (t->kind == TOKEN_STRING && clock_value(t->text, &v->number)))) {
        return true;
    }
    int len = (int)(t->text.len < SHOWN_MAX ? t->text.len : SHOWN_MAX);
    *why = str_printf(arena, "invalid duration value for search attribute ExecutionDuration: %.*s",
            len, t->text.ptr);
    return false;
}

static bool time_value(
        struct arena *arena, const struct token *t, struct filter_value *v, struct str *why)
{
    struct instant at;
    if (t->kind == TOKEN_STRING && time_parse_rfc3339(t->text, &at)) {
        v->number = at.ns;
        return true;
    }
    if (t->kind == TOKEN_STRING) {
        int len = (int)(t->text.len < SHOWN_MAX ? t->text.len : SHOWN_MAX);
        *why = str_printf(arena, "unable to parse datetime '%.*s'", len, t->text.ptr);
        return false;
    }
    return t->kind == TOKEN_NUMBER && str_to_i64(t->text, &v->number);
}

static bool real_value(struct arena *arena, const struct token *t, struct filter_value *v)
{
    const char *text = str_cstr(arena, t->text);
    char *end;
    v->real = strtod(text, &end);
    return t->kind == TOKEN_NUMBER && *end == 0 && isfinite(v->real);
}

static bool int_value(struct arena *arena, const struct token *t, struct filter_value *v)
{
    if (t->kind == TOKEN_NUMBER && str_to_i64(t->text, &v->number)) {
        return true;
    }
    v->is_real = true;
    return real_value(arena, t, v);
}

static bool bool_value(const struct token *t, struct filter_value *v)
{
    v->number = str_eq_nocase(t->text, STR("true"));
    return t->kind == TOKEN_NAME; /* the parser lets no other names through */
}

static bool text_value(const struct token *t, struct filter_value *v)
{
    v->text = t->text;
    return t->kind == TOKEN_STRING && str_is_utf8(t->text) && str_find(t->text, 0) == t->text.len;
}

bool filter_value_of(struct arena *arena, const struct attribute *attribute, const struct token *t,
        struct filter_value *ret, struct str *why)
{
    struct filter_value v = { .text = { "", 0 } };
    bool ok = false;
    *why = STR("");
    if (attribute->source == SOURCE_STATUS) {
        ok = status_value(arena, t, &v, why);
    } else if (attribute->source == SOURCE_DURATION) {
        ok = duration_value(arena, t, &v, why);
    } else {
        switch (attribute->type) {
        case SEARCH_ATTRIBUTE_TEXT:
        case SEARCH_ATTRIBUTE_KEYWORD:
        case SEARCH_ATTRIBUTE_KEYWORD_LIST:
            ok = text_value(t, &v);
            break;
        case SEARCH_ATTRIBUTE_INT:
            ok = int_value(arena, t, &v);
            break;
        case SEARCH_ATTRIBUTE_DOUBLE:
            ok = real_value(arena, t, &v);
            break;
        case SEARCH_ATTRIBUTE_BOOL:
            ok = bool_value(t, &v);
            break;
        case SEARCH_ATTRIBUTE_DATETIME:
            ok = time_value(arena, t, &v, why);
            break;
        case SEARCH_ATTRIBUTE_UNSPECIFIED:
            break;
        }
    }
    if (ok) {
        *ret = v;
    } else if (str_empty(*why)) {
        *why = str_printf(arena,
                "invalid value type for search attribute " STR_FMT " of type %s: " STR_FMT,
                STR_ARG(attribute->name), search_attribute_type_name(attribute->type),
                STR_ARG(shown(arena, t)));
    }
    return ok;
}

/* Which comparisons a type knows. */
bool filter_allows(const struct attribute *a, enum filter_kind kind)
{
    bool is_list = a->type == SEARCH_ATTRIBUTE_KEYWORD_LIST;
    bool is_text = a->type == SEARCH_ATTRIBUTE_TEXT;
    switch (kind) {
    case FILTER_EQ:
    case FILTER_IS_NULL:
        return true;
    case FILTER_IN:
        return !is_text;
    case FILTER_STARTS_WITH:
        return a->type == SEARCH_ATTRIBUTE_KEYWORD && a->source != SOURCE_STATUS;
    case FILTER_LT:
    case FILTER_LE:
    case FILTER_GT:
    case FILTER_GE:
        return !is_text && !is_list;
    case FILTER_BETWEEN:
        return !is_text && !is_list && a->type != SEARCH_ATTRIBUTE_BOOL;
    case FILTER_AND:
    case FILTER_OR:
    case FILTER_NOT:
        break;
    }
    return false;
}
