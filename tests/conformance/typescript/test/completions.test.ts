/* Activities that are completed by others, that are cancelled, that say when they want to be tried again; and what
 * describe tells of them and of task queues. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ActivityNotFoundError } from '@temporalio/client';
import type { Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import { connect, disconnect, events, eventually, namespace, reached, typesOf, unique, withWorker } from '../src/env.ts';
import { tokens } from '../src/tokens.ts';
import * as workflows from '../src/workflows.ts';

describe('completions', { concurrency: 8, timeout: 60_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  const completedElsewhere = { startToCloseTimeout: '30s', retry: { maximumAttempts: 1 } } as const;

  test('activity_cancel_by_heartbeat: the activity learns of its cancellation', async () => {
    const taskQueue = unique('cancelled-activity');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.cancelsActivity, { taskQueue, workflowId: taskQueue, args: [taskQueue] });
      await eventually('it runs', async () => (await handle.describe()).raw.pendingActivities?.[0]?.state === 2);
      await handle.signal(workflows.go);
      assert.equal(await handle.result(), 'CancelledFailure: was told');
      const types = await typesOf(handle);
      assert.ok(types.includes('ACTIVITY_TASK_CANCEL_REQUESTED'));
      assert.ok(types.includes('ACTIVITY_TASK_CANCELED'));
    });
  });

  test('activity_async_by_token: completed by another client with the token', async () => {
    const taskQueue = unique('by-token');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.oneActivity, {
        taskQueue, workflowId: taskQueue, args: ['completedElsewhere', [taskQueue], completedElsewhere],
      });
      const token = await eventually('the token', async () => tokens.get(taskQueue));
      await client.activity.heartbeat(token, 'half way');
      await client.activity.complete(token, 'by token');
      assert.equal((await handle.result()).result, 'by token');
      await assert.rejects(client.activity.complete(token, 'again'), ActivityNotFoundError);
    });
  });

  test('activity_async_by_id: heartbeat, completed and failed by ids', async () => {
    const taskQueue = unique('by-id');
    await withWorker(taskQueue, async () => {
      const start = async (name: string) => {
        const workflowId = `${taskQueue}/${name}`;
        const handle = await client.workflow.start(workflows.oneActivity, {
          taskQueue, workflowId, args: ['completedElsewhere', [workflowId], { ...completedElsewhere, activityId: 'elsewhere' }],
        });
        await eventually('it runs', async () => tokens.has(workflowId));
        return { handle, id: { workflowId, activityId: 'elsewhere' } };
      };
      const good = await start('good'), bad = await start('bad');
      await client.activity.heartbeat(good.id, { progress: 1 });
      const [pending] = (await good.handle.describe()).raw.pendingActivities!;
      assert.equal(pending!.activityId, 'elsewhere');
      assert.ok(pending!.heartbeatDetails?.payloads?.length, 'describe has the details');
      await client.activity.complete(good.id, 'by id');
      assert.equal((await good.handle.result()).result, 'by id');
      await client.activity.fail(bad.id, new Error('failed by id'));
      const seen = await bad.handle.result();
      assert.equal(seen.cause, 'ApplicationFailure');
      const failed = (await events(bad.handle)).find((e) => e.activityTaskFailedEventAttributes)!.activityTaskFailedEventAttributes!;
      assert.equal(failed.failure!.message, 'failed by id');
      await assert.rejects(client.activity.complete(good.id, 'again'), ActivityNotFoundError);
    });
  });

  test('activity_next_retry_delay: the delay that the failure names is used', async () => {
    const taskQueue = unique('next-delay');
    await withWorker(taskQueue, async () => {
      const began = Date.now();
      const seen = await client.workflow.execute(workflows.oneActivity, {
        taskQueue, workflowId: taskQueue,
        args: ['wantsDelay', [500], { startToCloseTimeout: '10s', retry: { initialInterval: '1h', maximumInterval: '1h' } }],
      });
      assert.equal(seen.result, 2);
      assert.ok(Date.now() - began >= 500, 'not before its time');
    });
  });

  test('activity_eager: activities on the own queue of the workflow run', async () => {
    const taskQueue = unique('eager-activities');
    const seen = await withWorker(taskQueue, () =>
      client.workflow.execute(workflows.manySteps, { taskQueue, workflowId: taskQueue, args: [3] }),
    { maxEagerActivityReservationsPerWorkflowTask: 3 });
    assert.deepEqual(seen, ['step 0', 'step 1', 'step 2']);
  });

  test('describe_pending (2): activities with attempt and failure, and children', async () => {
    const taskQueue = unique('describe-pending');
    await withWorker(taskQueue, async () => {
      const parent = await client.workflow.start(workflows.parentOfSleeper, { taskQueue, workflowId: taskQueue, args: ['TERMINATE'] });
      await reached(parent, 'CHILD_WORKFLOW_EXECUTION_STARTED');
      const [child] = (await parent.describe()).raw.pendingChildren!;
      assert.deepEqual([child!.workflowId, child!.workflowTypeName], [`${taskQueue}/child`, 'sleeper']);
      assert.equal(child!.runId, (await client.workflow.getHandle(`${taskQueue}/child`).describe()).runId);
      await parent.terminate();
    });
  });

  test('describe_task_queue: pollers are listed', async () => {
    const taskQueue = unique('pollers');
    const { TaskQueueType } = proto.temporal.api.enums.v1;
    await withWorker(taskQueue, async () => {
      for (const taskQueueType of [TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY]) {
        await eventually('the poller is listed', async () => {
          const { pollers } = await client.workflowService.describeTaskQueue({ namespace, taskQueue: { name: taskQueue }, taskQueueType });
          return pollers?.some((poller) => poller.identity === 'the poller' && poller.lastAccessTime);
        });
      }
    }, { identity: 'the poller' });
  });
});
