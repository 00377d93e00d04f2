/* The API's messages as JSON, both ways. The first byte chooses the message; the rest is JSON, and also wire bytes. What
 * is understood prints as well-formed JSON, and that reads back as bytes that print the same. */
#include "tests/fuzz/fuzz.h"

#include "common/apijson/api_json.h"
#include "common/apijson/json_text.h"
#include "common/base/check.h"

enum { BYTES_MAX = 4 << 20 };

static const char *const types[] = {
    "temporal.api.history.v1.History",
    "temporal.api.common.v1.Payloads",
    "temporal.api.failure.v1.Failure",
    "temporal.api.workflowservice.v1.StartWorkflowExecutionRequest",
    "temporal.api.workflowservice.v1.DescribeWorkflowExecutionResponse",
    "temporal.api.protocol.v1.Message",
    "google.rpc.Status",
    "google.protobuf.FieldMask",
};

static bool print(
        struct arena *arena, struct message_ref m, bool shorthand, int indent, struct str *ret)
{
    struct buf out;
    struct json_style style = { .indent = indent, .shorthand = shorthand };
    buf_init_arena(&out, arena, BYTES_MAX);
    bool ok = api_json_print(&out, m, &style);
    *ret = buf_str(&out);
    check(!ok || json_is_valid(*ret));
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = { 0 };
    struct str text = size ? str_of(data + 1, size - 1) : STR(""), first, second;
    const struct api_type *type =
            api_type_named(str_from_cstr(types[size ? data[0] % ARRAY_LEN(types) : 0]));
    struct message_ref raw = { type, text };
    struct fail f = { 0 };
    struct buf bytes, again;
    (void)print(&arena, raw, true, 0, &first);
    (void)print(&arena, raw, false, -1, &first);
    buf_init_arena(&bytes, &arena, BYTES_MAX);
    buf_init_arena(&again, &arena, BYTES_MAX);
    if (!api_json_parse(&arena, text, type, &bytes, &f)) {
        bool ok = print(&arena, (struct message_ref){ type, buf_str(&bytes) }, true, -1, &first);
        check(ok || first.len > BYTES_MAX / 2 || size > 100); /* too deep, or too long */
        if (ok && !api_json_parse(&arena, first, type, &again, &f)) {
            check(print(&arena, (struct message_ref){ type, buf_str(&again) }, true, -1, &second));
            check(str_eq(first, second));
        }
    } else {
        check(f.err == ERR_INVALID_ARGUMENT || f.err == ERR_RESOURCE_EXHAUSTED);
    }
    arena_deinit(&arena);
    return 0;
}
