"""Lists and counts from outside: the calls that came before the query language, pages, errors."""

import sqlite3

import wire
from perdure import Case, wait_until
from wire import field

INVALID_ARGUMENT = 3
RUNNING, COMPLETED, TERMINATED = 1, 2, 5


def start(port, id, type="type", namespace="default"):
    return wire.call(
        port,
        "StartWorkflowExecution",
        field(1, namespace) + field(2, id) + field(3, field(1, type)) + field(4, field(1, "queue"))
        + field(10, "request-" + id),
    )


def terminate(port, id, namespace="default"):
    return wire.call(port, "TerminateWorkflowExecution", field(1, namespace) + field(2, field(1, id)))


def ids(reply):
    return [wire.get(m, 1, 1).decode() for n, m in wire.fields(reply) if n == 1]


class Lists(Case):
    def setUp(self):
        super().setUp()
        self.port = self.dev_server().port
        wait_until("readiness", lambda: wire.is_healthy(self.port))
        for id, type in (("a", "one"), ("b", "two"), ("c", "one"), ("it's \\", "two")):
            self.ok(start(self.port, id, type))
        self.ok(terminate(self.port, "a"))
        self.ok(terminate(self.port, "b"))

    def ok(self, answer):
        self.assertEqual(answer[0], wire.OK, answer)
        return answer[2]

    def list(self, method, *parts):
        return ids(self.ok(wire.call(self.port, method, field(1, "default") + b"".join(parts))))

    def refused(self, text, method, *parts):
        status, message, _ = wire.call(self.port, method, field(1, "default") + b"".join(parts))
        self.assertEqual((status, message), (INVALID_ARGUMENT, text))

    def test_open_runs(self):
        by = lambda *parts: self.list("ListOpenWorkflowExecutions", *parts)
        self.assertEqual(by(), ["it's \\", "c"])
        self.assertEqual(by(field(5, field(1, "c"))), ["c"])
        self.assertEqual(by(field(5, field(1, "a"))), [])
        self.assertEqual(by(field(5, field(1, "it's \\"))), ["it's \\"])
        self.assertEqual(by(field(6, field(1, "two"))), ["it's \\"])
        self.assertEqual(by(field(4, field(1, field(1, 1)))), ["it's \\", "c"])
        self.assertEqual(by(field(4, field(2, field(1, 1)))), [])
        self.refused("EarliestTime in StartTimeFilter should not be larger than LatestTime.",
                     "ListOpenWorkflowExecutions", field(4, field(1, field(1, 2)) + field(2, field(1, 1))))

    def test_closed_runs(self):
        by = lambda *parts: self.list("ListClosedWorkflowExecutions", *parts)
        self.assertEqual(by(), ["b", "a"])
        self.assertEqual(by(field(5, field(1, "a"))), ["a"])
        self.assertEqual(by(field(6, field(1, "two"))), ["b"])
        self.assertEqual(by(field(7, field(1, TERMINATED))), ["b", "a"])
        self.assertEqual(by(field(7, field(1, COMPLETED))), [])
        self.assertEqual(by(field(4, field(2, field(1, 1)))), [])
        for status in (0, RUNNING):
            self.refused("StatusFilter must be specified and must be not Running.",
                         "ListClosedWorkflowExecutions", field(7, field(1, status)))

    def test_pages(self):
        for method, size, token in (("ScanWorkflowExecutions", 2, 3), ("ListWorkflowExecutions", 2, 3),
                                    ("ListOpenWorkflowExecutions", 2, 3), ("ListClosedWorkflowExecutions", 2, 3)):
            seen, place = [], b""
            while True:
                reply = self.ok(wire.call(self.port, method, field(1, "default") + field(size, 1) + field(token, place)))
                self.assertLessEqual(len(ids(reply)), 1)
                seen += ids(reply)
                place = wire.get(reply, 2)
                if not place:
                    break
            self.assertEqual(seen, self.list(method), method)
            self.assertEqual(len(seen), 2 if method.startswith(("ListOpen", "ListClosed")) else 4)
        self.assertEqual(len(self.list("ListWorkflowExecutions", field(2, 2**64 - 5))), 4)  # -5: the largest
        self.refused("Invalid NextPageToken.", "ScanWorkflowExecutions", field(3, "nonsense"))

    def test_scan_has_the_query_language(self):
        self.assertEqual(self.list("ScanWorkflowExecutions", field(4, "WorkflowType = 'one'")), ["c", "a"])
        self.refused("invalid query: invalid expression: column name 'Nobody' is not a valid search attribute",
                     "ScanWorkflowExecutions", field(4, "Nobody = 1"))

    def test_there_is_no_archive(self):
        self.refused("Cluster is not configured for visibility archival.", "ListArchivedWorkflowExecutions")
        self.refused("PageSize is larger than allowed 10000.", "ListArchivedWorkflowExecutions", field(2, 10001))

    def test_search_attributes_of_everybody(self):
        reply = self.ok(wire.call(self.port, "GetSearchAttributes"))
        types = {wire.get(m, 1).decode(): wire.get(m, 2) for n, m in wire.fields(reply) if n == 1}
        self.assertEqual(types["WorkflowId"], 2)
        self.assertEqual(types["StartTime"], 6)
        self.assertEqual(types["BuildIds"], 7)


class Deletion(Case):
    """The runs of a deleted namespace go in the background; what is left is what Count says of its new name."""

    def ok(self, answer):
        self.assertEqual(answer[0], wire.OK, answer)
        return answer[2]

    def boot(self, name):
        p = self.dev_server("--db-filename", self.dir + "/db", name=name)
        wait_until("readiness", lambda: wire.is_healthy(p.port) or not p.is_running())
        return p

    def count(self, port, namespace):
        return wire.get(self.ok(wire.call(port, "CountWorkflowExecutions", field(1, namespace))), 1) or 0

    def test_runs_of_a_deleted_namespace_go_whoever_dies(self):
        p = self.boot("one")
        self.ok(wire.register_namespace(p.port, "shop"))
        for i in range(40):
            self.ok(start(p.port, f"order-{i}", namespace="shop"))
        for i in range(0, 40, 4):
            self.ok(terminate(p.port, f"order-{i}", namespace="shop"))
        self.ok(start(p.port, "other"))
        self.assertEqual(self.count(p.port, "shop"), 40)
        reply = self.ok(wire.call(p.port, "DeleteNamespace", field(1, "shop"),
                                  service="temporal.api.operatorservice.v1.OperatorService"))
        gone = wire.get(reply, 1).decode()
        self.assertTrue(gone.startswith("shop-deleted-"), gone)
        p.popen.kill()
        p.popen.wait()
        p = self.boot("two")
        self.ok(wire.register_namespace(p.port, "shop"))  # the name is free at once
        self.ok(start(p.port, "order-1", namespace="shop"))
        wait_until("the end of the deleted namespace",
                   lambda: wire.describe_namespace(p.port, gone)[0] == wire.NOT_FOUND, 60)
        self.assertEqual(self.count(p.port, "shop"), 1)
        self.assertEqual(self.count(p.port, "default"), 1)
        status, _ = p.stop()
        self.assertEqual(status, 0)
        with sqlite3.connect(self.dir + "/db") as db:
            self.assertEqual(db.execute("SELECT count(*) FROM runs").fetchone(), (2,))
            self.assertEqual(db.execute("SELECT count(DISTINCT run_key) FROM history_log").fetchone(), (2,))
            self.assertEqual(db.execute("SELECT sum(n) FROM run_counts").fetchone(), (2,))
