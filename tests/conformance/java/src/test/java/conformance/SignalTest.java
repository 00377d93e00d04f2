package conformance;

import static conformance.Env.*;
import static org.junit.jupiter.api.Assertions.*;

import io.temporal.api.common.v1.WorkflowExecution;
import io.temporal.api.enums.v1.EventType;
import io.temporal.api.enums.v1.WorkflowExecutionStatus;
import io.temporal.client.WorkflowFailedException;
import io.temporal.client.WorkflowNotFoundException;
import io.temporal.client.WorkflowStub;
import io.temporal.failure.ApplicationFailure;
import io.temporal.failure.CanceledFailure;
import io.temporal.failure.TerminatedFailure;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Signals, cancellation and termination, from clients and from workflows. */
class SignalTest {
  private static WorkflowExecution start(String type, String queue, Object... args) {
    return CLIENT.newUntypedWorkflowStub(type, options(queue).build()).start(args);
  }

  @Test
  @DisplayName("signal_releases: a signal releases a waiting workflow")
  void signalReleases() {
    String queue = unique("signal");
    try (var worker = worker(queue, Simple.Collector.Impl.class)) {
      start("Collector", queue);
      reached(queue, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED);
      CLIENT.newWorkflowStub(Simple.Collector.class, queue).finish();
      assertEquals(List.of(), byId(queue).getResult(List.class));
    }
  }

  @Test
  @DisplayName("signal_before_worker: a signal sent before any worker is kept")
  void signalBeforeWorker() {
    String queue = unique("early-signal");
    start("Collector", queue);
    byId(queue).signal("note", "early");
    byId(queue).signal("finish");
    try (var worker = worker(queue, Simple.Collector.Impl.class)) {
      assertEquals(List.of("early"), byId(queue).getResult(List.class));
    }
  }

  @Test
  @DisplayName("signal_order: 100 signals arrive in order")
  void signalOrder() {
    String queue = unique("signals");
    List<String> texts = IntStream.range(0, 100).mapToObj(i -> "note " + i).toList();
    try (var worker = worker(queue, Simple.Collector.Impl.class)) {
      start("Collector", queue);
      WorkflowStub stub = byId(queue);
      for (String text : texts) stub.signal("note", text);
      stub.signal("finish");
      assertEquals(texts, stub.getResult(List.class));
    }
  }

  @Test
  @DisplayName("signal_unknown_workflow: fails as not found")
  void signalUnknownWorkflow() {
    assertThrows(WorkflowNotFoundException.class, () -> byId(unique("nobody")).signal("note", "x"));
  }

  @Test
  @DisplayName("signal_closed_workflow: fails as not found")
  void signalClosedWorkflow() {
    String id = unique("closed");
    start("Sleeper", id);
    byId(id).terminate("enough");
    assertThrows(WorkflowNotFoundException.class, () -> byId(id).signal("note", "x"));
  }

  @WorkflowInterface
  public interface SignalsAnother {
    @WorkflowMethod
    String run(String id);

    class Impl implements SignalsAnother {
      @Override
      public String run(String id) {
        Simple.Collector other = Workflow.newExternalWorkflowStub(Simple.Collector.class, id);
        try {
          other.note("from another");
          other.finish();
          return "sent";
        } catch (ApplicationFailure err) {
          return err.getType();
        }
      }
    }
  }

  @Test
  @DisplayName("signal_external: a workflow signals another one")
  void signalExternal() {
    String queue = unique("external-signal");
    try (var worker = worker(queue, Simple.Collector.Impl.class, SignalsAnother.Impl.class)) {
      CLIENT.newUntypedWorkflowStub("Collector", options(queue).setWorkflowId(queue + "/other").build()).start();
      assertEquals("sent", newStub(SignalsAnother.class, queue).run(queue + "/other"));
      assertEquals(List.of("from another"), byId(queue + "/other").getResult(List.class));
    }
  }

  @Test
  @DisplayName("signal_external_unknown: signalling nobody fails in the workflow")
  void signalExternalUnknown() {
    String queue = unique("external-nobody");
    try (var worker = worker(queue, SignalsAnother.Impl.class)) {
      String outcome = newStub(SignalsAnother.class, queue).run(queue + "/other");
      assertTrue(outcome.endsWith("EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND"), outcome);
      first(queue, EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED);
    }
  }

  private static void cancelled(String id) {
    var err = assertThrows(WorkflowFailedException.class, () -> byId(id).getResult(Void.class));
    assertInstanceOf(CanceledFailure.class, err.getCause());
    assertEquals(WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED, status(id));
  }

  @Test
  @DisplayName("cancel_with_cleanup: clean-up in a detached scope, closed as cancelled")
  void cancelWithCleanup() {
    String queue = unique("cancel");
    try (var worker = worker(queue, Simple.Cancellable.Impl.class)) {
      start("Cancellable", queue);
      reached(queue, EventType.EVENT_TYPE_TIMER_STARTED);
      byId(queue).cancel("no need");
      cancelled(queue);
      var types = types(queue);
      assertTrue(types.contains(EventType.EVENT_TYPE_TIMER_CANCELED));
      assertTrue(types.contains(EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED));
      assertEquals(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED, types.get(types.size() - 1));
    }
  }

  @WorkflowInterface
  public interface CancelsAnother {
    @WorkflowMethod
    void run(String id);

    class Impl implements CancelsAnother {
      @Override
      public void run(String id) {
        Workflow.newUntypedExternalWorkflowStub(id).cancel();
      }
    }
  }

  @Test
  @DisplayName("cancel_external: a workflow cancels another one")
  void cancelExternal() {
    String queue = unique("external-cancel"), other = queue + "/other";
    try (var worker = worker(queue, Simple.Sleeper.Impl.class, CancelsAnother.Impl.class)) {
      CLIENT.newUntypedWorkflowStub("Sleeper", options(queue).setWorkflowId(other).build()).start();
      newStub(CancelsAnother.class, queue).run(other);
      cancelled(other);
    }
  }

  @Test
  @DisplayName("cancel_closed: cancelling a closed workflow succeeds")
  void cancelClosed() {
    String queue = unique("cancel-closed");
    try (var worker = worker(queue, Simple.Echo.Impl.class)) {
      newStub(Simple.Echo.class, queue).echo("x");
      byId(queue).cancel();
      assertEquals(WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED, status(queue));
    }
  }

  @Test
  @DisplayName("terminate: the client sees the termination with its reason")
  void terminate() {
    String id = unique("terminate");
    start("Sleeper", id);
    byId(id).terminate("enough", "a detail");
    var err = assertThrows(WorkflowFailedException.class, () -> byId(id).getResult(Void.class));
    var cause = assertInstanceOf(TerminatedFailure.class, err.getCause());
    assertEquals("enough", cause.getOriginalMessage());
    var terminated = first(id, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED);
    assertEquals("enough", terminated.getWorkflowExecutionTerminatedEventAttributes().getReason());
    assertThrows(WorkflowNotFoundException.class, () -> byId(id).terminate("again"));
  }
}
