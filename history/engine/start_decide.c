/* Who wins when the workflow id is taken: request id first, then the conflict policy for an open run, the reuse
 * policy for a closed one. A table, because it is one. */
#include "history/engine/start_decide.h"

static bool has_failed(enum workflow_status status)
{
    return status == WORKFLOW_FAILED || status == WORKFLOW_TIMED_OUT ||
           status == WORKFLOW_CANCELED || status == WORKFLOW_TERMINATED;
}

enum start_decision start_decide(const struct start_existing *existing, struct str request_id,
        enum id_reuse_policy reuse, enum id_conflict_policy conflict)
{
    if (!existing) {
        return START_NEW;
    }
    if (!str_empty(request_id) && str_eq(request_id, existing->start_request_id)) {
        return START_RETURN_EXISTING;
    }
    if (existing->is_attached) {
        return START_RETURN_ATTACHED;
    }
    if (existing->status == WORKFLOW_RUNNING) {
        bool terminate =
                conflict == ID_CONFLICT_TERMINATE_EXISTING ||
                (reuse == ID_REUSE_TERMINATE_IF_RUNNING && conflict == ID_CONFLICT_UNSPECIFIED);
        if (terminate) {
            return existing->is_too_young ? START_REFUSE_TOO_SOON : START_TERMINATE_THEN_NEW;
        }
        return conflict == ID_CONFLICT_USE_EXISTING ? START_USE_EXISTING : START_REFUSE;
    }
    if (reuse == ID_REUSE_REJECT_DUPLICATE) {
        return START_REFUSE;
    }
    if (reuse == ID_REUSE_ALLOW_DUPLICATE_FAILED_ONLY && !has_failed(existing->status)) {
        return START_REFUSE;
    }
    return START_NEW;
}
