/* What a start can ask for, and that the workflow and describe tell the same. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, WorkflowExecutionAlreadyStartedError, WorkflowFailedError } from '@temporalio/client';
import { defaultPayloadConverter, TerminatedFailure, TimeoutFailure } from '@temporalio/common';
import { addSearchAttributes, connect, disconnect, events, eventually, namespace, nativeConnection, reached, typesOf, unique, withWorker } from '../src/env.ts';
import * as workflows from '../src/workflows.ts';

describe('start options', { concurrency: 8, timeout: 60_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  test('start_returns_run_id: the run id that describe tells', async () => {
    const workflowId = unique('run-id');
    const handle = await client.workflow.start(workflows.sleeper, { taskQueue: workflowId, workflowId });
    assert.match(handle.firstExecutionRunId, /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/);
    assert.equal((await handle.describe()).runId, handle.firstExecutionRunId);
    await handle.terminate();
  });

  test('start_conflict_use_existing: the second start gets the open run', async () => {
    const start = { taskQueue: unique('use-existing'), workflowId: unique('use-existing') };
    const first = await client.workflow.start(workflows.sleeper, start);
    const second = await client.workflow.start(workflows.sleeper, { ...start, workflowIdConflictPolicy: 'USE_EXISTING' });
    assert.equal(second.firstExecutionRunId, first.firstExecutionRunId);
    await first.terminate();
  });

  test('start_conflict_terminate_existing: the open run is terminated, a new one runs', async () => {
    const start = { taskQueue: unique('terminate-existing'), workflowId: unique('terminate-existing') };
    const first = await client.workflow.start(workflows.sleeper, start);
    const second = await client.workflow.start(workflows.sleeper, { ...start, workflowIdConflictPolicy: 'TERMINATE_EXISTING' });
    assert.notEqual(second.firstExecutionRunId, first.firstExecutionRunId);
    const old = client.workflow.getHandle(start.workflowId, first.firstExecutionRunId);
    await assert.rejects(old.result(), (err) => err instanceof WorkflowFailedError && err.cause instanceof TerminatedFailure);
    const now = await client.workflow.getHandle(start.workflowId).describe();
    assert.deepEqual([now.runId, now.status.name], [second.firstExecutionRunId, 'RUNNING']);
    await second.terminate();
  });

  test('start_reuse_allow_duplicate: a closed id can be started again', async () => {
    const start = { taskQueue: unique('reuse'), workflowId: unique('reuse'), workflowIdReusePolicy: 'ALLOW_DUPLICATE', args: ['x'] } as const;
    await withWorker(start.taskQueue, async () => {
      const first = await client.workflow.start(workflows.echoPayload, { ...start, args: ['1'] });
      assert.equal(await first.result(), '1');
      const second = await client.workflow.start(workflows.echoPayload, { ...start, args: ['2'] });
      assert.equal(await second.result(), '2');
      assert.notEqual(second.firstExecutionRunId, first.firstExecutionRunId);
    });
  });

  test('start_reuse_failed_only: refused after success, accepted after failure', async () => {
    const taskQueue = unique('failed-only');
    await withWorker(taskQueue, async () => {
      const good = { taskQueue, workflowId: `${taskQueue}/good`, workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY' } as const;
      await client.workflow.execute(workflows.echoPayload, { ...good, args: ['x'] });
      await assert.rejects(client.workflow.start(workflows.echoPayload, { ...good, args: ['x'] }), WorkflowExecutionAlreadyStartedError);
      const bad = { ...good, workflowId: `${taskQueue}/bad` };
      await assert.rejects(client.workflow.execute(workflows.failing, bad), WorkflowFailedError);
      assert.equal(await client.workflow.execute(workflows.echoPayload, { ...bad, args: ['after failure'] }), 'after failure');
    });
  });

  test('start_reuse_reject_duplicate: refused after any close', async () => {
    const taskQueue = unique('reject');
    await withWorker(taskQueue, async () => {
      const start = { taskQueue, workflowId: taskQueue, workflowIdReusePolicy: 'REJECT_DUPLICATE' } as const;
      await assert.rejects(client.workflow.execute(workflows.failing, start), WorkflowFailedError);
      await assert.rejects(client.workflow.start(workflows.failing, start), (err) =>
        err instanceof WorkflowExecutionAlreadyStartedError && err.workflowId === taskQueue && err.workflowType === 'failing');
    });
  });

  test('start_delay: the first task waits for the delay', async () => {
    const taskQueue = unique('delay');
    await withWorker(taskQueue, async () => {
      const began = Date.now();
      const handle = await client.workflow.start(workflows.echoPayload, { taskQueue, workflowId: taskQueue, args: ['x'], startDelay: '1s' });
      assert.deepEqual(await typesOf(handle), ['WORKFLOW_EXECUTION_STARTED'], 'no task yet');
      assert.equal(await handle.result(), 'x');
      assert.ok(Date.now() - began >= 990, 'not before its time');
      const { startTime, executionTime } = await handle.describe();
      assert.equal(executionTime!.getTime() - startTime.getTime(), 1000);
    });
  });

  test('start_cron: runs again with the last result, until it is terminated', async () => {
    const taskQueue = unique('cron');
    await withWorker(taskQueue, async () => {
      const first = await client.workflow.start(workflows.countsRuns, { taskQueue, workflowId: taskQueue, cronSchedule: '@every 1s' });
      const cron = client.workflow.getHandle(taskQueue);
      const startedOf = async () => (await events(cron))[0]!.workflowExecutionStartedEventAttributes!;
      const started = await eventually('a third run', async () => {
        const attributes = await startedOf();
        const [last] = attributes.lastCompletionResult?.payloads ?? [];
        return last && defaultPayloadConverter.fromPayload<number>(last) >= 2 && attributes;
      });
      assert.equal(started.cronSchedule, '@every 1s');
      assert.equal(started.firstExecutionRunId, first.firstExecutionRunId);
      await cron.terminate('enough');
      await assert.rejects(first.result(), (err) => err instanceof WorkflowFailedError && err.cause instanceof TerminatedFailure);
      const { runId } = await cron.describe();
      await new Promise((resolve) => setTimeout(resolve, 1500)); /* longer than the schedule: nothing may happen */
      const after = await cron.describe();
      assert.deepEqual([after.runId, after.status.name], [runId, 'TERMINATED']);
    });
  });

  test('start_execution_timeout (2): the execution times out across runs', async () => {
    const taskQueue = unique('across-runs');
    await withWorker(taskQueue, async () => {
      await client.workflow.execute(workflows.echoPayload, { taskQueue, workflowId: `${taskQueue}/warm`, args: ['the worker is up'] });
      const handle = await client.workflow.start(workflows.endless, { taskQueue, workflowId: taskQueue, workflowExecutionTimeout: '3s' });
      await assert.rejects(handle.result(), (err) => err instanceof WorkflowFailedError && err.cause instanceof TimeoutFailure);
      const last = await client.workflow.getHandle(taskQueue).describe();
      assert.notEqual(last.runId, handle.firstExecutionRunId);
      assert.equal(last.status.name, 'TIMED_OUT');
    });
  });

  test('start_memo: told to the workflow and by describe', async () => {
    const taskQueue = unique('memo');
    const memo = { colour: 'blue', sizes: [1, 2] };
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.tellsAttributes, { taskQueue, workflowId: taskQueue, memo });
      assert.deepEqual((await handle.result()).memo, memo);
      assert.deepEqual((await handle.describe()).memo, memo);
    });
  });

  test('start_search_attributes: told with their types to the workflow and by describe', async () => {
    const taskQueue = unique('attributes');
    await addSearchAttributes(client);
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.tellsAttributes, {
        taskQueue, workflowId: taskQueue,
        typedSearchAttributes: [{ key: workflows.keyword, value: 'a key' }, { key: workflows.number, value: 42 }],
      });
      const seen = await handle.result();
      assert.deepEqual([seen.keyword, seen.number], ['a key', 42]);
      const { typedSearchAttributes } = await handle.describe();
      assert.equal(typedSearchAttributes.get(workflows.keyword), 'a key');
      assert.equal(typedSearchAttributes.get(workflows.number), 42);
    });
  });

  test('start_header: what an interceptor sets reaches the workflow', async () => {
    const taskQueue = unique('header');
    const sending = new Client({
      connection: client.connection, namespace, interceptors: {
        workflow: [{
          startWithDetails: (input, next) => next({
            ...input, headers: { ...input.headers, greeting: defaultPayloadConverter.toPayload('from afar') },
          }),
        }],
      },
    });
    assert.equal(await withWorker(taskQueue, () =>
      sending.workflow.execute(workflows.tellsHeader, { taskQueue, workflowId: taskQueue })), 'from afar');
  });

  test('start_summary_and_details: told by describe', async () => {
    const workflowId = unique('summary');
    const handle = await client.workflow.start(workflows.sleeper, {
      taskQueue: workflowId, workflowId, staticSummary: 'in *short*', staticDetails: 'at\nlength',
    });
    const description = await handle.describe();
    assert.equal(await description.staticSummary(), 'in *short*');
    assert.equal(await description.staticDetails(), 'at\nlength');
    await handle.terminate();
  });

  test('start_priority: told to the workflow and by describe', async () => {
    const taskQueue = unique('priority');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.tellsPriority, { taskQueue, workflowId: taskQueue, priority: { priorityKey: 2 } });
      assert.equal(await handle.result(), 2);
      assert.equal((await handle.describe()).priority?.priorityKey, 2);
    });
  });

  test('start_eager: an eagerly started workflow completes', async () => {
    const taskQueue = unique('eager');
    await withWorker(taskQueue, async () => {
      const near = new Client({ connection: await nativeConnection(), namespace });
      const handle = await near.workflow.start(workflows.hello, {
        taskQueue, workflowId: taskQueue, args: ['eager'], requestEagerStart: true,
      });
      assert.equal(handle.eagerlyStarted, true);
      assert.equal(await handle.result(), 'Hello, eager!');
      assert.equal((await events(client.workflow.getHandle(taskQueue)))[0]!.workflowExecutionStartedEventAttributes!.eagerExecutionAccepted, true);
    });
  });

  test('cancel_closed: cancelling a closed workflow succeeds', async () => {
    const taskQueue = unique('cancel-closed');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.echoPayload, { taskQueue, workflowId: taskQueue, args: ['x'] });
      await handle.result();
      await handle.cancel();
      assert.equal((await handle.describe()).status.name, 'COMPLETED');
      assert.ok(!(await typesOf(handle)).includes('WORKFLOW_EXECUTION_CANCEL_REQUESTED'));
    });
  });

  test('continue_as_new: memo and search attributes carry over', async () => {
    const taskQueue = unique('carry-over');
    await addSearchAttributes(client);
    const start = { taskQueue, memo: { colour: 'blue' }, typedSearchAttributes: [{ key: workflows.keyword, value: 'first' }, { key: workflows.number, value: 1 }] };
    await withWorker(taskQueue, async () => {
      const kept = await client.workflow.start(workflows.tellsAttributesInNextRun, { ...start, workflowId: `${taskQueue}/kept` });
      assert.deepEqual(await kept.result(), { memo: { colour: 'blue' }, keyword: 'first', number: 1 });
      const description = await client.workflow.getHandle(kept.workflowId).describe();
      assert.notEqual(description.runId, kept.firstExecutionRunId);
      assert.deepEqual(description.memo, { colour: 'blue' });
      assert.equal(description.typedSearchAttributes.get(workflows.keyword), 'first');
      const changed = await client.workflow.execute(workflows.changesAttributesInNextRun, { ...start, workflowId: `${taskQueue}/changed` });
      assert.deepEqual([changed.memo, changed.keyword], [{ colour: 'green' }, 'second']);
    });
  });

  test('continue_as_new_suggested: after signals of more than 4 MB', async () => {
    const taskQueue = unique('suggested');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.watchesSuggestion, { taskQueue, workflowId: taskQueue });
      await reached(handle, 'WORKFLOW_TASK_COMPLETED');
      const large = 'x'.repeat(1_500_000);
      for (let i = 0; i < 3; i++) await handle.signal(workflows.note, large);
      await eventually('all is in the history', async () => {
        const { raw, historySize } = await handle.describe();
        return historySize! > 4_500_000 && !raw.pendingWorkflowTask;
      });
      await handle.signal(workflows.finish);
      assert.deepEqual(await handle.result(), { before: false, after: true, notes: 3 });
    });
  });

  test('upsert_memo: what the workflow changed is told by describe', async () => {
    const taskQueue = unique('upsert-memo');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.changesMemo, {
        taskQueue, workflowId: taskQueue, memo: { colour: 'blue', old: 'gone', kept: true },
      });
      const expected = { colour: 'red', size: 7, kept: true };
      assert.deepEqual(await handle.result(), expected);
      assert.deepEqual((await handle.describe()).memo, expected);
      assert.ok((await typesOf(handle)).includes('WORKFLOW_PROPERTIES_MODIFIED'));
    });
  });

  test('upsert_search_attributes: what the workflow changed is told by describe', async () => {
    const taskQueue = unique('upsert-attributes');
    await addSearchAttributes(client);
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.changesSearchAttributes, {
        taskQueue, workflowId: taskQueue,
        typedSearchAttributes: [{ key: workflows.keyword, value: 'before' }, { key: workflows.number, value: 1 }],
      });
      const seen = await handle.result();
      assert.deepEqual([seen.keyword, seen.number], ['after', undefined]);
      const { typedSearchAttributes } = await handle.describe();
      assert.equal(typedSearchAttributes.get(workflows.keyword), 'after');
      assert.equal(typedSearchAttributes.get(workflows.number), undefined);
    });
  });
});
