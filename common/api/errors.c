/* Builds the API's error details, and the rich status that carries one. Which failure a situation
 * calls for is the handlers' decision; how it travels is the edge's. */
#include "common/api/errors.h"

#include "common/api/codec.h"
#include "proto/errordetails.pb-c.h"
#include "proto/failure.pb-c.h"
#include "proto/status.pb-c.h"

#define DETAIL_URL "type.googleapis.com/temporal.api.errordetails.v1."

/* The detail's name is its message's name within the errordetails package. */
static void set_detail(struct fail *f, struct arena *arena, const ProtobufCMessage *detail)
{
    if (f) {
        fail_set_detail(
                f, str_from_cstr(detail->descriptor->short_name), api_encode(arena, detail));
    }
}

enum err fail_not_found(struct fail *f, struct arena *arena, struct str text)
{
    Api__NotFoundFailure detail = API__NOT_FOUND_FAILURE__INIT;
    enum err err = fail(f, ERR_NOT_FOUND, STR_FMT, STR_ARG(text));
    set_detail(f, arena, &detail.base);
    return err;
}

enum err fail_workflow_already_started(struct fail *f, struct arena *arena, struct str text,
        struct str request_id, struct str run_id, struct str first_execution_run_id)
{
    Api__WorkflowExecutionAlreadyStartedFailure detail =
            API__WORKFLOW_EXECUTION_ALREADY_STARTED_FAILURE__INIT;
    detail.start_request_id = str_cstr(arena, request_id);
    detail.run_id = str_cstr(arena, run_id);
    detail.first_execution_run_id = str_cstr(arena, first_execution_run_id);
    enum err err = fail(f, ERR_ALREADY_EXISTS, STR_FMT, STR_ARG(text));
    set_detail(f, arena, &detail.base);
    return err;
}

enum err fail_cancellation_already_requested(struct fail *f, struct arena *arena)
{
    Api__CancellationAlreadyRequestedFailure detail =
            API__CANCELLATION_ALREADY_REQUESTED_FAILURE__INIT;
    enum err err = fail(f, ERR_ALREADY_EXISTS, "Cancellation is already requested.");
    set_detail(f, arena, &detail.base);
    return err;
}

enum err fail_namespace_not_found(struct fail *f, struct arena *arena, struct str name)
{
    Api__NamespaceNotFoundFailure detail = API__NAMESPACE_NOT_FOUND_FAILURE__INIT;
    detail.namespace_ = str_cstr(arena, name);
    enum err err = fail(f, ERR_NOT_FOUND, "Namespace " STR_FMT " is not found.", STR_ARG(name));
    set_detail(f, arena, &detail.base);
    return err;
}

enum err fail_namespace_already_exists(struct fail *f, struct arena *arena, struct str name)
{
    Api__NamespaceAlreadyExistsFailure detail = API__NAMESPACE_ALREADY_EXISTS_FAILURE__INIT;
    enum err err =
            fail(f, ERR_ALREADY_EXISTS, "Namespace \"" STR_FMT "\" already exists", STR_ARG(name));
    set_detail(f, arena, &detail.base);
    return err;
}

enum err fail_namespace_invalid_state(struct fail *f, struct arena *arena, struct str name,
        Api__NamespaceState state, const Api__NamespaceState *allowed, size_t allowed_count)
{
    Api__NamespaceInvalidStateFailure detail = API__NAMESPACE_INVALID_STATE_FAILURE__INIT;
    detail.namespace_ = str_cstr(arena, name);
    detail.state = state;
    detail.n_allowed_states = allowed_count;
    detail.allowed_states = NEW(arena, Api__NamespaceState, allowed_count);
    memcpy(detail.allowed_states, allowed, allowed_count * sizeof(*allowed));
    enum err err = fail(f, ERR_FAILED_PRECONDITION,
            "Namespace " STR_FMT " is in a state that does not allow this.", STR_ARG(name));
    set_detail(f, arena, &detail.base);
    return err;
}

enum err fail_namespace_unavailable(struct fail *f, struct arena *arena, struct str name)
{
    Api__NamespaceUnavailableFailure detail = API__NAMESPACE_UNAVAILABLE_FAILURE__INIT;
    detail.namespace_ = str_cstr(arena, name);
    enum err err = fail(f, ERR_UNAVAILABLE, "Namespace " STR_FMT " is unavailable.", STR_ARG(name));
    set_detail(f, arena, &detail.base);
    return err;
}

enum err fail_query_failed(struct fail *f, struct arena *arena, struct str text, struct str failure)
{
    Api__QueryFailedFailure detail = API__QUERY_FAILED_FAILURE__INIT;
    detail.failure = api_data(failure);
    enum err err = fail_text(f, ERR_INVALID_ARGUMENT, str_dup(arena, text));
    set_detail(f, arena, &detail.base);
    return err;
}

enum err fail_workflow_not_ready(struct fail *f, struct arena *arena, struct str text)
{
    Api__WorkflowNotReadyFailure detail = API__WORKFLOW_NOT_READY_FAILURE__INIT;
    enum err err = fail(f, ERR_FAILED_PRECONDITION, STR_FMT, STR_ARG(text));
    set_detail(f, arena, &detail.base);
    return err;
}

enum err fail_resource_exhausted(struct fail *f, struct arena *arena,
        Api__ResourceExhaustedCause cause, Api__ResourceExhaustedScope scope, struct str text)
{
    Api__ResourceExhaustedFailure detail = API__RESOURCE_EXHAUSTED_FAILURE__INIT;
    detail.cause = cause;
    detail.scope = scope;
    enum err err = fail(f, ERR_RESOURCE_EXHAUSTED, STR_FMT, STR_ARG(text));
    set_detail(f, arena, &detail.base);
    return err;
}

enum err fail_permission_denied(struct fail *f, struct arena *arena, struct str reason)
{
    Api__PermissionDeniedFailure detail = API__PERMISSION_DENIED_FAILURE__INIT;
    detail.reason = str_cstr(arena, reason);
    enum err err = fail(f, ERR_PERMISSION_DENIED, "Request unauthorized.");
    set_detail(f, arena, &detail.base);
    return err;
}

enum err fail_client_version_not_supported(struct fail *f, struct arena *arena, struct str version,
        struct str name, struct str supported_versions)
{
    Api__ClientVersionNotSupportedFailure detail = API__CLIENT_VERSION_NOT_SUPPORTED_FAILURE__INIT;
    detail.client_version = str_cstr(arena, version);
    detail.client_name = str_cstr(arena, name);
    detail.supported_versions = str_cstr(arena, supported_versions);
    enum err err = fail(f, ERR_FAILED_PRECONDITION,
            "Client " STR_FMT " version " STR_FMT " is not supported; supported: " STR_FMT,
            STR_ARG(name), STR_ARG(version), STR_ARG(supported_versions));
    set_detail(f, arena, &detail.base);
    return err;
}

enum err fail_server_version_not_supported(struct fail *f, struct arena *arena,
        struct str server_version, struct str client_supported_versions)
{
    Api__ServerVersionNotSupportedFailure detail = API__SERVER_VERSION_NOT_SUPPORTED_FAILURE__INIT;
    detail.server_version = str_cstr(arena, server_version);
    detail.client_supported_server_versions = str_cstr(arena, client_supported_versions);
    enum err err = fail(f, ERR_FAILED_PRECONDITION,
            "Server version " STR_FMT " is not supported by the client, which supports " STR_FMT,
            STR_ARG(server_version), STR_ARG(client_supported_versions));
    set_detail(f, arena, &detail.base);
    return err;
}

static void any_init(Api__Any *any, struct arena *arena, const struct fail *f)
{
    api__any__init(any);
    any->type_url = str_cstr(arena, str_printf(arena, DETAIL_URL STR_FMT, STR_ARG(f->detail_type)));
    any->value = api_data(f->detail);
}

static Api__MultiOperationExecutionFailure__OperationStatus *operation_status(
        struct arena *arena, const struct operation_outcome *outcome)
{
    Api__MultiOperationExecutionFailure__OperationStatus *status =
            api_new(arena, &api__multi_operation_execution_failure__operation_status__descriptor);
    if (!outcome->is_aborted && !outcome->fail) {
        return status; /* code 0 */
    }
    Api__Any *any = NEW(arena, Api__Any, 1);
    if (outcome->is_aborted) {
        status->code = err_grpc_status(ERR_ABORTED);
        status->message = "Operation was aborted.";
        api__any__init(any);
        any->type_url =
                "type.googleapis.com/temporal.api.failure.v1.MultiOperationExecutionAborted";
    } else {
        status->code = err_grpc_status(outcome->fail->err);
        status->message = str_cstr(arena, fail_text_of(outcome->fail));
        if (str_empty(outcome->fail->detail_type)) {
            return status;
        }
        any_init(any, arena, outcome->fail);
    }
    status->n_details = 1;
    status->details = NEW(arena, Api__Any *, 1);
    status->details[0] = any;
    return status;
}

enum err fail_multi_operation(
        struct fail *f, struct arena *arena, const struct operation_outcome *outcomes, size_t count)
{
    Api__MultiOperationExecutionFailure detail = API__MULTI_OPERATION_EXECUTION_FAILURE__INIT;
    detail.n_statuses = count;
    detail.statuses = NEW(arena, Api__MultiOperationExecutionFailure__OperationStatus *, count);
    const struct fail *first = NULL;
    for (size_t i = 0; i < count; i++) {
        detail.statuses[i] = operation_status(arena, &outcomes[i]);
        if (!first && !outcomes[i].is_aborted) {
            first = outcomes[i].fail;
        }
    }
    check(first);
    enum err err = fail(f, first->err, "Update-with-Start could not be executed.");
    set_detail(f, arena, &detail.base);
    return err;
}

struct str fail_status_details(struct arena *arena, const struct fail *f)
{
    if (str_empty(f->detail_type)) {
        return STR("");
    }
    Api__Any any;
    any_init(&any, arena, f);
    Api__Any *details[] = { &any };
    Api__Status status = API__STATUS__INIT;
    status.code = err_grpc_status(f->err);
    status.message = str_cstr(arena, fail_text_of(f));
    status.n_details = 1;
    status.details = details;
    return api_encode(arena, &status.base);
}
