// In which order and how fast a task queue gives its tasks away.
package conformance

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

type noted struct {
	Name     string
	Priority temporal.Priority
}

// All tasks on the queue at once.
func Schedules(ctx workflow.Context, queue string, tasks []noted) error {
	var all []workflow.Future
	for _, task := range tasks {
		options := workflow.ActivityOptions{TaskQueue: queue, StartToCloseTimeout: 30 * time.Second, Priority: task.Priority}
		all = append(all, workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), "note", task.Name))
	}
	for _, one := range all {
		if err := one.Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// What activities have run, in their order.
type notes struct {
	sync.Mutex
	seen []string
}

func (n *notes) note(ctx context.Context, name string) error {
	n.Lock()
	defer n.Unlock()
	n.seen = append(n.seen, name)
	return nil
}

func (n *notes) names() []string {
	n.Lock()
	defer n.Unlock()
	return slices.Clone(n.seen)
}

func (n *notes) register(r worker.Registry) {
	r.RegisterActivityWithOptions(n.note, activity.RegisterOptions{Name: "note"})
}

func (p *place) describeQueue(queue string) *workflowservice.DescribeTaskQueueResponse {
	p.Helper()
	answer, err := p.client.WorkflowService().DescribeTaskQueue(p.ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace: namespace(), TaskQueue: &taskqueue.TaskQueue{Name: queue},
		TaskQueueType: enums.TASK_QUEUE_TYPE_ACTIVITY, ReportStats: true})
	p.must(err)
	return answer
}

func (p *place) schedule(queue string, priority temporal.Priority, tasks []noted) client.WorkflowRun {
	p.worker(worker.Options{}, func(r worker.Registry) { r.RegisterWorkflow(Schedules) })
	options := p.options()
	options.Priority = priority
	run := p.startWith(options, Schedules, queue, tasks)
	return run
}

// The tasks wait before anybody polls; one worker then takes them one by one.
func (p *place) orderOf(priority temporal.Priority, tasks []noted) []string {
	p.Helper()
	queue, n := p.queue+"-noted", &notes{}
	run := p.schedule(queue, priority, tasks)
	p.eventually("all tasks wait", func() bool {
		return p.describeQueue(queue).Stats.GetApproximateBacklogCount() == int64(len(tasks))
	})
	p.workerOn(p.workers, queue, worker.Options{
		MaxConcurrentActivityExecutionSize: 1, MaxConcurrentActivityTaskPollers: 1, DisableWorkflowWorker: true}, n.register)
	p.must(run.Get(p.ctx, nil))
	return n.names()
}

func Test_priority_order(t *testing.T) {
	p := newPlace(t)
	key := func(n int) temporal.Priority { return temporal.Priority{PriorityKey: n} }
	got := p.orderOf(key(2), []noted{{"e", key(5)}, {"d1", key(4)}, {"d2", key(4)}, {"c", key(3)},
		{Name: "as its workflow"}, {"a1", key(1)}, {"a2", key(1)}})
	want := []string{"a1", "a2", "as its workflow", "c", "d1", "d2", "e"}
	p.check(slices.Equal(got, want), "%v", got)
}

func Test_fairness(t *testing.T) {
	p := newPlace(t)
	var tasks []noted
	add := func(n int, key string, weight float32) {
		for range n {
			tasks = append(tasks, noted{key, temporal.Priority{FairnessKey: key, FairnessWeight: weight}})
		}
	}
	add(12, "large", 0)
	add(3, "small", 0)
	add(9, "heavy", 3)
	got := p.orderOf(temporal.Priority{}, tasks)
	p.check(len(got) == 24, "%v", got)
	first := strings.Join(got[:15], " ")
	// 3, 9 and 3, but for a task or two that a change inside the cluster makes a queue tell twice
	p.check(strings.Count(first, "small") >= 2 && strings.Count(first, "heavy") >= 7 && strings.Count(first, "large") <= 5, "%v", got)
}

func Test_task_queue_rate(t *testing.T) {
	p := newPlace(t)
	queue, n := p.queue+"-noted", &notes{}
	run := p.schedule(queue, temporal.Priority{}, []noted{{Name: "a"}, {Name: "b"}, {Name: "c"}})
	stop := p.workerOn(p.workers, queue, worker.Options{TaskQueueActivitiesPerSecond: 0.01, DisableWorkflowWorker: true}, n.register)
	var described *workflowservice.DescribeTaskQueueResponse
	p.eventually("tasks wait for the rate", func() bool {
		described = p.describeQueue(queue)
		return len(n.names()) > 0 && described.Stats.RateLimitingActive
	})
	p.check(described.Stats.ApproximateBacklogCount >= 2, "%v", described.Stats)
	limit := described.EffectiveRateLimit
	p.check(limit.RequestsPerSecond == 0.01 && limit.RateLimitSource == enums.RATE_LIMIT_SOURCE_WORKER, "%v", limit)
	stop()
	p.check(slices.Equal(n.names(), []string{"a"}), "%v", n.names())
	p.workerOn(p.workers, queue, worker.Options{DisableWorkflowWorker: true}, n.register)
	p.must(run.Get(p.ctx, nil))
	p.check(len(n.names()) == 3, "%v", n.names())
}
