// Activities: retries, timeouts, heartbeats, cancellation, completion from elsewhere; what the server tells of them.
package conformance

import (
	"errors"
	"testing"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

func (p *place) calls(name string, how call, args ...any) client.WorkflowRun {
	p.Helper()
	return p.start(Calls, name, how, args)
}

func Test_activity_retry(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.calls("ThirdTime", call{})
	p.check(result[int](p, run) == 3, "not the third attempt")
	started := p.event(run, enums.EVENT_TYPE_ACTIVITY_TASK_STARTED).GetActivityTaskStartedEventAttributes()
	p.check(started.Attempt == 3 && started.LastFailure.GetMessage() == "not yet", "%v", started)
}

func Test_activity_non_retryable(t *testing.T) {
	p := newPlace(t)
	p.all()
	for _, run := range []client.WorkflowRun{
		p.calls("Refuses", call{}, true),
		p.calls("Refuses", call{Never: []string{"Refused"}}, false),
	} {
		err := run.Get(p.ctx, nil)
		state := failure[*temporal.ActivityError](p, err).RetryState()
		p.check(state == enums.RETRY_STATE_NON_RETRYABLE_FAILURE, "%v", state)
		p.check(application(p, err).Message() == "attempt 1", "%v", err)
	}
}

func Test_activity_attempts_run_out(t *testing.T) {
	p := newPlace(t)
	p.all()
	err := p.calls("AlwaysFails", call{Attempts: 3}).Get(p.ctx, nil)
	state := failure[*temporal.ActivityError](p, err).RetryState()
	p.check(state == enums.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED, "%v", state)
	outer := application(p, err)
	p.check(outer.Message() == "attempt 3" && outer.Type() == "Outer", "%v", outer)
	root := application(p, errors.Unwrap(outer))
	p.check(root.Message() == "the root of it" && root.Type() == "Root", "%v", root)
}

func (p *place) timeout(err error, kinds ...enums.TimeoutType) *temporal.TimeoutError {
	p.Helper()
	failure[*temporal.ActivityError](p, err)
	timeout := failure[*temporal.TimeoutError](p, err)
	for _, kind := range kinds {
		if timeout.TimeoutType() == kind {
			return timeout
		}
	}
	p.Fatalf("another timeout: %v", timeout.TimeoutType())
	return nil
}

func Test_activity_schedule_to_close_timeout(t *testing.T) {
	p := newPlace(t)
	p.all()
	err := p.calls("Sleeps", call{Options: workflow.ActivityOptions{ScheduleToCloseTimeout: 800 * time.Millisecond}}).Get(p.ctx, nil)
	p.timeout(err, enums.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE)
}

func Test_activity_schedule_to_start_timeout(t *testing.T) {
	p := newPlace(t)
	p.all()
	err := p.calls("Sleeps", call{Options: workflow.ActivityOptions{TaskQueue: p.queue + "-nobody",
		ScheduleToStartTimeout: 500 * time.Millisecond, StartToCloseTimeout: 20 * time.Second}}).Get(p.ctx, nil)
	p.timeout(err, enums.TIMEOUT_TYPE_SCHEDULE_TO_START)
}

func Test_activity_start_to_close_timeout(t *testing.T) {
	p := newPlace(t)
	p.all()
	options := workflow.ActivityOptions{StartToCloseTimeout: 500 * time.Millisecond}
	p.timeout(p.calls("Sleeps", call{Options: options, Attempts: 1}).Get(p.ctx, nil), enums.TIMEOUT_TYPE_START_TO_CLOSE)
	p.check(result[int](p, p.calls("SlowAtFirst", call{Options: options})) == 2, "not the second attempt")
}

func Test_activity_heartbeat_timeout(t *testing.T) {
	p := newPlace(t)
	p.all()
	options := workflow.ActivityOptions{HeartbeatTimeout: 800 * time.Millisecond}
	p.check(result[string](p, p.calls("BeatsOnce", call{Options: options})) == "as far as 42", "other details")
	timeout := p.timeout(p.calls("BeatsOnce", call{Options: options, Attempts: 1}).Get(p.ctx, nil), enums.TIMEOUT_TYPE_HEARTBEAT)
	var details string
	p.must(timeout.LastHeartbeatDetails(&details))
	p.check(details == "as far as 42", "details %q", details)
}

func Test_activity_cancel_by_heartbeat(t *testing.T) {
	p := newPlace(t)
	p.worker(worker.Options{MaxHeartbeatThrottleInterval: 200 * time.Millisecond}, registerAll)
	run := p.start(CancelsActivity)
	p.check(result[string](p, run) == "cancelled", "not cancelled")
	p.check(p.count(run, enums.EVENT_TYPE_ACTIVITY_TASK_CANCELED) == 1, "no event")
}

func (p *place) token(run client.WorkflowRun) []byte {
	p.Helper()
	var token any
	p.eventually("the activity runs", func() (ok bool) {
		token, ok = tokens.Load(run.GetID())
		return ok
	})
	return token.([]byte)
}

func Test_activity_async_by_token(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.calls("HandedOver", call{Attempts: 1})
	token := p.token(run)
	p.must(p.client.RecordActivityHeartbeat(p.ctx, token, "half"))
	p.must(p.client.CompleteActivity(p.ctx, token, "from outside", nil))
	p.check(result[string](p, run) == "from outside", "another result")
}

func Test_activity_async_by_id(t *testing.T) {
	p := newPlace(t)
	p.all()
	how := call{Attempts: 1, Options: workflow.ActivityOptions{ActivityID: "mine", HeartbeatTimeout: 15 * time.Second}}
	run := p.calls("HandedOver", how)
	p.token(run)
	p.must(p.client.RecordActivityHeartbeatByID(p.ctx, namespace(), run.GetID(), run.GetRunID(), "mine", "half"))
	described, err := p.client.DescribeWorkflowExecution(p.ctx, run.GetID(), "")
	p.must(err)
	p.check(string(described.PendingActivities[0].HeartbeatDetails.GetPayloads()[0].Data) == `"half"`, "other details")
	p.must(p.client.CompleteActivityByID(p.ctx, namespace(), run.GetID(), run.GetRunID(), "mine", "by id", nil))
	p.check(result[string](p, run) == "by id", "another result")

	failed := p.calls("HandedOver", how)
	p.token(failed)
	err = temporal.NewNonRetryableApplicationError("by id, too", "Outside", nil)
	p.must(p.client.CompleteActivityByID(p.ctx, namespace(), failed.GetID(), failed.GetRunID(), "mine", nil, err))
	p.check(application(p, failed.Get(p.ctx, nil)).Message() == "by id, too", "another failure")
}

func Test_activity_next_retry_delay(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.calls("AsksForDelay", call{})
	p.check(result[int](p, run) == 2, "not the second attempt")
	waited := p.event(run, enums.EVENT_TYPE_ACTIVITY_TASK_STARTED).EventTime.AsTime().Sub(
		p.event(run, enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED).EventTime.AsTime())
	p.check(waited >= 1400*time.Millisecond && waited < 10*time.Second, "%v", waited)
}

func Test_activity_eager(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(CallsMany, 8)
	p.check(result[int](p, run) == 24, "another sum")
	p.check(p.count(run, enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED) == 8, "other events")
}

func Test_activity_worker_killed(t *testing.T) {
	p := newPlace(t)
	p.worker(worker.Options{DisableRegistrationAliasing: true, LocalActivityWorkerOnly: true}, registerAll)
	other := p.queue + "-activities"
	run := p.calls("Outlives", call{Options: workflow.ActivityOptions{TaskQueue: other, HeartbeatTimeout: time.Second}})
	kill := p.process(other)
	p.eventually("the activity beats", func() bool {
		described, err := p.client.DescribeWorkflowExecution(p.ctx, run.GetID(), "")
		p.must(err)
		return len(described.PendingActivities) > 0 && described.PendingActivities[0].LastHeartbeatTime != nil
	})
	kill()
	stop := p.workerOn(p.workers, other, worker.Options{}, func(r worker.Registry) {
		r.RegisterActivityWithOptions(Outlives, activity.RegisterOptions{Name: "Outlives"})
	})
	defer stop()
	p.check(result[string](p, run) == "attempt 2", "another attempt")
}

func Test_describe_pending(t *testing.T) {
	p := newPlace(t)
	p.all()
	run := p.start(Waiting)
	p.eventually("the second attempt has failed", func() bool {
		described, err := p.client.DescribeWorkflowExecution(p.ctx, run.GetID(), "")
		p.must(err)
		if len(described.PendingActivities) == 0 || described.PendingActivities[0].Attempt != 3 || len(described.PendingChildren) == 0 {
			return false
		}
		pending, child := described.PendingActivities[0], described.PendingChildren[0]
		p.check(pending.ActivityId == "mine" && pending.ActivityType.Name == "NeverWorks", "%v", pending)
		p.check(pending.State == enums.PENDING_ACTIVITY_STATE_SCHEDULED, "%v", pending.State)
		p.check(pending.LastFailure.GetApplicationFailureInfo().GetType() == "Broken", "%v", pending.LastFailure)
		p.check(child.WorkflowId == run.GetID()+"/child" && child.WorkflowTypeName == "Sleeper", "%v", child)
		return true
	})
	p.must(p.client.TerminateWorkflow(p.ctx, run.GetID(), "", ""))
}

func Test_describe_task_queue(t *testing.T) {
	p := newPlace(t)
	p.worker(worker.Options{Identity: "describer"}, registerAll)
	for _, kind := range []enums.TaskQueueType{enums.TASK_QUEUE_TYPE_WORKFLOW, enums.TASK_QUEUE_TYPE_ACTIVITY} {
		p.eventually("the worker is listed", func() bool {
			answer, err := p.client.DescribeTaskQueue(p.ctx, p.queue, kind)
			p.must(err)
			return len(answer.Pollers) == 1 && answer.Pollers[0].Identity == "describer"
		})
	}
}

// A worker ends in order while a workflow waits; the next one goes on where it was.
func Test_worker_shutdown(t *testing.T) {
	p := newPlace(t)
	stop := p.all()
	run := p.start(Collects, 2)
	p.signal(run, "value", 1)
	p.event(run, enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
	begin := time.Now()
	stop()
	p.check(time.Since(begin) < 10*time.Second, "it took %v", time.Since(begin))
	p.all()
	p.signal(run, "value", 2)
	p.check(len(result[[]int](p, run)) == 2, "a signal is lost")
}
