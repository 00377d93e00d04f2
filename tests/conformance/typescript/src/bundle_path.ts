import { fileURLToPath } from 'node:url';

export const workflowsPath = fileURLToPath(new URL('workflows.ts', import.meta.url));
export const bundlePath = fileURLToPath(new URL('../.bundle/workflows.js', import.meta.url));
export const interceptorsPath = fileURLToPath(new URL('option_workflows.ts', import.meta.url));

/* The same workflows after a change of their code. */
export const changedWorkflowsPath = fileURLToPath(new URL('code_after.ts', import.meta.url));
export const changedBundlePath = fileURLToPath(new URL('../.bundle/changed.js', import.meta.url));
