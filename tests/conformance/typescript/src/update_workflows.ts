/* A workflow that is changed by updates, and continues as new under them. */
import {
  ApplicationFailure, condition, continueAsNew, defineSignal, defineUpdate, proxyActivities, setHandler, sleep,
} from '@temporalio/workflow';
import type * as activities from './activities.ts';
import { finish, go } from './workflows.ts';

const { greet } = proxyActivities<typeof activities>({ startToCloseTimeout: '20s' });

export const addTo = defineUpdate<number, [number]>('addTo');
export const greeted = defineUpdate<string, [string]>('greeted');
export const held = defineUpdate<string, [string]>('held');
export const again = defineSignal('again');

/* Changed by updates until it is told to finish; the total goes along when it continues as new. */
export async function updated(total = 0): Promise<number> {
  let released = false;
  let end: 'finish' | 'again' | undefined;
  setHandler(addTo, (n) => (total += n), {
    validator(n) {
      if (n < 0) throw ApplicationFailure.create({ message: `${n} is negative`, type: 'Negative' });
    },
  });
  setHandler(greeted, async (name) => {
    const text = await greet(name);
    await sleep(5);
    return text;
  });
  setHandler(held, async (text) => {
    await condition(() => released);
    return `held ${text}`;
  });
  setHandler(go, () => void (released = true));
  setHandler(finish, () => void (end = 'finish'));
  setHandler(again, () => void (end = 'again'));
  await condition(() => end !== undefined);
  if (end === 'again') return continueAsNew<typeof updated>(total);
  return total;
}
