package conformance;

import static conformance.Env.*;
import static org.junit.jupiter.api.Assertions.*;

import io.temporal.activity.ActivityCancellationType;
import io.temporal.activity.ActivityOptions;
import io.temporal.api.enums.v1.EventType;
import io.temporal.api.enums.v1.PendingActivityState;
import io.temporal.api.enums.v1.RetryState;
import io.temporal.api.enums.v1.TimeoutType;
import io.temporal.client.ActivityNotExistsException;
import io.temporal.client.WorkflowFailedException;
import io.temporal.client.WorkflowStub;
import io.temporal.common.RetryOptions;
import io.temporal.failure.ActivityFailure;
import io.temporal.failure.ApplicationFailure;
import io.temporal.failure.TimeoutFailure;
import io.temporal.worker.WorkerOptions;
import io.temporal.workflow.Async;
import io.temporal.workflow.CancellationScope;
import io.temporal.workflow.Promise;
import io.temporal.workflow.SignalMethod;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Activities: retries, the four timeouts, cancellation, completion by others. */
class ActivityTest {
  /** One workflow per case: what it does is named by its argument. */
  @WorkflowInterface
  public interface OneActivity {
    @WorkflowMethod
    String run(String how, String key);

    @SignalMethod
    void go();

    class Impl implements OneActivity {
      private CancellationScope scope;

      private static ActivityOptions.Builder options(int startToCloseMs) {
        return ActivityOptions.newBuilder().setStartToCloseTimeout(Duration.ofMillis(startToCloseMs))
            .setRetryOptions(RetryOptions.newBuilder().setInitialInterval(Duration.ofMillis(10)).build());
      }

      @Override
      public String run(String how, String key) {
        switch (how) {
          case "retried":
            return "" + Activities.stub().failUntil(key, 3);
          case "for good":
            Activities.stub().failForGood(key);
            return "completed";
          case "listed type":
            Activities.stub(options(10_000).setRetryOptions(RetryOptions.newBuilder().setDoNotRetry("Always").build())).failAlways();
            return "completed";
          case "attempts":
            Activities.stub(options(10_000).setRetryOptions(
                RetryOptions.newBuilder().setInitialInterval(Duration.ofMillis(10)).setMaximumAttempts(3).build())).failAlways();
            return "completed";
          case "for ever":
            Activities.stub(options(10_000)).failAlways();
            return "completed";
          case "schedule to close":
            Activities.stub(options(400).setScheduleToCloseTimeout(Duration.ofSeconds(1))).hang();
            return "completed";
          case "schedule to start":
            Activities.stub(options(10_000).setTaskQueue(key + "-nobody").setScheduleToStartTimeout(Duration.ofMillis(300))).echo("x");
            return "completed";
          case "start to close":
            Activities.stub(options(300).setRetryOptions(Activities.once())).hang();
            return "completed";
          case "start to close, retried":
            return "" + Activities.stub(options(500)).hangFirst();
          case "heartbeat":
            return Activities.stub(options(30_000).setHeartbeatTimeout(Duration.ofMillis(500))).fallSilent();
          case "cancelled":
            scope = Workflow.newCancellationScope(() -> Activities.stub(options(30_000)
                .setHeartbeatTimeout(Duration.ofSeconds(2)).setRetryOptions(Activities.once())
                .setCancellationType(ActivityCancellationType.WAIT_CANCELLATION_COMPLETED)).heartbeatUntilCancelled(key));
            scope.run();
            return "completed";
          case "elsewhere":
            return Activities.stub(options(30_000).setRetryOptions(Activities.once())).completedElsewhere(key);
          case "delay":
            return "" + Activities.stub(options(10_000).setRetryOptions(RetryOptions.newBuilder()
                .setInitialInterval(Duration.ofHours(1)).setMaximumInterval(Duration.ofHours(1)).build())).wantsDelay(500);
          case "killed":
            return "" + Activities.stub(options(2_000)).hangFirst();
          case "eager":
            Activities eager = Activities.stub();
            List<Promise<String>> promises = Stream.of("a", "b", "c").map(text -> Async.function(eager::echo, text)).toList();
            return promises.stream().map(Promise::get).reduce("", String::concat);
          default:
            throw ApplicationFailure.newNonRetryableFailure("no such case: " + how, "NoSuchCase");
        }
      }

      @Override
      public void go() {
        scope.cancel();
      }
    }
  }

  private static final Class<?> IMPL = OneActivity.Impl.class;

  private static WorkflowStub start(String how, String queue) {
    var stub = CLIENT.newUntypedWorkflowStub("OneActivity", options(queue).build());
    stub.start(how, queue);
    return stub;
  }

  private static ActivityFailure failure(WorkflowStub stub) {
    var err = assertThrows(WorkflowFailedException.class, () -> stub.getResult(String.class));
    return assertInstanceOf(ActivityFailure.class, err.getCause());
  }

  private static TimeoutFailure timesOut(String how, String queue, TimeoutType type) {
    var cause = assertInstanceOf(TimeoutFailure.class, failure(start(how, queue)).getCause());
    assertEquals(type, cause.getTimeoutType());
    return cause;
  }

  @Test
  @DisplayName("activity_retry: attempts count up until success")
  void activityRetry() {
    String queue = unique("retried");
    try (var worker = worker(queue, IMPL)) {
      assertEquals("4", start("retried", queue).getResult(String.class));
      var started = first(queue, EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED).getActivityTaskStartedEventAttributes();
      assertEquals(4, started.getAttempt());
      assertTrue(started.getLastFailure().getMessage().contains("attempt 3 fails"));
    }
  }

  @Test
  @DisplayName("activity_non_retryable: a non-retryable error ends at once, by flag and by type")
  void activityNonRetryable() {
    String queue = unique("for-good");
    try (var worker = worker(queue, IMPL)) {
      var byFlag = failure(start("for good", queue));
      assertEquals(RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE, byFlag.getRetryState());
      assertEquals("ForGood", ((ApplicationFailure) byFlag.getCause()).getType());
      assertEquals(1, Activities.CALLS.get(queue));
      assertEquals(RetryState.RETRY_STATE_NON_RETRYABLE_FAILURE, failure(start("listed type", queue)).getRetryState());
    }
  }

  @Test
  @DisplayName("activity_attempts_run_out: the last failure surfaces with its cause")
  void activityAttemptsRunOut() {
    String queue = unique("attempts");
    try (var worker = worker(queue, IMPL)) {
      var failure = failure(start("attempts", queue));
      assertEquals(RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED, failure.getRetryState());
      assertEquals("always", ((ApplicationFailure) failure.getCause()).getOriginalMessage());
    }
  }

  @Test
  @DisplayName("activity_schedule_to_close_timeout: surfaces with its type")
  void activityScheduleToCloseTimeout() {
    String queue = unique("schedule-to-close");
    try (var worker = worker(queue, IMPL)) {
      timesOut("schedule to close", queue, TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE);
    }
  }

  @Test
  @DisplayName("activity_schedule_to_start_timeout: surfaces on a queue without a worker")
  void activityScheduleToStartTimeout() {
    String queue = unique("schedule-to-start");
    try (var worker = worker(queue, IMPL)) {
      timesOut("schedule to start", queue, TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START);
    }
  }

  @Test
  @DisplayName("activity_start_to_close_timeout: surfaces, and is retried where the policy says so")
  void activityStartToCloseTimeout() {
    String queue = unique("start-to-close");
    try (var worker = worker(queue, IMPL)) {
      timesOut("start to close", queue, TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE);
      assertEquals("2", start("start to close, retried", queue).getResult(String.class));
    }
  }

  @Test
  @DisplayName("activity_heartbeat_timeout: the next attempt gets the last details")
  void activityHeartbeatTimeout() {
    String queue = unique("heartbeat");
    try (var worker = worker(queue, IMPL)) {
      assertEquals("2: progress 42", start("heartbeat", queue).getResult(String.class));
    }
  }

  private static void running(WorkflowStub stub) {
    eventually("the activity runs", () -> stub.describe().getRawDescription().getPendingActivitiesList().stream()
        .anyMatch(a -> a.getState() == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED));
  }

  @Test
  @DisplayName("activity_cancel_by_heartbeat: the activity learns of its cancellation")
  void activityCancelByHeartbeat() {
    String queue = unique("cancelled");
    try (var worker = worker(queue, IMPL)) {
      var stub = start("cancelled", queue);
      running(stub);
      stub.signal("go");
      assertThrows(WorkflowFailedException.class, () -> stub.getResult(String.class));
      assertEquals("ActivityCanceledException", Activities.ENDS.get(queue));
      assertTrue(types(queue).contains(EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED));
    }
  }

  @Test
  @DisplayName("activity_async_by_token: completed by another client with the token")
  void activityAsyncByToken() {
    String queue = unique("by-token");
    try (var worker = worker(queue, IMPL)) {
      var stub = start("elsewhere", queue);
      eventually("the token", () -> Activities.TOKENS.containsKey(queue));
      var completion = CLIENT.newActivityCompletionClient();
      byte[] token = Activities.TOKENS.get(queue);
      completion.heartbeat(token, "half way");
      completion.complete(token, "by token");
      assertEquals("by token", stub.getResult(String.class));
      assertThrows(ActivityNotExistsException.class, () -> completion.complete(token, "again"));
    }
  }

  @Test
  @DisplayName("activity_async_by_id: completed, failed and heartbeat by ids")
  void activityAsyncById() {
    String good = unique("by-id"), bad = unique("by-id");
    var completion = CLIENT.newActivityCompletionClient();
    try (var worker = worker(good, IMPL); var second = worker(bad, IMPL)) {
      var completed = start("elsewhere", good);
      running(completed);
      var pending = completed.describe().getRawDescription().getPendingActivities(0);
      completion.heartbeat(good, Optional.empty(), pending.getActivityId(), "half way");
      assertTrue(completed.describe().getRawDescription().getPendingActivities(0).hasHeartbeatDetails());
      completion.complete(good, Optional.empty(), pending.getActivityId(), "by id");
      assertEquals("by id", completed.getResult(String.class));

      var failed = start("elsewhere", bad);
      running(failed);
      String id = failed.describe().getRawDescription().getPendingActivities(0).getActivityId();
      completion.completeExceptionally(bad, Optional.empty(), id, ApplicationFailure.newFailure("failed by id", "ById"));
      assertEquals("ById", ((ApplicationFailure) failure(failed).getCause()).getType());
      assertThrows(ActivityNotExistsException.class, () -> completion.complete(bad, Optional.empty(), id, "again"));
    }
  }

  @Test
  @DisplayName("activity_next_retry_delay: the delay that the failure names is used")
  void activityNextRetryDelay() {
    String queue = unique("delay");
    try (var worker = worker(queue, IMPL)) {
      Instant began = Instant.now();
      assertEquals("2", start("delay", queue).getResult(String.class));
      assertTrue(Duration.between(began, Instant.now()).toMillis() >= 500, "not before its time");
    }
  }

  @Test
  @DisplayName("activity_eager: activities on the workflow's own queue run (eager dispatch on)")
  void activityEager() {
    String queue = unique("eager-activities");
    try (var worker = worker(WorkerOptions.newBuilder().setMaxEagerActivityReservationsPerWorkflowTask(3), queue, IMPL)) {
      assertEquals("abc", start("eager", queue).getResult(String.class));
    }
  }

  @Test
  @DisplayName("activity_worker_killed: an activity whose worker dies runs again elsewhere")
  void activityWorkerKilled() {
    String queue = unique("killed");
    var connection = connectWorkers();
    var dead = new TestWorker(newClient(connection), queue, 10,
        WorkerOptions.newBuilder().setStickyQueueScheduleToStartTimeout(Duration.ofMillis(500)), IMPL);
    var stub = start("killed", queue);
    running(stub);
    connection.shutdownNow(); // nothing that it says arrives any more
    try (var worker = worker(queue, IMPL)) {
      assertEquals("2", stub.getResult(String.class));
    }
    dead.close();
  }
}
