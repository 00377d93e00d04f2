/* The query language: what is understood, printed back with all parentheses, and what is refused, with its text. */
#include <criterion/criterion.h>

#include "common/visibility/filter.h"

static struct arena arena;

static void print(struct buf *out, const struct filter *f)
{
    static const char *const operators[] = {
        [FILTER_EQ] = "=",
        [FILTER_LT] = "<",
        [FILTER_LE] = "<=",
        [FILTER_GT] = ">",
        [FILTER_GE] = ">=",
        [FILTER_BETWEEN] = "between",
        [FILTER_IN] = "in",
        [FILTER_STARTS_WITH] = "starts",
        [FILTER_IS_NULL] = "null",
    };
    switch (f->kind) {
    case FILTER_AND:
    case FILTER_OR:
        buf_append_str(out, STR("("));
        print(out, f->left);
        buf_append_str(out, f->kind == FILTER_AND ? STR(" & ") : STR(" | "));
        print(out, f->right);
        buf_append_str(out, STR(")"));
        return;
    case FILTER_NOT:
        buf_append_str(out, STR("!"));
        print(out, f->left);
        return;
    default:
        buf_printf(out, STR_FMT " %s", STR_ARG(f->attribute.name), operators[f->kind]);
    }
    bool is_text = f->attribute.source != SOURCE_STATUS &&
                   (f->attribute.type == SEARCH_ATTRIBUTE_KEYWORD ||
                           f->attribute.type == SEARCH_ATTRIBUTE_TEXT ||
                           f->attribute.type == SEARCH_ATTRIBUTE_KEYWORD_LIST);
    for (size_t i = 0; i < f->value_count; i++) {
        if (is_text) {
            buf_printf(out, " " STR_FMT, STR_ARG(f->values[i].text));
        } else if (f->attribute.type == SEARCH_ATTRIBUTE_DOUBLE) {
            buf_printf(out, " %g", f->values[i].real);
        } else {
            buf_printf(out, " %lld", (long long)f->values[i].number);
        }
    }
}

static bool find(const void *ctx, struct str name, enum search_attribute_type *ret)
{
    *ret = SEARCH_ATTRIBUTE_DOUBLE;
    if (str_eq(name, STR("Odd-Name"))) {
        *ret = SEARCH_ATTRIBUTE_TEXT;
        return true;
    }
    if (str_eq(name, STR("Flag"))) {
        *ret = SEARCH_ATTRIBUTE_BOOL;
        return true;
    }
    return str_eq(name, STR("Price"));
}

static const struct filter_names names = { .find = find };

/* Names the division, so that nothing is added. */
static void understands(const char *query, const char *want)
{
    struct filter_query q;
    struct fail f = { 0 };
    struct buf out;
    struct str text = str_printf(&arena, "(%s) AND TemporalNamespaceDivision IS NULL", query);
    cr_expect_eq(filter_parse(&arena, text, &names, false, &q, &f), ERR_NONE, "%s: %s", query,
            f.message);
    if (f.err) {
        return;
    }
    buf_init_arena(&out, &arena, 1 << 16);
    print(&out, q.filter->left);
    cr_expect(str_eq(buf_str(&out), str_from_cstr(want)), "%s: %.*s", query, (int)out.len, out.ptr);
}

static void refuses(const char *query, const char *text)
{
    struct filter_query q;
    struct fail f = { 0 };
    cr_expect_eq(filter_parse(&arena, str_from_cstr(query), &names, false, &q, &f),
            ERR_INVALID_ARGUMENT, "%s", query);
    cr_expect_str_eq(f.message, text, "%s: %s", query, f.message);
}

Test(filter, precedence_and_operators)
{
    understands("WorkflowId = 'a' or WorkflowId = 'b' and WorkflowId = 'c'",
            "(WorkflowId = a | (WorkflowId = b & WorkflowId = c))");
    understands("not WorkflowId = 'a' and WorkflowId = 'b'", "(!WorkflowId = a & WorkflowId = b)");
    understands("(WorkflowId = 'a' or WorkflowId = 'b')", "(WorkflowId = a | WorkflowId = b)");
    understands("NOT WorkflowId = 'a'", "!WorkflowId = a");
    understands("WorkflowId != 'a'", "!WorkflowId = a");
    understands("WorkflowId <> \"it's\"", "!WorkflowId = it's");
    understands("WorkflowId not in ('a','b')", "!WorkflowId in a b");
    understands("WorkflowType STARTS_WITH 'x''y\\'z'", "WorkflowType starts x'y'z");
    understands("HistoryLength BETWEEN -1 AND 2", "HistoryLength between -1 2");
    understands("CloseTime is not null", "!CloseTime null");
    understands("`Odd-Name` = 'some words'", "Odd-Name = some words");
    understands("Price >= 1.5e3", "Price >= 1500");
    understands("Flag = true", "Flag = 1");
    understands("Flag != False", "!Flag = 0");
    understands("Flag IN (true, FALSE) AND Flag < true", "(Flag in 1 0 & Flag < 1)");
}

Test(filter, names)
{
    understands("ChangeVersion = 'x'", "TemporalChangeVersion = x");
    understands("TemporalWorkflowId = 'x'", "WorkflowId = x");
    understands(
            "ScheduleId = 'x' OR TemporalScheduleId = 'y'", "(WorkflowId = x | WorkflowId = y)");
    understands("`WorkflowId` = 'x'", "WorkflowId = x");
    understands("`Odd-Name` IS NULL", "Odd-Name null");
    understands(
            "BuildIds IN ('unversioned', 'versioned:1')", "BuildIds in unversioned versioned:1");
    understands("RootWorkflowId = 'x' AND RootRunId != 'y' AND ParentRunId IS NOT NULL",
            "((RootWorkflowId = x & !RootRunId = y) & !ParentRunId null)");
}

/* Every built-in attribute: its type shows in what a literal of another type is told. */
Test(filter, built_in_attributes)
{
    struct search_attribute a;
    enum search_attribute_kind kind;
    bool seen[SOURCE_COUNT] = { false };
    for (size_t i = 0; search_attribute_builtin(i, &a, &kind); i++) {
        struct attribute found;
        cr_assert(attribute_find_built_in(a.name, &found));
        cr_expect(str_eq(found.name, a.name) && found.type == a.type);
        cr_expect_eq(
                found.source != SOURCE_DOCUMENT, kind == SEARCH_ATTRIBUTE_SYSTEM, "%s", a.name.ptr);
        cr_expect(found.source == SOURCE_DOCUMENT || !seen[found.source], "%s", a.name.ptr);
        seen[found.source] = true;
    }
    for (int i = SOURCE_DOCUMENT; i < SOURCE_COUNT; i++) {
        cr_expect(seen[i], "%d", i);
    }
    cr_expect_not(attribute_find_built_in(STR(""), &(struct attribute){ 0 }));
    cr_expect_not(attribute_find_built_in(STR("Temporal"), &(struct attribute){ 0 }));
    cr_expect_not(attribute_find_built_in(STR("workflowid"), &(struct attribute){ 0 }));
}

Test(filter, values_of_each_type)
{
    understands("ExecutionStatus = 'Running'", "ExecutionStatus = 1");
    understands("ExecutionStatus IN ('TimedOut', 'WORKFLOW_EXECUTION_STATUS_FAILED', 2)",
            "ExecutionStatus in 7 3 2");
    understands("ExecutionStatus BETWEEN 2 AND 8", "ExecutionStatus between 2 8");
    understands("ExecutionStatus > 'Running'", "ExecutionStatus > 1");
    understands("StartTime > '2026-01-01T00:00:00Z'", "StartTime > 1767225600000000000");
    understands("StartTime < '2026-01-01T01:00:00.5+01:00'", "StartTime < 1767225600500000000");
    understands("StartTime = 1767225600000000000", "StartTime = 1767225600000000000");
    understands("ExecutionDuration > '1h5m0.5s'", "ExecutionDuration > 3900500000000");
    understands("ExecutionDuration > '2d1h'", "ExecutionDuration > 176400000000000");
    understands("ExecutionDuration > '00:01:05'", "ExecutionDuration > 65000000000");
    understands("ExecutionDuration IN (7, '8')", "ExecutionDuration in 7 8");
    understands("Price = 2", "Price = 2");
}

Test(filter, an_int_is_compared_with_any_number)
{
    struct filter_query q;
    struct fail f = { 0 };
    cr_assert_eq(filter_parse(&arena, STR("HistoryLength > 1.5"), NULL, false, &q, &f), ERR_NONE);
    cr_expect(q.filter->left->values->is_real);
    cr_expect(q.filter->left->values->real > 1.49 && q.filter->left->values->real < 1.51);
}

Test(filter, what_is_refused_is_explained)
{
    refuses("WorkflowId", "invalid query: invalid expression: incomplete expression");
    refuses("(WorkflowId)", "invalid query: invalid expression: incomplete expression");
    refuses("WorkflowId = ", "invalid query: malformed SQL query: syntax error at position 14: it "
                             "ends where a value "
                             "is expected");
    refuses("WorkflowId = 5",
            "invalid query: invalid expression: invalid value type for search attribute WorkflowId "
            "of type Keyword: 5 (type: int64)");
    refuses("HistoryLength = '5'",
            "invalid query: invalid expression: invalid value type for search attribute "
            "HistoryLength of type Int: \"5\" (type: string)");
    refuses("Price > true",
            "invalid query: invalid expression: invalid value type for search attribute Price of "
            "type Double: true (type: bool)");
    refuses("Flag = 'true'",
            "invalid query: invalid expression: invalid value type for search attribute Flag of "
            "type Bool: \"true\" (type: string)");
    refuses("StartTime > 1.5",
            "invalid query: invalid expression: invalid value type for search attribute StartTime "
            "of type Datetime: 1.5 (type: float64)");
    refuses("Nobody = 'x'",
            "invalid query: invalid expression: column name 'Nobody' is not a valid search "
            "attribute");
    refuses("WorkflowId = other", "invalid query: operation is not supported: column name on the "
                                  "right side of comparison "
                                  "expression (did you forget to quote \"other\"?)");
    refuses("upper(WorkflowId) = 'x'",
            "invalid query: operation is not supported: function expression");
    refuses("WorkflowId LIKE 'x'",
            "invalid query: operation is not supported: operator 'LIKE' not supported for Keyword "
            "type search attribute 'WorkflowId'");
    refuses("WorkflowId ~ 'x'",
            "invalid query: malformed SQL query: syntax error at position 12: a character that has "
            "no place in a query");
    refuses("WorkflowId IS 5",
            "invalid query: invalid expression: 'IS' operator can only be used as 'IS NULL' or 'IS "
            "NOT NULL'");
    refuses("WorkflowId = 'x' LIMIT 5",
            "invalid query: operation is not supported: 'LIMIT' clause");
    refuses("WorkflowId = 'x' ORDER BY StartTime",
            "invalid query: operation is not supported: 'ORDER BY' clause");
    refuses("order by StartTime", "invalid query: operation is not supported: 'ORDER BY' clause");
    refuses("GROUP BY ExecutionStatus",
            "invalid query: operation is not supported: 'GROUP BY' clause is for counts only");
    refuses("WorkflowId = 'x",
            "invalid query: malformed SQL query: syntax error at position 14: a quote is not "
            "closed");
    refuses("(WorkflowId = 'x'",
            "invalid query: malformed SQL query: syntax error at position 18: it ends where ')' is "
            "expected");
    refuses("WorkflowId = 'x' AND", "invalid query: malformed SQL query: syntax error at position "
                                    "21: it ends where the name "
                                    "of a search attribute is expected");
    refuses("WorkflowId IN ()",
            "invalid query: malformed SQL query: syntax error at position 16 near ')': a value is "
            "expected");
    refuses("ExecutionStatus = 'Sleeping'",
            "invalid query: invalid expression: invalid ExecutionStatus value 'Sleeping'");
    refuses("ExecutionStatus = 'running'",
            "invalid query: invalid expression: invalid ExecutionStatus value 'running'");
    refuses("ExecutionStatus = 99",
            "invalid query: invalid expression: invalid ExecutionStatus value 99");
    refuses("ExecutionStatus STARTS_WITH 'Run'",
            "invalid query: operation is not supported: operator 'STARTS_WITH' not supported for "
            "Keyword type search attribute 'ExecutionStatus'");
    refuses("BuildIds > 'x'",
            "invalid query: operation is not supported: operator '>' not supported for KeywordList "
            "type search attribute 'BuildIds'");
    refuses("`Odd-Name` NOT IN ('x')",
            "invalid query: operation is not supported: operator 'NOT IN' not supported for Text "
            "type search attribute 'Odd-Name'");
    refuses("Flag BETWEEN false AND true",
            "invalid query: invalid expression: cannot do range condition on search attribute "
            "'Flag' of type Bool");
    refuses("StartTime > 'yesterday'",
            "invalid query: invalid expression: unable to parse datetime 'yesterday'");
    refuses("StartTime > '2026-02-30T00:00:00Z'",
            "invalid query: invalid expression: unable to parse datetime '2026-02-30T00:00:00Z'");
    refuses("ExecutionDuration > '1 hour'",
            "invalid query: invalid expression: invalid duration value for search attribute "
            "ExecutionDuration: 1 hour");
    refuses("WorkflowId = 'a'; drop table runs",
            "invalid query: malformed SQL query: syntax error at position 17: a character that has "
            "no place in a query");
    refuses("WorkflowId = 'a\xff'",
            "invalid query: invalid expression: invalid value type for search attribute WorkflowId "
            "of type Keyword: \"a\xff\" (type: string)");
}

Test(filter, sizes_are_bounded)
{
    struct buf deep, wide;
    struct filter_query q;
    struct fail f = { 0 };
    buf_init_arena(&deep, &arena, 1 << 20);
    buf_init_arena(&wide, &arena, 1 << 20);
    for (int i = 0; i < 200; i++) {
        buf_append_str(&deep, STR("("));
    }
    cr_expect_eq(filter_parse(&arena, buf_str(&deep), &names, false, &q, &f), ERR_INVALID_ARGUMENT);
    cr_expect_str_eq(f.message, "invalid query: it is nested deeper than 100");
    for (int i = 0; i < 401; i++) {
        buf_append_str(&wide, i ? STR(" OR RunId='x'") : STR("RunId='x'"));
    }
    cr_expect_eq(filter_parse(&arena, buf_str(&wide), &names, false, &q, &f), ERR_INVALID_ARGUMENT);
    cr_expect_str_eq(f.message, "invalid query: more than 400 conditions");
}

Test(filter, divisions_are_hidden_unless_named)
{
    struct filter_query q;
    struct fail f = { 0 };
    cr_assert_eq(filter_parse(&arena, STR(""), NULL, true, &q, &f), ERR_NONE);
    cr_expect_eq(q.filter->kind, FILTER_IS_NULL);
    cr_expect(!q.group_by_status);
    cr_assert_eq(
            filter_parse(&arena, STR("group by ExecutionStatus"), NULL, true, &q, &f), ERR_NONE);
    cr_expect(q.group_by_status);
    cr_assert_eq(
            filter_parse(&arena, STR("NamespaceDivision = 'x'"), NULL, true, &q, &f), ERR_NONE);
    cr_expect_eq(q.filter->kind, FILTER_EQ);
    cr_assert_eq(filter_parse(&arena, STR("GROUP BY WorkflowType"), NULL, true, &q, &f),
            ERR_INVALID_ARGUMENT);
    cr_expect_str_eq(f.message,
            "invalid query: operation is not supported: 'GROUP BY' clause is not supported for "
            "search attribute WorkflowType");
    cr_assert_eq(
            filter_parse(&arena, STR("GROUP BY ExecutionStatus, WorkflowType"), NULL, true, &q, &f),
            ERR_INVALID_ARGUMENT);
    cr_expect_str_eq(f.message,
            "invalid query: operation is not supported: 'GROUP BY' clause supports only a single "
            "field");
}

Test(filter, durations)
{
    struct duration d = { 7 };
    cr_expect(duration_parse(STR("-1.5h"), &d) && d.ns == -5400 * (int64_t)1000000000);
    cr_expect(duration_parse(STR("2us"), &d) && d.ns == 2000);
    cr_expect(duration_parse(STR(".5s"), &d) && d.ns == 500000000);
    static const char *const bad[] = { "", "5", "h", "1x", "1.s", "9223372036854775807h", "-",
        "1h-2m" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cr_expect_not(duration_parse(str_from_cstr(bad[i]), &d), "%s", bad[i]);
    }
}
