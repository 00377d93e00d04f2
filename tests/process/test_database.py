"""A cluster of separate processes whose database is away at start, and goes away later."""

import os
import shutil
import signal
import subprocess
import time

import wire
from perdure import Case, ROOT, free_port, wait_until

PG = os.path.join(ROOT, "scripts", "pg")


class Database(Case):
    def setUp(self):
        super().setUp()
        self.pg_dir = os.path.join(self.dir, "pg")
        self.addCleanup(self.pg, "stop", "--now")
        self.conninfo = self.pg("start", "--fast")
        self.processes = []

    def pg(self, command, *args):
        done = subprocess.run([PG, command, "--dir", self.pg_dir, *args], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def start_cluster(self, more=lambda name: ()):
        config = self.write("perdure.yaml", f'store:\n  postgres: "{self.conninfo}"\nlanes: 1\n')
        self.port = free_port()
        listen = ("--set", f"frontend.listen=127.0.0.1:{self.port}")
        for name in ("history", "matching", "frontend"):
            p = self.start(name, name, "--config", config, *listen, *more(name))
            self.processes.append(p)

    def check_running(self):
        for p in self.processes:
            self.assertTrue(p.is_running(), f"{p.name} ended with {p.popen.returncode}:\n{p.text()}")

    def wait_served(self, id, seconds=30):
        """Until a workflow can be started; (the seconds it took, its last answer)."""
        begin = time.monotonic()
        last = []

        def served():
            self.check_running()
            last[:] = wire.start_workflow(self.port, id, "n", timeout=5)
            return last[0] == wire.OK

        try:
            wait_until("a served call", served, seconds)
        except AssertionError as e:
            logs = "\n".join(f"--- {p.name}\n{p.text()[-3000:]}" for p in self.processes)
            raise AssertionError(f"{e}; last answer: {last}\n{logs}") from None
        return time.monotonic() - begin

    def check_logs(self, outages):
        for p in self.processes:
            events = p.events()
            self.assertEqual(events["database_away"], outages, f"{p.name}: {events}\n{p.text()}")
            self.assertEqual(events["database_back"], outages, f"{p.name}: {events}\n{p.text()}")
            for event, count in events.items():
                self.assertLessEqual(count, 10, f"{p.name} repeats {event}:\n{p.text()}")

    def test_away_at_start(self):
        self.pg("stop")
        self.start_cluster()
        for p in self.processes:
            p.wait_text("database_away")
        wait_until("UNAVAILABLE", lambda: wire.describe_namespace(self.port, "default")[0] == wire.UNAVAILABLE)
        self.assertFalse(wire.is_healthy(self.port))
        for p in self.processes:
            self.assertNotIn(" ready ", p.text())
        self.check_running()
        self.pg("start")
        begin = time.monotonic()
        for p in self.processes:
            p.wait_text(" ready ", 60)
        wait_until("health", lambda: wire.is_healthy(self.port))
        print(f"cluster: ready {time.monotonic() - begin:.1f} s after the database came")
        self.assertEqual(wire.register_namespace(self.port, "n")[0:2], (wire.OK, ""))
        self.wait_served("w1")
        self.check_running()
        self.check_logs(1)

    def openssl(self, *args):
        subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=self.dir)

    def test_processes_that_speak_tls(self):
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        self.openssl("req", "-x509", *curve, "-subj", "/CN=ca", "-days", "2", "-keyout", "ca.key", "-out", "ca.crt")

        def tls(name):
            self.openssl("req", *curve, "-subj", "/CN=" + name, "-keyout", name + ".key", "-out", name + ".csr")
            self.write(name + ".ext", f"subjectAltName=DNS:{name}\n")
            self.openssl(
                *("x509", "-req", "-in", name + ".csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"),
                *("-days", "2", "-extfile", name + ".ext", "-out", name + ".crt"),
            )
            files = {"ca": "ca.crt", "cert": name + ".crt", "key": name + ".key"}
            return [x for k, v in files.items() for x in ("--set", f"rpc.tls.{k}={os.path.join(self.dir, v)}")]

        self.start_cluster(tls)
        for p in self.processes:
            p.wait_text(" ready ", 60)
        self.assertEqual(wire.register_namespace(self.port, "n")[0:2], (wire.OK, ""))
        self.wait_served("w1")
        for p in self.processes:
            self.assertEqual(p.stop()[0], 0, p.text())

    def test_goes_away_later(self):
        self.start_cluster()
        for p in self.processes:
            p.wait_text(" ready ", 60)
        self.assertEqual(wire.register_namespace(self.port, "n")[0:2], (wire.OK, ""))
        self.wait_served("before")
        for round, how in enumerate(([], ["--now"])):
            stopped = time.monotonic()
            self.pg("stop", *how)
            status, text, _ = wire.start_workflow(self.port, f"during{round}", "n", timeout=30)
            self.assertEqual(status, wire.UNAVAILABLE, text)
            # Longer than a member's time to live: nobody may be taken for dead because of an outage.
            wait_until("the length of the outage", lambda: time.monotonic() - stopped > 5)
            self.check_running()
            self.pg("start")
            took = self.wait_served(f"after{round}")
            print(f"cluster: serves {took:.1f} s after the database came back")
            for p in self.processes:
                wait_until("the line", lambda: p.events()["database_back"] == round + 1)
            status, text, reply = wire.describe_workflow(self.port, "before", "n")
            self.assertEqual((status, wire.get(reply, 2, 5)), (wire.OK, 1), text)
        self.check_running()
        self.check_logs(2)
        for p in self.processes:
            self.assertEqual(p.stop()[0], 0, p.text())

    def test_set_back_to_an_older_state(self):
        """A commit that was acknowledged is gone: whoever made it must not go on as if it were there."""
        self.start_cluster()
        for p in self.processes:
            p.wait_text(" ready ", 60)
        self.assertEqual(wire.register_namespace(self.port, "n")[0:2], (wire.OK, ""))
        self.wait_served("kept")
        data, copy = os.path.join(self.pg_dir, "data"), os.path.join(self.dir, "copy")
        self.pg("stop")
        shutil.copytree(data, copy)
        self.pg("start")
        self.wait_served("lost")
        self.pg("stop", "--now")
        for name in os.listdir(data):  # in place: it belongs to another user
            path = os.path.join(data, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
        subprocess.run(["cp", "-a", copy + "/.", data], check=True)
        owner = os.stat(self.pg_dir)
        subprocess.run(["chown", "-R", f"{owner.st_uid}:{owner.st_gid}", data], check=True)
        self.pg("start")
        history = self.processes[0]
        wire.start_workflow(self.port, "after", "n", timeout=5)  # the first commit finds out
        wait_until("the end of the writer", lambda: not history.is_running(), 60)
        self.assertNotEqual(history.popen.returncode, 0)
        self.assertRegex(history.text(), r"error\s+writer_lost .*(acknowledged commits are missing|set back to an older state)")
        again = self.start("history-again", *history.args)
        self.processes[0] = again
        again.wait_text(" ready ", 60)
        self.wait_served("later", 60)
        status, text, _ = wire.describe_workflow(self.port, "kept", "n")
        self.assertEqual(status, wire.OK, text)
        self.assertEqual(wire.describe_workflow(self.port, "lost", "n")[0], wire.NOT_FOUND)

    def sql(self, text):
        done = subprocess.run(["psql", "-qAtX", self.conninfo, "-c", text], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_wake_ups_and_snapshots_that_lie(self):
        """The database is changed behind the service's back: the auditor finds, names and heals it."""
        self.start_cluster(lambda name: ("--set", "history.sweep_every=200ms"))
        for p in self.processes:
            p.wait_text(" ready ", 60)
        self.assertEqual(wire.register_namespace(self.port, "n")[0:2], (wire.OK, ""))
        self.wait_served("plain")
        delay = wire.field(20, wire.field(1, 3))  # its first task is scheduled after three seconds
        request = (
            wire.field(1, "n") + wire.field(2, "delayed") + wire.field(3, wire.field(1, "type"))
            + wire.field(4, wire.field(1, "queue")) + wire.field(9, "test") + wire.field(10, "request") + delay
        )
        self.assertEqual(wire.call(self.port, "StartWorkflowExecution", request)[0], wire.OK)
        history = self.processes[0]
        history.popen.send_signal(signal.SIGKILL)
        history.popen.wait()
        self.sql("UPDATE runs SET wake_at = NULL WHERE workflow_id = 'delayed'")
        self.sql(
            "INSERT INTO snapshots (run_key, seq, data) SELECT run_key, 1, '\\xffff' FROM runs WHERE workflow_id = 'plain'"
        )
        again = self.start("history-again", *history.args)
        self.processes[0] = again
        again.wait_text(" ready ", 60)
        events = "SELECT max(first_event_id + event_count - 1) FROM history_log l JOIN runs r USING (run_key) WHERE workflow_id = "
        wait_until("the first task of a run that nothing would have woken", lambda: self.sql(events + "'delayed'") == "2", 60)
        wait_until(
            "a run that could not be read", lambda: wire.describe_workflow(self.port, "plain", "n")[0] == wire.OK, 60
        )
        wait_until("the lines", lambda: again.events()["audit_mismatch"] >= 2, 60)
        self.assertRegex(again.text(), r"audit_mismatch workflow_id=delayed run_id=\S+ what=wake_at")
        self.assertRegex(again.text(), r"audit_mismatch workflow_id=plain run_id=\S+ what=snapshot")
