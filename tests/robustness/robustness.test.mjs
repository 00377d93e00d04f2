// Nothing that a client sends ends the server, harms another call, or goes without an answer: every method of
// frontend/methods.def gets damaged, oversized and forged requests, on a server of its own that must still run
// workflows afterwards. Needs Node.js alone. Usage: PERDURE=path [SEED=n] node --test tests/robustness/
import { test, beforeEach, afterEach } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import { Client, field, fields, get, readMethods, readProto } from './wire.mjs';

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../..');
const messages = readProto(path.join(root, 'proto'));
const methods = readMethods(path.join(root, 'frontend/methods.def'));
const OK = 0, INVALID_ARGUMENT = 3, NOT_FOUND = 5;
const LONG = 'x'.repeat(100_000);

let seed = BigInt(process.env.SEED ?? 1);
function random(below) {
  seed = BigInt.asUintN(64, seed * 6364136223846793005n + 1442695040888963407n);
  return Number((seed >> 33n) % BigInt(below));
}
const randomBytes = (n) => Buffer.from(Array.from({ length: n }, () => random(256)));

let child, client, log = '', tokens;

// --- the server and what is on it ---

async function freePort() {
  const s = net.createServer().listen(0, '127.0.0.1');
  await new Promise((r) => s.once('listening', r));
  const { port } = s.address();
  await new Promise((r) => s.close(r));
  return port;
}

async function connect(port) {
  for (const end = Date.now() + 20_000; ;) {
    const c = new Client(port);
    try {
      if ((await c.call('GetSystemInfo', Buffer.alloc(0))).status === OK) return c;
    } catch (e) {
      if (Date.now() > end) throw e;
    }
    c.close();
    await new Promise((r) => setTimeout(r, 20));
  }
}

const namespaced = (...more) => Buffer.concat([field(1, 'default'), ...more]);
async function must(name, message, options) {
  const a = await client.call(name, message, options);
  assert.equal(a.status, OK, `${name}: ${a.text}\n${log}`);
  return a.reply;
}
const startRequest = (id, queue) => namespaced(field(2, id), field(3, field(1, 'type')), field(4, field(1, queue)),
  field(10, `request-${id}`));
const pollRequest = (queue) => namespaced(field(2, field(1, queue)), field(3, 'worker'));
async function poll(name, queue) {
  for (let i = 0; i < 10; i++) {
    const task = await must(name, pollRequest(queue), { timeout: 5000 });
    if (task.length) return task;
  }
  assert.fail(`${name}: no task\n${log}`);
}
const activityCommand = (id, queue, eager = 0) => fields([1, 1], [2, fields([1, id], [2, field(1, 'type')],
  [4, field(1, queue)], [9, field(1, 60)], [12, eager])]);
const completed = (token, ...commands) => Buffer.concat([field(1, token), ...commands.map((c) => field(2, c)),
  field(3, 'worker'), field(9, 'default')]);

let victim; // each method has its own: some of them end it

async function makeVictim(id) {
  victim = id;
  await must('StartWorkflowExecution', startRequest(id, id));
  const first = await poll('PollWorkflowTaskQueue', id);
  await must('RespondWorkflowTaskCompleted', completed(get(first, 1), activityCommand('a', id)));
  const activity = get(await poll('PollActivityTaskQueue', id), 1);
  await must('SignalWorkflowExecution', namespaced(field(2, field(1, id)), field(3, 'signal')));
  const workflow = get(await poll('PollWorkflowTaskQueue', id), 1);
  const execution = field(2, field(1, id));
  const page = get(await must('GetWorkflowExecutionHistory', namespaced(execution, field(3, 1))), 3);
  const reverse = get(await must('GetWorkflowExecutionHistoryReverse', namespaced(execution, field(3, 1))), 3);
  tokens = { workflow, activity, page, reverse, used: get(first, 1) };
}

beforeEach(async () => {
  log = '';
  const port = await freePort();
  child = spawn(process.env.PERDURE ?? path.join(root, 'build/perdure'),
    ['server', 'start-dev', '--headless', '--port', String(port), '--namespace', 'other'],
    { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const s of [child.stdout, child.stderr]) s.on('data', (d) => { log += d; });
  client = await connect(port);
});

afterEach(async () => {
  client?.close();
  if (child && child.exitCode === null && child.signalCode === null) {
    const exited = new Promise((r) => child.once('exit', r));
    child.kill('SIGTERM');
    await exited;
  }
});

// --- requests ---

const numbers = new Set(['int32', 'int64', 'uint32', 'uint64', 'sint32', 'sint64', 'bool']);
const texts = { namespace: 'default', run_id: '', activity_id: 'a', id: '' };

function sampleValue(f, isActivity) {
  if (f.type === 'string') return f.name === 'workflow_id' ? victim : texts[f.name] ?? 'text';
  if (f.type === 'bytes') return f.name !== 'task_token' ? '' : isActivity ? tokens.activity : tokens.workflow;
  if (numbers.has(f.type)) return 0;
  if (f.type === 'Duration') return field(1, 86400);
  return messages.has(f.type) ? Buffer.from('') : undefined;
}

/** A plausible request; `damage` replaces the value of the field at that path. */
function build(type, damage, depth = 0) {
  const parts = [];
  for (const f of messages.get(type) ?? []) {
    const here = damage && damage.path[depth] === f.number;
    if (here && damage.path.length === depth + 1) {
      parts.push(damage.raw ? damage.bytes : field(f.number, damage.value));
      continue;
    }
    if (messages.has(f.type) && f.type !== 'Duration' && (here || (!f.repeated && depth < 1))) {
      parts.push(field(f.number, build(f.type, here ? damage : null, depth + 1)));
      continue;
    }
    if (f.repeated || (f.type === 'Duration' && depth > 0)) continue;
    const value = sampleValue(f, type.includes('Activity'));
    if (value !== undefined && value.length !== 0 && value !== 0) parts.push(field(f.number, value));
  }
  return Buffer.concat(parts);
}

/** All fields down to a depth, with their paths. */
function* walk(type, prefix = []) {
  for (const f of messages.get(type) ?? []) {
    const at = [...prefix, f.number];
    yield { ...f, path: at };
    if (messages.has(f.type) && f.type !== 'Duration' && at.length < 4) yield* walk(f.type, at);
  }
}

function* forgedTokens() {
  const { workflow, activity, page, reverse, used } = tokens;
  const all = [workflow, activity, page, reverse, used];
  yield randomBytes(40);
  yield Buffer.from(LONG.repeat(10));
  for (const t of all) {
    for (let i = 0; i < 25; i++) {
      const flipped = Buffer.from(t);
      flipped[random(flipped.length)] ^= 1 << random(8);
      yield flipped;
    }
    yield t.subarray(0, t.length / 2);
    // Protobuf takes the last value of a field: what is appended replaces it.
    const swap = (...more) => Buffer.concat([t, ...more]);
    const far = [-1n, 0n, 1n << 62n, (1n << 63n) - 1n, -(1n << 63n)];
    for (const n of [5, 6, 7, 8, 9, 10, 11, 15, 17, 18]) for (const v of far) yield swap(field(n, v));
    yield swap(field(17, (1n << 63n) - 1n), field(18, (1n << 63n) - 1n));
    yield swap(field(17, 5), field(18, (1n << 63n) - 1n));
    yield swap(field(4, randomBytes(16)));             // another run, with the key of this one
    yield swap(field(4, Buffer.alloc(16)));            // the current run, with a key
    yield swap(field(4, Buffer.alloc(16)), field(5, 1));
    yield swap(field(2, randomBytes(16)));
    yield swap(field(2, Buffer.alloc(16)));
    yield swap(field(3, LONG.slice(0, 60_000)));
    yield swap(field(3, 'nobody'));
    yield swap(field(3, ''));
    for (const n of [3, 12, 13, 14]) {
      yield swap(field(n, Buffer.from([0xff, 0xfe])));
      yield swap(field(n, 'a\0b'));
      yield swap(field(n, LONG.slice(0, 50_000)));
    }
    for (let kind = 0; kind < 6; kind++) yield swap(field(1, kind));
  }
  yield* all; /* the real ones last: they end what the others want to break */
}

function* damaged({ name }) {
  const type = `${name}Request`;
  const sane = build(type);
  for (const f of walk(type)) {
    const one = (what, value) => ({ what: `${f.name} ${what}`, bytes: build(type, { path: f.path, value }) });
    if (f.type === 'string') {
      yield { ...one('not UTF-8', Buffer.from([0x61, 0xff, 0xfe])), wants: INVALID_ARGUMENT };
      yield { ...one('with NUL', 'a\0b'), wants: INVALID_ARGUMENT };
      yield one('long', LONG);
      yield one('empty', '');
    } else if (f.type === 'Duration') {
      for (const d of [[-1n, 0], [1n << 62n, 0], [-(1n << 63n), 0], [0, -1], [0, 2_000_000_000], [315576000000n, 0]]) {
        yield one(`of ${d}`, fields([1, d[0]], [2, d[1]]));
      }
    } else if (f.type === 'bytes' && (f.name === 'task_token' || f.name === 'next_page_token')) {
      for (const t of forgedTokens()) yield one('forged', t);
    } else if (f.type === 'bytes') {
      yield one('random', randomBytes(100));
    } else if (f.type === 'double' || f.type === 'float') {
      for (const v of [NaN, Infinity, -1, 0.5, 1e308]) {
        const b = Buffer.alloc(9);
        b[0] = (f.number << 3) | 1;
        b.writeDoubleLE(v, 1);
        yield { what: `${f.name} ${v}`, bytes: build(type, { path: f.path, raw: true, bytes: b }) };
      }
    } else if (!messages.has(f.type)) {
      for (const v of [-1n, 99, (1n << 31n) - 1n, 1n << 63n]) yield one(`${v}`, v);
    }
    if (f.repeated) {
      const some = field(f.number, '');
      yield { what: `${f.name} many`, bytes: build(type,
        { path: f.path, raw: true, bytes: Buffer.concat(Array(20_000).fill(some)) }) };
    }
  }
  yield { what: 'empty', bytes: Buffer.alloc(0) };
  for (let i = 0; i < 20; i++) yield { what: 'random', bytes: randomBytes(1 + random(200)) };
  for (let cut = 1; cut < sane.length && cut < 60; cut++) yield { what: 'cut', bytes: sane.subarray(0, sane.length - cut) };
  for (let i = 0; i < 30 && sane.length; i++) {
    const bytes = Buffer.from(sane);
    bytes[random(bytes.length)] ^= 1 << random(8);
    yield { what: 'flipped', bytes };
  }
}

// --- what must hold ---

/* An answer is the server's own: not that it fell over, not that it does not know what happened. */
const broken = new Set([2, 12, 13, 14, 15]);

async function send(method, damage) {
  const a = await client.call(method.name, damage.bytes, { service: method.service });
  const where = `${method.name}, ${damage.what}: ${a.status} ${a.text}`;
  assert.ok(!broken.has(a.status), where);
  if (damage.wants !== undefined) assert.equal(a.status, damage.wants, where);
}

async function sendAll(method) {
  const width = 64, queue = damaged(method);
  let count = 0;
  const failures = [];
  const worker = async () => {
    for (const damage of queue) {
      count++;
      await send(method, damage).catch((e) => failures.push(e.message));
      if (client.error) return;
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  assert.ok(count > 20);
  assert.equal(failures.length, 0, `${failures.length} of ${count}:\n${[...new Set(failures)].slice(0, 12).join('\n')}\n` +
    `${child.exitCode ?? child.signalCode ?? ''} ${log.slice(-2000)}`);
}

/** The server still runs workflows, and still knows the one that was harmed, if it was not to be deleted. */
async function stillWorks(isDeleted = false) {
  assert.equal(child.exitCode ?? child.signalCode, null, log);
  const d = await client.call('DescribeWorkflowExecution', namespaced(field(2, field(1, victim))));
  assert.equal(d.status, isDeleted ? NOT_FOUND : OK, d.text);
  await must('StartWorkflowExecution', startRequest('after', 'after'));
  const task = await poll('PollWorkflowTaskQueue', 'after');
  await must('RespondWorkflowTaskCompleted', completed(get(task, 1), fields([1, 4], [4, ''])));
  const closed = await must('DescribeWorkflowExecution', namespaced(field(2, field(1, 'after'))));
  assert.equal(get(closed, 2, 5), 2n);
}

/* They may end the namespace itself: not the one that must still work. */
const endsNamespaces = new Set(['UpdateNamespace', 'DeprecateNamespace', 'DeleteNamespace']);

for (const method of methods) {
  test(method.name, async () => {
    texts.namespace = 'default';
    await makeVictim(`victim of ${method.name}`);
    texts.namespace = endsNamespaces.has(method.name) ? 'other' : 'default';
    await sendAll(method);
    texts.namespace = 'default';
    await stillWorks(method.name === 'DeleteWorkflowExecution');
  });
}

/* Commands are only looked at with a valid token: each list gets a task of its own. */
const cancelActivity = (event) => fields([1, 2], [6, field(1, event)]);
const timer = (id, seconds) => fields([1, 3], [3, fields([1, id], [2, field(1, seconds)])]);
const lists = {
  'an eager activity, cancelled, and its id again': [activityCommand('x', 'commands', 1), cancelActivity(5),
    activityCommand('x', 'commands')],
  'an activity, cancelled, and its id again': [activityCommand('x', 'commands'), cancelActivity(5),
    activityCommand('x', 'commands')],
  'one id twice': [activityCommand('x', 'commands'), activityCommand('x', 'commands')],
  'one timer twice': [timer('t', 5), timer('t', 5)],
  'a negative timer': [timer('t', -5n)],
  'a timer of all time': [timer('t', 315576000000n)],
  'cancel of nothing': [cancelActivity(-1n), fields([1, 6], [7, field(1, 'none')])],
  'attributes of another command': [fields([1, 1], [3, fields([1, 't'], [2, field(1, 5)])])],
  'no attributes': Array.from({ length: 20 }, (_, i) => field(1, i)),
  'unknown types': [field(1, 99), field(1, -1n)],
  'two ends': [fields([1, 4], [4, '']), fields([1, 5], [5, ''])],
  'continue as new with nothing': [fields([1, 10], [11, ''])],
  'a failure of random bytes': [fields([1, 5], [5, fields([1, randomBytes(100)])])],
  'ten thousand timers': Array.from({ length: 10_000 }, (_, i) => timer(`t${i}`, 100)),
  'names of 100,000 characters': [activityCommand(LONG, LONG), timer(LONG, 1)],
};
for (const [name, commands] of Object.entries(lists)) {
  test(`commands: ${name}`, async () => {
    const id = victim = `commands ${name}`;
    await must('StartWorkflowExecution', startRequest(id, 'commands'));
    const task = await poll('PollWorkflowTaskQueue', 'commands');
    const a = await client.call('RespondWorkflowTaskCompleted', completed(get(task, 1), ...commands));
    assert.ok(!broken.has(a.status), `${a.status} ${a.text}\n${log.slice(-2000)}`);
    const end = await client.call('TerminateWorkflowExecution', namespaced(field(2, field(1, id))));
    assert.ok(end.status === OK || end.status === NOT_FOUND, `${end.status} ${end.text}`);
    await stillWorks();
  });
}
