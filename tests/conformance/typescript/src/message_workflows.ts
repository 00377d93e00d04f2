/* Workflows that take updates, and that are disturbed at their end. */
import {
  ApplicationFailure, CancellationScope, allHandlersFinished, condition, currentUpdateInfo, defineQuery, defineUpdate, proxyActivities,
  proxyLocalActivities, setHandler, sleep, uuid4, workflowInfo,
} from '@temporalio/workflow';
import type * as activities from './activities.ts';
import { finish, go, note } from './workflows.ts';

export const add = defineUpdate<number, [number]>('add');
export const addOnceReleased = defineUpdate<number, [number]>('addOnceReleased');
export const addBroken = defineUpdate<number, [number]>('addBroken');
export const updateId = defineUpdate<string | undefined>('updateId');
export const total = defineQuery<number>('total');

export async function accumulates(): Promise<number> {
  let sum = 0, released = false, finished = false;
  setHandler(add, (n) => (sum += n), {
    validator: (n) => {
      if (n < 0) throw ApplicationFailure.create({ message: 'no negative numbers', type: 'Negative' });
    },
  });
  setHandler(addOnceReleased, async (n) => {
    await condition(() => released);
    return (sum += n);
  });
  setHandler(addBroken, async () => {
    throw ApplicationFailure.create({ message: 'the handler fails', type: 'Broken', details: [7] });
  });
  setHandler(updateId, () => currentUpdateInfo()?.id);
  setHandler(total, () => sum);
  setHandler(go, () => void (released = true));
  setHandler(finish, () => void (finished = true));
  await condition(() => finished);
  return sum;
}

/* Ends with its handlers. */
export async function accumulatesToTheEnd(): Promise<number> {
  let sum = 0, finished = false;
  setHandler(add, async (n) => {
    await sleep(1);
    return (sum += n);
  });
  setHandler(finish, () => void (finished = true));
  await condition(() => finished && allHandlersFinished());
  return sum;
}

/* The signal is sent by a local activity, hence while the workflow task that closes the workflow is out. */
export async function disturbedAtTheEnd(): Promise<string[]> {
  const notes: string[] = [];
  setHandler(note, (text) => void notes.push(text));
  const { signalOnce } = proxyLocalActivities<typeof activities>({ startToCloseTimeout: '10s' });
  await signalOnce(workflowInfo().workflowId);
  return notes;
}

/* A local activity and a random id: both must be the same after each replay. */
export async function remembers(key: string): Promise<{ same: boolean; calls: number[] }> {
  let released = false;
  setHandler(go, () => void (released = true));
  const local = proxyLocalActivities<typeof activities>({ startToCloseTimeout: '10s' });
  const { echo } = proxyActivities<typeof activities>({ startToCloseTimeout: '10s' });
  const id = uuid4();
  const first = await local.countCall(key);
  const kept = await echo(id);
  await condition(() => released);
  const second = await local.countCall(key);
  return { same: kept === id, calls: [first, second] };
}

/* A scope of activities that is cancelled by the signal. */
export async function cancelsActivity(key: string): Promise<string> {
  const { heartbeatUntilCancelled, endOf } = proxyActivities<typeof activities>({
    startToCloseTimeout: '30s', heartbeatTimeout: '2s', cancellationType: 'WAIT_CANCELLATION_COMPLETED', retry: { maximumAttempts: 1 },
  });
  const scope = new CancellationScope();
  setHandler(go, () => scope.cancel());
  try {
    await scope.run(() => heartbeatUntilCancelled(key));
    return 'completed';
  } catch (err) {
    return `${((err as Error).cause as Error | undefined)?.name}: ${await endOf(key)}`;
  }
}

/* Two timers, of which the signal cancels one; gives the one that fired. */
export async function cancelsTimer(): Promise<string> {
  const scope = new CancellationScope();
  setHandler(go, () => scope.cancel());
  try {
    await scope.run(() => sleep(3000));
    return 'fired';
  } catch {
    await sleep(10);
    return 'cancelled';
  }
}

/* Two counted activities with a signal between them. */
export async function countsTwice(key: string): Promise<number[]> {
  const { countCall } = proxyActivities<typeof activities>({ startToCloseTimeout: '10s' });
  let released = false;
  setHandler(go, () => void (released = true));
  const first = await countCall(`${key}/first`);
  await condition(() => released);
  return [first, await countCall(`${key}/second`)];
}
