/* From the tree of a visibility query to the database's language. Three-valued like SQL itself, so AND, OR and NOT
 * translate one to one; a condition that is not under a NOT may say false where the truth is unknown, which lets
 * PostgreSQL use its index on the search document. Values of another type than the attribute's (it was removed and
 * made anew) count as missing. */
#include "common/store/filter_sql.h"

#include "common/base/vec.h"

struct writer {
    struct buf *out;
    struct arena *arena;
    enum sql_dialect dialect;
};

void sql_quote(struct buf *out, struct str s)
{
    buf_append_byte(out, '\'');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\'') {
            buf_append_byte(out, '\'');
        }
        buf_append_byte(out, (uint8_t)s.ptr[i]);
    }
    buf_append_byte(out, '\'');
}

static void put(struct writer *w, const char *text)
{
    buf_append_str(w->out, str_from_cstr(text));
}

static bool is_pg(const struct writer *w)
{
    return w->dialect == SQL_POSTGRES;
}

/* ---- the attribute ---- */

static const char *const columns[SOURCE_COUNT] = {
    [SOURCE_WORKFLOW_ID] = "r.workflow_id",
    [SOURCE_WORKFLOW_TYPE] = "r.workflow_type",
    [SOURCE_STATUS] = "r.status",
    [SOURCE_TASK_QUEUE] = "r.task_queue",
    [SOURCE_PARENT_WORKFLOW_ID] = "r.parent_workflow_id",
    [SOURCE_PARENT_RUN_ID] = "r.parent_run_id",
    [SOURCE_ROOT_WORKFLOW_ID] = "coalesce(r.root_workflow_id, r.workflow_id)",
    [SOURCE_START_TIME] = "r.start_time",
    [SOURCE_EXECUTION_TIME] = "r.execution_time",
    [SOURCE_CLOSE_TIME] = "r.close_time",
    [SOURCE_HISTORY_LENGTH] = "r.history_length",
    [SOURCE_HISTORY_SIZE] = "r.history_size",
    [SOURCE_STATE_TRANSITIONS] = "r.state_transitions",
    [SOURCE_DURATION] = "(r.close_time - r.execution_time)",
};

static const char run_id_of_sqlite[] =
        "(lower(substr(hex(r.run_id), 1, 8) || '-' || substr(hex(r.run_id), 9, 4) || '-' ||"
        " substr(hex(r.run_id), 13, 4) || '-' || substr(hex(r.run_id), 17, 4) || '-' ||"
        " substr(hex(r.run_id), 21)))";

/* The JSON type names of the two databases. */
static const char *json_types(const struct writer *w, enum search_attribute_type type)
{
    switch (type) {
    case SEARCH_ATTRIBUTE_KEYWORD:
        return is_pg(w) ? "('string')" : "('text')";
    case SEARCH_ATTRIBUTE_INT:
    case SEARCH_ATTRIBUTE_DOUBLE:
    case SEARCH_ATTRIBUTE_DATETIME:
        return is_pg(w) ? "('number')" : "('integer', 'real')";
    case SEARCH_ATTRIBUTE_BOOL:
        return is_pg(w) ? "('boolean')" : "('true', 'false')";
    case SEARCH_ATTRIBUTE_TEXT:
    case SEARCH_ATTRIBUTE_KEYWORD_LIST:
    case SEARCH_ATTRIBUTE_UNSPECIFIED:
        break;
    }
    return "('array')";
}

static void put_member(struct writer *w, const char *before, struct str name, const char *after)
{
    put(w, before);
    sql_quote(w->out, name);
    put(w, after);
}

/* Its value, or null; of lists the list. */
static void document_value(struct writer *w, const struct attribute *a)
{
    const char *types = json_types(w, a->type);
    if (is_pg(w)) {
        static const char *const casts[] = { [SEARCH_ATTRIBUTE_INT] = "::numeric",
            [SEARCH_ATTRIBUTE_DOUBLE] = "::float8",
            [SEARCH_ATTRIBUTE_BOOL] = "::boolean",
            [SEARCH_ATTRIBUTE_DATETIME] = "::numeric",
            [SEARCH_ATTRIBUTE_KEYWORD] = " COLLATE \"C\"",
            [SEARCH_ATTRIBUTE_KEYWORD_LIST] = NULL };
        bool is_list = a->type == SEARCH_ATTRIBUTE_TEXT || a->type == SEARCH_ATTRIBUTE_KEYWORD_LIST;
        put_member(w, "(CASE WHEN jsonb_typeof(r.search->", a->name, ") IN ");
        put(w, types);
        put_member(w, is_list ? " THEN r.search->" : " THEN (r.search->>", a->name,
                is_list ? "" : ")");
        put(w, casts[a->type] ? casts[a->type] : "");
        put(w, " END)");
    } else {
        put_member(w, "(SELECT d.value FROM json_each(r.search) d WHERE d.key = ", a->name,
                " AND d.type IN ");
        put(w, types);
        put(w, ")");
    }
}

static void value_of(struct writer *w, const struct attribute *a)
{
    if (a->source == SOURCE_RUN_ID) {
        put(w, is_pg(w) ? "r.run_id::text" : run_id_of_sqlite);
    } else if (a->source == SOURCE_ROOT_RUN_ID) {
        put(w, "coalesce(r.root_run_id, ");
        put(w, is_pg(w) ? "r.run_id::text)" : run_id_of_sqlite);
        put(w, is_pg(w) ? "" : ")");
    } else if (a->source == SOURCE_DOCUMENT) {
        document_value(w, a);
    } else {
        put(w, columns[a->source]);
    }
}

/* ---- comparisons ---- */

static void literal(struct writer *w, const struct attribute *a, const struct filter_value *v)
{
    switch (a->source == SOURCE_STATUS ? SEARCH_ATTRIBUTE_INT : a->type) {
    case SEARCH_ATTRIBUTE_KEYWORD:
    case SEARCH_ATTRIBUTE_KEYWORD_LIST:
    case SEARCH_ATTRIBUTE_TEXT:
        sql_quote(w->out, v->text);
        break;
    case SEARCH_ATTRIBUTE_INT:
    case SEARCH_ATTRIBUTE_DATETIME:
        if (v->is_real) {
            buf_printf(w->out, is_pg(w) ? "(%.17g)::float8" : "(%.17g)", v->real);
            break;
        }
        buf_printf(w->out, v->number < 0 ? "(%lld)" : "%lld", (long long)v->number);
        break;
    case SEARCH_ATTRIBUTE_DOUBLE:
        buf_printf(w->out, is_pg(w) ? "(%.17g)::float8" : "(%.17g)", v->real);
        break;
    case SEARCH_ATTRIBUTE_BOOL:
        put(w, is_pg(w) ? (v->number ? "true" : "false") : (v->number ? "1" : "0"));
        break;
    case SEARCH_ATTRIBUTE_UNSPECIFIED:
        break;
    }
}

/* The values that a list is searched for: those given, or the words of a text. */
static struct filter_value *wanted(struct writer *w, const struct filter *f, size_t *count)
{
    VEC(struct filter_value) list = { 0 };
    for (size_t i = 0; i < f->value_count; i++) {
        struct filter_value v = f->values[i];
        if (f->attribute.type != SEARCH_ATTRIBUTE_TEXT) {
            vec_push(w->arena, &list, v);
            continue;
        }
        for (struct str rest = v.text; text_next_word(&rest, w->arena, &v.text);) {
            vec_push(w->arena, &list, v);
        }
    }
    *count = list.len;
    return list.ptr;
}

static void separated(struct writer *w, const struct attribute *a,
        const struct filter_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put(w, i ? ", " : "");
        literal(w, a, &values[i]);
    }
}

/* r.search @> '{"name": value}': what the index on the document answers. */
static void contains(
        struct writer *w, const struct filter *f, const struct filter_value *values, size_t count)
{
    bool is_list = f->attribute.type != SEARCH_ATTRIBUTE_KEYWORD;
    for (size_t i = 0; i < count; i++) {
        struct buf json;
        buf_init_arena(&json, w->arena, (size_t)1 << 20);
        buf_append_byte(&json, '{');
        json_put_string(&json, f->attribute.name);
        buf_append_str(&json, is_list ? STR(":[") : STR(":"));
        json_put_string(&json, values[i].text);
        buf_append_str(&json, is_list ? STR("]}") : STR("}"));
        check(!json.overflow);
        put(w, i ? " OR r.search @> " : "r.search @> ");
        sql_quote(w->out, buf_str(&json));
        put(w, "::jsonb");
    }
    put(w, count ? "" : "false");
}

static void any_of_list(struct writer *w, const struct filter *f, bool positive)
{
    size_t count;
    struct filter_value *values = wanted(w, f, &count);
    if (is_pg(w) && positive) {
        contains(w, f, values, count);
        return;
    }
    put(w, "CASE WHEN ");
    value_of(w, &f->attribute);
    put(w, " IS NOT NULL THEN ");
    if (count == 0) {
        put(w, is_pg(w) ? "false" : "0");
    } else if (is_pg(w)) {
        put_member(w, "r.search->", f->attribute.name, " ?| array[");
        separated(w, &f->attribute, values, count);
        put(w, "]");
    } else {
        put(w, "EXISTS (SELECT 1 FROM json_each(");
        value_of(w, &f->attribute);
        put(w, ") e WHERE e.value IN (");
        separated(w, &f->attribute, values, count);
        put(w, "))");
    }
    put(w, " END");
}

static void equals(struct writer *w, const struct filter *f, bool positive)
{
    const struct attribute *a = &f->attribute;
    if (a->type == SEARCH_ATTRIBUTE_TEXT || a->type == SEARCH_ATTRIBUTE_KEYWORD_LIST) {
        any_of_list(w, f, positive);
    } else if (is_pg(w) && positive && a->source == SOURCE_DOCUMENT &&
               a->type == SEARCH_ATTRIBUTE_KEYWORD) {
        contains(w, f, f->values, f->value_count);
    } else {
        value_of(w, a);
        put(w, " IN (");
        separated(w, a, f->values, f->value_count);
        put(w, ")");
    }
}

/* Always a text where it is there. */
static const struct str division = STR_INIT("TemporalNamespaceDivision");

static void comparison(struct writer *w, const struct filter *f, bool positive)
{
    static const char *const operators[] = {
        [FILTER_LT] = " < ", [FILTER_LE] = " <= ", [FILTER_GT] = " > ", [FILTER_GE] = " >= "
    };
    switch (f->kind) {
    case FILTER_EQ:
    case FILTER_IN:
        equals(w, f, positive);
        return;
    case FILTER_IS_NULL:
        if (is_pg(w) && str_eq(f->attribute.name, division)) {
            /* Nearly every query says this of nearly every run: in words whose share the planner knows. */
            put_member(w, "(r.search IS NULL OR NOT r.search ? ", division, ")");
            return;
        }
        value_of(w, &f->attribute);
        put(w, " IS NULL");
        return;
    case FILTER_BETWEEN:
        value_of(w, &f->attribute);
        put(w, " BETWEEN ");
        literal(w, &f->attribute, &f->values[0]);
        put(w, " AND ");
        literal(w, &f->attribute, &f->values[1]);
        return;
    case FILTER_STARTS_WITH:
        put(w, is_pg(w) ? "starts_with(" : "substr(");
        value_of(w, &f->attribute);
        put(w, is_pg(w) ? ", " : ", 1, length(");
        literal(w, &f->attribute, f->values);
        put(w, is_pg(w) ? ")" : ")) = ");
        if (!is_pg(w)) {
            literal(w, &f->attribute, f->values);
        }
        return;
    default:
        value_of(w, &f->attribute);
        put(w, operators[f->kind]);
        literal(w, &f->attribute, f->values);
    }
}

/* Depth: chains of one operator lean to the left and are as long as the query allows, the rest is as deep. */
static void condition(struct writer *w, const struct filter *f, bool positive)
{
    switch (f->kind) {
    case FILTER_AND:
    case FILTER_OR:
        put(w, f->left->kind == f->kind ? "" : "(");
        condition(w, f->left, positive);
        put(w, f->left->kind == f->kind ? "" : ")");
        put(w, f->kind == FILTER_AND ? " AND (" : " OR (");
        condition(w, f->right, positive);
        put(w, ")");
        return;
    case FILTER_NOT:
        put(w, "NOT (");
        condition(w, f->left, !positive);
        put(w, ")");
        return;
    default:
        comparison(w, f, positive);
    }
}

void filter_sql(
        struct buf *out, struct arena *arena, enum sql_dialect dialect, const struct filter *filter)
{
    struct writer w = { out, arena, dialect };
    put(&w, "(");
    if (filter) {
        condition(&w, filter, true);
    } else {
        put(&w, dialect == SQL_POSTGRES ? "true" : "1");
    }
    put(&w, ")");
}
