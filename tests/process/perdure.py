"""The executable as a black box: processes that are started, watched and always ended."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from collections import Counter

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PERDURE = os.environ.get("PERDURE", os.path.join(ROOT, "build", "perdure"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, condition, seconds=20):
    """The condition's value once it holds."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.01)


class Process:
    def __init__(self, dir, name, *args):
        self.name, self.args = name, args
        self.log_path = os.path.join(dir, name + ".log")
        self.log = open(self.log_path, "ab")
        self.started = time.monotonic()
        self.popen = subprocess.Popen(
            [PERDURE, *args], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=dir
        )
        self.pid = self.popen.pid

    def text(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def is_running(self):
        return self.popen.poll() is None

    def wait_text(self, text, seconds=20):
        def check():
            if text in self.text():
                return True
            if not self.is_running():
                raise AssertionError(f"{self.name} ended with {self.popen.returncode}:\n{self.text()}")
            return False

        try:
            wait_until(f"'{text}' in the output of {self.name}", check, seconds)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.text()}") from None

    def stop(self, sig=signal.SIGTERM, seconds=30):
        """(exit status, seconds it took)"""
        begin = time.monotonic()
        if self.is_running():
            self.popen.send_signal(sig)
        try:
            status = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"{self.name} did not end within {seconds} s:\n{self.text()}") from None
        finally:
            self.log.close()
        return status, time.monotonic() - begin

    def events(self):
        """How often each event was logged."""
        return Counter(re.findall(r"^\S+ (?:debug|info|warn|error)\s+(\w+)", self.text(), re.M | re.I))


class Case(unittest.TestCase):
    """A directory of its own, and no process left behind."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="perdure-test-")
        os.chmod(self.dir, 0o755)  # the database may run as another user
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def start(self, name, *args):
        p = Process(self.dir, name, *args)
        self.addCleanup(self._end, p)
        return p

    @staticmethod
    def _end(p):
        if p.is_running():
            p.popen.kill()
            p.popen.wait()
        p.log.close()

    def run_to_end(self, *args, seconds=10):
        """(exit status, stdout, stderr) of a command that must end by itself."""
        try:
            done = subprocess.run(
                [PERDURE, *args], capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired as e:
            self.fail(f"perdure {' '.join(args)} did not end: {e.stderr}")
        return done.returncode, done.stdout, done.stderr

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def dev_server(self, *args, port=None, name="dev"):
        port = port or free_port()
        p = self.start(name, "server", "start-dev", "--headless", "--port", str(port), *args)
        p.port = port
        return p
