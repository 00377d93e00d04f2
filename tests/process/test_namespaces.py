"""Namespaces from outside: their life, their search attributes, their limits; with one process and with several."""

import os
import subprocess
import time

import wire
from perdure import Case, ROOT, free_port, wait_until
from wire import field

OPERATOR = "temporal.api.operatorservice.v1.OperatorService"
INVALID_ARGUMENT, ALREADY_EXISTS, FAILED_PRECONDITION = 3, 6, 9
KEYWORD, INT = 2, 3


def operator(port, method, message):
    return wire.call(port, method, message, service=OPERATOR)


def add_attribute(port, namespace, name, kind):
    return operator(port, "AddSearchAttributes", field(1, field(1, name) + field(2, kind)) + field(2, namespace))


def custom_attributes(port, namespace):
    status, text, reply = operator(port, "ListSearchAttributes", field(1, namespace))
    assert status == wire.OK, text
    return {wire.get(e, 1).decode(): wire.get(e, 2) for n, e in wire.fields(reply) if n == 1}


def attributes(**values):
    """A SearchAttributes message with JSON values."""
    plain = field(1, field(1, "encoding") + field(2, "json/plain"))
    return b"".join(field(1, field(1, k) + field(2, plain + field(2, v))) for k, v in values.items())


def start(port, id, namespace, more=b""):
    return wire.call(
        port,
        "StartWorkflowExecution",
        field(1, namespace) + field(2, id) + field(3, field(1, "type")) + field(4, field(1, "queue"))
        + field(10, "request-" + id) + more,
    )


class Life(Case):
    def ready(self, *args):
        p = self.dev_server(*args)
        wait_until("readiness", lambda: wire.is_healthy(p.port) or not p.is_running())
        self.assertTrue(p.is_running(), p.text())
        return p.port

    def check(self, answer, status=wire.OK, text=""):
        self.assertEqual(answer[0], status, answer)
        self.assertIn(text, answer[1])
        return answer[2]

    def state(self, port, name):
        return wire.get(self.check(wire.describe_namespace(port, name)), 1, 2)

    def test_registering(self):
        port = self.ready()
        self.check(wire.register_namespace(port, "one"))
        self.check(wire.register_namespace(port, "one"), ALREADY_EXISTS, 'Namespace "one" already exists')
        for retention in (b"", field(4, field(1, 3599)), field(4, field(1, 2**64 - 1))):
            self.check(wire.call(port, "RegisterNamespace", field(1, "two") + retention), INVALID_ARGUMENT,
                       "A valid retention period is not set on request.")
        self.check(wire.call(port, "RegisterNamespace", field(1, "two") + field(4, field(1, 3600)) + field(9, 1)),
                   INVALID_ARGUMENT, "Cannot register global namespace when not enabled")
        self.check(wire.call(port, "RegisterNamespace", field(1, "n" * 1001) + field(4, field(1, 3600))),
                   INVALID_ARGUMENT, "Namespace length exceeds limit.")

    def test_updates_are_merged(self):
        port = self.ready()
        data = lambda k, v: field(3, field(1, k) + field(2, v))
        update = lambda *parts: wire.call(port, "UpdateNamespace", field(1, "default") + b"".join(parts))
        self.check(update(field(2, field(1, "text") + data("a", "1") + data("b", "2"))))
        reply = self.check(update(field(2, data("b", "3")), field(3, field(1, field(1, 7200)))))
        info = wire.get(reply, 1)
        self.assertEqual(wire.get(info, 3), b"text")
        self.assertEqual({wire.get(e, 1): wire.get(e, 2) for n, e in wire.fields(info) if n == 5},
                         {b"a": b"1", b"b": b"3"})
        self.assertEqual(wire.get(reply, 2, 1, 1), 7200)
        self.assertEqual(wire.get(self.check(wire.describe_namespace(port, "default")), 2, 1, 1), 7200)
        self.check(update(field(3, field(1, field(1, 60)))), INVALID_ARGUMENT, "A valid retention period")
        self.check(wire.call(port, "UpdateNamespace", field(1, "nobody")), wire.NOT_FOUND,
                   "Namespace nobody is not found.")

    def test_deprecated_is_for_what_runs(self):
        port = self.ready()
        self.check(start(port, "before", "default"))
        self.check(wire.call(port, "DeprecateNamespace", field(1, "default")))
        self.assertEqual(self.state(port, "default"), 2)
        self.check(start(port, "after", "default"), FAILED_PRECONDITION)
        self.check(wire.describe_workflow(port, "before"))
        self.check(wire.call(port, "UpdateNamespace", field(1, "default") + field(2, field(4, 1))), INVALID_ARGUMENT,
                   "Invalid namespace state update.")

    def test_deleted_frees_its_name(self):
        port = self.ready("--namespace", "gone")
        id = wire.get(self.check(wire.describe_namespace(port, "gone")), 1, 6).decode()
        reply = self.check(operator(port, "DeleteNamespace", field(1, "gone")))
        renamed = wire.get(reply, 1).decode()
        self.assertEqual(renamed, "gone-deleted-" + id[:5])
        self.check(wire.describe_namespace(port, "gone"), wire.NOT_FOUND)
        self.assertEqual(self.state(port, renamed), 3)
        self.check(start(port, "w", renamed), FAILED_PRECONDITION)
        again = self.check(operator(port, "DeleteNamespace", field(2, id)))
        self.assertEqual(wire.get(again, 1).decode(), renamed)
        self.check(wire.register_namespace(port, "gone"))
        self.assertNotEqual(wire.get(self.check(wire.describe_namespace(port, "gone")), 1, 6).decode(), id)
        self.check(operator(port, "DeleteNamespace", b""), INVALID_ARGUMENT)
        self.assertEqual(self.names(port), ["default", "gone"])
        self.assertEqual(self.names(port, field(3, field(1, 1))), ["default", "gone", renamed])

    def names(self, port, ask=b"", page=b""):
        reply = self.check(wire.call(port, "ListNamespaces", ask + page))
        found = [wire.get(d, 1, 1).decode() for n, d in wire.fields(reply) if n == 1]
        token = wire.get(reply, 2)
        return found + (self.names(port, ask, field(2, token)) if token else [])

    def test_lists_in_pages(self):
        names = [f"n{i:02}" for i in range(7)]
        port = self.ready(*(x for n in names for x in ("--namespace", n)))
        self.assertEqual(self.names(port, field(1, 3)), ["default", *names])
        first = self.check(wire.call(port, "ListNamespaces", field(1, 3)))
        self.assertEqual(sum(n == 1 for n, _ in wire.fields(first)), 3)

    def test_search_attributes(self):
        port = self.ready("--search-attribute", "Flag=bool", "--search-attribute", "Name=Keyword")
        self.assertEqual(custom_attributes(port, "default"), {"Flag": 5, "Name": KEYWORD})
        self.check(add_attribute(port, "default", "Count", INT))
        self.check(add_attribute(port, "default", "Count", KEYWORD))  # is there: left as it is
        self.assertEqual(custom_attributes(port, "default"), {"Flag": 5, "Name": KEYWORD, "Count": INT})
        self.check(add_attribute(port, "default", "RunId", INT), INVALID_ARGUMENT,
                   "Search attribute RunId is reserved by system.")
        self.check(add_attribute(port, "nobody", "Count", INT), wire.NOT_FOUND)
        self.check(start(port, "good", "default", field(15, attributes(Count="3", Name='"x"'))))
        reply = self.check(wire.describe_workflow(port, "good"))
        fields = wire.get(reply, 2, 11)
        types = {wire.get(e, 1): dict((wire.get(m, 1), wire.get(m, 2)) for n, m in wire.fields(wire.get(e, 2)) if n == 1)
                 for n, e in wire.fields(fields) if n == 1}
        self.assertEqual({k: v[b"type"] for k, v in types.items()}, {b"Count": b"Int", b"Name": b"Keyword"})
        self.check(start(port, "bad", "default", field(15, attributes(Count='"three"'))), INVALID_ARGUMENT,
                   "invalid value for search attribute Count of type Int: three")
        self.check(start(port, "bad", "default", field(15, attributes(Other="3"))), INVALID_ARGUMENT,
                   "Namespace default has no mapping defined for search attribute Other")
        remove = lambda name: operator(port, "RemoveSearchAttributes", field(1, name) + field(2, "default"))
        self.check(remove("Count"))
        self.check(remove("Count"))
        self.check(remove("RunId"), INVALID_ARGUMENT, "Unable to remove non-custom search attributes: RunId.")
        self.assertEqual(custom_attributes(port, "default"), {"Flag": 5, "Name": KEYWORD})
        self.check(start(port, "bad", "default", field(15, attributes(Count="3"))), INVALID_ARGUMENT)

    def test_wrong_attributes_on_the_command_line(self):
        for given, text in (("Name", "is not NAME=TYPE"), ("Name=Word", "is not NAME=TYPE"), ("RunId=Int", "reserved")):
            status, _, err = self.run_to_end("server", "start-dev", "--headless", "--search-attribute", given)
            self.assertEqual(status, 2)
            self.assertIn(text, err)

    def test_dynamic_limits(self):
        port = self.ready("--dynamic-config-value", "limit.blobSize.error=2000",
                          "--dynamic-config-value", "limit.maxIDLength=30",
                          "--dynamic-config-value", "frontend.maxLinksPerRequest=1")
        self.check(start(port, "w", "default", field(5, "x" * 2000)))
        self.check(start(port, "v", "default", field(5, "x" * 2001)), INVALID_ARGUMENT, "Blob data size exceeds limit.")
        self.check(start(port, "v" * 31, "default"), INVALID_ARGUMENT, "WorkflowId length exceeds limit.")
        self.check(start(port, "v", "default", field(24, b"") * 2), INVALID_ARGUMENT,
                   "cannot attach more than 1 links per request, got 2")
        limits = wire.get(self.check(wire.describe_namespace(port, "default")), 1, 8)
        self.assertEqual(wire.get(limits, 1), 2000)


class Cluster(Case):
    def setUp(self):
        super().setUp()
        self.pg_dir = os.path.join(self.dir, "pg")
        self.addCleanup(self.pg, "stop", "--now")
        config = self.write("perdure.yaml", f"""
store:
  postgres: "{self.pg("start", "--fast")}"
lanes: 1
namespaces:
  small.one:
    limits:
      blob: 1k
      id_length: 10
""")
        self.ports = [free_port(), free_port()]
        for name, role, port in (("h1", "history", 0), ("h2", "history", 0), ("m", "matching", 0),
                                 ("f1", "frontend", self.ports[0]), ("f2", "frontend", self.ports[1])):
            listen = ("--set", f"frontend.listen=127.0.0.1:{port}") if port else ()
            self.start(name, role, "--config", config, *listen)
        for port in self.ports:
            wait_until("readiness", lambda: wire.is_healthy(port), 30)

    def pg(self, command, *args):
        script = os.path.join(ROOT, "scripts", "pg")
        done = subprocess.run([script, command, "--dir", self.pg_dir, *args], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def test_changes_are_known_everywhere_at_once(self):
        one, two = self.ports
        for i in range(5):
            name = f"n{i}"
            self.assertEqual(wire.register_namespace(one, name)[0], wire.OK)
            self.assertEqual(add_attribute(two, name, "Count", INT)[0], wire.OK)
            for k in range(4):  # on both history processes
                answer = start(one, f"w{k}", name, field(15, attributes(Count="1")))
                self.assertEqual(answer[0], wire.OK, answer)
            self.assertEqual(operator(one, "RemoveSearchAttributes", field(1, "Count") + field(2, name))[0], wire.OK)
            for k in range(4):
                answer = start(two, f"v{k}", name, field(15, attributes(Count="1")))
                self.assertEqual(answer[0], INVALID_ARGUMENT, answer)

    def follows(self, what, condition):
        begin = time.monotonic()
        wait_until(what, condition, 10)
        print(f"the other frontend knows {what} after {1000 * (time.monotonic() - begin):.0f} ms")

    def test_what_one_frontend_changes_the_other_follows(self):
        one, two = self.ports
        retention = lambda port: wire.get(wire.describe_namespace(port, "shop")[2], 2, 1, 1)
        self.assertEqual(wire.register_namespace(one, "shop")[0], wire.OK)
        self.follows("a new namespace", lambda: wire.describe_namespace(two, "shop")[0] == wire.OK)
        for k in range(4):
            self.assertEqual(start(two, f"w{k}", "shop")[0], wire.OK)
        update = field(1, "shop") + field(3, field(1, field(1, 259200)))
        self.assertEqual(wire.call(one, "UpdateNamespace", update)[0], wire.OK)
        self.follows("a new retention", lambda: retention(two) == 259200)
        self.assertEqual(add_attribute(one, "shop", "Count", INT)[0], wire.OK)
        self.follows("a new search attribute", lambda: custom_attributes(two, "shop").get("Count") == INT)
        listed = field(1, "shop") + field(4, "Count > 1")
        self.assertEqual(wire.call(two, "ListWorkflowExecutions", listed)[0], wire.OK)
        self.assertEqual(operator(one, "RemoveSearchAttributes", field(1, "Count") + field(2, "shop"))[0], wire.OK)
        self.follows("that it is gone",
                     lambda: wire.call(two, "ListWorkflowExecutions", listed)[0] == INVALID_ARGUMENT)
        renamed = wire.get(operator(one, "DeleteNamespace", field(1, "shop"))[2], 1).decode()
        self.follows("the deletion", lambda: start(two, "w9", "shop")[0] == wire.NOT_FOUND)
        # Open runs go too, in the background; the name is free at once.
        self.assertEqual(wire.register_namespace(two, "shop")[0], wire.OK)
        self.follows("the name's new meaning", lambda: start(one, "w0", "shop")[0] == wire.OK)

        def is_empty():
            status, text, reply = wire.call(two, "CountWorkflowExecutions", field(1, renamed))
            self.assertIn(status, (wire.OK, wire.NOT_FOUND), text)
            return status == wire.NOT_FOUND or not wire.get(reply, 1)

        self.follows("that its runs are gone", is_empty)

    def test_limits_of_one_namespace(self):
        one, two = self.ports
        for name in ("small.one", "large"):
            self.assertEqual(wire.register_namespace(one, name)[0], wire.OK)
        self.assertEqual(start(two, "w", "large", field(5, "x" * 1025))[0], wire.OK)
        self.assertEqual(start(two, "a long name", "large")[0], wire.OK)
        self.assertEqual(start(two, "w", "small.one", field(5, "x" * 1024))[0], wire.OK)
        answer = start(two, "v", "small.one", field(5, "x" * 1025))
        self.assertEqual(answer[:2], (INVALID_ARGUMENT, "Blob data size exceeds limit."))
        answer = start(two, "a long name", "small.one")
        self.assertEqual(answer[:2], (INVALID_ARGUMENT, "WorkflowId length exceeds limit."))
        for name, blob in (("small.one", 1024), ("large", 2 << 20)):
            self.assertEqual(wire.get(wire.describe_namespace(two, name)[2], 1, 8, 1), blob)
