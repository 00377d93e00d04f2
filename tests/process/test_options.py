"""Options of a run that others leave or change, and who waits for an update, as Describe shows them."""

import threading

import wire
from perdure import Case, wait_until
from wire import field

INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED = 3, 5, 12
UPDATE = "type.googleapis.com/temporal.api.update.v1."


def pinned(name, build):
    return field(3, field(1, 1) + field(2, field(1, build) + field(2, name)))


class Options(Case):
    def setUp(self):
        super().setUp()
        self.p = self.dev_server()
        self.port = self.p.port
        wait_until("readiness", lambda: wire.is_healthy(self.port) or not self.p.is_running())

    def call(self, method, message, status=wire.OK, text=""):
        answer = wire.call(self.port, method, message)
        self.assertEqual(answer[0], status, answer)
        self.assertIn(text, answer[1])
        return answer[2]

    def start_run(self, more=b"", **kw):
        return self.call("StartWorkflowExecution", field(1, "default") + field(2, "w") + field(3, field(1, "type"))
                         + field(4, field(1, "queue")) + field(10, "one") + more, **kw)

    def describe(self):
        return self.call("DescribeWorkflowExecution", field(1, "default") + field(2, field(1, "w")))

    def override(self):
        return wire.get(self.describe(), 2, 22, 3)

    def options(self, options, *paths, **kw):
        mask = field(4, b"".join(field(1, p) for p in paths))
        return self.call("UpdateWorkflowExecutionOptions", field(1, "default") + field(2, field(1, "w"))
                         + field(3, options) + mask + field(5, "me"), **kw)

    def test_versioning_override(self):
        self.start_run(field(25, pinned("", "b")), status=INVALID_ARGUMENT, text="WorkerDeploymentName cannot be empty")
        self.start_run(field(25, pinned("a.b", "b")), status=INVALID_ARGUMENT, text="cannot contain '.'")
        self.start_run(field(25, field(3, field(1, 1))), status=INVALID_ARGUMENT, text="must provide version")
        self.start_run(field(25, field(4, 0)), status=INVALID_ARGUMENT, text="auto-upgrade override must be true")
        self.start_run(field(25, pinned("app", "b1")))
        self.assertEqual(self.override(), pinned("app", "b1"))
        reply = self.options(field(1, pinned("app", "b2")), "versioning_override")
        self.assertEqual(wire.get(reply, 1, 1), pinned("app", "b2"))
        self.assertIsNotNone(wire.get(reply, 2))
        self.assertIsNone(wire.get(self.options(field(1, pinned("app", "b2")), "versioningOverride"), 2), "no change")
        self.options(field(2, field(1, 2)), "priority")
        self.assertEqual(wire.get(self.describe(), 2, 24, 1), 2)
        self.assertEqual(self.override(), pinned("app", "b2"))
        self.options(b"", "versioning_override")
        self.assertIsNone(self.override())
        self.assertEqual(wire.get(self.describe(), 2, 24, 1), 2)
        self.options(field(2, field(2, "k" * 65)), "priority", status=INVALID_ARGUMENT)
        self.options(b"", "nothing", status=INVALID_ARGUMENT, text="invalid path")
        self.options(b"", "versioning_override.pinned", status=INVALID_ARGUMENT, text="partial updates")
        self.options(b"", "time_skipping_config", status=UNIMPLEMENTED)
        self.call("TerminateWorkflowExecution", field(1, "default") + field(2, field(1, "w")))
        self.options(field(2, field(1, 2)), "priority", status=NOT_FOUND, text="already completed")

    def poll(self):
        return self.call("PollWorkflowTaskQueue", field(1, "default") + field(2, field(1, "queue")))

    def complete(self, task, more=b""):
        self.call("RespondWorkflowTaskCompleted", field(1, wire.get(task, 1)) + more)

    def says(self, id, kind, body):
        """A message about the update, and the command that puts it into its place."""
        message = field(1, f"{id}/{kind}") + field(2, id) + field(5, field(1, UPDATE + kind) + field(2, body))
        return field(11, message) + field(2, field(1, 14) + field(15, field(1, f"{id}/{kind}")))

    def update(self, request_id, *urls, stage=2, **kw):
        callbacks = b"".join(field(4, field(2, field(1, u))) for u in urls)
        request = field(1, field(1, "u")) + field(2, field(2, "name")) + field(3, request_id) + callbacks
        return self.call("UpdateWorkflowExecution", field(1, "default") + field(2, field(1, "w"))
                         + field(4, field(1, stage)) + field(5, request), **kw)

    def waiting(self):
        """Of each callback: its url, the update, the state."""
        found = [c for n, c in wire.fields(self.describe()) if n == 6]
        return [(wire.get(c, 1, 2, 1), wire.get(c, 2, 2, 1), wire.get(c, 4)) for c in found]

    def test_callbacks_of_updates(self):
        standby, scheduled = 1, 2
        self.start_run()
        self.complete(self.poll())
        self.update("", "http://x", status=INVALID_ARGUMENT, text="request_id is required")
        answers = []
        caller = threading.Thread(target=lambda: answers.append(self.update("r1", "http://one")))
        caller.start()
        self.complete(self.poll(), self.says("u", "Acceptance", field(1, "u/request") + field(2, 5)))
        caller.join(20)
        link = wire.get(answers[0], 4, 1, 101)
        self.assertEqual((wire.get(link, 1), wire.get(link, 2)), (b"r1", 41))
        self.assertEqual(self.waiting(), [(b"http://one", b"u", standby)])
        self.update("r2", "http://two")
        ids = {wire.get(e, 1): wire.get(e, 2, 1) for n, e in wire.fields(wire.get(self.describe(), 8)) if n == 7}
        self.assertEqual(ids, {b"one": 1, b"r1": 41, b"r2": 55})
        self.call("SignalWorkflowExecution", field(1, "default") + field(2, field(1, "w")) + field(3, "go"))
        outcome = field(1, field(1, field(2, "done")))
        self.complete(self.poll(), self.says("u", "Response", field(1, field(1, "u")) + field(2, outcome)))
        self.assertEqual(self.waiting(), [(b"http://one", b"u", scheduled), (b"http://two", b"u", scheduled)])
