/* What every test needs: a client, workers with task queues of their own, waiting for conditions. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { Client, Connection, isGrpcServiceError } from '@temporalio/client';
import type { WorkflowHandle } from '@temporalio/client';
import proto from '@temporalio/proto';
import type { temporal } from '@temporalio/proto';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { WorkerOptions } from '@temporalio/worker';
import * as activities from './activities.ts';
import { bundlePath } from './bundle_path.ts';

/* Several frontends: clients talk to the first, workers to the last. */
const env = process.env;
const addresses = (env.PERDURE_ADDRESSES ?? env.TEMPORAL_ADDRESSES ?? env.TEMPORAL_ADDRESS ?? '127.0.0.1:7233').split(/[ ,]+/);
export const clientAddress = addresses[0]!;
export const workerAddress = addresses.at(-1)!;
export const namespace = env.PERDURE_NAMESPACE ?? env.TEMPORAL_NAMESPACE ?? 'default';

Runtime.install({
  logger: new DefaultLogger((env.SDK_LOG as 'INFO') ?? 'ERROR', () => {}),
  telemetryOptions: { logging: { filter: 'OFF' } },
});

let connection: Connection | undefined;
let native: NativeConnection | undefined;

export async function connect(): Promise<Client> {
  connection ??= await Connection.connect({ address: clientAddress });
  return new Client({ connection, namespace });
}

/* A client of its own at the frontend of the workers; the caller closes its connection. */
export async function connectElsewhere(): Promise<Client> {
  return new Client({ connection: await Connection.connect({ address: workerAddress }), namespace });
}

export async function disconnect(): Promise<void> {
  await connection?.close();
  await native?.close();
  connection = native = undefined;
}

export function unique(name: string): string {
  return `${name}-${randomUUID()}`;
}

/* One for all workers of a file. */
export async function nativeConnection(): Promise<NativeConnection> {
  native ??= await NativeConnection.connect({ address: workerAddress });
  return native;
}

/* The search attributes that the tests use, made known to the namespace. */
export async function addSearchAttributes(client: Client): Promise<void> {
  const { KEYWORD, INT } = IndexedValueType;
  const wanted = { ConformanceKeyword: KEYWORD, ConformanceInt: INT };
  for (const [name, type] of Object.entries(wanted)) {
    try {
      await client.connection.operatorService.addSearchAttributes({ namespace, searchAttributes: { [name]: type } });
    } catch (err) {
      if (!isGrpcServiceError(err) || err.code !== 6 /* already exists */) throw err;
    }
  }
}

export async function newWorker(taskQueue: string, options: Partial<WorkerOptions> = {}): Promise<Worker> {
  if (!existsSync(bundlePath)) throw new Error('the workflows are not bundled; use npm test');
  return Worker.create({
    connection: await nativeConnection(), namespace, taskQueue, activities, workflowBundle: { codePath: bundlePath },
    maxConcurrentWorkflowTaskPolls: 2, maxConcurrentActivityTaskPolls: 2, shutdownGraceTime: 0, ...options,
  });
}

/* Runs `body` with a worker on the queue, and ends the worker in order. */
export async function withWorker<T>(taskQueue: string, body: () => Promise<T>, options: Partial<WorkerOptions> = {}): Promise<T> {
  const worker = await newWorker(taskQueue, options);
  return worker.runUntil(body);
}

export async function eventually<T>(what: string, probe: () => Promise<T | undefined | false>, ms = 20_000): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const found = await probe();
    if (found !== undefined && found !== false) return found as T;
    if (Date.now() > end) throw new Error(`did not come true in ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

const indexed = proto.temporal.api.enums.v1.IndexedValueType;
const IndexedValueType = { KEYWORD: indexed.INDEXED_VALUE_TYPE_KEYWORD, INT: indexed.INDEXED_VALUE_TYPE_INT };

export const EventType = proto.temporal.api.enums.v1.EventType;
export type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

export async function events(handle: WorkflowHandle): Promise<HistoryEvent[]> {
  return (await handle.fetchHistory()).events ?? [];
}

/* WORKFLOW_EXECUTION_STARTED and so on. */
export function typeName(event: HistoryEvent): string {
  return EventType[event.eventType as number]!.replace(/^EVENT_TYPE_/, '');
}

export async function typesOf(handle: WorkflowHandle): Promise<string[]> {
  return (await events(handle)).map(typeName);
}

export async function reached(handle: WorkflowHandle, type: string, times = 1): Promise<void> {
  await eventually(`${times} x ${type}`, async () => (await typesOf(handle)).filter((t) => t === type).length >= times);
}
