package conformance;

import static conformance.Env.*;
import static org.junit.jupiter.api.Assertions.*;

import io.temporal.api.enums.v1.EventType;
import io.temporal.api.enums.v1.WorkflowIdConflictPolicy;
import io.temporal.client.UpdateOptions;
import io.temporal.client.WithStartWorkflowOperation;
import io.temporal.client.WorkflowClient;
import io.temporal.client.WorkflowStub;
import io.temporal.client.WorkflowUpdateException;
import io.temporal.client.WorkflowUpdateStage;
import io.temporal.failure.ApplicationFailure;
import io.temporal.workflow.QueryMethod;
import io.temporal.workflow.SignalMethod;
import io.temporal.workflow.UpdateMethod;
import io.temporal.workflow.UpdateValidatorMethod;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Updates: their stages, their results and failures, with a start, and at the end of their workflow. */
class UpdateTest {
  @WorkflowInterface
  public interface Accumulates {
    @WorkflowMethod
    int run();

    @UpdateMethod
    int add(int n);

    @UpdateValidatorMethod(updateName = "add")
    void checkAdd(int n);

    @UpdateMethod
    int addOnceReleased(int n);

    @UpdateMethod
    int addSlowly(int n);

    @UpdateMethod
    int addBroken(int n);

    @UpdateMethod
    String updateId();

    @QueryMethod
    int total();

    @SignalMethod
    void go();

    @SignalMethod
    void finish();

    class Impl implements Accumulates {
      private int sum;
      private boolean released;
      private boolean finished;

      @Override
      public int run() {
        Workflow.await(() -> finished);
        return sum;
      }

      @Override
      public int add(int n) {
        return sum += n;
      }

      @Override
      public void checkAdd(int n) {
        if (n < 0) throw ApplicationFailure.newFailure("no negative numbers", "Negative");
      }

      @Override
      public int addOnceReleased(int n) {
        Workflow.await(() -> released);
        return sum += n;
      }

      @Override
      public int addSlowly(int n) {
        Workflow.sleep(Duration.ofMillis(1));
        return sum += n;
      }

      @Override
      public int addBroken(int n) {
        throw ApplicationFailure.newFailure("the handler fails", "Broken", 7);
      }

      @Override
      public String updateId() {
        return Workflow.getCurrentUpdateInfo().orElseThrow().getUpdateId();
      }

      @Override
      public int total() {
        return sum;
      }

      @Override
      public void go() {
        released = true;
      }

      @Override
      public void finish() {
        finished = true;
      }
    }
  }

  private static final Class<?> IMPL = Accumulates.Impl.class;

  private static Accumulates start(String queue) {
    var stub = newStub(Accumulates.class, queue);
    WorkflowClient.start(stub::run);
    return stub;
  }

  private static int result(Accumulates stub) {
    return WorkflowStub.fromTyped(stub).getResult(Integer.class);
  }

  private static UpdateOptions.Builder<Integer> update(String name) {
    return UpdateOptions.newBuilder(Integer.class).setUpdateName(name).setWaitForStage(WorkflowUpdateStage.ACCEPTED);
  }

  @Test
  @DisplayName("update_result: an update completes and returns its result")
  void updateResult() {
    String queue = unique("update");
    try (var worker = worker(queue, IMPL)) {
      var stub = start(queue);
      assertEquals(3, stub.add(3));
      assertEquals(7, stub.add(4));
      var options = UpdateOptions.newBuilder(String.class).setUpdateName("updateId").setUpdateId("my id")
          .setWaitForStage(WorkflowUpdateStage.COMPLETED).build();
      assertEquals("my id", byId(queue).startUpdate(options).getResult());
      stub.finish();
      assertEquals(7, result(stub));
      assertEquals(3, count(queue, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED));
    }
  }

  @Test
  @DisplayName("update_validator_rejects: a rejected update leaves no trace in history")
  void updateValidatorRejects() {
    String queue = unique("rejected");
    try (var worker = worker(queue, IMPL)) {
      var stub = start(queue);
      assertEquals(1, stub.add(1));
      var before = types(queue);
      var err = assertThrows(WorkflowUpdateException.class, () -> stub.add(-1));
      var cause = assertInstanceOf(ApplicationFailure.class, err.getCause());
      assertTrue(cause.getMessage().contains("no negative numbers") || cause.getCause().getMessage().contains("no negative numbers"), "" + err);
      assertEquals(before, types(queue));
      assertEquals(1, stub.total());
      stub.finish();
    }
  }

  @Test
  @DisplayName("update_accepted_stage: the handle comes back at acceptance, the result later")
  void updateAcceptedStage() {
    String queue = unique("accepted");
    try (var worker = worker(queue, IMPL)) {
      var stub = start(queue);
      var handle = byId(queue).startUpdate(update("addOnceReleased").build(), 5);
      var types = types(queue);
      assertTrue(types.contains(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED));
      assertFalse(types.contains(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED));
      assertEquals(0, stub.total());
      var waiting = byId(queue).getUpdateHandle(handle.getId(), Integer.class).getResultAsync();
      stub.go();
      assertEquals(5, handle.getResult());
      assertEquals(5, waiting.join(), "by another handle");
      stub.finish();
    }
  }

  @Test
  @DisplayName("update_same_id: the same update id gives the same outcome once")
  void updateSameId() {
    String queue = unique("same-id");
    try (var worker = worker(queue, IMPL)) {
      var stub = start(queue);
      for (int i = 0; i < 2; i++) {
        assertEquals(5, byId(queue).startUpdate(update("add").setUpdateId("five").build(), 5).getResult());
      }
      assertEquals(5, stub.total());
      stub.finish();
    }
  }

  @Test
  @DisplayName("update_failure: a failing handler's error surfaces")
  void updateFailure() {
    String queue = unique("update-failure");
    try (var worker = worker(queue, IMPL)) {
      var stub = start(queue);
      var err = assertThrows(WorkflowUpdateException.class, () -> stub.addBroken(1));
      var cause = assertInstanceOf(ApplicationFailure.class, err.getCause());
      assertEquals("Broken", cause.getType());
      assertEquals(7, cause.getDetails().get(Integer.class));
      assertEquals(1, stub.add(1), "the workflow goes on");
      stub.finish();
    }
  }

  @Test
  @DisplayName("update_with_start: starts and updates in one call, again on the running workflow")
  void updateWithStart() {
    String queue = unique("update-with-start");
    try (var worker = worker(queue, IMPL)) {
      var options = options(queue).setWorkflowIdConflictPolicy(WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING).build();
      var one = CLIENT.newWorkflowStub(Accumulates.class, options);
      assertEquals(1, WorkflowClient.executeUpdateWithStart(one::add, 1,
          UpdateOptions.<Integer>newBuilder().build(), new WithStartWorkflowOperation<>(one::run)));
      var two = CLIENT.newWorkflowStub(Accumulates.class, options);
      var handle = WorkflowClient.startUpdateWithStart(two::add, 2,
          UpdateOptions.<Integer>newBuilder().setWaitForStage(WorkflowUpdateStage.ACCEPTED).build(),
          new WithStartWorkflowOperation<>(two::run));
      assertEquals(3, handle.getResult());
      assertEquals(byId(queue).describe().getExecution(), handle.getExecution());
      byId(queue).signal("finish");
      assertEquals(3, result(two));
    }
  }

  @Test
  @DisplayName("update_poll_after_close: the outcome can be read after the workflow has closed")
  void updatePollAfterClose() {
    String queue = unique("poll-closed");
    try (var worker = worker(queue, IMPL)) {
      var stub = start(queue);
      byId(queue).startUpdate(update("add").setUpdateId("six").build(), 6);
      stub.finish();
      assertEquals(6, result(stub));
      assertEquals(6, byId(queue).getUpdateHandle("six", Integer.class).getResult());
    }
  }

  @Test
  @DisplayName("update_workflow_closes: an update that is in flight when the workflow closes fails clearly")
  void updateWorkflowCloses() {
    String queue = unique("closes");
    try (var worker = worker(queue, IMPL)) {
      var stub = start(queue);
      var handle = byId(queue).startUpdate(update("addOnceReleased").build(), 5);
      stub.finish();
      assertEquals(0, result(stub));
      var err = assertThrows(WorkflowUpdateException.class, handle::getResult);
      assertEquals("AcceptedUpdateCompletedWorkflow", assertInstanceOf(ApplicationFailure.class, err.getCause()).getType());
    }
  }

  @Test
  @DisplayName("update_many_at_once: 50 concurrent updates all complete, each once")
  void updateManyAtOnce() {
    String queue = unique("many-updates");
    try (var worker = worker(queue, IMPL)) {
      var stub = start(queue);
      reached(queue, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED);
      List<CompletableFuture<Integer>> updates = Stream.generate(() -> CompletableFuture.supplyAsync(
          () -> byId(queue).update("addSlowly", Integer.class, 1), task -> new Thread(task).start())).limit(50).toList();
      var sums = updates.stream().map(CompletableFuture::join).sorted().toList();
      assertEquals(IntStream.rangeClosed(1, 50).boxed().toList(), sums);
      stub.finish();
      assertEquals(50, result(stub));
      assertEquals(50, count(queue, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED));
    }
  }
}
