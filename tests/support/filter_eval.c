/* The plain evaluator: values from the row and its document, three-valued logic, nothing shared with the SQL. */
#include "tests/support/filter_eval.h"

#include <stdlib.h>

enum truth { NO, YES, UNKNOWN };

struct value {
    enum { MISSING, TEXT, NUMBER, REAL, TRUTH, LIST } kind;
    struct str text;
    int64_t number;
    double real;
    struct str *items;
    size_t count;
};

/* ---- the search document: written by our own code, so its form is known ---- */

static struct str json_string(struct str *rest, struct arena *arena)
{
    struct buf b;
    buf_init_arena(&b, arena, 1 << 20);
    size_t i = 1;
    for (; rest->ptr[i] != '"'; i++) {
        if (rest->ptr[i] == '\\' && rest->ptr[i + 1] == 'u') {
            buf_append_byte(
                    &b, (uint8_t)strtol(str_cstr(arena, str_of(rest->ptr + i + 2, 4)), NULL, 16));
            i += 5;
        } else {
            i += rest->ptr[i] == '\\';
            buf_append_byte(&b, (uint8_t)rest->ptr[i]);
        }
    }
    *rest = str_drop(*rest, i + 1);
    return buf_str(&b);
}

/* Spaces are what a database adds when it writes the document back. */
static void skip(struct str *rest, const char *chars)
{
    while (rest->len && (strchr(chars, rest->ptr[0]) || rest->ptr[0] == ' ')) {
        *rest = str_drop(*rest, 1);
    }
}

static struct value json_value(struct str *rest, struct arena *arena)
{
    struct value v = { .kind = TEXT };
    char c = rest->ptr[0];
    if (c == '"') {
        v.text = json_string(rest, arena);
        return v;
    }
    if (c == '[') {
        v.kind = LIST;
        v.items = NEW(arena, struct str, rest->len);
        for (skip(rest, "["); rest->ptr[0] != ']'; skip(rest, ",")) {
            v.items[v.count++] = json_string(rest, arena);
        }
        skip(rest, "]");
        return v;
    }
    size_t n = 0;
    while (!strchr(",}", rest->ptr[n])) {
        n++;
    }
    struct str word = str_trim(str_of(rest->ptr, n));
    *rest = str_drop(*rest, n);
    v.number = str_eq(word, STR("true"));
    if (v.number || str_eq(word, STR("false"))) {
        v.kind = TRUTH;
        return v;
    }
    v.real = strtod(str_cstr(arena, word), NULL);
    v.kind = str_to_i64(word, &v.number) ? NUMBER : REAL;
    return v;
}

static struct value member(struct str document, struct str name, struct arena *arena)
{
    struct value missing = { .kind = MISSING };
    skip(&document, "{");
    while (document.len && document.ptr[0] == '"') {
        struct str key = json_string(&document, arena);
        skip(&document, ":");
        struct value v = json_value(&document, arena);
        skip(&document, ",}");
        if (str_eq(key, name)) {
            return v;
        }
    }
    return missing;
}

/* A value of another type counts as missing. */
static bool is_of_type(const struct value *v, enum search_attribute_type type)
{
    switch (type) {
    case SEARCH_ATTRIBUTE_KEYWORD:
        return v->kind == TEXT;
    case SEARCH_ATTRIBUTE_INT:
    case SEARCH_ATTRIBUTE_DATETIME:
    case SEARCH_ATTRIBUTE_DOUBLE:
        return v->kind == NUMBER || v->kind == REAL;
    case SEARCH_ATTRIBUTE_BOOL:
        return v->kind == TRUTH;
    case SEARCH_ATTRIBUTE_TEXT:
    case SEARCH_ATTRIBUTE_KEYWORD_LIST:
    case SEARCH_ATTRIBUTE_UNSPECIFIED:
        break;
    }
    return v->kind == LIST;
}

/* ---- values of a run ---- */

static struct value text(struct str s)
{
    return (struct value){ .kind = TEXT, .text = s };
}

static struct value text_or_missing(struct str s)
{
    return (struct value){ .kind = s.len ? TEXT : MISSING, .text = s };
}

static struct value number(int64_t n)
{
    return (struct value){ .kind = NUMBER, .number = n, .real = (double)n };
}

static struct value figure(const struct store_listed *run, int64_t n)
{
    return run->view.history_length ? number(n) : (struct value){ .kind = MISSING };
}

static struct value value_of(
        const struct attribute *a, const struct store_listed *l, struct arena *arena)
{
    const struct store_run_row *r = &l->run;
    const struct store_view *v = &l->view;
    bool is_closed = instant_is_set(r->close_time);
    struct value missing = { .kind = MISSING };
    switch (a->source) {
    case SOURCE_DOCUMENT:
        return member(v->search, a->name, arena);
    case SOURCE_WORKFLOW_ID:
        return text(r->workflow_id);
    case SOURCE_RUN_ID:
        return text(uuid_dup(arena, r->run_id));
    case SOURCE_WORKFLOW_TYPE:
        return text(v->workflow_type);
    case SOURCE_STATUS:
        return number(r->status);
    case SOURCE_TASK_QUEUE:
        return text(v->task_queue);
    case SOURCE_PARENT_WORKFLOW_ID:
        return text_or_missing(v->parent_workflow_id);
    case SOURCE_PARENT_RUN_ID:
        return text_or_missing(v->parent_run_id);
    case SOURCE_ROOT_WORKFLOW_ID:
        return text(v->root_workflow_id.len ? v->root_workflow_id : r->workflow_id);
    case SOURCE_ROOT_RUN_ID:
        return text(v->root_run_id.len ? v->root_run_id : uuid_dup(arena, r->run_id));
    case SOURCE_START_TIME:
        return number(r->start_time.ns);
    case SOURCE_EXECUTION_TIME:
        return number(v->execution_time.ns);
    case SOURCE_CLOSE_TIME:
        return is_closed ? number(r->close_time.ns) : missing;
    case SOURCE_HISTORY_LENGTH:
        return figure(l, v->history_length);
    case SOURCE_HISTORY_SIZE:
        return figure(l, v->history_size);
    case SOURCE_STATE_TRANSITIONS:
        return figure(l, v->state_transitions);
    case SOURCE_DURATION:
        return is_closed ? number(r->close_time.ns - v->execution_time.ns) : missing;
    case SOURCE_COUNT:
        break;
    }
    return missing;
}

/* ---- comparisons ---- */

static int compare(const struct attribute *a, const struct value *x, const struct filter_value *y)
{
    if (a->source != SOURCE_STATUS && a->type == SEARCH_ATTRIBUTE_KEYWORD) {
        return str_cmp(x->text, y->text);
    }
    if (a->type == SEARCH_ATTRIBUTE_DOUBLE || y->is_real) {
        return (x->real > y->real) - (x->real < y->real);
    }
    return (x->number > y->number) - (x->number < y->number);
}

static bool list_has(const struct value *x, struct str wanted)
{
    for (size_t i = 0; i < x->count; i++) {
        if (str_eq(x->items[i], wanted)) {
            return true;
        }
    }
    return false;
}

static bool equals(const struct attribute *a, const struct value *x, const struct filter_value *y,
        struct arena *arena)
{
    if (a->type == SEARCH_ATTRIBUTE_TEXT) {
        struct str rest = y->text, word;
        while (text_next_word(&rest, arena, &word)) {
            if (list_has(x, word)) {
                return true;
            }
        }
        return false;
    }
    return a->type == SEARCH_ATTRIBUTE_KEYWORD_LIST ? list_has(x, y->text) : compare(a, x, y) == 0;
}

static bool holds(const struct filter *f, const struct value *x, struct arena *arena)
{
    const struct attribute *a = &f->attribute;
    switch (f->kind) {
    case FILTER_EQ:
    case FILTER_IN:
        for (size_t i = 0; i < f->value_count; i++) {
            if (equals(a, x, &f->values[i], arena)) {
                return true;
            }
        }
        return false;
    case FILTER_LT:
        return compare(a, x, f->values) < 0;
    case FILTER_LE:
        return compare(a, x, f->values) <= 0;
    case FILTER_GT:
        return compare(a, x, f->values) > 0;
    case FILTER_GE:
        return compare(a, x, f->values) >= 0;
    case FILTER_BETWEEN:
        return compare(a, x, &f->values[0]) >= 0 && compare(a, x, &f->values[1]) <= 0;
    case FILTER_STARTS_WITH:
        return str_starts_with(x->text, f->values->text);
    default:
        check(false);
        return false;
    }
}

static enum truth eval(const struct filter *f, const struct store_listed *run, struct arena *arena)
{
    if (f->kind == FILTER_AND || f->kind == FILTER_OR) {
        enum truth decides = f->kind == FILTER_AND ? NO : YES;
        enum truth l = eval(f->left, run, arena), r = eval(f->right, run, arena);
        return l == decides || r == decides   ? decides
               : l == UNKNOWN || r == UNKNOWN ? UNKNOWN
                                              : !decides;
    }
    if (f->kind == FILTER_NOT) {
        enum truth of = eval(f->left, run, arena);
        return of == UNKNOWN ? UNKNOWN : of == YES ? NO : YES;
    }
    struct value x = value_of(&f->attribute, run, arena);
    if (f->attribute.source == SOURCE_DOCUMENT && !is_of_type(&x, f->attribute.type)) {
        x.kind = MISSING;
    }
    if (f->kind == FILTER_IS_NULL) {
        return x.kind == MISSING ? YES : NO;
    }
    return x.kind == MISSING ? UNKNOWN : holds(f, &x, arena) ? YES : NO;
}

bool filter_eval(const struct filter *filter, const struct store_listed *run, struct arena *arena)
{
    return !filter || eval(filter, run, arena) == YES;
}
