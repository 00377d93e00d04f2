// Starting workflows: ids, policies, what a start may carry.
package conformance

import (
	"context"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

func Test_start_hello(t *testing.T) {
	p := newPlace(t)
	p.all()
	p.check(result[string](p, p.start(Hello, "Go")) == "Hello, Go!", "another greeting")
}

func Test_start_returns_run_id(t *testing.T) {
	p := newPlace(t)
	run := p.start(Collects, 1)
	described, err := p.client.DescribeWorkflowExecution(p.ctx, run.GetID(), "")
	p.must(err)
	p.check(run.GetRunID() != "" && described.WorkflowExecutionInfo.Execution.RunId == run.GetRunID(), "another run id")
}

func Test_start_id_in_use_is_refused(t *testing.T) {
	p := newPlace(t)
	options := p.options()
	options.WorkflowExecutionErrorWhenAlreadyStarted = true
	run := p.startWith(options, Collects, 1)
	_, err := p.client.ExecuteWorkflow(p.ctx, options, Collects, 1)
	p.check(failure[*serviceerror.WorkflowExecutionAlreadyStarted](p, err).RunId == run.GetRunID(), "another run id")
}

func Test_start_conflict_use_existing(t *testing.T) {
	p := newPlace(t)
	options := p.options()
	first := p.startWith(options, Collects, 1)
	options.WorkflowIDConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
	options.WorkflowExecutionErrorWhenAlreadyStarted = true
	second := p.startWith(options, Collects, 1)
	p.check(first.GetRunID() == second.GetRunID(), "two runs")
	p.all()
	p.signal(second, "value", 1)
	p.check(len(result[[]int](p, first)) == 1, "no value")
}

func Test_start_conflict_terminate_existing(t *testing.T) {
	p := newPlace(t)
	options := p.options()
	first := p.startWith(options, Collects, 1)
	options.WorkflowIDConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
	second := p.startWith(options, Collects, 1)
	p.check(first.GetRunID() != second.GetRunID(), "one run")
	failure[*temporal.TerminatedError](p, first.Get(p.ctx, nil))
	p.all()
	p.signal(second, "value", 1)
	p.must(second.Get(p.ctx, nil))
}

func Test_start_reuse_allow_duplicate(t *testing.T) {
	p := newPlace(t)
	p.all()
	options := p.options()
	options.WorkflowIDReusePolicy = enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	first := p.startWith(options, Echo, "1")
	p.must(first.Get(p.ctx, nil))
	second := p.startWith(options, Echo, "2")
	p.check(result[string](p, second) == "2" && first.GetRunID() != second.GetRunID(), "the same run")
}

func (p *place) alreadyStarted(options client.StartWorkflowOptions) {
	p.Helper()
	options.WorkflowExecutionErrorWhenAlreadyStarted = true
	_, err := p.client.ExecuteWorkflow(p.ctx, options, Echo, "again")
	failure[*serviceerror.WorkflowExecutionAlreadyStarted](p, err)
}

func Test_start_reuse_failed_only(t *testing.T) {
	p := newPlace(t)
	p.all()
	options := p.options()
	application(p, p.startWith(options, Fails).Get(p.ctx, nil))
	options.WorkflowIDReusePolicy = enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
	p.must(p.startWith(options, Echo, "x").Get(p.ctx, nil))
	p.alreadyStarted(options)
}

func Test_start_reuse_reject_duplicate(t *testing.T) {
	p := newPlace(t)
	p.all()
	options := p.options()
	application(p, p.startWith(options, Fails).Get(p.ctx, nil))
	options.WorkflowIDReusePolicy = enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
	p.alreadyStarted(options)
}

func Test_start_delay(t *testing.T) {
	p := newPlace(t)
	p.all()
	options := p.options()
	options.StartDelay = 1500 * time.Millisecond
	run := p.startWith(options, Echo, "late")
	p.must(run.Get(p.ctx, nil))
	events := p.events(run.GetID(), run.GetRunID())
	waited := events[1].EventTime.AsTime().Sub(events[0].EventTime.AsTime())
	p.check(waited >= 1400*time.Millisecond && waited < 8*time.Second, "the first task came after %v", waited)
}

func Test_start_cron(t *testing.T) {
	p := newPlace(t)
	p.all()
	options := p.options()
	options.CronSchedule = "@every 1s"
	run := p.startWith(options, Counts)
	p.eventually("a run that sees the result of the second", func() bool {
		started := p.events(run.GetID(), "")[0].GetWorkflowExecutionStartedEventAttributes()
		var last int
		if payloads := started.LastCompletionResult.GetPayloads(); len(payloads) > 0 {
			p.must(converter.GetDefaultDataConverter().FromPayload(payloads[0], &last))
		}
		return last >= 2
	})
	p.must(p.client.TerminateWorkflow(p.ctx, run.GetID(), "", "enough"))
	p.check(p.status(run.GetID(), "") == enums.WORKFLOW_EXECUTION_STATUS_TERMINATED, "the chain goes on")
	failure[*temporal.TerminatedError](p, p.client.GetWorkflow(p.ctx, run.GetID(), "").Get(p.ctx, nil))
}

func Test_start_retry(t *testing.T) {
	p := newPlace(t)
	p.all()
	options := p.options()
	options.RetryPolicy = &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumAttempts: 5}
	p.check(result[int](p, p.startWith(options, FailsTwice)) == 3, "not the third attempt")
	options = p.options()
	options.RetryPolicy = &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumAttempts: 2}
	run := p.startWith(options, Fails)
	p.check(application(p, run.Get(p.ctx, nil)).Message() == "on purpose", "another failure")
	started := p.events(run.GetID(), "")[0].GetWorkflowExecutionStartedEventAttributes()
	p.check(started.Attempt == 2, "attempt %d", started.Attempt)
}

func (p *place) memo(id string) map[string]any {
	p.Helper()
	described, err := p.client.DescribeWorkflowExecution(p.ctx, id, "")
	p.must(err)
	memo := map[string]any{}
	for name, payload := range described.WorkflowExecutionInfo.Memo.GetFields() {
		var value any
		p.must(converter.GetDefaultDataConverter().FromPayload(payload, &value))
		memo[name] = value
	}
	return memo
}

func Test_start_memo(t *testing.T) {
	p := newPlace(t)
	options := p.options()
	options.Memo = map[string]any{"note": "from the start", "size": 3}
	p.startWith(options, Collects, 1)
	memo := p.memo(options.ID)
	p.check(memo["note"] == "from the start" && memo["size"] == 3.0, "memo %v", memo)
}

var keyword = temporal.NewSearchAttributeKeyKeyword("ConformanceKeyword")
var number = temporal.NewSearchAttributeKeyInt64("ConformanceInt")

// Starts with search attributes, which are registered first; a server may take a moment to see them.
func (p *place) startPainted(options client.StartWorkflowOptions, workflow any, args ...any) client.WorkflowRun {
	p.Helper()
	return p.startPaintedAs(options, "blue", 7, workflow, args...)
}

func (p *place) startPaintedAs(options client.StartWorkflowOptions, color string, size int64, workflow any, args ...any) (run client.WorkflowRun) {
	p.Helper()
	_, err := p.client.OperatorService().AddSearchAttributes(p.ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace(),
		SearchAttributes: map[string]enums.IndexedValueType{
			keyword.GetName(): enums.INDEXED_VALUE_TYPE_KEYWORD, number.GetName(): enums.INDEXED_VALUE_TYPE_INT},
	})
	p.check(err == nil || strings.Contains(err.Error(), "already exist"), "%v", err)
	options.TypedSearchAttributes = temporal.NewSearchAttributes(keyword.ValueSet(color), number.ValueSet(size))
	p.eventually("the attributes are known", func() bool {
		run, err = p.client.ExecuteWorkflow(p.ctx, options, workflow, args...)
		p.check(err == nil || strings.Contains(err.Error(), "not defined") || strings.Contains(err.Error(), "no mapping"), "%v", err)
		return err == nil
	})
	return run
}

func (p *place) painted(run client.WorkflowRun) string {
	p.Helper()
	described, err := p.client.DescribeWorkflow(p.ctx, run.GetID(), "")
	p.must(err)
	value, _ := described.TypedSearchAttributes.GetKeyword(keyword)
	return value
}

func Test_start_search_attributes(t *testing.T) {
	p := newPlace(t)
	run := p.startPainted(p.options(), Collects, 1)
	described, err := p.client.DescribeWorkflow(p.ctx, run.GetID(), "")
	p.must(err)
	color, _ := described.TypedSearchAttributes.GetKeyword(keyword)
	seven, _ := described.TypedSearchAttributes.GetInt64(number)
	p.check(color == "blue" && seven == 7, "%q, %d", color, seven)
}

type tenantKey struct{}

// Carries the tenant from the client's context to the workflow's.
type tenantPropagator struct{}

func (tenantPropagator) Inject(ctx context.Context, to workflow.HeaderWriter) error {
	if tenant, ok := ctx.Value(tenantKey{}).(string); ok {
		to.Set("tenant", &commonpb.Payload{Data: []byte(tenant)})
	}
	return nil
}

func (tenantPropagator) InjectFromWorkflow(workflow.Context, workflow.HeaderWriter) error { return nil }

func (tenantPropagator) Extract(ctx context.Context, _ workflow.HeaderReader) (context.Context, error) {
	return ctx, nil
}

func (tenantPropagator) ExtractToWorkflow(ctx workflow.Context, from workflow.HeaderReader) (workflow.Context, error) {
	if tenant, ok := from.Get("tenant"); ok {
		ctx = workflow.WithValue(ctx, tenantKey{}, string(tenant.Data))
	}
	return ctx, nil
}

func Test_start_header(t *testing.T) {
	p := newPlace(t)
	c, err := client.Dial(client.Options{HostPort: addresses()[0], Namespace: namespace(), Logger: quiet,
		ContextPropagators: []workflow.ContextPropagator{tenantPropagator{}}})
	p.must(err)
	defer c.Close()
	stop := p.workerOn(c, p.queue, worker.Options{}, func(r worker.Registry) {
		r.RegisterWorkflowWithOptions(func(ctx workflow.Context) (string, error) {
			tenant, _ := ctx.Value(tenantKey{}).(string)
			return tenant, nil
		}, workflow.RegisterOptions{Name: "TellsTenant"})
	})
	defer stop()
	run, err := c.ExecuteWorkflow(context.WithValue(p.ctx, tenantKey{}, "acme"), p.options(), "TellsTenant")
	p.must(err)
	p.check(result[string](p, run) == "acme", "another tenant")
}

func Test_start_summary_and_details(t *testing.T) {
	p := newPlace(t)
	options := p.options()
	options.StaticSummary, options.StaticDetails = "A *short* line", "Two\nlines"
	run := p.startWith(options, Collects, 1)
	described, err := p.client.DescribeWorkflow(p.ctx, run.GetID(), "")
	p.must(err)
	summary, err := described.GetStaticSummary()
	p.must(err)
	details, err := described.GetStaticDetails()
	p.must(err)
	p.check(summary == options.StaticSummary && details == options.StaticDetails, "%q, %q", summary, details)
}

func Test_start_priority(t *testing.T) {
	p := newPlace(t)
	p.all()
	options := p.options()
	options.Priority.PriorityKey = 2
	run := p.startWith(options, TellsPriority)
	p.check(result[int](p, run) == 2, "the workflow sees another priority")
	described, err := p.client.DescribeWorkflowExecution(p.ctx, run.GetID(), "")
	p.must(err)
	p.check(described.WorkflowExecutionInfo.Priority.GetPriorityKey() == 2, "described with another priority")
}

func Test_start_eager(t *testing.T) {
	p := newPlace(t)
	stop := p.workerOn(p.client, p.queue, worker.Options{}, registerAll)
	defer stop()
	options := p.options()
	options.EnableEagerStart = true
	run := p.startWith(options, Hello, "eager")
	p.check(result[string](p, run) == "Hello, eager!", "another greeting")
	p.check(p.events(run.GetID(), run.GetRunID())[0].GetWorkflowExecutionStartedEventAttributes().EagerExecutionAccepted, "not eager")
}

func Test_start_with_signal(t *testing.T) {
	p := newPlace(t)
	p.all()
	options := p.options()
	first, err := p.client.SignalWithStartWorkflow(p.ctx, options.ID, "value", 1, options, Collects, 2)
	p.must(err)
	second, err := p.client.SignalWithStartWorkflow(p.ctx, options.ID, "value", 2, options, Collects, 2)
	p.must(err)
	p.check(first.GetRunID() == second.GetRunID(), "two runs")
	values := result[[]int](p, first)
	p.check(len(values) == 2 && values[0] == 1 && values[1] == 2, "%v", values)
}

func (p *place) timedOut(err error) {
	p.Helper()
	failure[*temporal.TimeoutError](p, err)
}

func Test_start_run_timeout(t *testing.T) {
	p := newPlace(t)
	p.all()
	options := p.options()
	options.WorkflowRunTimeout = time.Second
	run := p.startWith(options, Collects, 1)
	p.timedOut(run.Get(p.ctx, nil))
	p.check(p.status(run.GetID(), "") == enums.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, "another status")
}

func Test_start_execution_timeout(t *testing.T) {
	p := newPlace(t)
	p.all()
	options := p.options()
	options.WorkflowExecutionTimeout = 2 * time.Second
	run := p.startWith(options, GoesOn)
	first := run.GetRunID()
	p.timedOut(run.Get(p.ctx, nil))
	described, err := p.client.DescribeWorkflowExecution(p.ctx, options.ID, "")
	p.must(err)
	p.check(described.WorkflowExecutionInfo.Execution.RunId != first, "still the first run")
}

func Test_start_large_payload(t *testing.T) {
	p := newPlace(t)
	p.all()
	value := strings.Repeat("x", 1_500_000)
	p.check(result[string](p, p.start(Echo, value)) == value, "another value")
}

func Test_start_unknown_namespace(t *testing.T) {
	p := newPlace(t)
	c, err := client.NewLazyClient(client.Options{HostPort: addresses()[0], Namespace: "no-such-namespace", Logger: quiet})
	p.must(err)
	defer c.Close()
	_, err = c.ExecuteWorkflow(p.ctx, p.options(), Echo, "x")
	failure[*serviceerror.NamespaceNotFound](p, err)
}
