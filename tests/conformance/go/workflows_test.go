// The workflows and activities that several tests use.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

func registerAll(r worker.Registry) {
	for _, w := range []any{Hello, Echo, Fails, Collects, Counts, FailsTwice, GoesOn, Sleeper, Signals, Cancels, TidiesUp,
		TwoSteps, Parent, Child, CancelsChild, LeavesChildren, CountsDown, ParentOfChain, WantsTakenID, Carries, Grows,
		SeveralTasks, Remembers, Busy, Timers, ClosesAtOnce, Notes, Paints, Adds, Account, Calls, CancelsActivity,
		CallsMany, Waiting, TellsPriority} {
		r.RegisterWorkflow(w)
	}
	for _, a := range []any{Greet, Tidy, Numbered, CountCalls, Hold, ThirdTime, Refuses, AlwaysFails, Sleeps, SlowAtFirst,
		BeatsOnce, Beats, HandedOver, AsksForDelay, NeverWorks, Outlives} {
		r.RegisterActivity(a)
	}
}

func short(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second})
}

func Greet(name string) (string, error) { return "Hello, " + name + "!", nil }

func Hello(ctx workflow.Context, name string) (greeting string, err error) {
	err = workflow.ExecuteActivity(short(ctx), Greet, name).Get(ctx, &greeting)
	return greeting, err
}

func Echo(_ workflow.Context, value string) (string, error) { return value, nil }

func Fails(workflow.Context) error { return temporal.NewApplicationError("on purpose", "Fails") }

// Completes with the values of its signals when there are as many as wanted.
func Collects(ctx workflow.Context, wanted int) ([]int, error) {
	values := []int{}
	for len(values) < wanted {
		var value int
		workflow.GetSignalChannel(ctx, "value").Receive(ctx, &value)
		values = append(values, value)
	}
	return values, nil
}

func Counts(ctx workflow.Context) (int, error) {
	last := 0
	if workflow.HasLastCompletionResult(ctx) {
		if err := workflow.GetLastCompletionResult(ctx, &last); err != nil {
			return 0, err
		}
	}
	return last + 1, nil
}

func FailsTwice(ctx workflow.Context) (int32, error) {
	if attempt := workflow.GetInfo(ctx).Attempt; attempt >= 3 {
		return attempt, nil
	}
	return 0, errors.New("not yet")
}

func GoesOn(ctx workflow.Context) error {
	if err := workflow.Sleep(ctx, 500*time.Millisecond); err != nil {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, GoesOn)
}

func Sleeper(ctx workflow.Context) error { return workflow.Sleep(ctx, time.Hour) }

func TellsPriority(ctx workflow.Context) (int, error) {
	return workflow.GetInfo(ctx).Priority.PriorityKey, nil
}

func Signals(ctx workflow.Context, target string, value int) error {
	return workflow.SignalExternalWorkflow(ctx, target, "", "value", value).Get(ctx, nil)
}

func Cancels(ctx workflow.Context, target string) error {
	return workflow.RequestCancelExternalWorkflow(ctx, target, "").Get(ctx, nil)
}

func Tidy() error { return nil }

func TidiesUp(ctx workflow.Context) error {
	err := workflow.Sleep(ctx, time.Hour)
	shielded, _ := workflow.NewDisconnectedContext(short(ctx))
	if tidied := workflow.ExecuteActivity(shielded, Tidy).Get(shielded, nil); tidied != nil {
		return tidied
	}
	return err
}

var calls sync.Map

func called(key string) int {
	counter, _ := calls.LoadOrStore(key, new(atomic.Int64))
	return int(counter.(*atomic.Int64).Add(1))
}

// How often it has been called for this workflow.
func Numbered(ctx context.Context, which string) (int, error) {
	return called(activity.GetInfo(ctx).WorkflowExecution.ID + which), nil
}

func CountCalls(ctx context.Context, key string) (int, error) { return called(key), nil }

func TwoSteps(ctx workflow.Context, wanted int) ([]string, error) {
	results := []string{}
	for _, step := range []string{"first", "second"} {
		var number int
		if err := workflow.ExecuteActivity(short(ctx), Numbered, step).Get(ctx, &number); err != nil {
			return nil, err
		}
		results = append(results, fmt.Sprint(number))
	}
	for len(results) < 2+wanted {
		var note string
		workflow.GetSignalChannel(ctx, "note").Receive(ctx, &note)
		results = append(results, note)
	}
	return results, nil
}

func Child(ctx workflow.Context, word string) (string, error) {
	if word == "fail" {
		return "", temporal.NewApplicationError("the child failed", "Broken")
	}
	return "child of " + workflow.GetInfo(ctx).ParentWorkflowExecution.ID + ": " + word, nil
}

func asChild(ctx workflow.Context, suffix string) workflow.Context {
	return workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: workflow.GetInfo(ctx).WorkflowExecution.ID + "/" + suffix, WaitForCancellation: true})
}

func Parent(ctx workflow.Context, word string) (answer string, err error) {
	err = workflow.ExecuteChildWorkflow(asChild(ctx, "child"), Child, word).Get(ctx, &answer)
	return answer, err
}

func CancelsChild(ctx workflow.Context) error {
	return workflow.ExecuteChildWorkflow(asChild(ctx, "child"), Sleeper).Get(ctx, nil)
}

var policies = map[string]enums.ParentClosePolicy{
	"terminate": enums.PARENT_CLOSE_POLICY_TERMINATE,
	"cancel":    enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL,
	"abandon":   enums.PARENT_CLOSE_POLICY_ABANDON,
}

func LeavesChildren(ctx workflow.Context) error {
	for _, name := range []string{"terminate", "cancel", "abandon"} {
		options := workflow.GetChildWorkflowOptions(asChild(ctx, name))
		options.ParentClosePolicy = policies[name]
		child := workflow.WithChildOptions(ctx, options)
		if err := workflow.ExecuteChildWorkflow(child, Sleeper).GetChildWorkflowExecution().Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

func CountsDown(ctx workflow.Context, number int) (string, error) {
	if number > 0 {
		return "", workflow.NewContinueAsNewError(ctx, CountsDown, number-1)
	}
	return "at the end of the chain", nil
}

func ParentOfChain(ctx workflow.Context) (answer string, err error) {
	err = workflow.ExecuteChildWorkflow(asChild(ctx, "child"), CountsDown, 3).Get(ctx, &answer)
	return answer, err
}

func WantsTakenID(ctx workflow.Context, taken string) (string, error) {
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: taken})
	err := workflow.ExecuteChildWorkflow(child, Sleeper).GetChildWorkflowExecution().Get(ctx, nil)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return "taken", nil
	}
	return "started", err
}

func Carries(ctx workflow.Context, number int) error {
	if number > 0 {
		return workflow.NewContinueAsNewError(ctx, Carries, number-1)
	}
	return nil
}

// Goes on until the server says that its history is long.
func Grows(ctx workflow.Context, runs int) error {
	for runs == 0 && !workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
		workflow.GetSignalChannel(ctx, "note").Receive(ctx, nil)
	}
	for workflow.GetSignalChannel(ctx, "note").ReceiveAsync(nil) {
	}
	if runs == 0 {
		return workflow.NewContinueAsNewError(ctx, Grows, 1)
	}
	return nil
}

func SeveralTasks(ctx workflow.Context) (int, error) {
	total := 0
	for number := range 4 {
		if err := workflow.Sleep(ctx, 10*time.Millisecond); err != nil {
			return 0, err
		}
		total += number
	}
	return total, nil
}

func local(ctx workflow.Context) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{ScheduleToCloseTimeout: 10 * time.Second})
}

func Remembers(ctx workflow.Context) ([]int, error) {
	key := workflow.GetInfo(ctx).WorkflowExecution.ID
	results := make([]int, 4)
	for i := range 2 {
		if err := workflow.ExecuteLocalActivity(local(ctx), CountCalls, key).Get(ctx, &results[2*i]); err != nil {
			return nil, err
		}
		effect := workflow.SideEffect(ctx, func(workflow.Context) any { return called(key + " side") })
		if err := effect.Get(&results[2*i+1]); err != nil {
			return nil, err
		}
		if err := workflow.Sleep(ctx, 10*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// Some of everything.
func Busy(ctx workflow.Context) error {
	if err := workflow.ExecuteActivity(short(ctx), Greet, "you").Get(ctx, nil); err != nil {
		return err
	}
	if _, err := Remembers(ctx); err != nil {
		return err
	}
	if err := workflow.ExecuteChildWorkflow(asChild(ctx, "child"), Child, "busy").Get(ctx, nil); err != nil {
		return err
	}
	var timers []workflow.Future
	for number := range 5 {
		timers = append(timers, workflow.NewTimer(ctx, time.Duration(number)*10*time.Millisecond))
	}
	for _, timer := range timers {
		if err := timer.Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

func Timers(ctx workflow.Context) (time.Duration, error) {
	begin := workflow.Now(ctx)
	other, cancel := workflow.WithCancel(ctx)
	workflow.NewTimer(other, time.Hour)
	if err := workflow.Sleep(ctx, 700*time.Millisecond); err != nil {
		return 0, err
	}
	cancel()
	return workflow.Now(ctx).Sub(begin), nil
}

var signalSent sync.Map

// Holds the workflow task in which it runs as a local activity, until the test has sent its signal.
func Hold(ctx context.Context) error {
	sent, _ := signalSent.Load(activity.GetInfo(ctx).WorkflowExecution.ID)
	select {
	case <-sent.(chan struct{}):
	case <-time.After(8 * time.Second):
	}
	return nil
}

func ClosesAtOnce(ctx workflow.Context) (values []int, err error) {
	if err = workflow.ExecuteLocalActivity(local(ctx), Hold).Get(ctx, nil); err != nil {
		return nil, err
	}
	var value int
	for workflow.GetSignalChannel(ctx, "value").ReceiveAsync(&value) {
		values = append(values, value)
	}
	return values, nil
}

func Notes(ctx workflow.Context) error {
	if err := workflow.UpsertMemo(ctx, map[string]any{"kept": "changed", "new": 2, "dropped": nil}); err != nil {
		return err
	}
	return workflow.Sleep(ctx, 10*time.Millisecond)
}

func Paints(ctx workflow.Context) error {
	if err := workflow.UpsertTypedSearchAttributes(ctx, keyword.ValueSet("red")); err != nil {
		return err
	}
	return workflow.Sleep(ctx, 10*time.Millisecond)
}

// Adds its signals up, until there is a zero.
func Adds(ctx workflow.Context) (int, error) {
	total := 0
	if err := workflow.SetQueryHandler(ctx, "so_far", func() (int, error) { return total, nil }); err != nil {
		return 0, err
	}
	for {
		var number int
		workflow.GetSignalChannel(ctx, "add").Receive(ctx, &number)
		if number == 0 {
			return total, nil
		}
		total += number
	}
}

func Account(ctx workflow.Context) (int, error) {
	balance, handled, released := 0, 0, false
	add := func(_ workflow.Context, amount int) (int, error) {
		balance += amount
		handled++
		return balance, nil
	}
	positive := func(amount int) error {
		if amount <= 0 {
			return fmt.Errorf("%d is not positive", amount)
		}
		return nil
	}
	err := workflow.SetUpdateHandlerWithOptions(ctx, "add", add, workflow.UpdateHandlerOptions{Validator: positive})
	if err != nil {
		return 0, err
	}
	_ = workflow.SetUpdateHandler(ctx, "slow", func(ctx workflow.Context, amount int) (int, error) {
		err := workflow.Await(ctx, func() bool { return released })
		balance += amount
		return balance, err
	})
	_ = workflow.SetUpdateHandlerWithOptions(ctx, "never", func(ctx workflow.Context) error {
		return workflow.Await(ctx, func() bool { return false })
	}, workflow.UpdateHandlerOptions{UnfinishedPolicy: workflow.HandlerUnfinishedPolicyAbandon})
	_ = workflow.SetUpdateHandler(ctx, "fail", func(ctx workflow.Context) error {
		if err := workflow.Sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
		return temporal.NewApplicationError("no account", "NoAccount", "more")
	})
	_ = workflow.SetQueryHandler(ctx, "times", func() (int, error) { return handled, nil })
	workflow.Go(ctx, func(ctx workflow.Context) {
		workflow.GetSignalChannel(ctx, "release").Receive(ctx, nil)
		released = true
	})
	workflow.GetSignalChannel(ctx, "close").Receive(ctx, nil)
	return balance, nil
}

// How Calls calls its activity.
type call struct {
	Options  workflow.ActivityOptions
	Attempts int32
	Never    []string
}

func Calls(ctx workflow.Context, name string, how call, args []any) (any, error) {
	how.Options.RetryPolicy = &temporal.RetryPolicy{InitialInterval: 50 * time.Millisecond, BackoffCoefficient: 1,
		MaximumAttempts: how.Attempts, NonRetryableErrorTypes: how.Never}
	how.Options.WaitForCancellation = true
	if how.Options.StartToCloseTimeout == 0 && how.Options.ScheduleToCloseTimeout == 0 {
		how.Options.StartToCloseTimeout = 20 * time.Second
	}
	var value any
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, how.Options), name, args...).Get(ctx, &value)
	return value, err
}

func ThirdTime(ctx context.Context) (int32, error) {
	if attempt := activity.GetInfo(ctx).Attempt; attempt >= 3 {
		return attempt, nil
	}
	return 0, errors.New("not yet")
}

func Refuses(ctx context.Context, flag bool) error {
	message := fmt.Sprintf("attempt %d", activity.GetInfo(ctx).Attempt)
	if flag {
		return temporal.NewNonRetryableApplicationError(message, "Refused", nil)
	}
	return temporal.NewApplicationError(message, "Refused")
}

func AlwaysFails(ctx context.Context) error {
	root := temporal.NewApplicationError("the root of it", "Root")
	return temporal.NewApplicationErrorWithCause(fmt.Sprintf("attempt %d", activity.GetInfo(ctx).Attempt), "Outer", root)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-activity.GetWorkerStopChannel(ctx):
		return errors.New("the worker stops")
	case <-time.After(d):
		return nil
	}
}

func Sleeps(ctx context.Context) error { return sleep(ctx, 30*time.Second) }

func SlowAtFirst(ctx context.Context) (int32, error) {
	if activity.GetInfo(ctx).Attempt == 1 {
		return 0, sleep(ctx, 30*time.Second)
	}
	return activity.GetInfo(ctx).Attempt, nil
}

func BeatsOnce(ctx context.Context) (string, error) {
	if activity.GetInfo(ctx).Attempt == 1 {
		activity.RecordHeartbeat(ctx, "as far as 42")
		return "", sleep(ctx, 30*time.Second)
	}
	var details string
	err := activity.GetHeartbeatDetails(ctx, &details)
	return details, err
}

func Beats(ctx context.Context) error {
	for ctx.Err() == nil {
		activity.RecordHeartbeat(ctx)
		_ = sleep(ctx, 100*time.Millisecond)
	}
	return ctx.Err()
}

func CancelsActivity(ctx workflow.Context) (string, error) {
	inner, cancel := workflow.WithCancel(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 20 * time.Second, HeartbeatTimeout: 5 * time.Second, WaitForCancellation: true}))
	running := workflow.ExecuteActivity(inner, Beats)
	if err := workflow.Sleep(ctx, 300*time.Millisecond); err != nil {
		return "", err
	}
	cancel()
	if err := running.Get(ctx, nil); temporal.IsCanceledError(err) {
		return "cancelled", nil
	}
	return "completed", nil
}

var tokens sync.Map

func HandedOver(ctx context.Context) (string, error) {
	tokens.Store(activity.GetInfo(ctx).WorkflowExecution.ID, activity.GetInfo(ctx).TaskToken)
	return "", activity.ErrResultPending
}

func AsksForDelay(ctx context.Context) (int32, error) {
	if attempt := activity.GetInfo(ctx).Attempt; attempt > 1 {
		return attempt, nil
	}
	return 0, temporal.NewApplicationErrorWithOptions("later", "Later",
		temporal.ApplicationErrorOptions{NextRetryDelay: 1500 * time.Millisecond})
}

func CallsMany(ctx workflow.Context, number int) (int, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 20 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 50 * time.Millisecond}})
	var running []workflow.Future
	for range number {
		running = append(running, workflow.ExecuteActivity(ctx, ThirdTime))
	}
	sum := 0
	for _, future := range running {
		var value int
		if err := future.Get(ctx, &value); err != nil {
			return 0, err
		}
		sum += value
	}
	return sum, nil
}

func NeverWorks() error { return temporal.NewApplicationError("it is broken", "Broken") }

func Waiting(ctx workflow.Context) error {
	workflow.ExecuteChildWorkflow(asChild(ctx, "child"), Sleeper)
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{ActivityID: "mine", StartToCloseTimeout: 10 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, BackoffCoefficient: 10}})
	return workflow.ExecuteActivity(ctx, NeverWorks).Get(ctx, nil)
}

// Hangs in the first attempt, whose worker the test kills.
func Outlives(ctx context.Context) (string, error) {
	attempt := activity.GetInfo(ctx).Attempt
	for range 300 {
		activity.RecordHeartbeat(ctx)
		if attempt > 1 {
			break
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("attempt %d", attempt), nil
}
