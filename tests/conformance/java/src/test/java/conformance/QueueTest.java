package conformance;

import static conformance.Env.*;
import static org.junit.jupiter.api.Assertions.*;

import io.temporal.activity.ActivityInterface;
import io.temporal.activity.ActivityMethod;
import io.temporal.activity.ActivityOptions;
import io.temporal.api.enums.v1.RateLimitSource;
import io.temporal.api.enums.v1.TaskQueueType;
import io.temporal.api.taskqueue.v1.TaskQueue;
import io.temporal.api.workflowservice.v1.DescribeTaskQueueRequest;
import io.temporal.api.workflowservice.v1.DescribeTaskQueueResponse;
import io.temporal.client.WorkflowStub;
import io.temporal.common.Priority;
import io.temporal.worker.WorkerFactory;
import io.temporal.worker.WorkerOptions;
import io.temporal.workflow.Promise;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** In which order and how fast a task queue gives its tasks away. */
class QueueTest {
  /** A task: name, priority key (0: none), fairness key (empty: none), weight (0: none). */
  private static String task(String name, int key, String fairness, double weight) {
    return name + "/" + key + "/" + fairness + "/" + weight;
  }

  @ActivityInterface
  public interface Notes {
    @ActivityMethod(name = "Noted")
    void note(String name);
  }

  public static class NotesImpl implements Notes {
    final List<String> seen = Collections.synchronizedList(new ArrayList<>());

    @Override
    public void note(String name) {
      seen.add(name);
    }
  }

  @WorkflowInterface
  public interface Schedules {
    @WorkflowMethod
    void run(String queue, List<String> tasks);

    class Impl implements Schedules {
      @Override
      public void run(String queue, List<String> tasks) {
        List<Promise<Void>> all = new ArrayList<>();
        for (String task : tasks) {
          String[] parts = task.split("/");
          var priority = Priority.newBuilder();
          if (!parts[1].equals("0")) priority.setPriorityKey(Integer.parseInt(parts[1]));
          if (!parts[2].isEmpty()) priority.setFairnessKey(parts[2]);
          if (Float.parseFloat(parts[3]) > 0) priority.setFairnessWeight(Float.parseFloat(parts[3]));
          all.add(Workflow.newUntypedActivityStub(ActivityOptions.newBuilder().setTaskQueue(queue)
              .setStartToCloseTimeout(Duration.ofSeconds(30)).setPriority(priority.build()).build())
              .executeAsync("Noted", Void.class, parts[0]));
        }
        Promise.allOf(all).get();
      }
    }
  }

  private static DescribeTaskQueueResponse describe(String queue) {
    return raw().describeTaskQueue(DescribeTaskQueueRequest.newBuilder().setNamespace(NAMESPACE)
        .setTaskQueue(TaskQueue.newBuilder().setName(queue)).setTaskQueueType(TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
        .setReportStats(true).build());
  }

  /** A worker for the noted activities alone. */
  private static WorkerFactory taker(String queue, NotesImpl notes, WorkerOptions.Builder options) {
    var factory = WorkerFactory.newInstance(newClient(SERVICE));
    factory.newWorker(queue, options.build()).registerActivitiesImplementations(notes);
    factory.start();
    return factory;
  }

  private static void stop(WorkerFactory factory) {
    factory.shutdown();
    factory.awaitTermination(10, TimeUnit.SECONDS);
  }

  /** The tasks wait before anybody polls; one worker then takes them one by one. */
  private static List<String> orderOf(Priority priority, List<String> tasks) {
    String queue = unique("ordered"), noted = queue + "-noted";
    var notes = new NotesImpl();
    try (var worker = worker(queue, Schedules.Impl.class)) {
      WorkflowStub stub = CLIENT.newUntypedWorkflowStub("Schedules", options(queue).setPriority(priority).build());
      stub.start(noted, tasks);
      eventually("all tasks wait", () -> describe(noted).getStats().getApproximateBacklogCount() == tasks.size());
      var taker = taker(noted, notes, WorkerOptions.newBuilder().setMaxConcurrentActivityExecutionSize(1)
          .setMaxConcurrentActivityTaskPollers(1));
      stub.getResult(Void.class);
      stop(taker);
    }
    return notes.seen;
  }

  @Test
  @DisplayName("priority_order: activities that wait go by priority, then first in first out")
  void priorityOrder() {
    var seen = orderOf(Priority.newBuilder().setPriorityKey(2).build(), List.of(task("e", 5, "", 0),
        task("d1", 4, "", 0), task("d2", 4, "", 0), task("c", 3, "", 0), task("as its workflow", 0, "", 0),
        task("a1", 1, "", 0), task("a2", 1, "", 0)));
    assertEquals(List.of("a1", "a2", "as its workflow", "c", "d1", "d2", "e"), seen);
  }

  @Test
  @DisplayName("fairness: keys of fairness share a queue by weight")
  void fairness() {
    List<String> tasks = new ArrayList<>();
    tasks.addAll(Collections.nCopies(12, task("large", 0, "large", 0)));
    tasks.addAll(Collections.nCopies(3, task("small", 0, "small", 0)));
    tasks.addAll(Collections.nCopies(9, task("heavy", 0, "heavy", 3)));
    var seen = orderOf(Priority.getDefaultInstance(), tasks);
    assertEquals(24, seen.size());
    var first = seen.subList(0, 15);
    // 3, 9 and 3, but for a task or two that a change inside the cluster makes a queue tell twice
    assertTrue(Collections.frequency(first, "small") >= 2 && Collections.frequency(first, "heavy") >= 7
        && Collections.frequency(first, "large") <= 5, seen.toString());
  }

  @Test
  @DisplayName("task_queue_rate: a worker's rate limits the whole queue, and the next worker's word replaces it")
  void taskQueueRate() {
    String queue = unique("rated"), noted = queue + "-noted";
    var notes = new NotesImpl();
    try (var worker = worker(queue, Schedules.Impl.class)) {
      WorkflowStub stub = CLIENT.newUntypedWorkflowStub("Schedules", options(queue).build());
      stub.start(noted, List.of(task("a", 0, "", 0), task("b", 0, "", 0), task("c", 0, "", 0)));
      var limited = taker(noted, notes, WorkerOptions.newBuilder().setMaxTaskQueueActivitiesPerSecond(0.01));
      eventually("tasks wait for the rate",
          () -> !notes.seen.isEmpty() && describe(noted).getStats().getRateLimitingActive());
      var described = describe(noted);
      assertTrue(described.getStats().getApproximateBacklogCount() >= 2);
      assertEquals(0.01, described.getEffectiveRateLimit().getRequestsPerSecond(), 1e-6);
      assertEquals(RateLimitSource.RATE_LIMIT_SOURCE_WORKER, described.getEffectiveRateLimit().getRateLimitSource());
      stop(limited);
      assertEquals(List.of("a"), notes.seen);
      var unlimited = taker(noted, notes, WorkerOptions.newBuilder());
      stub.getResult(Void.class);
      stop(unlimited);
      assertEquals(3, notes.seen.size());
    }
  }
}
