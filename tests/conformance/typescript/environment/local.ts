/* The SDK's test environment with Perdure as its local server; run by tests/conformance/environment. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import * as activities from '../src/activities.ts';
import { bundlePath } from '../src/bundle_path.ts';
import { hello } from '../src/workflows.ts';

/* The executables that this process has started and that still run. */
function servers(): string[] {
  return readdirSync('/proc/self/task')
    .flatMap((thread) => readFileSync(`/proc/self/task/${thread}/children`, 'utf8').split(' ').filter(Boolean))
    .map((pid) => { try { return readlinkSync(`/proc/${pid}/exe`); } catch { return ''; } })
    .filter((exe) => exe.startsWith(join(tmpdir(), 'temporal-')));
}

async function greets(env: TestWorkflowEnvironment): Promise<void> {
  const worker = await Worker.create({
    connection: env.nativeConnection, namespace: env.namespace, taskQueue: 'q', activities,
    workflowBundle: { codePath: bundlePath },
  });
  const result = await worker.runUntil(env.client.workflow.execute(hello, { args: ['local'], workflowId: 'w', taskQueue: 'q' }));
  assert.equal(result, 'Hello, local!');
}

test('a workflow runs in a local environment', async () => {
  const env = await TestWorkflowEnvironment.createLocal();
  try {
    assert.equal(servers().length, 1);
    await greets(env);
  } finally {
    await env.teardown();
  }
  assert.equal(servers().length, 0);
});

test('with the options that tests use', async () => {
  const key = defineSearchAttributeKey('Color', SearchAttributeType.KEYWORD);
  const env = await TestWorkflowEnvironment.createLocal({
    server: {
      namespace: 'mine', ui: true, dbFilename: join(tmpdir(), 'kept.db'), log: { format: 'json', level: 'warn' }, searchAttributes: [key],
      extraArgs: ['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=50',
        '--dynamic-config-value', 'system.enableEagerWorkflowStart=true', '--dynamic-config-value', 'system.forceSearchAttributesCacheRefreshOnRead=true'],
    },
  });
  try {
    assert.equal(env.namespace, 'mine');
    await greets(env);
    await env.client.workflow.start(hello, { args: ['x'], workflowId: 'found', taskQueue: 'nobody', typedSearchAttributes: [{ key, value: 'red' }] });
    const found = [];
    for await (const run of env.client.workflow.list({ query: 'Color = "red"' })) found.push(run.workflowId);
    assert.deepEqual(found, ['found']);
  } finally {
    await env.teardown();
  }
});

test('several at once', async () => {
  const all = await Promise.all([1, 2, 3].map(() => TestWorkflowEnvironment.createLocal()));
  assert.equal(servers().length, 3);
  await Promise.all(all.map(greets));
  await Promise.all(all.map((env) => env.teardown()));
});
