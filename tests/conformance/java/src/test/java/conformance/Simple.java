package conformance;

import io.temporal.failure.ApplicationFailure;
import io.temporal.workflow.QueryMethod;
import io.temporal.workflow.SignalMethod;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import io.temporal.failure.CanceledFailure;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Workflows that several tests run. */
final class Simple {
  private Simple() {}

  @WorkflowInterface
  public interface Hello {
    @WorkflowMethod
    String hello(String name);

    class Impl implements Hello {
      @Override
      public String hello(String name) {
        return Activities.stub().greet(name);
      }
    }
  }

  @WorkflowInterface
  public interface Echo {
    @WorkflowMethod
    String echo(String text);

    class Impl implements Echo {
      @Override
      public String echo(String text) {
        return text;
      }
    }
  }

  @WorkflowInterface
  public interface Sleeper {
    @WorkflowMethod
    void sleep();

    class Impl implements Sleeper {
      @Override
      public void sleep() {
        Workflow.sleep(Duration.ofHours(1));
      }
    }
  }

  @WorkflowInterface
  public interface Failing {
    @WorkflowMethod
    void fail();

    class Impl implements Failing {
      @Override
      public void fail() {
        throw ApplicationFailure.newNonRetryableFailureWithCause("the outer", "Outer",
            ApplicationFailure.newFailure("the inner", "Inner"), "detail");
      }
    }
  }

  /** Collects notes until it is told to finish. */
  @WorkflowInterface
  public interface Collector {
    @WorkflowMethod
    List<String> collect();

    @SignalMethod
    void note(String text);

    @SignalMethod
    void finish();

    @QueryMethod
    List<String> notes();

    class Impl implements Collector {
      private final List<String> notes = new ArrayList<>();
      private boolean finished;

      @Override
      public List<String> collect() {
        Workflow.await(() -> finished);
        return notes;
      }

      @Override
      public void note(String text) {
        notes.add(text);
      }

      @Override
      public void finish() {
        finished = true;
      }

      @Override
      public List<String> notes() {
        return notes;
      }
    }
  }

  /** Cleans up in a scope of its own when it is cancelled. */
  @WorkflowInterface
  public interface Cancellable {
    @WorkflowMethod
    void run();

    class Impl implements Cancellable {
      @Override
      public void run() {
        try {
          Workflow.sleep(Duration.ofHours(1));
        } catch (CanceledFailure err) {
          Workflow.newDetachedCancellationScope(() -> Activities.stub().echo("cleaned up")).run();
          throw err;
        }
      }
    }
  }

  /** Two counted activities with a signal between them. */
  @WorkflowInterface
  public interface TwoHalves {
    @WorkflowMethod
    List<Integer> run(String key);

    @SignalMethod
    void go();

    class Impl implements TwoHalves {
      private boolean released;

      @Override
      public List<Integer> run(String key) {
        int first = Activities.stub().countCall(key + "/first");
        Workflow.await(() -> released);
        return List.of(first, Activities.stub().countCall(key + "/second"));
      }

      @Override
      public void go() {
        released = true;
      }
    }
  }

  /** Activities and timers in turn. */
  @WorkflowInterface
  public interface ManySteps {
    @WorkflowMethod
    List<String> run(int rounds);

    class Impl implements ManySteps {
      @Override
      public List<String> run(int rounds) {
        List<String> seen = new ArrayList<>();
        for (int i = 0; i < rounds; i++) {
          seen.add(Activities.stub().echo("step " + i));
          Workflow.sleep(Duration.ofMillis(1));
        }
        return seen;
      }
    }
  }
}
