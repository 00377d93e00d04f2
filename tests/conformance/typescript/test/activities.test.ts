/* Activities: retries, failures and the four timeouts. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Client } from '@temporalio/client';
import { connect, disconnect, eventually, events, typesOf, unique, withWorker } from '../src/env.ts';
import * as workflows from '../src/workflows.ts';

describe('activities', { concurrency: 6, timeout: 60_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  const once = { maximumAttempts: 1 };

  test('activity_retry: a failing activity is retried, and each attempt knows its number', async () => {
    const taskQueue = unique('retried'), workflowId = taskQueue;
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.retried, { taskQueue, workflowId, args: [taskQueue, 3] });
      assert.equal(await handle.result(), 4);
      const started = (await events(handle)).filter((e) => e.activityTaskStartedEventAttributes);
      assert.equal(started.length, 1, 'failed attempts leave no events');
      assert.equal(started[0]!.activityTaskStartedEventAttributes!.attempt, 4);
      assert.match(started[0]!.activityTaskStartedEventAttributes!.lastFailure!.message!, /attempt 3 fails/);
    });
  });

  test('activity_non_retryable: a non-retryable failure is not retried', async () => {
    const taskQueue = unique('not-retried');
    const seen = await withWorker(taskQueue, () =>
      client.workflow.execute(workflows.notRetried, { taskQueue, workflowId: taskQueue, args: [taskQueue] }));
    assert.deepEqual(seen, { type: 'ForGood', message: 'for good', attempts: 1, retryState: 'NON_RETRYABLE_FAILURE' });
  });

  test('activity_attempts_run_out: attempts run out', async () => {
    const taskQueue = unique('attempts');
    const seen = await withWorker(taskQueue, () => client.workflow.execute(workflows.oneActivity, {
      taskQueue, workflowId: taskQueue,
      args: ['failAlways', [], { startToCloseTimeout: '10s', retry: { initialInterval: '10ms', maximumAttempts: 3 } }],
    }));
    assert.equal(seen.cause, 'ApplicationFailure');
    assert.equal(seen.retryState, 'MAXIMUM_ATTEMPTS_REACHED');
  });

  test('activity_non_retryable (2): a listed error type is not retried', async () => {
    const taskQueue = unique('listed');
    const seen = await withWorker(taskQueue, () => client.workflow.execute(workflows.oneActivity, {
      taskQueue, workflowId: taskQueue,
      args: ['failAlways', [], { startToCloseTimeout: '10s', retry: { nonRetryableErrorTypes: ['Error'] } }],
    }));
    assert.equal(seen.retryState, 'NON_RETRYABLE_FAILURE');
  });

  test('activity_start_to_close_timeout: start-to-close timeout', async () => {
    const taskQueue = unique('start-to-close');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.oneActivity, {
        taskQueue, workflowId: taskQueue, args: ['hang', [], { startToCloseTimeout: '300ms', retry: once }],
      });
      const seen = await handle.result();
      assert.equal(seen.cause, 'TimeoutFailure');
      assert.equal(seen.timeoutType, 'START_TO_CLOSE');
      assert.ok((await typesOf(handle)).includes('ACTIVITY_TASK_TIMED_OUT'));
    });
  });

  test('activity_start_to_close_timeout (2): a start-to-close timeout is retried', async () => {
    const taskQueue = unique('timeout-retried');
    const seen = await withWorker(taskQueue, () => client.workflow.execute(workflows.oneActivity, {
      taskQueue, workflowId: taskQueue,
      args: ['hangFirst', [], { startToCloseTimeout: '500ms', retry: { initialInterval: '10ms' } }],
    }));
    assert.equal(seen.result, 2);
  });

  test('activity_schedule_to_close_timeout: schedule-to-close timeout ends the retries', async () => {
    const taskQueue = unique('schedule-to-close');
    const began = Date.now();
    const seen = await withWorker(taskQueue, () => client.workflow.execute(workflows.oneActivity, {
      taskQueue, workflowId: taskQueue,
      args: ['hang', [], { startToCloseTimeout: '400ms', scheduleToCloseTimeout: '1s', retry: { initialInterval: '10ms' } }],
    }));
    assert.equal(seen.cause, 'TimeoutFailure');
    assert.equal(seen.timeoutType, 'SCHEDULE_TO_CLOSE');
    assert.ok(Date.now() - began >= 990, 'not before its time');
  });

  test('activity_schedule_to_start_timeout: schedule-to-start timeout on a queue without a worker', async () => {
    const taskQueue = unique('schedule-to-start');
    const seen = await withWorker(taskQueue, () => client.workflow.execute(workflows.oneActivity, {
      taskQueue, workflowId: taskQueue,
      args: ['echo', ['x'], { taskQueue: unique('nobody'), scheduleToStartTimeout: '300ms', startToCloseTimeout: '10s' }],
    }));
    assert.equal(seen.cause, 'TimeoutFailure');
    assert.equal(seen.timeoutType, 'SCHEDULE_TO_START');
  });

  test('activity_heartbeat_timeout: a heartbeat timeout carries the details to the next attempt', async () => {
    const taskQueue = unique('heartbeat');
    const seen = await withWorker(taskQueue, () => client.workflow.execute(workflows.oneActivity, {
      taskQueue, workflowId: taskQueue,
      args: ['fallSilent', [], { startToCloseTimeout: '30s', heartbeatTimeout: '500ms', retry: { initialInterval: '10ms' } }],
    }));
    assert.deepEqual(seen.result, { attempt: 2, heartbeatDetails: { progress: 42 } });
  });

  test('activity_heartbeat_timeout (2): a last heartbeat timeout surfaces with the details', async () => {
    const taskQueue = unique('heartbeat-last');
    const seen = await withWorker(taskQueue, () => client.workflow.execute(workflows.oneActivity, {
      taskQueue, workflowId: taskQueue,
      args: ['fallSilent', [], { startToCloseTimeout: '30s', heartbeatTimeout: '500ms', retry: once }],
    }));
    assert.equal(seen.timeoutType, 'HEARTBEAT');
    assert.deepEqual(seen.details, { progress: 42 });
  });

  test('describe_pending: describe shows a pending activity and its attempt', async () => {
    const taskQueue = unique('pending');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.oneActivity, {
        taskQueue, workflowId: taskQueue,
        args: ['failAlways', [], { startToCloseTimeout: '10s', retry: { initialInterval: '20ms', maximumInterval: '20ms' } }],
      });
      const pending = await eventually('a second attempt', async () => {
        const { raw } = await handle.describe();
        const found = raw.pendingActivities?.[0];
        return (found?.attempt ?? 0) >= 2 && found;
      });
      assert.equal(pending.activityType?.name, 'failAlways');
      assert.equal(pending.lastFailure?.message, 'always');
      await handle.terminate();
    });
  });
});
