/* The workflows that the tests run. They go into one bundle, which the worker makes. */
import {
  ActivityFailure, ApplicationFailure, CancellationScope, condition, continueAsNew, defineQuery, defineSignal, executeChild,
  getExternalWorkflowHandle, isCancellation, proxyActivities, setHandler, sleep, startChild, upsertMemo, workflowInfo,
} from '@temporalio/workflow';
import type { ActivityOptions } from '@temporalio/workflow';
import type { Priority } from '@temporalio/common';
import type * as activities from './activities.ts';

export const go = defineSignal('go');
export const note = defineSignal<[string]>('note');
export const finish = defineSignal('finish');

const quick: ActivityOptions = {
  startToCloseTimeout: '20s',
  retry: { initialInterval: '20ms', backoffCoefficient: 1, maximumAttempts: 5 },
};

const { greet, failUntil, failForGood, countedFailure, echo, tally } = proxyActivities<typeof activities>(quick);

export async function hello(name: string): Promise<string> {
  return greet(name);
}

export async function retried(key: string, failures: number): Promise<number> {
  return failUntil(key, failures);
}

/* Gives what the workflow sees of an activity that must not be retried. */
export async function notRetried(key: string): Promise<{ type?: string; message: string; attempts: number; retryState?: string }> {
  try {
    await failForGood(key);
  } catch (err) {
    const failure = err as ActivityFailure;
    const cause = failure.cause as ApplicationFailure;
    return { type: cause.type ?? undefined, message: cause.message, attempts: await countedFailure(key), retryState: failure.retryState };
  }
  throw ApplicationFailure.nonRetryable('the activity did not fail');
}

export async function timer(ms: number): Promise<number> {
  const before = Date.now();
  await sleep(ms);
  return Date.now() - before;
}

export async function waitForSignal(): Promise<string> {
  let released = false;
  setHandler(go, () => void (released = true));
  await condition(() => released);
  return 'released';
}

export async function collectSignals(): Promise<string[]> {
  const notes: string[] = [];
  let finished = false;
  setHandler(note, (text) => void notes.push(text));
  setHandler(finish, () => void (finished = true));
  await condition(() => finished);
  return notes;
}

/* One activity under the given options; says how it ended. */
export async function oneActivity(
  name: keyof typeof activities, args: unknown[], options: ActivityOptions,
): Promise<{ result?: unknown; cause?: string; timeoutType?: string; details?: unknown; retryState?: string; inner?: string }> {
  const run = proxyActivities<Record<string, (...a: unknown[]) => Promise<unknown>>>(options)[name]!;
  try {
    return { result: await run(...args) };
  } catch (err) {
    const failure = err as ActivityFailure;
    const cause = failure.cause as Error & { timeoutType?: string; lastHeartbeatDetails?: unknown; cause?: Error };
    return {
      cause: cause?.name, timeoutType: cause?.timeoutType, details: cause?.lastHeartbeatDetails,
      retryState: failure.retryState, inner: cause?.cause?.message,
    };
  }
}

/* Two activities with a signal between them. */
export async function twoHalves(): Promise<string[]> {
  let released = false;
  setHandler(go, () => void (released = true));
  const first = await echo('first');
  await condition(() => released);
  const second = await echo('second');
  return [first, second];
}

/* Activities, timers and a signal in an order that replay must repeat. */
export async function manySteps(rounds: number): Promise<string[]> {
  const seen: string[] = [];
  for (let i = 0; i < rounds; i++) {
    seen.push(await echo(`step ${i}`));
    await sleep(1);
  }
  return seen;
}

export async function counted(left: number, total = 0): Promise<number> {
  if (left === 0) return total;
  await sleep(1);
  return continueAsNew<typeof counted>(left - 1, total + 1);
}

export async function failing(): Promise<void> {
  throw ApplicationFailure.create({
    message: 'the outer', type: 'Outer', nonRetryable: true, details: ['a', 1],
    cause: ApplicationFailure.create({ message: 'the inner', type: 'Inner' }),
  });
}

export async function failingActivity(): Promise<void> {
  await failForGood('unimportant');
}

/* An error that is no failure of the workflow fails the workflow task, which is tried again. The clock of a workflow
 * is that of its task, so that a later attempt gets past this. */
export async function clumsy(): Promise<string> {
  if (Date.now() - workflowInfo().startTime.getTime() < 200) throw new Error('not yet');
  return echo('done');
}

export async function sleeper(): Promise<void> {
  await sleep('1 hour');
}

export async function echoPayload(payload: string): Promise<string> {
  return payload;
}

export async function cancellable(): Promise<string> {
  try {
    await sleep('1 hour');
    return 'slept';
  } catch (err) {
    if (!isCancellation(err)) throw err;
    await CancellationScope.nonCancellable(() => echo('cleaned up'));
    throw err;
  }
}

export const notes = defineQuery<string[]>('notes');
export const noteAt = defineQuery<string | undefined, [number]>('noteAt');
export const broken = defineQuery('broken');

export async function queried(): Promise<void> {
  const texts: string[] = [];
  let finished = false;
  setHandler(note, (text) => void texts.push(text));
  setHandler(notes, () => texts);
  setHandler(noteAt, (i) => texts[i]);
  setHandler(broken, () => {
    throw new Error('the handler is broken');
  });
  setHandler(finish, () => void (finished = true));
  await condition(() => finished);
}

/* --- parents and others: a child's id is its parent's with "/child" --- */

function childId(name = 'child'): string {
  return `${workflowInfo().workflowId}/${name}`;
}

export async function parentOfHello(): Promise<string> {
  return executeChild(hello, { workflowId: childId(), args: ['child'] });
}

export async function grandparent(): Promise<string> {
  return executeChild(parentOfHello, { workflowId: childId('middle') });
}

export async function parentOfMany(count: number): Promise<string[]> {
  return Promise.all(Array.from({ length: count }, (_, i) =>
    executeChild(echoPayload, { workflowId: childId(`${i}`), args: [`${i}`] })));
}

export async function parentOfFailing(): Promise<void> {
  await executeChild(failing, { workflowId: childId() });
}

export async function thirdTime(): Promise<number> {
  const { attempt } = workflowInfo();
  if (attempt < 3) throw ApplicationFailure.retryable('again');
  return attempt;
}

export async function parentOfRetried(): Promise<number> {
  return executeChild(thirdTime, { workflowId: childId(), retry: { initialInterval: '10ms', maximumAttempts: 5 } });
}

export async function parentSignals(): Promise<string[]> {
  const child = await startChild(collectSignals, { workflowId: childId() });
  await child.signal(note, 'one');
  await child.signal(note, 'two');
  await child.signal(finish);
  return child.result();
}

export async function parentCancels(): Promise<string> {
  const scope = new CancellationScope();
  try {
    await scope.run(async () => {
      const child = await startChild(sleeper, { workflowId: childId() });
      await sleep(10);
      scope.cancel();
      await child.result();
    });
  } catch (err) {
    if (isCancellation(err)) return 'cancelled';
    throw err;
  }
  return 'completed';
}

export async function parentOfSleeper(policy: 'TERMINATE' | 'REQUEST_CANCEL' | 'ABANDON'): Promise<void> {
  await executeChild(sleeper, { workflowId: childId(), parentClosePolicy: policy });
}

export async function moving(moved = false): Promise<void> {
  if (!moved) await continueAsNew<typeof moving>(true);
  await sleep('1 hour');
}

export async function parentOfMoving(): Promise<void> {
  await executeChild(moving, { workflowId: childId() });
}

export async function parentOfChain(): Promise<number> {
  return executeChild(counted, { workflowId: childId(), args: [3] });
}

export async function parentOfTaken(): Promise<string> {
  try {
    await executeChild(hello, { workflowId: childId(), args: ['nobody'] });
    return 'completed';
  } catch (err) {
    return (err as Error).name;
  }
}

/* The same child id twice; gives how the second start went. */
export async function reuses(policy: 'ALLOW_DUPLICATE' | 'ALLOW_DUPLICATE_FAILED_ONLY' | 'REJECT_DUPLICATE'): Promise<string> {
  await executeChild(echoPayload, { workflowId: childId(), args: ['first'] });
  try {
    return await executeChild(echoPayload, { workflowId: childId(), args: ['second'], workflowIdReusePolicy: policy });
  } catch (err) {
    return (err as Error).name;
  }
}

export async function signalsAnother(id: string): Promise<string> {
  const other = getExternalWorkflowHandle(id);
  try {
    await other.signal(note, 'from another');
    await other.signal(finish);
    return 'sent';
  } catch (err) {
    return (err as Error).message;
  }
}

export async function cancelsAnother(id: string): Promise<string> {
  try {
    await getExternalWorkflowHandle(id).cancel();
    return 'sent';
  } catch (err) {
    return (err as Error).message;
  }
}

/* The number of times that its schedule has run it. */
export async function repeated(): Promise<number> {
  return ((workflowInfo().lastResult as number | undefined) ?? 0) + 1;
}

export async function parentOfRepeated(workflowId: string): Promise<void> {
  const released = new Promise<void>((resolve) => setHandler(go, resolve));
  await startChild(repeated, { workflowId, cronSchedule: '@every 1s' });
  await released;
}

export async function changesItsMemo(): Promise<void> {
  upsertMemo({ changed: 'new', added: [1, 2], dropped: null });
}

const { failAlways } = proxyActivities<typeof activities>({
  startToCloseTimeout: '20s', retry: { initialInterval: '60s', backoffCoefficient: 1 } });

export async function failsALot(): Promise<void> {
  await failAlways();
}

export * from './option_workflows.ts';
export * from './message_workflows.ts';
export * from './update_workflows.ts';
export { changing, evolving } from './code_before.ts';
/* Two activities one after the other, and whatever is noted until it is told to finish. */
export async function twoTallies(key: string): Promise<{ first: number; second: number; random: number; notes: string[] }> {
  const notes: string[] = [];
  let finished = false;
  setHandler(note, (text) => void notes.push(text));
  setHandler(finish, () => void (finished = true));
  const random = Math.random();
  const first = await tally(`${key}/first`);
  const second = await tally(`${key}/second`);
  await condition(() => finished);
  return { first, second, random, notes };
}

/* A child that goes on while its parent is reset; it ends with the signals that the parent sends, or is cancelled. */
export async function parentOfCollector(cancels: boolean): Promise<string[]> {
  let released = false;
  setHandler(go, () => void (released = true));
  const scope = new CancellationScope();
  try {
    return await scope.run(async () => {
      const child = await startChild(cancels ? cancellable : collectSignals, { workflowId: childId() });
      await tally(workflowInfo().workflowId);
      await CancellationScope.nonCancellable(() => condition(() => released));
      if (cancels) {
        scope.cancel();
      } else {
        await child.signal(note, workflowInfo().runId);
        await child.signal(finish);
      }
      return [await child.result()].flat();
    });
  } catch (err) {
    if (isCancellation(err)) return ['cancelled'];
    throw err;
  }
}

/* One activity for each, all on the queue and at once. */
export async function schedules(queue: string, tasks: { name: string; priority?: Priority }[]): Promise<void> {
  await Promise.all(tasks.map(({ name, priority }) => proxyActivities<{ noted(name: string): Promise<void> }>(
    { taskQueue: queue, startToCloseTimeout: '30s', priority }).noted(name)));
}
