"""Requests that no SDK sends: what they carry inside of others is bounded too, and what is sent twice counts once."""

import re

import wire
from perdure import Case, wait_until
from wire import field

INVALID_ARGUMENT, ABORT = 3, 10
LONG = "x" * 3000
ABORTED = "type.googleapis.com/temporal.api.failure.v1.MultiOperationExecutionAborted"
UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def start(id="order", type="type", queue="queue", request="request", identity="client"):
    return (
        field(1, "default") + field(2, id) + field(3, field(1, type)) + field(4, field(1, queue)) + field(9, identity)
        + field(10, request)
    )  # fmt: skip


def update(id="order", identity="client"):
    request = field(1, field(1, "u") + field(2, identity)) + field(2, field(2, "name"))
    return field(1, "default") + field(2, field(1, id)) + field(5, request)


class Requests(Case):
    def setUp(self):
        super().setUp()
        self.p = self.dev_server()
        self.port = self.p.port
        wait_until("readiness", lambda: wire.is_healthy(self.port) or not self.p.is_running())

    def multi(self, start, update):
        message = field(1, "default") + field(2, field(1, start)) + field(2, field(2, update))
        return wire.ask(self.port, "ExecuteMultiOperation", message, timeout=3)

    def refused_start(self, text, **parts):
        status, said, _, detail = self.multi(start(**parts), update(parts.get("id", "order")))
        self.assertEqual((status, said), (INVALID_ARGUMENT, "Update-with-Start could not be executed."))
        self.assertEqual(detail[0], "MultiOperationExecutionFailure")
        own, twin = (s for n, s in wire.fields(detail[1]) if n == 1)
        self.assertEqual((wire.get(own, 1), wire.get(own, 2)), (INVALID_ARGUMENT, text.encode()))
        self.assertEqual((wire.get(twin, 1), wire.get(twin, 3, 1)), (ABORT, ABORTED.encode()))

    def test_a_start_with_an_update_is_bounded_like_any_other(self):
        self.refused_start("WorkflowId length exceeds limit.", id=LONG)
        self.refused_start("RequestId length exceeds limit.", request=LONG)
        self.refused_start("Identity length exceeds limit.", identity=LONG)
        self.refused_start("WorkflowType length exceeds limit.", type=LONG)
        self.refused_start("TaskQueue length exceeds limit.", queue=LONG)
        self.refused_start("task queue name cannot start with reserved prefix /_sys/", queue="/_sys/q/1")
        self.refused_start("WorkflowId is not set on request.", id="")
        self.assertEqual(wire.describe_workflow(self.port, "order")[0], wire.NOT_FOUND)

    def event(self, number):
        """The attributes of the event of that number in the history of "order"."""
        message = field(1, "default") + field(2, field(1, "order"))
        status, said, reply = wire.call(self.port, "GetWorkflowExecutionHistory", message)
        self.assertEqual(status, wire.OK, said)
        return [e for n, e in wire.fields(wire.get(reply, 1)) if n == 1][number - 1]

    def test_a_signal_without_a_request_id_gets_one(self):
        self.assertEqual(wire.start_workflow(self.port, "order")[0], wire.OK)
        signal = field(1, "default") + field(2, field(1, "order")) + field(3, "paid") + field(4, b"")
        self.assertEqual(wire.call(self.port, "SignalWorkflowExecution", signal)[0], wire.OK)
        self.assertRegex(self.event(3), UUID)
        self.assertEqual(wire.call(self.port, "SignalWorkflowExecution", signal + field(6, "mine"))[0], wire.OK)
        self.assertNotRegex(self.event(4), UUID)

    def test_a_reset_must_bring_its_request_id(self):
        self.assertEqual(wire.start_workflow(self.port, "order")[0], wire.OK)
        reset = field(1, "default") + field(2, field(1, "order")) + field(4, 3)
        answer = wire.call(self.port, "ResetWorkflowExecution", reset)
        self.assertEqual(answer[:2], (INVALID_ARGUMENT, "RequestId is not set on request."))


del Case  # only its subclasses are tests
