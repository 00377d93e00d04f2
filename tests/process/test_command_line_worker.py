"""The client commands that need code that answers: a worker of the official Python SDK (tests/conformance/python), whose
replayer reads the histories that are printed. Left out, and said so, when it is not installed."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

import test_command_line as base
import wire
from perdure import PERDURE, ROOT, Case, Process, free_port, wait_until
from test_command_line import CLEAN

PYTHON = os.path.join(ROOT, "tests/conformance/python/.venv/bin/python")
WORKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "command_line_worker.py")


@unittest.skipUnless(os.path.exists(PYTHON), "the Python SDK is not installed (scripts/setup conformance)")
class WithWorker(base.Shell):
    """One server and one worker for all tests, each of which leaves nothing running."""

    @classmethod
    def setUpClass(cls):
        cls.shared = tempfile.mkdtemp(prefix="perdure-test-")
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)
        cls.shared_port = free_port()
        server = Process(cls.shared, "dev", "server", "start-dev", "--headless", "--port", str(cls.shared_port))
        cls.addClassCleanup(server.log.close)
        cls.addClassCleanup(server.popen.wait)
        cls.addClassCleanup(server.popen.kill)
        wait_until("readiness", lambda: wire.is_healthy(cls.shared_port) or not server.is_running())
        log = open(os.path.join(cls.shared, "worker.log"), "w+", encoding="utf-8")
        cls.addClassCleanup(log.close)
        worker = subprocess.Popen([PYTHON, WORKER, f"127.0.0.1:{cls.shared_port}"], stdout=log, stderr=log, env=CLEAN)
        cls.addClassCleanup(worker.wait)
        cls.addClassCleanup(worker.kill)

        def is_ready():
            with open(log.name, encoding="utf-8") as f:
                text = f.read()
            assert worker.poll() is None, text
            return "worker is ready" in text

        wait_until("the worker", is_ready, 60)

    def setUp(self):
        Case.setUp(self)
        self.env = dict(CLEAN, TEMPORAL_ADDRESS=f"127.0.0.1:{self.shared_port}")

    def tearDown(self):
        for run in self.json("workflow", "list", "-q", "ExecutionStatus = 'Running'"):
            self.run_command("workflow", "terminate", "-w", run["execution"]["workflowId"])

    def execute(self, type, *args):
        return self.ok("workflow", "execute", "--type", type, "-t", "cli", *args)

    def test_executing(self):
        out = self.execute("Greeting", "-w", "a", "-i", '"Ann"')
        self.assertRegex(out, r"(?s)^Running execution:\n.*\n\nProgress:\n   ID  Time +Type\n    1  20.*WorkflowExecutionStarted"
                              r"\n.*WorkflowExecutionCompleted\n\nResults:\n  RunTime +\S+\n  Status +COMPLETED\n"
                              r'  Result +{"list":\[1,2.5,null\],"text":"Hello Ann"}\n  ResultEncoding +json/plain\n$')
        answer = json.loads(self.execute("Greeting", "-w", "b", "-i", '"Bob"', "-o", "json", "--detailed"))
        self.assertEqual(answer["status"], "COMPLETED")
        self.assertEqual(answer["result"], {"text": "Hello Bob", "list": [1, 2.5, None]})
        self.assertEqual(answer["closeEvent"]["eventType"], "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED")
        self.assertEqual(len(answer["history"]["events"]), int(answer["closeEvent"]["eventId"]))
        self.assertEqual(self.json("workflow", "result", "-w", "b")["result"], answer["result"])
        self.assertIn("WorkflowExecutionContinuedAsNew", self.execute("Again", "-w", "c", "-i", "1"))
        self.assertEqual(self.json("workflow", "result", "-w", "c")["result"], "end")

    def test_failing(self):
        status, out, err = self.run_command("workflow", "execute", "--type", "Unlucky", "-t", "cli", "-w", "a")
        self.assertEqual(status, 1)
        self.assertIn("did not complete (FAILED)", err)
        self.assertRegex(out, r"(?s)  Status +FAILED\n  Failure  \n    Message: Activity task failed\n    Cause:\n"
                              r"        Message: bad luck\n        Type: Luck\n        StackTrace:")
        status, out, err = self.run_command("workflow", "execute", "--type", "Unlucky", "-t", "cli", "-o", "json")
        self.assertEqual(status, 1)
        failure = json.loads(out)["closeEvent"]["workflowExecutionFailedEventAttributes"]["failure"]
        self.assertEqual(failure["cause"]["applicationFailureInfo"]["details"], [{"why": "rain"}])

    def test_asking(self):
        self.ok("workflow", "start", "--type", "Basket", "-t", "cli", "-w", "a")
        self.ok("workflow", "signal", "-w", "a", "--name", "put", "-i", '"x"')
        self.assertEqual(self.ok("workflow", "query", "-w", "a", "--name", "content"), 'Query result:\n  QueryResult  ["x"]\n')
        self.assertEqual(self.json("workflow", "query", "-w", "a", "--name", "content"), {"queryResult": [["x"]]})
        self.fails("known queries", "workflow", "query", "-w", "a", "--name", "nothing")
        self.assertIn("Stack for", self.ok("workflow", "stack", "-w", "a"))
        metadata = self.ok("workflow", "metadata", "-w", "a")
        self.assertIn("  Signal Definitions:\n    close\n    put\n", metadata)
        self.assertIn("  Update Definitions:\n    add\n", metadata)
        update = ("workflow", "update", "execute", "-w", "a", "--name", "add")
        self.assertRegex(self.ok(*update, "-i", '"y"'), r"^  Name +add\n  UpdateID +\S+\n  Result +2\n$")
        self.assertEqual(self.json(*update, "-i", '"z"', "--update-id", "u1"), {"name": "add", "updateId": "u1", "result": 3})
        self.fails("nothing to add (type: ValueError", *update, "-i", '""')
        self.ok("workflow", "update", "start", "-w", "a", "--name", "add", "-i", '"4"', "--update-id", "u2",
                "--wait-for-stage", "accepted")
        self.assertEqual(self.json("workflow", "update", "result", "-w", "a", "--update-id", "u2"),
                         {"updateId": "u2", "result": 4})
        self.assertIn("Stage     Completed", self.ok("workflow", "update", "describe", "-w", "a", "--update-id", "u1"))
        self.fails("not found", "workflow", "update", "describe", "-w", "a", "--update-id", "none")
        both = ("--type", "Basket", "-t", "cli", "-w", "b", "--update-name", "add", "--id-conflict-policy", "UseExisting")
        answer = self.json("workflow", "execute-update-with-start", *both, "--update-input", '"1"')
        self.assertEqual((answer["updateResult"], answer["workflowId"]), (1, "b"))
        second = self.json("workflow", "start-update-with-start", *both, "--update-input", '"2"',
                           "--update-wait-for-stage", "accepted")
        self.assertEqual(second["runId"], answer["runId"])

    def test_following(self):
        self.ok("workflow", "start", "--type", "Basket", "-t", "cli", "-w", "a")
        follower = subprocess.Popen([PERDURE, "workflow", "show", "-w", "a", "--follow"], env=self.env,
                                    stdout=subprocess.PIPE, text=True)
        self.addCleanup(follower.kill)
        seen = ""
        while "WorkflowTaskCompleted" not in seen:
            seen += follower.stdout.readline()
        self.assertIsNone(follower.poll())
        self.ok("workflow", "signal", "-w", "a", "--name", "close")
        seen += follower.communicate(timeout=60)[0]
        self.assertEqual(follower.returncode, 0)
        self.assertIn("WorkflowExecutionSignaled", seen)
        self.assertIn('  Status          COMPLETED\n  Result          ""\n', seen)

    def test_activities(self):
        self.ok("workflow", "start", "--type", "Outside", "-t", "cli", "-w", "a")
        started = lambda id: "State               Started" in self.ok("workflow", "describe", "-w", id)  # noqa: E731
        wait_until("the activity", lambda: started("a"))
        self.ok("activity", "complete", "-w", "a", "-a", "1", "--result", '"by hand"')
        self.assertEqual(self.json("workflow", "result", "-w", "a")["result"], "by hand")
        self.ok("workflow", "start", "--type", "Outside", "-t", "cli", "-w", "b")
        wait_until("the activity", lambda: started("b"))
        self.ok("activity", "fail", "-w", "b", "-a", "1", "--reason", "no", "--detail", "[1]")
        self.assertIn("Message: no", self.fails("FAILED", "workflow", "result", "-w", "b"))

    def test_resetting(self):
        first = json.loads(self.execute("Greeting", "-w", "a", "-i", '"Ann"', "-o", "json"))
        answer = self.json("workflow", "reset", "-w", "a", "--type", "FirstWorkflowTask", "--reason", "again")
        self.assertNotEqual(answer["runId"], first["runId"])
        self.assertEqual(self.json("workflow", "result", "-w", "a")["status"], "COMPLETED")
        out = self.ok("workflow", "reset", "-w", "a", "-r", first["runId"], "--event-id", "4", "--reason", "x",
                      "--reapply-exclude", "Signal")
        self.assertIn("Resetting workflow a to event ID 4\n", out)
        self.fails("did not continue", "workflow", "reset", "-w", "a", "--type", "LastContinuedAsNew", "--reason", "x")

    def test_printed_histories_replay(self):
        self.execute("Greeting", "-w", "Greeting", "-i", '"Ann"')
        self.run_command("workflow", "execute", "--type", "Unlucky", "-t", "cli", "-w", "Unlucky")
        self.ok("workflow", "start", "--type", "Basket", "-t", "cli", "-w", "Basket")
        self.ok("workflow", "update", "execute", "-w", "Basket", "--name", "add", "-i", '"x"')
        self.ok("workflow", "signal", "-w", "Basket", "--name", "close")
        self.ok("workflow", "result", "-w", "Basket")
        for id, form in (("Greeting", "json"), ("Unlucky", "jsonl"), ("Basket", "json")):
            path = self.write(id + ".json", self.ok("workflow", "show", "-w", id, "-o", form))
            done = subprocess.run([PYTHON, WORKER, "replay", path], capture_output=True, text=True, timeout=60, env=CLEAN)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertRegex(done.stdout, r"replayed \d+ events")
