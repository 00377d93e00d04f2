// What every test needs: connections, names of its own, workers, waiting for conditions, histories.
package conformance

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	enums "go.temporal.io/api/enums/v1"
	history "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
)

var quiet = log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))

// Several frontends: clients talk to the first, workers to the last.
func addresses() []string {
	for _, name := range []string{"PERDURE_ADDRESSES", "PERDURE_ADDRESS"} {
		if value := os.Getenv(name); value != "" {
			return strings.Split(value, ",")
		}
	}
	return []string{"127.0.0.1:7233"}
}

func namespace() string {
	if value := os.Getenv("PERDURE_NAMESPACE"); value != "" {
		return value
	}
	return "default"
}

// A task queue of its own with the name of the test, and clients.
type place struct {
	*testing.T
	ctx     context.Context
	client  client.Client
	workers client.Client
	queue   string
}

func newPlace(t *testing.T) *place {
	t.Helper()
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	t.Cleanup(cancel)
	random := make([]byte, 6)
	_, _ = rand.Read(random)
	p := &place{T: t, ctx: ctx, queue: strings.TrimPrefix(t.Name(), "Test_") + "-" + hex.EncodeToString(random)}
	p.client = p.connect(addresses()[0])
	p.workers = p.connect(addresses()[len(addresses())-1])
	return p
}

func (p *place) connect(address string, interceptors ...interceptor.ClientInterceptor) client.Client {
	p.Helper()
	c, err := client.Dial(client.Options{HostPort: address, Namespace: namespace(), Logger: quiet, Interceptors: interceptors})
	p.must(err)
	p.Cleanup(c.Close)
	return c
}

func (p *place) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatalf("%T: %v", err, err)
	}
}

func (p *place) check(ok bool, format string, args ...any) {
	p.Helper()
	if !ok {
		p.Fatalf(format, args...)
	}
}

// A worker with these workflows and activities, which runs until the function that it returns.
func (p *place) worker(options worker.Options, register func(worker.Registry)) (stop func()) {
	return p.workerOn(p.workers, p.queue, options, register)
}

func (p *place) workerOn(c client.Client, queue string, options worker.Options, register func(worker.Registry)) (stop func()) {
	p.Helper()
	w := worker.New(c, queue, options)
	register(w)
	p.must(w.Start())
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			w.Stop()
		}
	}
	p.Cleanup(stop)
	return stop
}

func (p *place) all() (stop func()) { return p.worker(worker.Options{}, registerAll) }

func (p *place) options() client.StartWorkflowOptions {
	random := make([]byte, 4)
	_, _ = rand.Read(random)
	return client.StartWorkflowOptions{ID: p.queue + "-" + hex.EncodeToString(random), TaskQueue: p.queue}
}

func (p *place) start(workflow any, args ...any) client.WorkflowRun {
	p.Helper()
	return p.startWith(p.options(), workflow, args...)
}

func (p *place) startWith(options client.StartWorkflowOptions, workflow any, args ...any) client.WorkflowRun {
	p.Helper()
	run, err := p.client.ExecuteWorkflow(p.ctx, options, workflow, args...)
	p.must(err)
	return run
}

func result[T any](p *place, run client.WorkflowRun) T {
	p.Helper()
	var value T
	p.must(run.Get(p.ctx, &value))
	return value
}

func query[T any](p *place, run client.WorkflowRun, name string, args ...any) T {
	p.Helper()
	answer, err := p.client.QueryWorkflow(p.ctx, run.GetID(), "", name, args...)
	p.must(err)
	var value T
	p.must(answer.Get(&value))
	return value
}

func (p *place) signal(run client.WorkflowRun, name string, arg any) {
	p.Helper()
	p.must(p.client.SignalWorkflow(p.ctx, run.GetID(), "", name, arg))
}

// The failure of a workflow or of a call as the kind that is wanted.
func failure[T error](p *place, err error) T {
	p.Helper()
	var kind T
	if !errors.As(err, &kind) {
		p.Fatalf("not %T but %T: %v", kind, err, err)
	}
	return kind
}

func (p *place) notFound(err error) {
	p.Helper()
	failure[*serviceerror.NotFound](p, err)
}

func (p *place) eventually(what string, condition func() bool) {
	p.Helper()
	for end := time.Now().Add(60 * time.Second); !condition(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			p.Fatalf("not in time: %s", what)
		}
	}
}

func (p *place) events(id, run string) []*history.HistoryEvent {
	p.Helper()
	var events []*history.HistoryEvent
	for pages := p.client.GetWorkflowHistory(p.ctx, id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); pages.HasNext(); {
		event, err := pages.Next()
		p.must(err)
		events = append(events, event)
	}
	return events
}

func (p *place) types(run client.WorkflowRun) []enums.EventType {
	p.Helper()
	var types []enums.EventType
	for _, event := range p.events(run.GetID(), run.GetRunID()) {
		types = append(types, event.EventType)
	}
	return types
}

func (p *place) count(run client.WorkflowRun, kind enums.EventType) int {
	p.Helper()
	n := 0
	for _, t := range p.types(run) {
		if t == kind {
			n++
		}
	}
	return n
}

// The first event of the kind, waiting for it.
func (p *place) event(run client.WorkflowRun, kind enums.EventType) *history.HistoryEvent {
	p.Helper()
	var found *history.HistoryEvent
	p.eventually(kind.String(), func() bool {
		events := p.events(run.GetID(), run.GetRunID())
		i := slices.IndexFunc(events, func(e *history.HistoryEvent) bool { return e.EventType == kind })
		if i >= 0 {
			found = events[i]
		}
		return i >= 0
	})
	return found
}

func (p *place) status(id, run string) enums.WorkflowExecutionStatus {
	p.Helper()
	described, err := p.client.DescribeWorkflowExecution(p.ctx, id, run)
	p.must(err)
	return described.WorkflowExecutionInfo.Status
}

func (p *place) becomes(id, run string, status enums.WorkflowExecutionStatus) {
	p.Helper()
	p.eventually(id+" is "+status.String(), func() bool { return p.status(id, run) == status })
}

func application(p *place, err error) *temporal.ApplicationError {
	p.Helper()
	return failure[*temporal.ApplicationError](p, err)
}
