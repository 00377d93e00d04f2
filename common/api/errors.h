/* Failures with the API's error details, which SDKs branch on. Each builder records code, text and
 * detail in f (may be NULL) and returns the code; the detail's bytes live in the arena, which must
 * live as long as the request. Failures without a detail are plain fail(). */
#pragma once

#include "common/base/arena.h"
#include "common/base/err.h"
#include "proto/enums.pb-c.h"

/* Workflow, run, task or activity unknown, or no longer open: the text says which. */
enum err fail_not_found(struct fail *f, struct arena *arena, struct str text);
enum err fail_workflow_already_started(struct fail *f, struct arena *arena, struct str text,
        struct str request_id, struct str run_id, struct str first_execution_run_id);
enum err fail_cancellation_already_requested(struct fail *f, struct arena *arena);

enum err fail_namespace_not_found(struct fail *f, struct arena *arena, struct str name);
enum err fail_namespace_already_exists(struct fail *f, struct arena *arena, struct str name);
enum err fail_namespace_invalid_state(struct fail *f, struct arena *arena, struct str name,
        Api__NamespaceState state, const Api__NamespaceState *allowed, size_t allowed_count);
enum err fail_namespace_unavailable(struct fail *f, struct arena *arena, struct str name);

/* failure: an encoded temporal.api.failure.v1.Failure, may be empty. The text reaches users
 * unchanged (the web UI parses it). */
enum err fail_query_failed(
        struct fail *f, struct arena *arena, struct str text, struct str failure);
/* A query or update came before the run can take it. */
enum err fail_workflow_not_ready(struct fail *f, struct arena *arena, struct str text);

enum err fail_resource_exhausted(struct fail *f, struct arena *arena,
        Api__ResourceExhaustedCause cause, Api__ResourceExhaustedScope scope, struct str text);
/* reason may be empty. */
enum err fail_permission_denied(struct fail *f, struct arena *arena, struct str reason);

enum err fail_client_version_not_supported(struct fail *f, struct arena *arena, struct str version,
        struct str name, struct str supported_versions);
enum err fail_server_version_not_supported(struct fail *f, struct arena *arena,
        struct str server_version, struct str client_supported_versions);

/* One operation of an update-with-start. */
struct operation_outcome {
    bool is_aborted;         /* it did not fail itself: its twin did */
    const struct fail *fail; /* its own failure; NULL: it succeeded, or is_aborted */
};

/* The whole call fails with the code of the first real failure. At least one outcome must be one.
 */
enum err fail_multi_operation(struct fail *f, struct arena *arena,
        const struct operation_outcome *outcomes, size_t count);

/* The encoded google.rpc.Status of a failure, for grpc-status-details-bin; empty when f has no
 * detail. */
struct str fail_status_details(struct arena *arena, const struct fail *f);
