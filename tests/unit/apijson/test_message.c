#include "common/apijson/message.h"

#include <criterion/criterion.h>

static struct arena arena;

static struct message_ref encoded(const struct message *m)
{
    struct buf out;
    buf_init_arena(&out, &arena, 1 << 20);
    message_encode(m, &out);
    return (struct message_ref){ m->type, buf_str(&out) };
}

Test(message, what_is_put_is_read)
{
    const struct api_method *method = api_method_named("StartWorkflowExecution");
    cr_assert(method);
    struct message *m = message_new(&arena, &api_types[method->input]);
    message_put_text(m, "namespace", STR("ns"));
    message_put_text(m, "workflow_type.name", STR("T"));
    message_put_duration(m, "workflow_run_timeout", DURATION_MS(1500));
    message_put_int(m, "workflow_id_reuse_policy", 3);
    message_put_double(m, "retry_policy.backoff_coefficient", 2.5);
    message_put_double(m, "priority.fairness_weight", 0.5);
    message_put_text(m, "retry_policy.non_retryable_error_types", STR("A"));
    message_put_text(m, "retry_policy.non_retryable_error_types", STR("B"));
    message_put_entry(message_at(m, "memo"), "fields", STR("k"), STR(""));
    struct message_ref r = encoded(m);
    cr_expect(str_eq(message_text(r, "namespace"), STR("ns")));
    cr_expect(str_eq(message_text(r, "workflowType.name"), STR("T")), "the names of JSON too");
    cr_expect_eq(message_duration(r, "workflow_run_timeout").ns, 1500000000);
    cr_expect_eq(message_int(r, "workflow_id_reuse_policy"), 3);
    cr_expect_eq(message_double(r, "retry_policy.backoff_coefficient"), 2.5);
    cr_expect_eq(message_double(r, "priority.fairness_weight"), 0.5);
    cr_expect(!message_has(r, "identity") && message_has(r, "memo"));
    struct message_iter iter = message_each(r, "retry_policy.non_retryable_error_types");
    struct message_value v;
    cr_expect(message_next(&iter, &v) && str_eq(v.bytes, STR("A")));
    cr_expect(message_next(&iter, &v) && str_eq(v.bytes, STR("B")));
    cr_expect(!message_next(&iter, &v));
    iter = message_each(r, "memo.fields");
    cr_expect(message_next(&iter, &v) && str_eq(message_text(message_of(&v), "key"), STR("k")));
    cr_expect(
            str_empty(message_text(message_sub(r, "task_queue"), "name")), "absent ones are empty");
    arena_deinit(&arena);
}

Test(message, malformed_bytes_end_the_reading)
{
    struct message_ref r = { api_type_named(STR("temporal.api.common.v1.WorkflowExecution")),
        STR("\x0a\x02id\x12\x7f") };
    cr_expect(str_eq(message_text(r, "workflow_id"), STR("id")));
    cr_expect(!message_has(r, "run_id"));
}

Test(api_type, enums_by_any_name)
{
    const struct api_field *field = api_field_named(
            api_type_named(STR("temporal.api.workflow.v1.WorkflowExecutionInfo")), STR("status"));
    int32_t n = 0;
    cr_expect(str_eq(api_enum_text(field->target, 2), STR("WORKFLOW_EXECUTION_STATUS_COMPLETED")));
    cr_expect(str_eq(api_enum_short(&arena, field->target, 7), STR("TimedOut")));
    cr_expect(str_eq(api_enum_short(&arena, field->target, 99), STR("99")));
    cr_expect(api_enum_parse(field->target, STR("WORKFLOW_EXECUTION_STATUS_FAILED"), &n) && n == 3);
    cr_expect(api_enum_parse(field->target, STR("continuedasnew"), &n) && n == 6);
    cr_expect(api_enum_parse(field->target, STR("42"), &n) && n == 42);
    cr_expect(!api_enum_parse(field->target, STR("Done"), &n));
    arena_deinit(&arena);
}

Test(api_type, every_short_name_finds_its_value)
{
    for (size_t e = 0; e < api_enum_count; e++) {
        for (size_t i = 0; i < api_enums[e].value_count; i++) {
            const struct api_enum_value *v = &api_values[api_enums[e].first_value + i];
            bool is_health =
                    strstr(api_name(api_enums[e].name), "Health") != NULL; /* has no prefix */
            int32_t n = -1;
            cr_expect(api_enum_parse((uint16_t)e, str_from_cstr(api_name(v->name)), &n) &&
                      n == v->number);
            struct str name = api_enum_short(&arena, (uint16_t)e, v->number);
            cr_expect(is_health || (api_enum_parse((uint16_t)e, name, &n) && n == v->number),
                    "%s as " STR_FMT, api_name(v->name), STR_ARG(name));
        }
    }
    arena_deinit(&arena);
}
