// The wire without a client library: protobuf by hand, after the declarations in proto/, and gRPC over Node's own
// HTTP/2. A client library would not let most of what is sent here leave the house.
import http2 from 'node:http2';
import fs from 'node:fs';
import path from 'node:path';

// --- protobuf ---

export function varint(value) {
  let v = BigInt.asUintN(64, BigInt(value));
  const out = [];
  while (v > 127n) {
    out.push(Number(v & 127n) | 128);
    v >>= 7n;
  }
  out.push(Number(v));
  return Buffer.from(out);
}

/** One field: bytes, text, or a number. */
export function field(number, value) {
  if (typeof value === 'number' || typeof value === 'bigint') {
    return Buffer.concat([varint(number << 3), varint(value)]);
  }
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

export const fields = (...pairs) => Buffer.concat(pairs.map(([number, value]) => field(number, value)));

/** The value of a field: a Buffer, or a BigInt for numbers; undefined when it is not there. */
export function get(message, ...numbers) {
  let found = message;
  for (const wanted of numbers) {
    let at = 0;
    const bytes = found;
    found = undefined;
    const read = () => {
      let v = 0n;
      for (let shift = 0n; ; shift += 7n) {
        const b = bytes[at++];
        v |= BigInt(b & 127) << shift;
        if (b < 128) return v;
      }
    };
    while (at < bytes.length) {
      const key = Number(read());
      let value;
      if ((key & 7) === 0) {
        value = read();
      } else {
        const size = (key & 7) === 1 ? 8 : (key & 7) === 5 ? 4 : Number(read());
        value = bytes.subarray(at, at + size);
        at += size;
      }
      if (key >> 3 === wanted) found = value;
    }
    if (found === undefined) return undefined;
  }
  return found;
}

// --- the declarations ---

/** name of a message -> its fields: { name, number, type, repeated } */
export function readProto(dir) {
  const messages = new Map();
  for (const file of fs.readdirSync(dir).filter((f) => f.endsWith('.proto'))) {
    const stack = [];
    for (const raw of fs.readFileSync(path.join(dir, file), 'utf8').split('\n')) {
      const line = raw.replace(/\/\/.*/, '').trim();
      const open = line.match(/^(message|enum|oneof|service)\s+(\w+)\s*\{/);
      if (open) {
        const outer = stack.at(-1);
        const entry = open[1] === 'oneof' ? outer : { kind: open[1], list: [] };
        if (open[1] === 'message') messages.set(open[2], entry.list);
        if (!line.endsWith('}')) stack.push(entry);
        continue;
      }
      if (line.startsWith('}')) stack.pop();
      const f = line.match(/^(repeated\s+|optional\s+)?([\w.]+|map<[^>]+>)\s+(\w+)\s*=\s*(\d+)/);
      if (f && stack.at(-1)?.kind === 'message') {
        stack.at(-1).list.push({ name: f[3], number: Number(f[4]), type: f[2].split('.').at(-1),
          repeated: !!f[1]?.startsWith('repeated') });
      }
    }
  }
  return messages;
}

export function readMethods(file) {
  return [...fs.readFileSync(file, 'utf8').matchAll(/^METHOD\((\w+), (\w+),/gm)]
    .map(([, service, name]) => ({ service, name }));
}

// --- gRPC ---

const services = {
  WORKFLOW: 'temporal.api.workflowservice.v1.WorkflowService',
  OPERATOR: 'temporal.api.operatorservice.v1.OperatorService',
};

export class Client {
  constructor(port) {
    this.session = http2.connect(`http://127.0.0.1:${port}`);
    this.session.on('error', (e) => { this.error = e; });
    this.session.setMaxListeners(0);
  }
  /** { status, text, reply }; a connection that breaks is an exception. */
  call(name, message, { service = 'WORKFLOW', timeout = 2100, wait = 15000 } = {}) {
    return new Promise((resolve, reject) => {
      if (this.error) return reject(this.error);
      const stream = this.session.request({ ':method': 'POST', ':path': `/${services[service]}/${name}`,
        'content-type': 'application/grpc', te: 'trailers', 'grpc-timeout': `${timeout}m` });
      const parts = [];
      let head = {};
      const timer = setTimeout(() => { stream.close(); reject(new Error(`${name}: no answer`)); }, wait);
      stream.on('response', (h) => { head = { ...head, ...h }; });
      stream.on('trailers', (h) => { head = { ...head, ...h }; });
      stream.on('data', (d) => parts.push(d));
      stream.on('error', (e) => { clearTimeout(timer); reject(new Error(`${name}: ${e.message}`)); });
      stream.on('close', () => {
        clearTimeout(timer);
        if (head['grpc-status'] === undefined) return reject(new Error(`${name}: the connection broke`));
        resolve({ status: Number(head['grpc-status']), text: decodeURIComponent(head['grpc-message'] ?? ''),
          reply: Buffer.concat(parts).subarray(5) });
      });
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(message.length, 1);
      stream.end(Buffer.concat([prefix, message]));
    });
  }
  close() {
    this.session.destroy();
  }
}
