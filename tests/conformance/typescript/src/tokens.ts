/* The task tokens of activities that somebody else completes, by key. */
export const tokens = new Map<string, Uint8Array>();
