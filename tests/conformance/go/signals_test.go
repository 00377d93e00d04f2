// Signals, cancellation, termination, reset and deletion, children and continue-as-new.
package conformance

import (
	"errors"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

func Test_signal_releases(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(Collects, 1)
	p.event(run, enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
	p.signal(run, "value", 7)
	p.check(result[[]int](p, run)[0] == 7, "another value")
}

func Test_signal_before_worker(t *testing.T) {
	p := newPlace(t)
	run := p.start(Collects, 1)
	p.signal(run, "value", 8)
	p.all()
	p.check(result[[]int](p, run)[0] == 8, "another value")
}

func Test_signal_order(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(Collects, 100)
	for n := range 100 {
		p.signal(run, "value", n)
	}
	for n, value := range result[[]int](p, run) {
		p.check(n == value, "%d comes at place %d", value, n)
	}
}

func Test_signal_unknown_workflow(t *testing.T) {
	p := newPlace(t)
	p.notFound(p.client.SignalWorkflow(p.ctx, p.queue, "", "value", 1))
}

func (p *place) closed() client.WorkflowRun {
	p.Helper()
	run := p.start(Collects, 0)
	p.must(run.Get(p.ctx, nil))
	return run
}

func Test_signal_closed_workflow(t *testing.T) {
	p := newPlace(t)
	p.all()
	p.notFound(p.client.SignalWorkflow(p.ctx, p.closed().GetID(), "", "value", 1))
}

func Test_signal_external(t *testing.T) {
	p := newPlace(t)
	p.all()
	target := p.start(Collects, 1)
	sender := p.start(Signals, target.GetID(), 9)
	p.must(sender.Get(p.ctx, nil))
	p.check(result[[]int](p, target)[0] == 9, "another value")
	p.check(p.count(sender, enums.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED) == 1, "no event")
}

func Test_signal_external_unknown(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(Signals, p.queue+"-nobody", 9)
	err := run.Get(p.ctx, nil)
	p.check(err != nil && strings.Contains(strings.ToLower(err.Error()), "unknown external workflow") || strings.Contains(err.Error(), "not found"), "%v", err)
	p.check(p.count(run, enums.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED) == 1, "no event")
}

func Test_cancel_with_cleanup(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(TidiesUp)
	p.event(run, enums.EVENT_TYPE_TIMER_STARTED)
	p.must(p.client.CancelWorkflow(p.ctx, run.GetID(), ""))
	failure[*temporal.CanceledError](p, run.Get(p.ctx, nil))
	p.check(p.status(run.GetID(), "") == enums.WORKFLOW_EXECUTION_STATUS_CANCELED, "another status")
	p.check(p.count(run, enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED) == 1, "not tidied")
}

func Test_cancel_external(t *testing.T) {
	p := newPlace(t)
	p.all()
	target := p.start(TidiesUp)
	p.event(target, enums.EVENT_TYPE_TIMER_STARTED)
	p.must(p.start(Cancels, target.GetID()).Get(p.ctx, nil))
	failure[*temporal.CanceledError](p, target.Get(p.ctx, nil))
}

func Test_cancel_closed(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.closed()
	p.must(p.client.CancelWorkflow(p.ctx, run.GetID(), ""))
	p.check(p.status(run.GetID(), "") == enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, "another status")
}

func Test_terminate(t *testing.T) {
	p := newPlace(t)
	run := p.start(Collects, 1)
	p.must(p.client.TerminateWorkflow(p.ctx, run.GetID(), "", "no longer needed", "detail"))
	failure[*temporal.TerminatedError](p, run.Get(p.ctx, nil))
	attributes := p.event(run, enums.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED).GetWorkflowExecutionTerminatedEventAttributes()
	p.check(attributes.Reason == "no longer needed", "reason %q", attributes.Reason)
	p.notFound(p.client.TerminateWorkflow(p.ctx, run.GetID(), "", ""))
}

func (p *place) completedTasks(run client.WorkflowRun) (ids []int64) {
	p.Helper()
	for _, event := range p.events(run.GetID(), run.GetRunID()) {
		if event.EventType == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			ids = append(ids, event.EventId)
		}
	}
	return ids
}

func (p *place) reset(run client.WorkflowRun, to int64) client.WorkflowRun {
	p.Helper()
	answer, err := p.client.ResetWorkflowExecution(p.ctx, &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: namespace(), Reason: "to see it again", RequestId: p.options().ID, WorkflowTaskFinishEventId: to,
		WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: run.GetID(), RunId: run.GetRunID()}})
	p.must(err)
	p.check(answer.RunId != run.GetRunID(), "the same run")
	return p.client.GetWorkflow(p.ctx, run.GetID(), answer.RunId)
}

func (p *place) words(run client.WorkflowRun, wanted string) {
	p.Helper()
	got := strings.Join(result[[]string](p, run), " ")
	p.check(got == wanted, "%q instead of %q", got, wanted)
}

func Test_reset_to_first_task(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(TwoSteps, 1)
	p.eventually("both steps are done", func() bool { return len(p.completedTasks(run)) == 3 })
	again := p.reset(run, p.completedTasks(run)[0])
	p.signal(again, "note", "go")
	p.words(again, "2 2 go")
	p.check(p.status(run.GetID(), run.GetRunID()) == enums.WORKFLOW_EXECUTION_STATUS_TERMINATED, "the old run is open")
}

func Test_reset_reapplies_signals(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(TwoSteps, 2)
	p.eventually("both steps are done", func() bool { return len(p.completedTasks(run)) == 3 })
	p.signal(run, "note", "kept")
	again := p.reset(run, p.completedTasks(run)[0])
	p.signal(again, "note", "new")
	p.words(again, "2 2 kept new")
}

func Test_reset_to_activity(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(TwoSteps, 0)
	p.words(run, "1 1")
	p.words(p.reset(run, p.completedTasks(run)[1]), "1 2")
}

func Test_delete_workflow(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.closed()
	_, err := p.client.WorkflowService().DeleteWorkflowExecution(p.ctx, &workflowservice.DeleteWorkflowExecutionRequest{
		Namespace: namespace(), WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: run.GetID()}})
	p.must(err)
	p.eventually("it is gone", func() bool {
		_, err := p.client.DescribeWorkflowExecution(p.ctx, run.GetID(), "")
		var gone *serviceerror.NotFound
		return errors.As(err, &gone)
	})
}

func Test_child_result(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(Parent, "hello")
	p.check(result[string](p, run) == "child of "+run.GetID()+": hello", "another result")
	err := p.start(Parent, "fail").Get(p.ctx, nil)
	failure[*temporal.ChildWorkflowExecutionError](p, err)
	cause := application(p, err)
	p.check(cause.Type() == "Broken" && cause.Message() == "the child failed", "%v", cause)
}

func Test_child_cancel(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(CancelsChild)
	p.event(run, enums.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED)
	p.must(p.client.CancelWorkflow(p.ctx, run.GetID(), ""))
	failure[*temporal.CanceledError](p, run.Get(p.ctx, nil))
	p.check(p.status(run.GetID()+"/child", "") == enums.WORKFLOW_EXECUTION_STATUS_CANCELED, "the child is not cancelled")
}

func Test_child_parent_close_policies(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(LeavesChildren)
	p.must(run.Get(p.ctx, nil))
	p.becomes(run.GetID()+"/terminate", "", enums.WORKFLOW_EXECUTION_STATUS_TERMINATED)
	p.becomes(run.GetID()+"/cancel", "", enums.WORKFLOW_EXECUTION_STATUS_CANCELED)
	p.check(p.status(run.GetID()+"/abandon", "") == enums.WORKFLOW_EXECUTION_STATUS_RUNNING, "not abandoned")
	p.must(p.client.TerminateWorkflow(p.ctx, run.GetID()+"/abandon", "", ""))
}

func Test_child_continue_as_new(t *testing.T) {
	p := newPlace(t)
	p.all()
	p.check(result[string](p, p.start(ParentOfChain)) == "at the end of the chain", "another result")
}

func Test_child_id_taken(t *testing.T) {
	p := newPlace(t)
	p.all()
	holder := p.start(Sleeper)
	p.check(result[string](p, p.start(WantsTakenID, holder.GetID())) == "taken", "not taken")
	p.must(p.client.TerminateWorkflow(p.ctx, holder.GetID(), "", ""))
}

func Test_continue_as_new(t *testing.T) {
	p := newPlace(t)
	p.all()
	options := p.options()
	options.Memo = map[string]any{"note": "kept"}
	run := p.startPainted(options, Carries, 2)
	first := run.GetRunID()
	p.must(run.Get(p.ctx, nil))
	described, err := p.client.DescribeWorkflowExecution(p.ctx, options.ID, "")
	p.must(err)
	p.check(described.WorkflowExecutionInfo.Execution.RunId != first, "one run only")
	p.check(p.memo(options.ID)["note"] == "kept", "the memo is lost")
	p.check(p.painted(run) == "blue", "the search attributes are lost")
}

func Test_continue_as_new_suggested(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(Grows, 0)
	first := run.GetRunID()
	for range 8 { // of a megabyte each: the suggestion comes at 4 MB
		if err := p.client.SignalWorkflow(p.ctx, run.GetID(), first, "note", strings.Repeat("x", 1_000_000)); err != nil {
			p.notFound(err)
			break
		}
	}
	p.must(run.Get(p.ctx, nil))
	p.check(p.status(run.GetID(), first) == enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW, "not suggested")
}
