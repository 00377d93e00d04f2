"""Task queues from outside: what they tell of their workers and tasks, and what a worker's goodbye does."""

import struct
import threading
import time

import wire
from perdure import Case, wait_until
from wire import field

INVALID_ARGUMENT = 3
WORKFLOW, ACTIVITY = 1, 2
ENHANCED = 1


def float_field(number, value):
    return wire.varint(number << 3 | 5) + struct.pack("<f", value)


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

    def configure(self, *parts, type=ACTIVITY, status=wire.OK):
        name = field(2, "admin") + field(3, "queue") + field(4, type)
        return self.call("UpdateTaskQueueConfig", name + b"".join(parts), status)

    def described(self):
        reply = self.describe(field(3, ACTIVITY), field(11, 1))
        return wire.get(reply, 6), wire.get(reply, 7)

    def test_what_is_set_for_a_queue(self):
        queue_rate = lambda *rate: field(5, b"".join(rate) + field(2, "because"))
        half = field(1, float_field(1, 0.5))
        API, SYSTEM = 1, 3
        self.assertEqual(self.described()[0], None)
        config = wire.get(self.configure(queue_rate(half)), 1)
        self.assertEqual(wire.get(config, 1, 1), float_field(1, 0.5))
        self.assertEqual((wire.get(config, 1, 2, 1), wire.get(config, 1, 2, 2)), (b"because", b"admin"))
        self.assertAlmostEqual(wire.get(config, 1, 2, 3, 1), time.time(), delta=30)
        self.assertEqual(self.described(), (config, float_field(1, 0.5) + field(2, API)))
        self.assertIsNone(wire.get(self.describe(field(3, ACTIVITY)), 6), "only when asked for")
        stopped = wire.get(self.configure(queue_rate(field(1, b""))), 1)
        self.assertEqual(self.described(), (stopped, field(2, API)), "a rate of zero is one")

        weight = lambda key, value: field(7, field(1, key) + float_field(2, value))
        config = wire.get(self.configure(weight("a", 2), weight("b", 3), field(6, field(1, float_field(1, 7)))), 1)
        self.assertEqual(wire.get(config, 2, 1), float_field(1, 7))
        config = wire.get(self.configure(field(8, "a"), weight("c", 4)), 1)
        self.assertEqual([wire.get(v, 1) for n, v in wire.fields(config) if n == 3], [b"b", b"c"])
        self.assertEqual(wire.get(config, 2, 1), float_field(1, 7), "what is not named stays")

        lifted = wire.get(self.configure(queue_rate()), 1)
        self.assertIsNone(wire.get(lifted, 1, 1))
        self.assertEqual(wire.get(lifted, 1, 2, 1), b"because")
        self.assertEqual(wire.get(self.described()[1], 2), SYSTEM)

    def test_what_may_not_be_set_for_a_queue(self):
        bad = lambda *parts, type=ACTIVITY: self.configure(*parts, type=type, status=INVALID_ARGUMENT)
        rate = lambda value: field(1, float_field(1, value))
        bad(field(5, rate(-1)))
        bad(field(6, rate(-1)))
        bad(field(5, rate(1)), type=WORKFLOW)
        bad(field(6, rate(1)), type=WORKFLOW)
        bad(field(5, rate(1) + field(2, "x" * 1001)))
        bad(field(7, field(1, "") + float_field(2, 1)))
        bad(field(7, field(1, "x" * 65) + float_field(2, 1)))
        bad(field(7, field(1, "a") + float_field(2, 0)))
        bad(field(8, ""))
        bad(field(8, "a"), field(7, field(1, "a") + float_field(2, 1)))
        self.call("UpdateTaskQueueConfig", field(4, ACTIVITY), INVALID_ARGUMENT)
        self.assertEqual(self.described()[0], None)

    def test_a_rate_that_is_set_holds_polls_back(self):
        self.configure(field(5, field(1, b"")))
        t, answers = self.in_background("queue", "one", activity=True)
        self.wait_pollers("one@host", type=ACTIVITY)
        self.assertEqual(wire.start_workflow(self.port, "w")[0], wire.OK)
        token = wire.get(poll(self.port, "queue", "two")[2], 1)
        activity = field(1, "act") + field(2, field(1, "A")) + field(4, field(1, "queue")) + field(9, field(1, 60))
        done = field(1, token) + field(2, field(1, 1) + field(2, activity)) + field(9, "default")
        self.assertEqual(wire.call(self.port, "RespondWorkflowTaskCompleted", done)[0], wire.OK)
        limited = lambda: wire.get(self.describe(field(3, ACTIVITY), field(8, 1)), 5, 5)
        wait_until("the task waits beside the poll", limited)
        self.assertEqual(answers, [])
        self.configure(field(5, b""))
        t.join(10)
        self.assertEqual(wire.get(answers[0][0][2], 6), b"act")
