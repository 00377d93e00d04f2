/* Workers: eviction, replay, sudden death, orderly end. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Client } from '@temporalio/client';
import { connect, disconnect, events, newWorker, reached, typesOf, unique, withWorker } from '../src/env.ts';
import * as workflows from '../src/workflows.ts';

const childPath = fileURLToPath(new URL('../src/child_worker.ts', import.meta.url));

describe('workers', { concurrency: 4, timeout: 60_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  async function childWorker(taskQueue: string): Promise<ChildProcess> {
    const child = spawn(process.execPath, ['--import', 'tsx', childPath, taskQueue], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = await Promise.race([once(child.stdout!, 'data'), once(child, 'exit')]);
    assert.equal(`${said}`.trim(), 'running');
    return child;
  }

  async function kill(child: ChildProcess): Promise<void> {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  test('no_cache: without a cache each task replays', async () => {
    const taskQueue = unique('no-cache');
    const seen = await withWorker(taskQueue, () =>
      client.workflow.execute(workflows.manySteps, { taskQueue, workflowId: taskQueue, args: [5] }),
    { maxCachedWorkflows: 0 });
    assert.equal(seen.length, 5);
  });

  test('workflows that push each other out of the cache go on', async () => {
    const taskQueue = unique('evicted');
    await withWorker(taskQueue, async () => {
      const handles = await Promise.all([0, 1, 2].map((i) =>
        client.workflow.start(workflows.twoHalves, { taskQueue, workflowId: `${taskQueue}-${i}` })));
      for (const handle of handles) await reached(handle, 'ACTIVITY_TASK_COMPLETED');
      for (const handle of handles) await handle.signal(workflows.go);
      for (const handle of handles) assert.deepEqual(await handle.result(), ['first', 'second']);
    }, { maxCachedWorkflows: 1 });
  });

  test('sticky_fallback: a worker that is killed between two tasks is replaced', async () => {
    const taskQueue = unique('killed');
    const child = await childWorker(taskQueue);
    const handle = await client.workflow.start(workflows.twoHalves, { taskQueue, workflowId: taskQueue });
    await reached(handle, 'ACTIVITY_TASK_COMPLETED');
    await reached(handle, 'WORKFLOW_TASK_COMPLETED', 2);
    await kill(child);
    await handle.signal(workflows.go);
    await withWorker(taskQueue, async () => assert.deepEqual(await handle.result(), ['first', 'second']));
    const completed = (await typesOf(handle)).filter((t) => t === 'ACTIVITY_TASK_COMPLETED');
    assert.equal(completed.length, 2, 'the first activity did not run again');
  });

  test('activity_worker_killed: an activity whose worker is killed runs again elsewhere', async () => {
    const taskQueue = unique('killed-activity');
    const child = await childWorker(taskQueue);
    const handle = await client.workflow.start(workflows.oneActivity, {
      taskQueue, workflowId: taskQueue,
      args: ['hangFirst', [], { startToCloseTimeout: '3s', retry: { initialInterval: '10ms' } }],
    });
    let pending;
    do {
      pending = (await handle.describe()).raw.pendingActivities?.[0];
    } while (pending?.state !== 2); /* started */
    await kill(child);
    const seen = await withWorker(taskQueue, () => handle.result());
    assert.equal(seen.result, 2);
    const started = (await events(handle)).find((e) => e.activityTaskStartedEventAttributes);
    assert.equal(started!.activityTaskStartedEventAttributes!.attempt, 2);
  });

  test('worker_shutdown: a worker ends in order while workflows are open, and another goes on', async () => {
    const taskQueue = unique('orderly');
    const first = await newWorker(taskQueue);
    const running = first.run();
    const handle = await client.workflow.start(workflows.twoHalves, { taskQueue, workflowId: taskQueue });
    await reached(handle, 'ACTIVITY_TASK_COMPLETED');
    await reached(handle, 'WORKFLOW_TASK_COMPLETED', 2);
    const began = Date.now();
    first.shutdown();
    await running;
    assert.equal(first.getState(), 'STOPPED');
    assert.ok(Date.now() - began < 10_000, 'its polls were released, not waited for');
    await handle.signal(workflows.go);
    await withWorker(taskQueue, async () => assert.deepEqual(await handle.result(), ['first', 'second']));
  });

  test('a running activity is finished before an orderly end', async () => {
    const taskQueue = unique('graceful');
    const handle = await client.workflow.start(workflows.oneActivity, {
      taskQueue, workflowId: taskQueue, args: ['slow', [500], { startToCloseTimeout: '30s' }],
    });
    await withWorker(taskQueue, async () => {
      await reached(handle, 'WORKFLOW_TASK_COMPLETED');
      let pending;
      do {
        pending = (await handle.describe()).raw.pendingActivities?.[0];
      } while (pending?.state !== 2);
    }, { shutdownGraceTime: '10s' });
    const seen = await withWorker(taskQueue, () => handle.result());
    assert.equal(seen.result, 'slow but sure');
    assert.equal((await events(handle)).find((e) => e.activityTaskStartedEventAttributes)!
      .activityTaskStartedEventAttributes!.attempt, 1);
  });
});
