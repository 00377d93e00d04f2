/* Starts with their options: cron, eager tasks, policies, memo and search attributes, what a description shows. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, WorkflowExecutionAlreadyStartedError, WorkflowFailedError } from '@temporalio/client';
import { TerminatedFailure } from '@temporalio/common';
import { connect, disconnect, events, eventually, namespace, typesOf, unique, withWorker } from '../src/env.ts';
import * as workflows from '../src/workflows.ts';

describe('start', { concurrency: 6, timeout: 90_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  const service = () => client.workflowService;
  const raw = (workflowId: string, more: object = {}) => service().startWorkflowExecution({
    namespace, workflowId, workflowType: { name: 'waitForSignal' }, taskQueue: { name: workflowId },
    requestId: unique('request'), identity: 'test', ...more,
  });
  const described = (workflowId: string, runId?: string) =>
    service().describeWorkflowExecution({ namespace, execution: { workflowId, runId } });

  test('a cron schedule repeats a workflow and hands on its result', async () => {
    const taskQueue = unique('cron');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.repeated, {
        taskQueue, workflowId: taskQueue, cronSchedule: '@every 1s', memo: { kept: 'yes' } });
      const first = handle.firstExecutionRunId;
      const start = (await events(client.workflow.getHandle(taskQueue, first)))[0]!;
      assert.ok(Number(start.workflowExecutionStartedEventAttributes!.firstWorkflowTaskBackoff!.seconds) <= 1);
      assert.equal(start.workflowExecutionStartedEventAttributes!.cronSchedule, '@every 1s');
      /* the third run has seen the result of the second */
      const runs = await eventually('three runs', async () => {
        const ids = [first];
        for (;;) {
          const all = await events(client.workflow.getHandle(taskQueue, ids.at(-1)!));
          const next = all.at(-1)!.workflowExecutionCompletedEventAttributes?.newExecutionRunId;
          if (!next) return ids.length > 3 && ids;
          ids.push(next);
        }
      });
      const end = (await events(client.workflow.getHandle(taskQueue, runs[2]))).at(-1)!;
      const { data } = end.workflowExecutionCompletedEventAttributes!.result!.payloads![0]!;
      assert.equal(Buffer.from(data!).toString(), '3');
      const last = await client.workflow.getHandle(taskQueue).describe();
      assert.deepEqual(last.memo, { kept: 'yes' });
      await client.workflow.getHandle(taskQueue).terminate('enough');
      await assert.rejects(handle.result(), (err: unknown) =>
        err instanceof WorkflowFailedError && err.cause instanceof TerminatedFailure);
    });
  });

  test('a cron schedule in a zone waits for its local time', async () => {
    const workflowId = unique('cron-zone');
    await raw(workflowId, { cronSchedule: 'CRON_TZ=Asia/Kolkata 30 4 * * *' });
    const info = (await described(workflowId)).workflowExecutionInfo!;
    const at = new Date(Number(info.executionTime!.seconds) * 1000);
    assert.equal(at.toISOString().slice(11), '23:00:00.000Z');
    await client.workflow.getHandle(workflowId).terminate();
    await assert.rejects(raw(workflowId, { cronSchedule: 'not a schedule' }), /invalid CronSchedule\./);
    await assert.rejects(raw(workflowId, { cronSchedule: 'CRON_TZ=Mars/Olympus * * * * *' }), /invalid CronSchedule\./);
    await assert.rejects(raw(workflowId, { cronSchedule: '@daily', workflowStartDelay: { seconds: 1 } }),
      /CronSchedule and WorkflowStartDelay may not be used together/);
  });

  test('a child repeats by its schedule until its parent ends', async () => {
    const taskQueue = unique('cron-child');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.parentOfRepeated, {
        taskQueue, workflowId: taskQueue, args: [`${taskQueue}-child`] });
      const child = client.workflow.getHandle(`${taskQueue}-child`);
      const first = await eventually('the child', async () => (await child.describe().catch(() => undefined))?.runId);
      await eventually('its second run', async () => (await child.describe()).runId !== first);
      await handle.signal(workflows.go);
      await handle.result();
      await eventually('its end', async () => (await child.describe()).status.name === 'TERMINATED');
    });
  });

  test('an eager start hands out the first task', async () => {
    const workflowId = unique('eager');
    const more = { requestEagerExecution: true, requestId: unique('eager') };
    const answer = await raw(workflowId, more);
    const task = answer.eagerWorkflowTask!;
    assert.equal(task.attempt, 1);
    assert.equal(task.history!.events!.length, 3);
    assert.equal(task.history!.events![0]!.workflowExecutionStartedEventAttributes!.eagerExecutionAccepted, true);
    const again = await raw(workflowId, more);
    assert.deepEqual(again.eagerWorkflowTask!.taskToken, task.taskToken);
    assert.ok(again.started);
    await service().respondWorkflowTaskCompleted({
      namespace, taskToken: task.taskToken, identity: 'test',
      commands: [{ commandType: 4, completeWorkflowExecutionCommandAttributes: {} }],
    });
    assert.deepEqual(await typesOf(client.workflow.getHandle(workflowId)), [
      'WORKFLOW_EXECUTION_STARTED', 'WORKFLOW_TASK_SCHEDULED', 'WORKFLOW_TASK_STARTED', 'WORKFLOW_TASK_COMPLETED',
      'WORKFLOW_EXECUTION_COMPLETED']);
    assert.ok((await service().getSystemInfo({})).capabilities!.eagerWorkflowStart);
  });

  test('an eager task that nobody completes comes to a worker', async () => {
    const taskQueue = unique('eager-lost');
    await raw(taskQueue, { requestEagerExecution: true, workflowTaskTimeout: { seconds: 1 } });
    const handle = client.workflow.getHandle(taskQueue);
    await withWorker(taskQueue, async () => {
      await handle.signal(workflows.go);
      assert.equal(await handle.result(), 'released');
    });
  });

  test('a later start attaches its request id and callbacks to the run that is there', async () => {
    const workflowId = unique('attach');
    const { runId } = await raw(workflowId);
    const callback = { nexus: { url: 'http://127.0.0.1:1/back', header: { token: 'x' } } };
    const more = {
      requestId: unique('second'), workflowIdConflictPolicy: 2,
      completionCallbacks: [callback],
      onConflictOptions: { attachRequestId: true, attachCompletionCallbacks: true, attachLinks: true },
      links: [{ workflowEvent: { namespace, workflowId: 'from', runId: 'there' } }],
    };
    for (let i = 0; i < 2; i++) {
      const answer = await raw(workflowId, more);
      assert.equal(answer.runId, runId);
      assert.equal(answer.started, false);
    }
    const all = await events(client.workflow.getHandle(workflowId));
    assert.equal(all.length, 3);
    const options = all[2]!.workflowExecutionOptionsUpdatedEventAttributes!;
    assert.equal(options.attachedRequestId, more.requestId);
    assert.equal(options.attachedCompletionCallbacks![0]!.nexus!.url, callback.nexus.url);
    assert.equal(all[2]!.links![0]!.workflowEvent!.workflowId, 'from');
    const d = await described(workflowId);
    assert.equal(Number(d.workflowExtendedInfo!.requestIdInfos![more.requestId]!.eventId), 3);
    assert.equal(d.callbacks!.length, 1);
    assert.ok(d.callbacks![0]!.trigger!.workflowClosed);
    assert.equal(d.callbacks![0]!.callback!.nexus!.header!.token, 'x');
    await client.workflow.getHandle(workflowId).terminate();
  });

  test('a taken id is explained', async () => {
    const workflowId = unique('taken');
    const start = { taskQueue: workflowId, workflowId };
    const handle = await client.workflow.start(workflows.waitForSignal, start);
    await assert.rejects(client.workflow.start(workflows.waitForSignal, start), (err: unknown) => {
      assert.ok(err instanceof WorkflowExecutionAlreadyStartedError);
      return true;
    });
    await assert.rejects(raw(workflowId), new RegExp(
      `Workflow execution is already running\\. WorkflowId: ${workflowId}, RunId: ${handle.firstExecutionRunId}\\.`));
    await handle.terminate();
    await assert.rejects(raw(workflowId, { workflowIdReusePolicy: 3 }), /Workflow execution already finished\. .*reject duplicate/);
    const next = await client.workflow.start(workflows.waitForSignal, { ...start, workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY' });
    await next.terminate();
  });

  test('the deprecated policy ends the run that is there', async () => {
    const workflowId = unique('terminate-if-running');
    const { runId } = await raw(workflowId);
    const answer = await raw(workflowId, { workflowIdReusePolicy: 4 });
    assert.notEqual(answer.runId, runId);
    assert.equal((await client.workflow.getHandle(workflowId, runId!).describe()).status.name, 'TERMINATED');
    await assert.rejects(raw(workflowId, { workflowIdReusePolicy: 4, workflowIdConflictPolicy: 1 }),
      /cannot be used together with a WorkflowIDConflictPolicy/);
    await client.workflow.getHandle(workflowId).terminate();
  });

  test('memo upserts are merged', async () => {
    const taskQueue = unique('memo');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.changesItsMemo, {
        taskQueue, workflowId: taskQueue, memo: { kept: 1, changed: 'old', dropped: true } });
      await handle.result();
      assert.deepEqual((await handle.describe()).memo, { kept: 1, changed: 'new', added: [1, 2] });
    });
  });

  test('a description shows what is pending', async () => {
    const taskQueue = unique('describe');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.failsALot, {
        taskQueue, workflowId: taskQueue, workflowExecutionTimeout: '1 hour', staticSummary: 'a summary' });
      const activity = await eventually('a second attempt', async () => {
        const a = (await described(taskQueue)).pendingActivities?.[0];
        return a && a.attempt! >= 2 && a;
      });
      assert.equal(activity.paused ?? false, false);
      assert.match(activity.lastFailure!.message!, /always/);
      assert.ok(activity.lastAttemptCompleteTime && activity.nextAttemptScheduleTime && activity.lastWorkerIdentity);
      assert.equal(Number(activity.currentRetryInterval!.seconds), 60);
      const d = await described(taskQueue);
      const extended = d.workflowExtendedInfo!;
      assert.equal(Number(extended.executionExpirationTime!.seconds) - Number(d.workflowExecutionInfo!.startTime!.seconds), 3600);
      assert.ok(extended.runExpirationTime && extended.originalStartTime && !extended.cancelRequested);
      assert.equal(Object.values(extended.requestIdInfos!)[0]!.eventType, 1);
      assert.equal(d.workflowExecutionInfo!.rootExecution!.workflowId, taskQueue);
      assert.equal(d.workflowExecutionInfo!.firstRunId, handle.firstExecutionRunId);
      assert.equal(await (await handle.describe()).staticSummary(), 'a summary');
      await handle.terminate();
      assert.equal((await described(taskQueue)).pendingActivities!.length, 0);
    });
  });

  test('continue-as-new keeps what the chain has', async () => {
    const taskQueue = unique('chain');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.counted, {
        taskQueue, workflowId: taskQueue, args: [2], memo: { chain: 'yes' }, workflowExecutionTimeout: '1 hour' });
      await handle.result();
      const last = await described(taskQueue);
      const first = await described(taskQueue, handle.firstExecutionRunId);
      assert.notEqual(last.workflowExecutionInfo!.execution!.runId, handle.firstExecutionRunId);
      assert.equal(last.workflowExecutionInfo!.firstRunId, handle.firstExecutionRunId);
      assert.deepEqual(last.workflowExtendedInfo!.executionExpirationTime, first.workflowExtendedInfo!.executionExpirationTime);
      assert.deepEqual((await client.workflow.getHandle(taskQueue).describe()).memo, { chain: 'yes' });
    });
  });

  test('a run whose workflow tasks keep failing is found by it', async () => {
    const workflowId = unique('problems');
    await raw(workflowId);
    const poll = () => client.connection.withDeadline(Date.now() + 20_000, () =>
      service().pollWorkflowTaskQueue({ namespace, taskQueue: { name: workflowId }, identity: 'test' }));
    for (let attempt = 1; attempt <= 5; attempt++) {
      const task = await poll();
      assert.equal(task.attempt, attempt);
      await service().respondWorkflowTaskFailed({ namespace, taskToken: task.taskToken, cause: 24, identity: 'test' });
    }
    const query = `WorkflowId = '${workflowId}' AND TemporalReportedProblems = 'category=WorkflowTaskFailed'`;
    const list = async () => (await service().listWorkflowExecutions({ namespace, query })).executions!.length;
    assert.equal(await list(), 1);
    await service().respondWorkflowTaskCompleted({ namespace, taskToken: (await poll()).taskToken, identity: 'test' });
    assert.equal(await list(), 0);
    await client.workflow.getHandle(workflowId).terminate();
  });
});
