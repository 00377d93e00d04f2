/* A history read back and checked event by event. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Client } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { bundlePath } from '../src/bundle_path.ts';
import { connect, disconnect, events, reached, typeName, unique, withWorker } from '../src/env.ts';
import type { HistoryEvent } from '../src/env.ts';
import * as workflows from '../src/workflows.ts';

const id = (n: unknown): number => Number(n ?? 0);

describe('history', { concurrency: 4, timeout: 60_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  /* Ids without gaps, times in order, links to the events that they follow. */
  function checkLinks(all: HistoryEvent[]): void {
    const at = (n: unknown): string => typeName(all[id(n) - 1]!);
    all.forEach((event, i) => {
      assert.equal(id(event.eventId), i + 1);
      assert.ok(event.eventTime, `event ${i + 1} has a time`);
      if (i > 0) {
        const [a, b] = [all[i - 1]!.eventTime!, event.eventTime!];
        assert.ok(id(a.seconds) < id(b.seconds) || (id(a.seconds) === id(b.seconds) && a.nanos! <= b.nanos!),
          `event ${i + 1} is not earlier than the one before`);
      }
      const type = typeName(event);
      const attributes = Object.entries(event).find(([key, value]) => key.endsWith('EventAttributes') && value)?.[1] as
        Record<string, unknown> | undefined;
      assert.ok(attributes, `event ${i + 1} (${type}) has attributes`);
      const subject = /^(WORKFLOW_TASK|ACTIVITY_TASK|TIMER)_(.*)$/.exec(type);
      if (subject?.[1] === 'TIMER') {
        if (subject[2] === 'FIRED') assert.equal(at(attributes.startedEventId), 'TIMER_STARTED');
      } else if (subject && subject[2] !== 'SCHEDULED') {
        assert.equal(at(attributes.scheduledEventId), `${subject[1]}_SCHEDULED`, type);
        if (subject[2] === 'COMPLETED') assert.equal(at(attributes.startedEventId), `${subject[1]}_STARTED`, type);
      }
      if ('workflowTaskCompletedEventId' in attributes && id(attributes.workflowTaskCompletedEventId)) {
        assert.equal(at(attributes.workflowTaskCompletedEventId), 'WORKFLOW_TASK_COMPLETED', type);
      }
    });
  }

  const task = ['WORKFLOW_TASK_SCHEDULED', 'WORKFLOW_TASK_STARTED', 'WORKFLOW_TASK_COMPLETED'];
  const activity = ['ACTIVITY_TASK_SCHEDULED', 'ACTIVITY_TASK_STARTED', 'ACTIVITY_TASK_COMPLETED'];

  test('one activity', async () => {
    const taskQueue = unique('one-activity');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.hello, { taskQueue, workflowId: taskQueue, args: ['x'] });
      await handle.result();
      const all = await events(handle);
      assert.deepEqual(all.map(typeName),
        ['WORKFLOW_EXECUTION_STARTED', ...task, ...activity, ...task, 'WORKFLOW_EXECUTION_COMPLETED']);
      checkLinks(all);
      const started = all[0]!.workflowExecutionStartedEventAttributes!;
      assert.equal(started.workflowType?.name, 'hello');
      assert.equal(started.taskQueue?.name, taskQueue);
      assert.equal(started.originalExecutionRunId, handle.firstExecutionRunId);
      assert.equal(started.firstExecutionRunId, handle.firstExecutionRunId);
      assert.equal(started.workflowId, taskQueue);
      assert.equal(started.attempt, 1);
      const scheduled = all[4]!.activityTaskScheduledEventAttributes!;
      assert.equal(scheduled.activityType?.name, 'greet');
      assert.equal(id(scheduled.workflowTaskCompletedEventId), 4);
      const completed = all[6]!.activityTaskCompletedEventAttributes!;
      assert.deepEqual([id(completed.scheduledEventId), id(completed.startedEventId)], [5, 6]);
      assert.equal(id(all[10]!.workflowExecutionCompletedEventAttributes!.workflowTaskCompletedEventId), 10);
    });
  });

  test('timer and signal', async () => {
    const taskQueue = unique('signal-history');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.waitForSignal, { taskQueue, workflowId: taskQueue });
      await reached(handle, 'WORKFLOW_TASK_COMPLETED');
      await handle.signal(workflows.go);
      await handle.result();
      const all = await events(handle);
      assert.deepEqual(all.map(typeName),
        ['WORKFLOW_EXECUTION_STARTED', ...task, 'WORKFLOW_EXECUTION_SIGNALED', ...task, 'WORKFLOW_EXECUTION_COMPLETED']);
      checkLinks(all);
      assert.equal(all[4]!.workflowExecutionSignaledEventAttributes!.signalName, 'go');
    });
  });

  test('replay: many steps, links throughout, and it replays', async () => {
    const taskQueue = unique('many-steps');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.manySteps, { taskQueue, workflowId: taskQueue, args: [5] });
      assert.deepEqual(await handle.result(), Array.from({ length: 5 }, (_, i) => `step ${i}`));
      const all = await events(handle);
      const round = [...activity, ...task, 'TIMER_STARTED', 'TIMER_FIRED', ...task];
      assert.deepEqual(all.map(typeName),
        ['WORKFLOW_EXECUTION_STARTED', ...task, ...Array.from({ length: 5 }, () => round).flat(),
          'WORKFLOW_EXECUTION_COMPLETED']);
      checkLinks(all);
      await Worker.runReplayHistory({ workflowBundle: { codePath: bundlePath } }, await handle.fetchHistory(), taskQueue);
    });
  });

  test('history_paging: pages join on', async () => {
    const taskQueue = unique('pages');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.manySteps, { taskQueue, workflowId: taskQueue, args: [3] });
      await handle.result();
      const whole = await events(handle);
      const paged: HistoryEvent[] = [];
      let nextPageToken: Uint8Array | undefined;
      do {
        const page = await client.workflowService.getWorkflowExecutionHistory({
          namespace: client.options.namespace, execution: { workflowId: taskQueue }, maximumPageSize: 4, nextPageToken,
        });
        paged.push(...(page.history?.events ?? []));
        nextPageToken = page.nextPageToken?.length ? page.nextPageToken : undefined;
      } while (nextPageToken);
      assert.deepEqual(paged.map((e) => id(e.eventId)), whole.map((e) => id(e.eventId)));
    });
  });
});
