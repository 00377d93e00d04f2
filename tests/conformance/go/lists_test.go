// Lists and counts of workflows: what they find, when, and what they refuse.
package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
)

// All pages.
func (p *place) list(c client.Client, query string, pageSize int32) []*workflow.WorkflowExecutionInfo {
	p.Helper()
	var found []*workflow.WorkflowExecutionInfo
	for token := []byte(nil); ; {
		page, err := c.ListWorkflow(p.ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query: query, PageSize: pageSize, NextPageToken: token})
		p.must(err)
		p.check(len(page.Executions) <= int(pageSize), "%d in a page of %d", len(page.Executions), pageSize)
		found = append(found, page.Executions...)
		if token = page.NextPageToken; len(token) == 0 {
			return found
		}
	}
}

// The ids of what the query finds are these, in any order.
func (p *place) lists(c client.Client, query string, want ...string) {
	p.Helper()
	var ids []string
	for _, info := range p.list(c, query, 1000) {
		ids = append(ids, info.Execution.WorkflowId)
	}
	slices.Sort(ids)
	slices.Sort(want)
	p.check(slices.Equal(ids, want), "%s finds %v, not %v", query, ids, want)
}

func (p *place) counts(query string) *workflowservice.CountWorkflowExecutionsResponse {
	p.Helper()
	counted, err := p.client.CountWorkflow(p.ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
	p.must(err)
	return counted
}

func (p *place) terminate(run client.WorkflowRun) {
	p.Helper()
	p.must(p.client.TerminateWorkflow(p.ctx, run.GetID(), run.GetRunID(), "test ends"))
}

func Test_list_workflows(t *testing.T) {
	p := newPlace(t)
	runs := map[string]client.WorkflowRun{}
	for range 5 {
		run := p.start(Collects, 1)
		runs[run.GetID()] = run
	}
	mine := fmt.Sprintf("TaskQueue = '%s'", p.queue)
	p.lists(p.client, mine, slices.Collect(maps.Keys(runs))...)
	found := p.list(p.client, mine, 2)
	p.check(len(found) == 5, "%d in pages of two", len(found))
	for _, info := range found {
		run := runs[info.Execution.WorkflowId]
		p.check(run != nil && info.Execution.RunId == run.GetRunID(), "another run: %v", info)
		p.check(info.Type.Name == "Collects" && info.TaskQueue == p.queue, "%v", info)
		p.check(info.Status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING, "%v", info)
		p.check(info.StartTime != nil && info.CloseTime == nil, "%v", info)
		p.terminate(run)
	}
	p.lists(p.client, mine, slices.Collect(maps.Keys(runs))...)
	for _, info := range p.list(p.client, mine, 2) {
		p.check(info.Status == enums.WORKFLOW_EXECUTION_STATUS_TERMINATED && info.CloseTime != nil, "%v", info)
	}
}

func Test_list_by_search_attribute(t *testing.T) {
	p := newPlace(t)
	first := p.startPaintedAs(p.options(), p.queue, 7, Collects, 1)
	options := p.options()
	options.Memo = map[string]any{"note": "the second"}
	second := p.startPaintedAs(options, p.queue, 8, Collects, 1)
	mine := fmt.Sprintf("%s = '%s'", keyword.GetName(), p.queue)
	p.lists(p.client, mine, first.GetID(), second.GetID())
	p.lists(p.client, fmt.Sprintf("%s AND %s < 8", mine, number.GetName()), first.GetID())
	p.lists(p.client, fmt.Sprintf("%s AND %s > 8", mine, number.GetName()))
	found := p.list(p.client, fmt.Sprintf("%s AND %s BETWEEN 8 AND 9", mine, number.GetName()), 10)
	p.check(len(found) == 1 && found[0].Execution.WorkflowId == second.GetID(), "%v", found)
	var color, note string
	var eight int64
	convert := converter.GetDefaultDataConverter()
	p.must(convert.FromPayload(found[0].SearchAttributes.IndexedFields[keyword.GetName()], &color))
	p.must(convert.FromPayload(found[0].SearchAttributes.IndexedFields[number.GetName()], &eight))
	p.must(convert.FromPayload(found[0].Memo.Fields["note"], &note))
	p.check(color == p.queue && eight == 8 && note == "the second", "%q, %d, %q", color, eight, note)
	p.terminate(first)
	p.terminate(second)
}

func Test_list_reads_own_writes(t *testing.T) {
	p := newPlace(t)
	for range 10 {
		run := p.start(Collects, 1)
		this := fmt.Sprintf("WorkflowId = '%s' AND ExecutionStatus = ", run.GetID())
		p.lists(p.workers, this+"'Running'", run.GetID())
		p.terminate(run)
		p.lists(p.workers, this+"'Running'")
		p.lists(p.workers, this+"'Terminated'", run.GetID())
	}
}

func Test_list_invalid_query(t *testing.T) {
	p := newPlace(t)
	for _, query := range []string{"Nobody = 'x'", "WorkflowId = ", "StartTime > 'yesterday'"} {
		_, listing := p.client.ListWorkflow(p.ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query})
		_, counting := p.client.CountWorkflow(p.ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
		for _, err := range []error{listing, counting} {
			text := failure[*serviceerror.InvalidArgument](p, err).Error()
			p.check(strings.HasPrefix(text, "invalid query"), "%s", text)
		}
	}
}

func Test_count_workflows(t *testing.T) {
	p := newPlace(t)
	runs := []client.WorkflowRun{p.start(Collects, 1), p.start(Collects, 1), p.start(Collects, 1)}
	mine := fmt.Sprintf("TaskQueue = '%s'", p.queue)
	n := p.counts(mine).Count
	p.check(n == 3, "%d workflows", n)
	p.terminate(runs[0])
	n = p.counts(mine + " AND ExecutionStatus = 'Running'").Count
	p.check(n == 2, "%d open workflows", n)
	n = p.counts(mine + " AND WorkflowType = 'Nobody'").Count
	p.check(n == 0, "%d workflows of no type", n)
	p.terminate(runs[1])
	p.terminate(runs[2])
}

func Test_count_grouped_by_status(t *testing.T) {
	p := newPlace(t)
	runs := []client.WorkflowRun{p.start(Collects, 1), p.start(Collects, 1), p.start(Collects, 1)}
	p.terminate(runs[1])
	p.terminate(runs[2])
	counted := p.counts(fmt.Sprintf("TaskQueue = '%s' GROUP BY ExecutionStatus", p.queue))
	groups := map[string]int64{}
	for _, group := range counted.Groups {
		var status string
		p.check(len(group.GroupValues) == 1, "%v", group)
		p.must(converter.GetDefaultDataConverter().FromPayload(group.GroupValues[0], &status))
		groups[status] = group.Count
	}
	want := map[string]int64{"Running": 1, "Terminated": 2}
	p.check(counted.Count == 3 && maps.Equal(groups, want), "%d: %v", counted.Count, groups)
	p.terminate(runs[0])
}
