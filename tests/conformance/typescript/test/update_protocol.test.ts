/* Updates: their stages, their results and failures, with a start, and at the end of their workflow. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { WithStartWorkflowOperation, WorkflowUpdateFailedError, WorkflowUpdateStage } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { connect, disconnect, reached, typesOf, unique, withWorker } from '../src/env.ts';
import * as workflows from '../src/workflows.ts';

describe('update protocol', { concurrency: 8, timeout: 60_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  const accepted = { waitForStage: WorkflowUpdateStage.ACCEPTED } as const;

  async function refusal(result: Promise<unknown>): Promise<ApplicationFailure> {
    try {
      await result;
    } catch (err) {
      assert.ok(err instanceof WorkflowUpdateFailedError, `${err}`);
      assert.ok(err.cause instanceof ApplicationFailure, `${err.cause}`);
      return err.cause;
    }
    throw new assert.AssertionError({ message: 'the update completed' });
  }

  test('update_result: completes and returns its result', async () => {
    const taskQueue = unique('update');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.accumulates, { taskQueue, workflowId: taskQueue });
      assert.equal(await handle.executeUpdate(workflows.add, { args: [3] }), 3);
      assert.equal(await handle.executeUpdate(workflows.add, { args: [4] }), 7);
      assert.equal(await handle.executeUpdate(workflows.updateId, { updateId: 'my id' }), 'my id');
      await handle.signal(workflows.finish);
      assert.equal(await handle.result(), 7);
      const types = await typesOf(handle);
      assert.equal(types.filter((t) => t === 'WORKFLOW_EXECUTION_UPDATE_ACCEPTED').length, 3);
      assert.equal(types.filter((t) => t === 'WORKFLOW_EXECUTION_UPDATE_COMPLETED').length, 3);
    });
  });

  test('update_validator_rejects: a rejected update leaves no trace', async () => {
    const taskQueue = unique('rejected');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.accumulates, { taskQueue, workflowId: taskQueue });
      assert.equal(await handle.executeUpdate(workflows.add, { args: [1] }), 1);
      const before = await typesOf(handle);
      const cause = await refusal(handle.executeUpdate(workflows.add, { args: [-1] }));
      assert.deepEqual([cause.message, cause.type], ['no negative numbers', 'Negative']);
      assert.deepEqual(await typesOf(handle), before);
      assert.equal(await handle.query(workflows.total), 1);
      await handle.terminate();
    });
  });

  test('update_accepted_stage: the handle comes at acceptance, the result later', async () => {
    const taskQueue = unique('accepted');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.accumulates, { taskQueue, workflowId: taskQueue });
      const update = await handle.startUpdate(workflows.addOnceReleased, { args: [5], ...accepted });
      assert.equal(update.workflowId, taskQueue);
      assert.equal(update.workflowRunId, handle.firstExecutionRunId);
      const types = await typesOf(handle);
      assert.ok(types.includes('WORKFLOW_EXECUTION_UPDATE_ACCEPTED'));
      assert.ok(!types.includes('WORKFLOW_EXECUTION_UPDATE_COMPLETED'));
      assert.equal(await handle.query(workflows.total), 0);
      const waiting = client.workflow.getHandle(taskQueue).getUpdateHandle<number>(update.updateId).result();
      await handle.signal(workflows.go);
      assert.equal(await update.result(), 5);
      assert.equal(await waiting, 5, 'by another handle');
      await handle.terminate();
    });
  });

  test('update_same_id: the same id gives the same outcome once', async () => {
    const taskQueue = unique('same-id');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.accumulates, { taskQueue, workflowId: taskQueue });
      const updateId = unique('update');
      assert.equal(await handle.executeUpdate(workflows.add, { args: [5], updateId }), 5);
      assert.equal(await handle.executeUpdate(workflows.add, { args: [5], updateId }), 5);
      assert.equal(await handle.query(workflows.total), 5);
      await handle.terminate();
    });
  });

  test('update_failure: the error of a handler surfaces', async () => {
    const taskQueue = unique('update-failure');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.accumulates, { taskQueue, workflowId: taskQueue });
      const cause = await refusal(handle.executeUpdate(workflows.addBroken, { args: [1] }));
      assert.deepEqual([cause.message, cause.type, cause.details], ['the handler fails', 'Broken', [7]]);
      assert.ok((await typesOf(handle)).includes('WORKFLOW_EXECUTION_UPDATE_COMPLETED'));
      assert.equal(await handle.executeUpdate(workflows.add, { args: [1] }), 1, 'the workflow goes on');
      await handle.terminate();
    });
  });

  test('update_with_start: starts and updates in one call, and updates what runs', async () => {
    const taskQueue = unique('update-with-start');
    await withWorker(taskQueue, async () => {
      const start = () => new WithStartWorkflowOperation(workflows.accumulates, {
        taskQueue, workflowId: taskQueue, workflowIdConflictPolicy: 'USE_EXISTING',
      });
      const one = start(), two = start();
      assert.equal(await client.workflow.executeUpdateWithStart(workflows.add, { args: [1], startWorkflowOperation: one }), 1);
      const update = await client.workflow.startUpdateWithStart(workflows.add, { args: [2], startWorkflowOperation: two, ...accepted });
      assert.equal(await update.result(), 3);
      const handle = await one.workflowHandle();
      assert.equal((await handle.describe()).runId, update.workflowRunId);
      await handle.signal(workflows.finish);
      assert.equal(await (await two.workflowHandle()).result(), 3);
    });
  });

  test('update_poll_after_close: the outcome can be read after the workflow has closed', async () => {
    const taskQueue = unique('poll-closed');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.accumulates, { taskQueue, workflowId: taskQueue });
      const update = await handle.startUpdate(workflows.add, { args: [6], updateId: 'six', ...accepted });
      await handle.signal(workflows.finish);
      assert.equal(await handle.result(), 6);
      assert.equal(await update.result(), 6);
      assert.equal(await client.workflow.getHandle(taskQueue).getUpdateHandle<number>('six').result(), 6);
    });
  });

  test('update_workflow_closes: an accepted update fails clearly when the workflow closes', async () => {
    const taskQueue = unique('closes');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.accumulates, { taskQueue, workflowId: taskQueue });
      const update = await handle.startUpdate(workflows.addOnceReleased, { args: [5], ...accepted });
      const refused = refusal(update.result());
      await handle.signal(workflows.finish);
      assert.equal(await handle.result(), 0);
      assert.equal((await refused).type, 'AcceptedUpdateCompletedWorkflow');
    });
  });

  test('update_many_at_once: 50 updates all complete, each once', async () => {
    const taskQueue = unique('many-updates');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.accumulatesToTheEnd, { taskQueue, workflowId: taskQueue });
      await reached(handle, 'WORKFLOW_TASK_COMPLETED');
      const sums = await Promise.all(Array.from({ length: 50 }, () => handle.executeUpdate(workflows.add, { args: [1] })));
      assert.deepEqual(sums.sort((a, b) => a - b), Array.from({ length: 50 }, (_, i) => i + 1));
      await handle.signal(workflows.finish);
      assert.equal(await handle.result(), 50);
      assert.equal((await typesOf(handle)).filter((t) => t === 'WORKFLOW_EXECUTION_UPDATE_COMPLETED').length, 50);
    });
  });
});
