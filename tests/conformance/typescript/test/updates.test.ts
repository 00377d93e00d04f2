/* Updates beyond the common behaviours (update_protocol.test.ts): handlers that take their time, other workers, other
 * runs, and what a start that brings an update along tells. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  Client, isGrpcServiceError, WithStartWorkflowOperation, WorkflowExecutionAlreadyStartedError, WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import type { ApplicationFailure } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { connect, disconnect, reached, typesOf, unique, withWorker } from '../src/env.ts';
import * as workflows from '../src/workflows.ts';

const childPath = fileURLToPath(new URL('../src/child_worker.ts', import.meta.url));

/* The failure of an update, as workflow code made it. */
async function failureOf(promise: Promise<unknown>): Promise<ApplicationFailure> {
  const error = await promise.then(
    () => assert.fail('the update did not fail'),
    (e: unknown) => e,
  );
  assert.ok(error instanceof WorkflowUpdateFailedError, String(error));
  return error.cause as ApplicationFailure;
}

describe('updates', { concurrency: 4, timeout: 90_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  const begin = (taskQueue: string) => client.workflow.start(workflows.updated, { taskQueue, workflowId: taskQueue });

  test('a handler with an activity and a timer', async () => {
    const taskQueue = unique('update');
    await withWorker(taskQueue, async () => {
      const handle = await begin(taskQueue);
      assert.equal(await handle.executeUpdate(workflows.greeted, { args: ['Ada'] }), 'Hello, Ada!');
    });
  });

  test('a refused update leaves no trace', async () => {
    const taskQueue = unique('update-refused');
    await withWorker(taskQueue, async () => {
      const handle = await begin(taskQueue);
      assert.equal(await handle.executeUpdate(workflows.addTo, { args: [1] }), 1);
      const before = await typesOf(handle);
      for (let i = 0; i < 5; i++) {
        const failure = await failureOf(handle.executeUpdate(workflows.addTo, { args: [-1], updateId: 'same' }));
        assert.equal(failure.type, 'Negative');
        assert.equal(failure.message, '-1 is negative');
      }
      assert.deepEqual(await typesOf(handle), before);
      assert.equal(await handle.executeUpdate(workflows.addTo, { args: [1], updateId: 'same' }), 2, 'the id is free again');
    });
    await withWorker(taskQueue, async () => {
      const handle = client.workflow.getHandle<typeof workflows.updated>(taskQueue);
      assert.equal(await handle.executeUpdate(workflows.addTo, { args: [1] }), 3, 'by replay, on another worker');
    });
  });

  test('an unknown update is refused', async () => {
    const taskQueue = unique('update-unknown');
    await withWorker(taskQueue, async () => {
      const handle = await begin(taskQueue);
      const failure = await failureOf(handle.executeUpdate('nothing'));
      assert.match(failure.message, /nothing/);
    });
  });

  test('a result can be had after the end', async () => {
    const taskQueue = unique('update-after');
    await withWorker(taskQueue, async () => {
      const handle = await begin(taskQueue);
      await handle.executeUpdate(workflows.addTo, { args: [5], updateId: 'one' });
      await handle.signal(workflows.finish);
      assert.equal(await handle.result(), 5);
    });
    const handle = client.workflow.getHandle<typeof workflows.updated>(taskQueue);
    assert.equal(await handle.getUpdateHandle<number>('one').result(), 5);
    assert.equal(await handle.executeUpdate(workflows.addTo, { args: [1], updateId: 'one' }), 5);
    await assert.rejects(handle.executeUpdate(workflows.addTo, { args: [1], updateId: 'other' }), WorkflowNotFoundError);
    await assert.rejects(handle.getUpdateHandle('other').result(), WorkflowNotFoundError);
  });

  test('an update that nobody took before the end', async () => {
    const taskQueue = unique('update-untaken');
    const handle = await begin(taskQueue);
    const update = handle.executeUpdate(workflows.addTo, { args: [1] });
    update.catch(() => undefined);
    await handle.terminate();
    await assert.rejects(update, WorkflowNotFoundError);
  });

  test('a workflow that continues as new', async () => {
    const taskQueue = unique('update-continued');
    await withWorker(taskQueue, async () => {
      const handle = await begin(taskQueue);
      let total = 0;
      for (let i = 0; i < 5; i++) {
        total += 1;
        assert.equal(await handle.executeUpdate(workflows.addTo, { args: [1] }), total);
        const [, sum] = await Promise.all([handle.signal(workflows.again), handle.executeUpdate(workflows.addTo, { args: [1] })]);
        total += 1;
        assert.equal(sum, total);
      }
    });
  });

  test('a worker that is killed between acceptance and result', async () => {
    const taskQueue = unique('update-killed');
    const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', childPath, taskQueue], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout!, 'data');
    const handle = await begin(taskQueue);
    const update = await handle.startUpdate(workflows.held, { args: ['x'], waitForStage: 'ACCEPTED' });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await handle.signal(workflows.go);
    await withWorker(taskQueue, async () => assert.equal(await update.result(), 'held x'));
  });

  test('an update waits for a worker', async () => {
    const taskQueue = unique('update-waits');
    const handle = await begin(taskQueue);
    await withWorker(taskQueue, async () => assert.equal(await handle.executeUpdate(workflows.addTo, { args: [1] }), 1));
    const update = handle.executeUpdate(workflows.addTo, { args: [1] }); /* nobody is there, and the sticky worker is gone */
    await reached(handle, 'WORKFLOW_TASK_TIMED_OUT');
    await withWorker(taskQueue, async () => assert.equal(await update, 2));
  });

  test('an update without an id gets one', async () => {
    const taskQueue = unique('update-no-id');
    await withWorker(taskQueue, async () => {
      const handle = await begin(taskQueue);
      const answer = await client.workflowService.updateWorkflowExecution({
        namespace: client.options.namespace,
        workflowExecution: { workflowId: taskQueue },
        request: { meta: {}, input: { name: 'addTo', args: { payloads: [defaultPayloadConverter.toPayload(3)] } } },
      });
      const updateId = answer.updateRef!.updateId!;
      assert.match(updateId, /^[0-9a-f-]{36}$/);
      assert.equal(await handle.getUpdateHandle<number>(updateId).result(), 3);
    });
  });

  test('what is asked for must make sense', async () => {
    const refused = (promise: Promise<unknown>, code: number, text: RegExp) =>
      assert.rejects(promise, (e: unknown) => isGrpcServiceError(e) && e.code === code && text.test(e.details));
    const service = client.workflowService;
    const of = { namespace: client.options.namespace, workflowExecution: { workflowId: unique('update-nothing') } };
    const request = { meta: { updateId: 'u' }, input: { name: 'addTo' } };
    await refused(service.updateWorkflowExecution({ ...of, request }), 5, /not found/);
    await refused(service.updateWorkflowExecution({ ...of, request: { input: request.input } }), 3, /meta/);
    await refused(service.updateWorkflowExecution({ ...of, request, waitPolicy: { lifecycleStage: 1 } }), 7, /admitted/);
    await refused(service.pollWorkflowExecutionUpdate({ namespace: of.namespace }), 3, /UpdateRef/);
    await refused(service.executeMultiOperation({ namespace: of.namespace, operations: [] }), 3, /\[Start, Update\]/);
  });

  describe('with start', { concurrency: 4 }, () => {
    const starting = (taskQueue: string, workflowIdConflictPolicy: 'FAIL' | 'USE_EXISTING') =>
      new WithStartWorkflowOperation(workflows.updated, {
        taskQueue, workflowId: taskQueue, args: [10], workflowIdConflictPolicy,
      });

    test('a new workflow', async () => {
      const taskQueue = unique('update-start');
      await withWorker(taskQueue, async () => {
        const startWorkflowOperation = starting(taskQueue, 'FAIL');
        const sum = await client.workflow.executeUpdateWithStart(workflows.addTo, { args: [1], startWorkflowOperation });
        assert.equal(sum, 11);
        const handle = await startWorkflowOperation.workflowHandle();
        const types = await typesOf(handle);
        assert.equal(types.filter((t) => t === 'WORKFLOW_TASK_SCHEDULED').length, 1, 'the first task brought the update');
        await handle.signal(workflows.finish);
        assert.equal(await handle.result(), 11);
      });
    });

    test('a workflow that is there', async () => {
      const taskQueue = unique('update-start-there');
      await withWorker(taskQueue, async () => {
        const first = await begin(taskQueue);
        const startWorkflowOperation = starting(taskQueue, 'USE_EXISTING');
        const sum = await client.workflow.executeUpdateWithStart(workflows.addTo, { args: [1], startWorkflowOperation });
        assert.equal(sum, 1);
        const handle = await startWorkflowOperation.workflowHandle();
        assert.equal((await handle.describe()).runId, first.firstExecutionRunId);
        const refused = starting(taskQueue, 'FAIL');
        refused.workflowHandle().catch(() => undefined);
        await assert.rejects(
          client.workflow.executeUpdateWithStart(workflows.addTo, { args: [1], startWorkflowOperation: refused }),
          WorkflowExecutionAlreadyStartedError,
        );
      });
    });

    test('a refused update has started the workflow all the same', async () => {
      const taskQueue = unique('update-start-refused');
      await withWorker(taskQueue, async () => {
        const startWorkflowOperation = starting(taskQueue, 'FAIL');
        const failure = await failureOf(
          client.workflow.executeUpdateWithStart(workflows.addTo, { args: [-1], startWorkflowOperation }),
        );
        assert.equal(failure.type, 'Negative');
        const handle = await startWorkflowOperation.workflowHandle();
        assert.equal(await handle.executeUpdate(workflows.addTo, { args: [1] }), 11);
      });
    });

    test('accepted, and waited for', async () => {
      const taskQueue = unique('update-start-accepted');
      await withWorker(taskQueue, async () => {
        const startWorkflowOperation = starting(taskQueue, 'USE_EXISTING');
        const update = await client.workflow.startUpdateWithStart(workflows.held, {
          args: ['x'], waitForStage: 'ACCEPTED', startWorkflowOperation,
        });
        await (await startWorkflowOperation.workflowHandle()).signal(workflows.go);
        assert.equal(await update.result(), 'held x');
      });
    });

    test('a start that is refused', async () => {
      const startWorkflowOperation = new WithStartWorkflowOperation(workflows.updated, {
        taskQueue: 'q', workflowId: unique('update-start-cron'), cronSchedule: '* * * * *', workflowIdConflictPolicy: 'FAIL',
      });
      startWorkflowOperation.workflowHandle().catch(() => undefined);
      await assert.rejects(
        client.workflow.executeUpdateWithStart(workflows.addTo, { args: [1], startWorkflowOperation }),
        (e: unknown) => /CronSchedule/.test(String((e as Error).cause ?? e)) || isGrpcServiceError((e as Error).cause),
      );
    });
  });
});
