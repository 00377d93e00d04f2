/* Fuzzes the decoding of requests, as a client's bytes reach it. The first byte selects the
 * message. What decodes must encode to bytes that decode to the same bytes again, and what the
 * check lets through, protobuf-c must take. */
#include "tests/fuzz/fuzz.h"

#include "common/api/codec.h"
#include "common/api/view.h"

/* Append only: the corpus counts on the order. */
static const ProtobufCMessageDescriptor *const types[] = {
    &api__start_workflow_execution_request__descriptor,
    &api__signal_with_start_workflow_execution_request__descriptor,
    &api__execute_multi_operation_request__descriptor,
    &api__signal_workflow_execution_request__descriptor,
    &api__request_cancel_workflow_execution_request__descriptor,
    &api__terminate_workflow_execution_request__descriptor,
    &api__reset_workflow_execution_request__descriptor,
    &api__delete_workflow_execution_request__descriptor,
    &api__query_workflow_request__descriptor,
    &api__update_workflow_execution_request__descriptor,
    &api__poll_workflow_execution_update_request__descriptor,
    &api__poll_workflow_task_queue_request__descriptor,
    &api__respond_workflow_task_completed_request__descriptor,
    &api__respond_workflow_task_failed_request__descriptor,
    &api__respond_query_task_completed_request__descriptor,
    &api__reset_sticky_task_queue_request__descriptor,
    &api__shutdown_worker_request__descriptor,
    &api__describe_task_queue_request__descriptor,
    &api__poll_activity_task_queue_request__descriptor,
    &api__respond_activity_task_completed_request__descriptor,
    &api__respond_activity_task_failed_request__descriptor,
    &api__respond_activity_task_canceled_request__descriptor,
    &api__record_activity_task_heartbeat_request__descriptor,
    &api__respond_activity_task_completed_by_id_request__descriptor,
    &api__respond_activity_task_failed_by_id_request__descriptor,
    &api__respond_activity_task_canceled_by_id_request__descriptor,
    &api__record_activity_task_heartbeat_by_id_request__descriptor,
    &api__get_workflow_execution_history_request__descriptor,
    &api__get_workflow_execution_history_reverse_request__descriptor,
    &api__describe_workflow_execution_request__descriptor,
    &api__list_workflow_executions_request__descriptor,
    &api__scan_workflow_executions_request__descriptor,
    &api__list_open_workflow_executions_request__descriptor,
    &api__list_closed_workflow_executions_request__descriptor,
    &api__list_archived_workflow_executions_request__descriptor,
    &api__count_workflow_executions_request__descriptor,
    &api__get_system_info_request__descriptor,
    &api__get_cluster_info_request__descriptor,
    &api__describe_namespace_request__descriptor,
    &api__list_namespaces_request__descriptor,
    &api__register_namespace_request__descriptor,
    &api__add_search_attributes_request__descriptor,
    &api__list_search_attributes_request__descriptor,
    &api__failure__descriptor,
    &api__search_attributes__descriptor,
    &api__memo__descriptor,
    &api__header__descriptor,
    &api__payloads__descriptor,
    &api__payload__descriptor,
    &api__history_event__descriptor,
    &api__history__descriptor,
    &api__workflow_execution_started_event_attributes__descriptor,
    &api__status__descriptor,
    &update__acceptance__descriptor,
    &update__rejection__descriptor,
    &update__response__descriptor,
    &health__health_check_request__descriptor,
    &reflection__server_reflection_request__descriptor,
};

enum { TYPE_COUNT = sizeof(types) / sizeof(types[0]) };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const ProtobufCMessageDescriptor *type = types[data[0] % TYPE_COUNT];
    struct arena arena = { 0 };
    struct fail f = { 0 };
    ProtobufCMessage *message = api_decode(type, &arena, str_of(data + 1, size - 1), &f);
    if (message) {
        struct str bytes = api_encode(&arena, message);
        ProtobufCMessage *again = api_decode(type, &arena, bytes, &f);
        check(again);
        check(str_eq(api_encode(&arena, again), bytes));
    } else {
        check(f.err == ERR_INVALID_ARGUMENT && f.message[0]);
        check(!strstr(f.message, "malformed message")); /* the check must have found it */
    }
    arena_deinit(&arena);
    return 0;
}
