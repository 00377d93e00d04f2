/* Workflows whose code changes while they run: after the change, with a patch and without one. */
import { condition, patched, proxyActivities, setHandler, sleep } from '@temporalio/workflow';
import type * as activities from './activities.ts';
import { go } from './workflows.ts';

const { echo, greet } = proxyActivities<typeof activities>({ startToCloseTimeout: '10s' });

export async function evolving(): Promise<string> {
  let released = false;
  setHandler(go, () => void (released = true));
  const said = patched('louder') ? await greet('loudly') : await echo('quietly');
  await condition(() => released);
  return said;
}

export async function changing(): Promise<string> {
  let released = false;
  setHandler(go, () => void (released = true));
  await sleep(1);
  const said = await echo('first');
  await condition(() => released);
  return said;
}
