package conformance;

import static conformance.Env.*;
import static org.junit.jupiter.api.Assertions.*;

import com.google.protobuf.ByteString;
import io.temporal.api.common.v1.WorkflowExecution;
import io.temporal.api.enums.v1.EventType;
import io.temporal.api.enums.v1.WorkflowTaskFailedCause;
import io.temporal.api.history.v1.HistoryEvent;
import io.temporal.api.workflowservice.v1.GetWorkflowExecutionHistoryRequest;
import io.temporal.failure.CanceledFailure;
import io.temporal.testing.WorkflowReplayer;
import io.temporal.worker.WorkerOptions;
import io.temporal.workflow.CancellationScope;
import io.temporal.workflow.SignalMethod;
import io.temporal.workflow.Workflow;
import io.temporal.workflow.WorkflowInterface;
import io.temporal.workflow.WorkflowMethod;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Workflow tasks: failure, replay, what replay must repeat and what it must notice. */
class TaskTest {
  @WorkflowInterface
  public interface Clumsy {
    @WorkflowMethod
    String run(String key);

    class Impl implements Clumsy {
      @Override
      public String run(String key) {
        // What a workflow must not do: it fails for as long as the code is "not fixed".
        if (Activities.CALLS.merge(key, 1, Integer::sum) == 1) throw new IllegalStateException("not yet");
        return Activities.stub().echo("done");
      }
    }
  }

  @Test
  @DisplayName("task_failure_retried: a workflow task that fails is tried again, and the fixed code completes")
  void taskFailureRetried() {
    String queue = unique("clumsy");
    try (var worker = worker(queue, Clumsy.Impl.class)) {
      assertEquals("done", newStub(Clumsy.class, queue).run(queue));
      var failed = first(queue, EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED).getWorkflowTaskFailedEventAttributes();
      assertTrue(failed.getFailure().toString().contains("not yet"), failed.toString());
    }
  }

  @Test
  @DisplayName("sticky_fallback: a worker that dies is replaced, and the workflow goes on by replay")
  void stickyFallback() {
    String queue = unique("dead");
    var connection = connectWorkers();
    var options = WorkerOptions.newBuilder().setStickyQueueScheduleToStartTimeout(Duration.ofMillis(500));
    var dead = new TestWorker(newClient(connection), queue, 10, options, Simple.TwoHalves.Impl.class);
    CLIENT.newUntypedWorkflowStub("TwoHalves", options(queue).build()).start(queue);
    reached(queue, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, 2);
    connection.shutdownNow(); // it cannot say farewell
    byId(queue).signal("go");
    try (var worker = worker(queue, Simple.TwoHalves.Impl.class)) {
      assertEquals(List.of(1, 1), byId(queue).getResult(List.class));
    }
    dead.close();
  }

  @Test
  @DisplayName("no_cache: without a cache each task replays")
  void noCache() {
    String queue = unique("no-cache");
    try (var worker = workerWithoutCache(queue, Simple.ManySteps.Impl.class)) {
      assertEquals(List.of("step 0", "step 1", "step 2"), newStub(Simple.ManySteps.class, queue).run(3));
    }
  }

  @WorkflowInterface
  public interface Remembers {
    @WorkflowMethod
    List<Object> run(String key);

    @SignalMethod
    void go();

    class Impl implements Remembers {
      private boolean released;

      @Override
      public List<Object> run(String key) {
        String id = Workflow.sideEffect(String.class, () -> UUID.randomUUID().toString());
        int first = Activities.local().countCall(key);
        int mutable = Workflow.mutableSideEffect("mutable", Integer.class, Integer::equals, () -> 7);
        String kept = Activities.stub().echo(id);
        Workflow.await(() -> released);
        return List.of(kept.equals(id), first, mutable, Activities.local().countCall(key));
      }

      @Override
      public void go() {
        released = true;
      }
    }
  }

  @Test
  @DisplayName("side_effects_and_local_activities: their results are replayed, not made again")
  void sideEffectsAndLocalActivities() {
    String queue = unique("side-effects");
    try (var worker = workerWithoutCache(queue, Remembers.Impl.class)) {
      CLIENT.newUntypedWorkflowStub("Remembers", options(queue).build()).start(queue);
      reached(queue, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, 2);
      byId(queue).signal("go");
      assertEquals(List.of(true, 1, 7, 2), byId(queue).getResult(List.class));
      assertEquals(4, count(queue, EventType.EVENT_TYPE_MARKER_RECORDED));
    }
  }

  @WorkflowInterface
  public interface Evolving {
    @WorkflowMethod
    String run();

    @SignalMethod
    void go();

    abstract class Common implements Evolving {
      boolean released;

      @Override
      public void go() {
        released = true;
      }
    }

    class Before extends Common {
      @Override
      public String run() {
        String said = Activities.stub().echo("quietly");
        Workflow.await(() -> released);
        return said;
      }
    }

    class After extends Common {
      @Override
      public String run() {
        int version = Workflow.getVersion("louder", Workflow.DEFAULT_VERSION, 1);
        String said = version == Workflow.DEFAULT_VERSION
            ? Activities.stub().echo("quietly") : Activities.stub().greet("loudly");
        Workflow.await(() -> released);
        return said;
      }
    }

    class Broken extends Common {
      @Override
      public String run() {
        Workflow.sleep(Duration.ofMillis(1));
        String said = Activities.stub().echo("quietly");
        Workflow.await(() -> released);
        return said;
      }
    }
  }

  private static void startEvolving(String queue, String id) {
    CLIENT.newUntypedWorkflowStub("Evolving", options(queue).setWorkflowId(id).build()).start();
  }

  private static void replay(String id, Class<?> workflow) throws Exception {
    WorkflowReplayer.replayWorkflowExecution(CLIENT.fetchHistory(id), workflow);
  }

  @Test
  @DisplayName("versioning_patch: patched code and old histories both replay")
  void versioningPatch() throws Exception {
    String queue = unique("patch"), old = queue + "/old", fresh = queue + "/fresh";
    startEvolving(queue, old);
    try (var worker = worker(queue, Evolving.Before.class)) {
      reached(old, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, 2);
    }
    try (var worker = worker(queue, Evolving.After.class)) {
      startEvolving(queue, fresh);
      byId(old).signal("go");
      byId(fresh).signal("go");
      assertEquals("quietly", byId(old).getResult(String.class));
      assertEquals("Hello, loudly!", byId(fresh).getResult(String.class));
    }
    replay(old, Evolving.After.class);
    replay(fresh, Evolving.After.class);
    assertThrows(RuntimeException.class, () -> replay(fresh, Evolving.Before.class));
  }

  @Test
  @DisplayName("replay: the histories made here replay cleanly")
  void replay() throws Exception {
    String queue = unique("replay");
    try (var worker = worker(queue, Simple.ManySteps.Impl.class, Simple.Hello.Impl.class, Simple.Cancellable.Impl.class)) {
      newStub(Simple.ManySteps.class, queue).run(5);
      replay(queue, Simple.ManySteps.Impl.class);
      newStub(Simple.Hello.class, queue).hello("x");
      replay(queue, Simple.Hello.Impl.class);
      CLIENT.newUntypedWorkflowStub("Cancellable", options(queue).build()).start();
      reached(queue, EventType.EVENT_TYPE_TIMER_STARTED);
      byId(queue).cancel();
      eventually("it is closed", () -> byId(queue).describe().getCloseTime() != null);
      replay(queue, Simple.Cancellable.Impl.class);
    }
  }

  @Test
  @DisplayName("non_determinism: a changed workflow fails its replay")
  void nonDeterminism() throws Exception {
    String queue = unique("changed");
    startEvolving(queue, queue);
    try (var worker = worker(queue, Evolving.Before.class)) {
      reached(queue, EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, 2);
    }
    replay(queue, Evolving.Before.class);
    assertThrows(RuntimeException.class, () -> replay(queue, Evolving.Broken.class));
    byId(queue).signal("go");
    try (var worker = worker(queue, Evolving.Broken.class)) {
      reached(queue, EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED);
    }
    assertEquals(WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR,
        first(queue, EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED).getWorkflowTaskFailedEventAttributes().getCause());
    try (var worker = worker(queue, Evolving.Before.class)) {
      assertEquals("quietly", byId(queue).getResult(String.class));
    }
  }

  @Test
  @DisplayName("history_paging: a history of several pages is read whole")
  void historyPaging() {
    String queue = unique("pages");
    try (var worker = worker(queue, Simple.ManySteps.Impl.class)) {
      newStub(Simple.ManySteps.class, queue).run(3);
    }
    List<HistoryEvent> paged = new ArrayList<>();
    ByteString token = ByteString.EMPTY;
    int pages = 0;
    do {
      var page = raw().getWorkflowExecutionHistory(GetWorkflowExecutionHistoryRequest.newBuilder().setNamespace(NAMESPACE)
          .setExecution(WorkflowExecution.newBuilder().setWorkflowId(queue)).setMaximumPageSize(4).setNextPageToken(token).build());
      paged.addAll(page.getHistory().getEventsList());
      token = page.getNextPageToken();
      pages++;
    } while (!token.isEmpty());
    assertTrue(pages > 3, pages + " pages");
    assertEquals(events(queue), paged);
  }

  @WorkflowInterface
  public interface Timers {
    @WorkflowMethod
    String run();

    @SignalMethod
    void go();

    class Impl implements Timers {
      private CancellationScope scope;

      @Override
      public String run() {
        long began = Workflow.currentTimeMillis();
        Workflow.sleep(Duration.ofMillis(300));
        if (Workflow.currentTimeMillis() - began < 300) return "too early";
        scope = Workflow.newCancellationScope(() -> Workflow.sleep(Duration.ofHours(1)));
        try {
          scope.run();
          return "fired";
        } catch (CanceledFailure err) {
          return "cancelled";
        }
      }

      @Override
      public void go() {
        scope.cancel();
      }
    }
  }

  @Test
  @DisplayName("timer: fires when due, and a cancelled one does not")
  void timer() {
    String queue = unique("timer");
    try (var worker = worker(queue, Timers.Impl.class)) {
      CLIENT.newUntypedWorkflowStub("Timers", options(queue).build()).start();
      reached(queue, EventType.EVENT_TYPE_TIMER_STARTED, 2);
      byId(queue).signal("go");
      assertEquals("cancelled", byId(queue).getResult(String.class));
      assertEquals(1, count(queue, EventType.EVENT_TYPE_TIMER_FIRED));
      assertEquals(1, count(queue, EventType.EVENT_TYPE_TIMER_CANCELED));
    }
  }

  @WorkflowInterface
  public interface DisturbedAtTheEnd {
    @WorkflowMethod
    List<String> run();

    @SignalMethod
    void note(String text);

    class Impl implements DisturbedAtTheEnd {
      private final List<String> notes = new ArrayList<>();

      @Override
      public List<String> run() {
        // The signal is sent by a local activity, hence while the workflow task that closes the workflow is out.
        Activities.local().signalOnce(Workflow.getInfo().getWorkflowId());
        return notes;
      }

      @Override
      public void note(String text) {
        notes.add(text);
      }
    }
  }

  @Test
  @DisplayName("unhandled_command: a signal that arrives while the closing task is out is not lost")
  void unhandledCommand() {
    String queue = unique("unhandled");
    try (var worker = worker(queue, DisturbedAtTheEnd.Impl.class)) {
      assertEquals(List.of("at the end"), newStub(DisturbedAtTheEnd.class, queue).run());
      assertEquals(WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
          first(queue, EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED).getWorkflowTaskFailedEventAttributes().getCause());
    }
  }

  @WorkflowInterface
  public interface ChangesMemo {
    @WorkflowMethod
    void run();

    class Impl implements ChangesMemo {
      @Override
      public void run() {
        Map<String, Object> change = new HashMap<>();
        change.put("colour", "red");
        change.put("old", null);
        Workflow.upsertMemo(change);
      }
    }
  }

  @Test
  @DisplayName("upsert_memo: memo changed by the workflow is returned by describe")
  void upsertMemo() {
    String queue = unique("upsert-memo");
    try (var worker = worker(queue, ChangesMemo.Impl.class)) {
      var options = options(queue).setMemo(Map.of("colour", "blue", "old", "gone", "kept", "yes")).build();
      CLIENT.newWorkflowStub(ChangesMemo.class, options).run();
      var description = byId(queue).describe();
      assertEquals("red", description.getMemo("colour", String.class));
      assertEquals("yes", description.getMemo("kept", String.class));
      assertNull(description.getMemo("old", String.class));
    }
  }

  @WorkflowInterface
  public interface ChangesSearchAttributes {
    @WorkflowMethod
    void run();

    class Impl implements ChangesSearchAttributes {
      @Override
      public void run() {
        Workflow.upsertTypedSearchAttributes(KEYWORD.valueSet("after"), NUMBER.valueUnset());
      }
    }
  }

  @Test
  @DisplayName("upsert_search_attributes: search attributes changed by the workflow are returned by describe")
  void upsertSearchAttributes() {
    addSearchAttributes();
    String queue = unique("upsert-attributes");
    try (var worker = worker(queue, ChangesSearchAttributes.Impl.class)) {
      var options = options(queue).setTypedSearchAttributes(StartTest.attributes("before", 1)).build();
      CLIENT.newWorkflowStub(ChangesSearchAttributes.class, options).run();
      var attributes = byId(queue).describe().getTypedSearchAttributes();
      assertEquals("after", attributes.get(KEYWORD));
      assertNull(attributes.get(NUMBER));
    }
  }
}
