/* Resetting a workflow to an earlier point of its history, and deleting it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { TerminatedFailure } from '@temporalio/common';
import { connect, disconnect, events, eventually, namespace, reached, typeName, unique, withWorker } from '../src/env.ts';
import * as workflows from '../src/workflows.ts';

describe('reset and deletion', { concurrency: 8, timeout: 60_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  /* Resets to the n-th completed workflow task; gives the new run. */
  async function reset(handle: WorkflowHandle, n: number): Promise<WorkflowHandle> {
    const completed = (await events(handle)).filter((e) => typeName(e) === 'WORKFLOW_TASK_COMPLETED');
    const { runId } = await client.workflowService.resetWorkflowExecution({
      namespace, workflowExecution: { workflowId: handle.workflowId, runId: (await handle.describe()).runId },
      workflowTaskFinishEventId: completed[n - 1]!.eventId, requestId: unique('reset'), reason: 'start over',
    });
    return client.workflow.getHandle(handle.workflowId, runId);
  }

  test('reset_to_first_task: the new run starts over and completes, the old one is terminated', async () => {
    const taskQueue = unique('reset-first');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.countsTwice, { taskQueue, workflowId: taskQueue, args: [taskQueue] });
      await reached(handle, 'ACTIVITY_TASK_COMPLETED');
      await reached(handle, 'WORKFLOW_TASK_COMPLETED', 2);
      const old = client.workflow.getHandle(taskQueue, handle.firstExecutionRunId);
      const anew = await reset(old, 1);
      await assert.rejects(old.result(), (err) => err instanceof WorkflowFailedError && err.cause instanceof TerminatedFailure);
      const terminated = (await events(old)).at(-1)!.workflowExecutionTerminatedEventAttributes!;
      assert.match(terminated.reason!, /start over/);
      await anew.signal(workflows.go);
      assert.deepEqual(await anew.result(), [2, 1], 'the first activity ran again');
      assert.equal((await client.workflow.getHandle(taskQueue).describe()).runId, (await anew.describe()).runId);
    });
  });

  test('reset_reapplies_signals: signals after the reset point are in the new run', async () => {
    const taskQueue = unique('reset-signals');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.collectSignals, { taskQueue, workflowId: taskQueue });
      await reached(handle, 'WORKFLOW_TASK_COMPLETED');
      for (const text of ['one', 'two', 'three']) await handle.signal(workflows.note, text);
      await reached(handle, 'WORKFLOW_TASK_COMPLETED', 2);
      const anew = await reset(handle, 1);
      await anew.signal(workflows.note, 'four');
      await anew.signal(workflows.finish);
      assert.deepEqual(await anew.result(), ['one', 'two', 'three', 'four']);
    });
  });

  test('reset_to_activity: the first activity keeps its result, the second runs again', async () => {
    const taskQueue = unique('reset-activity');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.countsTwice, { taskQueue, workflowId: taskQueue, args: [taskQueue] });
      await reached(handle, 'ACTIVITY_TASK_COMPLETED');
      await reached(handle, 'WORKFLOW_TASK_COMPLETED', 2);
      await handle.signal(workflows.go);
      assert.deepEqual(await handle.result(), [1, 1]);
      const anew = await reset(handle, 2); /* of a closed run; the signal is applied again */
      assert.deepEqual(await anew.result(), [1, 2]);
      const old = await client.workflow.getHandle(taskQueue, handle.firstExecutionRunId).describe();
      assert.equal(old.status.name, 'COMPLETED', 'what was closed stays so');
    });
  });

  test('delete_workflow: a deleted workflow is not found any more', async () => {
    const taskQueue = unique('delete');
    for (const close of [false, true]) {
      const handle = await client.workflow.start(workflows.sleeper, { taskQueue, workflowId: `${taskQueue}/${close}` });
      if (close) await handle.terminate();
      await client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId: handle.workflowId } });
      await eventually('the workflow is gone', async () => {
        try {
          await handle.describe();
        } catch (err) {
          if (err instanceof WorkflowNotFoundError) return true;
          throw err;
        }
        return false;
      });
      await assert.rejects(handle.signal(workflows.go), WorkflowNotFoundError);
      await assert.rejects(handle.fetchHistory(), { code: 5 });
    }
  });
});
