/* Bundles the workflows once for all test files, which run in processes of their own. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { bundlePath, workflowsPath } from './bundle_path.ts';

const { code } = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
mkdirSync(dirname(bundlePath), { recursive: true });
writeFileSync(bundlePath, code);
