package conformance;

import io.temporal.activity.Activity;
import io.temporal.activity.ActivityExecutionContext;
import io.temporal.activity.ActivityInterface;
import io.temporal.activity.ActivityOptions;
import io.temporal.activity.LocalActivityOptions;
import io.temporal.client.ActivityCompletionException;
import io.temporal.common.RetryOptions;
import io.temporal.failure.ApplicationFailure;
import io.temporal.workflow.Workflow;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** The activities that the tests run. What they remember lives in this process, by key. */
@ActivityInterface
public interface Activities {
  String greet(String name);

  String echo(String text);

  /** How often the key was asked for. */
  int countCall(String key);

  /** Fails `failures` times; the attempt that the server counts must be the number of calls. */
  int failUntil(String key, int failures);

  void failForGood(String key);

  void failAlways();

  /** Sleeps on the first attempt, until the worker ends. */
  int hangFirst();

  void hang();

  /** The first attempt heartbeats and then falls silent; the next says what it was handed. */
  String fallSilent();

  void heartbeatUntilCancelled(String key);

  String completedElsewhere(String key);

  /** Fails once and says when it wants to be tried again. */
  int wantsDelay(long ms);

  /** Sends one signal to the workflow, when it is first called for it. */
  void signalOnce(String workflowId);

  static ActivityOptions.Builder options() {
    return ActivityOptions.newBuilder().setStartToCloseTimeout(Duration.ofSeconds(20)).setRetryOptions(
        RetryOptions.newBuilder().setInitialInterval(Duration.ofMillis(20)).setBackoffCoefficient(1).setMaximumAttempts(5).build());
  }

  static RetryOptions once() {
    return RetryOptions.newBuilder().setMaximumAttempts(1).build();
  }

  static Activities stub() {
    return stub(options());
  }

  static Activities stub(ActivityOptions.Builder options) {
    return Workflow.newActivityStub(Activities.class, options.build());
  }

  static Activities local() {
    return Workflow.newLocalActivityStub(Activities.class,
        LocalActivityOptions.newBuilder().setStartToCloseTimeout(Duration.ofSeconds(10)).build());
  }

  Map<String, Integer> CALLS = new ConcurrentHashMap<>();
  Map<String, byte[]> TOKENS = new ConcurrentHashMap<>();
  Map<String, String> ENDS = new ConcurrentHashMap<>();

  class Impl implements Activities {
    private static ActivityExecutionContext context() {
      return Activity.getExecutionContext();
    }

    private static int attempt() {
      return context().getInfo().getAttempt();
    }

    @Override
    public String greet(String name) {
      return "Hello, " + name + "!";
    }

    @Override
    public String echo(String text) {
      return text;
    }

    @Override
    public int countCall(String key) {
      return CALLS.merge(key, 1, Integer::sum);
    }

    @Override
    public int failUntil(String key, int failures) {
      int calls = countCall(key);
      if (attempt() != calls) {
        throw ApplicationFailure.newNonRetryableFailure("call " + calls + " says that it is attempt " + attempt(), "Miscounted");
      }
      if (calls <= failures) throw new IllegalStateException("attempt " + calls + " fails");
      return calls;
    }

    @Override
    public void failForGood(String key) {
      countCall(key);
      throw ApplicationFailure.newNonRetryableFailure("for good", "ForGood");
    }

    @Override
    public void failAlways() {
      throw ApplicationFailure.newFailure("always", "Always");
    }

    @Override
    public int hangFirst() {
      if (attempt() == 1) hang();
      return attempt();
    }

    @Override
    public void hang() {
      Env.pause(30_000);
    }

    @Override
    public String fallSilent() {
      if (attempt() > 1) return attempt() + ": " + context().getHeartbeatDetails(String.class).orElse("nothing");
      context().heartbeat("progress 42");
      hang();
      return "not reached";
    }

    @Override
    public void heartbeatUntilCancelled(String key) {
      try {
        for (;;) {
          context().heartbeat(null);
          Env.pause(50);
        }
      } catch (ActivityCompletionException err) {
        ENDS.put(key, err.getClass().getSimpleName());
        throw err;
      }
    }

    @Override
    public String completedElsewhere(String key) {
      TOKENS.put(key, context().getTaskToken());
      context().doNotCompleteOnReturn();
      return null;
    }

    @Override
    public int wantsDelay(long ms) {
      if (attempt() > 1) return attempt();
      throw ApplicationFailure.newBuilder().setMessage("later").setType("Later").setNextRetryDelay(Duration.ofMillis(ms)).build();
    }

    @Override
    public void signalOnce(String workflowId) {
      if (countCall(workflowId) == 1) Env.byId(workflowId).signal("note", "at the end");
    }
  }
}
