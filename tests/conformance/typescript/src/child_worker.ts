/* A worker in a process of its own, to be killed. Argument: the task queue. Says "running" when it is. */
import { newWorker } from './env.ts';

const worker = await newWorker(process.argv[2]!, { stickyQueueScheduleToStartTimeout: '500ms' });
process.stdout.write('running\n');
await worker.run();
