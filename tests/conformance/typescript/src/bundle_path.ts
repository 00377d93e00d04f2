import { fileURLToPath } from 'node:url';

export const workflowsPath = fileURLToPath(new URL('workflows.ts', import.meta.url));
export const bundlePath = fileURLToPath(new URL('../.bundle/workflows.js', import.meta.url));
