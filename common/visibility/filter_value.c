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

static bool status_value(const struct token *t, struct filter_value *v)
{
    if (t->kind == TOKEN_NUMBER) {
        return str_to_i64(t->text, &v->number);
    }
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        if (str_eq_nocase(statuses[i].name, t->text) || str_eq(statuses[i].enum_name, t->text)) {
            v->number = statuses[i].number;
            return true;
        }
    }
    return false;
}

/* hh:mm:ss */
static bool clock_value(struct str s, int64_t *ns)
{
    int64_t part[3];
    struct str rest = s, piece;
    for (int i = 0; i < 3; i++) {
        piece = i < 2 ? str_split(rest, ':', &rest) : rest;
        if (str_empty(piece) || piece.len > 9 || !str_to_i64(piece, &part[i]) || part[i] < 0) {
            return false;
        }
    }
    *ns = (part[0] * 3600 + part[1] * 60 + part[2]) * 1000000000;
    return part[1] < 60 && part[2] < 60;
}

static bool duration_value(const struct token *t, struct filter_value *v)
{
    struct duration d;
    if (t->kind == TOKEN_STRING && duration_parse(t->text, &d)) {
        v->number = d.ns;
        return true;
    }
    return str_to_i64(t->text, &v->number) || clock_value(t->text, &v->number);
}

static bool time_value(const struct token *t, struct filter_value *v)
{
    struct instant at;
    if (t->kind == TOKEN_STRING && time_parse_rfc3339(t->text, &at)) {
        v->number = at.ns;
        return true;
    }
    return str_to_i64(t->text, &v->number);
}

static bool real_value(struct arena *arena, const struct token *t, struct filter_value *v)
{
    const char *text = str_cstr(arena, t->text);
    char *end;
    v->real = strtod(text, &end);
    return t->text.len && *end == 0 && isfinite(v->real) &&
           strspn(text, "+-.0123456789eE") == t->text.len;
}

static bool bool_value(const struct token *t, struct filter_value *v)
{
    v->number = str_eq_nocase(t->text, STR("true"));
    return v->number || str_eq_nocase(t->text, STR("false"));
}

static bool text_value(const struct token *t, struct filter_value *v)
{
    v->text = t->text;
    return t->kind == TOKEN_STRING && str_is_utf8(t->text) && str_find(t->text, 0) == t->text.len;
}

bool filter_value_of(struct arena *arena, const struct attribute *attribute, const struct token *t,
        struct filter_value *ret)
{
    struct filter_value v = { .text = { "", 0 } };
    bool ok = false;
    if (attribute->source == SOURCE_STATUS) {
        ok = status_value(t, &v);
    } else if (attribute->source == SOURCE_DURATION) {
        ok = duration_value(t, &v);
    } else {
        switch (attribute->type) {
        case ATTRIBUTE_TEXT:
        case ATTRIBUTE_KEYWORD:
        case ATTRIBUTE_KEYWORD_LIST:
            ok = text_value(t, &v);
            break;
        case ATTRIBUTE_INT:
            ok = str_to_i64(t->text, &v.number);
            break;
        case ATTRIBUTE_DOUBLE:
            ok = real_value(arena, t, &v);
            break;
        case ATTRIBUTE_BOOL:
            ok = bool_value(t, &v);
            break;
        case ATTRIBUTE_DATETIME:
            ok = time_value(t, &v);
            break;
        }
    }
    if (ok) {
        *ret = v;
    }
    return ok;
}

/* Which comparisons a type knows. */
bool filter_allows(const struct attribute *a, enum filter_kind kind)
{
    switch (kind) {
    case FILTER_EQ:
    case FILTER_IS_NULL:
        return true;
    case FILTER_IN:
        return a->type != ATTRIBUTE_TEXT && a->type != ATTRIBUTE_BOOL;
    case FILTER_STARTS_WITH:
        return a->type == ATTRIBUTE_KEYWORD && a->source != SOURCE_STATUS;
    case FILTER_LT:
    case FILTER_LE:
    case FILTER_GT:
    case FILTER_GE:
    case FILTER_BETWEEN:
        return a->source != SOURCE_STATUS && a->type != ATTRIBUTE_TEXT &&
               a->type != ATTRIBUTE_BOOL && a->type != ATTRIBUTE_KEYWORD_LIST;
    case FILTER_AND:
    case FILTER_OR:
    case FILTER_NOT:
        break;
    }
    return false;
}
