"""The ports for operators and browsers, by bare HTTP: pages, metrics, gRPC-web by its bytes."""

import base64
import http.client
import re
import signal
import socket

import wire
from perdure import Case, free_port, wait_until

SAMPLE = re.compile(r'^([a-z_]+)(\{[a-z]+="[^"\\]*"(,[a-z]+="[^"\\]*")*\})? (-?[0-9.]+)$')


def get(port, path, method="GET", headers=None, body=None):
    """(status, body, headers) of a request on a connection of its own."""
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        c.request(method, path, body=body, headers=headers or {})
        r = c.getresponse()
        return r.status, r.read(), dict(r.getheaders())
    finally:
        c.close()


def metrics(port):
    """Every sample by its name and labels; what Prometheus would refuse is an error."""
    status, body, headers = get(port, "/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4"), headers
    samples, kinds, family = {}, {}, None
    for line in body.decode().splitlines():
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            assert family not in kinds, line
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == family and kind in ("counter", "gauge", "histogram"), line
            kinds[name] = kind
            continue
        match = SAMPLE.match(line)
        assert match, line
        base = re.sub(r"_(bucket|sum|count)$", "", match[1]) if kinds[family] == "histogram" else match[1]
        assert base == family, f"{line} among {family}"
        key = match[1] + (match[2] or "")
        assert key not in samples, line
        samples[key] = float(match[4])
    return samples


class Http(Case):
    def ready_dev_server(self, *args):
        p = self.dev_server(*args)
        p.wait_text("/metrics\n")
        p.http = int(re.search(r"^HTTP +http://127.0.0.1:(\d+) ", p.text(), re.M)[1])
        p.metrics = int(re.search(r"127.0.0.1:(\d+)/metrics", p.text())[1])
        return p

    def test_ports_are_chosen_by_flags(self):
        web, ops = free_port(), free_port()
        p = self.ready_dev_server("--http-port", str(web), "--metrics-port", str(ops))
        self.assertEqual((p.http, p.metrics), (web, ops))
        self.assertEqual(get(web, "/healthz")[:2], (200, b"ok\n"))
        self.assertEqual(get(ops, "/readyz")[:2], (200, b"ready\n"))
        status, _, err = self.run_to_end(
            "server", "start-dev", "--headless", "--port", str(free_port()), "--metrics-port", str(ops)
        )
        self.assertEqual(status, 1)
        self.assertIn(f"port {ops}: address already in use", err.lower())

    def test_pages(self):
        p = self.ready_dev_server()
        for port in (p.http, p.metrics):
            self.assertEqual(get(port, "/healthz")[:2], (200, b"ok\n"))
            self.assertEqual(get(port, "/readyz?verbose")[0], 200)
            self.assertEqual(get(port, "/healthz", "HEAD")[:2], (200, b""))
            self.assertEqual(get(port, "/healthz", "DELETE")[0], 405)
            self.assertEqual(get(port, "/nothing")[0], 404)
            self.assertIn("/healthz", str(get(port, "/")))
        self.assertEqual(get(p.http, "/metrics")[0], 404)  # browsers' pages have no business there
        self.assertEqual(get(p.metrics, "/healthz", headers={"Origin": "http://evil.example"})[0], 403)

    def test_metrics_count_what_happens(self):
        p = self.ready_dev_server()
        before = metrics(p.metrics)
        self.assertEqual(before["perdure_ready"], 1)
        self.assertEqual(before["perdure_database_away"], 0)
        self.assertEqual(before["perdure_history_shards"], 16384)
        for i in range(3):
            self.assertEqual(wire.start_workflow(p.port, f"w{i}")[0], wire.OK)
        self.assertEqual(wire.describe_namespace(p.port, "nowhere")[0], wire.NOT_FOUND)
        after = metrics(p.metrics)
        self.assertEqual(after['perdure_rpc_requests_total{method="StartWorkflowExecution",code="OK"}'], 3)
        self.assertEqual(after['perdure_rpc_requests_total{method="DescribeNamespace",code="NOT_FOUND"}'], 1)
        self.assertEqual(after['perdure_rpc_seconds_count{method="StartWorkflowExecution"}'], 3)
        self.assertEqual(after["perdure_workflows_started_total"], 3)
        self.assertEqual(after["perdure_history_loaded_runs"], 3)
        commits = after["perdure_history_commits_total"] - before["perdure_history_commits_total"]
        self.assertGreaterEqual(commits, 1)
        self.assertEqual(after["perdure_history_commit_seconds_count"], after["perdure_history_commits_total"])
        self.assertGreater(after["process_resident_memory_bytes"], 1 << 20)
        self.assertGreater(after["process_cpu_seconds_total"], 0)
        for name, value in before.items():
            if name.endswith("_total"):
                self.assertGreaterEqual(after[name], value, name)

    def test_many_lanes_are_added_up(self):
        p = self.ready_dev_server("--set", "lanes=3")
        for i in range(20):
            self.assertEqual(wire.start_workflow(p.port, f"w{i}")[0], wire.OK)
        after = metrics(p.metrics)
        self.assertEqual(after["perdure_lanes"], 3)
        self.assertEqual(after["perdure_workflows_started_total"], 20)
        self.assertEqual(after["perdure_history_shards"], 16384)

    def grpc_web(self, port, method, message, form, headers=None):
        body = b"\0" + len(message).to_bytes(4, "big") + message
        headers = {"Content-Type": "application/grpc-web" + form, **(headers or {})}
        if form.startswith("-text"):
            body = base64.b64encode(body)
        status, answer, head = get(port, f"/{wire.SERVICE}/{method}", "POST", headers, body)
        if status != 200:
            return status, None, head
        self.assertTrue(head["content-type"].startswith("application/grpc-web" + form.replace("+proto", "")))
        if form.startswith("-text"):  # each part has its own padding
            answer = b"".join(base64.b64decode(g) for g in re.findall(rb"[^=]+={0,2}", answer))
        frames = []
        while answer:
            size = int.from_bytes(answer[1:5], "big")
            frames.append((answer[0], answer[5 : 5 + size]))
            answer = answer[5 + size :]
        return status, frames, head

    def test_grpc_web_by_its_bytes(self):
        p = self.ready_dev_server()
        for form in ("", "+proto", "-text", "-text+proto"):
            _, frames, _ = self.grpc_web(p.http, "DescribeNamespace", wire.field(1, "default"), form)
            self.assertEqual([kind for kind, _ in frames], [0, 0x80])
            self.assertEqual(wire.get(frames[0][1], 1, 1), b"default")
            self.assertEqual(frames[1][1], b"grpc-status:0\r\n")
            _, frames, _ = self.grpc_web(p.http, "DescribeNamespace", wire.field(1, "nowhere"), form)
            self.assertEqual([kind for kind, _ in frames], [0x80])
            self.assertIn(b"grpc-status:5\r\ngrpc-message:Namespace nowhere", frames[0][1])

    def test_pages_of_other_origins_are_locked_out_unless_named(self):
        default = wire.field(1, "default")
        closed = self.ready_dev_server()
        stranger = {"Origin": "https://ui.example"}
        self.assertEqual(self.grpc_web(closed.http, "DescribeNamespace", default, "", stranger)[0], 403)
        own = {"Origin": f"http://127.0.0.1:{closed.http}"}
        self.assertEqual(self.grpc_web(closed.http, "DescribeNamespace", default, "", own)[0], 200)
        opened = self.dev_server("--set", "http.origins=https://ui.example", name="opened")
        opened.wait_text("/metrics\n")
        port = int(re.search(r"^HTTP +http://127.0.0.1:(\d+) ", opened.text(), re.M)[1])
        status, _, head = self.grpc_web(port, "DescribeNamespace", default, "", stranger)
        self.assertEqual((status, head["access-control-allow-origin"]), (200, "https://ui.example"))
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-grpc-web"}
        status, _, head = get(port, f"/{wire.SERVICE}/X", "OPTIONS", {**stranger, **asked})
        self.assertEqual((status, head["access-control-allow-headers"]), (204, "x-grpc-web"))

    def test_an_idle_connection_does_not_hold_up_the_end(self):
        p = self.ready_dev_server()
        held = socket.create_connection(("127.0.0.1", p.http))
        self.addCleanup(held.close)
        kept = http.client.HTTPConnection("127.0.0.1", p.metrics, timeout=10)
        self.addCleanup(kept.close)
        kept.request("GET", "/readyz")
        self.assertEqual(kept.getresponse().read(), b"ready\n")
        status, took = p.stop(signal.SIGINT)
        self.assertEqual(status, 0, p.text())
        self.assertLess(took, 1)

    def test_every_service_listens_for_operators(self):
        port = free_port()
        p = self.start(
            "matching", "matching", "--set", f"metrics.listen=127.0.0.1:{port}", "--set", "http.listen=127.0.0.1:1",
            "--set", "store.postgres=host=127.0.0.1 port=1", "--set", "rpc.listen=tcp://127.0.0.1:0",
        )
        wait_until("the port", lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        self.assertEqual(get(port, "/healthz")[:2], (200, b"ok\n"))
        self.assertEqual(get(port, "/readyz")[0], 503)  # no database
        wait_until("the outage", lambda: metrics(port)["perdure_database_away"] >= 1)
        self.assertEqual(metrics(port)["perdure_ready"], 0)
        self.assertEqual(p.stop()[0], 0, p.text())

    def test_addresses_are_checked(self):
        for setting, text in (
            ("metrics.listen=here", "metrics.listen: 'here' is not HOST:PORT"),
            ("http.listen=0.0.0.0:1", "http.listen: 0.0.0.0:1 is public and callers are not authenticated"),
        ):
            status, _, err = self.run_to_end("frontend", "--set", setting)
            self.assertEqual(status, 2)
            self.assertIn(text, err)
