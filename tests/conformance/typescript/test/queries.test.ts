/* Queries: of running, waiting and closed workflows, with and without a worker that knows them; and what a client is
 * told when there is no answer. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, isGrpcServiceError, QueryNotRegisteredError, QueryRejectedError } from '@temporalio/client';
import { connect, disconnect, namespace, reached, typesOf, unique, withWorker } from '../src/env.ts';
import * as workflows from '../src/workflows.ts';

describe('queries', { concurrency: 4, timeout: 60_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  test('query: a query sees the signals before it', async () => {
    const taskQueue = unique('query');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.queried, { taskQueue, workflowId: taskQueue });
      const texts: string[] = [];
      for (let i = 0; i < 10; i++) {
        texts.push(`note ${i}`);
        await handle.signal(workflows.note, texts.at(-1)!);
        assert.deepEqual(await handle.query(workflows.notes), texts);
      }
      const before = await typesOf(handle);
      assert.deepEqual(await handle.query(workflows.notes), texts);
      assert.deepEqual(await typesOf(handle), before, 'a query leaves no trace');
    });
  });

  test('query_closed: a closed workflow answers', async () => {
    const taskQueue = unique('query-closed');
    const handle = await client.workflow.start(workflows.queried, { taskQueue, workflowId: taskQueue });
    await withWorker(taskQueue, async () => {
      await handle.signal(workflows.note, 'last');
      await handle.signal(workflows.finish);
      await handle.result();
      assert.deepEqual(await handle.query(workflows.notes), ['last']);
    });
    await withWorker(taskQueue, async () => {
      assert.deepEqual(await handle.query(workflows.notes), ['last'], 'by replay, on another worker');
    });
  });

  test('many queries at once', async () => {
    const taskQueue = unique('query-many');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.queried, { taskQueue, workflowId: taskQueue });
      await handle.signal(workflows.note, 'x');
      await handle.query(workflows.notes);
      const answers = await Promise.all(Array.from({ length: 30 }, () => handle.query(workflows.notes)));
      assert.deepEqual(answers, Array.from({ length: 30 }, () => ['x']));
    });
  });

  test('a query with arguments', async () => {
    const taskQueue = unique('query-arguments');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.queried, { taskQueue, workflowId: taskQueue });
      await handle.signal(workflows.note, 'a');
      await handle.signal(workflows.note, 'b');
      assert.equal(await handle.query(workflows.noteAt, 1), 'b');
      assert.equal(await handle.query(workflows.noteAt, 7), undefined);
    });
  });

  test('query_unknown: an unknown name is told with the known ones', async () => {
    const taskQueue = unique('query-unknown');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.queried, { taskQueue, workflowId: taskQueue });
      await assert.rejects(handle.query('nonsense'), (err) =>
        err instanceof QueryNotRegisteredError && /nonsense/.test(err.message) && /notes/.test(err.message));
    });
  });

  test('a handler that throws', async () => {
    const taskQueue = unique('query-throws');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.queried, { taskQueue, workflowId: taskQueue });
      await assert.rejects(handle.query(workflows.broken), (err) =>
        err instanceof QueryNotRegisteredError && /the handler is broken/.test(err.message));
      assert.deepEqual(await handle.query(workflows.notes), []);
    });
  });

  test('query_stack_trace: the stack trace', async () => {
    const taskQueue = unique('query-stack');
    await withWorker(taskQueue, async () => {
      const handle = await client.workflow.start(workflows.sleeper, { taskQueue, workflowId: taskQueue });
      assert.match(await handle.query('__stack_trace') as string, /sleeper/);
    });
  });

  test('a query waits for the workflow task that is pending', async () => {
    const taskQueue = unique('query-pending');
    const handle = await client.workflow.start(workflows.queried, { taskQueue, workflowId: taskQueue });
    await handle.signal(workflows.note, 'early');
    const answers = [handle.query(workflows.notes), handle.query(workflows.notes)]; /* one is told to come again */
    await withWorker(taskQueue, async () => {
      assert.deepEqual(await Promise.all(answers), [['early'], ['early']]);
    });
  });

  test('a worker that knows nothing of the workflow answers by replay', async () => {
    const taskQueue = unique('query-replay');
    const handle = await client.workflow.start(workflows.queried, { taskQueue, workflowId: taskQueue });
    await withWorker(taskQueue, async () => {
      await handle.signal(workflows.note, 'kept');
      await reached(handle, 'WORKFLOW_TASK_COMPLETED');
      assert.deepEqual(await handle.query(workflows.notes), ['kept']);
    });
    await withWorker(taskQueue, async () => {
      assert.deepEqual(await handle.query(workflows.notes), ['kept']);
    });
    await withWorker(taskQueue, async () => {
      assert.deepEqual(await handle.query(workflows.notes), ['kept'], 'without a cache');
    }, { maxCachedWorkflows: 0 });
  });

  test('query_rejected: queries of closed workflows can be rejected', async () => {
    const taskQueue = unique('query-rejected');
    const handle = await client.workflow.start(workflows.queried, { taskQueue, workflowId: taskQueue });
    await withWorker(taskQueue, async () => {
      const strict = new Client({
        connection: client.connection, namespace,
        workflow: { queryRejectCondition: 'NOT_OPEN' },
      }).workflow.getHandle(taskQueue);
      assert.deepEqual(await strict.query(workflows.notes), []);
      await handle.terminate();
      await assert.rejects(strict.query(workflows.notes), QueryRejectedError);
      assert.deepEqual(await handle.query(workflows.notes), []);
    });
  });

  test('query_without_worker: without a worker the client is told so', async () => {
    const taskQueue = unique('query-nobody');
    const handle = await client.workflow.start(workflows.queried, { taskQueue, workflowId: taskQueue });
    const asked = client.connection.withDeadline(Date.now() + 3000, () => handle.query(workflows.notes));
    await assert.rejects(asked, (err) => {
      const cause = (err as Error).cause;
      /* When the deadline is near it is told why; but the deadline may pass first. */
      return isGrpcServiceError(cause) && (cause.code === 4 || (cause.code === 9 && /no poller seen/.test(cause.details)));
    });
  });
});
