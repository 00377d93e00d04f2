package conformance;

import static conformance.Env.*;
import static org.junit.jupiter.api.Assertions.*;

import io.temporal.api.enums.v1.EventType;
import io.temporal.api.enums.v1.ParentClosePolicy;
import io.temporal.api.enums.v1.TaskQueueType;
import io.temporal.api.taskqueue.v1.TaskQueue;
import io.temporal.api.workflowservice.v1.DescribeTaskQueueRequest;
import io.temporal.worker.WorkerOptions;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** What describe tells of what is pending, and of task queues; and how workers end. */
class DescribeTest {
  @Test
  @DisplayName("describe_pending: pending activities with attempt and last failure, pending children")
  void describePending() {
    String queue = unique("pending"), parent = queue + "/parent";
    try (var worker = worker(queue, ActivityTest.OneActivity.Impl.class, ChildTest.ParentOfSleeper.Impl.class,
        Simple.Sleeper.Impl.class)) {
      var stub = CLIENT.newUntypedWorkflowStub("OneActivity", options(queue).build());
      stub.start("for ever", queue);
      eventually("a second attempt", () -> stub.describe().getRawDescription().getPendingActivitiesList().stream()
          .anyMatch(a -> a.getAttempt() >= 2 && a.getLastFailure().getMessage().equals("always")
              && a.getActivityType().getName().equals("FailAlways")));
      stub.terminate("test ends");

      CLIENT.newUntypedWorkflowStub("ParentOfSleeper", options(queue).setWorkflowId(parent).build())
          .start(ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE);
      reached(parent, EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED);
      var child = byId(parent).describe().getRawDescription().getPendingChildren(0);
      assertEquals(parent + "/child", child.getWorkflowId());
      assertEquals("Sleeper", child.getWorkflowTypeName());
      assertEquals(byId(parent + "/child").describe().getExecution().getRunId(), child.getRunId());
      byId(parent).terminate("test ends");
    }
  }

  @Test
  @DisplayName("describe_task_queue: pollers are listed")
  void describeTaskQueue() {
    String queue = unique("pollers");
    try (var worker = worker(WorkerOptions.newBuilder().setIdentity("the poller"), queue, Simple.Hello.Impl.class)) {
      for (TaskQueueType type : List.of(TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)) {
        eventually("the poller is listed", () -> raw().describeTaskQueue(DescribeTaskQueueRequest.newBuilder()
            .setNamespace(NAMESPACE).setTaskQueue(TaskQueue.newBuilder().setName(queue)).setTaskQueueType(type).build())
            .getPollersList().stream().anyMatch(p -> p.getIdentity().equals("the poller") && p.hasLastAccessTime()));
      }
    }
  }

  @Test
  @DisplayName("worker_shutdown: a worker ends in order while workflows are open, and another goes on")
  void workerShutdown() {
    String queue = unique("orderly");
    var first = worker(queue, Simple.TwoHalves.Impl.class);
    CLIENT.newUntypedWorkflowStub("TwoHalves", options(queue).build()).start(queue);
    reached(queue, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, 2);
    first.factory.shutdown();
    first.factory.awaitTermination(10, TimeUnit.SECONDS);
    assertTrue(first.factory.isTerminated(), "its polls were released, not waited for");
    byId(queue).signal("go");
    try (var worker = worker(queue, Simple.TwoHalves.Impl.class)) {
      assertEquals(List.of(1, 1), byId(queue).getResult(List.class));
    }
  }
}
