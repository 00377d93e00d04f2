/* Parents and children, and workflows that signal and cancel others. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure, ChildWorkflowFailure, TerminatedFailure } from '@temporalio/common';
import type { WorkflowHandle } from '@temporalio/client';
import { connect, disconnect, events, eventually, reached, typesOf, unique, withWorker } from '../src/env.ts';
import * as workflows from '../src/workflows.ts';

describe('children', { concurrency: 6, timeout: 180_000 }, () => {
  let client: Client;
  before(async () => void (client = await connect()));
  after(disconnect);

  async function status(handle: WorkflowHandle): Promise<string> {
    try {
      return (await handle.describe()).status.name;
    } catch (err) {
      if (err instanceof WorkflowNotFoundError) return 'NOT_FOUND';
      throw err;
    }
  }

  async function becomes(handle: WorkflowHandle, name: string): Promise<void> {
    await eventually(`${handle.workflowId} is ${name}`, async () => (await status(handle)) === name);
  }

  async function failure(result: Promise<unknown>): Promise<WorkflowFailedError> {
    try {
      await result;
    } catch (err) {
      assert.ok(err instanceof WorkflowFailedError, `${err}`);
      return err;
    }
    throw new assert.AssertionError({ message: 'the workflow completed' });
  }

  test('child_result: a child gives its result, and both know of each other', async () => {
    const taskQueue = unique('child');
    await withWorker(taskQueue, async () => {
      const parent = await client.workflow.start(workflows.parentOfHello, { taskQueue, workflowId: taskQueue });
      assert.equal(await parent.result(), 'Hello, child!');
      assert.deepEqual((await typesOf(parent)).filter((t) => t.includes('CHILD')), [
        'START_CHILD_WORKFLOW_EXECUTION_INITIATED', 'CHILD_WORKFLOW_EXECUTION_STARTED', 'CHILD_WORKFLOW_EXECUTION_COMPLETED',
      ]);
      const started = (await events(client.workflow.getHandle(`${taskQueue}/child`)))[0]!.workflowExecutionStartedEventAttributes!;
      assert.equal(started.parentWorkflowExecution!.workflowId, taskQueue);
      assert.equal(started.parentWorkflowExecution!.runId, parent.firstExecutionRunId);
      assert.equal(Number(started.parentInitiatedEventId), 5);
      assert.equal(started.rootWorkflowExecution!.workflowId, taskQueue);
      const description = await client.workflow.getHandle(`${taskQueue}/child`).describe();
      assert.equal(description.parentExecution!.workflowId, taskQueue);
    });
  });

  test('a grandchild knows its root', async () => {
    const taskQueue = unique('grandchild');
    await withWorker(taskQueue, async () => {
      assert.equal(await client.workflow.execute(workflows.grandparent, { taskQueue, workflowId: taskQueue }), 'Hello, child!');
      const started = (await events(client.workflow.getHandle(`${taskQueue}/middle/child`)))[0]!.workflowExecutionStartedEventAttributes!;
      assert.equal(started.parentWorkflowExecution!.workflowId, `${taskQueue}/middle`);
      assert.equal(started.rootWorkflowExecution!.workflowId, taskQueue);
    });
  });

  test('many children at once', async () => {
    const taskQueue = unique('children');
    await withWorker(taskQueue, async () => {
      const results = await client.workflow.execute(workflows.parentOfMany, { taskQueue, workflowId: taskQueue, args: [40] });
      assert.deepEqual(results, Array.from({ length: 40 }, (_, i) => `${i}`));
    });
  });

  test('child_result (2): a failing child fails its parent with its cause', async () => {
    const taskQueue = unique('failing-child');
    await withWorker(taskQueue, async () => {
      const err = await failure(client.workflow.execute(workflows.parentOfFailing, { taskQueue, workflowId: taskQueue }));
      assert.ok(err.cause instanceof ChildWorkflowFailure, `${err.cause}`);
      assert.equal((err.cause.cause as ApplicationFailure).type, 'Outer');
      assert.equal(err.cause.execution.workflowId, `${taskQueue}/child`);
    });
  });

  test('a child is retried by its own policy before its parent hears of it', async () => {
    const taskQueue = unique('retried-child');
    await withWorker(taskQueue, async () => {
      const parent = await client.workflow.start(workflows.parentOfRetried, { taskQueue, workflowId: taskQueue });
      assert.equal(await parent.result(), 3);
      assert.equal((await typesOf(parent)).filter((t) => t === 'CHILD_WORKFLOW_EXECUTION_COMPLETED').length, 1);
    });
  });

  test('a parent signals its child', async () => {
    const taskQueue = unique('signalled-child');
    await withWorker(taskQueue, async () => {
      assert.deepEqual(await client.workflow.execute(workflows.parentSignals, { taskQueue, workflowId: taskQueue }), ['one', 'two']);
    });
  });

  test('child_cancel: a parent cancels its child', async () => {
    const taskQueue = unique('cancelled-child');
    await withWorker(taskQueue, async () => {
      assert.equal(await client.workflow.execute(workflows.parentCancels, { taskQueue, workflowId: taskQueue }), 'cancelled');
      assert.equal(await status(client.workflow.getHandle(`${taskQueue}/child`)), 'CANCELLED');
    });
  });

  test('child_cancel (2): cancelling the parent cancels the child', async () => {
    const taskQueue = unique('cancelled-parent');
    await withWorker(taskQueue, async () => {
      const parent = await client.workflow.start(workflows.parentOfSleeper, { taskQueue, workflowId: taskQueue, args: ['TERMINATE'] });
      await reached(parent, 'CHILD_WORKFLOW_EXECUTION_STARTED');
      await parent.cancel();
      const err = await failure(parent.result());
      assert.ok(err.cause instanceof CancelledFailure || err.cause instanceof ChildWorkflowFailure, `${err.cause}`);
      await becomes(client.workflow.getHandle(`${taskQueue}/child`), 'CANCELLED');
    });
  });

  test('terminating a child fails its parent', async () => {
    const taskQueue = unique('terminated-child');
    await withWorker(taskQueue, async () => {
      const parent = await client.workflow.start(workflows.parentOfSleeper, { taskQueue, workflowId: taskQueue, args: ['TERMINATE'] });
      await reached(parent, 'CHILD_WORKFLOW_EXECUTION_STARTED');
      await client.workflow.getHandle(`${taskQueue}/child`).terminate('enough');
      const err = await failure(parent.result());
      assert.ok((err.cause as ChildWorkflowFailure).cause instanceof TerminatedFailure, `${err.cause}`);
    });
  });

  for (const [policy, end] of [['TERMINATE', 'TERMINATED'], ['REQUEST_CANCEL', 'CANCELLED'], ['ABANDON', 'RUNNING']] as const) {
    test(`child_parent_close_policies: parent close policy ${policy}`, async () => {
      const taskQueue = unique('policy');
      await withWorker(taskQueue, async () => {
        const parent = await client.workflow.start(workflows.parentOfSleeper, { taskQueue, workflowId: taskQueue, args: [policy] });
        const child = client.workflow.getHandle(`${taskQueue}/child`);
        await reached(parent, 'CHILD_WORKFLOW_EXECUTION_STARTED');
        const pending = (await parent.describe()).raw.pendingChildren!;
        assert.deepEqual(pending.map((p) => [p.workflowId, p.workflowTypeName]), [[`${taskQueue}/child`, 'sleeper']]);
        await reached(child, 'WORKFLOW_TASK_COMPLETED');
        await parent.terminate('done with it');
        await becomes(child, end);
        if (policy === 'ABANDON') await child.terminate('test ends');
        if (policy === 'TERMINATE') {
          const last = (await events(child)).at(-1)!.workflowExecutionTerminatedEventAttributes!;
          assert.equal(last.reason, 'by parent close policy');
        }
      });
    });
  }

  test('child_parent_close_policies (2): the policy finds a child that has continued as new', async () => {
    const taskQueue = unique('policy-chain');
    await withWorker(taskQueue, async () => {
      const parent = await client.workflow.start(workflows.parentOfMoving, { taskQueue, workflowId: taskQueue });
      const child = client.workflow.getHandle(`${taskQueue}/child`);
      await reached(parent, 'CHILD_WORKFLOW_EXECUTION_STARTED');
      await eventually('the child has moved on', async () =>
        (await events(child))[0]!.workflowExecutionStartedEventAttributes!.continuedExecutionRunId !== '');
      await parent.terminate('done with it');
      await becomes(child, 'TERMINATED');
    });
  });

  test('child_continue_as_new: a parent hears of the end of a chain', async () => {
    const taskQueue = unique('child-chain');
    await withWorker(taskQueue, async () => {
      const parent = await client.workflow.start(workflows.parentOfChain, { taskQueue, workflowId: taskQueue });
      assert.equal(await parent.result(), 3);
      const started = (await events(client.workflow.getHandle(`${taskQueue}/child`)))[0]!.workflowExecutionStartedEventAttributes!;
      assert.equal(started.parentWorkflowExecution!.workflowId, taskQueue);
    });
  });

  test('child_id_taken: a child whose id is taken is not started', async () => {
    const taskQueue = unique('taken');
    await withWorker(taskQueue, async () => {
      const other = await client.workflow.start(workflows.sleeper, { taskQueue, workflowId: `${taskQueue}/child` });
      assert.equal(await client.workflow.execute(workflows.parentOfTaken, { taskQueue, workflowId: taskQueue }),
        'WorkflowExecutionAlreadyStartedError');
      await other.terminate('test ends');
    });
  });

  test('a child id is used again as the reuse policy says', async () => {
    const taskQueue = unique('reuse');
    const outcomes = { ALLOW_DUPLICATE: 'second', ALLOW_DUPLICATE_FAILED_ONLY: 'WorkflowExecutionAlreadyStartedError',
      REJECT_DUPLICATE: 'WorkflowExecutionAlreadyStartedError' } as const;
    await withWorker(taskQueue, async () => {
      for (const [policy, outcome] of Object.entries(outcomes)) {
        assert.equal(await client.workflow.execute(workflows.reuses, { taskQueue, workflowId: `${taskQueue}/${policy}`,
          args: [policy as keyof typeof outcomes] }), outcome, policy);
      }
    });
  });

  test('signal_external: a workflow signals another one', async () => {
    const taskQueue = unique('external-signal');
    await withWorker(taskQueue, async () => {
      const other = await client.workflow.start(workflows.collectSignals, { taskQueue, workflowId: `${taskQueue}/other` });
      const sender = await client.workflow.start(workflows.signalsAnother, { taskQueue, workflowId: taskQueue, args: [`${taskQueue}/other`] });
      assert.equal(await sender.result(), 'sent');
      assert.deepEqual(await other.result(), ['from another']);
      const signaled = (await events(other)).find((e) => e.workflowExecutionSignaledEventAttributes)!;
      assert.equal(signaled.workflowExecutionSignaledEventAttributes!.externalWorkflowExecution!.workflowId, taskQueue);
    });
  });

  test('cancel_external: a workflow cancels another one', async () => {
    const taskQueue = unique('external-cancel');
    await withWorker(taskQueue, async () => {
      const other = await client.workflow.start(workflows.sleeper, { taskQueue, workflowId: `${taskQueue}/other` });
      assert.equal(await client.workflow.execute(workflows.cancelsAnother, { taskQueue, workflowId: taskQueue, args: [`${taskQueue}/other`] }), 'sent');
      const err = await failure(other.result());
      assert.ok(err.cause instanceof CancelledFailure, `${err.cause}`);
    });
  });

  test('signal_external_unknown: a signal to nobody fails', async () => {
    const taskQueue = unique('nobody');
    await withWorker(taskQueue, async () => {
      const sender = await client.workflow.start(workflows.signalsAnother, { taskQueue, workflowId: taskQueue, args: [`${taskQueue}/nobody`] });
      assert.match(await sender.result(), /not found/i);
      const failed = (await events(sender)).find((e) => e.signalExternalWorkflowExecutionFailedEventAttributes)!;
      assert.equal(failed.signalExternalWorkflowExecutionFailedEventAttributes!.cause, 1);
      assert.match(await client.workflow.execute(workflows.cancelsAnother,
        { taskQueue, workflowId: `${taskQueue}/2`, args: [`${taskQueue}/nobody`] }), /not found/i);
    });
  });

  test('a signal to oneself finds nobody', async () => {
    const taskQueue = unique('oneself');
    await withWorker(taskQueue, async () => {
      assert.match(await client.workflow.execute(workflows.signalsAnother, { taskQueue, workflowId: taskQueue, args: [taskQueue] }), /not found/i);
    });
  });
});
