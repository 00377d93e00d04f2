/* A first workflow: a worker and a client in one process. TEMPORAL_ADDRESS says where the server is. */
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import * as activities from './activities.ts';
import { hello } from './workflows.ts';

Runtime.install({ logger: new DefaultLogger('WARN') });
const address = process.env.TEMPORAL_ADDRESS ?? '127.0.0.1:7233';
const taskQueue = 'hello';

const worker = await Worker.create({
  connection: await NativeConnection.connect({ address }),
  taskQueue,
  activities,
  workflowsPath: fileURLToPath(new URL('workflows.ts', import.meta.url)),
});
const client = new Client({ connection: await Connection.connect({ address }) });

await worker.runUntil(async () => {
  const handle = await client.workflow.start(hello, { taskQueue, workflowId: `hello-${Date.now()}`, args: ['Perdure'] });
  console.log(`started ${handle.workflowId}, run ${handle.firstExecutionRunId}`);
  console.log(await handle.result());
});
process.exit(0);
