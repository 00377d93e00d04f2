/* Calls that update a workflow: an update without an id gets one here, so that a call that is sent to the owner once more
 * means the same update. All else is checked by the owner (history/handlers_update.c, handlers_multi.c). */
#include "common/api/codec.h"
#include "common/api/errors.h"
#include "common/api/view.h"
#include "frontend/api.h"
#include "frontend/validate.h"

/* False: it has one, or is too broken to get one. */
static bool give_id(struct request *rq, Api__UpdateWorkflowExecutionRequest *r)
{
    if (!r || !r->request || !r->request->meta || *r->request->meta->update_id) {
        return false;
    }
    r->request->meta->update_id = uuid_dup(&rq->call->arena, uuid_v4(lane_rand(rq->fe->lane))).ptr;
    return true;
}

void frontend_update(struct request *rq)
{
    Api__UpdateWorkflowExecutionRequest *r = (void *)rq->message;
    if (give_id(rq, r)) {
        rq->raw = api_encode(&rq->call->arena, rq->message);
    }
    history_call(rq, str_from_cstr(r->workflow_execution->workflow_id));
}

static void refuse(struct request *rq, const char *text)
{
    fail(&rq->fail, ERR_INVALID_ARGUMENT, "%s", text);
    request_fail(rq);
}

void frontend_poll_update(struct request *rq)
{
    const Api__PollWorkflowExecutionUpdateRequest *r = (const void *)rq->message;
    const Api__WorkflowExecution *e = r->update_ref ? r->update_ref->workflow_execution : NULL;
    if (!e) {
        refuse(rq, "UpdateRef is not set on request.");
    } else if (!*e->workflow_id) {
        refuse(rq, "WorkflowId is not set on request.");
    } else {
        history_call(rq, str_from_cstr(e->workflow_id));
    }
}

/* What is checked of every start at the edge, of this one too. */
static enum err check_start(struct request *rq, const Api__StartWorkflowExecutionRequest *start)
{
    struct fail f = { 0 };
    const struct operation_outcome outcomes[] = { { .fail = &f }, { .is_aborted = true } };
    enum err err = *start->workflow_id
                           ? validate_message(&start->base, request_config(rq), &f)
                           : fail(&f, ERR_INVALID_ARGUMENT, "WorkflowId is not set on request.");
    return err ? fail_multi_operation(&rq->fail, &rq->call->arena, outcomes, ARRAY_LEN(outcomes))
               : ERR_NONE;
}

void frontend_multi_operation(struct request *rq)
{
    Api__ExecuteMultiOperationRequest *r = (void *)rq->message;
    Api__StartWorkflowExecutionRequest *start = NULL;
    bool changed = false;
    for (size_t i = 0; i < r->n_operations; i++) {
        Api__ExecuteMultiOperationRequest__Operation *op = r->operations[i];
        if (op->operation_case ==
                API__EXECUTE_MULTI_OPERATION_REQUEST__OPERATION__OPERATION_UPDATE_WORKFLOW) {
            changed |= give_id(rq, op->update_workflow);
        } else if (op->operation_case ==
                   API__EXECUTE_MULTI_OPERATION_REQUEST__OPERATION__OPERATION_START_WORKFLOW) {
            start = op->start_workflow;
        }
    }
    if (!start) {
        refuse(rq, "Operations have to be exactly [Start, Update].");
        return;
    }
    if (check_start(rq, start)) {
        request_fail(rq);
        return;
    }
    if (!*start->request_id) {
        start->request_id = uuid_dup(&rq->call->arena, uuid_v4(lane_rand(rq->fe->lane))).ptr;
        changed = true;
    }
    if (changed) {
        rq->raw = api_encode(&rq->call->arena, rq->message);
    }
    history_call(rq, str_from_cstr(start->workflow_id));
}
