// Package environment starts Perdure as the local server of the SDK's test environment; run by
// tests/conformance/environment.
package environment

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

func greet(_ context.Context, name string) (string, error) {
	return "Hello, " + name + "!", nil
}

func hello(ctx workflow.Context, name string) (result string, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second})
	err = workflow.ExecuteActivity(ctx, greet, name).Get(ctx, &result)
	return result, err
}

func greets(t *testing.T, options testsuite.DevServerOptions) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err := testsuite.StartDevServer(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	w := worker.New(server.Client(), "q", worker.Options{})
	w.RegisterWorkflow(hello)
	w.RegisterActivity(greet)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	run, err := server.Client().ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "w", TaskQueue: "q"}, hello, "local")
	if err != nil {
		t.Fatal(err)
	}
	var result string
	if err := run.Get(ctx, &result); err != nil || result != "Hello, local!" {
		t.Fatalf("%q, %v", result, err)
	}
}

var quiet = &client.Options{Logger: log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))}

func TestAWorkflowRunsInALocalEnvironment(t *testing.T) {
	greets(t, testsuite.DevServerOptions{ClientOptions: quiet})
}

func TestWithTheOptionsThatTestsUse(t *testing.T) {
	mine := *quiet
	mine.Namespace = "mine"
	greets(t, testsuite.DevServerOptions{
		ClientOptions: &mine, EnableUI: true, DBFilename: t.TempDir() + "/kept.db", LogFormat: "json", LogLevel: "warn",
		ExtraArgs: []string{"--dynamic-config-value", "history.MaxBufferedQueryCount=10000"},
	})
}
