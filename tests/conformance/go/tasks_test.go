// Workflow tasks: failures, replay, stickiness, code that changes, histories.
package conformance

import (
	"slices"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	history "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"
)

// A worker that knows one workflow by this name.
func (p *place) only(name string, code any) (stop func()) {
	return p.worker(worker.Options{}, func(r worker.Registry) {
		r.RegisterWorkflowWithOptions(code, workflow.RegisterOptions{Name: name})
		r.RegisterActivity(Greet)
	})
}

func Test_task_failure_retried(t *testing.T) {
	p := newPlace(t)
	options := p.options()
	options.WorkflowTaskTimeout = 2 * time.Second
	run := p.startWith(options, "Repaired")
	stop := p.only("Repaired", func(workflow.Context) (string, error) { panic("a mistake in the code") })
	failed := p.event(run, enums.EVENT_TYPE_WORKFLOW_TASK_FAILED).GetWorkflowTaskFailedEventAttributes()
	p.check(failed.Failure.GetMessage() == "a mistake in the code", "%v", failed)
	stop()
	p.only("Repaired", func(workflow.Context) (string, error) { return "repaired", nil })
	p.check(result[string](p, run) == "repaired", "not repaired")
}

func Test_sticky_fallback(t *testing.T) {
	p := newPlace(t)
	run := p.start(Collects, 2)
	kill := p.process(p.queue)
	p.event(run, enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
	kill()
	p.signal(run, "value", 1)
	p.all()
	p.signal(run, "value", 2)
	p.check(slices.Equal(result[[]int](p, run), []int{1, 2}), "other values")
}

// The cache belongs to the process, so this worker has one of its own.
func Test_no_cache(t *testing.T) {
	p := newPlace(t)
	p.process(p.queue, "CONFORMANCE_CACHE=off")
	run := p.start(SeveralTasks)
	p.check(result[int](p, run) == 6, "another sum")
	p.check(p.count(run, enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED) == 5, "other events")
	for _, event := range p.events(run.GetID(), run.GetRunID()) {
		if scheduled := event.GetWorkflowTaskScheduledEventAttributes(); scheduled != nil {
			p.check(scheduled.TaskQueue.Name == p.queue, "a sticky task")
		}
	}
}

func (p *place) replay(run client.WorkflowRun, register func(worker.WorkflowReplayer)) error {
	p.Helper()
	replayer := worker.NewWorkflowReplayer()
	register(replayer)
	events := &history.History{Events: p.events(run.GetID(), run.GetRunID())}
	return replayer.ReplayWorkflowHistoryWithOptions(quiet, events, worker.ReplayWorkflowHistoryOptions{
		OriginalExecution: workflow.Execution{ID: run.GetID(), RunID: run.GetRunID()}})
}

func Test_side_effects_and_local_activities(t *testing.T) {
	p := newPlace(t)
	p.process(p.queue, "CONFORMANCE_CACHE=off")
	run := p.start(Remembers)
	p.check(slices.Equal(result[[]int](p, run), []int{1, 1, 2, 2}), "other results")
	p.check(p.count(run, enums.EVENT_TYPE_MARKER_RECORDED) == 4, "other events")
	p.must(p.replay(run, func(r worker.WorkflowReplayer) { r.RegisterWorkflow(Remembers) }))
	p.check(called(run.GetID()) == 1 && called(run.GetID()+" side") == 1, "run again by the replayer")
}

func before(ctx workflow.Context) (string, error) {
	workflow.GetSignalChannel(ctx, "on").Receive(ctx, nil)
	return "old", nil
}

func after(ctx workflow.Context) (string, error) {
	answer := "old"
	if workflow.GetVersion(ctx, "says-new", workflow.DefaultVersion, 1) == 1 {
		answer = "new"
		if err := workflow.Sleep(ctx, 10*time.Millisecond); err != nil {
			return "", err
		}
	}
	workflow.GetSignalChannel(ctx, "on").Receive(ctx, nil)
	return answer, nil
}

func Test_versioning_patch(t *testing.T) {
	p := newPlace(t)
	stop := p.only("Evolves", before)
	runs := []client.WorkflowRun{p.start("Evolves"), nil}
	p.event(runs[0], enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
	stop()
	p.only("Evolves", after)
	runs[1] = p.start("Evolves")
	p.event(runs[1], enums.EVENT_TYPE_TIMER_FIRED)
	for n, wanted := range []string{"old", "new"} {
		p.signal(runs[n], "on", nil)
		p.check(result[string](p, runs[n]) == wanted, "not %s", wanted)
		p.must(p.replay(runs[n], func(r worker.WorkflowReplayer) {
			r.RegisterWorkflowWithOptions(after, workflow.RegisterOptions{Name: "Evolves"})
		}))
	}
}

func Test_replay(t *testing.T) {
	p := newPlace(t)
	p.all()
	signalled, cancelled, open := p.start(Collects, 3), p.start(TidiesUp), p.start(Collects, 1)
	runs := []client.WorkflowRun{signalled, cancelled, p.start(Busy), p.start(Parent, "hello"), p.start(Parent, "fail"),
		p.start(Hello, "x"), p.start(Echo, "y"), p.start(Timers)}
	for n := range 3 {
		p.signal(signalled, "value", n)
	}
	p.event(cancelled, enums.EVENT_TYPE_TIMER_STARTED)
	p.must(p.client.CancelWorkflow(p.ctx, cancelled.GetID(), ""))
	for _, run := range runs {
		_ = run.Get(p.ctx, nil)
	}
	p.event(open, enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
	for _, run := range append(runs, open) {
		p.must(p.replay(run, func(r worker.WorkflowReplayer) {
			for _, w := range []any{Collects, TidiesUp, Busy, Parent, Hello, Echo, Timers} {
				r.RegisterWorkflow(w)
			}
		}))
	}
}

func Test_non_determinism(t *testing.T) {
	p := newPlace(t)
	stop := p.only("Changes", func(ctx workflow.Context) error {
		if err := workflow.Sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
		workflow.GetSignalChannel(ctx, "on").Receive(ctx, nil)
		return nil
	})
	options := p.options()
	options.WorkflowTaskTimeout = 2 * time.Second
	run := p.startWith(options, "Changes")
	p.eventually("the task after the timer", func() bool { return len(p.completedTasks(run)) == 2 })
	stop()
	changed := func(ctx workflow.Context) error {
		return workflow.ExecuteActivity(short(ctx), Greet, "x").Get(ctx, nil)
	}
	err := p.replay(run, func(r worker.WorkflowReplayer) {
		r.RegisterWorkflowWithOptions(changed, workflow.RegisterOptions{Name: "Changes"})
	})
	p.check(err != nil, "replayed")
	p.only("Changes", changed)
	p.signal(run, "on", nil)
	failed := p.event(run, enums.EVENT_TYPE_WORKFLOW_TASK_FAILED).GetWorkflowTaskFailedEventAttributes()
	p.check(failed.Cause == enums.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR, "%v", failed.Cause)
	p.must(p.client.TerminateWorkflow(p.ctx, run.GetID(), "", ""))
}

func Test_history_paging(t *testing.T) {
	p := newPlace(t)
	run := p.start(Collects, 60)
	for n := range 60 {
		p.signal(run, "value", n)
	}
	p.all()
	p.must(run.Get(p.ctx, nil))
	var paged []*history.HistoryEvent
	ask := &workflowservice.GetWorkflowExecutionHistoryRequest{Namespace: namespace(), MaximumPageSize: 7,
		Execution: &commonpb.WorkflowExecution{WorkflowId: run.GetID()}}
	pages := 0
	for pages == 0 || len(ask.NextPageToken) > 0 {
		answer, err := p.client.WorkflowService().GetWorkflowExecutionHistory(p.ctx, ask)
		p.must(err)
		paged = append(paged, answer.History.Events...)
		ask.NextPageToken = answer.NextPageToken
		pages++
	}
	whole := p.events(run.GetID(), run.GetRunID())
	p.check(pages > 5 && proto.Equal(&history.History{Events: whole}, &history.History{Events: paged}), "%d pages differ", pages)
}

func Test_timer(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(Timers)
	took := result[time.Duration](p, run)
	p.check(took >= 700*time.Millisecond && took < 10*time.Second, "it took %v", took)
	p.check(p.count(run, enums.EVENT_TYPE_TIMER_FIRED) == 1 && p.count(run, enums.EVENT_TYPE_TIMER_CANCELED) == 1, "other events")
}

func Test_unhandled_command(t *testing.T) {
	p := newPlace(t)
	p.all()
	options := p.options()
	sent := make(chan struct{})
	signalSent.Store(options.ID, sent)
	run := p.startWith(options, ClosesAtOnce)
	p.event(run, enums.EVENT_TYPE_WORKFLOW_TASK_STARTED)
	p.signal(run, "value", 5)
	close(sent)
	p.check(slices.Equal(result[[]int](p, run), []int{5}), "the signal is lost")
	failed := p.event(run, enums.EVENT_TYPE_WORKFLOW_TASK_FAILED).GetWorkflowTaskFailedEventAttributes()
	p.check(failed.Cause == enums.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND, "%v", failed.Cause)
}

func Test_upsert_memo(t *testing.T) {
	p := newPlace(t)
	p.all()
	options := p.options()
	options.Memo = map[string]any{"kept": "first", "dropped": 1, "same": true}
	p.must(p.startWith(options, Notes).Get(p.ctx, nil))
	memo := p.memo(options.ID)
	p.check(memo["kept"] == "changed" && memo["new"] == 2.0 && memo["same"] == true && memo["dropped"] == nil, "%v", memo)
}

func Test_upsert_search_attributes(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.startPainted(p.options(), Paints)
	p.must(run.Get(p.ctx, nil))
	p.check(p.painted(run) == "red", "still %s", p.painted(run))
}
