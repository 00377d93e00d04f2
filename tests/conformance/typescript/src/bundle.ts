/* Bundles the workflows once for all test files, which run in processes of their own. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { bundlePath, changedBundlePath, changedWorkflowsPath, interceptorsPath, workflowsPath } from './bundle_path.ts';

async function bundle(path: string, to: string, workflowInterceptorModules: string[]): Promise<void> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: path, workflowInterceptorModules, logger: new DefaultLogger('ERROR'),
    /* Each worker reads the bundle anew: without the sources in its map that is half the work. */
    webpackConfigHook: (config) => ({ ...config, devtool: 'inline-nosources-source-map' }),
  });
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to, code);
}

await bundle(workflowsPath, bundlePath, [interceptorsPath]);
await bundle(changedWorkflowsPath, changedBundlePath, []);
