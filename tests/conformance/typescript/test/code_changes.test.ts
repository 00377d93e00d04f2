/* What replay must repeat: local activities, random numbers, patches; and what it must notice. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Client } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { bundlePath, changedBundlePath } from '../src/bundle_path.ts';
import { connect, disconnect, events, reached, typesOf, unique, withWorker } from '../src/env.ts';
import * as workflows from '../src/workflows.ts';

describe('code changes', { concurrency: 8, timeout: 60_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  const codeBefore = { workflowBundle: { codePath: bundlePath } };
  const codeAfter = { workflowBundle: { codePath: changedBundlePath } };

  test('side_effects_and_local_activities: their results are replayed, not made again', async () => {
    const taskQueue = unique('local');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.remembers, { taskQueue, workflowId: taskQueue, args: [taskQueue] });
      await reached(handle, 'WORKFLOW_TASK_COMPLETED', 2);
      await handle.signal(workflows.go);
      assert.deepEqual(await handle.result(), { same: true, calls: [1, 2] });
      assert.equal((await typesOf(handle)).filter((t) => t === 'MARKER_RECORDED').length, 2);
      await Worker.runReplayHistory(codeBefore, await handle.fetchHistory(), taskQueue);
    }, { maxCachedWorkflows: 0 });
  });

  test('versioning_patch: patched code and old histories both replay', async () => {
    const taskQueue = unique('patch');
    const old = await client.workflow.start(workflows.evolving, { taskQueue, workflowId: `${taskQueue}/old` });
    await withWorker(taskQueue, () => reached(old, 'WORKFLOW_TASK_COMPLETED', 2), codeBefore);
    await withWorker(taskQueue, async () => {
      const fresh = await client.workflow.start(workflows.evolving, { taskQueue, workflowId: `${taskQueue}/fresh` });
      await old.signal(workflows.go);
      await fresh.signal(workflows.go);
      assert.equal(await old.result(), 'quietly');
      assert.equal(await fresh.result(), 'Hello, loudly!');
      assert.ok((await typesOf(fresh)).includes('MARKER_RECORDED'));
      for (const handle of [old, fresh]) {
        await Worker.runReplayHistory(codeAfter, await handle.fetchHistory(), handle.workflowId);
      }
      await assert.rejects(Worker.runReplayHistory(codeBefore, await fresh.fetchHistory(), fresh.workflowId),
        DeterminismViolationError);
    }, codeAfter);
  });

  test('non_determinism: a changed workflow fails its replay', async () => {
    const taskQueue = unique('changed');
    const handle = await client.workflow.start(workflows.changing, { taskQueue, workflowId: taskQueue });
    await withWorker(taskQueue, () => reached(handle, 'WORKFLOW_TASK_COMPLETED', 2), codeBefore);
    await assert.rejects(Worker.runReplayHistory(codeAfter, await handle.fetchHistory(), taskQueue), DeterminismViolationError);
    await handle.signal(workflows.go);
    await withWorker(taskQueue, () => reached(handle, 'WORKFLOW_TASK_FAILED'), codeAfter);
    const failed = (await events(handle)).find((e) => e.workflowTaskFailedEventAttributes)!.workflowTaskFailedEventAttributes!;
    assert.equal(failed.cause, 24, 'non-deterministic error');
    assert.equal((await handle.describe()).status.name, 'RUNNING');
    await withWorker(taskQueue, async () => assert.equal(await handle.result(), 'first'), codeBefore);
  });

  test('unhandled_command: a signal that arrives while the closing task is out is not lost', async () => {
    const taskQueue = unique('unhandled');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.disturbedAtTheEnd, { taskQueue, workflowId: taskQueue });
      assert.deepEqual(await handle.result(), ['at the end']);
      const failed = (await events(handle)).find((e) => e.workflowTaskFailedEventAttributes)!.workflowTaskFailedEventAttributes!;
      assert.equal(failed.cause, 1, 'unhandled command');
    });
  });

  test('timer: one that is cancelled does not fire', async () => {
    const taskQueue = unique('cancelled-timer');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.cancelsTimer, { taskQueue, workflowId: taskQueue });
      await reached(handle, 'TIMER_STARTED');
      await handle.signal(workflows.go);
      assert.equal(await handle.result(), 'cancelled');
      const timers = (await typesOf(handle)).filter((t) => t.startsWith('TIMER'));
      assert.deepEqual(timers, ['TIMER_STARTED', 'TIMER_CANCELED', 'TIMER_STARTED', 'TIMER_FIRED']);
    });
  });
});
