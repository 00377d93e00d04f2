/* Workflows whose code changes while they run: before the change. */
import { condition, proxyActivities, setHandler } from '@temporalio/workflow';
import type * as activities from './activities.ts';
import { go } from './workflows.ts';

const { echo } = proxyActivities<typeof activities>({ startToCloseTimeout: '10s' });

export async function evolving(): Promise<string> {
  let released = false;
  setHandler(go, () => void (released = true));
  const said = await echo('quietly');
  await condition(() => released);
  return said;
}

export async function changing(): Promise<string> {
  let released = false;
  setHandler(go, () => void (released = true));
  const said = await echo('first');
  await condition(() => released);
  return said;
}
