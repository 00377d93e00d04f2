/* Workflows: timers, signals, results, failures, timeouts, continue-as-new, describe. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  Client, TerminatedFailure, TimeoutFailure, WorkflowExecutionAlreadyStartedError, WorkflowFailedError,
  WorkflowNotFoundError,
} from '@temporalio/client';
import { ActivityFailure, ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { connect, disconnect, events, reached, typesOf, unique, withWorker } from '../src/env.ts';
import * as workflows from '../src/workflows.ts';

describe('workflows', { concurrency: 6, timeout: 60_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  async function failure(result: Promise<unknown>): Promise<WorkflowFailedError> {
    try {
      await result;
    } catch (err) {
      assert.ok(err instanceof WorkflowFailedError, `${err}`);
      return err;
    }
    throw new assert.AssertionError({ message: 'the workflow completed' });
  }

  test('start_hello: hello', async () => {
    const taskQueue = unique('hello');
    assert.equal(await withWorker(taskQueue, () =>
      client.workflow.execute(workflows.hello, { taskQueue, workflowId: taskQueue, args: ['Perdure'] })), 'Hello, Perdure!');
  });

  test('timer (2): a timer fires when it is due', async () => {
    const taskQueue = unique('timer');
    const slept = await withWorker(taskQueue, () =>
      client.workflow.execute(workflows.timer, { taskQueue, workflowId: taskQueue, args: [300] }));
    assert.ok(slept >= 300 && slept < 10_000, `slept ${slept} ms`);
  });

  test('signal_releases: a signal releases a waiting workflow', async () => {
    const taskQueue = unique('signal');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.waitForSignal, { taskQueue, workflowId: taskQueue });
      await reached(handle, 'WORKFLOW_TASK_COMPLETED');
      await handle.signal(workflows.go);
      assert.equal(await handle.result(), 'released');
    });
  });

  test('signal_before_worker: a signal that comes before any worker is kept', async () => {
    const taskQueue = unique('early-signal');
    const handle = await client.workflow.start(workflows.waitForSignal, { taskQueue, workflowId: taskQueue });
    await handle.signal(workflows.go);
    assert.equal(await withWorker(taskQueue, () => handle.result()), 'released');
  });

  test('start_with_signal: signal with start', async () => {
    const taskQueue = unique('signal-with-start');
    const start = { taskQueue, workflowId: taskQueue, signal: workflows.go, signalArgs: [] as [] };
    const handle = await client.workflow.signalWithStart(workflows.waitForSignal, start);
    assert.deepEqual(await typesOf(handle), [
      'WORKFLOW_EXECUTION_STARTED', 'WORKFLOW_EXECUTION_SIGNALED', 'WORKFLOW_TASK_SCHEDULED']);
    assert.equal(await withWorker(taskQueue, () => handle.result()), 'released');
  });

  test('start_with_signal (2): signal with start signals a workflow that is there', async () => {
    const taskQueue = unique('signal-with-start-open');
    const start = { taskQueue, workflowId: taskQueue, signal: workflows.note };
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.signalWithStart(workflows.collectSignals, { ...start, signalArgs: ['one'] });
      const again = await client.workflow.signalWithStart(workflows.collectSignals, { ...start, signalArgs: ['two'] });
      assert.equal(again.signaledRunId, handle.signaledRunId);
      await handle.signal(workflows.finish);
      assert.deepEqual(await handle.result(), ['one', 'two']);
      const next = await client.workflow.signalWithStart(workflows.collectSignals, { ...start, signalArgs: ['three'] });
      assert.notEqual(next.signaledRunId, handle.signaledRunId);
    });
  });

  test('cancel_with_cleanup: cancellation, with a clean-up', async () => {
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

  test('signal_order: signals arrive in order', async () => {
    const taskQueue = unique('signals');
    const texts = Array.from({ length: 100 }, (_, i) => `note ${i}`);
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.collectSignals, { taskQueue, workflowId: taskQueue });
      for (const text of texts) await handle.signal(workflows.note, text);
      await handle.signal(workflows.finish);
      assert.deepEqual(await handle.result(), texts);
    });
  });

  test('continue_as_new (2): the client follows continue-as-new', async () => {
    const taskQueue = unique('continue');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.counted, { taskQueue, workflowId: taskQueue, args: [3] });
      assert.equal(await handle.result(), 3);
      const first = client.workflow.getHandle(taskQueue, handle.firstExecutionRunId);
      assert.equal((await typesOf(first)).at(-1), 'WORKFLOW_EXECUTION_CONTINUED_AS_NEW');
      const last = client.workflow.getHandle(taskQueue);
      const started = (await events(last))[0]!.workflowExecutionStartedEventAttributes!;
      assert.equal(started.firstExecutionRunId, handle.firstExecutionRunId);
      assert.notEqual(started.continuedExecutionRunId, '');
      assert.equal((await last.describe()).status.name, 'COMPLETED');
    });
  });

  test('a failure surfaces with its cause', async () => {
    const taskQueue = unique('failing');
    const err = await withWorker(taskQueue, () => failure(
      client.workflow.execute(workflows.failing, { taskQueue, workflowId: taskQueue })));
    const outer = err.cause as ApplicationFailure;
    assert.ok(outer instanceof ApplicationFailure);
    assert.deepEqual([outer.message, outer.type, outer.nonRetryable], ['the outer', 'Outer', true]);
    assert.deepEqual(outer.details, ['a', 1]);
    const inner = outer.cause as ApplicationFailure;
    assert.deepEqual([inner.message, inner.type], ['the inner', 'Inner']);
  });

  test('an activity that fails for good fails the workflow', async () => {
    const taskQueue = unique('failing-activity');
    const err = await withWorker(taskQueue, () => failure(
      client.workflow.execute(workflows.failingActivity, { taskQueue, workflowId: taskQueue })));
    assert.ok(err.cause instanceof ActivityFailure);
    assert.equal((err.cause.cause as ApplicationFailure).type, 'ForGood');
  });

  test('start_retry: a failed workflow is retried when its start says so', async () => {
    const taskQueue = unique('workflow-retry');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.failingActivity, {
        taskQueue, workflowId: taskQueue, retry: { initialInterval: '10ms', maximumAttempts: 2 },
      });
      await failure(handle.result());
      const started = (await events(client.workflow.getHandle(taskQueue)))[0]!.workflowExecutionStartedEventAttributes!;
      assert.equal(started.attempt, 2);
    });
  });

  test('task_failure_retried: a workflow task that fails is tried again', async () => {
    const taskQueue = unique('clumsy');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.clumsy, { taskQueue, workflowId: taskQueue });
      assert.equal(await handle.result(), 'done');
      assert.ok((await typesOf(handle)).includes('WORKFLOW_TASK_FAILED'));
    });
  });

  test('start_run_timeout: run timeout', async () => {
    const taskQueue = unique('run-timeout');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.sleeper, {
        taskQueue, workflowId: taskQueue, workflowRunTimeout: '1s',
      });
      assert.ok((await failure(handle.result())).cause instanceof TimeoutFailure);
      assert.equal((await handle.describe()).status.name, 'TIMED_OUT');
    });
  });

  test('start_execution_timeout: execution timeout, without any worker', async () => {
    const taskQueue = unique('execution-timeout');
    const handle = await client.workflow.start(workflows.sleeper, {
      taskQueue, workflowId: taskQueue, workflowExecutionTimeout: '1s',
    });
    assert.ok((await failure(handle.result())).cause instanceof TimeoutFailure);
    assert.equal((await typesOf(handle)).at(-1), 'WORKFLOW_EXECUTION_TIMED_OUT');
  });

  test('terminate: the client sees it with its reason', async () => {
    const taskQueue = unique('terminate');
    const handle = await client.workflow.start(workflows.sleeper, { taskQueue, workflowId: taskQueue });
    await handle.terminate('enough');
    const err = await failure(handle.result());
    assert.ok(err.cause instanceof TerminatedFailure);
    const last = (await events(handle)).at(-1)!.workflowExecutionTerminatedEventAttributes!;
    assert.equal(last.reason, 'enough');
    await assert.rejects(handle.terminate(), WorkflowNotFoundError);
  });

  test('describe', async () => {
    const taskQueue = unique('describe');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.waitForSignal, {
        taskQueue, workflowId: taskQueue, memo: { colour: 'blue' },
      });
      await reached(handle, 'WORKFLOW_TASK_COMPLETED');
      const open = await handle.describe();
      assert.equal(open.status.name, 'RUNNING');
      assert.equal(open.type, 'waitForSignal');
      assert.equal(open.taskQueue, taskQueue);
      assert.equal(open.runId, handle.firstExecutionRunId);
      assert.equal(open.memo?.colour, 'blue');
      assert.equal(open.closeTime, undefined);
      await handle.signal(workflows.go);
      await handle.result();
      const closed = await handle.describe();
      assert.equal(closed.status.name, 'COMPLETED');
      assert.equal(closed.historyLength, (await events(handle)).length);
      assert.ok(closed.closeTime! >= closed.startTime);
    });
  });

  test('signal_unknown_workflow: a signal to an unknown workflow', async () => {
    await assert.rejects(client.workflow.getHandle(unique('nobody')).signal(workflows.go), WorkflowNotFoundError);
  });

  test('signal_closed_workflow: a signal to a closed workflow', async () => {
    const taskQueue = unique('closed');
    const handle = await client.workflow.start(workflows.sleeper, { taskQueue, workflowId: taskQueue });
    await handle.terminate();
    await assert.rejects(handle.signal(workflows.go), WorkflowNotFoundError);
  });

  test('start_id_in_use_is_refused: an id in use is refused, and free again after the end', async () => {
    const taskQueue = unique('twice'), workflowId = taskQueue;
    const handle = await client.workflow.start(workflows.sleeper, { taskQueue, workflowId });
    await assert.rejects(client.workflow.start(workflows.sleeper, { taskQueue, workflowId }),
      WorkflowExecutionAlreadyStartedError);
    const same = await client.workflow.start(workflows.sleeper, {
      taskQueue, workflowId, workflowIdConflictPolicy: 'USE_EXISTING',
    });
    assert.equal(same.firstExecutionRunId, handle.firstExecutionRunId);
    await handle.terminate();
    await assert.rejects(
      client.workflow.start(workflows.sleeper, { taskQueue, workflowId, workflowIdReusePolicy: 'REJECT_DUPLICATE' }),
      WorkflowExecutionAlreadyStartedError);
    const next = await client.workflow.start(workflows.sleeper, { taskQueue, workflowId });
    assert.notEqual(next.firstExecutionRunId, handle.firstExecutionRunId);
    await next.terminate();
  });

  test('start_unknown_namespace: an unknown namespace', async () => {
    const stranger = new Client({ connection: client.connection, namespace: unique('nowhere') });
    await assert.rejects(
      stranger.workflow.start(workflows.sleeper, { taskQueue: 'any', workflowId: unique('nowhere') }),
      (err: Error) => err.name === 'NamespaceNotFoundError');
  });

  test('start_large_payload: a payload of 1.5 MB there and back', async () => {
    const taskQueue = unique('large');
    const payload = 'ä0123456789'.repeat(125_000);
    assert.ok(Buffer.byteLength(payload) >= 1_500_000);
    assert.ok(payload === await withWorker(taskQueue, () =>
      client.workflow.execute(workflows.echoPayload, { taskQueue, workflowId: taskQueue, args: [payload] })));
  });

  test('many workflows at once', async () => {
    const taskQueue = unique('many');
    await withWorker(taskQueue, async () => {
      const names = Array.from({ length: 30 }, (_, i) => `${i}`);
      const all = await Promise.all(names.map((name) =>
        client.workflow.execute(workflows.hello, { taskQueue, workflowId: `${taskQueue}-${name}`, args: [name] })));
      assert.deepEqual(all, names.map((name) => `Hello, ${name}!`));
    });
  });
});
