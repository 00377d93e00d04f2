#include "common/apijson/api_json.h"

#include <criterion/criterion.h>

static struct arena arena;

static struct str parse(const char *type, const char *json, struct fail *f)
{
    struct buf out;
    buf_init_arena(&out, &arena, 1 << 20);
    enum err err = api_json_parse(
            &arena, str_from_cstr(json), api_type_named(str_from_cstr(type)), &out, f);
    return err ? (struct str){ NULL, 0 } : buf_str(&out);
}

static struct str print(const char *type, struct str bytes, bool shorthand, int indent)
{
    struct buf out;
    struct json_style style = { .indent = indent, .shorthand = shorthand };
    buf_init_arena(&out, &arena, 1 << 20);
    cr_assert(api_json_print(
            &out, (struct message_ref){ api_type_named(str_from_cstr(type)), bytes }, &style));
    return buf_str(&out);
}

#define PAYLOAD  "temporal.api.common.v1.Payload"
#define PAYLOADS "temporal.api.common.v1.Payloads"
#define EVENT    "temporal.api.history.v1.HistoryEvent"
#define FAILURE  "temporal.api.failure.v1.Failure"
#define START    "temporal.api.workflowservice.v1.StartWorkflowExecutionRequest"

/* Reads the first, prints it on one line, and expects the second (NULL: the same). */
static void check_through(const char *type, const char *in, const char *want, bool shorthand)
{
    struct fail f = { 0 };
    struct str bytes = parse(type, in, &f);
    cr_assert(bytes.ptr, "%s: %s", in, f.message);
    struct str got = print(type, bytes, shorthand, -1);
    cr_expect(str_eq(got, str_from_cstr(want ? want : in)), "got " STR_FMT, STR_ARG(got));
}

Test(api_json, fields_of_every_kind)
{
    check_through(EVENT,
            "{\"eventId\":\"5\",\"eventTime\":\"2026-11-29T01:02:03.004005006Z\",\"eventType\":"
            "\"EVENT_TYPE_WORKFLOW_TASK_COMPLETED\",\"version\":\"-9223372036854775808\","
            "\"workerMayIgnore\":true}",
            NULL, false);
    check_through(START,
            "{\"namespace\":\"a\\\"b\",\"workflowRunTimeout\":\"3.500s\",\"retryPolicy\":{"
            "\"initialInterval\":\"0s\","
            "\"backoffCoefficient\":1.5,\"maximumAttempts\":-3,\"nonRetryableErrorTypes\":[\"X\","
            "\"\"]},"
            "\"priority\":{\"priorityKey\":2,\"fairnessWeight\":0.1}}",
            NULL, false);
    check_through("temporal.api.sdk.v1.WorkflowTaskCompletedMetadata",
            "{\"coreUsedFlags\":[1,300],\"sdkName\":\"x\"}", NULL, false);
    check_through("google.protobuf.FieldMask", "\"aB.c,d\"", NULL, false);
    check_through("temporal.api.operatorservice.v1.AddSearchAttributesRequest",
            "{\"searchAttributes\":{\"B\":\"INDEXED_VALUE_TYPE_INT\",\"A\":\"Keyword\"}}",
            "{\"searchAttributes\":{\"A\":\"INDEXED_VALUE_TYPE_KEYWORD\",\"B\":\"INDEXED_VALUE_"
            "TYPE_INT\"}}",
            false);
}

Test(api_json, other_ways_to_write_the_same)
{
    check_through(EVENT,
            "{\"event_id\":7,\"eventType\":\"WorkflowExecutionStarted\",\"unknown\":{\"a\":[1]}}",
            "{\"eventId\":\"7\",\"eventType\":\"EVENT_TYPE_WORKFLOW_EXECUTION_STARTED\"}", false);
    check_through(EVENT, "{\"eventId\":\"1e2\",\"eventType\":1,\"version\":null}",
            "{\"eventId\":\"100\",\"eventType\":\"EVENT_TYPE_WORKFLOW_EXECUTION_STARTED\"}", false);
    check_through(EVENT, "{\"eventTime\":\"2026-11-29T03:02:03.5+02:00\"}",
            "{\"eventTime\":\"2026-11-29T01:02:03.500Z\"}", false);
    check_through(EVENT, "{\"eventTime\":\"1969-12-31T23:59:59.9Z\"}",
            "{\"eventTime\":\"1969-12-31T23:59:59.900Z\"}", false);
    check_through("google.protobuf.Duration", "\"-1.5s\"", "\"-1.500s\"", false);
}

Test(api_json, payloads_short_and_long)
{
    check_through(PAYLOADS, "[1,\"x\",{\"a\":[null]}]", NULL, true);
    check_through(PAYLOADS, "[1]",
            "{\"payloads\":[{\"metadata\":{\"encoding\":\"anNvbi9wbGFpbg==\"},\"data\":\"MQ==\"}]}",
            false);
    check_through(PAYLOADS, "[null]", "[{\"metadata\":{\"encoding\":\"YmluYXJ5L251bGw=\"}}]", true);
    check_through(PAYLOADS,
            "{\"payloads\":[{\"metadata\":{\"encoding\":\"anNvbi9wbGFpbg==\"},\"data\":\"MQ==\"},"
            "{\"metadata\":{\"encoding\":\"YmluYXJ5L3BsYWlu\"},\"data\":\"AP8=\"}]}",
            "{\"payloads\":[1,{\"metadata\":{\"encoding\":\"YmluYXJ5L3BsYWlu\"},\"data\":\"AP8=\"}]"
            "}",
            true); /* one that has no short form keeps the list long, not its other items */
    check_through(PAYLOAD, "{\"_protoMessageType\":\"a.B\",\"x\":1}", NULL, true);
    check_through(PAYLOAD, "{\"_protoMessageType\":\"a.B\"}", NULL, true);
    check_through(PAYLOAD, "{\"metadata\":{\"encoding\":\"anNvbi9wbGFpbg==\"},\"data\":\"bm8=\"}",
            NULL, true);
    check_through("temporal.api.common.v1.Memo", "{\"fields\":{\"a\":{\"b\":1},\"c\":null}}",
            "{\"fields\":{\"a\":{\"b\":1},\"c\":{\"metadata\":{\"encoding\":\"YmluYXJ5L251bGw=\"}}}"
            "}",
            true);
}

Test(api_json, indented)
{
    struct fail f = { 0 };
    struct str bytes = parse(EVENT,
            "{\"eventId\":\"1\",\"workflowExecutionStartedEventAttributes\":{\"input\":[{\"a\":[1]}"
            "],\"memo\":{}}}",
            &f);
    struct str got = print(EVENT, bytes, true, 0);
    cr_expect(str_eq(got, STR("{\n  \"eventId\": \"1\",\n  "
                              "\"workflowExecutionStartedEventAttributes\": {\n    \"input\": [\n"
                              "      {\n        \"a\": [\n          1\n        ]\n      }\n    "
                              "],\n    \"memo\": {}\n  }\n}")),
            STR_FMT, STR_ARG(got));
    arena_deinit(&arena);
}

Test(api_json, mistakes_are_named)
{
    static const struct {
        const char *type, *json, *error;
    } rows[] = {
        { EVENT, "{", "not well-formed JSON" },
        { EVENT, "[]", "the document: [] is not an object" },
        { EVENT, "{\"eventId\":\"x\"}", "eventId: \"x\" is not a whole number of 64 bits" },
        { EVENT, "{\"eventType\":\"Nothing\"}",
                "eventType: \"Nothing\" is not a value of EventType" },
        { START, "{\"retryPolicy\":{\"maximumAttempts\":3000000000}}",
                "retryPolicy.maximumAttempts: 3000000000 is not a whole number of 32 bits" },
        { START, "{\"workflowRunTimeout\":\"1h\"}",
                "workflowRunTimeout: \"1h\" is not a duration (\"3.5s\")" },
        { START, "{\"requestEagerExecution\":1}", "requestEagerExecution: 1 is not true or false" },
        { EVENT, "{\"eventTime\":\"yesterday\"}",
                "eventTime: \"yesterday\" is not a time (RFC 3339)" },
        { PAYLOAD, "{\"metadata\":{\"encoding\":\"*\"},\"data\":\"\"}",
                "metadata: \"*\" is not base64" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fail f = { 0 };
        cr_expect(!parse(rows[i].type, rows[i].json, &f).ptr, "%s", rows[i].json);
        cr_expect_str_eq(f.message, rows[i].error);
    }
}

Test(api_json, depth_is_bounded)
{
    struct buf bytes, next, json;
    struct json_style style = { .indent = -1 };
    buf_init_arena(&bytes, &arena, 1 << 20);
    buf_init_arena(&json, &arena, 1 << 20);
    for (int i = 0; i < 300; i++) { /* failures within failures: field 4 */
        buf_init_arena(&next, &arena, 1 << 20);
        buf_append_byte(&next, 0x22);
        for (size_t n = bytes.len; n; n >>= 7) {
            buf_append_byte(&next, (uint8_t)((n & 0x7f) | (n > 0x7f ? 0x80 : 0)));
        }
        if (!bytes.len) {
            buf_append_byte(&next, 0);
        }
        buf_append_str(&next, buf_str(&bytes));
        bytes = next;
    }
    struct message_ref m = { api_type_named(STR(FAILURE)), buf_str(&bytes) };
    cr_assert(!api_json_print(&json, m, &style));
    arena_deinit(&arena);
}

Test(api_json, malformed_bytes)
{
    struct buf out;
    struct json_style style = { .indent = -1 };
    buf_init_arena(&out, &arena, 1 << 20);
    cr_expect(!api_json_print(
            &out, (struct message_ref){ api_type_named(STR(EVENT)), STR("\x0a\x05xx") }, &style));
    cr_expect(!api_json_print(&out,
                      (struct message_ref){ api_type_named(STR(EVENT)), STR("\x0a\x01x") }, &style),
            "a text where a number belongs");
    arena_deinit(&arena);
}
