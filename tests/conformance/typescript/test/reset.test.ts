/* Resets and deletions, asked for as the command line does: through the service's own calls. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { Client, WorkflowNotFoundError } from '@temporalio/client';
import type { WorkflowHandle } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';
import { connect, disconnect, events, eventually, namespace, reached, typeName, typesOf, unique, withWorker } from '../src/env.ts';
import * as workflows from '../src/workflows.ts';

type ResetRequest = temporal.api.workflowservice.v1.IResetWorkflowExecutionRequest;

describe('reset', { concurrency: 6, timeout: 180_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  /* The run that begins anew where the workflow task that ended with event `finish` began. */
  async function reset(workflowId: string, finish: number, more: ResetRequest = {}): Promise<WorkflowHandle> {
    const { runId } = await client.workflowService.resetWorkflowExecution({
      namespace, workflowExecution: { workflowId }, reason: 'again', requestId: randomUUID(),
      workflowTaskFinishEventId: finish as never, ...more,
    });
    return client.workflow.getHandle(workflowId, runId);
  }

  async function completions(handle: WorkflowHandle): Promise<number[]> {
    return (await events(handle)).filter((e) => typeName(e) === 'WORKFLOW_TASK_COMPLETED').map((e) => Number(e.eventId));
  }

  test('to the first workflow task: everything happens again', async () => {
    const taskQueue = unique('reset-first');
    await withWorker(taskQueue, async () => {
      const base = await client.workflow.start(workflows.twoTallies, { taskQueue, workflowId: taskQueue, args: [taskQueue] });
      await reached(base, 'ACTIVITY_TASK_COMPLETED', 2);
      const handle = await reset(taskQueue, (await completions(base))[0]!);
      await handle.signal(workflows.finish);
      const result = await handle.result() as Awaited<ReturnType<typeof workflows.twoTallies>>;
      assert.deepEqual([result.first, result.second], [2, 2]);
      const run = client.workflow.getHandle(taskQueue, base.firstExecutionRunId);
      const [old, fresh] = [await events(run), await events(handle)];
      assert.equal(typeName(old.at(-1)!), 'WORKFLOW_EXECUTION_TERMINATED');
      assert.deepEqual(fresh[0], old[0]); /* with the original run id: the workflow draws the same random numbers */
      const failed = fresh.find((e) => typeName(e) === 'WORKFLOW_TASK_FAILED')!.workflowTaskFailedEventAttributes!;
      assert.equal(failed.baseRunId, base.firstExecutionRunId);
      assert.equal(failed.newRunId, (await handle.describe()).runId);
      assert.equal(failed.failure!.message, 'again');
      assert.ok(failed.failure!.resetWorkflowFailureInfo);
      assert.equal((await run.describe()).raw.workflowExtendedInfo!.resetRunId, failed.newRunId);
    });
  });

  test('after the first activity: its result is kept', async () => {
    const taskQueue = unique('reset-second');
    await withWorker(taskQueue, async () => {
      const base = await client.workflow.start(workflows.twoTallies, { taskQueue, workflowId: taskQueue, args: [taskQueue] });
      await base.signal(workflows.finish);
      const before = await base.result();
      const done = Number((await events(base)).find((e) => typeName(e) === 'ACTIVITY_TASK_COMPLETED')!.eventId);
      const handle = await reset(taskQueue, (await completions(base)).find((id) => id > done)!);
      const result = await handle.result() as typeof before;
      assert.deepEqual({ ...result, second: 1 }, { ...before, second: 1 });
      assert.deepEqual([result.first, result.second], [1, 2]);
    });
  });

  test('signals come again, unless they are excluded', async () => {
    const taskQueue = unique('reset-signals');
    await withWorker(taskQueue, async () => {
      const base = await client.workflow.start(workflows.twoTallies, { taskQueue, workflowId: taskQueue, args: [taskQueue] });
      await reached(base, 'ACTIVITY_TASK_COMPLETED', 2);
      for (const text of ['one', 'two', 'three']) await base.signal(workflows.note, text);
      const [first] = await completions(base);
      const handle = await reset(taskQueue, first!);
      await handle.signal(workflows.finish);
      assert.deepEqual((await handle.result() as Awaited<ReturnType<typeof workflows.twoTallies>>).notes, ['one', 'two', 'three']);
      const without = await reset(taskQueue, first!, {
        workflowExecution: { workflowId: taskQueue, runId: base.firstExecutionRunId }, resetReapplyExcludeTypes: [1],
      });
      await without.signal(workflows.finish);
      assert.deepEqual((await without.result() as Awaited<ReturnType<typeof workflows.twoTallies>>).notes, []);
    });
  });

  test('the same request twice is one reset', async () => {
    const taskQueue = unique('reset-twice');
    await withWorker(taskQueue, async () => {
      const base = await client.workflow.start(workflows.twoTallies, { taskQueue, workflowId: taskQueue, args: [taskQueue] });
      await reached(base, 'ACTIVITY_TASK_COMPLETED', 2);
      const more = { requestId: randomUUID() };
      const [finish] = await completions(base);
      const handles = await Promise.all([reset(taskQueue, finish!, more), reset(taskQueue, finish!, more)]);
      assert.equal((await handles[0]!.describe()).runId, (await handles[1]!.describe()).runId);
      await assert.rejects(reset(taskQueue, 1), /Workflow task finish ID must be > 1 && <= workflow last event ID\./);
      await assert.rejects(reset(taskQueue, 2), /Can only reset workflow to event ID in range/);
      await handles[0]!.terminate();
    });
  });

  for (const cancels of [false, true]) {
    test(`a child stays with the new run, which ${cancels ? 'cancels' : 'signals'} it`, async () => {
      const taskQueue = unique('reset-parent');
      await withWorker(taskQueue, async () => {
        const base = await client.workflow.start(workflows.parentOfCollector, { taskQueue, workflowId: taskQueue, args: [cancels] });
        await reached(base, 'ACTIVITY_TASK_COMPLETED');
        await eventually('the task after the activity', async () => (await completions(base)).length >= 3 && (await typesOf(base)).at(-1) === 'WORKFLOW_TASK_COMPLETED');
        const handle = await reset(taskQueue, (await completions(base)).at(-1)!);
        await handle.signal(workflows.go);
        const { runId } = await handle.describe();
        assert.deepEqual(await handle.result(), cancels ? ['cancelled'] : [runId]);
        assert.ok(!(await typesOf(handle)).includes('START_CHILD_WORKFLOW_EXECUTION_FAILED'));
      });
    });
  }

  test('a run that is deleted is gone', async () => {
    const taskQueue = unique('delete');
    await withWorker(taskQueue, async () => {
      const open = await client.workflow.start(workflows.sleeper, { taskQueue, workflowId: taskQueue });
      await reached(open, 'TIMER_STARTED');
      await client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId: taskQueue } });
      const handle = client.workflow.getHandle(taskQueue, open.firstExecutionRunId);
      await assert.rejects(open.describe(), WorkflowNotFoundError);
      await assert.rejects(handle.describe(), WorkflowNotFoundError);
      await assert.rejects(handle.fetchHistory(), /not found/);
      await assert.rejects(open.signal(workflows.go), WorkflowNotFoundError);
      assert.equal(await client.workflow.execute(workflows.hello, {
        taskQueue, workflowId: taskQueue, args: ['you'], workflowIdReusePolicy: 'REJECT_DUPLICATE',
      }), 'Hello, you!');
      await client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId: taskQueue } });
      await assert.rejects(open.describe(), WorkflowNotFoundError);
      await assert.rejects(
        client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId: taskQueue } }), /NOT_FOUND/);
    });
  });
});
