"""Task queues from outside: what they tell of their workers and tasks, and what a worker's goodbye does."""

import threading
import time

import wire
from perdure import Case, wait_until
from wire import field

INVALID_ARGUMENT = 3
WORKFLOW, ACTIVITY = 1, 2
ENHANCED = 1


def poll(port, queue, worker, activity=False, more=b""):
    """As a worker that sends its key: in field 8 of both requests."""
    method = "PollActivityTaskQueue" if activity else "PollWorkflowTaskQueue"
    key = 8
    message = field(1, "default") + field(2, field(1, queue)) + field(3, worker + "@host") + field(key, worker) + more
    return wire.call(port, method, message, timeout=30)


class TaskQueues(Case):
    def setUp(self):
        super().setUp()
        self.p = self.dev_server()
        self.port = self.p.port
        wait_until("readiness", lambda: wire.is_healthy(self.port) or not self.p.is_running())

    def call(self, method, message, status=wire.OK):
        answer = wire.call(self.port, method, field(1, "default") + message)
        self.assertEqual(answer[0], status, answer)
        return answer[2]

    def describe(self, *parts, status=wire.OK):
        return self.call("DescribeTaskQueue", field(2, field(1, "queue")) + b"".join(parts), status)

    def in_background(self, *args, **kw):
        answers = []
        t = threading.Thread(target=lambda: answers.append((poll(self.port, *args, **kw), time.monotonic())))
        t.start()
        self.addCleanup(t.join)
        return t, answers

    def pollers(self, reply):
        return {wire.get(p, 2).decode(): p for n, p in wire.fields(reply) if n == 1}

    def wait_pollers(self, *names, type=WORKFLOW):
        wait_until("the polls", lambda: set(names) <= set(self.pollers(self.describe(field(3, type)))))

    def shutdown(self, worker):
        self.call("ShutdownWorker", field(3, "test") + field(6, worker) + field(7, "queue"))

    def test_a_goodbye_ends_the_polls_of_that_worker(self):
        one, first = self.in_background("queue", "one")
        act, second = self.in_background("queue", "one", activity=True)
        two, other = self.in_background("queue", "two")
        self.wait_pollers("one@host", "two@host")
        self.wait_pollers("one@host", type=ACTIVITY)
        begin = time.monotonic()
        self.shutdown("one")
        for t, answers in ((one, first), (act, second)):
            t.join(10)
            self.assertEqual(answers[0][0][0], wire.OK)
            self.assertEqual(answers[0][0][2], b"")
            self.assertLess(answers[0][1] - begin, 5)
        status, _, reply = poll(self.port, "queue", "one")  # it was still on its way
        self.assertEqual((status, reply), (wire.OK, b""))
        self.assertLess(time.monotonic() - begin, 8)
        self.assertEqual(other, [])
        self.assertEqual(wire.start_workflow(self.port, "w")[0], wire.OK)
        two.join(10)
        self.assertEqual(wire.get(other[0][0][2], 2, 1), b"w")

    def test_workers_tell_of_themselves(self):
        options = field(1, "deployment") + field(2, "build")
        t, _ = self.in_background("queue", "one", more=field(6, options))
        self.wait_pollers("one@host")
        p = self.pollers(self.describe())["one@host"]
        self.assertEqual(wire.get(p, 5), options)
        self.assertAlmostEqual(wire.get(p, 1, 1), time.time(), delta=30)
        self.shutdown("one")

    def test_figures(self):
        for id in ("a", "b", "c"):
            self.assertEqual(wire.start_workflow(self.port, id)[0], wire.OK)
        stats = lambda: wire.get(self.describe(field(8, 1)), 5)
        wait_until("the tasks", lambda: wire.get(stats(), 1) == 3)
        self.assertIsNotNone(wire.get(stats(), 2))
        plain = self.describe()
        self.assertIsNone(wire.get(plain, 5), "only when asked for")
        self.assertIsNone(wire.get(plain, 2))
        self.assertEqual(wire.get(self.describe(field(4, 1)), 2, 1), 3)
        by_priority = wire.get(self.describe(field(8, 1)), 8)
        self.assertEqual((wire.get(by_priority, 1), wire.get(by_priority, 2, 1)), (3, 3))

    def test_enhanced(self):
        self.assertEqual(wire.start_workflow(self.port, "a")[0], wire.OK)
        ask = (field(5, ENHANCED), field(8, 1), field(9, 1), field(10, 1))

        def types():
            entry = wire.get(self.describe(*ask), 3)
            self.assertIsNone(wire.get(entry, 1), "the build id of those that have none")
            self.assertEqual(wire.get(entry, 2, 2), 1, "reachable")
            return {wire.get(e, 1): wire.get(e, 2) for n, e in wire.fields(wire.get(entry, 2)) if n == 1}

        wait_until("the task", lambda: wire.get(types()[WORKFLOW], 2, 1) == 1)
        self.assertEqual(sorted(types()), [WORKFLOW, ACTIVITY])
        self.assertIsNone(wire.get(types()[ACTIVITY], 2, 1))
        one_type = wire.get(self.describe(field(5, ENHANCED), field(7, ACTIVITY)), 3, 2)
        self.assertEqual([wire.get(e, 1) for n, e in wire.fields(one_type) if n == 1], [ACTIVITY])
        sticky = field(2, field(1, "queue") + field(2, 2))
        self.call("DescribeTaskQueue", sticky + field(5, ENHANCED), INVALID_ARGUMENT)

    def test_partitions(self):
        reply = self.call("ListTaskQueuePartitions", field(2, field(1, "queue")))
        for kind in (1, 2):
            self.assertEqual([wire.get(p, 1) for n, p in wire.fields(reply) if n == kind], [b"queue"])
        self.call("ListTaskQueuePartitions", b"", INVALID_ARGUMENT)
