/* In which order and how fast a task queue gives its tasks away. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Client } from '@temporalio/client';
import type { Priority } from '@temporalio/common';
import proto from '@temporalio/proto';
import { connect, disconnect, eventually, namespace, unique, withWorker } from '../src/env.ts';
import * as workflows from '../src/workflows.ts';

type Task = { name: string; priority?: Priority };

describe('queues', { concurrency: 4, timeout: 60_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  const { TaskQueueType, RateLimitSource } = proto.temporal.api.enums.v1;
  const describeQueue = (name: string) => client.workflowService.describeTaskQueue({
    namespace, taskQueue: { name }, taskQueueType: TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY, reportStats: true });

  /* The tasks wait before anybody polls; one worker then takes them one by one. */
  async function orderOf(tasks: Task[], priority?: Priority): Promise<string[]> {
    const taskQueue = unique('ordered');
    const queue = `${taskQueue}-noted`;
    const seen: string[] = [];
    const noted = async (name: string) => void seen.push(name);
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.schedules, {
        taskQueue, workflowId: taskQueue, args: [queue, tasks], priority });
      await eventually('all tasks wait', async () =>
        Number((await describeQueue(queue)).stats?.approximateBacklogCount) === tasks.length);
      await withWorker(queue, () => handle.result(),
        { activities: { noted }, maxConcurrentActivityTaskExecutions: 1, maxConcurrentActivityTaskPolls: 1 });
    });
    return seen;
  }

  test('priority_order: activities that wait go by priority, then first in first out', async () => {
    const of = (priorityKey: number, ...names: string[]) => names.map((name) => ({ name, priority: { priorityKey } }));
    const tasks = [...of(5, 'e'), ...of(4, 'd1', 'd2'), ...of(3, 'c'), { name: 'as its workflow' }, ...of(1, 'a1', 'a2')];
    assert.deepEqual(await orderOf(tasks, { priorityKey: 2 }), ['a1', 'a2', 'as its workflow', 'c', 'd1', 'd2', 'e']);
  });

  test('fairness: keys of fairness share a queue by weight', async () => {
    const of = (count: number, fairnessKey: string, fairnessWeight?: number): Task[] =>
      Array.from({ length: count }, () => ({ name: fairnessKey, priority: { fairnessKey, fairnessWeight } }));
    const seen = await orderOf([...of(12, 'large'), ...of(3, 'small'), ...of(9, 'heavy', 3)]);
    assert.equal(seen.length, 24);
    const first = (name: string) => seen.slice(0, 15).filter((n) => n === name).length;
    /* 3, 9 and 3, but for a task or two that a change inside the cluster makes a queue tell twice */
    assert.ok(first('small') >= 2 && first('heavy') >= 7 && first('large') <= 5, seen.join());
  });

  test("task_queue_rate: a worker's rate limits the whole queue, and the next worker's word replaces it", async () => {
    const taskQueue = unique('rated');
    const queue = `${taskQueue}-noted`;
    const done: string[] = [];
    const noted = async (name: string) => void done.push(name);
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.schedules, {
        taskQueue, workflowId: taskQueue, args: [queue, [{ name: 'a' }, { name: 'b' }, { name: 'c' }]] });
      await withWorker(queue, async () => {
        const described = await eventually('tasks wait for the rate', async () => {
          const answer = await describeQueue(queue);
          return done.length > 0 && answer.stats?.rateLimitingActive ? answer : undefined;
        });
        assert.ok(Number(described.stats?.approximateBacklogCount) >= 2);
        assert.ok(Math.abs((described.effectiveRateLimit?.requestsPerSecond ?? 0) - 0.01) < 1e-6);
        assert.equal(described.effectiveRateLimit?.rateLimitSource, RateLimitSource.RATE_LIMIT_SOURCE_WORKER);
      }, { activities: { noted }, maxTaskQueueActivitiesPerSecond: 0.01 });
      assert.deepEqual(done, ['a']);
      await withWorker(queue, () => handle.result(), { activities: { noted } });
      assert.deepEqual(done.sort(), ['a', 'b', 'c']);
    });
  });
});
