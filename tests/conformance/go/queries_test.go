// Queries and updates.
package conformance

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
)

func Test_query(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(Adds)
	for n := range 10 {
		p.signal(run, "add", n+1)
		sum := query[int](p, run, "so_far")
		p.check(sum == (n+1)*(n+2)/2, "%d after %d signals", sum, n+1)
	}
}

func Test_query_closed(t *testing.T) {
	p := newPlace(t)
	stop := p.all()
	run := p.start(Adds)
	p.signal(run, "add", 5)
	p.signal(run, "add", 0)
	p.must(run.Get(p.ctx, nil))
	stop()
	p.all()
	p.check(query[int](p, run, "so_far") == 5, "another sum")
}

func Test_query_unknown(t *testing.T) {
	p := newPlace(t)
	p.all()
	_, err := p.client.QueryWorkflow(p.ctx, p.start(Adds).GetID(), "", "no_such_query")
	p.check(err != nil && strings.Contains(err.Error(), "so_far"), "%v", err)
}

func Test_query_rejected(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(Adds)
	ask := &client.QueryWorkflowWithOptionsRequest{WorkflowID: run.GetID(), QueryType: "so_far",
		QueryRejectCondition: enums.QUERY_REJECT_CONDITION_NOT_OPEN}
	answer, err := p.client.QueryWorkflowWithOptions(p.ctx, ask)
	p.must(err)
	p.check(answer.QueryRejected == nil, "rejected while open")
	p.signal(run, "add", 0)
	p.must(run.Get(p.ctx, nil))
	answer, err = p.client.QueryWorkflowWithOptions(p.ctx, ask)
	p.must(err)
	p.check(answer.QueryRejected.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, "%v", answer.QueryRejected)
}

func Test_query_stack_trace(t *testing.T) {
	p := newPlace(t)
	p.all()
	trace := query[string](p, p.start(Adds), "__stack_trace")
	p.check(strings.Contains(trace, "workflows_test.go"), "%s", trace)
}

func Test_query_without_worker(t *testing.T) {
	p := newPlace(t)
	stop := p.all()
	run := p.start(Adds)
	p.event(run, enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
	stop()
	ctx, cancel := context.WithTimeout(p.ctx, 4*time.Second)
	defer cancel()
	_, err := p.client.QueryWorkflow(ctx, run.GetID(), "", "so_far")
	p.check(err != nil, "answered by nobody")
}

func (p *place) update(run client.WorkflowRun, stage client.WorkflowUpdateStage, id, name string, args ...any) client.WorkflowUpdateHandle {
	p.Helper()
	handle, err := p.client.UpdateWorkflow(p.ctx, client.UpdateWorkflowOptions{WorkflowID: run.GetID(), UpdateID: id,
		UpdateName: name, Args: args, WaitForStage: stage})
	p.must(err)
	return handle
}

func (p *place) add(run client.WorkflowRun, amount, wanted int) {
	p.Helper()
	var balance int
	p.must(p.update(run, client.WorkflowUpdateStageCompleted, "", "add", amount).Get(p.ctx, &balance))
	p.check(balance == wanted, "balance %d", balance)
}

func Test_update_result(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(Account)
	p.add(run, 3, 3)
	p.add(run, 4, 7)
	p.signal(run, "close", nil)
	p.check(result[int](p, run) == 7, "another balance")
	p.check(p.count(run, enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED) == 2, "other events")
}

func Test_update_validator_rejects(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(Account)
	p.add(run, 1, 1)
	before := p.types(run)
	err := p.update(run, client.WorkflowUpdateStageCompleted, "", "add", -1).Get(p.ctx, nil)
	p.check(err != nil && strings.Contains(err.Error(), "-1 is not positive"), "%v", err)
	p.check(slices.Equal(before, p.types(run)), "a trace in the history")
}

func Test_update_accepted_stage(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(Account)
	update := p.update(run, client.WorkflowUpdateStageAccepted, "", "slow", 5)
	p.check(p.count(run, enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED) == 0, "already completed")
	p.signal(run, "release", nil)
	var balance int
	p.must(update.Get(p.ctx, &balance))
	p.check(balance == 5, "balance %d", balance)
}

func Test_update_same_id(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(Account)
	for range 3 {
		var balance int
		p.must(p.update(run, client.WorkflowUpdateStageCompleted, "once", "add", 10).Get(p.ctx, &balance))
		p.check(balance == 10, "balance %d", balance)
	}
	p.check(query[int](p, run, "times") == 1, "handled several times")
}

func Test_update_failure(t *testing.T) {
	p := newPlace(t)
	p.all()
	err := p.update(p.start(Account), client.WorkflowUpdateStageCompleted, "", "fail").Get(p.ctx, nil)
	cause := application(p, err)
	var details string
	p.must(cause.Details(&details))
	p.check(cause.Type() == "NoAccount" && cause.Message() == "no account" && details == "more", "%v", cause)
}

func Test_update_with_start(t *testing.T) {
	p := newPlace(t)
	p.all()
	options := p.options()
	options.WorkflowIDConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	for n, wanted := range []int{1, 3} {
		handle, err := p.client.UpdateWithStartWorkflow(p.ctx, client.UpdateWithStartWorkflowOptions{
			StartWorkflowOperation: p.client.NewWithStartWorkflowOperation(options, Account),
			UpdateOptions: client.UpdateWorkflowOptions{UpdateName: "add", Args: []any{n + 1},
				WaitForStage: client.WorkflowUpdateStageCompleted}})
		p.must(err)
		var balance int
		p.must(handle.Get(p.ctx, &balance))
		p.check(balance == wanted, "balance %d", balance)
	}
	p.must(p.client.SignalWorkflow(p.ctx, options.ID, "", "close", nil))
}

func Test_update_poll_after_close(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(Account)
	update := p.update(run, client.WorkflowUpdateStageAccepted, "", "slow", 5)
	p.signal(run, "release", nil)
	p.event(run, enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED)
	p.signal(run, "close", nil)
	p.must(run.Get(p.ctx, nil))
	handle := p.client.GetWorkflowUpdateHandle(client.GetWorkflowUpdateHandleOptions{
		WorkflowID: run.GetID(), RunID: run.GetRunID(), UpdateID: update.UpdateID()})
	var balance int
	p.must(handle.Get(p.ctx, &balance))
	p.check(balance == 5, "balance %d", balance)
}

func Test_update_workflow_closes(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(Account)
	update := p.update(run, client.WorkflowUpdateStageAccepted, "", "never")
	p.signal(run, "close", nil)
	cause := application(p, update.Get(p.ctx, nil))
	p.check(cause.Type() == "AcceptedUpdateCompletedWorkflow", "%v", cause)
}

// More than ten in flight at a time are refused, which the client's retries smooth out.
func Test_update_many_at_once(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(Account)
	var wait sync.WaitGroup
	errs := make([]error, 50)
	for n := range errs {
		wait.Go(func() {
			handle, err := p.client.UpdateWorkflow(p.ctx, client.UpdateWorkflowOptions{WorkflowID: run.GetID(),
				UpdateName: "add", Args: []any{1}, WaitForStage: client.WorkflowUpdateStageCompleted})
			if err == nil {
				err = handle.Get(p.ctx, nil)
			}
			errs[n] = err
		})
	}
	wait.Wait()
	for _, err := range errs {
		p.must(err)
	}
	p.check(query[int](p, run, "times") == 50, "not each once")
}
