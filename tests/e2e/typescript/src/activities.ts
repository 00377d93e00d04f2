/* The activities that the tests run. What they remember lives in this process, by key. */
import { ApplicationFailure, Context, heartbeat, sleep } from '@temporalio/activity';

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
