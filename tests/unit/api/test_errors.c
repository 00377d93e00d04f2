/* The error details as an SDK sees them: decoded again from the rich status. */
#include <criterion/criterion.h>

#include "common/api/codec.h"
#include "common/api/errors.h"
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

TestSuite(errors, .init = setup, .fini = teardown);

/* Decodes the one detail of f, which must be of this type. */
static void *detail(const ProtobufCMessageDescriptor *type, int code)
{
    struct str bytes = fail_status_details(&arena, &f);
    Api__Status *status = api_decode(&api__status__descriptor, &arena, bytes, NULL);
    cr_assert(status);
    cr_assert_eq(status->code, code);
    cr_assert_str_eq(status->message, f.message);
    cr_assert_eq(status->n_details, 1);
    struct str url = str_printf(&arena, "type.googleapis.com/%s", type->name);
    cr_assert(str_eq(str_from_cstr(status->details[0]->type_url), url), "%s is not %s",
            status->details[0]->type_url, url.ptr);
    void *message = api_decode(type, &arena, api_bytes(status->details[0]->value), NULL);
    cr_assert(message);
    return message;
}

Test(errors, plain_failure_has_no_details)
{
    fail(&f, ERR_INVALID_ARGUMENT, "no");
    cr_assert(str_empty(fail_status_details(&arena, &f)));
}

Test(errors, already_started)
{
    cr_assert_eq(fail_workflow_already_started(
                         &f, &arena, STR("why"), STR("req"), STR("run"), STR("first")),
            ERR_ALREADY_EXISTS);
    Api__WorkflowExecutionAlreadyStartedFailure *d =
            detail(&api__workflow_execution_already_started_failure__descriptor, 6);
    cr_assert_str_eq(d->start_request_id, "req");
    cr_assert_str_eq(d->run_id, "run");
    cr_assert_str_eq(d->first_execution_run_id, "first");
}

Test(errors, details_without_content)
{
    cr_assert_eq(fail_not_found(&f, &arena, STR("workflow task not found.")), ERR_NOT_FOUND);
    detail(&api__not_found_failure__descriptor, 5);
    cr_assert_str_eq(f.message, "workflow task not found.");
    cr_assert_eq(fail_workflow_not_ready(&f, &arena, STR("x")), ERR_FAILED_PRECONDITION);
    detail(&api__workflow_not_ready_failure__descriptor, 9);
    cr_assert_eq(fail_namespace_already_exists(&f, &arena, STR("n")), ERR_ALREADY_EXISTS);
    detail(&api__namespace_already_exists_failure__descriptor, 6);
    cr_assert_eq(fail_cancellation_already_requested(&f, &arena), ERR_ALREADY_EXISTS);
    detail(&api__cancellation_already_requested_failure__descriptor, 6);
}

Test(errors, namespaces)
{
    cr_assert_eq(fail_namespace_not_found(&f, &arena, STR("nope")), ERR_NOT_FOUND);
    Api__NamespaceNotFoundFailure *missing =
            detail(&api__namespace_not_found_failure__descriptor, 5);
    cr_assert_str_eq(missing->namespace_, "nope");

    Api__NamespaceState allowed[] = { API__NAMESPACE_STATE__NAMESPACE_STATE_REGISTERED };
    cr_assert_eq(fail_namespace_invalid_state(&f, &arena, STR("n"),
                         API__NAMESPACE_STATE__NAMESPACE_STATE_DEPRECATED, allowed, 1),
            ERR_FAILED_PRECONDITION);
    Api__NamespaceInvalidStateFailure *state =
            detail(&api__namespace_invalid_state_failure__descriptor, 9);
    cr_assert_eq(state->state, API__NAMESPACE_STATE__NAMESPACE_STATE_DEPRECATED);
    cr_assert_eq(state->n_allowed_states, 1);
    cr_assert_eq(state->allowed_states[0], API__NAMESPACE_STATE__NAMESPACE_STATE_REGISTERED);

    cr_assert_eq(fail_namespace_unavailable(&f, &arena, STR("n")), ERR_UNAVAILABLE);
    detail(&api__namespace_unavailable_failure__descriptor, 14);
}

Test(errors, refusals_with_content)
{
    cr_assert_eq(fail_query_failed(&f, &arena, STR("unknown query"), STR("\x0a\x01m")),
            ERR_INVALID_ARGUMENT);
    Api__QueryFailedFailure *query = detail(&api__query_failed_failure__descriptor, 3);
    Api__Failure *failure =
            api_decode(&api__failure__descriptor, &arena, api_bytes(query->failure), NULL);
    cr_assert_str_eq(failure->message, "m");

    cr_assert_eq(fail_resource_exhausted(&f, &arena,
                         API__RESOURCE_EXHAUSTED_CAUSE__RESOURCE_EXHAUSTED_CAUSE_BUSY_WORKFLOW,
                         API__RESOURCE_EXHAUSTED_SCOPE__RESOURCE_EXHAUSTED_SCOPE_NAMESPACE,
                         STR("workflow is closing")),
            ERR_RESOURCE_EXHAUSTED);
    Api__ResourceExhaustedFailure *busy = detail(&api__resource_exhausted_failure__descriptor, 8);
    cr_assert_eq(busy->cause, 5);
    cr_assert_eq(busy->scope, 1);

    cr_assert_eq(fail_permission_denied(&f, &arena, STR("why")), ERR_PERMISSION_DENIED);
    Api__PermissionDeniedFailure *denied = detail(&api__permission_denied_failure__descriptor, 7);
    cr_assert_str_eq(denied->reason, "why");

    cr_assert_eq(fail_client_version_not_supported(
                         &f, &arena, STR("9.0.0"), STR("temporal-go"), STR("<2.0.0")),
            ERR_FAILED_PRECONDITION);
    Api__ClientVersionNotSupportedFailure *client =
            detail(&api__client_version_not_supported_failure__descriptor, 9);
    cr_assert_str_eq(client->client_version, "9.0.0");
    cr_assert_str_eq(client->client_name, "temporal-go");

    cr_assert_eq(fail_server_version_not_supported(&f, &arena, STR("1.32.0"), STR(">=2")),
            ERR_FAILED_PRECONDITION);
    Api__ServerVersionNotSupportedFailure *server =
            detail(&api__server_version_not_supported_failure__descriptor, 9);
    cr_assert_str_eq(server->client_supported_server_versions, ">=2");
}

Test(errors, multi_operation)
{
    struct fail start = { 0 };
    fail_workflow_already_started(&start, &arena, STR("why"), STR("q"), STR("r"), STR("r"));
    struct operation_outcome outcomes[] = { { .fail = &start }, { .is_aborted = true } };
    cr_assert_eq(fail_multi_operation(&f, &arena, outcomes, 2), ERR_ALREADY_EXISTS);
    Api__MultiOperationExecutionFailure *d =
            detail(&api__multi_operation_execution_failure__descriptor, 6);
    cr_assert_eq(d->n_statuses, 2);
    cr_assert_eq(d->statuses[0]->code, 6);
    cr_assert_str_eq(d->statuses[0]->message, start.message);
    cr_assert_str_eq(d->statuses[0]->details[0]->type_url,
            "type.googleapis.com/"
            "temporal.api.errordetails.v1.WorkflowExecutionAlreadyStartedFailure");
    cr_assert_eq(d->statuses[1]->code, 10);
    cr_assert_str_eq(d->statuses[1]->details[0]->type_url,
            "type.googleapis.com/temporal.api.failure.v1.MultiOperationExecutionAborted");
}

Test(errors, without_a_fail)
{
    cr_assert_eq(fail_not_found(NULL, &arena, STR("x")), ERR_NOT_FOUND);
}
