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
                   (f->attribute.type == ATTRIBUTE_KEYWORD || f->attribute.type == ATTRIBUTE_TEXT ||
                           f->attribute.type == ATTRIBUTE_KEYWORD_LIST);
    for (size_t i = 0; i < f->value_count; i++) {
        if (is_text) {
            buf_printf(out, " " STR_FMT, STR_ARG(f->values[i].text));
        } else if (f->attribute.type == ATTRIBUTE_DOUBLE) {
            buf_printf(out, " %g", f->values[i].real);
        } else {
            buf_printf(out, " %lld", (long long)f->values[i].number);
        }
    }
}

static bool find(const void *ctx, struct str name, enum attribute_type *ret)
{
    *ret = ATTRIBUTE_DOUBLE;
    if (str_eq(name, STR("Odd-Name"))) {
        *ret = ATTRIBUTE_TEXT;
        return true;
    }
    if (str_eq(name, STR("Flag"))) {
        *ret = ATTRIBUTE_BOOL;
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
    understands("Flag != 'False'", "!Flag = 0");
}

Test(filter, values_of_each_type)
{
    understands("ExecutionStatus = 'Running'", "ExecutionStatus = 1");
    understands("ExecutionStatus IN ('timedout', 'WORKFLOW_EXECUTION_STATUS_FAILED', 2)",
            "ExecutionStatus in 7 3 2");
    understands("StartTime > '2026-01-01T00:00:00Z'", "StartTime > 1767225600000000000");
    understands("StartTime < '2026-01-01T01:00:00.5+01:00'", "StartTime < 1767225600500000000");
    understands("StartTime = 1767225600000000000", "StartTime = 1767225600000000000");
    understands("ExecutionDuration > '1h5m0.5s'", "ExecutionDuration > 3900500000000");
    understands("ExecutionDuration > '00:01:05'", "ExecutionDuration > 65000000000");
    understands("ExecutionDuration > 7", "ExecutionDuration > 7");
    understands("ChangeVersion = 'x'", "TemporalChangeVersion = x");
}

Test(filter, what_is_refused_is_explained)
{
    refuses("WorkflowId", "invalid query: it ends where an operator is expected");
    refuses("WorkflowId = ", "invalid query: it ends where a value is expected");
    refuses("WorkflowId = 5", "invalid query: value '5' of 'WorkflowId' is not of type Keyword");
    refuses("Nobody = 'x'", "invalid query: unknown search attribute 'Nobody'");
    refuses("WorkflowId LIKE 'x'",
            "invalid query: 'LIKE' at position 12 where an operator is expected");
    refuses("WorkflowId = 'x' LIMIT 5",
            "invalid query: 'LIMIT' at position 18 where AND, OR or the end is expected");
    refuses("WorkflowId = 'x' ORDER BY StartTime", "invalid query: ORDER BY is not supported");
    refuses("GROUP BY ExecutionStatus", "invalid query: GROUP BY is only supported in counts");
    refuses("WorkflowId = 'x", "invalid query: a quote is not closed, at position 14");
    refuses("(WorkflowId = 'x'", "invalid query: it ends where ')' is expected");
    refuses("WorkflowId = 'x' AND",
            "invalid query: it ends where the name of a search attribute is expected");
    refuses("ExecutionStatus = 'Sleeping'",
            "invalid query: value 'Sleeping' of 'ExecutionStatus' is not of type execution status");
    refuses("ExecutionStatus > 'Running'",
            "invalid query: this operator is not supported for 'ExecutionStatus' of type Keyword");
    refuses("`Odd-Name` STARTS_WITH 'x'",
            "invalid query: this operator is not supported for 'Odd-Name' of type Text");
    refuses("StartTime > 'yesterday'",
            "invalid query: value 'yesterday' of 'StartTime' is not of type Datetime");
    refuses("StartTime > '2026-02-30T00:00:00Z'",
            "invalid query: value '2026-02-30T00:00:00Z' of 'StartTime' is not of type Datetime");
    refuses("WorkflowId = 'a'; drop table runs",
            "invalid query: a character that has no place in a query, at position 17");
    refuses("WorkflowId = 'a\xff'",
            "invalid query: value 'a\xff' of 'WorkflowId' is not of type Keyword");
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
    cr_expect_str_eq(f.message, "invalid query: GROUP BY is only supported for ExecutionStatus");
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
