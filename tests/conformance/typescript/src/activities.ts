/* The activities that the tests run. What they remember lives in this process, by key. */
import { ApplicationFailure, CompleteAsyncError, Context, heartbeat, sleep } from '@temporalio/activity';
import { tokens } from './tokens.ts';

const calls = new Map<string, number>();

function count(key: string): number {
  const n = (calls.get(key) ?? 0) + 1;
  calls.set(key, n);
  return n;
}

export async function greet(name: string): Promise<string> {
  return `Hello, ${name}!`;
}

export async function echo(text: string): Promise<string> {
  return text;
}

/* Fails `failures` times; the attempt that the server counts must be the number of calls. */
export async function failUntil(key: string, failures: number): Promise<number> {
  const n = count(key);
  const { attempt } = Context.current().info;
  if (attempt !== n) throw ApplicationFailure.nonRetryable(`call ${n} says that it is attempt ${attempt}`);
  if (attempt <= failures) throw new Error(`attempt ${attempt} fails`);
  return attempt;
}

export async function failForGood(key: string): Promise<void> {
  count(key);
  throw ApplicationFailure.create({ message: 'for good', type: 'ForGood', nonRetryable: true });
}

export async function failAlways(): Promise<void> {
  throw new Error('always');
}

/* How often it has been called with that key. */
export async function tally(key: string): Promise<number> {
  return count(key);
}

export async function countedFailure(key: string): Promise<number> {
  return calls.get(key) ?? 0;
}

/* Runs until the worker says that it is not wanted any more. */
export async function hang(): Promise<void> {
  await Context.current().cancelled;
}

/* The first attempt heartbeats and then falls silent; the next says what it was handed. */
export async function fallSilent(): Promise<unknown> {
  const { attempt, heartbeatDetails } = Context.current().info;
  if (attempt > 1) return { attempt, heartbeatDetails };
  heartbeat({ progress: 42 });
  return Context.current().cancelled;
}

/* Hangs on its first attempt, so that a worker can be killed under it. */
export async function hangFirst(): Promise<number> {
  const { attempt } = Context.current().info;
  if (attempt === 1) await Context.current().cancelled;
  return attempt;
}

export async function slow(ms: number): Promise<string> {
  await sleep(ms);
  return 'slow but sure';
}

/* How often the key was asked for. */
export async function countCall(key: string): Promise<number> {
  return count(key);
}

/* Sends one signal to the workflow, when it is first called for it. */
export async function signalOnce(workflowId: string): Promise<void> {
  if (count(workflowId) === 1) await Context.current().client.workflow.getHandle(workflowId).signal('note', 'at the end');
}

export async function completedElsewhere(key: string): Promise<string> {
  tokens.set(key, Context.current().info.taskToken);
  throw new CompleteAsyncError();
}

const ends = new Map<string, string>();

export async function heartbeatUntilCancelled(key: string): Promise<void> {
  const { cancellationSignal } = Context.current();
  try {
    for (;;) {
      heartbeat();
      await sleep(50);
    }
  } catch (err) {
    ends.set(key, cancellationSignal.aborted ? 'was told' : 'was not told');
    throw err;
  }
}

export async function endOf(key: string): Promise<string | undefined> {
  return ends.get(key);
}

/* Fails once and says when it wants to be tried again. */
export async function wantsDelay(ms: number): Promise<number> {
  const { attempt } = Context.current().info;
  if (attempt === 1) throw ApplicationFailure.create({ message: 'later', nextRetryDelay: ms });
  return attempt;
}
