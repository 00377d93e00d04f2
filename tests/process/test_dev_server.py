"""The dev server as its users meet it: up at once, ends at once, keeps its file."""

import json
import os
import re
import signal
import socket
import sqlite3
import struct
import subprocess
import threading
import time
import uuid

import wire
from perdure import Case, free_port, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))


class DevServer(Case):
    def wait_ready(self, p):
        wait_until("first answered call", lambda: wire.first_answer(p.port) or self.fail_if_ended(p))

    def fail_if_ended(self, p):
        if not p.is_running():
            self.fail(f"ended with {p.popen.returncode}: {p.text()}")

    def ready_dev_server(self, *args, **kw):
        p = self.dev_server(*args, **kw)
        self.wait_ready(p)
        wait_until("readiness", lambda: wire.is_healthy(p.port) or self.fail_if_ended(p))
        return p

    def test_starts_and_says_where(self):
        p = self.dev_server()
        self.wait_ready(p)
        print(f"dev server: first answered call after {(time.monotonic() - p.started) * 1000:.0f} ms")
        p.wait_text(f"127.0.0.1:{p.port}")
        self.assertIn("in memory", p.text())
        self.assertEqual(wire.describe_namespace(p.port, "default")[0], wire.OK)

    def test_signals_end_it_at_once(self):
        for sig in (signal.SIGINT, signal.SIGTERM):
            p = self.ready_dev_server(name=f"signal{sig}")
            status, took = p.stop(sig)
            print(f"dev server: ended {took * 1000:.0f} ms after {signal.Signals(sig).name}")
            self.assertEqual(status, 0, p.text())
            self.assertLess(took, 1)

    def test_ends_while_a_poll_waits(self):
        p = self.ready_dev_server()
        poll = wire.field(1, "default") + wire.field(2, wire.field(1, "queue"))
        answer = []
        t = threading.Thread(target=lambda: answer.append(wire.call(p.port, "PollWorkflowTaskQueue", poll, timeout=60)))
        t.start()
        self.addCleanup(t.join)
        wait_until("the poll's connection", lambda: connections(p.pid, p.port) > 0)
        status, took = p.stop(signal.SIGINT)
        self.assertEqual(status, 0, p.text())
        self.assertLess(took, 2)

    def test_ends_while_a_client_waits_for_a_result(self):
        p = self.ready_dev_server()
        self.assertEqual(wire.start_workflow(p.port, "w")[0], wire.OK)
        execution = wire.field(2, wire.field(1, "w"))
        # wait for a new event; only the closing one
        request = wire.field(1, "default") + execution + wire.field(5, 1) + wire.field(6, 2)
        body = os.path.join(self.dir, "request")
        with open(body, "wb") as f:
            f.write(struct.pack(">BI", 0, len(request)) + request)
        # curl does not read on behind a GOAWAY
        waiter = subprocess.Popen(
            ["nghttp", "-v", "-d", body, "-H:method: POST", "-Hcontent-type: application/grpc", "-Hte: trailers",
             f"http://127.0.0.1:{p.port}/{wire.SERVICE}/GetWorkflowExecutionHistory"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        wait_until("the call's connection", lambda: connections(p.pid, p.port) > 0)
        self.assertEqual(wire.describe_workflow(p.port, "w")[0], wire.OK)  # by now the other one is parked
        self.assertIsNone(waiter.poll())
        status, took = p.stop()
        text = waiter.communicate(timeout=30)[0].decode("latin-1")
        self.assertEqual(status, 0, p.text())
        self.assertLess(took, 3)
        self.assertIn("grpc-status: 0", text)  # an empty page, as when the wait is over: clients ask again, elsewhere

    def test_port_is_taken_by_another_one(self):
        first = self.ready_dev_server()
        status, _, err = self.run_to_end("server", "start-dev", "--headless", "--port", str(first.port))
        self.assertEqual(status, 1)
        self.assertIn(f"port {first.port}: address already in use", err.lower())
        self.assertTrue(wire.is_healthy(first.port))

    def test_memory_is_forgotten_and_namespaces_are_made(self):
        p = self.ready_dev_server("--namespace", "one", "-n", "two")
        for name in ("default", "one", "two"):
            self.assertEqual(wire.describe_namespace(p.port, name)[0], wire.OK, name)
        self.assertEqual(wire.describe_namespace(p.port, "three")[0], wire.NOT_FOUND)

    def start_things(self, p):
        self.assertEqual(wire.register_namespace(p.port, "kept")[0:2], (wire.OK, ""))
        status, text, reply = wire.start_workflow(p.port, "w1")
        self.assertEqual(status, wire.OK, text)
        return wire.get(reply, 1)

    def check_things(self, p, run_id):
        self.assertEqual(wire.describe_namespace(p.port, "kept")[0], wire.OK)
        status, text, reply = wire.describe_workflow(p.port, "w1")
        self.assertEqual(status, wire.OK, text)
        self.assertEqual(wire.get(reply, 2, 1, 2), run_id)
        self.assertEqual(wire.get(reply, 2, 5), 1, "it is still running")

    def test_a_file_survives_a_restart_and_a_crash(self):
        file = os.path.join(self.dir, "perdure.db")
        first = self.ready_dev_server("--db-filename", file)
        run_id = self.start_things(first)
        self.assertEqual(first.stop(signal.SIGINT)[0], 0)
        second = self.ready_dev_server("--db-filename", file, name="second")
        self.check_things(second, run_id)
        self.assertEqual(wire.start_workflow(second.port, "w2")[0], wire.OK)
        self.assertEqual(second.stop(signal.SIGKILL)[0], -signal.SIGKILL)
        third = self.ready_dev_server("--db-filename", file, name="third")
        self.check_things(third, run_id)
        self.assertEqual(wire.describe_workflow(third.port, "w2")[0], wire.OK)

    def test_an_old_file_is_brought_up_to_date(self):
        file = os.path.join(self.dir, "old.db")
        with sqlite3.connect(file) as db, open(os.path.join(HERE, "schema_002.sql"), encoding="utf-8") as dump:
            db.executescript(dump.read())
            ended = [row[0] for row in db.execute("SELECT workflow_id FROM runs WHERE status = 2")]
            open_run = db.execute("SELECT run_id FROM runs WHERE workflow_id = 'w1'").fetchone()[0]
        self.assertEqual(len(ended), 3)
        for name in ("first", "second"):  # and again, when it is
            p = self.ready_dev_server("--db-filename", file, name=name)
            self.check_things(p, str(uuid.UUID(bytes=open_run)).encode())
            for workflow_id in ended:
                status, text, reply = wire.describe_workflow(p.port, workflow_id)
                self.assertEqual((status, text, wire.get(reply, 2, 5)), (wire.OK, "", 2))
            self.assertEqual(wire.start_workflow(p.port, name)[0], wire.OK)
            self.assertEqual(p.stop(signal.SIGINT)[0], 0)
        # once something newer has worked on it, it is not touched
        with sqlite3.connect(file) as db:
            db.execute("INSERT INTO schema_version (version, name) VALUES (999, 'future')")
        status, _, err = self.run_to_end("server", "start-dev", "--headless", "--port", str(free_port()), "-f", file)
        self.assertNotEqual(status, 0)
        self.assertIn("999", err)

    def test_start_after_a_crash_is_quick(self):
        file = os.path.join(self.dir, "perdure.db")
        p = self.ready_dev_server("--db-filename", file)
        for i in range(500):
            self.assertEqual(wire.start_workflow(p.port, f"w{i}")[0], wire.OK)
        p.stop(signal.SIGKILL)
        for i in range(3):
            p = self.dev_server("--db-filename", file, name=f"again{i}")
            wait_until("first answered call", lambda: wire.first_answer(p.port) or self.fail_if_ended(p))
            took = (time.monotonic() - p.started) * 1000
            self.assertEqual(wire.describe_workflow(p.port, "w499")[0], wire.OK)
            print(f"dev server: first answered call {took:.0f} ms after kill -9")
            p.stop(signal.SIGKILL)

    def test_the_command_line_is_that_of_the_reference(self):
        p = self.ready_dev_server(
            "--ip", "127.0.0.1", "--namespace", "default", "--log-format", "pretty", "--log-level", "warn",
            "--ui-ip", "127.0.0.1", "--ui-asset-path", "/x", "--ui-public-path", "/y", "--ui-disable-news-fetch",
            "--ui-codec-endpoint", "http://x", "--codec-endpoint", "http://x", "--output", "json", "--color", "never",
            "--time-format", "iso", "--env", "e", "--command-timeout", "10s", "--log-config",
            "--search-attribute", "Color=Keyword", "--search-attribute", "Size=Int",
            "--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal",
        )
        self.assertIn("listen: \"127.0.0.1:", p.text())  # --log-config
        self.assertEqual(wire.describe_namespace(p.port, "default")[0], wire.OK)

    def test_dynamic_config(self):
        p = self.dev_server(
            "--log-format", "json",
            *(word for value in (
                "limit.blobSize.error=2048", "LIMIT.maxidlength=20", "history.longPollExpirationInterval=\"1m0s\"",
                "history.longPollExpirationInterval=30", "history.longPollExpirationInterval=\"2.5s\"",
                "history.MaxBufferedQueryCount=10000", "limit.historyCount.suggestContinueAsNew=50",
                "frontend.enableUpdateWorkflowExecution=true", "frontend.persistenceMaxQPS=10000",
                "system.enableActivityEagerExecution=false", "system.enableEagerWorkflowStart=false",
                
                "frontend.namespaceRPS=500", "frontend.namespaceRPS.visibility=60", "frontend.namespaceCount=700",
                "history.workflowIdReuseMinimalInterval=\"0s\"", "frontend.enableSchedules=false", "no.such=[{\"a\":1}]",
            ) for word in ("--dynamic-config-value", value)),
            "--log-config",
        )
        self.wait_ready(p)
        text = p.text()
        for setting in (
            "blob: 2048", "id_length: 20", "long_poll: 2500ms", "buffered_queries: 10000",
            "history_count_suggest_continue_as_new: 50", "eager_activities: false", "eager_start: false", "rps: 500", "rps_lists: 60", "waiting_calls: 700", "restart_interval: 0ms",
        ):
            self.assertIn(f" {setting}\n", text)
        warnings = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        ignored = {w["key"]: w["why"] for w in warnings if w["event"] == "dynamic_config_ignored"}
        self.assertEqual(ignored, {"no.such": "unknown", "frontend.enableSchedules": "this feature cannot be switched off"})
        long_id = "w" * 21
        self.assertEqual(wire.start_workflow(p.port, long_id)[0], 3)
        for wrong, part in (
            ("limit.maxIDLength", "is not of the form KEY=JSON"),
            ("limit.maxIDLength=", "is not of the form KEY=JSON"),
            ("limit.maxIDLength=many", "limits.id_length: 'many' is not a whole number"),
            ("history.longPollExpirationInterval=\"soon\"", "history.long_poll: 'soon' is not a time"),
        ):
            status, _, err = self.run_to_end("server", "start-dev", "--dynamic-config-value", wrong)
            self.assertEqual(status, 2)
            self.assertIn(part, err)

    def test_log_formats(self):
        for form, pattern in (
            ("text", r"^\d{4}-\d\d-\d\dT[\d:.]+Z info ready lanes=1 "),
            ("pretty", r"^\d\d:\d\d:\d\d\.\d{3} INFO  ready  lanes=1 "),
            ("json", r'^\{"time":"[^"]+","level":"info","event":"ready","lanes":1,'),
        ):
            p = self.ready_dev_server("--log-level", "info", "--log-format", form, name=form)
            self.assertRegex(p.text(), re.compile(pattern, re.M))
            p.stop()
        p = self.ready_dev_server("--log-level", "never", "--dynamic-config-value", "no.such=1", name="never")
        self.assertNotIn("no.such", p.text())
        status, _, err = self.run_to_end("server", "start-dev", "--log-level", "loud")
        self.assertEqual(status, 2)
        self.assertIn("'loud' is not debug, info, warn, error or never", err)

    def test_it_is_reachable_as_localhost(self):
        p = self.ready_dev_server()
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                with socket.socket(family) as s:
                    s.bind((host, 0))
            except OSError:
                continue  # this machine has no such address
            with socket.create_connection((host, p.port), timeout=5):
                pass

    def test_a_file_has_one_server(self):
        file = os.path.join(self.dir, "perdure.db")
        first = self.ready_dev_server("--db-filename", file)
        run_id = self.start_things(first)
        status, _, err = self.run_to_end(
            "server", "start-dev", "--headless", "--port", str(free_port()), "--db-filename", file
        )
        self.assertEqual(status, 1, err)
        self.assertIn(file, err)
        self.check_things(first, run_id)

    def test_a_file_that_cannot_be(self):
        status, _, err = self.run_to_end(
            "server", "start-dev", "--headless", "--port", str(free_port()), "--db-filename", "/nowhere/x.db"
        )
        self.assertEqual(status, 1, err)
        self.assertIn("/nowhere/x.db", err)
        text = self.write("text.db", "this is no database\n" * 200)
        status, _, err = self.run_to_end(
            "server", "start-dev", "--headless", "--port", str(free_port()), "--db-filename", text
        )
        self.assertEqual(status, 2, err)
        self.assertIn(text + ": ", err)
        self.assertIn("not a database", err)


def connections(pid, port):
    """Established connections of clients to the port."""
    count = 0
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as f:
        for line in f.readlines()[1:]:
            parts = line.split()
            count += parts[1].endswith(f":{port:04X}") and parts[3] == "01"
    return count
