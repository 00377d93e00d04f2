package conformance;

import static conformance.Env.*;
import static org.junit.jupiter.api.Assertions.*;

import io.temporal.api.enums.v1.EventType;
import io.temporal.api.enums.v1.ParentClosePolicy;
import io.temporal.api.enums.v1.WorkflowExecutionStatus;
import io.temporal.client.WorkflowExecutionAlreadyStarted;
import io.temporal.client.WorkflowFailedException;
import io.temporal.client.WorkflowNotFoundException;
import io.temporal.failure.ApplicationFailure;
import io.temporal.failure.ChildWorkflowFailure;
import io.temporal.workflow.Async;
import io.temporal.workflow.CancellationScope;
import io.temporal.workflow.ChildWorkflowOptions;
import io.temporal.workflow.ContinueAsNewOptions;
import io.temporal.workflow.SignalMethod;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Parents and children, and workflows that continue as new. A child's id is its parent's with "/child". */
class ChildTest {
  private static <T> T child(Class<T> type, ParentClosePolicy policy) {
    return Workflow.newChildWorkflowStub(type, ChildWorkflowOptions.newBuilder()
        .setWorkflowId(Workflow.getInfo().getWorkflowId() + "/child").setParentClosePolicy(policy).build());
  }

  private static <T> T child(Class<T> type) {
    return child(type, ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE);
  }

  @WorkflowInterface
  public interface ParentOfHello {
    @WorkflowMethod
    String run();

    class Impl implements ParentOfHello {
      @Override
      public String run() {
        return child(Simple.Hello.class).hello("child");
      }
    }
  }

  @WorkflowInterface
  public interface ParentOfFailing {
    @WorkflowMethod
    void run();

    class Impl implements ParentOfFailing {
      @Override
      public void run() {
        child(Simple.Failing.class).fail();
      }
    }
  }

  @Test
  @DisplayName("child_result: result and failure of a child surface")
  void childResult() {
    String queue = unique("child");
    try (var worker = worker(queue, ParentOfHello.Impl.class, Simple.Hello.Impl.class,
        ParentOfFailing.Impl.class, Simple.Failing.Impl.class)) {
      assertEquals("Hello, child!", newStub(ParentOfHello.class, queue).run());
      var started = first(queue + "/child", EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED);
      assertEquals(queue, started.getWorkflowExecutionStartedEventAttributes().getParentWorkflowExecution().getWorkflowId());
      var err = assertThrows(WorkflowFailedException.class, () -> newStub(ParentOfFailing.class, queue).run());
      var failure = assertInstanceOf(ChildWorkflowFailure.class, err.getCause());
      assertEquals("Outer", assertInstanceOf(ApplicationFailure.class, failure.getCause()).getType());
      assertEquals(queue + "/child", failure.getExecution().getWorkflowId());
    }
  }

  @WorkflowInterface
  public interface ParentOfSleeper {
    @WorkflowMethod
    String run(ParentClosePolicy policy);

    @SignalMethod
    void cancelChild();

    class Impl implements ParentOfSleeper {
      private CancellationScope scope;

      @Override
      public String run(ParentClosePolicy policy) {
        scope = Workflow.newCancellationScope(() -> {
          Async.procedure(child(Simple.Sleeper.class, policy)::sleep).get();
        });
        try {
          scope.run();
          return "completed";
        } catch (ChildWorkflowFailure err) {
          return err.getCause().getClass().getSimpleName();
        }
      }

      @Override
      public void cancelChild() {
        scope.cancel();
      }
    }
  }

  private static void is(String id, WorkflowExecutionStatus status) {
    eventually(id + " is " + status, () -> {
      try {
        return status(id) == status;
      } catch (WorkflowNotFoundException err) {
        return false;
      }
    });
  }

  @Test
  @DisplayName("child_cancel: cancelling the parent's scope cancels the child")
  void childCancel() {
    String queue = unique("child-cancel");
    try (var worker = worker(queue, ParentOfSleeper.Impl.class, Simple.Sleeper.Impl.class)) {
      var parent = CLIENT.newUntypedWorkflowStub("ParentOfSleeper", options(queue).build());
      parent.start(ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE);
      reached(queue, EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED);
      parent.signal("cancelChild");
      assertEquals("CanceledFailure", parent.getResult(String.class));
      is(queue + "/child", WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED);
    }
  }

  @Test
  @DisplayName("child_parent_close_policies: terminate, request cancel, abandon")
  void childParentClosePolicies() {
    Map<ParentClosePolicy, WorkflowExecutionStatus> ends = Map.of(
        ParentClosePolicy.PARENT_CLOSE_POLICY_TERMINATE, WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED,
        ParentClosePolicy.PARENT_CLOSE_POLICY_REQUEST_CANCEL, WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED,
        ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON, WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING);
    String queue = unique("policies");
    try (var worker = worker(queue, ParentOfSleeper.Impl.class, Simple.Sleeper.Impl.class)) {
      ends.forEach((policy, end) -> {
        String id = queue + "/" + policy;
        CLIENT.newUntypedWorkflowStub("ParentOfSleeper", options(queue).setWorkflowId(id).build()).start(policy);
        reached(id, EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED);
        reached(id + "/child", EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED);
        byId(id).terminate("done with it");
        is(id + "/child", end);
      });
      byId(queue + "/" + ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON + "/child").terminate("test ends");
    }
  }

  @WorkflowInterface
  public interface CountsDown {
    @WorkflowMethod
    int run(int left, int total);

    class Impl implements CountsDown {
      @Override
      public int run(int left, int total) {
        if (left == 0) return total;
        return Workflow.newContinueAsNewStub(CountsDown.class).run(left - 1, total + 1);
      }
    }
  }

  @WorkflowInterface
  public interface ParentOfChain {
    @WorkflowMethod
    int run();

    class Impl implements ParentOfChain {
      @Override
      public int run() {
        return child(CountsDown.class).run(3, 0);
      }
    }
  }

  @Test
  @DisplayName("child_continue_as_new: the parent hears of the end of the chain")
  void childContinueAsNew() {
    String queue = unique("child-chain");
    try (var worker = worker(queue, ParentOfChain.Impl.class, CountsDown.Impl.class)) {
      assertEquals(3, newStub(ParentOfChain.class, queue).run());
      assertEquals(1, count(queue, EventType.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED));
    }
  }

  @WorkflowInterface
  public interface ParentOfTaken {
    @WorkflowMethod
    String run();

    class Impl implements ParentOfTaken {
      @Override
      public String run() {
        try {
          return child(Simple.Hello.class).hello("nobody");
        } catch (ChildWorkflowFailure err) {
          return err.getCause().getClass().getSimpleName();
        }
      }
    }
  }

  @Test
  @DisplayName("child_id_taken: starting a child whose id is taken fails")
  void childIdTaken() {
    String queue = unique("taken");
    try (var worker = worker(queue, ParentOfTaken.Impl.class, Simple.Hello.Impl.class)) {
      CLIENT.newUntypedWorkflowStub("Sleeper", options(unique("other")).setWorkflowId(queue + "/child").build()).start();
      assertEquals(WorkflowExecutionAlreadyStarted.class.getSimpleName(), newStub(ParentOfTaken.class, queue).run());
      byId(queue + "/child").terminate("test ends");
    }
  }

  @WorkflowInterface
  public interface TellsAttributesInNextRun {
    @WorkflowMethod
    String run(boolean next);

    class Impl implements TellsAttributesInNextRun {
      @Override
      public String run(boolean next) {
        if (next) return StartTest.TellsAttributes.Impl.tell();
        // This SDK carries only the search attributes over by itself.
        var memo = Map.<String, Object>of("colour", Workflow.getMemo("colour", String.class));
        var options = ContinueAsNewOptions.newBuilder().setMemo(memo).build();
        return Workflow.newContinueAsNewStub(TellsAttributesInNextRun.class, options).run(true);
      }
    }
  }

  @Test
  @DisplayName("continue_as_new: the client follows the chain, memo and search attributes carry over")
  void continueAsNew() {
    addSearchAttributes();
    String queue = unique("continue");
    try (var worker = worker(queue, TellsAttributesInNextRun.Impl.class)) {
      var options = options(queue).setMemo(Map.of("colour", "blue")).setTypedSearchAttributes(StartTest.attributes("a key", 42)).build();
      var stub = CLIENT.newUntypedWorkflowStub("TellsAttributesInNextRun", options);
      var execution = stub.start(false);
      assertEquals("blue a key 42", stub.getResult(String.class));
      var description = byId(queue).describe();
      assertNotEquals(execution.getRunId(), description.getExecution().getRunId());
      assertEquals(execution.getRunId(), description.getFirstRunId());
      assertEquals("blue", description.getMemo("colour", String.class));
      assertEquals("a key", description.getTypedSearchAttributes().get(KEYWORD));
      var last = events(execution).get(events(execution).size() - 1);
      assertEquals(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW, last.getEventType());
    }
  }

  @WorkflowInterface
  public interface WatchesSuggestion {
    @WorkflowMethod
    List<Boolean> run();

    @SignalMethod
    void note(String text);

    @SignalMethod
    void finish();

    class Impl implements WatchesSuggestion {
      private boolean finished;

      @Override
      public List<Boolean> run() {
        boolean before = Workflow.getInfo().isContinueAsNewSuggested();
        Workflow.await(() -> finished);
        return List.of(before, Workflow.getInfo().isContinueAsNewSuggested());
      }

      @Override
      public void note(String text) {}

      @Override
      public void finish() {
        finished = true;
      }
    }
  }

  @Test
  @DisplayName("continue_as_new_suggested: after signals of more than 4 MB")
  void continueAsNewSuggested() {
    String queue = unique("suggested");
    try (var worker = worker(queue, WatchesSuggestion.Impl.class)) {
      var stub = CLIENT.newUntypedWorkflowStub("WatchesSuggestion", options(queue).build());
      stub.start();
      reached(queue, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED);
      String large = "x".repeat(1_500_000);
      for (int i = 0; i < 3; i++) stub.signal("note", large);
      eventually("all is in the history", () -> {
        var description = stub.describe().getRawDescription();
        return description.getWorkflowExecutionInfo().getHistorySizeBytes() > 4_500_000 && !description.hasPendingWorkflowTask();
      });
      stub.signal("finish");
      assertEquals(List.of(false, true), stub.getResult(List.class));
    }
  }
}
