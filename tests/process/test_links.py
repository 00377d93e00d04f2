"""What answers tell of the event that a request has led to, and request ids that nobody gave."""

import wire
from perdure import Case, wait_until
from wire import field

STARTED, SIGNALED, OPTIONS_UPDATED, UPDATE_ACCEPTED = 1, 26, 55, 41


class Links(Case):
    def setUp(self):
        super().setUp()
        self.p = self.dev_server()
        self.port = self.p.port
        wait_until("readiness", lambda: wire.is_healthy(self.port) or not self.p.is_running())

    def call(self, method, message, status=wire.OK):
        answer = wire.call(self.port, method, field(1, "default") + message)
        self.assertEqual(answer[0], status, answer)
        return answer[2]

    def start_run(self, id, request_id, more=b""):
        return self.call("StartWorkflowExecution", field(2, id) + field(3, field(1, "type"))
                         + field(4, field(1, "queue")) + field(10, request_id) + more)

    def signal(self, id, request_id=""):
        more = field(6, request_id) if request_id else b""
        return self.call("SignalWorkflowExecution", field(2, field(1, id)) + field(3, "wake") + more)

    def events(self, id):
        reply = self.call("GetWorkflowExecutionHistory", field(2, field(1, id)))
        return [e for n, e in wire.fields(wire.get(reply, 1)) if n == 1]

    def check_link(self, link, id, run_id, by_id=None, by_request=None):
        event = wire.get(link, 1)
        self.assertEqual([wire.get(event, n) for n in (1, 2, 3)], [b"default", id.encode(), run_id])
        if by_id:
            self.assertEqual((wire.get(event, 100, 1), wire.get(event, 100, 2)), by_id)
        else:
            self.assertEqual((wire.get(event, 101, 1).decode(), wire.get(event, 101, 2)), by_request)

    def test_starts(self):
        reply = self.start_run("w", "one")
        run_id = wire.get(reply, 1)
        self.check_link(wire.get(reply, 4), "w", run_id, by_id=(1, STARTED))
        again = self.start_run("w", "one")
        self.check_link(wire.get(again, 4), "w", run_id, by_id=(1, STARTED))
        use_existing = field(22, 2)
        self.check_link(wire.get(self.start_run("w", "two", use_existing), 4), "w", run_id, by_id=(1, STARTED))
        attached = self.start_run("w", "three", use_existing + field(26, field(1, 1)))
        self.check_link(wire.get(attached, 4), "w", run_id, by_request=("three", OPTIONS_UPDATED))

    def test_signals(self):
        run_id = wire.get(self.start_run("w", "one"), 1)
        self.check_link(wire.get(self.signal("w", "s1"), 1), "w", run_id, by_request=("s1", SIGNALED))
        link = wire.get(self.signal("w"), 1)
        given = wire.get(link, 1, 101, 1).decode()
        self.assertEqual(len(given), 36, "an id that the server has made")
        self.check_link(link, "w", run_id, by_request=(given, SIGNALED))
        signals = [wire.get(e, 26) for e in self.events("w") if wire.get(e, 3) == SIGNALED]
        self.assertEqual([wire.get(s, 7).decode() for s in signals], ["s1", given])

    def test_signals_with_start(self):
        sws = lambda request: self.call(
            "SignalWithStartWorkflowExecution", field(2, "w") + field(3, field(1, "type")) + field(4, field(1, "queue"))
            + field(10, request) + field(12, "wake"))
        reply = sws("one")
        run_id = wire.get(reply, 1)
        self.check_link(wire.get(reply, 3), "w", run_id, by_request=("one", SIGNALED))
        self.check_link(wire.get(sws("two"), 3), "w", run_id, by_request=("two", SIGNALED))

    def test_starts_without_a_request_id(self):
        self.start_run("w", "")
        describe = self.call("DescribeWorkflowExecution", field(2, field(1, "w")))
        ids = [wire.get(e, 1) for n, e in wire.fields(wire.get(describe, 8)) if n == 7]
        self.assertEqual([len(i) for i in ids], [36])
