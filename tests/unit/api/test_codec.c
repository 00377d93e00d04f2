/* The codec: what it takes, what it refuses and where it says the trouble is. */
#include <criterion/criterion.h>

#include "common/api/codec.h"
#include "common/api/view.h"

static struct arena arena;
static struct fail f;

static void setup(void)
{
    arena_init(&arena, 0);
    f = (struct fail){ 0 };
}

static void teardown(void)
{
    arena_deinit(&arena);
}

TestSuite(codec, .init = setup, .fini = teardown);

#define START (&api__start_workflow_execution_request__descriptor)

static void refused(const ProtobufCMessageDescriptor *type, struct str bytes, const char *text)
{
    cr_assert_null(api_decode(type, &arena, bytes, &f));
    cr_assert_eq(f.err, ERR_INVALID_ARGUMENT);
    cr_assert_str_eq(f.message, text);
    cr_assert_null(
            api_decode(type, &arena, bytes, NULL), "a caller without a fail is answered too");
}

Test(codec, round_trip)
{
    Api__StartWorkflowExecutionRequest *start = api_new(&arena, START);
    start->namespace_ = "default";
    start->workflow_id = "order-\xc3\xa9";
    start->workflow_type = api_new(&arena, &api__workflow_type__descriptor);
    start->workflow_type->name = "Order";
    start->workflow_run_timeout = api_duration(&arena, DURATION_MS(1500));
    start->input = api_data(str_of("a\0b", 3));
    struct str bytes = api_encode(&arena, &start->base);

    Api__StartWorkflowExecutionRequest *back = api_decode(START, &arena, bytes, &f);
    cr_assert(back, "%s", f.message);
    cr_assert_str_eq(back->workflow_id, "order-\xc3\xa9");
    cr_assert_str_eq(back->workflow_type->name, "Order");
    cr_assert(str_eq(api_bytes(back->input), str_of("a\0b", 3)));
    cr_assert(str_empty(api_bytes(back->memo)));
    cr_assert_str_eq(back->identity, "");
    struct duration d;
    cr_assert_eq(api_span(back->workflow_run_timeout, "x", &d, &f), ERR_NONE);
    cr_assert_eq(d.ns, 1500000000);
    cr_assert(str_eq(api_encode(&arena, &back->base), bytes));
}

Test(codec, empty_message)
{
    Api__GetSystemInfoRequest *request =
            api_decode(&api__get_system_info_request__descriptor, &arena, (struct str){ 0 }, &f);
    cr_assert(request);
    cr_assert_eq(api_encode(&arena, &request->base).len, 0);
}

Test(codec, encode_to_respects_the_maximum)
{
    Api__WorkflowType type = API__WORKFLOW_TYPE__INIT;
    type.name = "Order"; /* 7 bytes */
    struct buf out;
    buf_init(&out, 13);
    cr_assert(api_encode_to(&out, &type.base));
    cr_assert(!api_encode_to(&out, &type.base));
    cr_assert(str_eq(buf_str(&out), STR("\x0a\x05Order")));
    buf_deinit(&out);
}

/* Bytes that a repeated field of carried messages may be spliced from. */
Test(codec, history_is_carried)
{
    Api__HistoryEvent event = API__HISTORY_EVENT__INIT;
    event.event_id = 1;
    event.attributes_case = API__HISTORY_EVENT__ATTRIBUTES_TIMER_FIRED_EVENT_ATTRIBUTES;
    event.timer_fired_event_attributes = api_data(STR("\x0a\x01t"));
    Api__HistoryEvent *events[] = { &event };
    Api__History history = API__HISTORY__INIT;
    history.n_events = 1;
    history.events = events;
    Api__PollWorkflowTaskQueueResponse poll = API__POLL_WORKFLOW_TASK_QUEUE_RESPONSE__INIT;
    poll.history = api_data(api_encode(&arena, &history.base));
    struct str bytes = api_encode(&arena, &poll.base);
    Api__PollWorkflowTaskQueueResponse *back =
            api_decode(&api__poll_workflow_task_queue_response__descriptor, &arena, bytes, &f);
    cr_assert(back);
    Api__History *list =
            api_decode(&api__history__descriptor, &arena, api_bytes(back->history), &f);
    cr_assert(list);
    cr_assert_eq(list->n_events, 1);
    cr_assert_eq(list->events[0]->event_id, 1);
}

Test(codec, present_but_empty_member_of_a_oneof_is_kept)
{
    Update__Outcome outcome = UPDATE__OUTCOME__INIT;
    outcome.value_case = UPDATE__OUTCOME__VALUE_SUCCESS;
    struct str bytes = api_encode(&arena, &outcome.base);
    cr_assert(str_eq(bytes, STR("\x0a\x00")));
    Update__Outcome *back = api_decode(&update__outcome__descriptor, &arena, bytes, &f);
    cr_assert_eq(back->value_case, UPDATE__OUTCOME__VALUE_SUCCESS);
}

Test(codec, unknown_fields_are_accepted)
{
    /* field 1000, varint 5; field 1001, three bytes */
    struct str bytes = STR("\x0a\x01n\xc0\x3e\x05\xca\x3e\x03xyz");
    Api__StartWorkflowExecutionRequest *start = api_decode(START, &arena, bytes, &f);
    cr_assert(start, "%s", f.message);
    cr_assert_str_eq(start->namespace_, "n");
}

Test(codec, refuses_malformed_bytes)
{
    refused(START, STR("\x0a"), "StartWorkflowExecutionRequest: malformed length");
    refused(START, STR("\x0a\x05xyz"), "StartWorkflowExecutionRequest: length exceeds the message");
    refused(START, STR("\xff"), "StartWorkflowExecutionRequest: malformed field tag");
    refused(START, STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            "StartWorkflowExecutionRequest: malformed field tag");
    refused(START, str_of("\x02\x00", 2), "StartWorkflowExecutionRequest: field number 0");
    refused(START, STR("\x0b"), "StartWorkflowExecutionRequest: unsupported wire type");
    refused(START, STR("\x09\x01"), "StartWorkflowExecutionRequest: cut off");
    refused(START, STR("\x88\x01\x80"), "StartWorkflowExecutionRequest: malformed varint");
    /* workflow_task_timeout = 8 as a varint */
    refused(START, STR("\x40\x01"),
            "StartWorkflowExecutionRequest.workflow_task_timeout: wrong wire type");
    /* retry_policy = 12 { backoff_coefficient = 2 as bytes } */
    refused(START, STR("\x62\x03\x12\x01x"),
            "StartWorkflowExecutionRequest.retry_policy.backoff_coefficient: wrong wire type");
}

Test(codec, refuses_bad_text)
{
    refused(START, STR("\x12\x02\xc3("),
            "StartWorkflowExecutionRequest.workflow_id: not valid UTF-8");
    refused(START, STR("\x1a\x04\x0a\x02\xff\xff"),
            "StartWorkflowExecutionRequest.workflow_type.name: not valid UTF-8");
    refused(START,
            str_of("\x12\x03"
                   "a\0b",
                    5),
            "StartWorkflowExecutionRequest.workflow_id: contains a NUL character");
    /* In the key of a map, inside a repeated message. */
    refused(&api__search_attributes__descriptor, STR("\x0a\x04\x0a\x02\xed\xa0"),
            "SearchAttributes.indexed_fields.key: not valid UTF-8");
}

Test(codec, refuses_a_message_in_two_parts)
{
    refused(START, STR("\x1a\x03\x0a\x01n\x1a\x00"),
            "StartWorkflowExecutionRequest.workflow_type: occurs twice");
    /* Text that comes twice is legal: the last one counts. */
    Api__StartWorkflowExecutionRequest *start =
            api_decode(START, &arena, STR("\x0a\x01x\x0a\x01y"), &f);
    cr_assert(start, "%s", f.message);
    cr_assert_str_eq(start->namespace_, "y");
}

Test(codec, packed_and_plain_numbers)
{
    const ProtobufCMessageDescriptor *type = &api__reset_workflow_execution_request__descriptor;
    Api__ResetWorkflowExecutionRequest *reset =
            api_decode(type, &arena, STR("\x3a\x02\x01\x02\x38\x01"), &f);
    cr_assert(reset, "%s", f.message);
    cr_assert_eq(reset->n_reset_reapply_exclude_types, 3);
    refused(type, STR("\x3a\x02\x01\x82"),
            "ResetWorkflowExecutionRequest.reset_reapply_exclude_types: malformed varint");
}

/* Two bytes on the wire become a hundred in memory: 4 MB of them must not become 400. */
Test(codec, refuses_many_tiny_parts)
{
    size_t n = 2 * 1024 * 1024;
    char *bytes = arena_alloc(&arena, 2 * n, 1);
    for (size_t i = 0; i < n; i++) {
        bytes[2 * i] = 0x12;
        bytes[2 * i + 1] = 0;
    }
    size_t before = arena.total;
    refused(&api__respond_workflow_task_completed_request__descriptor, str_of(bytes, 2 * n),
            "RespondWorkflowTaskCompletedRequest: too many parts");
    cr_assert_eq(arena.total, before);
}

/* The estimate that bounds memory must not be below what decoding takes. */
Test(codec, memory_stays_below_the_bound)
{
    size_t n = 200 * 1024;
    char *bytes = arena_alloc(&arena, 2 * n, 1);
    struct arena used = { 0 };
    for (size_t i = 0; i < n; i++) {
        bytes[2 * i] = 0x12;
        bytes[2 * i + 1] = 0;
    }
    cr_assert(api_decode(&api__respond_workflow_task_completed_request__descriptor, &used,
                      str_of(bytes, 2 * n), &f),
            "%s", f.message);
    cr_assert_leq(used.total, API_DECODE_MEMORY_MAX);
    arena_deinit(&used);
}

Test(codec, instants)
{
    cr_assert_eq(api_instant(NULL).ns, 0);
    cr_assert_null(api_timestamp(&arena, (struct instant){ 0 }));
    Api__Timestamp *t = api_timestamp(&arena, (struct instant){ 1700000000123456789 });
    cr_assert_eq(t->seconds, 1700000000);
    cr_assert_eq(t->nanos, 123456789);
    cr_assert_eq(api_instant(t).ns, 1700000000123456789);
    t = api_timestamp(&arena, (struct instant){ -1 });
    cr_assert_eq(t->seconds, -1);
    cr_assert_eq(t->nanos, 999999999);
    cr_assert_eq(api_instant(t).ns, -1);
    t->seconds = INT64_MAX;
    cr_assert_eq(api_instant(t).ns, INT64_MAX);
}

static enum err span(int64_t seconds, int32_t nanos, struct duration *ret)
{
    Api__Duration d = API__DURATION__INIT;
    d.seconds = seconds;
    d.nanos = nanos;
    return api_span(&d, "workflow_run_timeout", ret, &f);
}

Test(codec, durations)
{
    struct duration d = { 1 };
    cr_assert_eq(api_span(NULL, "x", &d, &f), ERR_NONE);
    cr_assert_eq(d.ns, 0);
    cr_assert_eq(span(-1, -500000000, &d), ERR_NONE);
    cr_assert_eq(d.ns, -1500000000);
    cr_assert_eq(span(315576000000, 0, &d), ERR_NONE);
    cr_assert_eq(d.ns, INT64_MAX);
    cr_assert_eq(span(1, -1, &d), ERR_INVALID_ARGUMENT);
    cr_assert_str_eq(f.message, "workflow_run_timeout is not a valid duration");
    cr_assert_eq(span(0, 1000000000, &d), ERR_INVALID_ARGUMENT);
    cr_assert_eq(span(INT64_MIN, 0, &d), ERR_INVALID_ARGUMENT);
    cr_assert_eq(d.ns, INT64_MAX, "untouched on failure");
    Api__Duration *zero = api_duration(&arena, (struct duration){ 0 });
    cr_assert(zero && zero->seconds == 0 && zero->nanos == 0);
}
