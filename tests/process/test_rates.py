"""Rates of calls and numbers of waiting ones, from outside: who is refused, with what detail, and who never is."""

import re
import threading

import wire
from perdure import Case, wait_until
from test_http import metrics
from test_namespaces import start
from wire import field

RESOURCE_EXHAUSTED = 8
RPS_LIMIT, CONCURRENT_LIMIT = 1, 2
NAMESPACE, SYSTEM = 1, 2


class Rates(Case):
    def ready(self, *settings):
        p = self.dev_server("--namespace", "other", *(x for s in settings for x in ("--set", s)))
        wait_until("readiness", lambda: wire.is_healthy(p.port) or not p.is_running())
        self.assertTrue(p.is_running(), p.text())
        p.metrics = int(re.search(r"127.0.0.1:(\d+)/metrics", p.text())[1])
        return p

    def check_refused(self, answer, text, cause, scope):
        status, got, _, detail = answer
        self.assertEqual((status, got), (RESOURCE_EXHAUSTED, text))
        self.assertEqual(detail, ("ResourceExhaustedFailure", field(1, cause) + field(2, scope)))

    def until_refused(self, call, most=200):
        """How many calls were let in before the first refusal, and that."""
        for n in range(most):
            answer = call()
            if answer[0] == RESOURCE_EXHAUSTED:
                return n, answer
        self.fail("nothing was refused")

    def test_a_namespace_has_its_rate(self):
        p = self.ready("namespaces.default.limits.rps=1")
        describe = lambda ns: wire.ask(p.port, "DescribeTaskQueue", field(1, ns) + field(2, field(1, "q")) + field(3, 1))
        n, refused = self.until_refused(lambda: describe("default"))
        self.assertGreaterEqual(n, 2)
        self.check_refused(refused, "namespace rate limit exceeded", RPS_LIMIT, NAMESPACE)
        p.wait_text("calls_throttled")
        self.assertIn("limit=limits.rps", p.text())
        self.assertIn("namespace=default", p.text())
        for _ in range(10):
            self.assertNotEqual(describe("other")[0], RESOURCE_EXHAUSTED)
            self.assertTrue(wire.is_healthy(p.port))
            self.assertEqual(wire.call(p.port, "GetSystemInfo")[0], wire.OK)
        self.assertGreaterEqual(metrics(p.metrics)["perdure_frontend_throttled_total"], 1)

    def test_what_moves_work_comes_first(self):
        p = self.ready("limits.rps=1")
        poll = lambda: wire.ask(p.port, "ResetStickyTaskQueue", field(1, "default") + field(2, field(1, "w")))
        self.until_refused(poll)  # the least of the priorities has used up what it may
        self.assertEqual(start(p.port, "w", "default")[0], wire.OK)
        _, refused = self.until_refused(poll)
        self.check_refused(refused, "namespace rate limit exceeded", RPS_LIMIT, NAMESPACE)
        operator = lambda: wire.ask(p.port, "ResetStickyTaskQueue", field(1, "default") + field(2, field(1, "w")),
                                    headers=["caller-type: operator"])
        self.assertEqual(operator()[0], wire.OK)

    def test_lists_have_a_rate_of_their_own(self):
        p = self.ready("limits.rps_lists=1")
        lists = lambda: wire.ask(p.port, "ListWorkflowExecutions", field(1, "default"))
        _, refused = self.until_refused(lists)
        self.check_refused(refused, "namespace rate limit exceeded", RPS_LIMIT, NAMESPACE)
        self.assertEqual(start(p.port, "w", "default")[0], wire.OK)
        self.assertEqual(wire.call(p.port, "CountWorkflowExecutions", field(1, "other"))[0], wire.OK)

    def test_a_process_has_its_rate(self):
        p = self.ready("frontend.rps=1", "frontend.rps_namespace_changes=1")
        _, refused = self.until_refused(lambda: wire.ask(p.port, "DescribeWorkflowExecution",
                                                         field(1, "default") + field(2, field(1, "w"))))
        self.check_refused(refused, "service rate limit exceeded", RPS_LIMIT, SYSTEM)
        self.assertIn("limit=frontend.rps ", p.text())
        names = iter(range(1000))
        _, refused = self.until_refused(lambda: wire.ask(p.port, "RegisterNamespace", field(1, f"n{next(names)}")
                                                         + field(4, field(1, 86400))))
        self.check_refused(refused, "service rate limit exceeded", RPS_LIMIT, SYSTEM)
        self.assertIn("limit=frontend.rps_namespace_changes", p.text())
        for _ in range(10):
            self.assertTrue(wire.is_healthy(p.port))

    def test_polls_that_wait_are_counted(self):
        p = self.ready("limits.waiting_calls=2")
        ask = field(1, "default") + field(2, field(1, "queue"))
        poll = lambda timeout: wire.ask(p.port, "PollWorkflowTaskQueue", ask, timeout=timeout)
        waiting = [threading.Thread(target=poll, args=(60,), daemon=True) for _ in range(2)]
        for t in waiting:
            t.start()
        open_calls = lambda: metrics(p.metrics)["perdure_rpc_open"] >= 2
        wait_until("two polls", open_calls)
        self.check_refused(poll(5), "namespace concurrent poller limit exceeded", CONCURRENT_LIMIT, NAMESPACE)
        self.assertIn("limit=limits.waiting_calls", p.text())
        other = wire.call(p.port, "PollWorkflowTaskQueue", field(1, "other") + field(2, field(1, "queue")), timeout=4)
        self.assertEqual(other[0], wire.OK, "another namespace is not meant")
        other = wire.call(p.port, "PollActivityTaskQueue", ask, timeout=4)
        self.assertEqual(other[0], wire.OK, "nor is another method")
        for i in range(3):  # a poll that was answered makes room
            self.assertEqual(wire.start_workflow(p.port, f"w{i}")[0], wire.OK)
        for t in waiting:
            t.join(20)
            self.assertFalse(t.is_alive())
        self.assertEqual(poll(10)[0], wire.OK)

    def test_known_names_of_the_reference(self):
        p = self.dev_server("--dynamic-config-value", "frontend.namespaceRPS=1")
        wait_until("readiness", lambda: wire.is_healthy(p.port) or not p.is_running())
        _, refused = self.until_refused(lambda: wire.ask(p.port, "DescribeWorkflowExecution",
                                                         field(1, "default") + field(2, field(1, "w"))))
        self.check_refused(refused, "namespace rate limit exceeded", RPS_LIMIT, NAMESPACE)
