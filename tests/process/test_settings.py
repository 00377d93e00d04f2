"""Wrong command lines and settings: the process ends before it listens and says what is wrong, and where."""

import os
import socket
import subprocess

from perdure import Case, PERDURE, ROOT, free_port

EXAMPLE_HEAD = """# Every setting with its default value; sizes take k, m, g, times ms, s, m, h. A cluster needs store.postgres.
# `perdure history --config FILE --print-config` prints the same for a file of yours.

"""
AWAY = "host=127.0.0.1 port=9 user=perdure dbname=perdure"


class CommandLine(Case):
    def refuses(self, args, *texts):
        status, out, err = self.run_to_end(*args)
        self.assertEqual(status, 2, f"{args}: {err}")
        self.assertEqual(out, "")
        for text in texts:
            self.assertIn(text, err)

    def test_nothing(self):
        self.refuses([], "usage: perdure")

    def test_unknown_command(self):
        self.refuses(["serve"], "unknown command 'serve'", "did you mean 'server'?")
        self.refuses(["server", "start"], "unknown command 'server start'", "did you mean 'server start-dev'?")

    def test_unknown_flags(self):
        for role in ("frontend", "history", "matching", "worker"):
            self.refuses([role, "--confg", "x"], "unknown flag '--confg'", "did you mean --config?")
        self.refuses(["server", "start-dev", "--prot", "1"], "unknown flag '--prot'", "--help")
        self.refuses(["schema", "drop"], "unknown command 'schema drop'", "perdure schema --help")
        self.refuses(["history", "extra"], "unexpected argument 'extra'")

    def test_bad_values(self):
        self.refuses(["server", "start-dev", "--port", "0"], "--port: '0' is not a whole number from 1 to 65535")
        self.refuses(["server", "start-dev", "--port"], "--port needs a value")
        self.refuses(["server", "start-dev", "--headless=maybe"], "'maybe' is not true or false")
        self.refuses(["server", "start-dev", "--log-level", "loud"], "'loud' is not debug, info")
        self.refuses(["server", "start-dev", "--ip", "nowhere"], "nowhere")
        self.refuses(["server", "start-dev", "--dynamic-config-value", "novalue"], "not of the form KEY=JSON")
        self.refuses(
            ["server", "start-dev", "--dynamic-config-value", "limit.blobSize.error=1"], "limits.blob: 1 is not between"
        )

    def test_help_and_version(self):
        status, out, err = self.run_to_end("version")
        self.assertEqual((status, err), (0, ""))
        self.assertRegex(out, r"^perdure \d+\.\d+\.\d+\n$")
        status, out, err = self.run_to_end("server", "start-dev", "--help")
        self.assertEqual((status, err), (0, ""))
        for flag in ("--port", "--db-filename", "--namespace", "--dynamic-config-value", "--headless", "--ui-port"):
            self.assertIn(flag, out)
        for args in (["help"], ["--help"], ["-h"], ["history", "--help"]):
            status, out, err = self.run_to_end(*args)
            self.assertEqual((status, err), (0, ""))
            self.assertIn("usage: perdure", out)


class Settings(Case):
    def refuses(self, yaml, text, *args, role="frontend"):
        path = self.write("perdure.yaml", yaml)
        status, _, err = self.run_to_end(role, "--config", path, *args)
        self.assertEqual(status, 2, err)
        self.assertIn(text.replace("FILE", path), err)
        self.assertNotIn(" ready ", err)

    def test_the_file(self):
        self.refuses("frontend:\n  prot: 1\n", "FILE: line 2, column 3: unknown key 'frontend.prot'")
        self.refuses("lanes: many\n", "FILE: line 1, column 1: lanes: 'many' is not a whole number")
        self.refuses("\nlanes: 1000\n", "FILE: line 2, column 1: lanes: 1000 is not between 0 and 256")
        self.refuses("store:\n  migrate: 1\n", "FILE: line 2, column 3: store.migrate: '1' is not true or false")
        self.refuses("lanes: [1]\n", "FILE: line 1, column 8: lists are not used here")
        self.refuses("lanes: 1\n\tx: 1\n", "FILE: line 2, column 1: ")
        self.refuses("log:\n  level: loud\n", "FILE: line 2, column 3: log.level: 'loud' is not debug")
        self.refuses("log:\n  format: xml\n", "FILE: line 2, column 3: log.format: 'xml' is not text, json or pretty")
        status, _, err = self.run_to_end("history", "--config", "/nowhere/perdure.yaml")
        self.assertEqual(status, 2)
        self.assertIn("/nowhere/perdure.yaml: No such file", err)

    def test_overrides(self):
        self.refuses("", "unknown key 'x.y'", "--set", "x.y=1")
        self.refuses("", "'lanes' is not of the form key=value", "--set", "lanes")
        self.refuses("log:\n  level: info\n", "perdure: log.level: 'loud'", "--set", "log.level=loud")

    def test_the_store(self):
        for role in ("frontend", "history", "matching"):
            self.refuses("", "store.postgres: is not set", role=role)
            self.refuses(
                f'store:\n  postgres: "{AWAY}"\n  sqlite: x.db\n',
                "FILE: line 3, column 3: store.sqlite: store.postgres and store.sqlite exclude each other",
                role=role,
            )
        self.refuses('store:\n  postgres: "nonsense"\n', "FILE: line 2, column 3: store.postgres: ", role="history")

    def test_the_public_address(self):
        store = f'store:\n  postgres: "{AWAY}"\n'
        for address in ("0.0.0.0:7233", "192.0.2.1:7233", "[::]:7233"):
            self.refuses(
                store + f'frontend:\n  listen: "{address}"\n',
                "FILE: line 4, column 3: frontend.listen: " + address + " is public and callers are not authenticated",
            )
        self.refuses(store + "frontend:\n  listen: nonsense\n", "frontend.listen: 'nonsense' is not HOST:PORT")
        self.refuses(store + 'frontend:\n  listen: "127.0.0.1:99999"\n', "is not HOST:PORT")

    def test_tls(self):
        store = f'store:\n  postgres: "{AWAY}"\n'
        cert, key = self.make_certificate()
        for name in ("cert", "key"):
            self.refuses(
                store + f"frontend:\n  tls:\n    {name}: {cert}\n",
                f"FILE: line 5, column 5: frontend.tls.{name}: frontend.tls.cert and frontend.tls.key belong together",
            )
        self.refuses(store + f"frontend:\n  tls:\n    client_ca: {cert}\n", "frontend.tls.client_ca: needs")
        self.refuses(
            store + f"frontend:\n  tls:\n    cert: /nowhere/c.pem\n    key: {key}\n",
            "FILE: line 5, column 5: frontend.tls.cert: /nowhere/c.pem: No such file or directory",
        )
        garbage = self.write("garbage.pem", "no certificate\n")
        self.refuses(
            store + f"frontend:\n  tls:\n    cert: {garbage}\n    key: {key}\n",
            f"FILE: line 5, column 5: frontend.tls.cert: TLS certificate {garbage}",
        )
        other = self.make_certificate("other")[1]
        self.refuses(store + f"frontend:\n  tls:\n    cert: {cert}\n    key: {other}\n", f"TLS key {other}")

    def test_the_internal_address(self):
        store = f'store:\n  postgres: "{AWAY}"\nrpc:\n'
        for url in ("nonsense", "tcp://host", "tcp://:1", "ipc://relative", "udp://127.0.0.1:1"):
            self.refuses(store + f'  listen: "{url}"\n', "FILE: line 4, column 3: rpc.listen: '" + url, role="history")
        self.refuses(store + '  listen: "tcp://0.0.0.0:0"\n', "set rpc.advertise", role="history")
        cert, key = self.make_certificate()
        for name in ("ca", "cert", "key"):
            self.refuses(
                store + f"  tls:\n    {name}: {cert}\n",
                f"FILE: line 5, column 5: rpc.tls.{name}: rpc.tls.ca, rpc.tls.cert and rpc.tls.key belong together",
                role="matching",
            )
        self.refuses(
            store + f"  tls:\n    ca: {cert}\n    cert: /nowhere/c.pem\n    key: {key}\n",
            "FILE: line 6, column 5: rpc.tls.cert: /nowhere/c.pem: No such file or directory",
            role="matching",
        )

    def make_certificate(self, name="one"):
        cert, key = (os.path.join(self.dir, name + end) for end in (".crt", ".key"))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
            + ["-subj", "/CN=localhost", "-days", "2", "-keyout", key, "-out", cert],
            check=True,
            capture_output=True,
        )
        return cert, key


class PortInUse(Case):
    def test_port_of_another_program(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            status, out, err = self.run_to_end("server", "start-dev", "--headless", "--port", str(port))
            self.assertEqual(status, 1, err)
            self.assertIn(f"cannot listen on 127.0.0.1 port {port}: address already in use", err.lower())
            self.assertEqual(out, "")
            path = self.write("perdure.yaml", f'store:\n  postgres: "{AWAY}"\n')
            status, _, err = self.run_to_end(
                "frontend", "--config", path, "--set", f"frontend.listen=127.0.0.1:{port}"
            )
            self.assertEqual(status, 1, err)
            self.assertIn("address already in use", err.lower())

    def test_internal_port(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            url = "tcp://127.0.0.1:%d" % s.getsockname()[1]
            path = self.write("perdure.yaml", f'store:\n  postgres: "{AWAY}"\nrpc:\n  listen: "{url}"\n')
            status, _, err = self.run_to_end("history", "--config", path)
            self.assertEqual(status, 1, err)
            self.assertIn(f"cannot listen on {url}: address in use", err.lower())


class Print(Case):
    def test_what_is_printed_reads_back(self):
        args = ["--set", "lanes=3", "--set", "history.cache=64m", "--set", "store.postgres=password='a\"b\\c' host=x"]
        status, first, err = self.run_to_end("history", "--print-config", *args)
        self.assertEqual((status, err), (0, ""))
        self.assertIn("lanes: 3\n", first)
        status, again, err = self.run_to_end("history", "--print-config", "--config", self.write("printed.yaml", first))
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(first, again)

    def test_the_example_is_what_is_printed(self):
        """PERDURE_WRITE_EXAMPLE=1 writes it anew."""
        _, out, _ = self.run_to_end("history", "--print-config")
        path = os.path.join(ROOT, "deploy", "perdure.example.yaml")
        expected = EXAMPLE_HEAD + out
        if os.environ.get("PERDURE_WRITE_EXAMPLE"):
            with open(path, "w", encoding="utf-8") as f:
                f.write(expected)
        with open(path, encoding="utf-8") as f:
            self.assertEqual(f.read(), expected)
