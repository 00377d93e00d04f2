"""Workers whose checksum a namespace calls broken, and the places where their work could be undone."""

import wire
from perdure import Case, wait_until
from wire import field

INVALID_ARGUMENT = 3


def poll(port, checksum="", queue="queue"):
    return wire.call(port, "PollWorkflowTaskQueue",
                     field(1, "default") + field(2, field(1, queue)) + field(4, checksum), timeout=20)


def complete(port, token, checksum, commands=b""):
    return wire.call(port, "RespondWorkflowTaskCompleted", field(1, token) + commands + field(7, checksum))


class Binaries(Case):
    def setUp(self):
        super().setUp()
        self.port = self.ready()

    def ready(self, *args):
        p = self.dev_server(*args)
        wait_until("readiness", lambda: wire.is_healthy(p.port) or not p.is_running())
        self.assertTrue(p.is_running(), p.text())
        return p.port

    def check(self, answer, status=wire.OK, text=""):
        self.assertEqual(answer[0], status, answer)
        self.assertIn(text, answer[1])
        return answer[2]

    def update(self, more):
        return wire.call(self.port, "UpdateNamespace", field(1, "default") + more)

    def listed(self, reply=None):
        """Checksum: (reason, operator, seconds of its time)"""
        reply = reply if reply is not None else self.check(wire.describe_namespace(self.port, "default"))
        entries = [e for n, e in wire.fields(wire.get(reply, 2, 2) or b"") if n == 1]
        return {wire.get(e, 1).decode(): (wire.get(e, 2, 1), wire.get(e, 2, 2), wire.get(e, 2, 3, 1)) for e in entries}

    def bad(self, checksum, reason="it loops"):
        return field(3, field(2, field(1, field(1, checksum) + field(2, field(1, reason) + field(2, "me")))))

    def test_the_list(self):
        reply = self.check(self.update(self.bad("one")))
        self.assertEqual(list(self.listed(reply)), ["one"])
        self.check(self.update(self.bad("two")))
        self.check(self.update(self.bad("one", "again")))
        listed = self.listed()
        self.assertEqual({k: v[:2] for k, v in listed.items()},
                         {"one": (b"again", b"me"), "two": (b"it loops", b"me")})
        self.assertGreater(listed["two"][2], 1_600_000_000)
        self.check(self.update(field(6, "one")))
        self.assertEqual(list(self.listed()), ["two"])
        self.check(self.update(field(6, "one")), INVALID_ARGUMENT, "Bad binary checksum one doesn't exists.")
        for i in range(9):
            self.check(self.update(self.bad(f"more{i}")))
        self.check(self.update(self.bad("eleventh")), INVALID_ARGUMENT, "cannot exceed the max limit: 10")
        self.assertEqual(len(self.listed()), 10)

    def test_a_broken_worker_gets_and_completes_nothing(self):
        self.assertEqual(wire.start_workflow(self.port, "w")[0], wire.OK)
        token = wire.get(self.check(poll(self.port, "broken")), 1)
        self.check(self.update(self.bad("broken")))
        self.check(poll(self.port, "broken"), INVALID_ARGUMENT, "Binary broken already marked as bad deployment.")
        self.check(complete(self.port, token, "broken"), INVALID_ARGUMENT,
                   "BadBinary: binary broken is marked as bad deployment")
        history = self.check(wire.call(self.port, "GetWorkflowExecutionHistory",
                                       field(1, "default") + field(2, field(1, "w"))))
        events = [e for n, e in wire.fields(wire.get(history, 1)) if n == 1]
        self.assertEqual([wire.get(e, 3) for e in events[-2:]], [9, 5])  # the next task waits for a worker
        self.assertEqual(wire.get(events[-2], 14, 3), 21)
        token = wire.get(self.check(poll(self.port, "good")), 1)
        self.check(complete(self.port, token, "good"))
        info = wire.get(self.check(wire.describe_workflow(self.port, "w")), 2)
        run_id = wire.get(info, 1, 2)
        point = wire.get(info, 12, 1)
        self.assertEqual((wire.get(point, 1), wire.get(point, 2), wire.get(point, 6)), (b"good", run_id, 1))
        self.assertGreater(wire.get(point, 3), 4)
        names = [wire.get(e, 1) for n, e in wire.fields(wire.get(info, 11)) if n == 1]
        self.assertEqual(names, [b"BinaryChecksums"])
        found = self.check(wire.call(self.port, "ListWorkflowExecutions",
                                     field(1, "default") + field(4, "BinaryChecksums = 'good'")))
        self.assertEqual(wire.get(found, 1, 1, 1), b"w")
