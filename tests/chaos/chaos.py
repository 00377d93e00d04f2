"""What the programs of this folder share: a private cluster, load on it, and probes that tell when it serves again."""

import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "tests", "process"))
import wire  # noqa: E402

PERDURE = os.environ.get("PERDURE", os.path.join(ROOT, "build", "perdure"))
BENCH = os.environ.get("BENCH", os.path.join(ROOT, "build", "tests", "bench", "perdure-bench"))
PYTHON = os.path.join(ROOT, "tests", "conformance", "python", ".venv", "bin", "python")
SDK = os.path.join(ROOT, "tests", "chaos", "sdk")
NET = os.path.join(ROOT, "tests", "chaos", "net")
# share of the rate: a workflow of ten steps weighs more than one of one
SCENARIOS = {"one_activity": 1.0, "ten_activities": 0.25, "signals": 0.25, "timers": 0.5}
PROBES = 16
SERVED_WITHIN = 60  # seconds: more is a failure


def free_ports(count):
    """Neighbouring free ports."""
    while True:
        first = random.randrange(20000, 30000)
        try:
            for port in range(first, first + count):
                with socket.socket() as s:
                    s.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue


def run(*args, check=True, timeout=120, env=None):
    done = subprocess.run(args, capture_output=True, text=True, timeout=timeout, env=env)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(args)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def wait_until(what, condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.02)


def is_alive(pid):
    """A zombie that nobody has waited for is not alive."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


# ---- is it served? ----------------------------------------------------------------------------------------


def literal(name, value):
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def ask_all(address, method, messages, seconds):
    """Sends every message on one connection; the indices of those that were answered with a message."""
    path = f"/{wire.SERVICE}/{method}".encode()
    heads = b"".join(
        literal(*pair)
        for pair in (
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", path),
            (b":authority", b"localhost"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
        )
    )
    answered, ended = set(), set()
    end = time.monotonic() + seconds
    try:
        with socket.create_connection(address, seconds) as s:
            out = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
            for i, message in enumerate(messages):
                out += frame(1, 4, 2 * i + 1, heads)
                out += frame(0, 1, 2 * i + 1, struct.pack(">BI", 0, len(message)) + message)
            s.sendall(out)
            data = b""
            while len(ended) < len(messages):
                s.settimeout(max(0.01, end - time.monotonic()))
                got = s.recv(65536)
                if not got:
                    break
                data += got
                while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], "big"):
                    size, kind, flags = int.from_bytes(data[:3], "big"), data[3], data[4]
                    at = (int.from_bytes(data[5:9], "big") - 1) // 2
                    if kind == 0 and size > 0:
                        answered.add(at)
                    if (kind in (0, 1) and flags & 1) or kind == 3:
                        ended.add(at)
                    data = data[9 + size :]
    except OSError:
        pass
    return answered


class Probe:
    """Asks for something that only the service that was hit can answer, until all is answered.

    Starting a workflow needs the owner of its shard and a commit; describing a task queue needs its matching process.
    Every acknowledged start is remembered: it must still be there at the end.
    """

    acknowledged = []

    def __init__(self, addresses, name, role):
        self.addresses = addresses
        self.began = time.monotonic()
        if role == "matching":
            self.method = "DescribeTaskQueue"
            self.messages = [
                wire.field(1, "default") + wire.field(2, wire.field(1, f"{name}-{i}")) for i in range(PROBES)
            ]
            self.ids = [None] * PROBES
        else:
            self.method = "StartWorkflowExecution"
            self.ids = [f"{name}-{i}" for i in range(PROBES)]
            self.messages = [
                wire.field(1, "default") + wire.field(2, i) + wire.field(3, wire.field(1, "probe"))
                + wire.field(4, wire.field(1, "nobody-polls")) + wire.field(9, "chaos") + wire.field(10, "request-" + i)
                for i in self.ids
            ]

    def wait(self, seconds=SERVED_WITHIN):
        """Seconds until the last one was answered, at each of the addresses."""
        for address in self.addresses:
            open_ones = list(range(PROBES))
            while open_ones:
                left = self.began + seconds - time.monotonic()
                if left < 0:
                    raise AssertionError(f"{self.method}: {len(open_ones)} of {PROBES} not served within {seconds} s")
                got = ask_all(address, self.method, [self.messages[i] for i in open_ones], min(left, 5))
                if self.ids[0] is not None:
                    Probe.acknowledged += [self.ids[open_ones[k]] for k in got]
                open_ones = [i for k, i in enumerate(open_ones) if k not in got]
                if open_ones:
                    time.sleep(0.02)
        return time.monotonic() - self.began


# ---- load -------------------------------------------------------------------------------------------------


class Load:
    """One scenario, run after run, until told to end; the run under way is always finished."""

    def __init__(self, dir, addresses, scenario, rate, seconds):
        self.args = [BENCH, "-a", addresses, "-s", scenario, "--check-histories", "--timeout", "150", "--evict", "10"]
        self.dir, self.scenario, self.rate = dir, scenario, rate
        self.count = max(20, int(rate * seconds))
        self.ended = threading.Event()
        self.runs = self.failed = self.workflows = 0
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.ended.is_set():
            self.runs += 1
            path = os.path.join(self.dir, f"load.{self.scenario}.{self.runs}")
            with open(path, "w", encoding="utf-8") as out:
                status = subprocess.run(
                    self.args + ["--rate", str(self.rate), "-w", str(self.count)]
                    + ["--task-queue-prefix", f"{self.scenario}-{self.runs}"],
                    stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                ).returncode
            self.workflows += self.count
            if status:
                self.failed += 1
                with open(path, encoding="utf-8") as text:
                    print(f"FAILED {self.scenario} run {self.runs}: status {status}\n{text.read()}", flush=True)

    def stop(self):
        self.ended.set()

    def wait(self):
        self.thread.join()

class SdkLoad:
    """The mixed workflows of sdk/: a client process that lives, and workers that are there to be killed."""

    def __init__(self, dir, addresses, rate, workers=2):
        self.dir, self.addresses = dir, addresses
        self.ledger, self.once = os.path.join(dir, "ledger"), os.path.join(dir, "once")
        self.env = dict(os.environ, CHAOS_ONCE_LOG=self.once, PYTHONNODEBUGRANGES="1")
        self.workers = {}
        for i in range(workers):
            self.start_worker(i)
        self.client = self.spawn(
            "client.out", "client.py", "--addresses", ",".join(addresses), "--task-queue", "mixed", "--prefix", "mixed",
            "--rate", str(rate), "--ledger", self.ledger,
        )

    def spawn(self, output, *args):
        with open(os.path.join(self.dir, output), "ab") as out:
            return subprocess.Popen(
                [PYTHON, *args], cwd=SDK, env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    def start_worker(self, i):
        address = self.addresses[i % len(self.addresses)]
        self.workers[i] = self.spawn(f"worker{i}.out", "worker.py", address, "mixed")

    def kill_worker(self):
        """kill -9 of one; another takes its place."""
        i = random.choice(list(self.workers))
        self.workers[i].kill()
        self.workers[i].wait()
        self.start_worker(i)
        return f"SDK worker {i}"

    def text(self, name):
        with open(os.path.join(self.dir, name), encoding="utf-8", errors="replace") as f:
            return f.read()

    def lines(self):
        try:
            return self.text("ledger").count("\n")
        except FileNotFoundError:
            return 0

    def finish(self, replay=20):
        """(passed, failed): what the client saw, what the histories say."""
        if self.client.poll() is None:
            self.client.send_signal(signal.SIGTERM)
        checks = []
        try:
            checks.append(self.client.wait(300) == 0)
        except subprocess.TimeoutExpired:
            self.client.kill()
            self.client.wait()
            checks.append(False)
        print(self.text("client.out").strip())
        done = subprocess.run(
            [PYTHON, "check.py", "--addresses", ",".join(self.addresses), "--ledger", self.ledger, "--once-log", self.once,
             "--replay", str(replay)],
            cwd=SDK, env=self.env, capture_output=True, text=True,
        )
        print((done.stdout + done.stderr[-3000:]).strip(), flush=True)
        checks.append(done.returncode == 0)
        return sum(checks), len(checks) - sum(checks)

    def stop(self):
        for p in [self.client, *self.workers.values()]:
            p.kill()
            p.wait()


# ---- the cluster ------------------------------------------------------------------------------------------


class Cluster:
    """2 history, 2 matching and 2 frontend processes by scripts/cluster; with `net`, each in a network of its own."""

    last = None  # for whoever cleans up

    def __init__(self, dir, lanes=2, net=False, settings=(), name="cluster"):
        Cluster.last = self
        self.dir = os.path.join(dir, name)
        os.makedirs(self.dir, exist_ok=True)
        self.port = free_ports(2)
        self.env = dict(os.environ)
        self.net = None
        self.addresses = [("127.0.0.1", self.port), ("127.0.0.1", self.port + 1)]
        begin = time.monotonic()
        wrap = ()
        if net:
            self.make_net()
            wrap = ("--wrap", f"{NET} run {self.net} {self.port}")
        more = [x for s in settings for x in ("--set", s)]
        self.command(
            *("start", "--port", str(self.port), "--history", "2", "--matching", "2", "--frontend", "2"),
            *("--set", f"lanes={lanes}", *more, *wrap),
        )
        print(f"cluster ready after {time.monotonic() - begin:.1f} s in {self.dir}", flush=True)

    def make_net(self):
        names = [role + n for role in ("history", "matching", "frontend") for n in "12"]
        run(os.path.join(ROOT, "scripts", "pg"), "start", "--dir", os.path.join(self.dir, "postgres"))
        self.net = run(NET, "up", *names)
        data = os.path.join(self.dir, "postgres", "data")
        with open(os.path.join(data, "postgresql.conf"), "a", encoding="utf-8") as f:
            f.write(f"listen_addresses = '127.0.0.1,10.{self.net}.1.254'\n")
        with open(os.path.join(data, "pg_hba.conf"), "a", encoding="utf-8") as f:
            f.write(f"host all all 10.{self.net}.1.0/24 trust\n")
        run(os.path.join(ROOT, "scripts", "pg"), "stop", "--dir", os.path.join(self.dir, "postgres"))
        self.env["CHAOS_PG_PORT"] = self.read("postgres", "port").strip()
        self.addresses = [(run(NET, "address", self.net, f"frontend{n}"), self.port + n - 1) for n in (1, 2)]

    def names(self):
        return [f"{h}:{p}" for h, p in self.addresses]

    def cut(self, name, link):
        """Nothing passes any more between a process and its peers (and clients), or between it and the database."""
        run(NET, "cut", self.net, name, link)

    def heal(self, name, link):
        run(NET, "heal", self.net, name, link)

    def command(self, name, *args):
        return run(os.path.join(ROOT, "scripts", "cluster"), name, *args, "--dir", self.dir, env=self.env)

    def read(self, *path):
        with open(os.path.join(self.dir, *path), encoding="utf-8", errors="replace") as f:
            return f.read()

    def pid(self, name):
        return int(self.read("pid", name))

    def is_running(self, name):
        return is_alive(self.pid(name))

    def wait(self, what, condition, seconds):
        wait_until(what, condition, seconds)

    def conninfo(self):
        return f"host=127.0.0.1 port={self.read('postgres', 'port').strip()} user=perdure dbname=perdure"

    def sql(self, text):
        return run("psql", "-qAtX", self.conninfo(), "-c", text)

    def stop(self):
        begin = time.monotonic()
        self.command("stop")
        return time.monotonic() - begin

    def end(self):
        """Whatever state it is in."""
        if os.path.isdir(os.path.join(self.dir, "run")):
            run(os.path.join(ROOT, "scripts", "cluster"), "stop", "--dir", self.dir, check=False)
        if self.net:
            run(NET, "down", self.net, check=False)

    def log_lines(self, *events):
        lines = []
        for name in sorted(os.listdir(os.path.join(self.dir, "log"))):
            lines += [f"{name}: {line}" for line in self.read("log", name).splitlines() if any(e in line for e in events)]
        return lines


def check_rows(cluster):
    """What the database itself says: (workflow ids with more than one run, acknowledged starts that are not there)."""
    doubled = int(cluster.sql(
        "SELECT count(*) FROM (SELECT 1 FROM runs WHERE workflow_id NOT LIKE 'mixed-%'"
        " GROUP BY namespace_id, workflow_id HAVING count(*) > 1) x"
    ))
    stored = set(cluster.sql("SELECT workflow_id FROM runs WHERE workflow_id LIKE 'probe-%'").split())
    return doubled, sorted(set(Probe.acknowledged) - stored)
