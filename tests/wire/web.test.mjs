// gRPC-web as browsers speak it, against a dev server: the clients of Connect (HTTP/1.1 and HTTP/2) and of gRPC-web (text
// form). Messages come from the descriptors that the server was built with.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import http from "node:http";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import { create, createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-node";

const require = createRequire(import.meta.url);
globalThis.XMLHttpRequest = require("xhr2");
const grpcWeb = require("grpc-web");

const registry = createFileRegistry(
  fromBinary(FileDescriptorSetSchema, readFileSync(process.env.DESCRIPTORS)),
);
const service = [...registry].find(
  (d) => d.kind === "service" && d.typeName === "temporal.api.workflowservice.v1.WorkflowService",
);

// temporal.api.common.v1.Payloads with one payload of so many bytes; the server carries it as it is.
function payloads(size) {
  const field = (number, bytes) => {
    const head = [(number << 3) | 2];
    let n = bytes.length;
    for (; n > 127; n >>>= 7) head.push((n & 127) | 128);
    return Buffer.concat([Buffer.from([...head, n]), bytes]);
  };
  return field(1, field(2, Buffer.alloc(size, "x")));
}

let server, port, metricsPort;

function freePort() {
  return new Promise((resolve) => {
    const s = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = s.address();
      s.close(() => resolve(port));
    });
  });
}

before(async () => {
  const grpcPort = await freePort();
  server = spawn(process.env.PERDURE, ["server", "start-dev", "--headless", "--port", String(grpcPort),
    "--set", "http.origins=https://ui.example"], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  for await (const piece of server.stdout) {
    text += piece;
    const found = /HTTP +http:\/\/127.0.0.1:(\d+)[^]*http:\/\/127.0.0.1:(\d+)\/metrics\n[^]*\n/.exec(text);
    if (found) {
      [port, metricsPort] = found.slice(1).map(Number);
      return;
    }
  }
  throw new Error(`the server ended: ${text}`);
});

after(() => {
  server.kill("SIGINT");
});

function get(path, at = port, headers = {}) {
  return new Promise((resolve, reject) => {
    http.get({ host: "127.0.0.1", port: at, path, headers }, (res) => {
      let body = "";
      res.on("data", (d) => (body += d)).on("end", () => resolve({ status: res.statusCode, body, headers: res.headers }));
    }).on("error", reject);
  });
}

async function pollsWaiting(count) {
  const wanted = new RegExp(`^perdure_matching_polls ${count}$`, "m");
  while (!wanted.test((await get("/metrics", metricsPort)).body)) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

for (const httpVersion of ["1.1", "2"]) {
  describe(`Connect's gRPC-web client over HTTP/${httpVersion}`, () => {
    let client;
    before(() => {
      client = createClient(service, createGrpcWebTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion }));
    });

    test("a unary call", async () => {
      const info = await client.getSystemInfo({});
      assert.equal(typeof info.serverVersion, "string");
      const { namespaceInfo } = await client.describeNamespace({ namespace: "default" });
      assert.equal(namespaceInfo.name, "default");
    });

    test("a workflow is started and described", async () => {
      const workflowId = `web-${httpVersion}`;
      const { runId } = await client.startWorkflowExecution({
        namespace: "default", workflowId, requestId: workflowId,
        workflowType: { name: "t" }, taskQueue: { name: "q" },
      });
      const d = await client.describeWorkflowExecution({ namespace: "default", execution: { workflowId } });
      assert.equal(d.workflowExecutionInfo.execution.runId, runId);
    });

    test("an error has its code and text", async () => {
      await assert.rejects(client.describeNamespace({ namespace: "nowhere" }), (e) => {
        assert.ok(e instanceof ConnectError);
        assert.equal(e.code, Code.NotFound);
        assert.match(e.rawMessage, /nowhere/);
        assert.equal(e.details.length, 1);
        return true;
      });
    });

    test("a long poll ends with a task, or with its client", async () => {
      const queue = { name: `poll-${httpVersion}` };
      const poll = (signal) => client.pollWorkflowTaskQueue(
        { namespace: "default", taskQueue: queue, identity: "w" }, { signal, timeoutMs: 30000 });
      const leaving = new AbortController();
      const left = assert.rejects(poll(leaving.signal), (e) => e.code === Code.Canceled);
      await pollsWaiting(1);
      leaving.abort();
      await left;
      await pollsWaiting(0);
      const waiting = poll();
      await client.startWorkflowExecution({
        namespace: "default", workflowId: `polled-${httpVersion}`, requestId: "r",
        workflowType: { name: "t" }, taskQueue: queue,
      });
      const task = await waiting;
      assert.equal(task.workflowExecution.workflowId, `polled-${httpVersion}`);
      assert.ok(task.taskToken.length);
    });

    test("a deadline is kept", async () => {
      // an empty answer shortly before the deadline, or the deadline itself: never longer
      const answer = await client.pollWorkflowTaskQueue(
        { namespace: "default", taskQueue: { name: "nothing" }, identity: "w" }, { timeoutMs: 2500 });
      assert.equal(answer.taskToken.length, 0);
    });

    test("many calls at once", async () => {
      const all = await Promise.all(Array.from({ length: 200 }, () => client.getSystemInfo({})));
      assert.equal(all.length, 200);
    });

    test("large requests and replies", async () => {
      const large = 1 << 20;
      const workflowId = `large-${httpVersion}`;
      await client.startWorkflowExecution({
        namespace: "default", workflowId, requestId: "r", workflowType: { name: "t" }, taskQueue: { name: "q" },
        input: payloads(large),
      });
      const { history } = await client.getWorkflowExecutionHistory({ namespace: "default", execution: { workflowId } });
      assert.ok(history.length > large);
    });
  });
}

describe("the official gRPC-web client (text form)", () => {
  const method = (name) => {
    const m = service.methods.find((x) => x.name === name);
    return new grpcWeb.MethodDescriptor(`/${service.typeName}/${name}`, "unary", Object, Object,
      (message) => toBinary(m.input, create(m.input, message)), (bytes) => fromBinary(m.output, bytes));
  };
  const call = (name, message) => new Promise((resolve, reject) => {
    const client = new grpcWeb.GrpcWebClientBase({ format: "text" });
    client.rpcCall(`http://127.0.0.1:${port}/${service.typeName}/${name}`, message, {}, method(name),
      (error, answer) => error ? reject(error) : resolve(answer));
  });

  test("a unary call", async () => {
    const { namespaceInfo } = await call("DescribeNamespace", { namespace: "default" });
    assert.equal(namespaceInfo.name, "default");
  });

  test("an error has its code and text", async () => {
    await assert.rejects(call("DescribeNamespace", { namespace: "nowhere" }), (e) => e.code === 5 && /nowhere/.test(e.message));
  });
});

describe("pages", () => {
  test("other origins are let in by the settings only", async () => {
    assert.equal((await get("/healthz", port, { origin: "https://evil.example" })).status, 403);
    assert.equal((await get("/healthz", port, { origin: "https://ui.example" })).status, 200);
  });

  test("calls through this port are counted like all others", async () => {
    const { status, body, headers } = await get("/metrics", metricsPort);
    assert.equal(status, 200);
    assert.match(headers["content-type"], /^text\/plain; version=0\.0\.4/);
    assert.match(body, /^perdure_rpc_requests_total\{method="DescribeNamespace",code="NOT_FOUND"\} [1-9]/m);
    assert.match(body, /^perdure_workflows_started_total [1-9]/m);
    assert.equal((await get("/metrics")).status, 404);
  });
});
