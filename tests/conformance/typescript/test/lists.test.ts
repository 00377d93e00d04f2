/* What every SDK must find in lists and counts; visibility.test.ts goes further. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, isGrpcServiceError, ServiceError } from '@temporalio/client';
import type { WorkflowExecutionInfo, WorkflowHandle } from '@temporalio/client';
import { addSearchAttributes, connect, connectElsewhere, disconnect, unique } from '../src/env.ts';
import * as workflows from '../src/workflows.ts';

describe('lists', { concurrency: 4, timeout: 60_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  async function list(query: string, pageSize?: number, from: Client = client): Promise<WorkflowExecutionInfo[]> {
    const found = [];
    for await (const info of from.workflow.list({ query, pageSize })) found.push(info);
    return found;
  }
  const ids = async (query: string, from?: Client) => (await list(query, undefined, from)).map((w) => w.workflowId).sort();

  function start(taskQueue: string, i: number): Promise<WorkflowHandle> {
    return client.workflow.start(workflows.queried, { taskQueue, workflowId: `${taskQueue}-${i}` });
  }

  test('list_workflows: all of a task queue are listed, each once, over pages, with what describes them', async () => {
    const taskQueue = unique('listed');
    const query = `TaskQueue = '${taskQueue}'`;
    const runs = new Map<string, string>();
    for (let i = 0; i < 5; i++) {
      const handle = await client.workflow.start(workflows.queried, { taskQueue, workflowId: `${taskQueue}-${i}` });
      runs.set(handle.workflowId, handle.firstExecutionRunId);
    }
    const open = await list(query, 2);
    assert.deepEqual(open.map((w) => w.workflowId).sort(), [...runs.keys()]);
    for (const info of open) {
      assert.equal(info.runId, runs.get(info.workflowId));
      assert.deepEqual([info.type, info.taskQueue, info.status.name], ['queried', taskQueue, 'RUNNING']);
      assert(info.startTime && !info.closeTime);
      await client.workflow.getHandle(info.workflowId).terminate();
    }
    const closed = await list(query, 2);
    assert.deepEqual(closed.map((w) => w.workflowId).sort(), [...runs.keys()]);
    assert(closed.every((w) => w.status.name === 'TERMINATED' && w.closeTime));
  });

  test('list_by_search_attribute: found by the values given at start, and told with them and the memo', async () => {
    await addSearchAttributes(client);
    const taskQueue = unique('found');
    const handles = [];
    for (const size of [7, 8]) {
      handles.push(await client.workflow.start(workflows.queried, {
        taskQueue, workflowId: `${taskQueue}-${size}`, memo: { size },
        typedSearchAttributes: [{ key: workflows.keyword, value: taskQueue }, { key: workflows.number, value: size }],
      }));
    }
    const [first, second] = handles.map((h) => h.workflowId);
    const mine = `${workflows.keyword.name} = '${taskQueue}'`;
    assert.deepEqual(await ids(mine), [first, second]);
    assert.deepEqual(await ids(`${mine} AND ${workflows.number.name} < 8`), [first]);
    assert.deepEqual(await ids(`${mine} AND ${workflows.number.name} > 8`), []);
    const found = await list(`${mine} AND ${workflows.number.name} BETWEEN 8 AND 9`);
    assert.deepEqual(found.map((w) => w.workflowId), [second]);
    assert.equal(found[0]!.typedSearchAttributes.get(workflows.keyword), taskQueue);
    assert.equal(found[0]!.typedSearchAttributes.get(workflows.number), 8);
    assert.deepEqual(found[0]!.memo, { size: 8 });
    for (const handle of handles) await handle.terminate();
  });

  test('list_reads_own_writes: the next list, through another frontend, sees a start and an end', async () => {
    const taskQueue = unique('seen');
    const other = await connectElsewhere();
    try {
      for (let i = 0; i < 10; i++) {
        const handle = await start(taskQueue, i);
        const status = `WorkflowId = '${handle.workflowId}' AND ExecutionStatus = `;
        assert.deepEqual(await ids(`${status}'Running'`, other), [handle.workflowId]);
        await handle.terminate();
        assert.deepEqual(await ids(`${status}'Running'`, other), []);
        assert.deepEqual(await ids(`${status}'Terminated'`, other), [handle.workflowId]);
      }
    } finally {
      await other.connection.close();
    }
  });

  test('list_invalid_query: refused as an invalid query by lists and counts', async () => {
    for (const query of ["Nobody = 'x'", 'WorkflowId = ', "StartTime > 'yesterday'"]) {
      for (const call of [list, (text: string) => client.workflow.count(text)]) {
        await assert.rejects(call(query), (err) => {
          const cause = err instanceof ServiceError ? err.cause : err;
          assert(isGrpcServiceError(cause));
          assert.equal(cause.code, 3 /* invalid argument */);
          assert.match(cause.details, /^invalid query/);
          return true;
        });
      }
    }
  });

  test('count_workflows: those that the query finds, and none', async () => {
    const taskQueue = unique('counted');
    const mine = `TaskQueue = '${taskQueue}'`;
    const handles = [];
    for (let i = 0; i < 3; i++) handles.push(await start(taskQueue, i));
    assert.equal((await client.workflow.count(mine)).count, 3);
    await handles[0]!.terminate();
    assert.equal((await client.workflow.count(`${mine} AND ExecutionStatus = 'Running'`)).count, 2);
    assert.equal((await client.workflow.count(`${mine} AND WorkflowType = 'Nobody'`)).count, 0);
    for (const handle of handles.slice(1)) await handle.terminate();
  });

  test('count_grouped_by_status: one group for each status, with its number', async () => {
    const taskQueue = unique('grouped');
    const handles = [];
    for (let i = 0; i < 3; i++) handles.push(await start(taskQueue, i));
    for (const handle of handles.slice(1)) await handle.terminate();
    const { count, groups } = await client.workflow.count(`TaskQueue = '${taskQueue}' GROUP BY ExecutionStatus`);
    assert.equal(count, 3);
    const numbers = Object.fromEntries(groups.map((g) => [g.groupValues.flat(2).join(), g.count]));
    assert.deepEqual(numbers, { Running: 1, Terminated: 2 });
    await handles[0]!.terminate();
  });
});
