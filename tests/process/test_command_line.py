"""The client commands, each against a server, as text and as JSON, with what users get wrong. Those that need code that
answers are in test_command_line_worker.py."""

import json
import os
import pty
import re
import subprocess

import wire
from perdure import PERDURE, Case, wait_until

CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("TEMPORAL_") and k != "NO_COLOR"}


class Shell(Case):
    """A dev server, and commands that talk to it."""

    def setUp(self):
        super().setUp()
        p = self.dev_server()
        wait_until("readiness", lambda: wire.is_healthy(p.port) or not p.is_running())
        self.assertTrue(p.is_running(), p.text())
        self.port = p.port
        self.env = dict(CLEAN, TEMPORAL_ADDRESS=f"127.0.0.1:{p.port}")

    def run_command(self, *args, env=None, input=None):
        done = subprocess.run([PERDURE, *args], capture_output=True, text=True, timeout=60, env=env or self.env,
                              cwd=self.dir, input=input, stdin=None if input is not None else subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr

    def ok(self, *args, **more):
        status, out, err = self.run_command(*args, **more)
        self.assertEqual(status, 0, f"{args}\n{out}\n{err}")
        self.assertEqual(err, "", args)
        return out

    def json(self, *args):
        return json.loads(self.ok(*args, "-o", "json"))

    def fails(self, text, *args, status=1):
        got, out, err = self.run_command(*args)
        self.assertEqual(got, status, f"{args}\n{out}\n{err}")
        self.assertIn(text, err)
        return out

    def on_terminal(self, *args, env=None, answer=None):
        """(exit status, what a terminal shows)"""
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(PERDURE, [PERDURE, *args], env or self.env)
        shown = b""
        if answer:
            os.write(fd, answer)
        while True:
            try:
                part = os.read(fd, 4096)
            except OSError:
                break
            if not part:
                break
            shown += part
        os.close(fd)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


START = ("workflow", "start", "--type", "T", "--task-queue", "q")


class Commands(Shell):
    def test_starting(self):
        out = self.ok(*START, "-w", "a", "-i", '{"n": 1}', "--memo", 'note="x"', "--static-summary", "for people",
                      "--run-timeout", "1h", "--id-reuse-policy", "rejectduplicate")
        self.assertRegex(out, r"(?s)^Running execution:\n  WorkflowId  a\n  RunId       [0-9a-f-]{36}\n  Type        T\n"
                              r"  Namespace   default\n  TaskQueue   q\n$")
        answer = self.json(*START, "-w", "b")
        self.assertEqual(sorted(answer), ["namespace", "runId", "taskQueue", "type", "workflowId"])
        again = self.json(*START, "-w", "b")
        self.assertEqual(again["runId"], answer["runId"], "the one that runs")
        self.fails("already", *START, "-w", "b", "--fail-existing")
        self.assertEqual(self.ok(*START, "-w", "c", "-o", "none"), "")
        self.assertRegex(self.json(*START)["workflowId"], r"^[0-9a-f-]{36}$")
        started = self.json("workflow", "show", "-w", "a")["events"][0]
        attributes = started["workflowExecutionStartedEventAttributes"]
        self.assertEqual(started["eventType"], "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED")
        self.assertEqual(attributes["input"]["payloads"][0]["metadata"], {"encoding": "anNvbi9wbGFpbg=="})
        self.assertEqual(attributes["workflowRunTimeout"], "3600s")
        self.assertEqual(started["userMetadata"]["summary"]["data"], "ImZvciBwZW9wbGUi")

    def test_inputs(self):
        path = self.write("in.json", "[1, 2]\n")
        self.ok(*START, "-w", "a", "--input-file", path, "--input-file", "-", input='"from a pipe"')
        self.ok(*START, "-w", "b", "-i", "AAEC", "--input-base64", "--input-meta", "encoding=binary/plain")
        events = json.loads(self.ok("workflow", "show", "-w", "a", "-o", "jsonl"))["events"]
        payloads = events[0]["workflowExecutionStartedEventAttributes"]["input"]["payloads"]
        self.assertEqual([p["data"] for p in payloads], ["WzEsIDJdCg==", "ImZyb20gYSBwaXBlIg=="])
        shown = self.ok("workflow", "show", "-w", "b", "--detailed")
        self.assertIn("input.payloads[0].data: AAEC", shown)
        self.assertIn("--------------- [1] WorkflowExecutionStarted ---------------", shown)

    def test_lists_and_counts(self):
        for i in range(5):
            self.ok(*START, "-w", f"w{i}", "--search-attribute", 'BuildIds=["x"]')
        out = self.ok("workflow", "list", "--page-size", "2")
        self.assertEqual(len(re.findall(r"^  Running    w\d  +T     ", out.replace("Running  w", "Running    w"), re.M)), 5)
        self.assertEqual(out.splitlines()[0].split(), ["Status", "WorkflowId", "Type", "StartTime"])
        listed = self.json("workflow", "list", "--limit", "3", "--page-size", "2")
        self.assertEqual(len(listed), 3)
        self.assertEqual(listed[0]["status"], "WORKFLOW_EXECUTION_STATUS_RUNNING")
        lines = self.ok("workflow", "list", "-o", "jsonl").splitlines()
        self.assertEqual(sorted(json.loads(line)["execution"]["workflowId"] for line in lines), [f"w{i}" for i in range(5)])
        self.assertEqual(self.json("workflow", "list", "-q", 'WorkflowId = "none"'), [])
        self.assertIn("T     20", self.ok("workflow", "list", "--time-format", "iso"))
        self.assertIn("+0000 UTC", self.ok("workflow", "list", "--time-format", "raw"))
        self.assertEqual(self.ok("workflow", "count"), "Total: 5\n")
        self.assertEqual(self.ok("workflow", "count", "-q", "GROUP BY ExecutionStatus"),
                         "Total: 5\nGroup total: 5, values: Running\n")
        self.assertEqual(self.json("workflow", "count", "-q", "GROUP BY ExecutionStatus"),
                         {"count": "5", "groups": [{"groupValues": ["Running"], "count": "5"}]})
        self.fails("invalid query", "workflow", "list", "-q", "nonsense")

    def test_acting_on_a_run(self):
        self.ok(*START, "-w", "a")
        self.assertEqual(self.ok("workflow", "signal", "-w", "a", "--name", "s", "-i", "1"), "Signal workflow succeeded\n")
        self.assertEqual(self.ok("workflow", "signal", "-w", "a", "--type", "s", "-o", "json"), "")
        self.assertEqual(self.ok("workflow", "cancel", "-w", "a"), "Canceled workflow\n")
        described = self.ok("workflow", "describe", "-w", "a")
        self.assertIn("  CancelRequested    true\n", described)
        self.assertIn("Pending Activities: 0\n", described)
        self.assertEqual(self.ok("workflow", "terminate", "-w", "a", "--reason", "enough"), "Workflow terminated\n")
        self.fails("already completed", "workflow", "terminate", "-w", "a")
        out = self.fails("did not complete", "workflow", "result", "-w", "a")
        self.assertEqual(out, "Results:\n  Status  TERMINATED\n  Reason  enough\n")
        answer = self.json("workflow", "describe", "-w", "a")
        self.assertEqual(answer["workflowExecutionInfo"]["status"], "WORKFLOW_EXECUTION_STATUS_TERMINATED")
        self.assertEqual(answer["closeEvent"]["workflowExecutionTerminatedEventAttributes"]["reason"], "enough")
        kinds = [e["eventType"] for e in self.json("workflow", "show", "-w", "a")["events"]]
        self.assertEqual(kinds[-1], "EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED")
        back = self.ok("workflow", "show", "-w", "a", "--reverse").splitlines()
        self.assertIn("WorkflowExecutionTerminated", back[2])
        self.fails("needs a confirmation", "workflow", "delete", "-w", "a", status=2)
        self.assertEqual(self.ok("workflow", "delete", "-w", "a", "-y"), "Delete workflow succeeded\n")
        wait_until("the deletion", lambda: self.run_command("workflow", "describe", "-w", "a")[0] == 1)
        self.fails("not found", "workflow", "describe", "-w", "a")

    def test_signal_with_start(self):
        more = ("--type", "T", "--task-queue", "q", "--signal-name", "s", "--signal-input", "[1]", "-i", "2")
        first = self.json("workflow", "signal-with-start", "-w", "a", *more)
        self.assertEqual(self.json("workflow", "signal-with-start", "-w", "a", *more)["runId"], first["runId"])
        kinds = [e["eventType"] for e in self.json("workflow", "show", "-w", "a")["events"]]
        self.assertEqual(kinds.count("EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED"), 2)

    def test_namespaces(self):
        self.assertIn("successfully registered", self.ok("operator", "namespace", "create", "-n", "shop", "--retention",
                                                         "48h", "--email", "a@b", "--data", "k=v"))
        self.assertIn("registered", self.ok("operator", "namespace", "create", "other"))
        self.assertIn("Config.WorkflowExecutionRetentionTtl  48h0m0s", self.ok("operator", "namespace", "describe", "shop"))
        self.ok("operator", "namespace", "update", "-n", "shop", "--description", "new")
        described = self.json("operator", "namespace", "describe", "-n", "shop")
        self.assertEqual(described["config"]["workflowExecutionRetentionTtl"], "172800s", "kept")
        self.assertEqual(described["namespaceInfo"]["data"], {"k": "v"})
        self.assertEqual(described["namespaceInfo"]["description"], "new")
        by_id = self.json("operator", "namespace", "describe", "--namespace-id", described["namespaceInfo"]["id"])
        self.assertEqual(by_id["namespaceInfo"]["name"], "shop")
        names = [n["namespaceInfo"]["name"] for n in self.json("operator", "namespace", "list")]
        self.assertLessEqual({"default", "shop", "other"}, set(names))
        self.ok(*START, "-w", "a", "-n", "shop")
        self.assertEqual(len(self.json("workflow", "list", "-n", "shop")), 1)
        self.assertEqual(self.json("workflow", "list"), [])
        self.assertIn("deleted", self.ok("operator", "namespace", "delete", "-n", "shop", "--yes"))
        self.fails("not found", "operator", "namespace", "describe", "-n", "nowhere")

    def test_search_attributes(self):
        create = ("operator", "search-attribute", "create")
        self.assertIn("added", self.ok(*create, "--name", "Amount", "--type", "int", "--name", "Who", "--type", "Keyword"))
        self.ok(*create, "--name", "Who", "--type", "Keyword")
        self.fails("exists with the type Keyword", *create, "--name", "Who", "--type", "Int")
        self.assertRegex(self.ok("operator", "search-attribute", "list"), r"(?m)^  Amount +Int$")
        listed = self.json("operator", "search-attribute", "list")
        self.assertEqual(listed["customAttributes"]["Amount"], "INDEXED_VALUE_TYPE_INT")
        self.ok(*START, "-w", "a", "--search-attribute", "Amount=7", "--search-attribute", 'Who="me"')
        self.assertEqual(len(self.json("workflow", "list", "-q", "Amount > 6 AND Who = 'me'")), 1)
        self.assertIn('SearchAttributes      {"Amount":7,"Who":"me"}', self.ok("workflow", "describe", "-w", "a"))
        self.assertIn("removed", self.ok("operator", "search-attribute", "remove", "--name", "Amount", "-y"))

    def test_cluster_and_task_queues(self):
        self.assertEqual(self.ok("operator", "cluster", "health"), "SERVING\n")
        self.assertEqual(self.json("operator", "cluster", "health"), {"status": "SERVING"})
        self.assertIn("PersistenceStore", self.ok("operator", "cluster", "describe", "--detail"))
        self.assertEqual(self.json("operator", "cluster", "describe")["historyShardCount"], 16384)
        self.assertIn("true", self.ok("operator", "cluster", "system"))
        self.assertTrue(self.json("operator", "cluster", "system")["capabilities"]["upsertMemo"])
        self.assertEqual(len(self.json("operator", "cluster", "list")), 1)
        self.ok(*START, "-w", "a")
        described = self.json("task-queue", "describe", "-t", "q", "--task-queue-type", "workflow")
        self.assertEqual(described["stats"][0]["approximateBacklogCount"], 1)
        self.assertEqual(described["pollers"], [])
        self.assertIn("ApproximateBacklogCount", self.ok("task-queue", "describe", "-t", "q"))
        self.assertEqual(self.json("task-queue", "list-partition", "-t", "q")["activityTaskQueuePartitions"][0]["key"], "q")
        config = ("-t", "q", "--task-queue-type", "activity")
        self.ok("task-queue", "config", "get", *config)
        self.ok("task-queue", "config", "set", *config, "--queue-rps-limit", "12.5", "--queue-rps-limit-reason", "slow",
                "--fairness-key-weight", "a=2", "--fairness-key-weight", "b=0.5")
        got = self.json("task-queue", "config", "get", *config)
        self.assertEqual(got["queueRateLimit"]["rateLimit"], {"requestsPerSecond": 12.5})
        self.assertEqual(got["queueRateLimit"]["metadata"]["reason"], "slow")
        self.assertEqual(got["fairnessWeightOverrides"], {"a": 2, "b": 0.5})
        got = self.json("task-queue", "config", "set", *config, "--queue-rps-limit", "default",
                        "--fairness-key-weight-clear-all")
        self.assertNotIn("fairnessWeightOverrides", got)
        self.assertNotIn("rateLimit", got.get("queueRateLimit", {}))
        self.fails("neither a rate", "task-queue", "config", "set", *config, "--queue-rps-limit", "x", status=2)

    def test_history_files(self):
        old = '{"events":[{"event_id":"1","eventType":"WorkflowExecutionStarted","unknown":1}]}'
        source = self.write("old.json", old)
        target = os.path.join(self.dir, "new.json")
        self.ok("workflow", "fix-history-json", "--source", source, "--target", target)
        with open(target, encoding="utf-8") as f:
            self.assertEqual(json.load(f), {"events": [{"eventId": "1", "eventType": "EVENT_TYPE_WORKFLOW_EXECUTION_STARTED"}]})
        self.assertEqual(json.loads(self.ok("workflow", "fix-history-json", "-s", "-", input=old))["events"][0]["eventId"], "1")
        self.fails("not well-formed", "workflow", "fix-history-json", "-s", self.write("bad.json", "{"))

    def test_what_users_get_wrong(self):
        rows = [
            ("did you mean 'workflow start'", "workflow", "strat"),
            ("did you mean 'workflow'", "worfklow", "list"),
            ("did you mean 'operator namespace describe'", "operator", "namespace", "descirbe"),
            ("did you mean 'activity complete'", "activity", "complet"),
            ("unknown command 'activity pause'\n", "activity", "pause"),  # not: activity fail
            ("which namespace?", "operator", "namespace", "create"),
            ("did you mean --task-queue", "workflow", "start", "--task-quue", "x"),
            ("--type is needed", "workflow", "start", "-t", "q"),
            ("--task-queue is needed", "workflow", "start", "--type", "T"),
            ("--workflow-id is needed", "workflow", "describe"),
            ("--workflow-id is needed", "workflow", "cancel"),
            ("needs a value", "workflow", "describe", "-w"),
            ("input 1 is not JSON: plain; a text is written as '\"plain\"'", *START, "-i", "plain"),
            ("is not KEY=JSON", *START, "--memo", "x"),
            ("the value of x is not JSON", *START, "--memo", "x=y"),
            ("is not a duration", *START, "--run-timeout", "5"),
            ("is none of: Fail UseExisting TerminateExisting", *START, "--id-conflict-policy", "x"),
            ("exclude each other", *START, "-i", "1", "--input-file", "x"),
            ("cannot read", *START, "--input-file", "/nonexistent"),
            ("is not base64", *START, "-i", "*", "--input-base64"),
            ("more metadata", *START, "-i", "1", "--input-meta", "a=1", "--input-meta", "a=2"),
            ("is none of: text json jsonl none", "workflow", "list", "-o", "yaml"),
            ("is not a whole number", "workflow", "list", "--limit", "-1"),
            ("unexpected argument 'x'", "workflow", "list", "x"),
            ("exclude each other", "workflow", "show", "-w", "a", "--reverse", "--follow"),
            ("batch operations are not there yet", "workflow", "terminate", "-q", "WorkflowType='T'"),
            ("batch operations", "workflow", "signal", "--name", "s", "-w", "a", "--rps", "3"),
            ("where to?", "workflow", "reset", "-w", "a", "--reason", "r"),
            ("--reason is needed", "workflow", "reset", "-w", "a", "--event-id", "4"),
            ("--id-conflict-policy is needed", "workflow", "execute-update-with-start", "--type", "T", "-t", "q", "-w", "a",
             "--update-name", "u"),
            ("is not JSON", "activity", "complete", "-a", "1", "-w", "a", "--result", "x"),
            ("2 names and 1 types", "operator", "search-attribute", "create", "--name", "A", "--name", "B", "--type", "Int"),
            ("is none of: Text", "operator", "search-attribute", "create", "--name", "A", "--type", "Number"),
            ("two namespaces are named", "operator", "namespace", "create", "a", "-n", "b"),
            ("is not KEY=VALUE", "workflow", "list", "--grpc-meta", "x"),
            ("TLS: cannot use the CA certificate", "workflow", "list", "--tls-ca-path", "/nonexistent"),
            ("belong together", "workflow", "list", "--tls-cert-data", "x"),
            ("name one of them", "completion", "tcsh"),
        ]
        for text, *args in rows:
            with self.subTest(args=args):
                self.fails(text, *args, status=2)

    def test_failures_of_the_server(self):
        rows = [
            ("not found", "workflow", "show", "-w", "nobody"),
            ("not found", "workflow", "signal", "-w", "nobody", "--name", "s"),
            ("not found", "workflow", "list", "-n", "nowhere"),
            ("not found", "activity", "complete", "-w", "nobody", "-a", "1", "--result", "1"),
            ("cannot reach a server at 127.0.0.1:1", "workflow", "list", "--address", "127.0.0.1:1"),
            ("cannot reach a server at host.invalid", "workflow", "list", "--address", "host.invalid:7233"),
            ("cannot reach a server", "workflow", "list", "--tls"),
        ]
        for text, *args in rows:
            with self.subTest(args=args):
                self.assertEqual(self.fails(text, *args), "")
        self.ok(*START, "-w", "a")
        self.fails("--command-timeout", "workflow", "result", "-w", "a", "--command-timeout", "300ms")

    def test_environment(self):
        self.ok(*START, "-w", "a")
        self.assertEqual(len(self.json("workflow", "list")), 1)
        env = dict(self.env, TEMPORAL_NAMESPACE="nowhere")
        self.assertIn("nowhere", self.run_command("workflow", "list", env=env)[2])
        self.ok("workflow", "list", "-n", "default", env=env)
        env = dict(self.env, TEMPORAL_ADDRESS="127.0.0.1:1")
        self.ok("workflow", "list", "--address", f"127.0.0.1:{self.port}", env=env)
        self.ok("workflow", "list", "--address", f"localhost:{self.port}", env=env)
        self.assertEqual(self.run_command("workflow", "list", env=dict(self.env, TEMPORAL_TLS="maybe"))[0], 2)

    def test_terminals(self):
        self.ok(*START, "-w", "a")
        self.assertNotIn("\033", self.ok("workflow", "list"))
        self.assertIn("\033[", self.ok("workflow", "list", "--color", "always"))
        self.assertIn("\033[", self.on_terminal("workflow", "list", env=dict(self.env, TERM="xterm"))[1])
        self.assertNotIn("\033", self.on_terminal("workflow", "list", env=dict(self.env, NO_COLOR="1"))[1])
        self.assertNotIn("\033", self.on_terminal("workflow", "list", "--color", "never")[1])
        status, shown = self.on_terminal("workflow", "delete", "-w", "a", answer=b"n\n")
        self.assertEqual(status, 1)
        self.assertIn('Delete workflow "a"? y/N', shown)
        self.assertIn("nothing was done", shown)
        self.assertEqual(self.on_terminal("workflow", "delete", "-w", "a", answer=b"y\n")[0], 0)

    def test_help_and_completion(self):
        def complete(*words):
            return self.ok("complete", "--", *words).split()

        self.assertIn("workflow", complete(""))
        self.assertEqual(complete("workflow", "sta"), ["start", "start-update-with-start", "stack"])
        self.assertEqual(complete("workflow", "list", "--out"), ["--output"])
        self.assertEqual(complete("workflow", "list", "-o", "json"), ["json", "jsonl"])
        self.assertEqual(complete("completion", ""), [])
        commands, todo = [], [[]]
        while todo:
            path = todo.pop()
            children = complete(*path, "")
            todo += [path + [c] for c in children]
            commands.append(path)
        self.assertGreater(len(commands), 50)
        manual = self.ok("manual").replace("\\-", "-")
        for path in commands:
            if path == ["version"]:
                continue  # it has no help of its own
            out = self.ok(*path, "--help")
            self.assertIn("usage: perdure", out, path)
            if not complete(*path, ""):
                self.assertIn(f".SS perdure {' '.join(path)}\n", manual)
        for shell in ("bash", "zsh", "fish"):
            self.assertIn("perdure complete" if shell == "fish" else " complete ", self.ok("completion", shell))
        subprocess.run(["bash", "-n"], input=self.ok("completion", "bash"), text=True, check=True)

    def test_waiting_survives_a_restart(self):
        file = os.path.join(self.dir, "store.db")
        first = self.dev_server("--db-filename", file, name="first")
        wait_until("readiness", lambda: wire.is_healthy(first.port))
        self.env = dict(self.env, TEMPORAL_ADDRESS=f"127.0.0.1:{first.port}")
        self.ok(*START, "-w", "a")
        waiting = subprocess.Popen([PERDURE, "workflow", "show", "-w", "a", "--follow"], env=self.env,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(waiting.kill)
        for _ in range(3):
            waiting.stdout.readline()  # the first event is there, so it waits for more
        first.stop()
        second = self.dev_server("--db-filename", file, port=first.port, name="second")
        wait_until("readiness", lambda: wire.is_healthy(second.port))
        self.ok("workflow", "terminate", "-w", "a")
        out, err = waiting.communicate(timeout=60)
        self.assertEqual((waiting.returncode, err), (0, ""))
        self.assertIn("  Status  TERMINATED\n", out)

    def test_a_reader_that_goes_away(self):
        self.ok(*START, "-w", "a")
        script = f'"{PERDURE}" workflow list -o jsonl | true; echo ${{PIPESTATUS[0]}}'
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=self.env, timeout=60)
        self.assertEqual(done.stdout.strip(), "0", done.stderr)


class Tls(Case):
    def certificates(self):
        ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        path = lambda name: os.path.join(self.dir, name)  # noqa: E731
        run = lambda *args: subprocess.run(["openssl", *args], check=True, capture_output=True)  # noqa: E731
        run("req", "-x509", *ec, "-days", "2", "-subj", "/CN=ca", "-keyout", path("ca.key"), "-out", path("ca.pem"))
        for name in ("server", "client"):
            run("req", *ec, "-subj", f"/CN={name}", "-keyout", path(f"{name}.key"), "-out", path(f"{name}.csr"))
            self.write(f"{name}.ext", "subjectAltName=DNS:perdure.test,IP:127.0.0.1\n")
            run("x509", "-req", "-in", path(f"{name}.csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"),
                "-CAcreateserial", "-days", "2", "-extfile", path(f"{name}.ext"), "-out", path(f"{name}.pem"))
        return path

    def test_certificates_of_both_sides(self):
        path = self.certificates()
        p = self.dev_server("--set", "frontend.tls.cert=" + path("server.pem"), "--set",
                            "frontend.tls.key=" + path("server.key"), "--set", "frontend.tls.client_ca=" + path("ca.pem"))
        p.wait_text("gRPC API")
        ours = ("--tls-cert-path", path("client.pem"), "--tls-key-path", path("client.key"))

        def health(*args, env=CLEAN):
            done = subprocess.run([PERDURE, "operator", "cluster", "health", "--address", f"127.0.0.1:{p.port}", *args],
                                  capture_output=True, text=True, timeout=60, env=env, stdin=subprocess.DEVNULL)
            return done.returncode, done.stdout + done.stderr

        ca = ("--tls-ca-path", path("ca.pem"))
        wait_until("readiness", lambda: health(*ours, *ca)[0] == 0)
        self.assertEqual(health(*ours, *ca), (0, "SERVING\n"))
        self.assertEqual(health(*ours, *ca, "--tls-server-name", "perdure.test")[0], 0)
        self.assertIn("certificate", health(*ours, *ca, "--tls-server-name", "other.test")[1])
        self.assertIn("certificate", health(*ours)[1])
        self.assertEqual(health(*ours, "--tls-disable-host-verification")[0], 0)
        self.assertEqual(health(*ca)[0], 1, "without a certificate of ours")
        self.assertEqual(health()[0], 1, "without TLS")
        env = dict(CLEAN, TEMPORAL_TLS_CLIENT_CERT_PATH=path("client.pem"), TEMPORAL_TLS_CLIENT_KEY_PATH=path("client.key"))
        with open(path("ca.pem"), encoding="ascii") as f:
            env["TEMPORAL_TLS_SERVER_CA_CERT_DATA"] = f.read()
        self.assertEqual(health(env=env)[0], 0)
