/* Calls that the foundation may still answer with "unimplemented": cancellation and queries. Not part of `npm test`;
 * run with `npm run test:tier1`. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Client } from '@temporalio/client';
import { WorkflowFailedError } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import { connect, disconnect, reached, typesOf, unique, withWorker } from '../../src/env.ts';
import * as workflows from '../../src/workflows.ts';

describe('tier 1', { concurrency: 4, timeout: 60_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  test('cancellation, with a clean-up', async () => {
    const taskQueue = unique('cancel');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.cancellable, { taskQueue, workflowId: taskQueue });
      await reached(handle, 'TIMER_STARTED');
      await handle.cancel();
      await assert.rejects(handle.result(), (err) =>
        err instanceof WorkflowFailedError && err.cause instanceof CancelledFailure);
      const types = await typesOf(handle);
      assert.ok(types.includes('WORKFLOW_EXECUTION_CANCEL_REQUESTED'));
      assert.ok(types.includes('TIMER_CANCELED'));
      assert.ok(types.includes('ACTIVITY_TASK_COMPLETED'));
      assert.equal(types.at(-1), 'WORKFLOW_EXECUTION_CANCELED');
    });
  });

  test('a query sees the signals before it', async () => {
    const taskQueue = unique('query');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.queried, { taskQueue, workflowId: taskQueue });
      await handle.signal(workflows.note, 'one');
      assert.deepEqual(await handle.query(workflows.notes), ['one']);
      await handle.signal(workflows.finish);
      await handle.result();
      assert.deepEqual(await handle.query(workflows.notes), ['one']);
    });
  });

  test('signal with start', async () => {
    const taskQueue = unique('signal-with-start');
    const start = { taskQueue, workflowId: taskQueue, signal: workflows.go, signalArgs: [] as [] };
    const handle = await client.workflow.signalWithStart(workflows.waitForSignal, start);
    assert.equal(await withWorker(taskQueue, () => handle.result()), 'released');
  });
});
