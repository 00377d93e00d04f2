package conformance;

import static conformance.Env.*;
import static org.junit.jupiter.api.Assertions.*;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.temporal.api.common.v1.WorkflowExecution;
import io.temporal.api.enums.v1.EventType;
import io.temporal.api.enums.v1.WorkflowExecutionStatus;
import io.temporal.api.workflowservice.v1.DeleteWorkflowExecutionRequest;
import io.temporal.api.workflowservice.v1.ResetWorkflowExecutionRequest;
import io.temporal.client.WorkflowFailedException;
import io.temporal.client.WorkflowNotFoundException;
import io.temporal.failure.TerminatedFailure;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Resetting a workflow to an earlier point of its history, and deleting it. */
class ResetTest {
  /** Resets to the n-th completed workflow task; gives the new run. */
  private static WorkflowExecution reset(WorkflowExecution run, int n) {
    long event = events(run).stream().filter(e -> e.getEventType() == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED)
        .skip(n - 1).findFirst().orElseThrow().getEventId();
    var response = raw().resetWorkflowExecution(ResetWorkflowExecutionRequest.newBuilder().setNamespace(NAMESPACE)
        .setWorkflowExecution(run).setWorkflowTaskFinishEventId(event).setRequestId(unique("reset")).setReason("start over").build());
    return run.toBuilder().setRunId(response.getRunId()).build();
  }

  private static List<?> result(WorkflowExecution run) {
    return byId(run).getResult(List.class);
  }

  @Test
  @DisplayName("reset_to_first_task: the new run starts over and completes, the old one is terminated")
  void resetToFirstTask() {
    String queue = unique("reset-first");
    try (var worker = worker(queue, Simple.TwoHalves.Impl.class)) {
      var old = CLIENT.newUntypedWorkflowStub("TwoHalves", options(queue).build()).start(queue);
      reached(queue, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, 2);
      var anew = reset(old, 1);
      var err = assertThrows(WorkflowFailedException.class, () -> result(old));
      assertInstanceOf(TerminatedFailure.class, err.getCause());
      byId(anew).signal("go");
      assertEquals(List.of(2, 1), result(anew), "the first activity ran again");
      assertEquals(anew, byId(queue).describe().getExecution());
    }
  }

  @Test
  @DisplayName("reset_reapplies_signals: signals after the reset point are in the new run")
  void resetReappliesSignals() {
    String queue = unique("reset-signals");
    try (var worker = worker(queue, Simple.Collector.Impl.class)) {
      var old = CLIENT.newUntypedWorkflowStub("Collector", options(queue).build()).start();
      reached(queue, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED);
      for (String text : List.of("one", "two", "three")) byId(queue).signal("note", text);
      var anew = reset(old, 1);
      byId(anew).signal("note", "four");
      byId(anew).signal("finish");
      assertEquals(List.of("one", "two", "three", "four"), result(anew));
    }
  }

  @Test
  @DisplayName("reset_to_activity: the first activity keeps its result, the second runs again")
  void resetToActivity() {
    String queue = unique("reset-activity");
    try (var worker = worker(queue, Simple.TwoHalves.Impl.class)) {
      var old = CLIENT.newUntypedWorkflowStub("TwoHalves", options(queue).build()).start(queue);
      reached(queue, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, 2);
      byId(queue).signal("go");
      assertEquals(List.of(1, 1), result(old));
      var anew = reset(old, 2); // of a closed run; the signal is applied again
      assertEquals(List.of(1, 2), result(anew));
      assertEquals(WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED, byId(old).describe().getStatus(),
          "what was closed stays so");
    }
  }

  @Test
  @DisplayName("delete_workflow: a deleted workflow is not found any more")
  void deleteWorkflow() {
    String id = unique("delete");
    CLIENT.newUntypedWorkflowStub("Sleeper", options(id).build()).start();
    byId(id).terminate("enough");
    raw().deleteWorkflowExecution(DeleteWorkflowExecutionRequest.newBuilder().setNamespace(NAMESPACE)
        .setWorkflowExecution(WorkflowExecution.newBuilder().setWorkflowId(id)).build());
    eventually("the workflow is gone", () -> {
      try {
        byId(id).describe();
        return false;
      } catch (WorkflowNotFoundException err) {
        return true;
      }
    });
    var err = assertThrows(StatusRuntimeException.class, () -> CLIENT.fetchHistory(id));
    assertEquals(Status.Code.NOT_FOUND, err.getStatus().getCode());
  }
}
