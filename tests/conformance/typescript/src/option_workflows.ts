/* Workflows that tell what the options of their start gave them, and those that run for long or again and again. */
import {
  condition, continueAsNew, defaultPayloadConverter, makeContinueAsNewFunc, setHandler, sleep, upsertMemo, upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common';
import type { WorkflowInterceptors } from '@temporalio/workflow';
import { finish, note } from './workflows.ts';

export const keyword = defineSearchAttributeKey('ConformanceKeyword', 'KEYWORD');
export const number = defineSearchAttributeKey('ConformanceInt', 'INT');

/* Each run of a cron workflow counts on from the last one's result. */
export async function countsRuns(): Promise<number> {
  return ((workflowInfo().lastResult as number | undefined) ?? 0) + 1;
}

export async function endless(): Promise<void> {
  await sleep(300);
  await continueAsNew<typeof endless>();
}

/* What a client's interceptor put into the start's header comes as the argument. */
export async function tellsHeader(header?: string): Promise<string | undefined> {
  return header;
}

export function interceptors(): WorkflowInterceptors {
  return {
    inbound: [{
      async execute(input, next) {
        const header = input.headers['greeting'];
        return next(header && workflowInfo().workflowType === 'tellsHeader'
          ? { ...input, args: [defaultPayloadConverter.fromPayload(header)] } : input);
      },
    }],
  };
}

export async function tellsPriority(): Promise<number | undefined> {
  return workflowInfo().priority?.priorityKey;
}

export interface Attributes {
  memo: Record<string, unknown> | undefined;
  keyword: string | undefined;
  number: number | undefined;
}

function attributes(): Attributes {
  const { memo, typedSearchAttributes } = workflowInfo();
  return { memo, keyword: typedSearchAttributes.get(keyword), number: typedSearchAttributes.get(number) };
}

export async function tellsAttributes(): Promise<Attributes> {
  return attributes();
}

export async function tellsAttributesInNextRun(next = false): Promise<Attributes> {
  if (!next) await continueAsNew<typeof tellsAttributesInNextRun>(true);
  return attributes();
}

/* The next run's attributes are named when continuing. */
export async function changesAttributesInNextRun(next = false): Promise<Attributes> {
  if (!next) {
    await makeContinueAsNewFunc<typeof changesAttributesInNextRun>({
      memo: { colour: 'green' }, typedSearchAttributes: [{ key: keyword, value: 'second' }],
    })(true);
  }
  return attributes();
}

export async function changesMemo(): Promise<Record<string, unknown> | undefined> {
  upsertMemo({ colour: 'red', size: 7, old: null });
  await sleep(1);
  return workflowInfo().memo;
}

export async function changesSearchAttributes(): Promise<Attributes> {
  upsertSearchAttributes([{ key: keyword, value: 'after' }, { key: number, value: null }]);
  await sleep(1);
  return attributes();
}

/* Gives before and after the signals whether the server wants the run to continue as a new one. */
export async function watchesSuggestion(): Promise<{ before: boolean; after: boolean; notes: number }> {
  let notes = 0, finished = false;
  const before = workflowInfo().continueAsNewSuggested;
  setHandler(note, () => void notes++);
  setHandler(finish, () => void (finished = true));
  await condition(() => finished);
  return { before, after: workflowInfo().continueAsNewSuggested, notes };
}
