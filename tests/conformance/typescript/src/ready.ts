/* Waits until every address in PERDURE_ADDRESSES answers for the namespace. Argument: for how many seconds. */
import { Connection } from '@temporalio/client';

const env = process.env;
const namespace = env.PERDURE_NAMESPACE ?? env.TEMPORAL_NAMESPACE ?? 'default';
const addresses = (env.PERDURE_ADDRESSES ?? env.TEMPORAL_ADDRESSES ?? '127.0.0.1:7233').split(/[ ,]+/);
const end = Date.now() + 1000 * Number(process.argv[2] ?? 30);

for (const address of addresses) {
  for (;;) {
    let connection: Connection | undefined;
    try {
      connection = await Connection.connect({ address, connectTimeout: '1s' });
      await connection.withDeadline(Date.now() + 1000, () => connection!.workflowService.describeNamespace({ namespace }));
      break;
    } catch (err) {
      if (Date.now() > end) {
        console.error(`${address} does not answer: ${err}`);
        process.exit(1);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      await connection?.close();
    }
  }
}
