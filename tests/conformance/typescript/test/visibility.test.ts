/* Lists and counts: what was acknowledged is seen at once, from any frontend, with the attributes that a workflow has. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, isGrpcServiceError, ServiceError, type WorkflowHandle } from '@temporalio/client';
import { addSearchAttributes, connect, disconnect, unique, withWorker } from '../src/env.ts';
import * as workflows from '../src/workflows.ts';

describe('visibility', { concurrency: 4, timeout: 60_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  const ids = async (query: string, pageSize?: number) => {
    const found: string[] = [];
    for await (const w of client.workflow.list({ query, pageSize })) found.push(w.workflowId);
    return found;
  };

  test('list: a start is seen by the next list, and its end by the one after that', async () => {
    const taskQueue = unique('listed');
    for (let i = 0; i < 10; i++) {
      const workflowId = `${taskQueue}-${i}`;
      const handle = await client.workflow.start(workflows.queried, { taskQueue, workflowId });
      assert.deepEqual(await ids(`WorkflowId = '${workflowId}' AND ExecutionStatus = 'Running'`), [workflowId]);
      await handle.terminate('seen');
      assert.deepEqual(await ids(`WorkflowId = '${workflowId}' AND ExecutionStatus = 'Running'`), []);
      assert.deepEqual(await ids(`WorkflowId = '${workflowId}' AND ExecutionStatus = 'Terminated'`), [workflowId]);
    }
    assert.equal((await client.workflow.count(`TaskQueue = '${taskQueue}'`)).count, 10);
  });

  test('list: pages join on, open workflows first, then the ones that ended last', async () => {
    const taskQueue = unique('pages');
    const handles: WorkflowHandle[] = [];
    for (let i = 0; i < 9; i++) {
      handles.push(await client.workflow.start(workflows.queried, { taskQueue, workflowId: `${taskQueue}-${i}` }));
    }
    await handles[7]!.terminate();
    await handles[2]!.terminate();
    const want = [8, 6, 5, 4, 3, 1, 0, 2, 7].map((i) => `${taskQueue}-${i}`);
    for (const pageSize of [1, 2, 4, 100]) {
      assert.deepEqual(await ids(`TaskQueue = '${taskQueue}'`, pageSize), want);
    }
    await Promise.all([8, 6, 5, 4, 3, 1, 0].map((i) => handles[i]!.terminate()));
  });

  test('list: search attributes and memo are told and searched for, and change with the workflow', async () => {
    const taskQueue = unique('searched');
    await addSearchAttributes(client);
    await withWorker(taskQueue, async () => {
      await client.workflow.execute(workflows.tellsAttributes, {
        taskQueue, workflowId: taskQueue, memo: { kept: 'yes' },
        typedSearchAttributes: [{ key: workflows.keyword, value: "it's" }, { key: workflows.number, value: 42 }],
      });
    });
    const found = [];
    for await (const w of client.workflow.list({
      query: `TaskQueue = '${taskQueue}' AND ${workflows.keyword.name} = 'it''s' AND ${workflows.number.name} > 41`,
    })) found.push(w);
    assert.equal(found.length, 1);
    assert.equal(found[0]!.typedSearchAttributes.get(workflows.number), 42);
    assert.deepEqual(found[0]!.memo, { kept: 'yes' });
    assert.deepEqual(await ids(`TaskQueue = '${taskQueue}' AND ${workflows.number.name} < 42`), []);
  });

  test('count: by status', async () => {
    const taskQueue = unique('counted');
    for (let i = 0; i < 3; i++) {
      const handle = await client.workflow.start(workflows.queried, { taskQueue, workflowId: `${taskQueue}-${i}` });
      if (i) await handle.terminate();
    }
    const { count, groups } = await client.workflow.count(`TaskQueue = '${taskQueue}' GROUP BY ExecutionStatus`);
    assert.equal(count, 3);
    assert.deepEqual(groups.map((g) => [g.count, ...g.groupValues.flat(2)]), [[1, 'Running'], [2, 'Terminated']]);
    await client.workflow.getHandle(`${taskQueue}-0`).terminate();
  });

  test('a query that cannot be understood is refused with the reason', async () => {
    await assert.rejects(ids("Nobody = 'x'"), (err) => {
      const cause = err instanceof ServiceError ? err.cause : err;
      assert(isGrpcServiceError(cause));
      assert.match(cause.details, /^invalid query: .*'Nobody' is not a valid search attribute/);
      return true;
    });
  });
});
