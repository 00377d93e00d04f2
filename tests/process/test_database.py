"""A cluster of separate processes whose database is away at start, and goes away later."""

import os
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
