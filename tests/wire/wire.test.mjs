// The wire as the official Node.js client sees it. Each test starts a server of its own on a free port of
// the loopback interface. Usage: ECHO_SERVER=path node --test tests/wire/
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import grpc from '@grpc/grpc-js';

const program = process.env.ECHO_SERVER;
const { status } = grpc;

// --- fixtures ---

class Server {
  static async start(...args) {
    const s = new Server();
    s.child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    s.exited = once(s.child, 'exit');
    const [line] = await once(s.child.stdout, 'data');
    s.port = Number(line);
    assert.ok(s.port > 0);
    return s;
  }
  client(credentials = grpc.credentials.createInsecure(), options = {}) {
    return new grpc.Client(`localhost:${this.port}`, credentials, {
      'grpc.max_receive_message_length': 8 << 20, 'grpc.use_local_subchannel_pool': 1, ...options,
    });
  }
  async stop() {
    this.child.kill('SIGTERM');
    const [code, signal] = await this.exited;
    assert.deepEqual([code, signal], [0, null], 'the server ends in order');
  }
}

const raw = (x) => x;
function start(client, method, body, { deadline = 20000, metadata, ...options } = {}) {
  let call;
  const answer = new Promise((resolve, reject) => {
    call = client.makeUnaryRequest(`/test.Echo/${method}`, raw, raw, Buffer.from(body),
      metadata ?? new grpc.Metadata(), { deadline: Date.now() + deadline, ...options },
      (error, value) => (error ? reject(error) : resolve(value)));
  });
  return { call, answer };
}
const ask = (...args) => start(...args).answer;
const askText = async (...args) => (await ask(...args)).toString();
const failure = (promise) => promise.then(() => assert.fail('no error'), (error) => error);

async function statsUntil(client, wanted) {
  for (;;) {
    const text = await askText(client, 'Stats', '');
    if (wanted.test(text)) return text;
    await new Promise((r) => setTimeout(r, 5));
  }
}

function withServer(name, args, body, options = {}) {
  test(name, { timeout: 60000, ...options }, async (t) => {
    const server = await Server.start(...args);
    const client = server.client();
    try {
      await body(server, client, t);
    } finally {
      client.close();
      await server.stop();
    }
  });
}

// --- calls ---

withServer('a unary call', [], async (server, client) => {
  assert.equal(await askText(client, 'Echo', 'hello'), 'hello');
  assert.equal(await askText(client, 'Echo', ''), '');
});

withServer('an error with details', [], async (server, client) => {
  const error = await failure(ask(client, 'Fail', 'caf\u00e9\n100%'));
  assert.equal(error.code, status.FAILED_PRECONDITION);
  assert.equal(error.details, 'caf\u00e9\n100%');
  const bin = error.metadata.get('grpc-status-details-bin')[0];
  assert.ok(bin.includes('type.googleapis.com/temporal.api.errordetails.v1.NotFoundFailure'));
  assert.ok(bin.includes(Buffer.from('\x0a\x04here')));
});

withServer('unknown methods', [], async (server, client) => {
  const error = await failure(ask(client, 'Nope', ''));
  assert.equal(error.code, status.UNIMPLEMENTED);
  assert.equal(error.details, 'unknown method Nope for service test.Echo');
});

withServer('metadata', [], async (server, client) => {
  const metadata = new grpc.Metadata();
  metadata.set('temporal-namespace', 'default');
  assert.equal(await askText(client, 'Metadata', 'temporal-namespace', { metadata }), 'default');
});

withServer('gzip both ways', ['--gzip-min', '100'], async (server, client) => {
  const zipped = server.client(undefined, { 'grpc.default_compression_algorithm': 2 });
  const text = 'durable '.repeat(10000);
  assert.equal(await askText(zipped, 'Echo', text), text);
  assert.equal(await askText(zipped, 'Echo', 'short'), 'short');
  assert.equal(await askText(client, 'Echo', text), text);
  zipped.close();
});

withServer('refused gzip', ['--refuse-gzip'], async (server) => {
  const zipped = server.client(undefined, { 'grpc.default_compression_algorithm': 2 });
  const error = await failure(ask(zipped, 'Echo', 'x'.repeat(1000)));
  assert.equal(error.code, status.UNIMPLEMENTED);
  assert.match(error.details, /grpc-encoding "gzip"/);
  zipped.close();
});

withServer('large messages both ways, and what is too large', [], async (server, client) => {
  const large = Buffer.alloc(3900000, 'y');
  for (const answer of await Promise.all([1, 2, 3, 4].map(() => ask(client, 'Echo', large)))) {
    assert.ok(answer.equals(large));
  }
  const max = Buffer.alloc(4 << 20, 'z');
  assert.ok((await ask(client, 'Echo', max)).equals(max));
  const error = await failure(ask(client, 'Echo', Buffer.alloc((4 << 20) + 1)));
  assert.equal(error.code, status.RESOURCE_EXHAUSTED);
  assert.equal(error.details, 'grpc: received message larger than max (4194305 vs. 4194304)');
  assert.equal((await ask(client, 'Big', '8000000')).length, 8000000);
  assert.equal(await askText(client, 'Echo', 'still fine'), 'still fine');
});

withServer('deadlines', [], async (server, client) => {
  const error = await failure(ask(client, 'Park', '', { deadline: 150 }));
  assert.equal(error.code, status.DEADLINE_EXCEEDED);
  await statsUntil(client, /parked 0 cancelled 1 undelivered 1 calls 1$/);
});

withServer('three times 700 cancelled polls do not cost the connection', [], async (server, client) => {
  for (let round = 1; round <= 3; round++) {
    const polls = Array.from({ length: 700 }, () => start(client, 'Park', '', { deadline: 60000 }));
    const ends = polls.map((p) => failure(p.answer));
    await statsUntil(client, /^parked 700 /);
    polls.forEach((p) => p.call.cancel());
    for (const error of await Promise.all(ends)) assert.equal(error.code, status.CANCELLED);
    await statsUntil(client, new RegExp(`^parked 0 cancelled ${700 * round} `));
  }
  assert.equal(await askText(client, 'Echo', 'next'), 'next');
});

withServer('parked calls are answered', [], async (server, client) => {
  const polls = Array.from({ length: 100 }, () => askText(client, 'Park', ''));
  await statsUntil(client, /^parked 100 /);
  assert.equal(await askText(client, 'Release', ''), '100');
  assert.ok((await Promise.all(polls)).every((text) => text === 'released'));
});

withServer('keepalive pings of a busy client', [], async (server) => {
  const client = server.client(undefined, {
    'grpc.keepalive_time_ms': 20, 'grpc.keepalive_timeout_ms': 1000, 'grpc.keepalive_permit_without_calls': 1,
  });
  const poll = askText(client, 'Park', '');
  await statsUntil(client, /^parked 1 /);
  await new Promise((r) => setTimeout(r, 400)); // twenty pings; nothing to wait for
  await askText(client, 'Release', '');
  assert.equal(await poll, 'released');
  client.close();
});

// --- the standard services ---

withServer('health', [], async (server, client) => {
  const check = (name) => new Promise((resolve, reject) => {
    const request = name ? Buffer.concat([Buffer.from([10, name.length]), Buffer.from(name)]) : Buffer.alloc(0);
    client.makeUnaryRequest('/grpc.health.v1.Health/Check', raw, raw, request, (e, v) => (e ? reject(e) : resolve(v)));
  });
  assert.deepEqual([...await check('')], [8, 1]);
  assert.deepEqual([...await check('test.Echo')], [8, 1]);
  assert.equal((await failure(check('nobody'))).code, status.NOT_FOUND);
  const watch = client.makeServerStreamRequest('/grpc.health.v1.Health/Watch', raw, raw, Buffer.alloc(0));
  const [first] = await once(watch, 'data');
  assert.deepEqual([...first], [8, 1]);
  watch.on('error', () => {});
  watch.cancel();
  await statsUntil(client, /calls 1$/);
});

withServer('reflection lists services', [], async (server, client) => {
  for (const version of ['v1', 'v1alpha']) {
    const stream = client.makeBidiStreamRequest(
      `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`, raw, raw);
    stream.write(Buffer.from([0x3a, 0])); // list_services
    const [answer] = await once(stream, 'data');
    assert.ok(answer.includes('test.Echo') && answer.includes('grpc.health.v1.Health'));
    stream.write(Buffer.from('\x22\x09test.Nope')); // file_containing_symbol
    const [missing] = await once(stream, 'data');
    assert.ok(missing.includes('not found'));
    stream.end();
    const [end] = await once(stream, 'status');
    assert.equal(end.code, status.OK);
  }
});

// --- the end of a server ---

test('a drain under load shows no error to clients', { timeout: 60000 }, async () => {
  const first = await Server.start('--lanes', '2');
  const second = await Server.start('--lanes', '2');
  const client = new grpc.Client(`ipv4:127.0.0.1:${first.port},127.0.0.1:${second.port}`,
    grpc.credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  await new Promise((resolve, reject) => client.waitForReady(Date.now() + 5000, (e) => (e ? reject(e) : resolve())));
  let stop = false;
  let calls = 0;
  const loops = Array.from({ length: 20 }, async () => {
    while (!stop) {
      assert.equal(await askText(client, 'Echo', 'x'), 'x');
      calls++;
    }
  });
  const poll = askText(client, 'Park', '');
  const until = async (n) => { while (calls < n) await new Promise((r) => setTimeout(r, 1)); };
  await until(500);
  await first.stop(); // answers the poll empty, finishes what is open
  await until(calls + 500);
  stop = true;
  await Promise.all(loops);
  assert.equal(await poll, '');
  client.close();
  await second.stop();
});

test('a drain cuts off what does not end', { timeout: 60000 }, async () => {
  const server = await Server.start('--patience', '0.2');
  const client = server.client();
  const stuck = failure(ask(client, 'Park', 'stuck'));
  await statsUntil(client, /^parked 1 /);
  await server.stop();
  assert.equal((await stuck).code, status.UNAVAILABLE);
  client.close();
});

withServer('old connections are drained, calls go on', ['--age-max', '0.1', '--ping-timeout', '0.05'],
  async (server, client) => {
    const end = Date.now() + 1000;
    while (Date.now() < end) assert.equal(await askText(client, 'Echo', 'x'), 'x');
  });

// --- bytes that are not gRPC ---

function speak(port, bytes) {
  return new Promise((resolve) => {
    const parts = [];
    const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
    socket.on('data', (d) => parts.push(d));
    socket.on('error', () => {});
    socket.on('close', () => resolve(Buffer.concat(parts)));
  });
}

withServer('malformed bytes harm nobody else', [], async (server, client) => {
  const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  const poll = askText(client, 'Park', '');
  await statsUntil(client, /^parked 1 /);
  assert.match((await speak(server.port, 'GET / HTTP/1.1\r\n\r\n')).toString(), /^HTTP\/1.1 505 .*gRPC/s);
  assert.equal((await speak(server.port, Buffer.from([0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]))).length, 0);
  const bad = [
    [0, 0, 4, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4], // DATA on an idle stream
    [0, 0, 3, 4, 0, 0, 0, 0, 0, 1, 2, 3], // SETTINGS of a wrong length
    [0, 0, 4, 1, 4, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff], // HPACK that is none
    [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0], // WINDOW_UPDATE by zero
    [0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1], // a frame of 16 MiB
    [0, 0, 1, 9, 4, 0, 0, 0, 1, 0], // CONTINUATION out of nowhere
  ];
  for (const frame of bad) {
    const said = await speak(server.port, Buffer.concat([preface, settings, Buffer.from(frame)]));
    assert.ok(said.includes(Buffer.from([7, 0, 0, 0, 0, 0])), `GOAWAY for ${frame}`);
  }
  await askText(client, 'Release', '');
  assert.equal(await poll, 'released');
});

withServer('slow handshakes, silent clients and too many connections are cut off',
  ['--handshake-timeout', '0.2', '--ping-after', '0.1', '--ping-timeout', '0.1', '--connections-max', '2'],
  async (server, client) => {
    assert.equal(await askText(client, 'Echo', 'x'), 'x');
    await speak(server.port, 'PRI * HT'); // returns when the server closes
    // A client that never answers pings.
    const said = await speak(server.port, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0');
    assert.ok(said.includes(Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0])), 'it was asked');
    const second = net.connect(server.port, '127.0.0.1');
    await once(second, 'connect');
    const third = net.connect(server.port, '127.0.0.1');
    third.on('error', () => {});
    await once(third, 'close');
    second.destroy();
    assert.equal(await askText(client, 'Echo', 'x'), 'x'); // it does answer pings
  });

// Frames by hand, for clients that no library would be.
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
function frame(type, flags, stream, body = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}
function request(stream, method, message) {
  const fields = { ':method': 'POST', ':scheme': 'http', ':path': `/test.Echo/${method}`, ':authority': 'a',
    te: 'trailers', 'content-type': 'application/grpc' };
  const block = Object.entries(fields).map(([name, value]) => Buffer.concat(
    [Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]));
  const data = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), Buffer.from(message)]);
  return Buffer.concat([frame(1, 4, stream, Buffer.concat(block)), frame(0, 1, stream, data)]);
}

withServer('a client that takes no replies is cut off', ['--write-timeout', '0.3'], async (server, client) => {
  const greedy = net.connect(server.port, '127.0.0.1');
  await once(greedy, 'connect');
  greedy.pause(); // it never reads
  greedy.on('error', () => {});
  const window = Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]); // INITIAL_WINDOW_SIZE
  const more = Buffer.from([0x7f, 0xff, 0, 0]);
  greedy.write(Buffer.concat([preface, frame(4, 0, 0, window), frame(8, 0, 0, more),
    request(1, 'Big', '60000000'), request(3, 'Park', '')]));
  await statsUntil(client, /^parked 1 .* calls 3$/);
  await statsUntil(client, /^parked 0 cancelled 1 undelivered 1 calls 1$/);
  greedy.destroy();
});

withServer('a reply that the lost connection never took is reported', [], async (server, client) => {
  // With a window of nothing the reply stays with us; then the client is gone.
  const poller = net.connect(server.port, '127.0.0.1');
  await once(poller, 'connect');
  poller.on('error', () => {});
  poller.write(Buffer.concat([preface, frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])), request(1, 'Park', '')]));
  await statsUntil(client, /^parked 1 /);
  assert.equal(await askText(client, 'Release', ''), '1');
  await statsUntil(client, /^parked 0 cancelled 0 undelivered 0 calls 2$/);
  poller.destroy();
  await statsUntil(client, /^parked 0 cancelled 0 undelivered 1 calls 1$/);
});

// --- TLS ---

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'perdure-wire-'));
process.on('exit', () => fs.rmSync(dir, { recursive: true }));
const file = (name) => path.join(dir, name);
const read = (name) => fs.readFileSync(file(name));
function certificates() {
  const ssl = (...args) => execFileSync('openssl', args, { stdio: 'ignore' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  ssl('req', '-x509', ...key, '-keyout', file('ca.key'), '-out', file('ca.pem'), '-days', '2', '-subj', '/CN=ca');
  for (const [name, cn] of [['server', 'localhost'], ['client', 'worker-7']]) {
    ssl('req', ...key, '-keyout', file(`${name}.key`), '-out', file(`${name}.csr`), '-subj', `/CN=${cn}`);
    fs.writeFileSync(file('ext'), 'subjectAltName=DNS:localhost\n');
    ssl('x509', '-req', '-in', file(`${name}.csr`), '-CA', file('ca.pem'), '-CAkey', file('ca.key'),
      '-CAcreateserial', '-days', '2', '-extfile', file('ext'), '-out', file(`${name}.pem`));
  }
}
certificates();
const tls = ['--cert', file('server.pem'), '--key', file('server.key')];

withServer('TLS', tls, async (server, plain) => {
  const client = server.client(grpc.credentials.createSsl(read('ca.pem')));
  assert.equal(await askText(client, 'Echo', 'secret'), 'secret');
  const large = Buffer.alloc(3900000, 'y');
  assert.ok((await ask(client, 'Echo', large)).equals(large));
  assert.equal(await askText(client, 'Peer', ''), '');
  assert.equal((await failure(ask(plain, 'Echo', '', { deadline: 2000 }))).code, status.UNAVAILABLE);
  assert.equal(await askText(client, 'Echo', 'again'), 'again');
  client.close();
});

withServer('mTLS', [...tls, '--client-ca', file('ca.pem')], async (server) => {
  const known = server.client(
    grpc.credentials.createSsl(read('ca.pem'), read('client.key'), read('client.pem')));
  assert.equal(await askText(known, 'Peer', ''), 'worker-7');
  const unknown = server.client(grpc.credentials.createSsl(read('ca.pem')));
  assert.equal((await failure(ask(unknown, 'Echo', '', { deadline: 2000 }))).code, status.UNAVAILABLE);
  known.close();
  unknown.close();
});

// --- sockets ---

test('a port that is taken is refused', { timeout: 20000 }, async () => {
  const server = await Server.start();
  const second = spawn(program, ['--port', String(server.port)], { stdio: ['ignore', 'ignore', 'pipe'] });
  const said = once(second.stderr, 'data');
  const [code] = await once(second, 'exit');
  assert.equal(code, 1);
  assert.match((await said)[0].toString(), /Address already in use/);
  await server.stop();
});
